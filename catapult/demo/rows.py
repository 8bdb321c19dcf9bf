"""The rows of the database that the story gives, with the audit entries that the actions would have written."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID

from catapult.demo.figures import Figures
from catapult.demo.kinds import KINDS
from catapult.demo.story import DEVELOPMENT, GATES, HOSTS, MODELS, OWNER, PRODUCTION, SEED, STAGING
from catapult.demo.timeline import HOURS, Life, Moment, Placed, live_through
from catapult.queries.gates import OWN
from catapult.rules.metadata_limits import numbers
from catapult.rules.semver import semver_key
from catapult.tables import RELEASE, DeploymentStatus, VersionStatus

TYPED = ("sha256:abc123...", "sha256:...", "sha256:pending", "sha256:0d1f")
ERRORS = (
    "readiness probe failed: 503 after 120 s",
    "image pull failed: manifest unknown",
    "out of memory while loading the weights",
    "smoke test failed: 3 of 40 requests timed out",
)
ENVIRONMENTS = {
    DEVELOPMENT: "Whatever was trained last; anybody may deploy here.",
    STAGING: "Mirrored traffic of the day before, for a day at least.",
    PRODUCTION: "What customers see.",
}
REASONS = ("Meets every target on the held-out set.", "Signed off in the weekly release round.", None, None)


@dataclass
class Rows:
    """One list a table, each row by its columns' names."""

    models: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    environments: list[dict[str, Any]] = field(default_factory=list)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    gates: list[dict[str, Any]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)


def uuid7_at(moment: datetime, rng: Random) -> UUID:
    """A UUIDv7 of that moment, which sorts by time to the microsecond.

    Source: RFC 9562, 5.7, and 6.2 method 3: the part of the millisecond that has passed is in the 12 bits after the time.
    """
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    milliseconds, rest = divmod(microseconds, 1000)
    passed = rest * 4096 // 1000
    return UUID(int=milliseconds << 80 | 0x7 << 76 | passed << 64 | 0b10 << 62 | rng.getrandbits(62))


def rows(now: datetime) -> Rows:
    """Every row of the demo, the audit entries in the order in which things happened."""
    made = Rows()
    for told in MODELS:
        _Model(live_through(told, now), made).tell()
    _environments(made)
    _gates(made, now)
    made.entries.sort(key=lambda entry: (entry["created_at"], entry["id"]))
    return made


def _environments(made: Rows) -> None:
    """As the first deployments to them made them, and an admin ranked and described them."""
    rng = Random(f"{SEED} environments")  # noqa: S311 - as in timeline.py
    for rank, (name, description) in enumerate(ENVIRONMENTS.items(), start=1):
        first = min(row["deployed_at"] for row in made.deployments if row["environment"] == name)
        made.environments.append(
            {
                "id": uuid7_at(first, rng),
                "name": name,
                "rank": rank,
                "protected": name == PRODUCTION,
                "description": description,
                "created_by": "ci",
                "created_at": first,
                "updated_at": first,
            }
        )


def _gates(made: Rows, now: datetime) -> None:
    """As an admin wrote them, each after the last version that it would have been for: none was held to them yet."""
    rng = Random(f"{SEED} gates")  # noqa: S311 - as in timeline.py
    for said in GATES:
        last = max(entry["created_at"] for entry in made.entries if _is_for(said, entry))
        at = last + (now - last) * rng.uniform(0.3, 0.7)
        row = {"id": uuid7_at(at, rng), **said, "created_by": OWNER, "created_at": at, "updated_at": at}
        made.gates.append(dict.fromkeys(OWN, None) | row)
        made.entries.append(_entry(Moment(at, OWNER), "gate.create", row["id"], said, rng))


def _is_for(gate: dict[str, Any], entry: dict[str, Any]) -> bool:
    """Whether the gate would have been asked about what the entry tells of."""
    goal = RELEASE if entry["action"] == "version.promote" else entry["details"].get("environment")
    return goal == gate["target"] and fnmatchcase(entry["details"]["model"], gate["model"])


def _entry(moment: Moment, action: str, resource: UUID, details: dict[str, Any], rng: Random) -> dict[str, Any]:
    """As `audit.entry`: details that are None are left out."""
    received = moment.at - timedelta(milliseconds=rng.uniform(3, 9))
    return {
        "id": uuid7_at(moment.at, rng),
        "action": action,
        "resource_type": action.split(".")[0],
        "resource_id": resource,
        "api_key_name": moment.by,
        "details": {name: value for name, value in details.items() if value is not None},
        "ip_address": HOSTS[moment.by],
        "request_id": str(uuid7_at(received, rng)),
        "created_at": moment.at,
    }


class _Model:
    """The rows of one model."""

    def __init__(self, life: Life, made: Rows) -> None:
        self.life, self.made, self.told = life, made, life.told
        self.rng = Random(f"{SEED} rows {life.told.name}")  # noqa: S311 - as in timeline.py
        self.figures = Figures(life, self.rng)
        self.id = self._id(life.born.at)
        self.ids = [self._id(built.at) for built in life.built]

    def tell(self) -> None:
        """The model's rows and those of all that is its own are there."""
        self._model()
        self._versions()
        self._releases()
        self._deployments()
        self._archived()

    def _id(self, at: datetime) -> UUID:
        return uuid7_at(at, self.rng)

    def _entry(self, moment: Moment, action: str, resource: UUID, **details: Any) -> None:
        self.made.entries.append(_entry(moment, action, resource, details, self.rng))

    def _model(self) -> None:
        life, told = self.life, self.told
        active = [built.version for place, built in enumerate(life.built) if place not in life.archived]
        row = {
            "id": self.id,
            "name": told.name,
            **told.places,
            "description": told.description,
            "tags": list(told.tags),
            "metadata": {"task": KINDS[told.kind].task, "team": told.name.split("/")[0]},
            "version_count": len(life.built),
            "latest_version": active[-1] if active else None,
            "created_at": life.born.at,
            "updated_at": life.born.at,
        }
        self.made.models.append(row)
        self._entry(life.born, "model.create", self.id, name=told.name, storage_path=row["storage_path"])

    def _versions(self) -> None:
        before = None
        for place, built in enumerate(self.life.built):
            metadata = self.figures.metadata(place)
            row = self._version(place, metadata) | {"release_notes": self.figures.notes(place, metadata, before)}
            before = metadata
            self.made.versions.append(row)
            self.made.metrics += self._metrics(row)
            said = {name: row[name] for name in ("version", "tag", "digest")}
            self._entry(Moment(built.at, built.by), "version.create", row["id"], model=self.told.name, **said)

    def _version(self, place: int, metadata: dict[str, Any]) -> dict[str, Any]:
        built, format_ = self.life.built[place], self.figures.quantizations[place]
        release = None if place in self.life.demoted else self.life.promoted.get(place)
        changes = self._changes(place)
        return {
            "id": self.ids[place],
            "model_id": self.id,
            "version": built.version,
            "semver_key": semver_key(built.version),
            "tag": f"v{built.version}" + (f"-{format_}" if format_ else ""),
            "digest": self._digest(place),
            "size_bytes": self.figures.size(place),
            "platform": self.told.platform,
            "quantization": format_,
            "ceph_path": f"ceph://models/{self.told.name}/{built.version}" if "gpu" in self.told.tags else None,
            "metadata": metadata,
            "status": (VersionStatus.ARCHIVED if place in self.life.archived else VersionStatus.ACTIVE).value,
            "released_at": release and release.at,
            "released_by": release and release.by,
            "created_by": built.by,
            "created_at": built.at,
            "updated_at": max([built.at, *changes]),
            "counter": 1 + len(changes),
        }

    def _changes(self, place: int) -> list[datetime]:
        """When the version's own row was changed."""
        happened = (self.life.promoted, self.life.demoted, self.life.archived)
        return [moments[place].at for moments in happened if place in moments]

    def _digest(self, place: int) -> str:
        if place in self.told.malformed:
            return self.rng.choice(TYPED)
        return f"sha256:{self.rng.getrandbits(256):064x}"

    def _metrics(self, version: dict[str, Any]) -> Iterator[dict[str, Any]]:
        of_it = {"version_id": version["id"], "model_id": self.id}
        for path, value in numbers(version["metadata"]):
            yield {**of_it, "path": path, "value": value}

    def _releases(self) -> None:
        for place, moment in self.life.promoted.items():
            self._said(moment, "version.promote", place, reason=self.rng.choice(REASONS))
        for place, moment in self.life.demoted.items():
            since = self.life.promoted[place]
            was = {"released_by": since.by, "released_at": since.at.isoformat()}
            self._said(moment, "version.demote", place, reason=self.told.demoted, **was)

    def _archived(self) -> None:
        status = {"old": VersionStatus.ACTIVE.value, "new": VersionStatus.ARCHIVED.value}
        for place, moment in self.life.archived.items():
            self._said(moment, "version.update", place, changes={"status": status})

    def _said(self, moment: Moment, action: str, place: int, **details: Any) -> None:
        version = self.life.built[place].version
        self._entry(moment, action, self.ids[place], model=self.told.name, version=version, **details)

    def _deployments(self) -> None:
        ids = {placed: self._id(placed.at) for placed in sorted(self.life.placed)}
        followers: dict[Placed, Placed] = {}
        for environment in HOURS:
            followers |= dict(pairwise(self.life.live(environment)))
        ended_by = {follower: placed for placed, follower in followers.items()}
        for placed, id_ in ids.items():
            ended = ended_by.get(placed)
            follower = followers.get(placed)
            self._deployment(placed, id_, follower, ids[follower] if follower else None)
            self._entry(
                Moment(placed.at, placed.by),
                "deployment.create",
                id_,
                model=self.told.name,
                version=self.life.built[placed.version].version,
                version_id=str(self.ids[placed.version]),
                environment=placed.environment,
                status=str(placed.status),
                ended_deployment=str(ids[ended]) if ended else None,
            )

    def _deployment(self, placed: Placed, id_: UUID, follower: Placed | None, next_id: UUID | None) -> None:
        """It was live until the one that followed it."""
        success = placed.status == DeploymentStatus.SUCCESS
        self.made.deployments.append(
            {
                "id": id_,
                "release_id": self.ids[placed.version],
                "model_id": self.id,
                "environment": placed.environment,
                "status": str(placed.status),
                "endpoint_url": self._endpoint(placed) if success else None,
                "metadata": self._about(placed),
                "deployed_by": placed.by,
                "deployed_at": placed.at,
                "updated_at": follower.at if follower else placed.at,
                "live_from": placed.at if success else None,
                "ended_at": follower and follower.at,
                "superseded_by": next_id,
                "counter": 2 if follower else 1,
            }
        )

    def _endpoint(self, placed: Placed) -> str | None:
        """In production, and in staging for some."""
        host = {PRODUCTION: "models.example.com", STAGING: "models.staging.example.com"}.get(placed.environment)
        shown = placed.environment == PRODUCTION or "gpu" in self.told.tags
        return f"https://{host}/{self.told.slug}" if host and shown else None

    def _about(self, placed: Placed) -> dict[str, Any]:
        cluster = f"{placed.environment[:4].rstrip('e')}-eu-1"
        about = {"cluster": cluster, "replicas": 4 if placed.environment == PRODUCTION else 1}
        if placed.status == DeploymentStatus.FAILED:
            return {**about, "error": self.rng.choice(ERRORS)}
        return about
