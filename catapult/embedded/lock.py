"""The file locks that decide which process has the database of a home."""

import fcntl
import os
import shlex
import sys
from pathlib import Path

from catapult.embedded.errors import EmbeddedError


class Lock:
    """A lock on a file that holds the pid and command of its owner. Forked children keep it; programs they start do not.

    The kernel releases it when the last of them ends, so a crash leaves nothing to clean up. Raises EmbeddedError.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            if os.geteuid() == 0:  # the owner of the folder must be able to take it after root did
                os.fchown(self._file, path.parent.stat().st_uid, path.parent.stat().st_gid)
        except OSError as error:
            raise EmbeddedError(f"{path} cannot be opened: {error.strerror}. Give it to its folder's owner.") from error
        self.taken = False
        self._owner = os.getpid()

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        if self.taken and os.getpid() == self._owner:
            self.clear()
            fcntl.flock(self._file, fcntl.LOCK_UN)  # at once, though a child may hold the file open
        os.close(self._file)

    def take(self) -> bool:
        """Take the lock, unsigned. Returns False if another process has it."""
        self.taken = self._try(fcntl.LOCK_EX)
        if self.taken:
            self.clear()
        return self.taken

    def is_taken(self) -> bool:
        """Return whether another process has the lock. The test itself holds it for an instant."""
        if not self._try(fcntl.LOCK_SH):
            return True
        fcntl.flock(self._file, fcntl.LOCK_UN)
        return False

    def sign(self) -> None:
        """Write this process's pid and command into the file, for others to read."""
        command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200]
        os.pwrite(self._file, f"{os.getpid()} {command}".encode(errors="replace"), 0)

    def clear(self) -> None:
        """Remove the signature."""
        os.ftruncate(self._file, 0)

    def holder(self) -> tuple[int | None, str]:
        """Return the pid and command that signed the lock; (None, "") if nobody has, or not yet."""
        pid, _, command = os.pread(self._file, 1000, 0).decode(errors="replace").partition(" ")
        return int(pid) if pid.isdecimal() else None, command

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
