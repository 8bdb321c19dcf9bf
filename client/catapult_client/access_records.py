"""Records of people, API keys and saved views."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from .record import PARSE, Record


@dataclass(frozen=True)
class Person(Record):
    """A person, who may hold keys. `role` is the highest role of their keys.

    `email` is None unless your key is an admin's or the person's own. `notices` are the events that they get by mail.
    """

    id: str = ""
    name: str = ""
    email: str | None = None
    role: str = ""
    active: bool = False
    notices: list[str] = field(default_factory=list, hash=False)
    created_by: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class PersonRef(Record):
    """The id and name of a person. Methods accept it as a person's id."""

    id: str = ""
    name: str = ""


@dataclass(frozen=True)
class Bounds(Record):
    """What a key may change: models by name or pattern, and environments. None is no bound, `[]` is nothing."""

    models: list[str] | None = field(default=None, hash=False)
    environments: list[str] | None = field(default=None, hash=False)


@dataclass(frozen=True)
class Me(Record):
    """The key of this Registry, and its person. `name` is the person's, or the key's if it is a service's (`person` is None)."""

    name: str = ""
    role: str = ""
    person: PersonRef | None = None
    email: str | None = None
    key_id: str = ""
    key_name: str = ""
    expires_at: datetime | None = None
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True)
class ApiKey(Record):
    """An API key. `person` holds it; None if it is a service's. `models` and `environments` are what it may change.

    Only `create_api_key`, `create_my_key` and `rotate_api_key` return `key`, the secret. It is never in the repr.
    `old_expires_at`, of `rotate_api_key`, is when the old key, `replaces_id`, stops working.
    """

    id: str = ""
    name: str = ""
    role: str = ""
    prefix: str = ""
    is_active: bool = False
    created_at: datetime | None = None
    created_by: str | None = None
    person: PersonRef | None = None
    models: list[str] | None = field(default=None, hash=False)
    environments: list[str] | None = field(default=None, hash=False)
    replaces_id: str | None = None
    last_used_at: datetime | None = None
    last_used_from: str | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    old_expires_at: datetime | None = None
    key: str | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class SavedView(Record):
    """A name for the address of a list on the pages, path and query. Only its holder sees it."""

    id: str = ""
    name: str = ""
    address: str = ""
    created_at: datetime | None = None


PARSE.update(
    {
        "Bounds": Bounds.from_json,
        "PersonRef | None": PersonRef.from_json,
    }
)
