"""What commands share: they run with the database running, and print a refusal as one line."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, cast

import click
import flask_migrate
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from catapult.config import ConfigError, Settings
from catapult.embedded import EmbeddedError, attached
from catapult.errors import Invalid, Refusal
from catapult.extensions import current_settings, db
from catapult.queries import registry
from catapult.web import error_handlers

_attached: ContextVar[bool] = ContextVar("attached", default=False)


def fail(message: str, status: int = 1) -> None:
    """End the command with this message and exit status."""
    click.echo(f"catapult: {message}", err=True)
    sys.exit(status)


def refused_by_database(error: DBAPIError) -> str:
    """Return the database's reason in one line, and what to do."""
    reason = getattr(getattr(error.orig, "diag", None), "message_primary", None) or str(error.orig)
    advice = "Check DATABASE_URL and the server."
    if error_handlers.sqlstate(error) == error_handlers.INSUFFICIENT_PRIVILEGE:
        advice = "Check DATABASE_URL: its user needs permission to create tables in the schema public, or to own those there."
    return f"The database refused: {' '.join(reason.split()).rstrip('.')}. {advice}"


def on_database(command: Callable[..., Any]) -> Callable[..., Any]:
    """Run the command with the database running, and print a refusal as one line."""

    @wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            with database_running(current_settings()), closed_session():
                _create_schema_if_empty()
                return command(*args, **kwargs)
        except Refusal as refusal:
            fields = [f"{name}: {message}" for name, messages in refusal.errors.items() for message in messages]
            fail(" ".join([refusal.detail, *fields]), 2 if isinstance(refusal, Invalid) else 1)
        except (EmbeddedError, ConfigError) as error:
            fail(str(error), 2)
        except SQLAlchemyError as error:
            if error_handlers.sqlstate(error) == error_handlers.INSUFFICIENT_PRIVILEGE:
                fail(refused_by_database(cast(DBAPIError, error)))
            fail(
                f"The database refused or did not answer ({type(error).__name__}). Is it up, and at head (`flask db upgrade`)?"
            )

    return wrapper


@contextmanager
def database_running(settings: Settings) -> Iterator[None]:
    """Keep the database running during a command: start the embedded one unless a server has.

    When a command migrates, Alembic asks for the database a second time (`migrations/env.py`).
    """
    if not settings.embedded or _attached.get():
        yield
        return
    with attached(settings.home):
        token = _attached.set(True)
        try:
            yield
        finally:
            _attached.reset(token)


def _create_schema_if_empty() -> None:
    """Create the schema in an empty database. An older schema stays as it is, for `flask up` or `flask db upgrade`."""
    if registry.migration() is None:
        db.session.remove()
        flask_migrate.upgrade()


@contextmanager
def closed_session() -> Iterator[None]:
    """Close the session at the end, while the database still runs."""
    try:
        yield
    finally:
        db.session.remove()
