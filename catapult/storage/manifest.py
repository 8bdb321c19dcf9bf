"""The manifest beside a backup's dump: the files that the dump refers to, and a check whether they exist."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from catapult.storage import BlobMissing, Storage
from catapult.storage.file_client import Refused
from catapult.storage.hashing import sha256_of
from catapult.storage.mount import Changed, Mount

LINE = re.compile(r"([0-9a-f]{64})  ([0-9]{1,18})(?:  (.+))?")


class Malformed(Exception):
    """The text is not a manifest. The message names the line."""


class Listed(NamedTuple):
    """A blob, or a file on the mount, which has a `path` there."""

    sha256: str
    size: int
    path: str | None


def read(lines: Iterable[str]) -> Iterator[Listed]:
    """Yield the entries of the lines. Raises Malformed."""
    for number, line in enumerate(lines, 1):
        match = LINE.fullmatch(line.rstrip("\n"))
        if match is None:
            raise Malformed(f"Line {number} is not a SHA-256, two blanks and a size.")
        yield Listed(match[1], int(match[2]), match[3])


def fault(listed: Listed, storage: Storage, mount: Mount | None, quick: bool) -> str | None:
    """Return `missing` or `changed`, or None if it is there as listed; `quick` compares its size alone.

    A file on the mount needs the `mount`. Raises StorageDown.
    """
    try:
        size, pieces = _on_mount(mount, listed.path) if mount and listed.path else _blob(storage, listed.sha256)
        same = size == listed.size and (quick or sha256_of(pieces, None) == listed.sha256)
    except (BlobMissing, Refused):
        return "missing"
    except Changed:
        return "changed"
    return None if same else "changed"


def _blob(storage: Storage, sha256: str) -> tuple[int, Iterator[bytes]]:
    return storage.size(sha256), storage.read(sha256)


def _on_mount(mount: Mount, path: str) -> tuple[int, Iterator[bytes]]:
    entry = {each.path: each for each in mount.files(path)}.get(path)
    if entry is None:
        raise Refused(f"{path} is a folder now.")
    return entry.size, mount.read(path, entry.size, entry.changed)
