"""The audit trail: `commit` is the only way to save a change, and it writes the entry in the same transaction.

`note` saves bookkeeping that is no change (last use of a key, refused sign-ins). `session.commit` stands nowhere else.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast
from uuid import UUID

from sqlalchemy import Executable, Table, insert
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from catapult.errors import Conflict, Forbidden, Refusal
from catapult.extensions import Row, check_in_transaction, db
from catapult.rules.json_text import as_stored
from catapult.tables import AuditLog, Role

R = TypeVar("R", bound=Row)
_INSERT = insert(cast(Table, AuditLog.__table__))
BEFORE_COMMIT = "before_commit"
"""The key in `session.info` under which a door leaves a callback that joins the transaction (idempotent answers)."""

RECORDED = """recorded AS (
    INSERT INTO audit_logs (id, action, resource_type, resource_id, details, created_at,
        api_key_id, api_key_name, ip_address, request_id)
    SELECT said.id, said.action, said.resource_type, said.resource_id, told || CAST(said.details AS jsonb), now,
        CAST(:actor_key_id AS uuid), :actor_name, :actor_ip_address, :actor_request_id
    FROM moment, unnest(CAST(:said_ids AS uuid[]), CAST(:said_actions AS varchar[]), CAST(:said_types AS varchar[]),
        CAST(:said_resource_ids AS uuid[]), CAST(:said_details AS text[]))
        AS said (id, action, resource_type, resource_id, details)
)"""
"""The part of a statement that writes its entries (`execute_recorded`); beside it stands `moment`, one row with the time
`now` of the change and `told`, an object of what only the statement knows, which every entry says too."""

REFUSALS: dict[str, tuple[type[Refusal], str]] = {
    "uq_models_name": (Conflict, "A model of this name is there already (case does not count). Take another name."),
    "uq_versions_model_id_version": (
        Conflict,
        "This model has that version already. Versions never change: take the next.",
    ),
    "uq_deployments_live": (
        Conflict,
        "Another deployment to this environment came first. Read what is live and try again.",
    ),
    "uq_approvals_key": (Conflict, "This key has approved it already."),
    "uq_api_keys_prefix": (Conflict, "The new key's prefix is taken. Try again."),
}
"""What the database refuses, by the constraint's name and never by the error's text."""


@dataclass(frozen=True)
class Actor:
    """Who asks, and from where."""

    name: str
    role: Role
    key_id: UUID | None = None
    ip_address: str | None = None
    request_id: str | None = None

    def needs(self, role: Role) -> None:
        """Nothing, if the actor's role is enough. Raises Forbidden, naming the role it takes."""
        if not self.role.holds(role):
            raise Forbidden(f"This takes the role {role}; the key {self.name!r} is a {self.role}.")


CLI = Actor(name="cli", role=Role.ADMIN)


class Entry(NamedTuple):
    """What one audit entry says beyond who, when and from where."""

    action: str
    resource_type: str
    resource_id: UUID | None
    details: dict[str, Any]


def entry(action: str, row: Row, **details: Any) -> Entry:
    """An entry about that row; details that are None are left out."""
    said = {name: value for name, value in details.items() if value is not None}
    return Entry(action, row.kind, row.id, said)  # type: ignore[attr-defined]


def commit(actor: Actor, row: R, *entries: Entry) -> R:
    """The change in the session and its entries are saved, together or not at all. Returns the row.

    Raises what `REFUSALS` names for the constraint that was broken; then nothing was saved.
    """
    flush()
    check_in_transaction()
    db.session.execute(_INSERT, [_values(actor, said) for said in entries])
    return _finish(row)


def execute_recorded(statement: Executable, values: dict[str, Any], actor: Actor, *entries: Entry) -> Any:
    """The result of a statement that makes a change and has `RECORDED`, which writes its entries, among its parts.

    Outside of a transaction it is one by itself: nothing is sent after it, so its locks are held no longer than it runs.
    Raises as `commit` does.
    """
    try:
        return db.session.execute(statement, values | _recorded(actor, entries))
    except IntegrityError as error:
        raise refusal(error) from error


def commit_recorded(row: R) -> R:
    """What `execute_recorded` did to the row is saved. Returns the row."""
    return _finish(row)


def flush() -> None:
    """What the session holds is in the database, uncommitted. Raises as `commit` does."""
    try:
        db.session.flush()
    except IntegrityError as error:
        raise refusal(error) from error


def refusal(error: IntegrityError) -> Refusal:
    """What the broken constraint means. An unknown one is a bug in the doors' checks, and stays an error."""
    name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    if name not in REFUSALS:
        raise error
    kind, detail = REFUSALS[name]
    return kind(detail)


def _finish(row: R) -> R:
    before_commit: Callable[[Row], None] | None = db.session.info.pop(BEFORE_COMMIT, None)
    if before_commit:
        check_in_transaction()
        before_commit(row)
    db.session.commit()
    return row


def note(statement: Executable) -> int:
    """Bookkeeping is saved on the request's own connection, after its transaction has ended. Returns the rows it met."""
    db.session.rollback()
    result: Any = db.session.execute(statement)
    db.session.commit()
    return int(result.rowcount)


def refused(actor: Actor, action: str, details: dict[str, Any]) -> Executable:
    """The statement, for `note`, that records an attempt which was refused. A name of "" is a key nobody knows."""
    said = Entry(action, "api_key", actor.key_id, details)
    return _INSERT.values(_values(actor, said))


def changes(row: Row, fields: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Set these attributes; `{field: {"old": …, "new": …}}` of those that were different."""
    found = {}
    for name, new in fields.items():
        old = getattr(row, name)
        if not _same(old, new):
            found[name.rstrip("_")] = {"old": old, "new": new}
            setattr(row, name, new)
    return found


def _same(old: Any, new: Any) -> bool:
    """Equal as JSON: Python's 1 == True == 1.0 would lose a change within metadata."""
    if isinstance(old, dict | list):
        return as_stored(old) == as_stored(new)
    return bool(old == new)


def _recorded(actor: Actor, entries: tuple[Entry, ...]) -> dict[str, Any]:
    """What `RECORDED` is given."""
    written = [_values(actor, said) for said in entries]
    return {
        **{f"actor_{name}": written[0][column] for name, column in _ACTOR.items()},
        **{f"said_{name}": [str(values[column]) for values in written] for name, column in _SAID.items()},
        "said_details": [json.dumps(said.details) for said in entries],
    }


_ACTOR = {"key_id": "api_key_id", "name": "api_key_name", "ip_address": "ip_address", "request_id": "request_id"}
_SAID = {"ids": "id", "actions": "action", "types": "resource_type", "resource_ids": "resource_id"}


def _values(actor: Actor, said: Entry) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "action": said.action,
        "resource_type": said.resource_type,
        "resource_id": said.resource_id,
        "details": said.details,
        "api_key_id": actor.key_id,
        "api_key_name": actor.name or None,
        "ip_address": actor.ip_address,
        "request_id": actor.request_id,
    }
