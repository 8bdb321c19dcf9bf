"""The declarative base every table derives from, and the two extensions that are bound to the application in `app.py`."""

import math
import time
from datetime import datetime
from typing import Any, ClassVar

from flask import current_app
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from psycopg2 import Error
from psycopg2.extensions import STATUS_READY
from sqlalchemy import DateTime, Engine, MetaData, Text, event, make_url
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import DeclarativeBase

from catapult.config import Settings

# PostgreSQL's refusals are told apart by these names (`audit.REFUSALS`), so every constraint has one that never changes.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Row(DeclarativeBase):
    """One row of one table. `kind` is what the audit log calls it."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: ARRAY(Text),
    }
    kind: ClassVar[str]


# Objects stay readable after a commit: the answer is rendered from them without asking the database again.
db = SQLAlchemy(metadata=Row.metadata, session_options={"expire_on_commit": False})
migrate = Migrate()

THREADS = 8
"""In a worker; its pool has as many connections, so that no thread waits for one."""

IDLE = 1.0
"""Seconds after which a connection is asked whether it lives before it is used again: under load nothing is asked."""


# Kept by the server, so that nothing a client does holds a connection or a lock for long.
LIMITS = "-c statement_timeout=15s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s -c timezone=UTC"


def current_settings() -> Settings:
    """Return the running application's settings."""
    settings: Settings = current_app.extensions["catapult"]
    return settings


def engine_options(url: str) -> dict[str, object]:
    """One connection a thread and none more; a database that is gone is noticed within three seconds.

    What the address itself says of the connection goes before what we say.
    """
    own = make_url(url).query
    defaults = {"connect_timeout": 2, "tcp_user_timeout": 900, "application_name": "catapult"}
    return {
        "pool_size": THREADS,
        "max_overflow": 0,
        "pool_timeout": 5,
        "pool_recycle": 1800,
        "hide_parameters": True,  # they are what people sent, and errors are logged
        "connect_args": {
            **{name: value for name, value in defaults.items() if name not in own},
            "options": f"{LIMITS} {own.get('options', '')}".strip(),
        },
    }


def by_statement() -> None:
    """From here each statement is a transaction of its own: a read sends no BEGIN and no ROLLBACK, half of its trips."""
    connection = _raw()  # in a transaction already where a test has opened one around everything
    if connection.status == STATUS_READY:
        connection.autocommit = True


def check_in_transaction() -> None:
    """Nothing, if what is sent belongs to one transaction. Raises RuntimeError: halves of a change would be saved."""
    if _raw().autocommit:
        raise RuntimeError("A change of several statements needs a transaction; this connection has none.")


def in_transaction() -> None:
    """From here what is sent belongs to one transaction again, the default."""
    if _raw().autocommit:
        db.session.rollback()


def tend(engine: Engine) -> None:
    """The engine's pool gives out connections that live and that begin a transaction."""
    event.listen(engine, "checkin", _tidy)
    event.listen(engine, "checkout", _check)


def _raw() -> Any:
    return db.session.connection().connection.dbapi_connection


def _tidy(connection: Any, record: Any) -> None:
    if connection is not None:  # None: it broke, and was thrown away
        connection.autocommit = False
        record.info["used"] = time.monotonic()


def _check(connection: Any, record: Any, proxy: Any) -> None:
    """Raises DisconnectionError, after which the pool tries a new connection."""
    if time.monotonic() - record.info.get("used", math.inf) < IDLE:
        return
    try:
        proxy._pool._dialect.do_ping(connection)
    except Error as error:
        raise DisconnectionError from error
