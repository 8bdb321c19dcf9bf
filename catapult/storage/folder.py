"""Blobs in a folder: a local disk, a mounted CephFS or any other mount."""

import errno
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from catapult.storage import PIECE, BlobMissing, StorageDown, StorageFull

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
AHEAD = 64 * 1024 * 1024
"""Bytes after which a thread syncs them to the disk while more arrive, so that the last sync takes less time."""


class Folder:
    """A storage in that folder, which has to exist: the folder of an unmounted mount must not be filled."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, upload: str, offset: int, pieces: Iterable[bytes]) -> int:
        """Add the pieces. All that was written is on the disk when this returns or raises."""
        file = self._opened(upload, offset)
        disk = _Disk(file)
        try:
            for piece in pieces:  # errors of the caller's own pieces pass through
                with self._errors():
                    disk.write(piece)
        finally:
            with self._errors():
                try:
                    disk.sync()
                    length = os.fstat(file).st_size
                finally:
                    os.close(file)
        return length

    def _opened(self, upload: str, offset: int) -> int:
        path = self._upload(upload)
        with self._errors():  # nginx reads it as another user; the folder's own mode limits access
            file = _open(path) if offset == 0 else os.open(path, os.O_WRONLY | os.O_APPEND)
            if os.fstat(file).st_size != offset:
                os.close(file)
                raise BlobMissing(str(path), f"is not {offset} bytes long")
            return file

    def length(self, upload: str) -> int:
        """Return the size of the file."""
        with self._errors():
            return self._upload(upload).stat().st_size

    def written(self, upload: str) -> Iterator[bytes]:
        """Yield the bytes of the file."""
        return self._pieces(self._upload(upload), 0, None)

    def cut(self, upload: str, length: int) -> None:
        """Shorten the file."""
        with self._errors():
            os.truncate(self._upload(upload), length)

    def finish(self, upload: str, sha256: str, over: bool = False) -> bool:
        """Rename the file. Its new name is on the disk when this returns."""
        source, blob = self._upload(upload), self._blob(sha256)
        with self._errors():
            is_new = not blob.exists()
            if is_new or over:
                os.utime(source)
                _rename(source, blob)
            else:
                os.utime(blob)
                source.unlink(missing_ok=True)
            _sync(blob.parent)
        return is_new

    def discard(self, upload: str) -> None:
        """Remove the file."""
        with self._errors():
            self._upload(upload).unlink(missing_ok=True)

    def size(self, sha256: str) -> int:
        """Return the size of the file."""
        with self._errors():
            return self._blob(sha256).stat().st_size

    def stored_at(self, sha256: str) -> float:
        """Return the file's time."""
        with self._errors():
            return self._blob(sha256).stat().st_mtime

    def read(self, sha256: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of the file."""
        return self._pieces(self._blob(sha256), start, stop)

    def address(self, sha256: str, seconds: int, filename: str, media_type: str) -> None:
        """Return None: the folder has no URLs."""

    def remove(self, sha256: str) -> None:
        """Remove the file."""
        with self._errors():
            self._blob(sha256).unlink(missing_ok=True)

    def blobs(self) -> Iterator[tuple[str, float]]:
        """Walk the folders, each in the order of its names."""
        with self._errors():
            root = self.root / "blobs"
            for folder in sorted(root.iterdir()) if root.exists() else ():
                for blob in sorted(folder.iterdir()):
                    yield blob.name, blob.stat().st_mtime

    def uploads(self) -> Iterator[tuple[str, float]]:
        """Walk the folder."""
        with self._errors():
            root = self.root / "uploads"
            for upload in sorted(root.iterdir()) if root.exists() else ():
                with suppress(FileNotFoundError):  # it has just become a blob
                    yield upload.name, upload.stat().st_mtime

    def probe(self) -> None:
        """Write and sync a file: a hanging mount may still answer a stat."""
        path = self.root / f".probe-{uuid4().hex}"
        with self._errors():
            try:
                with path.open("wb") as file:
                    file.write(b"probe")
                    file.flush()
                    os.fsync(file.fileno())
            finally:
                path.unlink(missing_ok=True)

    def _upload(self, upload: str) -> Path:
        return self.root / f"uploads/{upload}"

    def _blob(self, sha256: str) -> Path:
        return self.root / f"blobs/{self.name_of(sha256)}"

    @staticmethod
    def name_of(sha256: str) -> str:
        """Return the path of a blob in the folder `blobs`."""
        return f"{sha256[:2]}/{sha256}"

    def _pieces(self, path: Path, start: int, stop: int | None) -> Iterator[bytes]:
        """Open the file now, so that a missing one is known before the first byte is sent."""
        with self._errors():
            file = path.open("rb", buffering=0)

        def pieces() -> Iterator[bytes]:
            with file, self._errors():
                file.seek(start)
                remaining = None if stop is None else stop - start
                while piece := file.read(PIECE if remaining is None else min(PIECE, remaining)):
                    remaining = None if remaining is None else remaining - len(piece)
                    yield piece

        return pieces()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if self.root.is_dir():
                raise BlobMissing(str(error.filename), "is not there") from None
            raise StorageDown(str(self.root), "is not there: is it mounted?") from None
        except OSError as error:
            kind = StorageFull if error.errno in FULL else StorageDown
            raise kind(str(self.root), error.strerror or type(error).__name__) from None


class _Disk:
    """Writes to the open file and syncs it in a thread meanwhile."""

    def __init__(self, file: int) -> None:
        self.file, self.behind = file, 0
        self.thread: ThreadPoolExecutor | None = None
        self.syncing: Future[None] | None = None

    def write(self, piece: bytes) -> None:
        view = memoryview(piece)
        while view:
            view = view[os.write(self.file, view) :]
        self.behind += len(piece)
        if self.behind >= AHEAD and (self.syncing is None or self.syncing.done()):
            self._check()
            self.thread = self.thread or ThreadPoolExecutor(1)
            self.syncing, self.behind = self.thread.submit(os.fdatasync, self.file), 0

    def sync(self) -> None:
        """Return when all bytes are on the disk. Raises OSError, also for an earlier failure."""
        if self.thread is not None:
            self.thread.shutdown()
        self._check()
        os.fsync(self.file)

    def _check(self) -> None:
        """Raise the error of the last sync: the kernel reports a failed write only once."""
        if self.syncing is not None:
            self.syncing.result()


def _open(path: Path) -> int:
    """Open the upload to write to it, and make the folder of uploads the first time."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    try:
        return os.open(path, flags, 0o644)
    except FileNotFoundError:
        path.parent.mkdir(exist_ok=True)
        return os.open(path, flags, 0o644)


def _rename(source: Path, blob: Path) -> None:
    """Rename the file. The first time, make the folder of every blob, so that they are synced to the disk at once."""
    try:
        source.rename(blob)
    except FileNotFoundError:
        root = blob.parent.parent
        with suppress(FileExistsError):
            root.mkdir()
            _sync(root.parent)
        for first in range(256):
            (root / f"{first:02x}").mkdir(exist_ok=True)
        _sync(root)
        source.rename(blob)


def _sync(folder: Path) -> None:
    """Write the names in the folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
