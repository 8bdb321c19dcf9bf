"""The fields that versions and models can be filtered and sorted by."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, any_, func, or_, select

from catapult.filters import fields
from catapult.filters.fields import Field
from catapult.filters.metadata import MetadataField, is_json_number, json_at
from catapult.filters.metric_index import MetricPath
from catapult.filters.mistakes import Mistake
from catapult.filters.tree import Path
from catapult.rules import metadata_limits
from catapult.tables import METRIC_PATH_LENGTH, ModelName, RegisteredModel, Version

V: Any = Version.__table__.c
M: Any = RegisteredModel.__table__.c
N: Any = ModelName.__table__.c

EVERY_MODEL: Any = any_(func.array(select(M.id).correlate(None).scalar_subquery(), type_=ARRAY(M.id.type)))
"""The ids of all models, used like one model's id: the index of `metrics` begins with the model and is searched for each."""


@dataclass(frozen=True)
class Noun:
    """A list that can be filtered: its fields by name, its metadata by keys, and the columns of its default order."""

    fields: Mapping[str, Field]
    metadata: Callable[[tuple[str | int, ...]], Field]
    created_at: ColumnElement[Any]
    id: ColumnElement[Any]

    def field(self, path: Path) -> Field:
        """Return the field at the path. Raises Mistake if there is none."""
        if path.name == "metadata":
            if not path.keys:
                raise Mistake(path.column, "Missing key", "metadata needs one, such as metadata.accuracy.")
            return self.metadata(path.keys)
        if path.name not in self.fields:
            known = ", ".join([*self.fields, "metadata.<key>"])
            raise Mistake(path.column, f"Unknown field {path.name[:40]}", f"the fields are {known}.", path.name)
        if path.keys:
            raise Mistake(path.column, f"{path.name} has no keys", "only metadata has keys.")
        return self.fields[path.name]


def versions(model_id: Any = None, in_order: bool = False) -> Noun:
    """Return the fields of versions of the model with that id, or of every model. `in_order` is as in `MetricPath`."""
    model_id = EVERY_MODEL if model_id is None else model_id

    @cache
    def metadata(keys: tuple[str | int, ...]) -> Field:
        return MetadataField(V.metadata, keys, _metric_path(keys, model_id, in_order))

    return Noun(_VERSION_FIELDS, metadata, V.created_at, V.id)


def _metric_path(keys: tuple[str | int, ...], model_id: Any, in_order: bool) -> MetricPath | None:
    """Return where `metrics` has the numbers below these keys; None if it may lack them."""
    path = metadata_limits.path(keys)
    if any(map(metadata_limits.is_ambiguous, keys)) or len(path) > METRIC_PATH_LENGTH:
        return None
    # `a.b` is also the path of a single key with a dot in it. Then the metadata itself decides.
    confirmed = is_json_number(json_at(V.metadata, keys)) if len(keys) > 1 else None
    return MetricPath(path, model_id, confirmed, in_order)


def _with_names(names: Sequence[str]) -> ColumnElement[bool]:
    """Each name is looked up once, before the rest, so that indexes that begin with the model can be used."""
    return or_(*(V.model_id == model_named(name) for name in names))


def model_named(name: str) -> Any:
    """Return a subquery for the id of the model that has or had this name, given in lower case."""
    return select(N.model_id).where(N.name == name).correlate(None).scalar_subquery()


_VERSION_FIELDS = {
    "version": fields.VersionNameField(V.version, is_ascii=True, key=V.semver_key),
    "number": fields.NumberField(V.number),
    "model_name": fields.ModelNameField(M.name, folded=True, is_ascii=True, with_names=_with_names),
    "tag": fields.TextField(V.tag, is_ascii=True),
    "tags": fields.TextListField(V.tags),
    "digest": fields.TextField(V.digest, is_ascii=True),
    "source": fields.TextField(V.source),
    "platform": fields.TextField(V.platform),
    "quantization": fields.TextField(V.quantization),
    "status": fields.TextField(V.status, is_ascii=True),
    "size_bytes": fields.NumberField(V.size_bytes),
    "is_release": fields.BooleanField(V.released_at.is_not(None)),
    "released_at": fields.TimeField(V.released_at),
    "released_by": fields.TextField(V.released_by),
    "created_by": fields.TextField(V.created_by),
    "created_at": fields.TimeField(V.created_at),
    "updated_at": fields.TimeField(V.updated_at),
    "release_notes": fields.TextField(V.release_notes),
    "ceph_path": fields.TextField(V.ceph_path),
}

MODELS = Noun(
    {
        "name": fields.TextField(M.name, folded=True, is_ascii=True),
        "storage_path": fields.TextField(M.storage_path),
        "repository": fields.TextField(M.repository),
        "description": fields.TextField(M.description),
        "tags": fields.TextListField(M.tags),
        "version_count": fields.NumberField(M.version_count),
        "latest_version": fields.UnorderedTextField(M.latest_version, is_ascii=True),
        "created_at": fields.TimeField(M.created_at),
        "updated_at": fields.TimeField(M.updated_at),
    },
    partial(MetadataField, M.metadata),
    M.created_at,
    M.id,
)
