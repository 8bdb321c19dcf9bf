"""Prepared statements: what every request asks is planned once a connection, as planning takes longest.

PostgreSQL keeps a plan for the session that prepared it. Behind a pooler the next statement may run in another
session, where the prepared one does not exist. The first such error turns preparing off (docs/decisions/0022).
"""

from hashlib import blake2b
from typing import Any
from weakref import WeakSet

import structlog
from psycopg2 import Error, errorcodes
from sqlalchemy import Engine, Select, event
from sqlalchemy.exc import DBAPIError

from catapult.extensions import db

log = structlog.get_logger("catapult")

KEEP = {"keep_plan": True}

LOST = (
    errorcodes.INVALID_SQL_STATEMENT_NAME,  # another session than the one that prepared it
    errorcodes.DUPLICATE_PREPARED_STATEMENT,  # another client prepared it in this session
    errorcodes.FEATURE_NOT_SUPPORTED,  # its columns have changed their types since
)

_unkept = WeakSet[Engine]()


def one_or_none(query: Select[Any], values: dict[str, Any]) -> Any | None:
    """Return the query's only row or None, by a prepared statement where each statement is its own transaction."""
    try:  # on the connection, which costs less than the session
        return db.session.connection().execute(query, values, execution_options=KEEP).one_or_none()
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) not in LOST:
            raise
        _give_up(db.session.connection().engine, error.orig)
    return db.session.execute(query, values).one_or_none()


def listen(engine: Engine) -> None:
    """Let the engine prepare what `one_or_none` sends, and execute it by name from then on."""
    event.listen(engine, "before_cursor_execute", _by_name, retval=True)


def _by_name(connection: Any, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> tuple[str, Any]:
    keeps = context is not None and context.execution_options.get("keep_plan")
    # Within a transaction an error would end it.
    if not keeps or not cursor.connection.autocommit or connection.engine in _unkept:
        return statement, values
    names = connection.info.setdefault("plans", {})
    if statement not in names:
        try:
            names[statement] = _prepare(cursor, statement, values)
        except Error as error:  # an error in the statement is raised again when it runs
            if error.pgcode in LOST:
                _give_up(connection.engine, error)
            return statement, values
    return names[statement], values


def _prepare(cursor: Any, statement: str, values: dict[str, Any]) -> str:
    """Prepare the statement. Return the one that executes it."""
    name = f"catapult_{blake2b(statement.encode(), digest_size=8).hexdigest()}"
    cursor.execute(f"PREPARE {name} AS {statement % {key: f'${n}' for n, key in enumerate(values, 1)}}")
    return f"EXECUTE {name} ({', '.join(f'%({key})s' for key in values)})"


def _give_up(engine: Engine, refusal: Any) -> None:
    _unkept.add(engine)
    log.info("plans are no longer kept: behind a pooler, or a column has changed", sqlstate=refusal.pgcode)
