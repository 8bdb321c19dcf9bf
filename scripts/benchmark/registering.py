"""Versions of a registry that is made up: registered, then uploaded, evaluated, described, promoted, archived."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from catapult.rules.semver import semver_key
from catapult.tables import VersionStatus

from .clock import DAY, HOUR, MINUTE, iso, stamp
from .copying import line
from .ledger import Ledger
from .lives import Image, Life
from .words import FORMATS, FRAMEWORKS, PLATFORMS, RELEASERS, TRAINERS, Caller

ARCHIVED = {"status": {"old": VersionStatus.ACTIVE.value, "new": VersionStatus.ARCHIVED.value}}


class Registering:
    """Tells of versions, each with all that comes of it."""

    def __init__(self, ledger: Ledger, add: Callable[[str, str], None]) -> None:
        self.ledger, self.rng, self.add = ledger, ledger.rng, add

    def register(self, at: int, life: Life) -> None:
        """One more version of that model."""
        chance, trainer = self.rng.random, TRAINERS[life.team]
        version, key = numbered(life.made)
        image = Image(self.ledger.id(at), version, life)
        tag, digest = f"v{version}", f"sha256:{self.rng.getrandbits(256):064x}"
        told = {"model": life.name, "version": version, "tag": tag, "digest": digest}
        self.ledger.tell(at, "version.create", image.id, trainer, told)
        doomed = life.made > 0 and chance() < 0.12
        life.made += 1
        future = _Future(self.ledger, image, at, trainer)
        notes, ceph_path, metadata = self._edited(future)
        archived = doomed and future.archived()
        released = None if doomed else future.promoted()
        if not doomed:
            life.newest = image
        if not archived:
            life.latest = version
        built = (self.rng.randrange(10**8, 10**10), self.rng.choice(PLATFORMS), self.rng.choice(FORMATS))
        status = VersionStatus.ARCHIVED if archived else VersionStatus.ACTIVE
        fields = (life.id, version, key, tag, digest, *built, notes, ceph_path, json.dumps(metadata), status)
        who = (trainer.name, self.ledger.keys[trainer.name], stamp(at), stamp(max([at, *future.changes])))
        self.add("versions", line(image.id, *fields, *(released or (None, None)), *who, 1 + len(future.changes)))
        self._metrics(image, metadata)

    def _edited(self, future: "_Future") -> tuple[str | None, str | None, dict[str, Any]]:
        """Notes, place and metadata as they are in the end."""
        chance, image = self.rng.random, future.image
        place, before = f"ceph://models/{image.life.name}/{image.version}", self._metadata()
        notes = (
            f"Trained on {before['dataset']}; accuracy {before['accuracy']}, as good as the one before in all segments."
        )
        placed = chance() < 0.9 and future.edited(MINUTE, 20 * MINUTE, "ceph_path", None, place)
        after = {**before, "eval": {"f1": round(0.6 + 0.35 * chance(), 4), "auc": round(0.7 + 0.29 * chance(), 4)}}
        evaluated = chance() < 0.5 and future.edited(HOUR // 2, 6 * HOUR, "metadata", before, after)
        described = chance() < 0.5 and future.edited(6 * HOUR, 24 * HOUR, "release_notes", None, notes)
        return notes if described else None, place if placed else None, after if evaluated else before

    def _metadata(self) -> dict[str, Any]:
        chance = self.rng.random
        return {
            "framework": self.rng.choice(FRAMEWORKS),
            "git_commit": f"{self.rng.getrandbits(48):012x}",
            "dataset": f"clicks-{self.rng.randrange(2_000)}",
            "accuracy": round(0.7 + 0.29 * chance(), 4),
            "loss": round(2 * chance(), 4),
            "epochs": self.rng.randrange(3, 60),
        }

    def _metrics(self, image: Image, metadata: dict[str, Any]) -> None:
        ids, named = (
            f"{image.id}\t{image.life.id}\t",
            [(name, metadata[name]) for name in ("accuracy", "loss", "epochs")],
        )
        named += [(f"eval.{name}", value) for name, value in metadata.get("eval", {}).items()]
        for path, value in named:
            self.add("metrics", f"{ids}{path}\t{value}")


class _Future:
    """What comes of a version, as far as it comes before the end; `changes` are the times at which its row changes."""

    def __init__(self, ledger: Ledger, image: Image, at: int, trainer: Caller) -> None:
        self.ledger, self.image, self.at, self.trainer = ledger, image, at, trainer
        self.about = {"model": image.life.name, "version": image.version}
        self.changes: list[int] = []

    def edited(self, least: int, most: int, field: str, old: Any, new: Any) -> bool:
        """Whether the field is changed by the end."""
        told = {**self.about, "changes": {field: {"old": old, "new": new}}}
        return self._happens(least, most, self._tell, "version.update", self.trainer, told)

    def archived(self) -> bool:
        """Whether it is archived by the end."""
        told = {**self.about, "changes": ARCHIVED}
        return self._happens(30 * DAY, 120 * DAY, self._tell, "version.update", self.trainer, told)

    def promoted(self) -> tuple[str, str] | None:
        """When and by whom it became the release that it is in the end, if it is one."""
        rng = self.ledger.rng
        by = rng.choice(RELEASERS)
        if rng.random() > 0.12 or not self._happens(24 * HOUR, 72 * HOUR, self._promote, by):
            return None
        at = self.changes[-1]
        told = {**self.about, "reason": "Worse on mobile.", "released_by": by.name, "released_at": iso(at)}
        if rng.random() < 0.03 and self._happens(73 * HOUR, 240 * HOUR, self._demote, by, told):
            return None
        return stamp(at), str(by.name)

    def _happens(self, least: int, most: int, happens: Callable[..., None], *what: Any) -> bool:
        at = self.ledger.between(self.at, least, most)
        if not self.ledger.later(at, happens, *what):
            return False
        self.changes.append(at)
        return True

    def _tell(self, at: int, action: str, caller: Caller, told: dict[str, Any]) -> None:
        self.ledger.tell(at, action, self.image.id, caller, told)

    def _promote(self, at: int, by: Caller) -> None:
        self.image.life.release = self.image
        self._tell(at, "version.promote", by, self.about)

    def _demote(self, at: int, by: Caller, told: dict[str, Any]) -> None:
        if self.image.life.release is self.image:
            self.image.life.release = None
        self._tell(at, "version.demote", by, told)


@cache
def numbered(place: int) -> tuple[str, str | None]:
    """What a model's version in this place is called, and what it sorts by."""
    major, rest = divmod(place, 400)
    version = f"{major + 1}.{rest // 20}.{rest % 20}" + ("-rc.1" if place % 10 == 3 else "")
    return version, semver_key(version)
