"""`flask up` in a process of its own, and clients for it."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar

import psutil
import psycopg2
import requests
from requests.adapters import HTTPAdapter

from catapult.embedded import Embedded
from catapult.embedded.account import is_running

T = TypeVar("T")
CLAIMS: list[socket.socket] = []
ROOT = Path(__file__).parent.parent.parent
SALT = "a salt for live tests, long enough to be one"
AS_DEPLOYED = "from wsgi import app\n"
TEMPLATES = ROOT / ".pytest_cache" / "templates"
KEPT = f"""
from jinja2 import FileSystemBytecodeCache
app.jinja_env.bytecode_cache = FileSystemBytecodeCache({str(TEMPLATES)!r})
"""
"""Templates are compiled once for all servers of all runs, which is half of a start."""
BESIDE = JOBS, FILES = "catapult-jobs", "catapult-files"
KEY = re.compile(r"cat_[A-Za-z0-9]{8}_[A-Za-z0-9]{49}")
ROLES = ("viewer", "publisher", "releaser", "admin")
SETTINGS = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FLASK_", "PG", "REGISTRY_", "FORWARDED_ALLOW_IPS", "HOST", "PORT"),
    *("DATABASE_URL", "API_KEY_SALT", "SECRET_KEY", "CATAPULT_HOME", "WEB_CONCURRENCY", "LOG_LEVEL", "CORS_ORIGINS"),
    *("TRUSTED_", "PUBLIC_URL", "SCRIPT_NAME", "RATE_LIMIT", "METRICS_KEY", "PROMETHEUS_MULTIPROC_DIR", "EGRESS_"),
    *(
        "SYSLOG_URL",
        "CHECKPOINT_FOLDER",
        "STORAGE_",
        "CEPH_MOUNT_PATH",
        "MOUNT_FOLDERS",
        "S3_",
        "AWS_",
        "FILES_",
        "MLFLOW_",
        "DRIFT_EVERY",
    ),
)


def environment(**settings: str) -> dict[str, str]:
    """The environment with these settings and none of the machine's."""
    own = {name: value for name, value in os.environ.items() if not name.upper().startswith(SETTINGS)}
    return {**own, "DRIFT_EVERY": "0", **settings}


def for_a_team(database_url: str) -> dict[str, str]:
    """The settings of a server that has a database of its own."""
    return {"DATABASE_URL": database_url, "API_KEY_SALT": SALT, "SECRET_KEY": "a secret for live tests"}


def free_port() -> int:
    """A port that nothing listens on, and that no other test process gets while this one runs.

    It is below the range from which the kernel chooses, so that no connection takes it.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        claim = socket.socket(
            type=socket.SOCK_DGRAM
        )  # a UDP port with that number marks it as taken and leaves TCP's free
        with suppress(OSError), socket.socket() as probe:
            claim.bind(("127.0.0.1", port))
            probe.bind(("127.0.0.1", port))
            CLAIMS.append(claim)
            return port
        claim.close()


@contextmanager
def at_work(
    works: Sequence[Callable[[], object]], goes_on: Callable[[], object], ending: threading.Event
) -> Iterator[None]:
    """Run each of these in a thread of its own during the block. `goes_on` waits until they work; `ending` stops them."""
    with ThreadPoolExecutor(len(works)) as pool:
        running = [pool.submit(work) for work in works]
        try:
            goes_on()
            yield
        finally:
            ending.set()
    for each in running:
        each.result(0)


def until(done: Callable[[], object], seconds: float = 20) -> None:
    """Call `done` until its result is true."""
    give_up = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < give_up, f"not true after {seconds} seconds"
        time.sleep(0.02)


def at_once(*works: Callable[[], T]) -> list[T]:
    """Return the results of these calls, in order. Each runs in a thread of its own; all start at the same moment."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        start.wait(10)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        running = [pool.submit(run, work) for work in works]
        return [each.result(60) for each in running]


def flask(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a `flask` command. The usual port may be taken."""
    settings.setdefault("PORT", str(free_port()))
    return python("-m", "flask", "--app", "wsgi", *arguments, **settings)


def python(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program in the root of the repository."""
    return run([sys.executable, *arguments], environment(**settings))


def run(command: Sequence[object], env: dict[str, str], folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a program in that folder; the caller looks at its exit status."""
    return subprocess.run(
        list(map(str, command)), cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )


class Caller(requests.Session):
    """A client with a key, which threads may share: `caller.post("/api/v1/models", json={…})`."""

    def __init__(self, url: str, key: str | None = None) -> None:
        super().__init__()
        self.url, self.trust_env = url, False
        self.mount("http://", HTTPAdapter(pool_maxsize=64))
        if key:
            self.headers["X-API-Key"] = key

    def request(self, method: Any, path: Any, *args: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        kwargs.setdefault("timeout", 20)
        return super().request(method, self.url + path, *args, **kwargs)

    def made(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a POST that has to succeed. Returns the created object."""
        response = self.post(path, json=body)
        assert response.status_code == 201, response.text
        created: dict[str, Any] = response.json()
        return created

    def model(self, name: str, **fields: Any) -> dict[str, Any]:
        return self.made("/api/v1/models", a_model(name, **fields))

    def version(self, model: dict[str, Any], version: str, **fields: Any) -> dict[str, Any]:
        return self.made("/api/v1/versions", a_version(model, version, **fields))


def a_model(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "storage_path": f"docker.io/{name}", **fields}


def a_version(model: dict[str, Any], version: str, **fields: Any) -> dict[str, Any]:
    return {"model_id": model["id"], "version": version, "tag": "v1", "digest": "sha256:" + "a" * 64, **fields}


class Up:
    """One `flask up`, or `flask files`, in a session and process group of its own as in a terminal.

    Its output goes to files in that folder. Its home is `home` in there, unless the settings name another. `code` creates
    another `app` than `wsgi.py` does, with one of its parts changed.
    """

    within: tuple[str, ...] = ()
    """A command that becomes the server, as `env` and `unshare` do."""

    def __init__(self, folder: Path, code: str = AS_DEPLOYED, command: str = "up", **settings: str) -> None:
        TEMPLATES.mkdir(parents=True, exist_ok=True)
        app = folder / "served.py"
        app.write_text(code + KEPT)
        self.port = int(settings.get("PORT") or free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        defaults = {"CATAPULT_HOME": str(folder / "home"), "WEB_CONCURRENCY": "2"}
        self.settings = {**defaults, **settings, "PORT": str(self.port)}
        self.home = Path(self.settings["CATAPULT_HOME"])
        self.out, self.log = folder / f"out-{self.port}", folder / f"log-{self.port}"
        self.direct_url = ""
        self.keys: dict[str, str] = {}
        self.seen: list[psutil.Process] = []
        with self.out.open("w") as out, self.open_log() as log:
            self.process = subprocess.Popen(
                [*self.within, sys.executable, "-m", "flask", "--app", str(app), command],
                cwd=ROOT,
                env=environment(**self.settings),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )

    def open_log(self) -> IO[str]:
        return self.log.open("w")

    def ready(self, seconds: float = 40) -> "Up":
        """Wait until it prints its address, answers there and has all its workers."""
        until(self._answers, seconds)
        until(lambda: len(self.workers()) == int(self.settings["WEB_CONCURRENCY"]))
        return self

    def _answers(self) -> bool:
        status = self.process.poll()
        assert status is None, f"flask up ended with {status}: {self.said()} {self.log.read_text()}"
        if f"at {self.url}\n" not in self.said():
            return False
        with self.caller() as anybody, suppress(requests.RequestException):
            return anybody.get("/livez", timeout=2).status_code == 200
        return False

    def said(self) -> str:
        """Return what it wrote to standard output."""
        return self.out.read_text()

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return the lines of its log, or those of one event. A last line that is incomplete is left out."""
        whole, _, _ = self.log.read_text().rpartition("\n")
        lines = whole.splitlines()
        assert [line for line in lines if not line.startswith("{")] == []
        return [line for line in map(json.loads, lines) if event in (None, line["event"])]

    @property
    def key(self) -> str:
        """The key of the first admin, as printed."""
        return printed_key(self.said())

    def caller(self, key: str | None = None) -> Caller:
        return Caller(self.url, key)

    def make_keys(self) -> None:
        """Create a key of each role."""
        with self.caller(self.key) as first:
            self.keys = {
                role: first.made("/api/v1/api-keys", {"name": f"{role}-key", "role": role})["key"] for role in ROLES
            }

    def by(self, role: str) -> Caller:
        return self.caller(self.keys[role])

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a statement, on a connection beside the server's."""
        with closing(psycopg2.connect(self.database_url, connect_timeout=5)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def entries(self, action: str, resource_id: str) -> int:
        """Return how many audit entries there are of that action on that object."""
        ((count,),) = self.sql(
            "SELECT count(*) FROM audit_logs WHERE action = %s AND resource_id = %s", action, resource_id
        )
        return int(count)

    @property
    def database_url(self) -> str:
        """The address of its database, `direct_url` if the server has a pooler's."""
        return self.direct_url or self.settings.get("DATABASE_URL") or Embedded(self.home).url

    @property
    def secret_key(self) -> str:
        return self.settings.get("SECRET_KEY") or (self.home / "secret_key").read_text().strip()

    def workers(self) -> list[psutil.Process]:
        """Return gunicorn's workers that run. A child that starts the database again counts, too: it is forked as they are."""
        return [child for child in self._forked() if child.name() not in BESIDE]

    def job_process(self) -> psutil.Process | None:
        """Return the process that runs jobs, if there is one."""
        return next((child for child in self._forked() if child.name() == JOBS), None)

    def _forked(self) -> list[psutil.Process]:
        arbiter = psutil.Process(self.process.pid)
        return [child for child in arbiter.children() if program(child) == program(arbiter)]

    def look(self) -> list[psutil.Process]:
        """Return its processes and those of its PostgreSQL, of now and of every call before, that still run."""
        cluster = Embedded(self.home).name
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                named = any(cluster in part for part in process.cmdline())
                if named or process.environ().get("CATAPULT_HOME") == str(self.home):
                    self.seen.append(process)
        return list({process for process in self.seen if is_running(process)})

    def end(self, number: signal.Signals = signal.SIGTERM, group: bool = False, seconds: float = 30) -> int:
        """Send the signal to the process or, as a terminal does, to its group. Returns the exit status."""
        (os.killpg if group else os.kill)(self.process.pid, number)
        return self.process.wait(seconds)

    def close(self) -> None:
        """Kill the arbiter and the workers, whatever a test did. Its PostgreSQL ends with its folder."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        for process in psutil.process_iter():  # what outlived the arbiter; its pid may be another process's by now
            with suppress(psutil.Error, OSError):
                same_group = os.getpgid(process.pid) == self.process.pid
                if same_group and process.environ().get("PORT") == self.settings["PORT"]:
                    process.kill()


class Start:
    """A function that starts servers: `start(DATABASE_URL=…)`, or with `code` as `Up` has it."""

    def __init__(self, make_folder: Callable[[], Path]) -> None:
        self.make_folder, self.started = make_folder, list[Up]()

    def __call__(self, code: str = AS_DEPLOYED, **settings: str) -> Up:
        self.started.append(Up(self.make_folder(), code, **settings))
        return self.started[-1]

    def close(self, home: Path | None = None) -> None:
        """Close the servers of that home, or all."""
        for server in self.started:
            if home in (None, server.home):
                server.close()


def program(process: psutil.Process) -> list[str]:
    """Return the command line; empty for a zombie and for a process that ended."""
    with suppress(psutil.NoSuchProcess):
        return list(process.cmdline())
    return []


def printed_key(output: str) -> str:
    """Return the key in the only line with `Key:`: its second word."""
    (line,) = [line for line in output.splitlines() if "Key:" in line]
    word, key = line.split()
    assert word == "Key:"
    assert KEY.fullmatch(key)
    return key


def problem(response: requests.Response, kind: str) -> dict[str, Any]:
    """Return the body of a problem document of this kind."""
    assert response.headers["Content-Type"] == "application/problem+json", response.text
    body: dict[str, Any] = response.json()
    assert body["type"] == f"/docs/errors/{kind}"
    assert body["status"] == response.status_code
    assert body["request_id"] == response.headers["X-Request-ID"]
    return body


def statuses(responses: Sequence[requests.Response]) -> dict[int, int]:
    """Return how many responses have each status."""
    return dict(Counter(response.status_code for response in responses))
