"""List, check and read files on the team's mount, such as a CephFS, and nothing outside of it.

Every path is opened segment by segment below the mount without following links, so that a link created between a check and a
read has no effect.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from catapult.storage import PIECE, StorageDown
from catapult.storage.file_client import Refused

MOST = 10_000
"""The most files of a folder that are registered together."""
SNAPSHOTS = ".snap"
LINK = (errno.ELOOP, errno.ENOTDIR)


class Entry(NamedTuple):
    """A file or a folder. `path` is relative to the mount, `changed` its time in nanoseconds since 1970; a folder has no size."""

    path: str
    is_folder: bool
    size: int
    changed: int


class Changed(Exception):
    """The file has changed."""


class Mount:
    """A folder to read from, except `hidden`, the storage of blobs, and only within `folders` if there are any."""

    def __init__(self, root: Path, hidden: Path | None, folders: tuple[str, ...]) -> None:
        self.root, self.folders = root, folders
        self.hidden = {hidden / name for name in ("blobs", "uploads")} if hidden else set()

    def entries(self, path: str, after: str, most: int) -> list[Entry]:
        """Return the first `most` entries of the folder after that name, by their names. Raises Refused, StorageDown."""
        if not path and self.folders:
            return [Entry(folder, True, 0, 0) for folder in sorted(self.folders) if folder > after][:most]
        with self._opened(path, os.O_DIRECTORY) as folder:
            names = sorted(name for name in os.listdir(folder) if name > after and self._is_shown(_join(path, name)))
            entries = (self._entry(folder, _join(path, name), name) for name in names)
            return list(islice(filter(None, entries), most))

    def files(self, path: str) -> list[Entry]:
        """Return the file of that path, or all files of the folder and of those in it. Raises Refused, StorageDown."""
        with self._opened(path) as file:
            status = os.fstat(file)
            if stat.S_ISREG(status.st_mode):
                return [_entry(path, status)]
        files: list[Entry] = []
        folders = [path]
        while folders:
            for entry in self.entries(folders.pop(), "", MOST + 1):
                (folders if entry.is_folder else files).append(entry.path if entry.is_folder else entry)  # type: ignore[arg-type]
            if len(files) > MOST:
                raise Refused(f"{path or 'The mount'} has more than {MOST} files. Register parts of it.")
        return sorted(files)

    def read(self, path: str, size: int, changed: int, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of the file from `start` on and before `stop`, in pieces. Raises Refused, StorageDown, Changed.

        Errors are raised before the first piece. Changed is also raised at the end, if the file was changed meanwhile.
        """
        pieces = self._read(path, size, changed, start, size if stop is None else stop)
        next(pieces)
        return pieces

    def _read(self, path: str, size: int, changed: int, start: int, stop: int) -> Iterator[bytes]:
        with self._opened(path) as file:
            _check_unchanged(file, path, size, changed)
            yield b""
            while start < stop and (piece := os.pread(file, min(PIECE, stop - start), start)):
                start += len(piece)
                yield piece
            _check_unchanged(file, path, size, changed)

    @contextmanager
    def _opened(self, path: str, flags: int = 0) -> Iterator[int]:
        """Open the file or folder, segment by segment, so that nothing leads out of the mount."""
        if not self._is_shown(path) or not self._is_allowed(path):
            raise Refused(f"{path or 'The mount itself'} is not among the folders that files may be registered from.")
        opened: list[int] = []
        try:
            opened.append(os.open(self.root, os.O_RDONLY | os.O_DIRECTORY))
            segments = path.split("/") if path else []
            for position, segment in enumerate(segments):
                last = position == len(segments) - 1
                how = flags if last else os.O_DIRECTORY
                # O_NONBLOCK: to open a FIFO would wait for its writer.
                opened.append(os.open(segment, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | how, dir_fd=opened[-1]))
            if not _is_plain(os.fstat(opened[-1])):
                raise Refused(f"{path} is neither a file nor a folder.")
            yield opened[-1]
        except OSError as error:
            raise self._fault(path, error, len(opened)) from None
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def _fault(self, path: str, error: OSError, opened: int) -> Exception:
        if not opened or error.errno not in (*LINK, errno.ENOENT, errno.EACCES, errno.ENXIO):
            return StorageDown(str(self.root), error.strerror or type(error).__name__)
        if error.errno in LINK:
            return Refused(f"{path} leads through a link, or through a file, which is not followed.")
        if error.errno == errno.EACCES:
            return Refused(f"{path} cannot be read by the registry's user.")
        return Refused(f"There is no {path} on the mount.")

    def _entry(self, folder: int, path: str, name: str) -> Entry | None:
        """Return a file or folder; None for links, devices and entries that are gone."""
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return _entry(path, status) if _is_plain(status) else None

    def _is_shown(self, path: str) -> bool:
        segments = path.split("/") if path else []
        if not path.isprintable() or any(segment in ("", ".", "..", SNAPSHOTS) for segment in segments):
            return False
        file = self.root / path
        return not any(file == hidden or hidden in file.parents for hidden in self.hidden)

    def _is_allowed(self, path: str) -> bool:
        return not self.folders or any(f"{path}/".startswith(f"{folder}/") for folder in self.folders)


def _check_unchanged(file: int, path: str, size: int, changed: int) -> None:
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode) or (status.st_size, status.st_mtime_ns) != (size, changed):
        raise Changed(f"{path} was changed on the mount since it was registered.")


def _is_plain(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)


def _entry(path: str, status: os.stat_result) -> Entry:
    is_folder = stat.S_ISDIR(status.st_mode)
    return Entry(path, is_folder, 0 if is_folder else status.st_size, status.st_mtime_ns)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
