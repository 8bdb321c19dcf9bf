"""The audit trail. `commit` is the only way to save a change, and it writes the entries and events in the same transaction.

`note` and `bookkeeping` save what is not a change: when a key was last used, sign-ins that were refused, jobs, seals.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple, Protocol, TypeVar, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Executable, Table, insert, text
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.exc import DBAPIError, IntegrityError
from uuid_utils.compat import uuid7

from catapult.errors import Conflict, Forbidden
from catapult.extensions import KEEP_PLAN, SEPARATOR, Row, check_in_transaction, db, is_autocommit
from catapult.rules import events
from catapult.rules.bounds import UNBOUNDED, Bounds
from catapult.rules.json_text import as_stored
from catapult.tables import Action, AuditLog, Kind, Role

R = TypeVar("R")
_INSERT = insert(cast(Table, AuditLog.__table__))
BEFORE_COMMIT = "before_commit"
"""The key in `session.info` under which a door leaves a callback that joins the transaction (idempotent answers)."""
TOGETHER = "together"
"""The key in `session.info` that is there while several actions are saved together."""

COMMIT = "COMMIT AND CHAIN"
"""Commits in the round trip of the change, so that its locks are held for one round trip less. The empty transaction that
follows is what the session ends."""

REFUSALS = {
    "uq_models_name": "A model with this name already exists (case is ignored). Choose another name.",
    "pk_model_names": "Another model has this name, or had it before (case is ignored). Choose another name.",
    "uq_versions_model_id_version": "This model already has that version. Versions never change: register the next one.",
    "uq_deployments_live": "Another deployment to this environment came first. Check what is live and try again.",
    "uq_approvals_key": "This key has already approved it.",
    "uq_api_keys_prefix": "The new key's prefix is taken. Try again.",
    "uq_saved_views_name": "You have a view with this name already (case is ignored). Choose another name.",
    "uq_jobs_key": "The same job waits already.",
    "uq_artifacts_path": "This version has a file of that path already (case is ignored). Choose another path.",
    "uq_trusted_keys_name": "A trusted key with this name already exists (case is ignored). Choose another name.",
    "uq_people_email": "Somebody else has this email address.",
}
"""The Conflict that each constraint means when it is violated. It is recognized by name, never by the error's text."""


@dataclass(frozen=True)
class Actor:
    """Who acts, and from where.

    `name` is that of the key, `person_name` that of the person who holds it, None for a service's. `voice` is the same for all
    keys of a person, and for a service's key and those it was rotated to. `expires_at` is the key's. `door` is named in the
    entries where another protocol than Catapult's own was used.
    """

    name: str
    role: Role
    key_id: UUID | None = None
    ip_address: str | None = None
    request_id: str | None = None
    person_id: UUID | None = None
    person_name: str | None = None
    voice: UUID | None = None
    bounds: Bounds = UNBOUNDED
    expires_at: datetime | None = None
    door: str | None = None

    @property
    def shown(self) -> str:
        """The name that people read: the person's, or else the key's."""
        return self.person_name or self.name

    def needs(self, role: Role) -> None:
        """Raise Forbidden, naming the role, unless the actor's role is that role or a higher one."""
        if not self.role.holds(role):
            raise Forbidden(f"This needs the role {role}; the key {self.name!r} has the role {self.role}.")


CLI = Actor(name="cli", role=Role.ADMIN)
WORKER = Actor(name="worker", role=Role.ADMIN)
"""Who acts where something happens by itself."""


class Entry(NamedTuple):
    """An audit entry without who, when and from where."""

    action: Action
    resource_type: Kind
    resource_id: UUID | None
    details: dict[str, Any]


class Statement(Protocol):
    """One statement that makes a whole change and writes the audit entries itself, so that its locks last one round trip.

    `sql` gets the CTEs that insert the entries and their events. They need another CTE beside them, `moment`, with one row:
    `now`, the time of the change, `details`, a JSON object that is added to each entry, and `data`, one that is added to each
    event. `values` are the bound parameters.
    `finish` gets the result and raises a Refusal if nothing was changed.
    """

    values: dict[str, Any]

    def sql(self, entries: str) -> str: ...
    def finish(self, result: Any) -> None: ...


class Script:
    """An `audit.Statement` of several statements that are sent in one round trip. Each sees what those before it did."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.values: dict[str, Any] = {}
        self.commits = False

    def add(self, statement: str, **values: Any) -> None:
        """Send this statement too. The names of its parameters must differ from those of the others."""
        self.statements.append(statement)
        self.values |= values

    def insert(self, row: Row) -> None:
        """Insert the row, which is not in the session. All its columns must be set."""
        self.add(insertion(type(row)), **parameters(row))

    def run(self) -> None:
        """Send the statements by themselves, in the session's transaction."""
        if self.statements:
            execute(SEPARATOR.join(self.statements), self.values)

    def sql(self, entries: str) -> str:
        moment = "moment AS (SELECT statement_timestamp() AS now, CAST('{}' AS jsonb) AS details, CAST('{}' AS jsonb) AS data)"
        end = [COMMIT] if self.commits else []
        return SEPARATOR.join([*self.statements, f"WITH {moment}, {entries} SELECT", *end])

    def finish(self, result: Any) -> None:
        """Do nothing: every statement has succeeded."""


@cache
def _columns(table: type[Row]) -> list[tuple[str, str, str]]:
    """Return the attribute, the parameter and the SQL type of each column that can be written."""
    attributes = [(attribute.key, attribute.columns[0]) for attribute in table.__mapper__.column_attrs]
    return [
        (key, f"{table.__tablename__}_{column.name}", sql_type(column))
        for key, column in attributes
        if column.computed is None
    ]


@cache
def insertion(table: type[Row], source: str = "", now: tuple[str, ...] = ()) -> str:
    """Return the statement that inserts a row with these `parameters`.

    With a `source`, once for each of its rows, and the columns `now` get its column of that name.
    """
    columns = [(name.removeprefix(f"{table.__tablename__}_"), name, kind) for _, name, kind in _columns(table)]
    names = ", ".join(f'"{column}"' for column, _, _ in columns)
    values = ", ".join("now" if column in now else f"CAST(:{name} AS {kind})" for column, name, kind in columns)
    rows = f"SELECT {values} FROM {source}" if source else f"VALUES ({values})"  # noqa: S608 - from the tables' own names
    return f"INSERT INTO {table.__tablename__} ({names}) {rows}"


def parameters(row: Row) -> dict[str, Any]:
    """Return the parameters of `insertion` for the row."""
    return {
        name: json.dumps(getattr(row, key)) if kind == "JSONB" else getattr(row, key)
        for key, name, kind in _columns(type(row))
    }


def sql_type(column: ColumnElement[Any]) -> str:
    """Return the column's SQL type without a length: a cast to `varchar(128)` would cut what an insert refuses."""
    compiled = str(column.type.compile(dialect=PGDialect_psycopg2()))  # type: ignore[no-untyped-call]
    return re.sub(r"\(.*?\)| COLLATE .*", "", compiled)


@lru_cache(maxsize=64)
def _for_driver(sql: str) -> str:
    """Return the statement with the driver's form of parameters. Statements are few and long: each is parsed once."""
    return str(text(sql).compile(dialect=PGDialect_psycopg2()))  # type: ignore[no-untyped-call]


def entry(action: str, row: Row, **details: Any) -> Entry:
    """Return an entry about that row. Details that are None are left out. Raises ValueError for an unknown action."""
    present = {name: value for name, value in details.items() if value is not None}
    return Entry(Action(action), Kind(row.kind), row.id, present)  # type: ignore[attr-defined]


def commit(actor: Actor, row: R, *entries: Entry, statement: Statement | None = None) -> R:
    """Save the change and its entries in one transaction, both or neither, and return the row, or rows.

    The change is what the session holds, or what `statement` does. Raises what `REFUSALS` has for a violated constraint, and
    what `statement.finish` raises; nothing is saved then.
    """
    is_session = statement is None
    if statement is None:
        flush()
        check_in_transaction()
        statement = Script()
    elif isinstance(statement, Script):
        flush()  # what the session holds belongs to the transaction that the script commits
        statement.commits = not (db.session.info.keys() & {TOGETHER, BEFORE_COMMIT} or is_autocommit())
    values = statement.values | _as_parameters([_values(actor, entry) for entry in entries]) | _events(actor, entries)
    sql = statement.sql(_INSERT_ENTRIES)
    # A plan may be lost behind a pooler, and not every door of such changes tries again, as signing in does not.
    statement.finish(execute(sql, values, keep_plan=not is_session))
    if db.session.info.get(TOGETHER):
        return row
    before_commit: Callable[[R], None] | None = db.session.info.pop(BEFORE_COMMIT, None)
    if before_commit:
        check_in_transaction()
        before_commit(row)
    if isinstance(statement, Script) and statement.commits:
        _end_empty()
    elif not is_autocommit():  # then the statement has committed, and the session ends with the request
        db.session.commit()
    return row


def _end_empty() -> None:
    """End the transaction after `COMMIT`. The change is saved: a connection that breaks only now must not fail it."""
    try:
        db.session.commit()
    except DBAPIError:
        db.session.close()


@contextmanager
def together() -> Iterator[None]:
    """Save the changes of several actions, which each write an entry, in one transaction, all or none."""
    check_in_transaction()
    db.session.info[TOGETHER] = True
    try:
        yield
    except BaseException:
        db.session.rollback()
        raise
    finally:
        db.session.info.pop(TOGETHER, None)
    db.session.commit()


def start_again() -> None:
    """Undo the transaction and release its locks. Raises RuntimeError in `together`, where other changes would be undone too."""
    if db.session.info.get(TOGETHER):
        raise RuntimeError("Lock what the change needs before the first of several actions.")
    db.session.rollback()


def flush() -> None:
    """Send what the session holds to the database without committing it. Raises what `REFUSALS` has."""
    try:
        db.session.flush()
    except IntegrityError as error:
        raise refusal(error) from error


def execute(sql: str, values: dict[str, Any], keep_plan: bool = True) -> Any:
    """Run the statement in the session's transaction and return its result. Raises what `REFUSALS` has.

    The driver gets the values as they are: that costs less than SQLAlchemy's types for each of fifty.
    """
    options = KEEP_PLAN if keep_plan else {}
    try:
        return db.session.connection().exec_driver_sql(_for_driver(sql), values, execution_options=options)
    except IntegrityError as error:
        raise refusal(error) from error


def refusal(error: IntegrityError) -> Conflict:
    """Return what the violated constraint means. Raises the error itself for an unknown one: that is a bug in our checks."""
    name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    if name not in REFUSALS:
        raise error
    return Conflict(REFUSALS[name])


def note(statement: Executable) -> int:
    """Save bookkeeping on the request's own connection, after its transaction has ended. Return the number of rows changed."""
    with bookkeeping():
        result: Any = db.session.execute(statement)
    return int(result.rowcount)


@contextmanager
def bookkeeping() -> Iterator[None]:
    """Save the statements of this block in a transaction of their own, all or none. One before it that is open is undone."""
    db.session.rollback()
    try:
        yield
        db.session.commit()
    except BaseException:
        db.session.rollback()
        raise


def refused(actor: Actor, action: str, details: dict[str, Any]) -> Executable:
    """Return the statement, for `note`, that records a refused attempt. The actor's name is "" for an unknown key."""
    return _INSERT.values(_values(actor, Entry(Action(action), Kind.API_KEY, actor.key_id, details)))


def changes(row: Row, fields: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Set these attributes and return those that differed, as `{field: {"old": ..., "new": ...}}`."""
    changed = {}
    for name, new in fields.items():
        old = getattr(row, name)
        if not _same(old, new):
            changed[name.rstrip("_")] = {"old": old, "new": new}
            setattr(row, name, new)
    return changed


def _same(old: Any, new: Any) -> bool:
    """Compare as JSON: 1, True and 1.0 are equal in Python, and a change between them in metadata would be lost."""
    if isinstance(old, dict | list):
        return as_stored(old) == as_stored(new)
    return bool(old == new)


_INSERT_ENTRIES = """recorded AS (
    INSERT INTO audit_logs (id, action, resource_type, resource_id, details, created_at,
        api_key_id, api_key_name, person_id, person_name, ip_address, request_id)
    SELECT entry.id, entry.action, entry.resource_type, entry.resource_id,
        moment.details || CAST(entry.details AS jsonb), moment.now,
        CAST(:entry_api_key_id AS uuid), :entry_api_key_name, CAST(:entry_person_id AS uuid), :entry_person_name,
        :entry_ip_address, :entry_request_id
    FROM moment, unnest(CAST(:entry_id AS uuid[]), CAST(:entry_action AS varchar[]), CAST(:entry_resource_type AS varchar[]),
        CAST(:entry_resource_id AS uuid[]), CAST(:entry_details AS text[]))
        AS entry (id, action, resource_type, resource_id, details)
), announced AS (
    INSERT INTO events (id, type, data, created_at)
    SELECT event.id, event.type, moment.data || CAST(event.data AS jsonb), moment.now
    FROM moment, unnest(CAST(:event_id AS uuid[]), CAST(:event_type AS varchar[]), CAST(:event_data AS text[]))
        AS event (id, type, data)
)"""
_SAME_FOR_ALL = ("api_key_id", "api_key_name", "person_id", "person_name", "ip_address", "request_id")


def _as_parameters(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the parameters of `_INSERT_ENTRIES`: one value for what all entries share, an array for what differs."""
    parameters: dict[str, Any] = {}
    for column in entries[0]:
        values = [entry[column] for entry in entries]
        if column in _SAME_FOR_ALL:
            parameters[f"entry_{column}"] = values[0]
        elif column == "details":
            parameters["entry_details"] = [json.dumps(value) for value in values]
        else:
            parameters[f"entry_{column}"] = [
                value if value is None or isinstance(value, UUID) else str(value) for value in values
            ]
    return parameters


def _events(actor: Actor, entries: tuple[Entry, ...]) -> dict[str, Any]:
    """Return the parameters of `_INSERT_ENTRIES` for the events of these entries; there may be none."""
    announced = [
        event for entry in entries for event in events.of(entry.action, entry.resource_id, entry.details, actor.shown)
    ]
    return {
        "event_id": [uuid7() for _ in announced],
        "event_type": [str(event.type) for event in announced],
        "event_data": [json.dumps(event.data) for event in announced],
    }


def _values(actor: Actor, entry: Entry) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "action": entry.action,
        "resource_type": entry.resource_type,
        "resource_id": entry.resource_id,
        "details": {**entry.details, **({"door": actor.door} if actor.door else {})},
        "api_key_id": actor.key_id,
        "api_key_name": actor.name or None,
        "person_id": actor.person_id,
        "person_name": actor.person_name,
        "ip_address": actor.ip_address,
        "request_id": actor.request_id,
    }
