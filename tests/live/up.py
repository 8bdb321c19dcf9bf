"""`flask up` as a process of its own, and the ways in which tests talk to it."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
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

T = TypeVar("T")
CLAIMS: list[socket.socket] = []
ROOT = Path(__file__).parent.parent.parent
SALT = "a salt for live tests, long enough to be one"
ROLES = ("viewer", "publisher", "releaser", "admin")
OTHERS = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FLASK_", "PG", "REGISTRY_")
SETTINGS = (
    *("DATABASE_URL", "API_KEY_SALT", "SECRET_KEY", "CATAPULT_HOME", "HOST", "PORT", "WEB_CONCURRENCY", "LOG_LEVEL"),
    *("CORS_ORIGINS", "TRUSTED_", "RATE_LIMIT", "METRICS_KEY", "PROMETHEUS_MULTIPROC_DIR", "FORWARDED_ALLOW_IPS"),
)


def surroundings(**settings: str) -> dict[str, str]:
    """The environment with these settings and none of the machine's."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith((*OTHERS, *SETTINGS))}
    return {**kept, **settings}


def for_a_team(database_url: str) -> dict[str, str]:
    """The settings that a server with a database of its own needs."""
    return {"DATABASE_URL": database_url, "API_KEY_SALT": SALT, "SECRET_KEY": "a secret for live tests"}


def free_port() -> int:
    """A port that nothing listens on, and that no other process of tests is given while this one runs.

    It is below those that the kernel hands out by itself, so that no connection takes it either.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        claim = socket.socket(type=socket.SOCK_DGRAM)  # UDP's ports are others: it marks the number and leaves it free
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
    """Each of these goes on meanwhile, on a thread of its own, once `goes_on` has seen that they do, and until `ending` is set."""
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
    """Ask `done` again and again until it says yes."""
    give_up = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.02)


def at_once(*works: Callable[[], T]) -> list[T]:
    """What these give, in their order; each on a thread of its own, and all begun at the same moment."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        start.wait(10)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        running = [pool.submit(run, work) for work in works]
        return [each.result(60) for each in running]


def flask(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A `flask` command that ends by itself. Whoever runs the tests may have a server on the usual port."""
    settings.setdefault("PORT", str(free_port()))
    return python("-m", "flask", "--app", "wsgi", *arguments, **settings)


def python(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A Python program in the root of the repository that ends by itself."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=surroundings(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Caller(requests.Session):
    """Somebody with a key; threads may share one. `caller.post("/api/v1/models", json={…})`."""

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
        """POST that has to succeed; returns what was made."""
        response = self.post(path, json=body)
        assert response.status_code == 201, response.text
        found: dict[str, Any] = response.json()
        return found

    def model(self, name: str, **fields: Any) -> dict[str, Any]:
        return self.made("/api/v1/models", a_model(name, **fields))

    def version(self, model: dict[str, Any], version: str, **fields: Any) -> dict[str, Any]:
        return self.made("/api/v1/versions", a_version(model, version, **fields))


def a_model(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "storage_path": f"docker.io/{name}", **fields}


def a_version(model: dict[str, Any], version: str, **fields: Any) -> dict[str, Any]:
    return {"model_id": model["id"], "version": version, "tag": "v1", "digest": "sha256:" + "a" * 64, **fields}


class Up:
    """One `flask up`, in a session and process group of its own as a terminal would give it.

    Its output is in files of that folder; its home is `home` in there, unless the settings name one.
    """

    app = "wsgi"

    def __init__(self, folder: Path, **settings: str) -> None:
        self.port = int(settings.get("PORT") or free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = {
            "CATAPULT_HOME": str(folder / "home"),
            "WEB_CONCURRENCY": "2",
            **settings,
            "PORT": str(self.port),
        }
        self.home = Path(self.settings["CATAPULT_HOME"])
        self.out, self.log = folder / f"out-{self.port}", folder / f"log-{self.port}"
        self.keys: dict[str, str] = {}
        self.seen: list[psutil.Process] = []
        with self.out.open("w") as out, self.open_log() as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flask", "--app", self.app, "up"],
                cwd=ROOT,
                env=surroundings(**self.settings),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )

    def open_log(self) -> IO[str]:
        return self.log.open("w")

    def ready(self, seconds: float = 40) -> "Up":
        """It says where it is, answers there, and has all its workers."""
        until(self._answers, seconds)
        until(lambda: len(self.workers()) == int(self.settings["WEB_CONCURRENCY"]))
        return self

    def _answers(self) -> bool:
        ended = self.process.poll()
        assert ended is None, f"flask up ended with {ended}: {self.said()} {self.log.read_text()}"
        if f"at {self.url}\n" not in self.said():
            return False
        with self.caller() as anybody, suppress(requests.RequestException):
            return anybody.get("/livez", timeout=2).status_code == 200
        return False

    def said(self) -> str:
        """What it wrote to standard output."""
        return self.out.read_text()

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Its log; the last line may still be on its way."""
        text = self.log.read_text()
        found = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [line for line in found if event in (None, line["event"])]

    @property
    def key(self) -> str:
        """The first admin's key, as it was printed."""
        (line,) = [line for line in self.said().splitlines() if "Key: " in line]
        word, key = line.split()
        assert word == "Key:"
        return key

    def caller(self, key: str | None = None) -> Caller:
        return Caller(self.url, key)

    def make_keys(self) -> None:
        """A key of each role."""
        with self.caller(self.key) as first:
            self.keys = {
                role: first.made("/api/v1/api-keys", {"name": f"{role}-key", "role": role})["key"] for role in ROLES
            }

    def by(self, role: str) -> Caller:
        return self.caller(self.keys[role])

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """The statement's rows, from a connection of our own beside the server."""
        with closing(psycopg2.connect(self.database_url, connect_timeout=5)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []

    @property
    def database_url(self) -> str:
        return self.settings.get("DATABASE_URL") or Embedded(self.home).url

    def workers(self) -> list[psutil.Process]:
        """gunicorn's workers that live."""
        master = psutil.Process(self.process.pid)
        return [child for child in master.children() if lives(child) and program(child) == program(master)]

    def look(self) -> list[psutil.Process]:
        """Its processes and those of its PostgreSQL, now and at every look before, as far as they still live."""
        cluster = Embedded(self.home).name
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                named = any(cluster in part for part in process.cmdline())
                if named or process.environ().get("CATAPULT_HOME") == str(self.home):
                    self.seen.append(process)
        return list({process for process in self.seen if lives(process)})

    def end(self, number: signal.Signals = signal.SIGTERM, group: bool = False, seconds: float = 30) -> int:
        """Send the signal, to the process or as a terminal does to its group; returns the exit status."""
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def close(self) -> None:
        """Master and workers are gone, whatever a test did. Its PostgreSQL goes with its folder."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        for process in psutil.process_iter():  # what outlived the master, whose number may be somebody else's by now
            with suppress(psutil.Error, OSError):
                left = os.getpgid(process.pid) == self.process.pid
                if left and process.environ().get("PORT") == self.settings["PORT"]:
                    process.kill()


class Start:
    """Starts servers: `start(DATABASE_URL=…)`."""

    def __init__(self, make_folder: Callable[[], Path]) -> None:
        self.make_folder, self.started = make_folder, list[Up]()

    def __call__(self, **settings: str) -> Up:
        self.started.append(Up(self.make_folder(), **settings))
        return self.started[-1]

    def close(self, home: Path | None = None) -> None:
        """Those of that home are ended; without one, all."""
        for server in self.started:
            if home in (None, server.home):
                server.close()


def lives(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def program(process: psutil.Process) -> list[str]:
    with suppress(psutil.NoSuchProcess):
        return list(process.cmdline())
    return []


def problem(response: requests.Response, kind: str) -> dict[str, Any]:
    """The body of a refusal of this kind."""
    assert response.headers["Content-Type"] == "application/problem+json", response.text
    body: dict[str, Any] = response.json()
    assert body["type"] == f"/docs/errors/{kind}"
    assert body["status"] == response.status_code
    assert body["request_id"] == response.headers["X-Request-ID"]
    return body


def statuses(responses: Sequence[requests.Response]) -> dict[int, int]:
    """How many of each status."""
    found: dict[int, int] = {}
    for response in responses:
        found[response.status_code] = found.get(response.status_code, 0) + 1
    return found
