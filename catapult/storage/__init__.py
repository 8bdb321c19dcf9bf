"""The bytes of files: in a folder, which may be a mounted CephFS, or S3. Nothing here knows the database.

Bytes arrive as an upload, in one piece or many, and become a blob, which is named by the SHA-256 of its content and never changes.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

PIECE = 1024 * 1024
"""Bytes of a piece that is read or written at once."""


class StorageError(Exception):
    """The storage failed. `place` is its location, `reason` says why; neither has a secret."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place, self.reason = place, reason


class StorageDown(StorageError):
    """The storage does not answer, or refuses reading or writing."""


class StorageFull(StorageError):
    """The storage is full."""


class BlobMissing(StorageError):
    """The storage has no blob or upload of that name."""


class Storage(Protocol):
    """The one way to reach the bytes. Every method may raise StorageDown; those that write, StorageFull.

    `upload` is a UUID in hex, `sha256` 64 hex digits in lower case. Two callers must not use the same upload at once.
    """

    def write(self, upload: str, offset: int, pieces: Iterable[bytes]) -> int:
        """Add the pieces to the upload from `offset` on, and return its new length. It begins at offset 0.

        If `pieces` raises, the error is passed on and the pieces before stay written. Raises BlobMissing if the upload is not
        `offset` bytes long.
        """

    def length(self, upload: str) -> int:
        """Return how many bytes of the upload are stored durably. Raises BlobMissing."""

    def written(self, upload: str) -> Iterator[bytes]:
        """Yield the bytes of the upload, in pieces. Raises BlobMissing."""

    def cut(self, upload: str, length: int) -> None:
        """Drop the bytes of the upload after `length`, or all bytes. Call `length` to learn which."""

    def finish(self, upload: str, sha256: str, over: bool = False) -> bool:
        """Make the upload the blob of that name; the caller knows that its content has that hash. Raises BlobMissing.

        The blob is on the disk when this returns. An existing blob of that name stays and counts as new; with `over` it is
        replaced, and not missing meanwhile. Calling it again after a success changes nothing. Return whether there surely was
        none, so that nobody is about to remove an old one.
        """

    def discard(self, upload: str) -> None:
        """Remove the upload, if it exists."""

    def size(self, sha256: str) -> int:
        """Return the size of the blob. Raises BlobMissing."""

    def stored_at(self, sha256: str) -> float:
        """Return when the blob was written last or counted as new, in seconds since 1970. Raises BlobMissing."""

    def read(self, sha256: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of the blob from `start` on and before `stop`, in pieces. Raises BlobMissing before the first one."""

    def address(self, sha256: str, seconds: int, filename: str, media_type: str) -> str | None:
        """Return a URL that anybody may GET for so long and that saves a file of that name; None if the storage has no URLs."""

    def remove(self, sha256: str) -> None:
        """Remove the blob, if it exists."""

    def blobs(self) -> Iterator[tuple[str, float]]:
        """Yield the name of every blob and when it was written last or counted as new, in seconds since 1970."""

    def uploads(self) -> Iterator[tuple[str, float]]:
        """Yield the name of every upload and when it was last written to, in seconds since 1970. A name may come twice."""

    def probe(self) -> None:
        """Write something small to the storage itself, and remove it. Raises StorageDown or StorageFull."""
