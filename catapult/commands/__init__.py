"""Door 3: the `flask` commands."""

from flask import Flask

from catapult.commands.audit_log import audit
from catapult.commands.imports import imports
from catapult.commands.keys import keys
from catapult.commands.people import people
from catapult.commands.serving import demo, files, up, worker
from catapult.commands.storage import storage


def init_app(app: Flask) -> None:
    """Add `flask up`, `files`, `worker` and `demo`, and the groups `keys`, `people`, `audit`, `storage` and `import`."""
    for command in (up, files, worker, demo, keys, people, audit, storage, imports):
        app.cli.add_command(command)
