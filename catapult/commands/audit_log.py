"""`flask audit …`."""

from datetime import datetime
from pathlib import Path

import click
from flask.cli import AppGroup

from catapult.actions import audit_archive, audit_seal, audit_stream
from catapult.commands.options import parse_moment
from catapult.commands.running import on_database
from catapult.contract.service import ExportedOut
from catapult.extensions import current_settings
from catapult.queries import audit_export

audit = AppGroup("audit", help="Export, seal, stream and archive the audit log.")


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
    """Continue sending sealed entries to SYSLOG_URL at entry NUMBER, even if some were sent before; none before it are sent."""
    audit_stream.begin_at(number)
    click.echo(f"The worker sends entry {number} to SYSLOG_URL next.")
