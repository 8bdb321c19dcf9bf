"""The rows of a registry with the audit entries that the actions would have written, in the order in which things happened."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from heapq import merge
from operator import itemgetter
from random import Random
from types import SimpleNamespace
from typing import Any

from catapult.demo.company import CALLERS, COMMENTS, ENVIRONMENTS, GATES, PLATFORM, PRODUCTION, STAGING, Caller
from catapult.demo.history import CONTENT, SEED, Built, Deployed, Event, History, uuid7_at
from catapult.demo.measurements import Measurements
from catapult.demo.plans import Plan
from catapult.queries.gates import OWN
from catapult.rules import decisions, key_format
from catapult.rules.metadata_limits import numbers
from catapult.rules.semver import semver_key
from catapult.tables import RELEASE, DecisionKind, DeploymentStatus, VersionStatus

MALFORMED_DIGESTS = ("sha256:abc123...", "sha256:...", "sha256:pending", "sha256:0d1f")
ERRORS = (
    "readiness probe failed: 503 after 120 s",
    "image pull failed: manifest unknown",
    "out of memory while loading the weights",
    "smoke test failed: 3 of 40 requests timed out",
)
REASONS = ("Meets every target on the held-out set.", "Signed off in the weekly release round.", None, None)
LATER = timedelta(milliseconds=1)
"""How long after an action took its time it updates its row."""
MEASURED_LATER = ("latency_ms", "eval")
"""Parts of the metadata that a version lacks until its metadata is completed."""
DECISIONS = {
    "version.promote": DecisionKind.PROMOTE,
    "version.demote": DecisionKind.DEMOTE,
    "deployment.create": DecisionKind.DEPLOY,
    "deployment.update": DecisionKind.DEPLOY,
    "deployment.rollback": DecisionKind.ROLLBACK,
}
"""The kind of decision that an action keeps."""
TAGS = {"distilled": 0.1, "onnx": 0.3}
"""Tags of versions, and the share of the versions that have each."""
HOSTS = {STAGING: "models.staging.example.com", PRODUCTION: "models.example.com"}

Rows = list[tuple[str, dict[str, Any]]]
"""Rows that one action writes, each as the name of its table and its columns."""


class Registry:
    """A registry of these models up to `now`. `callers` hold keys that nobody knows; gates come last."""

    def __init__(
        self,
        plans: Iterable[Plan],
        now: datetime,
        salt: str,
        *,
        gates: Iterable[dict[str, Any]] = GATES,
        callers: Iterable[Caller] = CALLERS,
    ) -> None:
        self.rng, self.now, self.salt = Random(f"{SEED} registry"), now, salt  # noqa: S311 - as in history.py
        self.gates, self.callers = list(gates), {caller.name: caller for caller in callers}
        self.histories = [History(plan, now) for plan in plans]
        self.began = min(history.born.at for history in self.histories) - timedelta(days=1)
        self.key_ids: dict[str | None, str] = {}

    @property
    def entries(self) -> int:
        """The number of audit entries."""
        company = len(self.gates) + len(self.callers) + len(ENVIRONMENTS)
        comments = sum(len(COMMENTS.get(history.plan.name, ())) for history in self.histories)
        return company + comments + sum(1 + len(history.events) for history in self.histories)

    def events(self, *others: Iterator[tuple[datetime, Rows]]) -> Iterator[tuple[datetime, Rows]]:
        """Yield the time and the rows of every action, and of the `others`, in order of their times."""
        yield from self._keys()
        yield from self._environments()
        models = (_Model(history, self).events() for history in self.histories)
        company = (sorted(self._gates(), key=itemgetter(0)), *map(self._comments, self.histories))
        yield from merge(*models, *company, *others, key=itemgetter(0))

    def entry(
        self, at: datetime, by: Caller | str, action: str, resource: str | None, details: dict[str, Any], rng: Random
    ) -> tuple[str, dict[str, Any]]:
        """Return an audit entry, as `audit.entry` writes it: details that are None are left out."""
        caller = self.callers[by] if isinstance(by, str) else by
        received = at - timedelta(milliseconds=rng.uniform(3, 9))
        return "audit_logs", {
            "id": uuid7_at(at, rng),
            "action": action,
            "resource_type": action.split(".")[0].replace("auth", "api_key"),
            "resource_id": resource,
            "api_key_id": self.key_ids.get(caller.name),
            "api_key_name": caller.name,
            "details": {name: value for name, value in details.items() if value is not None},
            "ip_address": caller.address,
            "request_id": uuid7_at(received, rng) if caller.address else None,
            "created_at": at,
        }

    def _keys(self) -> Iterator[tuple[datetime, Rows]]:
        """A key for each caller. Its hash is random, so no key fits it; admins' keys have expired."""
        cli, mark = Caller("cli", PLATFORM.role, None), key_format.salt_mark(self.salt)
        for position, caller in enumerate(self.callers.values()):
            at = self.began + timedelta(seconds=position)
            id_ = self.key_ids[caller.name] = uuid7_at(at, self.rng)
            details = {"name": caller.name, "role": str(caller.role), "prefix": f"cat_{self.rng.getrandbits(32):08x}"}
            end = self.now if caller is PLATFORM else None
            hashed = {"key_hash": self.rng.randbytes(32), "salt_mark": mark}
            row = {"id": id_, **details, **hashed, "created_at": at, "created_by": cli.name, "expires_at": end}
            details |= {"expires_at": end.isoformat()} if end else {}
            yield at, [("api_keys", row), self.entry(at, cli, "api_key.create", id_, details, self.rng)]

    def _environments(self) -> Iterator[tuple[datetime, Rows]]:
        for rank, (name, description) in enumerate(ENVIRONMENTS.items(), start=1):
            at = self.began + timedelta(hours=rank)
            details = {"name": name, "rank": rank, "protected": name == PRODUCTION, "description": description}
            id_ = uuid7_at(at, self.rng)
            updated = {"updated_at": at + LATER, "counter": 2}
            created = {"id": id_, "created_by": PLATFORM.name, "created_at": at, **updated}
            entry = self.entry(at, PLATFORM, "environment.create", id_, {**details, "frozen": False}, self.rng)
            yield at, [("environments", details | created), entry]

    def _gates(self) -> Iterator[tuple[datetime, Rows]]:
        """Each is created after the last promotion or deployment that it applies to: none was blocked by it."""
        for gate in self.gates:
            models = [history for history in self.histories if fnmatchcase(history.plan.name, gate["model"])]
            last = max([history.last[gate["target"]] for history in models], default=self.began)
            at = last + (self.now - last) * self.rng.uniform(0.3, 0.7)
            created = {"id": uuid7_at(at, self.rng), "created_by": PLATFORM.name, "created_at": at, "updated_at": at}
            row = dict.fromkeys(OWN, None) | gate | created
            yield at, [("gates", row), self.entry(at, PLATFORM, "gate.create", row["id"], gate, self.rng)]

    def _comments(self, history: History) -> Iterator[tuple[datetime, Rows]]:
        """The comments on the newest version, in the time that it is there."""
        comments = COMMENTS.get(history.plan.name, ())
        for position, (by, words, asks) in enumerate(comments, start=1):
            built = history.versions[-1]
            at = built.at + (self.now - built.at) * position / (len(comments) + 1)
            id_, details = uuid7_at(at, self.rng), {"text": words, "asks_for_changes": asks}
            key = {"api_key_id": self.key_ids[by], "created_by": by, "created_at": at}
            row = {"id": id_, "version_id": built.id, **details, **key}
            named = {"model": history.plan.name, "version": built.version, "version_id": built.id, **details}
            yield at, [("comments", row), self.entry(at, by, "comment.create", id_, named, self.rng)]


class _Model:
    """The rows of one model."""

    def __init__(self, history: History, registry: Registry) -> None:
        self.history, self.plan, self.registry = history, history.plan, registry
        self.rng = Random(f"{SEED} rows {self.plan.name}")  # noqa: S311 - as in history.py
        self.ends = Random(f"{SEED} ends {self.plan.name}")  # noqa: S311 - as in history.py
        self.measurements = Measurements(history, self.rng)
        self.positions = iter(range(self.plan.versions))
        self.later: dict[tuple[str, str], Any] = {}
        """The final values of fields that a later edit will set, by version id and field."""
        self.undecided = Counter(_built(event).id for event in history.events if event.decision_id)
        """The number of decisions that are still to come, by version id."""
        self.rows: dict[str, dict[str, Any]] = {}
        """The rows of the versions that decisions are still to come about."""
        self.running: dict[str, dict[str, Any]] = {}
        """The rows of the deployments that are still to end, by their ids."""

    def events(self) -> Iterator[tuple[datetime, Rows]]:
        """Yield the time and the rows of every action, in order."""
        yield self.history.born.at, self._model()
        for event in sorted(self.history.events, key=itemgetter(0)):
            yield event.at, list(self._rows(event))

    def _model(self) -> Rows:
        plan, (at, by), storage = self.plan, self.history.born, self.plan.storage or self.plan.repository
        active = [built.version for built in self.history.versions if not built.archived]
        row = {
            "id": self.history.id,
            "name": plan.name,
            "storage_path": storage,
            "repository": plan.repository,
            "description": plan.description,
            "tags": [plan.team, plan.kind.task, "gpu" if plan.kind.frameworks.get("cuda_version") else "cpu"],
            "metadata": {"task": plan.kind.task, "team": plan.team},
            "version_count": len(self.history.versions),
            "latest_version": active[-1] if active else None,
            "last_number": len(self.history.versions),
            "newest_at": max((built.at for built in self.history.versions), default=None),
            "created_at": at,
            "updated_at": at,
        }
        details = {"name": plan.name, "storage_path": storage}
        return [("models", row), self.registry.entry(at, by, "model.create", self.history.id, details, self.rng)]

    def _rows(self, event: Event) -> Iterator[tuple[str, dict[str, Any]]]:
        subject, details, built = event.subject, dict(event.details), _built(event)
        if isinstance(subject, Deployed):
            if event.action != "deployment.update":
                yield from self._deployed(subject)
            details |= self._about_deployment(event, subject)
        if event.action == "version.create":
            row = self._version(built)
            if self.undecided[built.id]:
                self.rows[built.id] = row
            yield "versions", row
            of_it = {"version_id": built.id, "model_id": self.history.id}
            for path, value in numbers(row["metadata"]):
                yield "metrics", {**of_it, "path": path, "value": value}
            details = {name: row[name] for name in ("tag", "digest")}
        elif event.action == "version.update":
            details = {"changes": {details["field"]: self._changed(built, details["field"])}}
        elif event.action == "version.promote":
            details = {"reason": self.rng.choice(REASONS)}
        if event.decision_id:
            decision = self._decision(event, details.get("reason"))
            yield "decisions", decision
            named = {**decision, "freeze": decision["freeze_reason"]}
            details["decision_id"] = event.decision_id
            details["decision_sha256"] = decisions.sha256(*(named[name] for name in decisions.FIELDS))
        entry_details = {"model": self.plan.name, "version": built.version, **details}
        rng = self.ends if event.action == "deployment.update" else self.rng
        yield self.registry.entry(event.at, event.by, event.action, subject.id, entry_details, rng)

    def _version(self, built: Built) -> dict[str, Any]:
        """The version as it is now, after all changes."""
        position = next(self.positions)
        quantization = self.measurements.quantize(position)
        metadata = self.measurements.metadata(position)
        released = built.released
        row = {
            "id": built.id,
            "model_id": self.history.id,
            "version": built.version,
            "number": position + 1,
            "semver_key": semver_key(built.version),
            "tag": f"v{built.version}" + (f"-{quantization}" if quantization else ""),
            "digest": self._digest(position),
            "source": None,
            "size_bytes": self.measurements.size(),
            "platform": self.plan.platform,
            "quantization": quantization,
            "release_notes": self.measurements.notes(position, metadata),
            "tags": [name for name in TAGS if Random(f"{SEED} {name} {built.id}").random() < TAGS[name]],  # noqa: S311
            "ceph_path": f"ceph://models/{self.plan.name}/{built.version}",
            "metadata": metadata,
            "status": (VersionStatus.ARCHIVED if built.archived else VersionStatus.ACTIVE).value,
            "released_at": released and released.at,
            "released_by": released and released.by,
            "created_by": built.by,
            "created_by_key": self.registry.key_ids[built.by],
            "decision_id": built.decision_id,
            "created_at": built.at,
            "updated_at": built.changed if built.changes else built.at,
            "counter": 1 + built.changes,
        }
        self.later |= {(built.id, field): row[field] for field in built.edits}
        return row

    def _decision(self, event: Event, reason: str | None) -> dict[str, Any]:
        """The decision of the event. No gate applied: each is created after the last decision that it is for."""
        subject, built = event.subject, _built(event)
        return {
            "id": event.decision_id,
            "kind": DECISIONS[event.action].value,
            "at": event.at,
            "by": event.by,
            "by_key_id": self.registry.key_ids[event.by],
            "by_person_id": None,
            "version_id": built.id,
            "model_id": self.history.id,
            "model_name": self.plan.name,
            "version": built.version,
            "target": subject.environment if isinstance(subject, Deployed) else RELEASE,
            "content": decisions.content(self._decided(built)),
            "reason": reason,
            "override": False,
            "override_by_registrant": False,
            "verdicts": [],
            "approvals": [],
            "freeze_reason": None,
        }

    def _decided(self, built: Built) -> Any:
        """The version that a decision is about, with the content that it had then."""
        self.undecided[built.id] -= 1
        row = self.rows[built.id] if self.undecided[built.id] else self.rows.pop(built.id)
        row = {**row, **{field: self._before(built, field) for field in CONTENT if (built.id, field) in self.later}}
        plan = self.plan
        model = SimpleNamespace(repository=plan.repository, storage_path=plan.storage or plan.repository)
        return SimpleNamespace(**row, metadata_=row["metadata"], model=model, image_check=None)

    def _digest(self, position: int) -> str:
        if position in self.plan.malformed:
            return self.rng.choice(MALFORMED_DIGESTS)
        return f"sha256:{self.rng.getrandbits(256):064x}"

    def _changed(self, built: Built, field: str) -> dict[str, Any]:
        """The old and the new value of a field of the version, for the audit entry."""
        if field == "status":
            return {"old": VersionStatus.ACTIVE.value, "new": VersionStatus.ARCHIVED.value}
        old = self._before(built, field)
        return {"old": old, "new": self.later.pop((built.id, field))}

    def _before(self, built: Built, field: str) -> Any:
        """The value of a field of the version before it is completed."""
        if field != "metadata":
            return None
        return {name: value for name, value in self.later[built.id, field].items() if name not in MEASURED_LATER}

    def _deployed(self, deployed: Deployed) -> Rows:
        """The deployment's row, and its first state if it has a second one: the trigger writes the last one."""
        row = self._deployment(deployed)
        if not deployed.ran:
            return [("deployments", row)]
        self.running[deployed.id] = row
        state = {"deployment_id": deployed.id, "status": DeploymentStatus.RUNNING.value, "at": deployed.at}
        return [("deployments", row), ("deployment_states", state)]

    def _about_deployment(self, event: Event, deployed: Deployed) -> dict[str, Any]:
        """What the entry of this action on the deployment says."""
        began = deployed.ran and event.action == "deployment.create"
        about: dict[str, Any] = {
            "version_id": deployed.built.id,
            "environment": deployed.environment,
            "status": str(DeploymentStatus.RUNNING if began else deployed.status),
        }
        if deployed.supersedes and not began:
            about["ended_deployment"] = deployed.supersedes.id
        if event.action == "deployment.update":
            about["changes"] = _outcome(self.running.pop(deployed.id))
        return about

    def _deployment(self, deployed: Deployed) -> dict[str, Any]:
        success, follower = deployed.status == DeploymentStatus.SUCCESS, deployed.superseded_by
        production = deployed.environment == PRODUCTION
        host = HOSTS.get(deployed.environment) if success else None
        about = {"cluster": f"{deployed.environment[:4].rstrip('e')}-eu-1", "replicas": 4 if production else 1}
        if deployed.status == DeploymentStatus.FAILED:
            about["error"] = self.rng.choice(ERRORS)
        return {
            "id": deployed.id,
            "release_id": deployed.built.id,
            "model_id": self.history.id,
            "environment": deployed.environment,
            "status": str(deployed.status),
            "endpoint_url": host and f"https://{host}/{self.plan.slug}",
            "metadata": about,
            "deployed_by": deployed.by,
            "deployed_at": deployed.at,
            "updated_at": follower.done if follower else deployed.done,
            "decision_id": deployed.decision_id,
            "live_from": deployed.done if success else None,
            "ended_at": follower and follower.done,
            "superseded_by": follower and follower.id,
            "rollback_of": deployed.rollback_of and deployed.rollback_of.id,
            "counter": 1 + deployed.ran + bool(follower),
        }


def _outcome(row: dict[str, Any]) -> dict[str, Any]:
    """The changes of the deployment's row once it was no longer running."""
    changes: dict[str, Any] = {"status": {"old": DeploymentStatus.RUNNING.value, "new": row["status"]}}
    if row["endpoint_url"]:
        changes["endpoint_url"] = {"old": None, "new": row["endpoint_url"]}
    if "error" in row["metadata"]:
        before = {name: value for name, value in row["metadata"].items() if name != "error"}
        changes["metadata"] = {"old": before, "new": row["metadata"]}
    return changes


def _built(event: Event) -> Built:
    """The version that the event is about."""
    return event.subject.built if isinstance(event.subject, Deployed) else event.subject
