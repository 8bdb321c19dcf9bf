"""Whose turn it is with the database of one folder."""

import fcntl
import os
import shlex
import sys
from pathlib import Path

from catapult.embedded.errors import EmbeddedError


class Lock:
    """A file that one process at a time has; inside is who. Forked children keep it taken, programs do not.

    The kernel forgets it when the last of them ends, so a crash leaves nothing to clear up. Raises EmbeddedError.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            if os.geteuid() == 0:  # the folder's owner must be able to take it, after root did
                os.fchown(self._file, path.parent.stat().st_uid, path.parent.stat().st_gid)
        except OSError as error:
            raise EmbeddedError(
                f"{path} cannot be opened ({error.strerror}): give it to the owner of the home."
            ) from error
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
        """True if it is ours now; nobody has signed it yet."""
        self.taken = self._try(fcntl.LOCK_EX)
        if self.taken:
            self.clear()
        return self.taken

    def is_taken(self) -> bool:
        """Another process has it. Looking takes it for an instant."""
        if not self._try(fcntl.LOCK_SH):
            return True
        fcntl.flock(self._file, fcntl.LOCK_UN)
        return False

    def sign(self) -> None:
        """Everybody may read who has it."""
        command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200]
        os.pwrite(self._file, f"{os.getpid()} {command}".encode(errors="replace"), 0)

    def clear(self) -> None:
        """Nobody has signed."""
        os.ftruncate(self._file, 0)

    def holder(self) -> tuple[int | None, str]:
        """Pid and command of the last who signed; None and nothing if that one has let go, or is about to sign."""
        pid, _, what = os.pread(self._file, 1000, 0).decode(errors="replace").partition(" ")
        return int(pid) if pid.isdecimal() else None, what

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
