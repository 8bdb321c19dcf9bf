"""`flask people …`."""

from uuid import UUID

import click
from flask.cli import AppGroup

from catapult.actions import people as people_actions
from catapult.audit import CLI
from catapult.commands.options import accepted_by
from catapult.commands.running import on_database
from catapult.contract.service import PersonIn, PersonOut
from catapult.queries import people as stored_people
from catapult.queries.lists.paging import Page
from catapult.tables import Role

people = AppGroup("people", help="Add, list and deactivate people.")


@people.command("add")
@click.argument("name")
@click.option("--email", callback=accepted_by(PersonIn, "email"), help="Unique; shown to admins and to the person.")
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
