"""Receive the bytes of files at any door. They flow into the storage in pieces, without an open transaction."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import uuid4

from flask import request

from catapult.errors import Refusal
from catapult.extensions import current_storage, db, is_autocommit
from catapult.rules.file_head import FIRST_PIECE
from catapult.storage import PIECE, BlobMissing, Storage

ANY_SIZE = 2**63


class Received(NamedTuple):
    """A received upload in the storage, and its first bytes. `store` makes it a blob, `drop` removes it."""

    storage: Storage
    upload: str
    sha256: str
    size: int
    head: bytes = b""

    def store(self) -> bool:
        """Make it a blob, and return what `Storage.finish` does."""
        return self.storage.finish(self.upload, self.sha256)

    def replace(self) -> None:
        """Store it in place of a lost or damaged blob with that name."""
        self.storage.finish(self.upload, self.sha256, over=True)

    def drop(self) -> None:
        self.storage.discard(self.upload)

    def is_stored(self) -> bool:
        """Return whether the storage has it."""
        try:
            return self.storage.size(self.sha256) == self.size
        except BlobMissing:
            return False

    def read(self, start: int, stop: int) -> bytes:
        """Return a part of the stored blob."""
        if stop <= len(self.head):
            return self.head[start:stop]
        return b"".join(self.storage.read(self.sha256, start, stop))


class Incoming:
    """A file's pieces, which are hashed as they flow. Raises `refusal` once they have more bytes than `most`."""

    def __init__(self, pieces: Iterable[bytes], most: int, refusal: Refusal, *digests: Any) -> None:
        self.pieces, self.most, self.refusal, self.digests = pieces, most, refusal, digests
        self.size, self.head = 0, b""

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.size += len(piece)
            if self.size > self.most:
                raise self.refusal
            for digest in self.digests:
                digest.update(piece)
            self.head = self.head or piece[:FIRST_PIECE]
            yield piece


def body(most: int, refusal: Refusal, beside: int = 0) -> Iterator[bytes]:
    """Return the request's body, in pieces.

    Raises `refusal` if its length says that it has more bytes than `most`, and than what may come `beside` a file.
    """
    request.max_content_length = ANY_SIZE
    if (request.content_length or 0) - beside > most:
        raise refusal
    return iter(lambda: request.stream.read(PIECE), b"")


def _has_arrived() -> bool:
    """Return whether the rest of the body is here. The database's connection is kept then: a new session costs more."""
    has_arrived = getattr(request.environ["wsgi.input"], "has_arrived", None)
    return has_arrived is not None and bool(has_arrived())


def store(pieces: Iterable[bytes], most: int, refusal: Refusal) -> Received:
    """Store the pieces as an upload. If they have more bytes than `most`, or raise, nothing is stored."""
    storage = current_storage()
    if not (_has_arrived() and is_autocommit()):
        db.session.remove()
    upload, digest = uuid4().hex, sha256()
    incoming = Incoming(pieces, most, refusal, digest)
    try:
        storage.write(upload, 0, incoming)
    except BaseException:
        storage.discard(upload)
        raise
    return Received(storage, upload, digest.hexdigest(), incoming.size, incoming.head)
