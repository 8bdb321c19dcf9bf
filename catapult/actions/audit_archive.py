"""Archive the audit log: move its first sealed entries to a file. Their seals stay in the database.

The file has the lines of an export. Later exports verify alone; together with the file they verify from entry 0 on.
"""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import file_digest
from itertools import takewhile
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from catapult import audit
from catapult.errors import Conflict
from catapult.extensions import db, limit_time
from catapult.queries import audit_export, audit_seals
from catapult.rules.merkle import Growing, leaf_hash
from catapult.tables import Action, AuditCheckpoint, Kind


def archive(before: datetime, folder: Path, encode: Callable[[Any], str]) -> tuple[Path, int]:
    """Move the entries from before that time, up to the first later one, to a file in the folder.

    `encode` writes an entry as a line. Return the file and its number of entries. Raises Conflict if there are none, or if one
    differs from what was sealed; OSError if the file cannot be written.
    """
    first, unsent = audit_export.archived(), audit_export.unstreamed()
    part = folder / f".audit-{first}.part"
    size = first + _write(part, first, before, encode)
    if size == first:
        part.unlink()
        raise Conflict("There are no sealed entries to archive from before that time.")
    if unsent is not None and size > unsent:
        part.unlink()
        raise Conflict(
            f"Entries from {unsent} on have not been sent to SYSLOG_URL. Wait for the worker, archive what is older, or give them "
            f"up: flask audit stream-from {size}."
        )
    _check(part, first, size)
    file = folder / f"audit-{first:012}-{size - 1:012}.jsonl.gz"
    part.rename(file)
    _sync(folder)
    _drop(file, first, size)
    return file, size - first


def _write(file: Path, first: int, before: datetime, encode: Callable[[Any], str]) -> int:
    """Write the entries to the file, flush it to the disk, and return their number."""
    count = 0
    with file.open("wb") as raw:
        with gzip.open(raw, "wt", encoding="utf-8") as lines:
            for row in takewhile(lambda row: row.created_at and row.created_at < before, audit_export.sealed(first)):
                lines.write(f"{encode(row)}\n")
                count += 1
        raw.flush()
        os.fsync(raw.fileno())
    return count


def _check(file: Path, first: int, size: int) -> None:
    """Read the file back. Raises Conflict if its entries differ from what was sealed."""
    tree = Growing(first, audit_seals.tree(first).peaks())
    for line in _read(file):
        leaf = leaf_hash(line["text"].encode())
        if (line["seq"], line["leaf"]) != (tree.size, leaf.hex()):
            raise Conflict(f"Entry {tree.size} is not what was sealed. Nothing was archived: verify an export.")
        tree.append(leaf)
    if (tree.size, tree.root()) != (size, audit_seals.tree(size).root()):
        raise Conflict("The file is not what was sealed. Nothing was archived: verify an export.")


def _read(file: Path) -> Iterator[Any]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _sync(folder: Path) -> None:
    """Flush the folder to the disk, and with it the file's name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _drop(file: Path, first: int, size: int) -> None:
    """Remove the entries from the database, and record that in an entry. Only the owner of the tables may."""
    db.session.rollback()
    limit_time(0)
    gone = db.session.scalar(select(func.catapult_archive_audit_logs(first, size)))
    if gone != size - first:
        db.session.rollback()
        raise Conflict("Somebody has changed the log meanwhile. Nothing was removed: verify an export.")
    newest: Any = db.session.scalar(select(AuditCheckpoint).order_by(AuditCheckpoint.size.desc()).limit(1))
    with file.open("rb") as content:
        digest = file_digest(content, "sha256").hexdigest()
    details = {"first": first, "size": size, "file": file.name, "sha256": digest}
    audit.commit(audit.CLI, newest, audit.Entry(Action.AUDIT_LOG_ARCHIVE, Kind.AUDIT_LOG, None, details))
