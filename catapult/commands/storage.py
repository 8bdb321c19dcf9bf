"""`flask storage …`."""

import click
from flask.cli import AppGroup

from catapult.actions import storage_gc
from catapult.commands.running import on_database
from catapult.extensions import current_settings, open_storage

storage = AppGroup("storage", help="Look after the bytes of files.")


@storage.command("gc")
@click.option("--delete", is_flag=True, help="Remove them; without it they are only listed.")
@on_database
def gc(delete: bool) -> None:
    """List the blobs that no file has named for a day, with their sizes, or remove them."""
    place = open_storage(current_settings())
    count = size = 0
    for sha256 in storage_gc.unused(place):
        bytes_ = place.size(sha256)
        if not delete or storage_gc.remove(place, sha256):
            click.echo(f"{sha256}  {bytes_}")
            count, size = count + 1, size + bytes_
    click.echo(
        f"{'Removed' if delete else 'Unused:'} {count} blobs, {size} bytes."
        + ("" if delete else " --delete removes them.")
    )
