"""The declarative base of all tables, the extensions that `app.py` initializes, and how connections to PostgreSQL are made."""

from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

from flask import current_app
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, DateTime, Engine, MetaData, Text, TextClause, event, make_url, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase

from catapult.config import Settings
from catapult.errors import Unavailable
from catapult.reachability import Reachability
from catapult.storage import Storage
from catapult.storage.file_client import Files
from catapult.storage.folder import Folder
from catapult.storage.mount import Mount

# `audit.REFUSALS` maps these names to errors, so every constraint has a name that never changes.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Row(DeclarativeBase):
    """The base class of all tables. `kind` is the resource type that audit entries name."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: ARRAY(Text),
    }
    kind: ClassVar[str]


# Rows stay readable after a commit: the response is rendered from them without another query.
db = SQLAlchemy(metadata=Row.metadata, session_options={"expire_on_commit": False})
migrate = Migrate()

THREADS = 8
"""Threads in each worker, and connections in its pool, so that no thread waits for one."""

READ_ONLY = "25006"
"""The SQLSTATE of a write to a standby, or to a database that is read-only for a while."""


# Enforced by PostgreSQL, so that no client holds a connection or a lock for long.
LIMITS = "-c statement_timeout=15s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s -c timezone=UTC"
FORMATS = (
    "-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=1 -c standard_conforming_strings=on"
    r" -c default_transaction_isolation=read\ committed"
)
"""How values are written for the driver, and what a statement sees, whatever the role's or the database's own settings are."""


KEEP_PLAN = {"keep_plan": True}
"""The execution options of a statement that is prepared once a connection (queries/lists/prepared.py)."""
TIME_LIMIT = "time_limit"
"""The execution option of a statement that PostgreSQL may spend only so many milliseconds on."""
STORAGE = "catapult-storage"
"""Where an application has its storage, in the process for files."""
MOUNT = "catapult-mount"
"""Where an application has the mount that files may be registered from, in the process for files."""
FILES = "catapult-files"
"""Where an application has the process for files that it may ask."""
SEPARATOR = "\n;\n"
"""Stands between statements that are sent in one round trip. Each sees what those before it did."""


def current_storage() -> Storage:
    """Return where the bytes of files are, in the process that does file I/O. Raises Unavailable in every other one."""
    storage: Storage | None = current_app.extensions.get(STORAGE)
    if storage is None:
        raise Unavailable("This server serves no files: it is started without the process for them.", retry_after=60)
    return storage


def current_files() -> Files | None:
    """Return the process for files, to ask it; None where this server knows of none."""
    files: Files | None = current_app.extensions.get(FILES)
    return files


def open_storage(settings: Settings) -> Storage:
    """Return the storage that STORAGE_URL names, by default a folder in CATAPULT_HOME. It is not asked whether it is there."""
    kind, _, rest = settings.storage_url.partition("://")
    if kind == "s3":
        from catapult.storage.s3 import S3  # boto3 is there with the extra `s3` alone

        bucket, _, prefix = rest.partition("/")
        keys = (settings.aws_access_key_id, settings.aws_secret_access_key)
        return S3(bucket, prefix.strip("/"), settings.s3_endpoint_url, *keys, settings.aws_region or "us-east-1")
    if kind == "file":
        return Folder(Path(unquote(rest)))
    root = settings.home / "files"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Folder(root)


def open_mount(settings: Settings) -> Mount | None:
    """Return the mount of CEPH_MOUNT_PATH, without the storage's own folders if they are on it; None if there is none."""
    if settings.mount is None:
        return None
    kind, _, rest = settings.storage_url.partition("://")
    blobs = {"file": Path(unquote(rest)), "": settings.home / "files"}.get(kind)
    return Mount(settings.mount, blobs, settings.mount_folders)


def current_mount() -> Mount | None:
    """Return the mount that files may be registered from, in the process that does file I/O."""
    mount: Mount | None = current_app.extensions.get(MOUNT)
    return mount


def current_settings() -> Settings:
    """Return the running application's settings."""
    settings: Settings = current_app.extensions["catapult"]
    return settings


def engine_options(url: str) -> dict[str, object]:
    """Return the engine's options: one connection a thread, and timeouts for a database that is unreachable.

    A connection that gets no acknowledgement breaks after 2.5 seconds, and a new one is given up after 2. Options in the
    URL's query take precedence, but not over the encoding.
    """
    own = make_url(url).query
    defaults = {"connect_timeout": 2, "tcp_user_timeout": 2500, "application_name": "catapult"}
    return {
        "pool_size": THREADS,
        "max_overflow": 0,
        "pool_timeout": 5,
        "pool_recycle": 1800,
        "hide_parameters": True,  # they are what people sent, and errors are logged
        "connect_args": {
            **{name: value for name, value in defaults.items() if name not in own},
            "client_encoding": "utf8",  # no option: a pooler passes it on, and refuses others that it does not know
            "options": f"{LIMITS} {FORMATS} {own.get('options', '')}".strip(),
        },
    }


def autocommit() -> None:
    """Make each statement of this session a transaction of its own: a read then sends no BEGIN and no ROLLBACK.

    Has to come before the session's first statement. Ends with the session's transaction.
    """
    _driver(db.session.connection()).autocommit = True


def is_autocommit(connection: Connection | None = None) -> bool:
    """Whether each statement of the session, or on this connection of it, is a transaction of its own."""
    return bool(_driver(connection or db.session.connection()).autocommit)


def check_in_transaction() -> None:
    """Raise RuntimeError if the session autocommits: half of a change could then be saved."""
    if is_autocommit():
        raise RuntimeError("A change of several statements needs a transaction; this session autocommits.")


def autocommit_from_here() -> None:
    """Undo the session's transaction unless it autocommits, and then do as `autocommit`."""
    if not is_autocommit():
        db.session.rollback()
        autocommit()


def begin() -> None:
    """Return from autocommit to the default: all statements from here on belong to one transaction."""
    if is_autocommit():
        db.session.rollback()


def check_connections(engine: Engine) -> None:
    """Make the engine's pool hand out live connections that do not autocommit, and no wait for the database last for ever."""
    event.listen(engine, "checkin", _reset)
    event.listen(engine, "handle_error", _discard_if_read_only)
    Reachability(engine)
    event.listen(engine, "before_cursor_execute", _limit_time, retval=True)


def _driver(connection: Connection) -> Any:
    return connection.connection.dbapi_connection


def limit_time(milliseconds: int) -> None:
    """Limit each statement that follows in this transaction."""
    db.session.execute(_set_limit(milliseconds))


def _set_limit(milliseconds: int) -> TextClause:
    return text(f"SET LOCAL statement_timeout = {milliseconds:d}")


def _limit_time(connection: Any, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> tuple[str, Any]:
    """Send the limit with the statement: PostgreSQL runs both in one transaction, so the limit ends with it."""
    limit = context.execution_options.get(TIME_LIMIT) if context else None
    return f"{_set_limit(limit)}{SEPARATOR}{statement}" if limit else statement, values


def _reset(connection: Any, record: Any) -> None:
    # On the driver: SQLAlchemy's isolation_level="AUTOCOMMIT" asks the server at each check-in, which fails where the
    # connection broke after a commit, and turns the answer about a saved change into an error.
    if connection is not None:  # None: it broke and was discarded
        connection.autocommit = False


def _discard_if_read_only(context: Any) -> None:
    # A connection keeps the state that it began in, so it would refuse writes long after a failover is over, or after a
    # disk is no longer full. All connections of the pool are as old, and are replaced.
    if getattr(context.original_exception, "pgcode", None) == READ_ONLY:
        context.is_disconnect = True
