"""`flask storage …`."""

import sys
from collections import Counter
from datetime import timedelta
from typing import Any, TextIO

import click
from flask.cli import AppGroup

from catapult.actions import locks, storage_gc, storage_scrub
from catapult.audit import CLI
from catapult.commands.running import fail, on_database
from catapult.config import ConfigError
from catapult.config.forms import SIZE, bytes_of
from catapult.extensions import current_settings, db, open_mount, open_storage
from catapult.queries import stored_files
from catapult.queries.stored_files import Stored
from catapult.storage import BlobMissing, Storage, StorageError
from catapult.storage import manifest as manifests
from catapult.storage.file_client import Refused
from catapult.storage.hashing import sha256_of
from catapult.storage.mount import Changed, Mount
from catapult.tables import ArtifactState

storage = AppGroup("storage", help="Look after the bytes of files.")


@storage.command("gc")
@click.option("--delete", is_flag=True, help="Remove them; without it they are only listed.")
@on_database
def gc(delete: bool) -> None:
    """List the blobs that no file has named for a day, with their sizes, and abandoned uploads, or remove them."""
    blobs = open_storage(current_settings())
    count = total = 0
    for sha256 in storage_gc.unused(blobs):
        size = blobs.size(sha256)
        if not delete or storage_gc.remove(blobs, sha256):
            click.echo(f"{sha256}  {size}")
            count, total = count + 1, total + size
    abandoned = set(storage_gc.abandoned(blobs))
    for upload in abandoned if delete else ():
        blobs.discard(upload)
    click.echo(
        f"{'Removed' if delete else 'Unused:'} {count} blobs, {total} bytes; {len(abandoned)} abandoned uploads."
        + ("" if delete else " --delete removes them.")
    )


class Rate(click.ParamType[int]):
    """Bytes a second, as 50MiB/s."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        size = str(value).removesuffix("/s")
        if not SIZE.fullmatch(size):
            self.fail(f"{value!r} is not a rate. Use one such as 50MiB/s.", param, ctx)
        return bytes_of(size)


@storage.command("scrub")
@click.option("--rate", type=Rate(), help="The most bytes to read in a second, such as 50MiB/s.")
@click.option("--hours", default=24, show_default=True, help="Skip files that were read in the last so many hours.")
@on_database
def scrub(rate: int | None, hours: int) -> None:
    """Read every file again, and mark those that are missing or changed.

    Exits with 1 if there are any. After an interruption, run it again: it continues with the files not read yet.
    """
    settings, before = current_settings(), locks.now() - timedelta(hours=hours)
    blobs, mount = open_storage(settings), open_mount(settings)
    count = faults = 0
    while stored := stored_files.oldest(before):
        db.session.remove()
        state = _state(blobs, mount, stored, rate)
        wrong = storage_scrub.record(stored, state, actor=CLI)
        count, faults = count + 1, faults + (state != ArtifactState.READY)
        if state != ArtifactState.READY:
            click.echo(f"{stored.path or stored.sha256}  {state}, in {wrong} files of versions")
    click.echo(f"Read {count}, of which {faults} are missing or changed.")
    if faults:
        sys.exit(1)


@storage.command("verify")
@click.argument("manifest", type=click.File(encoding="utf-8"))
@click.option("--quick", is_flag=True, help="Compare sizes alone, and read nothing.")
def verify(manifest: TextIO, quick: bool) -> None:
    """Compare the stored files with a MANIFEST of scripts/backup.sh; -: standard input.

    The database is not read. Exits with 1 if any is missing or changed, with 2 if it is not a manifest.
    """
    settings, counts = current_settings(), Counter[str | None]()
    blobs, mount = open_storage(settings), open_mount(settings)
    try:
        for each in list(manifests.read(manifest)):
            if each.path and mount is None:
                counts["unseen"] += 1
                continue
            wrong = manifests.fault(each, blobs, mount, quick)
            counts[wrong] += 1
            if wrong:
                click.echo(f"{each.path or each.sha256}  {wrong}")
    except (manifests.Malformed, UnicodeDecodeError) as error:
        reason = error if isinstance(error, manifests.Malformed) else "It is not text in UTF-8."
        fail(f"{manifest.name} is not a manifest of scripts/backup.sh. {reason}", 2)
    except StorageError as error:
        fail(f"The storage cannot be read: {error}.")
    faults = counts["missing"] + counts["changed"]
    click.echo(f"Compared {faults + counts[None]}, of which {faults} are missing or changed.")
    if counts["unseen"]:
        click.echo(f"Not looked at: {counts['unseen']} files on the mount, as CEPH_MOUNT_PATH is not set.")
    if faults:
        sys.exit(1)


def _state(blobs: Storage, mount: Mount | None, stored: Stored, rate: int | None) -> ArtifactState:
    """Read the file again, and return its state."""
    try:
        if not stored.artifact_id:
            pieces = blobs.read(str(stored.sha256))
        elif mount is None:
            raise ConfigError(["CEPH_MOUNT_PATH is not set, and files on the mount were registered."])
        else:
            pieces = mount.read(stored.path, stored.size, stored.changed)
        same = sha256_of(pieces, rate) == stored.sha256
    except (BlobMissing, Refused):
        return ArtifactState.MISSING
    except Changed:
        return ArtifactState.CHANGED
    return ArtifactState.READY if same else ArtifactState.CHANGED
