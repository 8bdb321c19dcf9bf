"""`flask import …`."""

import codecs
from typing import Any, BinaryIO

import click
from flask.cli import AppGroup

from catapult.actions import history_import
from catapult.audit import CLI
from catapult.commands.running import on_database
from catapult.contract import strict
from catapult.contract.schemas import HistoryIn
from catapult.errors import Invalid, Refusal

imports = AppGroup("import", help="Import the records of another tool.")


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
    history_import.raise_problems(problems)
    history_import.run(lines, actor=CLI)
    click.echo(f"Imported {len(lines)} deployments.")


def _loaded(text: bytes) -> dict[str, Any]:
    fields = strict.parse(text)
    if not isinstance(fields, dict):
        raise Invalid("is not a JSON object.")
    return strict.load(
        HistoryIn(), fields, {name: [why] for name, value in fields.items() if (why := strict.fault(value))}
    )
