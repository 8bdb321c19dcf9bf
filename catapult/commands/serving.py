"""`flask up`, `flask files`, `flask worker` and `flask demo`."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from sqlalchemy.exc import DBAPIError

from catapult.commands.running import closed_session, database_running, fail, on_database, refused_by_database
from catapult.config import ConfigError, Settings
from catapult.demo import fill
from catapult.embedded import AlreadyServing, Embedded, EmbeddedError, serving
from catapult.extensions import current_settings, db
from catapult.jobs.kinds import KINDS
from catapult.jobs.worker import Worker
from catapult.web import only_files, request_log


@click.command("up")
@with_appcontext
def up() -> None:
    """Set everything up and serve."""
    from catapult.server.startup import Unreachable

    signal.signal(signal.SIGTERM, _stop)
    settings = current_settings()
    try:
        with _database(settings) as database:
            _serve(settings, database)
    except AlreadyServing as error:
        fail(f"Catapult runs on {settings.home} already (process {error.pid}). Stop it, or set CATAPULT_HOME and PORT.")
    except ConfigError as error:
        fail("\ncatapult: ".join(error.problems), 2)
    except (EmbeddedError, Unreachable) as error:
        fail(str(error))
    except DBAPIError as error:
        fail(refused_by_database(error))
    except KeyboardInterrupt:
        sys.exit(130)


@click.command("files")
@with_appcontext
def files() -> None:
    """Serve the files of versions, and nothing else, behind nginx."""
    from catapult.server import startup
    from catapult.server.gunicorn_server import Server, address_problem

    settings = current_settings()
    if settings.embedded:
        fail(
            "With the embedded database, `flask up` serves files. `flask files` needs the DATABASE_URL of the registry.",
            2,
        )
    if problem := address_problem(settings):
        fail(problem)
    try:
        startup.wait()
        startup.check_migrated()
    except ConfigError as error:
        fail("\ncatapult: ".join(error.problems), 2)
    except startup.Unreachable as error:
        fail(str(error))
    except DBAPIError as error:
        fail(refused_by_database(error))
    db.session.remove()
    db.engine.dispose()
    request_log.log_what_nobody_catches()
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    only_files.init_app(app)
    Server(app, settings, only_files=True).run()


@contextmanager
def _database(settings: Settings) -> Iterator[Embedded | None]:
    if not settings.embedded:
        yield None
        return
    with serving(settings.home) as database:
        click.echo(f"Single-user default: an embedded PostgreSQL in {settings.home}. For a team, set DATABASE_URL.")
        yield database


def _serve(settings: Settings, database: Embedded | None) -> None:
    from catapult.server import startup  # gunicorn is loaded by the one command that needs it
    from catapult.server.gunicorn_server import Server, address_problem

    if problem := address_problem(settings):
        fail(problem)
    key = startup.prepare()
    db.engine.dispose()
    request_log.log_what_nobody_catches()
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    Server(app, settings, database, key).run()


def _stop(*_: Any) -> None:
    """Handle SIGTERM before gunicorn does: unwind the stack, which stops what was started."""
    sys.exit(143)


@click.command("worker")
@click.option("--kinds", multiple=True, type=click.Choice(list(KINDS)), help="Run jobs of this kind alone; repeatable.")
@click.option("--once", is_flag=True, help="Run what is due, and end.")
@with_appcontext
def worker(kinds: tuple[str, ...], once: bool) -> None:
    """Run jobs: send events, end freezes, delete old rows."""
    from catapult.server import job_process, startup

    settings = current_settings()
    try:
        with database_running(settings), closed_session():
            startup.wait()
            startup.migrate()
            db.session.remove()
            app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
            request_log.log_what_nobody_catches()
            if once:
                Worker(app, kinds or tuple(KINDS)).drain()
            else:
                job_process.serve(app, kinds=kinds or None)
    except ConfigError as error:
        fail("\ncatapult: ".join(error.problems), 2)
    except (EmbeddedError, startup.Unreachable) as error:
        fail(str(error))
    except DBAPIError as error:
        fail(refused_by_database(error))


@click.command("demo")
@with_appcontext
@on_database
def demo() -> None:
    """Fill an empty registry with half a year of models, versions and deployments to look at."""
    created = fill()
    click.echo(f"Created {', '.join(f'{number} {what}' for what, number in created.items())}.")
    click.echo("Next: `flask up`. A server that already runs shows them at once.")
