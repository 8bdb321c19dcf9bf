"""Grant rights to the database role that serves, as the role that owns and migrates the tables.

The owner of a table may switch off its triggers, and so could rewrite the audit log. The role that serves owns nothing.
"""

from typing import Any

from psycopg2.extensions import encrypt_password
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL

from catapult.errors import Invalid
from catapult.tables import AuditKey, AuditLog, AuditNode, Decision, SealedEntry

APPEND_ONLY = tuple(table.__tablename__ for table in (AuditLog, Decision, SealedEntry, AuditNode, AuditKey))
VERSIONS = "alembic_version"
_ROLE = text(
    "SELECT rolsuper OR rolcreaterole OR pg_has_role(rolname, current_user, 'MEMBER') FROM pg_roles WHERE rolname = :name"
)
_MAY_ADD_FUNCTIONS = text("SELECT has_schema_privilege(:name, current_schema(), 'CREATE')")
_MAY_CREATE = text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
_TABLES = text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")


def grant(connection: Connection, server: URL) -> None:
    """Let the user of the address `server` read and write rows, add to the audit log and to decisions, and nothing else.

    Creates the role, or sets its password, if the connection's role may do so; otherwise the role has to exist.
    Needs the connection's transaction, which the caller commits. Raises Invalid.
    """
    name, password = server.username or "", server.password or ""
    quoted = connection.dialect.identifier_preparer.quote_identifier(name)
    owns = connection.scalar(_ROLE, {"name": name})
    may_create = connection.scalar(_MAY_CREATE)
    if owns:
        raise Invalid(
            f"The role {name} of SERVER_DATABASE_URL owns the tables or may act as their owner. Name another one."
        )
    if owns is None and not may_create:
        raise Invalid(
            f"The role {name} of SERVER_DATABASE_URL does not exist, and the role of DATABASE_URL may not create it. "
            f"As an administrator of the database: CREATE ROLE {quoted} LOGIN PASSWORD '…'."
        )
    if may_create:
        verb = "CREATE" if owns is None else "ALTER"
        driver: Any = connection.connection.dbapi_connection
        # Hashed here: PostgreSQL may log the statement.
        hashed = encrypt_password(password, name, driver, "scram-sha-256")
        connection.exec_driver_sql(f"{verb} ROLE {quoted} LOGIN PASSWORD '{hashed}'")
    tables = sorted(connection.scalars(_TABLES))
    for table in tables:
        rights = "SELECT" if table == VERSIONS else "SELECT, INSERT"
        if table not in (*APPEND_ONLY, VERSIONS):
            rights += ", UPDATE, DELETE"
        connection.exec_driver_sql(f"REVOKE ALL ON {table} FROM {quoted}")
        connection.exec_driver_sql(f"GRANT {rights} ON {table} TO {quoted}")
    connection.exec_driver_sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    if connection.scalar(_MAY_ADD_FUNCTIONS, {"name": name}):
        # The next migration would run its functions as the owner. Before PostgreSQL 15 every role may create them.
        raise Invalid(
            f"The role {name} may create functions in the schema of the tables, which the owner would run. As an administrator "
            f"of the database: REVOKE CREATE ON SCHEMA public FROM PUBLIC, {quoted}."
        )
