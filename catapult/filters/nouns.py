"""Which fields versions and models can be filtered and sorted by."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, any_, func, or_, select

from catapult.filters.kinds import (
    Amount,
    Free,
    Kind,
    Label,
    Labels,
    ModelName,
    Moment,
    VersionName,
    Words,
    YesNo,
    at,
    holds_number,
)
from catapult.filters.mistakes import Mistake
from catapult.filters.numbers import Numbers
from catapult.filters.tree import Path
from catapult.tables import METRIC_PATH_LENGTH, RegisteredModel, Version

V: Any = Version.__table__.c
M: Any = RegisteredModel.__table__.c


@dataclass(frozen=True)
class Noun:
    """What there is to filter: its fields by name, what lies in its metadata by its keys, and what orders it by itself."""

    fields: Mapping[str, Kind]
    metadata: Callable[[tuple[str, ...]], Kind]
    created_at: ColumnElement[Any]
    id: ColumnElement[Any]

    def field(self, path: Path) -> Kind:
        """Raises Mistake for a field that is not there."""
        if path.name == "metadata":
            if not path.keys:
                raise Mistake(path.column, "No key", "metadata takes one, as metadata.accuracy.")
            return self.metadata(path.keys)
        if path.name not in self.fields:
            raise Mistake(path.column, f"Unknown field {path.name[:40]}", f"known here are {self.known}.")
        if path.keys:
            raise Mistake(path.column, f"{path.name} has no keys", "only metadata has.")
        return self.fields[path.name]

    @property
    def known(self) -> str:
        return ", ".join([*self.fields, "metadata.<key>"])


def _free(model: Any, keys: tuple[str, ...]) -> Free:
    return Free(V.metadata, keys, _numbers(keys, model))


def _numbers(keys: tuple[str, ...], model: Any) -> Numbers | None:
    """Where `metrics` has the numbers under these keys; None where it may have others, or none."""
    path = ".".join(keys)
    if any("." in key for key in keys) or len(path) > METRIC_PATH_LENGTH:
        return None
    # A single key with a dot reads like two keys; then the metadata itself decides.
    return Numbers(path, holds_number(at(V.metadata, keys)) if len(keys) > 1 else None, model)


def _of_models(names: Sequence[str]) -> ColumnElement[bool]:
    """One name is looked up once, before all else, so that the indexes that begin with the model are of use."""
    return or_(*(V.model_id == model_called(name) for name in names))


def model_called(name: str) -> Any:
    """The id of the model of that name, in lower case."""
    kept = M.deleted_at.is_(None)
    return select(M.id).where(kept, func.lower(M.name) == name).correlate(None).scalar_subquery()


VERSIONS = Noun(
    {
        "version": VersionName(V.version, key=V.semver_key),
        "model_name": ModelName(M.name, folded=True, ids=_of_models),
        "tag": Words(V.tag),
        "digest": Words(V.digest),
        "platform": Words(V.platform),
        "quantization": Words(V.quantization),
        "status": Words(V.status),
        "size_bytes": Amount(V.size_bytes),
        "is_release": YesNo(V.released_at.is_not(None)),
        "released_at": Moment(V.released_at),
        "released_by": Words(V.released_by),
        "created_by": Words(V.created_by),
        "created_at": Moment(V.created_at),
        "updated_at": Moment(V.updated_at),
        "release_notes": Words(V.release_notes),
        "ceph_path": Words(V.ceph_path),
    },
    partial(_free, None),
    V.created_at,
    V.id,
)


EVERY: Any = any_(func.array(select(M.id).correlate(None).scalar_subquery(), type_=ARRAY(M.id.type)))
"""In place of a model's id that of any: the index begins with the model, and is descended once for each."""


def versions_of(model: Any = EVERY) -> Noun:
    """Versions of the model with that id: its numbers are in an index."""
    return replace(VERSIONS, metadata=partial(_free, model))


MODELS = Noun(
    {
        "name": Words(M.name, folded=True),
        "storage_path": Words(M.storage_path),
        "repository": Words(M.repository),
        "description": Words(M.description),
        "tags": Labels(M.tags),
        "version_count": Amount(M.version_count),
        "latest_version": Label(M.latest_version),
        "created_at": Moment(M.created_at),
        "updated_at": Moment(M.updated_at),
    },
    partial(Free, M.metadata),
    M.created_at,
    M.id,
)
