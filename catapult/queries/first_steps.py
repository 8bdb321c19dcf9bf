"""The first steps that a new registry has done, in one statement."""

from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import Select, bindparam, exists, func, select

from catapult.queries.lists import prepared
from catapult.tables import ApiKey, Deployment, RegisteredModel, Version

T = TypeVar("T")


class FirstSteps(NamedTuple, Generic[T]):
    """A value for each step to the first release."""

    key: T
    model: T
    version: T
    release: T
    deployment: T


def _exists(table: Any, *conditions: Any) -> Any:
    return exists(select(table.id).where(*conditions))


_WORKS = ApiKey.revoked_at.is_(None) & (func.coalesce(ApiKey.expires_at, "infinity") > func.now())
_OF_A_JOB = ApiKey.person_id.is_(None) & ~ApiKey.asks_name & (ApiKey.id != bindparam("key_id"))
_VERSION = Version.deleted_at.is_(None)
_QUERY: Select[Any] = select(
    _exists(ApiKey, _WORKS, _OF_A_JOB),
    _exists(RegisteredModel, RegisteredModel.deleted_at.is_(None)),
    _exists(Version, _VERSION),
    _exists(Version, _VERSION, Version.released_at.is_not(None)),
    _exists(Deployment, Deployment.live_from.is_not(None)),
)


def done(key_id: UUID | None) -> FirstSteps[bool]:
    """Return which steps are done. `key` is a working key of a service, other than `key_id`, the key of the request.

    A deployment counts when it was ever live: a registry that has retired everything is not a new one.
    """
    return FirstSteps(*(prepared.one_or_none(_QUERY, {"key_id": key_id}) or ()))
