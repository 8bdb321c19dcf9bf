#!/usr/bin/env python3
"""Make an API key and print it on a line `Key: <key>`; an admin's unless `--role` says otherwise.

For scripts: `KEY=$(python scripts/create_api_key.py --name ci | awk '/^Key:/ {print $2}')`. Run it with the server's settings.
"""

import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from catapult.app import create_app
from catapult.commands.keys import create_and_print_key
from catapult.commands.running import on_database
from catapult.config import ConfigError
from catapult.tables import Role


@click.command()
@click.option("--name", required=True, help="For people; need not be unique.")
@click.option("--role", type=click.Choice([str(role) for role in Role]), default=str(Role.ADMIN), show_default=True)
def main(name: str, role: str) -> None:
    """Create an API key and print it."""
    try:
        app = create_app()
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"catapult: {problem}", err=True)
        sys.exit(2)
    with app.app_context():
        on_database(create_and_print_key)(name, role)


if __name__ == "__main__":
    main()
