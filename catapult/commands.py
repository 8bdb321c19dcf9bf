"""Door 3: the `flask` commands."""

import codecs
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import UUID

import click
import flask_migrate
import structlog
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext
from marshmallow import ValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from catapult.actions import api_keys, audit_archive, audit_seal, audit_stream, history_import
from catapult.actions import people as people_actions
from catapult.audit import CLI
from catapult.config import ConfigError, Settings
from catapult.contract import strict
from catapult.contract.fields import In
from catapult.contract.schemas import HistoryIn
from catapult.contract.service import ExportedOut, KeyIn, KeyOut, PersonIn, PersonOut
from catapult.demo import fill
from catapult.embedded import AlreadyServing, Embedded, EmbeddedError, attached, serving
from catapult.errors import Invalid, NotFound, Refusal
from catapult.extensions import current_settings, db
from catapult.jobs.kinds import KINDS
from catapult.jobs.worker import Worker
from catapult.queries import api_keys as stored_keys
from catapult.queries import audit_export, registry
from catapult.queries import people as stored_people
from catapult.queries.lists.paging import Page
from catapult.rules import key_format
from catapult.rules.json_text import rfc3339
from catapult.tables import Role
from catapult.web import error_handlers, request_log

DURATION = re.compile(r"(\d{1,5})([mhdw])")
_attached: ContextVar[bool] = ContextVar("attached", default=False)
log = structlog.get_logger("catapult")
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

keys = AppGroup("keys", help="Create, list, revoke and rotate API keys.")
people = AppGroup("people", help="Add, list and deactivate people.")
audit = AppGroup("audit", help="Export, seal and archive the audit log.")
imports = AppGroup("import", help="Take over what another tool recorded.")


def init_app(app: Flask) -> None:
    """Add `flask up`, `flask worker`, `flask demo`, `flask keys …`, `flask people …`, `flask audit …` and `flask import …`."""
    for command in (up, worker, demo, keys, people, audit, imports):
        app.cli.add_command(command)


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


def _warn_of_other_salt(salt: str) -> None:
    """Log a warning if keys are stored and none was created with this salt: their server will refuse the new key."""
    marks = stored_keys.salt_marks()
    if marks and key_format.salt_mark(salt) not in marks:
        log.warning(
            "no stored key was created with this API_KEY_SALT; a server with another salt will refuse the new key"
        )


@contextmanager
def closed_session() -> Iterator[None]:
    """Close the session at the end, while the database still runs."""
    try:
        yield
    finally:
        db.session.remove()


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


def parse_end(_: Any, __: Any, value: str | None) -> datetime | None:
    """Return the time that is `90d`, `12h` or `2w` from now, or that RFC 3339 time."""
    if value is None:
        return None
    length = _duration(value)
    if length:
        return datetime.now(UTC) + length
    try:
        end = datetime.fromisoformat(value)
    except ValueError:
        end = None
    if end is None or end.tzinfo is None:
        raise click.BadParameter("takes a length as 90d, 12h or 2w, or a time as 2027-01-31T00:00:00Z")
    return end


def parse_moment(context: Any, option: Any, value: str | None) -> datetime | None:
    """Return the time that was `90d`, `12h` or `2w` ago, or that RFC 3339 time."""
    length = _duration(value) if value else None
    return datetime.now(UTC) - length if length else parse_end(context, option, value)


def parse_length(_: Any, __: Any, value: str) -> timedelta:
    """Return the length of time `24h`, `7d` or `30m`; `0m` is none."""
    length = _duration(value)
    if length is None:
        raise click.BadParameter("takes a length as 24h, 7d or 30m")
    return length


def as_in(schema: type[In], name: str) -> Callable[..., Any]:
    """Return a callback that refuses what this field of the API refuses. An option that was left out is None."""

    def parse(_: Any, __: Any, value: str | tuple[str, ...] | None) -> Any:
        if value is None or value == ():
            return None
        try:
            return schema().fields[name].deserialize(value)
        except ValidationError as error:
            listed = error.messages.values() if isinstance(error.messages, dict) else [error.messages]
            raise click.BadParameter(" ".join(text for texts in listed for text in texts)) from error

    return parse


def _duration(value: str) -> timedelta | None:
    match = DURATION.fullmatch(value)
    return timedelta(**{UNITS[match[2]]: int(match[1])}) if match else None


@keys.command("create")
@click.option("--name", required=True, help="For people; need not be unique.")
@click.option("--role", type=click.Choice([str(role) for role in Role]), default=str(Role.PUBLISHER), show_default=True)
@click.option("--expires", callback=parse_end, help="90d, 12h, 2w, or a time as 2027-01-31T00:00:00Z.")
@click.option("--person", help="Who holds it: an id, email address or name. Default: nobody, a service's key.")
@click.option(
    "--models", multiple=True, callback=as_in(KeyIn, "models"), help="A model it may change, or a pattern; repeatable."
)
@click.option(
    "--environments",
    multiple=True,
    callback=as_in(KeyIn, "environments"),
    help="An environment it may change; repeatable.",
)
@on_database
def create_key(name: str, role: str, expires: datetime | None, person: str | None, **bounds: Any) -> None:
    """Create a key and print it. It is never shown again."""
    person_id = UUID(str(stored_people.named(person).id)) if person is not None else None
    make_key(name, role, expires, person_id=person_id, **bounds)


def make_key(name: str, role: str, expires: datetime | None = None, **fields: Any) -> None:
    """Create a key and print it on a line `Key: <key>`, the only line with `Key:`."""
    salt = current_settings().api_key_salt
    _warn_of_other_salt(salt)
    key = api_keys.create(actor=CLI, salt=salt, name=name, role=role, expires_at=expires, **fields)
    click.echo(f"Key: {key.key}")


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@on_database
def list_keys(as_json: bool) -> None:
    """List every key, newest first."""
    for row in stored_keys.listing().page(Page(limit=100_000)):
        if as_json:
            click.echo(KeyOut.encode(row))
        else:
            state = "active" if row.is_active else "revoked" if row.revoked_at else "expired"
            used = rfc3339(row.last_used_at) if row.last_used_at else "never used"
            end = f"until {row.expires_at.astimezone(UTC):%Y-%m-%d %H:%M}" if row.expires_at else "no end"
            holder = row.person_name or "service"
            about = f"{row.role:<9}  {state:<7}  {end:<22}  {used:<27}  {holder:<16}"
            click.echo(f"{row.id}  {row.prefix}  {about}  {row.name}")


@keys.command("revoke")
@click.argument("key")
@on_database
def revoke_key(key: str) -> None:
    """Revoke the key with that id or prefix."""
    api_keys.revoke(_key_id(key), actor=CLI)
    click.echo(f"{key} is revoked.")


@keys.command("rotate")
@click.argument("key")
@click.option(
    "--overlap", default="24h", show_default=True, callback=parse_length, help="How long the old key still works."
)
@on_database
def rotate_key(key: str, overlap: timedelta) -> None:
    """Replace the key with that id or prefix by a new one of the same name, person, role and bounds, and print it."""
    _warn_of_other_salt(current_settings().api_key_salt)
    new = api_keys.rotate(_key_id(key), actor=CLI, salt=current_settings().api_key_salt, overlap=overlap)
    click.echo(f"Key: {new.key}")
    click.echo(f"The old key works until {rfc3339(new.old_expires_at)}.")


def _key_id(key: str) -> UUID:
    """Return the id of the key with that id or prefix. Raises NotFound."""
    if key.startswith("cat_"):
        row = stored_keys.find(key[:12])
        if row is None:
            raise NotFound("There is no key with this prefix. `flask keys list` lists all keys.")
        return UUID(str(row.id))
    try:
        return UUID(key)
    except ValueError as error:
        raise NotFound("This is neither an id nor a prefix (cat_…). `flask keys list` shows both.") from error


@people.command("add")
@click.argument("name")
@click.option("--email", callback=as_in(PersonIn, "email"), help="Unique; shown to admins and to the person.")
@click.option(
    "--role",
    type=click.Choice([str(role) for role in Role]),
    default=str(Role.VIEWER),
    show_default=True,
    help="The highest role of their keys.",
)
@on_database
def add_person(name: str, email: str | None, role: str) -> None:
    """Add a person and print their id. `flask keys create --person` makes them a key."""
    click.echo(people_actions.create(actor=CLI, name=name, email=email, role=role).id)


@people.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@on_database
def list_people(as_json: bool) -> None:
    """List everybody, newest first."""
    for row in stored_people.listing(CLI).page(Page(limit=100_000)):
        if as_json:
            click.echo(PersonOut.encode(row))
        else:
            state = "active" if row.active else "inactive"
            click.echo(f"{row.id}  {row.role:<9}  {state:<8}  {row.name}" + (f" <{row.email}>" if row.email else ""))


@people.command("deactivate")
@click.argument("person")
@on_database
def deactivate_person(person: str) -> None:
    """Revoke all keys and end all sessions of the person with that id, email address or name."""
    row = stored_people.named(person)
    people_actions.edit(UUID(str(row.id)), {"active": False}, actor=CLI)
    click.echo(f"{row.name} is deactivated: their keys are revoked, and their sessions have ended.")


@audit.command("export")
@click.option("--since", callback=parse_moment, help="From this moment on: 7d (ago), or a time.")
@click.option("--until", callback=parse_moment, help="Before this moment: 7d (ago), or a time.")
@on_database
def export(since: datetime | None, until: datetime | None) -> None:
    """Write the audit log as JSON lines, oldest first. All of it can be verified: `catapult audit verify`."""
    for row in audit_export.rows(since=since, until=until):
        click.echo(ExportedOut.encode(row))


@audit.command("seal")
@on_database
def seal() -> None:
    """Seal the entries that are not sealed yet, and sign a checkpoint."""
    click.echo(f"Sealed {audit_seal.seal(audit_seal.signer(current_settings()))} entries.")


@audit.command("archive")
@click.option("--before", required=True, callback=parse_moment, help="Before this moment: 365d (ago), or a time.")
@click.option(
    "--to", "folder", default=".", type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path)
)
@on_database
def archive(before: datetime, folder: Path) -> None:
    """Move the oldest sealed entries to a file, JSON lines with gzip. Needs the role that owns the tables."""
    file, count = audit_archive.archive(before, folder, ExportedOut.encode)
    click.echo(f"Moved {count} entries to {file}. The database has only their seals now: keep the file.")


@audit.command("stream-from")
@click.argument("number", type=click.IntRange(min=0))
@on_database
def stream_from(number: int) -> None:
    """Send the sealed entries from NUMBER on to SYSLOG_URL next, again or for the first time, and none before it."""
    audit_stream.begin_at(number)
    click.echo(f"The worker sends entry {number} to SYSLOG_URL next.")


@imports.command("history")
@click.argument("file", type=click.File("rb"))
@on_database
def import_history(file: BinaryIO) -> None:
    """Record the deployments of FILE, one JSON object a line, where the registry has none; - is standard input."""
    lines, problems = [], []
    for number, raw in enumerate(file, 1):
        text = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        if text.strip():
            try:
                lines.append((number, _loaded(text)))
            except Refusal as refusal:
                named = [
                    f"{name}: {' '.join(messages)}" for name, messages in refusal.errors.items() if name != "_schema"
                ]
                problems.append(f"Line {number}: {'; '.join(named) or refusal.detail}")
    history_import.refuse(problems)
    history_import.run(lines, actor=CLI)
    click.echo(f"Imported {len(lines)} deployments.")


def _loaded(text: bytes) -> dict[str, Any]:
    fields = strict.parse(text)
    if not isinstance(fields, dict):
        raise Invalid("is no JSON object.")
    return strict.load(
        HistoryIn(), fields, {name: [why] for name, value in fields.items() if (why := strict.fault(value))}
    )
