"""Prepared statements: frequent queries are planned once a connection, because planning takes longest.

PostgreSQL keeps a plan for the session that prepared it. Behind a pooler the next statement may run in another
session, where the prepared one does not exist. The first such error turns preparing off (docs/decisions/0022).
"""

import re
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple
from weakref import WeakSet

import structlog
from psycopg2 import errorcodes
from sqlalchemy import Engine, Select, TextualSelect, event
from sqlalchemy.exc import DBAPIError

from catapult.extensions import KEEP_PLAN, SEPARATOR, db, is_autocommit

log = structlog.get_logger("catapult")

LOST = (
    errorcodes.INVALID_SQL_STATEMENT_NAME,  # another session than the one that prepared it
    errorcodes.DUPLICATE_PREPARED_STATEMENT,  # another client prepared it in this session
    errorcodes.FEATURE_NOT_SUPPORTED,  # its columns have changed their types since
)

_PARAMETER = re.compile(r"%\((\w+)\)s")
_unprepared = WeakSet[Engine]()


def one_or_none(query: Select[Any] | TextualSelect, values: dict[str, Any]) -> Any | None:
    """Return the query's only row or None, by a prepared statement unless its loss would end a transaction."""
    begins = not db.session().in_transaction()
    connection = db.session.connection()  # costs less than the session
    if begins or is_autocommit(connection):
        try:
            return connection.execute(query, values, execution_options=KEEP_PLAN).one_or_none()
        except DBAPIError as error:
            if not is_lost(error):
                raise
            if begins:
                db.session.rollback()
    return db.session.execute(query, values).one_or_none()


def is_lost(error: DBAPIError) -> bool:
    """Return whether a prepared statement was missing. Its transaction has ended then, and later ones prepare nothing."""
    lost = getattr(error.orig, "pgcode", None) in LOST
    if lost and db.engine not in _unprepared:
        _unprepared.add(db.engine)
        log.info("plans are no longer kept: behind a pooler, or a column has changed", error=type(error.orig).__name__)
    return lost


def listen(engine: Engine) -> None:
    """Let the engine prepare the statements with `KEEP_PLAN`, and execute them by name from then on."""
    event.listen(engine, "before_cursor_execute", _by_name, retval=True)


def _by_name(connection: Any, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> tuple[str, Any]:
    if (
        context is None
        or not KEEP_PLAN.items() <= context.execution_options.items()
        or connection.engine in _unprepared
    ):
        return statement, values
    parts = _parts(statement)
    info = connection.info
    known = info.setdefault("plans", set())
    new = [part.prepare for part in parts if part.prepare and part.name not in known]
    known.update(part.name for part in parts)  # even if one fails: a transaction that ends does not undo it
    info["executed"] = info.get("executed", 0) + 1
    return SEPARATOR.join([*_discard(info["executed"]), *new, *(part.execute for part in parts)]), values


def _discard(executed: int) -> list[str]:
    """Return the statement that discards the connection's plans, after 64, 128, 256 … statements.

    PostgreSQL plans again when they are executed next, also for foreign keys. A plan for an empty table may read the whole table,
    and tables grow faster than autovacuum analyzes them.
    """
    return ["DISCARD PLANS"] if executed >= 64 and executed.bit_count() == 1 else []


class _Part(NamedTuple):
    """A statement's name, what prepares it, if it can be prepared, and what executes it."""

    name: str
    prepare: str
    execute: str


@lru_cache(maxsize=256)
def _parts(statements: str) -> list[_Part]:
    """Return each of the statements that are sent together."""
    return [_part(statement) for statement in statements.split(SEPARATOR)]


def _part(statement: str) -> _Part:
    if statement.startswith("COMMIT"):
        return _Part("", "", statement)
    keys = list(dict.fromkeys(_PARAMETER.findall(statement)))
    body = _PARAMETER.sub(lambda match: f"${keys.index(match[1]) + 1}", statement)
    name = f"catapult_{blake2b(statement.encode(), digest_size=8).hexdigest()}"
    arguments = f" ({', '.join(f'%({key})s' for key in keys)})" if keys else ""
    return _Part(name, f"PREPARE {name} AS {body}", f"EXECUTE {name}{arguments}")
