"""Import registered models of an MLflow server with their versions, tags, aliases and stages.

Existing records are not changed, so that an interrupted import can be run again. MLflow's times and authors become metadata.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Callable

from .errors import BadRequest, Conflict, Forbidden, InvalidArgument, NotFound, RegistryError, TooLarge, Validation
from .mlflow_source import MLflow
from .model_records import Model, Version
from .registry import Registry

STORAGE_PATH = "mlflow"
"""The storage path of models that come from MLflow: their versions have sources instead of images."""
ENVIRONMENTS = ("Production", "Staging")
"""The stages that are environments here."""
ARCHIVED = "Archived"
REASON = "Imported from MLflow, where it was in the stage {}."
REFUSALS = (BadRequest, Conflict, Forbidden, InvalidArgument, NotFound, TooLarge, Validation)
"""Errors that stop the import of one record and not of the others."""


@dataclass
class Report:
    """The result of an import: `counts` of `models`, `versions`, `aliases` and `stages`, and `problems` with their reasons."""

    counts: Counter[str] = field(default_factory=Counter)
    there: Counter[str] = field(default_factory=Counter)
    """Counts of records that existed before."""
    problems: list[tuple[str, str]] = field(default_factory=list)


class Import:
    """An import into that registry. With `dry_run` nothing is changed. `tell` is called with 1 after each version."""

    def __init__(
        self, registry: Registry[Any], mlflow: MLflow, *, dry_run: bool = False, tell: Callable[[int], None]
    ) -> None:
        self.registry, self.mlflow, self.dry_run, self.tell = registry, mlflow, dry_run, tell
        self.report = Report()

    def run(self, models: Sequence[tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]]) -> Report:
        """Import these models of MLflow, each with its versions, and return the report."""
        for theirs, versions in models:
            name = theirs["name"]
            with self._recording(name):
                model = self._model(theirs)
                ours = self._versions(name, model, versions)
                self._aliases(name, model, ours)
                self._stages(name, versions, ours)
        return self.report

    @contextmanager
    def _recording(self, what: str) -> Iterator[None]:
        """Record a refusal of the registry as a problem, and continue."""
        try:
            yield
        except REFUSALS as refusal:
            self.report.problems.append((what, _reason(refusal)))

    def _count(self, what: str, is_there: bool) -> None:
        (self.report.there if is_there else self.report.counts)[what] += 1

    def _model(self, theirs: Mapping[str, Any]) -> Model | None:
        """Return the model, created if it does not exist; None in a dry run."""
        try:
            model: Model | None = self.registry.get_model_by_name(theirs["name"])
        except NotFound:
            model = None
        is_there = model is not None
        if model is None and not self.dry_run:
            model = self.registry.create_model(
                theirs["name"],
                STORAGE_PATH,
                description=theirs.get("description") or None,
                metadata=_metadata(theirs, {}),
            )
        self._count("models", is_there)
        return model

    def _versions(
        self, name: str, model: Model | None, versions: Sequence[Mapping[str, Any]]
    ) -> dict[str, Version | None]:
        """Register missing versions. Return all by MLflow's numbers; None in a dry run."""
        known = {each.version: each for each in self.registry.list_versions(model_name=name)} if model else {}
        ours: dict[str, Version | None] = {}
        for theirs in versions:
            number = str(theirs["version"])
            with self._recording(f"{name} {number}"):
                ours[number] = self._version(name, theirs, known.get(_version_name(theirs)))
            self.tell(1)
        return ours

    def _version(self, name: str, theirs: Mapping[str, Any], there: Version | None) -> Version | None:
        source = theirs.get("source") or f"models:/{name}/{theirs['version']}"
        if there is not None and there.source != source:
            raise Conflict(f"The version {there.version} is there already, and has another source: {there.source}.")
        if there is not None or self.dry_run:
            self._count("versions", there is not None)
            return there
        origin = {key: theirs[key] for key in ("run_id", "run_link", "model_id") if theirs.get(key)}
        version: Version = self.registry.create_version(
            name,
            _version_name(theirs),
            source=source,
            release_notes=theirs.get("description") or None,
            metadata=_metadata(theirs, origin),
        )
        self._count("versions", False)
        if str(version.number) != str(theirs["version"]):
            there_is = f"its number here is {version.number}, as versions before it were deleted there"
            self.report.problems.append((f"{name} {theirs['version']}", f"It came, but {there_is}."))
        return version

    def _aliases(self, name: str, model: Model | None, ours: Mapping[str, Version | None]) -> None:
        current = {row.name.lower(): row.version for row in self.registry.aliases(model)} if model else {}
        for alias, number in self.mlflow.aliases(name).items():
            with self._recording(f"{name} @{alias}"):
                version = _of(ours, number)
                is_there = version is not None and current.get(alias.lower()) == version.version
                if model and version and not is_there:
                    self.registry.set_alias(model, alias, version, reason="Imported from MLflow.")
                self._count("aliases", is_there)

    def _stages(self, name: str, versions: Sequence[Mapping[str, Any]], ours: Mapping[str, Version | None]) -> None:
        """Deploy versions in Production and Staging, and archive those in Archived. Only one version is live in an environment."""
        last = {each.get("current_stage"): str(each["version"]) for each in versions}
        for theirs in versions:
            number, stage = str(theirs["version"]), theirs.get("current_stage")
            if stage not in (*ENVIRONMENTS, ARCHIVED) or number not in ours:
                continue
            with self._recording(f"{name} {number} in {stage}"):
                if stage != ARCHIVED and last[stage] != number:
                    raise Conflict(f"Only one version is live in an environment, and {last[stage]} is in {stage}, too.")
                self._stage(ours[number], str(stage))

    def _stage(self, version: Version | None, stage: str) -> None:
        live = [environment.lower() for environment in version.live_in] if version else []
        is_there = version is not None and (
            version.status == "archived" if stage == ARCHIVED else stage.lower() in live
        )
        if version is not None and not is_there:
            if stage == ARCHIVED:
                self.registry.update_version(version, status="archived", reason=REASON.format(stage))
            else:
                self.registry.deploy(version, stage, reason=REASON.format(stage))
        self._count("stages", is_there)


def _of(ours: Mapping[str, Version | None], number: str) -> Version | None:
    if number not in ours:
        raise Conflict(f"It points at version {number}, which is not here.")
    return ours[number]


def _version_name(theirs: Mapping[str, Any]) -> str:
    """Return the name of the version here: its tag, as for versions that MLflow's clients register here, or else its number."""
    return _tags(theirs).get("catapult.version") or str(theirs["version"])


def _tags(theirs: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in theirs.get("tags", [])}


def _metadata(theirs: Mapping[str, Any], origin: Mapping[str, str]) -> dict[str, Any]:
    """Return the metadata of an imported record: its origin, MLflow's times and author, and its tags."""
    times = {
        name: datetime.fromtimestamp(int(theirs[key]) / 1000, timezone.utc).isoformat()
        for name, key in (("created_at", "creation_timestamp"), ("updated_at", "last_updated_timestamp"))
        if theirs.get(key)
    }
    author = {"created_by": theirs["user_id"]} if theirs.get("user_id") else {}
    metadata: dict[str, Any] = {"mlflow": {**origin, **times, **author}}
    return {**metadata, "mlflow_tags": tags} if (tags := _tags(theirs)) else metadata


def _reason(refusal: RegistryError) -> str:
    fields = [
        f"{name}: {' '.join(map(str, texts))}" for name, texts in refusal.errors.items() if isinstance(texts, list)
    ]
    return " ".join([refusal.detail or str(refusal), *fields])
