"""How Alembic reaches the database: through the application, one migration run at a time."""

from alembic import context
from alembic.util import CommandError
from sqlalchemy import text

from catapult import access, startup, tables
from catapult.extensions import db

# Several servers that start at once queue up here; transaction-scoped, so that it holds behind PgBouncer too.
LOCK = 0x63617461_6D696772


def run(connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=tables.Row.metadata,
        compare_type=True,
        compare_server_default=False,
    )
    with connection.begin():
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("Catapult's migrations run on a database: leave out --sql.")

with startup.database(access.settings()):
    if why := startup.silence():
        raise CommandError(f"The database does not answer: {why} Check DATABASE_URL and the server.")
    with db.engine.connect() as connection:
        run(connection)
