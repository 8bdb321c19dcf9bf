"""The size of the registry, and the state of its database."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, literal_column, select, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from catapult.extensions import Row, db
from catapult.tables import Deployment, RegisteredModel, Version

EXACT_UP_TO = 10_000
UNDEFINED_TABLE = "42P01"

_MIGRATION = text("SELECT version_num FROM alembic_version")
_DATABASE = text(
    "SELECT current_setting('server_version') AS version, (SELECT version_num FROM alembic_version) AS migration,"
    " now() AS time"
)

TIME_OUTS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
_CONNECTIONS = text(
    "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS connections,"
    " pg_backend_pid() AS pid, ARRAY(SELECT name FROM pg_settings WHERE name = ANY(:names) AND setting = '0'"
    " OR name = 'default_transaction_isolation' AND setting <> 'read committed' ORDER BY name) AS missing"
)
_OWNER = text(
    "SELECT coalesce((SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('alembic_version')), true)"
)
_SUITS = text(
    "SELECT current_setting('server_encoding') AS encoding, current_setting('server_version_num')::int AS version,"
    " lower('I') = 'i' AND upper('i') = 'I' AS folds"
)
OLDEST = 14
"""The oldest PostgreSQL that has what the statements need: multiranges."""
OPTIONS = "TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'"


class Database(NamedTuple):
    """The server's version, its migration and its clock."""

    version: str
    migration: str
    time: datetime


class Connections(NamedTuple):
    """How many connections there are for users that are not superusers, whether a pooler is in between, and which
    settings of `engine_options` did not arrive: time-outs, and the isolation."""

    connections: int
    pooled: bool
    missing: list[str]


def ping() -> None:
    """Raise SQLAlchemyError if the database does not answer."""
    db.session.execute(text("SELECT 1"))


def unreachable_reason() -> str | None:
    """Return why the database does not answer, as PostgreSQL or the network reports it; None if it does."""
    try:
        ping()
    except OperationalError as error:
        return " ".join(str(error.orig).split()) or "no answer."
    finally:
        db.session.remove()
    return None


def database() -> Database:
    """Return what the database says about itself."""
    row = db.session.execute(_DATABASE).one()
    return Database(row.version, row.migration, row.time)


def migration() -> str | None:
    """Return the database's migration; None if it is empty."""
    try:
        at: str | None = db.session.scalar(_MIGRATION)
    except ProgrammingError as error:
        if getattr(error.orig, "pgcode", None) != UNDEFINED_TABLE:
            raise
        db.session.rollback()
        return None
    return at


def is_owner() -> bool:
    """Return whether this role owns the tables and can migrate them. True for an empty database."""
    return bool(db.session.scalar(_OWNER))


def connections() -> Connections:
    """Return the number of connections and the settings of this one."""
    row = db.session.execute(_CONNECTIONS, {"names": list(TIME_OUTS)}).one()
    connection: Any = db.session.connection().connection.dbapi_connection
    pooled = connection.info.backend_pid != row.pid  # a pooler reports another number when connecting
    return Connections(row.connections, pooled, row.missing)


def why_unsuitable(connection: Connection) -> str | None:
    """Return why the registry cannot use this database, and what to do; None if it can."""
    encoding, version, folds = connection.execute(_SUITS).one()
    if version < OLDEST * 10_000:
        return f"The database is PostgreSQL {version // 10_000}. Use {OLDEST} or newer."
    if encoding != "UTF8":
        return f"The database's encoding is {encoding}, which cannot hold every text. Use one created with {OPTIONS}."
    if not folds:
        return (
            "The database's locale does not take I and i for one letter, as Turkish does not: names that differ by case "
            f"alone would be two. Use one created with {OPTIONS}."
        )
    return None


def counts() -> dict[str, int]:
    """Return the numbers of models, versions and deployments; above 10,000 an estimate, which costs nothing."""
    tables: dict[str, Any] = {"models": RegisteredModel, "versions": Version, "deployments": Deployment}
    query = select(*(counted(table).label(name) for name, table in tables.items()))
    return dict(db.session.execute(query).one()._mapping)


def counted(table: Any) -> Any:
    """Return the count, exact up to `EXACT_UP_TO` and an estimate above."""
    some: Any = select(literal_column("1")).select_from(table).where(table.deleted_at.is_(None)).limit(EXACT_UP_TO + 1)
    exact = select(func.count()).select_from(some.subquery()).scalar_subquery()
    return func.coalesce(func.nullif(exact, EXACT_UP_TO + 1), func.greatest(_estimate(table), EXACT_UP_TO + 1))


def _estimate(table: type[Row]) -> Any:
    estimate: Any = select(literal_column("reltuples::bigint")).select_from(text("pg_class"))
    return estimate.where(text(f"oid = to_regclass('{table.__tablename__}')")).scalar_subquery()
