"""`flask keys …`."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import click
import structlog
from flask.cli import AppGroup

from catapult.actions import api_keys
from catapult.audit import CLI
from catapult.commands.options import accepted_by, parse_end, parse_length
from catapult.commands.running import on_database
from catapult.contract.service import KeyIn, KeyOut
from catapult.errors import NotFound
from catapult.extensions import current_settings
from catapult.queries import api_keys as stored_keys
from catapult.queries import people as stored_people
from catapult.queries.lists.paging import Page
from catapult.rules import key_format
from catapult.rules.json_text import rfc3339
from catapult.tables import Role

log = structlog.get_logger("catapult")

keys = AppGroup("keys", help="Create, list, revoke and rotate API keys.")


@keys.command("create")
@click.option("--name", required=True, help="For people; need not be unique.")
@click.option("--role", type=click.Choice([str(role) for role in Role]), default=str(Role.PUBLISHER), show_default=True)
@click.option("--expires", callback=parse_end, help="90d, 12h, 2w, or a time as 2027-01-31T00:00:00Z.")
@click.option("--person", help="Who holds it: an id, email address or name. Default: nobody, a service's key.")
@click.option(
    "--models",
    multiple=True,
    callback=accepted_by(KeyIn, "models"),
    help="A model it may change, or a pattern; repeatable.",
)
@click.option(
    "--environments",
    multiple=True,
    callback=accepted_by(KeyIn, "environments"),
    help="An environment it may change; repeatable.",
)
@on_database
def create_key(name: str, role: str, expires: datetime | None, person: str | None, **bounds: Any) -> None:
    """Create a key and print it. It is never shown again."""
    person_id = UUID(str(stored_people.named(person).id)) if person is not None else None
    create_and_print_key(name, role, expires, person_id=person_id, **bounds)


def create_and_print_key(name: str, role: str, expires: datetime | None = None, **fields: Any) -> None:
    """Create a key and print it on a line `Key: <key>`, the only line with `Key:`."""
    salt = current_settings().api_key_salt
    _warn_of_other_salt(salt)
    key = api_keys.create(actor=CLI, salt=salt, name=name, role=role, expires_at=expires, **fields)
    click.echo(f"Key: {key.key}")


def _warn_of_other_salt(salt: str) -> None:
    """Log a warning if keys are stored and none was created with this salt: their server will refuse the new key."""
    marks = stored_keys.salt_marks()
    if marks and key_format.salt_mark(salt) not in marks:
        log.warning(
            "no stored key was created with this API_KEY_SALT; a server with another salt will refuse the new key"
        )


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
