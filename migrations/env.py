"""How Alembic reaches the database: through the application, one migration run at a time."""

from alembic import context
from alembic.util import CommandError
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from catapult import tables
from catapult.actions import server_role
from catapult.commands.running import database_running, fail, refused_by_database
from catapult.errors import Refusal
from catapult.extensions import current_settings, db
from catapult.queries import registry
from catapult.web import error_handlers

# Several servers that start at once queue up here; transaction-scoped, so that it holds behind PgBouncer too.
LOCK = 0x63617461_6D696772
LOCK_WAIT = 10
"""Seconds for a table that somebody else uses: whoever asks for it after us waits as long."""


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
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}s'"))
        context.run_migrations()
        if server := current_settings().server_database_url:
            server_role.grant(connection, make_url(server))


if context.is_offline_mode():
    raise SystemExit("Catapult's migrations run on a database: leave out --sql.")

with database_running(current_settings()):
    if why := registry.unreachable_reason():
        raise CommandError(f"The database does not answer: {why} Check DATABASE_URL and the server.")
    with db.engine.connect() as connection:
        if problem := registry.why_unsuitable(connection):
            raise CommandError(problem)
        connection.rollback()
        try:
            run(connection)
        except Refusal as refusal:
            raise CommandError(refusal.detail) from None
        except DBAPIError as error:
            if error_handlers.sqlstate(error) != error_handlers.LOCK_TIMEOUT:
                fail(refused_by_database(error))
            raise CommandError(
                f"Somebody else has used a table for {LOCK_WAIT} seconds, a backup perhaps. "
                "Nothing was changed: try again once it is over."
            ) from None
