"""Our door for MLflow's clients beside MLflow's own server, on one PostgreSQL, by turns: ratios of one run."""

import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import requests

from catapult.embedded import Embedded

from .servers import SALT, free_port

ROOT = Path(__file__).parent.parent.parent
CONNECTIONS, MANY = 8, 100_000
MODEL = "bench"


class Side:
    """One of both servers, as its clients reach it."""

    def __init__(self, url: str, key: str = "") -> None:
        self.root, self.headers = f"{url}/api/2.0/mlflow", {"Authorization": f"Bearer {key}"} if key else {}

    def session(self) -> requests.Session:
        session = requests.Session()
        session.headers.update(self.headers)
        return session

    def call(self, session: requests.Session, method: str, path: str, **fields: Any) -> Any:
        sent = {"params": fields} if method == "GET" else {"json": fields}
        answer = session.request(method, f"{self.root}/{path}", timeout=60, **sent)  # type: ignore[arg-type]
        answer.raise_for_status()
        return answer.json()

    def rate(self, seconds: float, call: Callable[[requests.Session], Any]) -> float:
        """Return how often a second the call is answered, over 8 connections."""
        end = time.monotonic() + seconds

        def repeat(_: int) -> int:
            count = 0
            with self.session() as session:
                while time.monotonic() < end:
                    call(session)
                    count += 1
            return count

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            return sum(pool.map(repeat, range(CONNECTIONS))) / seconds


def measure(database: Embedded, program: Path, rounds: int, seconds: float) -> None:
    """Print how many times as fast ours is. `program` is `mlflow` of an environment with MLflow's server and psycopg2."""
    with _ours(database) as ours, _theirs(database, program) as theirs:
        sides = {"ours": ours, "theirs": theirs}
        for side in sides.values():
            with side.session() as session:
                side.call(session, "POST", "registered-models/create", name=MODEL)
                side.call(session, "POST", "model-versions/create", name=MODEL, source="s3://models/1")
                side.call(session, "POST", "registered-models/alias", name=MODEL, alias="champion", version="1")
        calls = {
            "create version": ("POST", "model-versions/create", {"name": MODEL, "source": "s3://models/1"}),
            "get by alias": ("GET", "registered-models/alias", {"name": MODEL, "alias": "champion"}),
        }
        for what, (method, path, fields) in calls.items():
            rates: dict[str, list[float]] = {name: [] for name in sides}
            for _ in range(rounds):
                for name, side in sides.items():
                    rates[name].append(side.rate(seconds, lambda session: side.call(session, method, path, **fields)))  # noqa: B023
            mine, other = (statistics.median(rates[name]) for name in ("ours", "theirs"))
            print(f"{what}: {mine:.0f}/s, MLflow's server {other:.0f}/s, {mine / other:.1f} times")
        _search(database, ours, rounds, seconds)


def _search(database: Embedded, ours: Side, rounds: int, seconds: float) -> None:
    """Print the rate of a search by name in few versions, and in many."""
    for count in (1_000, MANY):
        _load(database, f"bench/{count}", count)
    wanted = {count: {"filter": f"name = 'bench/{count}'", "max_results": "50"} for count in (1_000, MANY)}
    rates: dict[int, list[float]] = {count: [] for count in wanted}
    for _ in range(rounds):
        for count, fields in wanted.items():
            rates[count].append(
                ours.rate(seconds, lambda session: ours.call(session, "GET", "model-versions/search", **fields))  # noqa: B023
            )
    few, many = (statistics.median(rates[count]) for count in (1_000, MANY))
    print(f"search by name: {many:.0f}/s in {MANY} versions, {few:.0f}/s in 1000, {many / few:.2f} of it")


def _load(database: Embedded, name: str, count: int) -> None:
    with psycopg2.connect(database.url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "WITH model AS (INSERT INTO models (id, name, storage_path, last_number, version_count, latest_version)"
            " VALUES (gen_random_uuid(), %(name)s, 'mlflow', %(count)s, %(count)s, %(count)s) RETURNING id),"
            " named AS (INSERT INTO model_names (name, model_id) SELECT lower(%(name)s), id FROM model)"
            " INSERT INTO versions (id, model_id, version, number, source, created_by)"
            " SELECT gen_random_uuid(), id, number, number, 's3://models/' || number, 'bench'"
            " FROM model, generate_series(1, %(count)s) AS number",
            {"name": name, "count": count},
        )
    connection.close()
    analyse = psycopg2.connect(database.url)
    analyse.autocommit = True
    with analyse.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE versions, models, model_names")
    analyse.close()


@contextmanager
def _ours(database: Embedded) -> Iterator[Side]:
    port = free_port()
    settings = {"DATABASE_URL": database.url, "API_KEY_SALT": SALT, "SECRET_KEY": SALT, "PORT": str(port)}
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "up"]
    with _process(command, {**settings, "LOG_LEVEL": "ERROR"}, f"http://127.0.0.1:{port}/livez") as process:
        lines = iter(process.stdout or ())
        key = next(line.split("Key: ")[1].split()[0] for line in lines if "Key: cat_" in line)
        yield Side(f"http://127.0.0.1:{port}", key)


@contextmanager
def _theirs(database: Embedded, program: Path) -> Iterator[Side]:
    """MLflow's server with as many processes, on a database of its own in the same PostgreSQL."""
    name, port = f"mlflow_{secrets.token_hex(4)}", free_port()
    connection = psycopg2.connect(database.url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    parts = connection.get_dsn_parameters()
    connection.close()
    store = f"postgresql://{parts['user']}@/{name}?host={parts['host']}&port={parts['port']}"
    command = [str(program), "server", "--backend-store-uri", store, "--port", str(port), "--workers", "2"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with _process(command, quiet, f"http://127.0.0.1:{port}/health"):
        yield Side(f"http://127.0.0.1:{port}")


@contextmanager
def _process(command: list[str], settings: dict[str, str], ready: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, **settings}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            give_up = time.monotonic() + 90
            while not _answers(ready):
                if process.poll() is not None or time.monotonic() > give_up:
                    raise SystemExit(f"{command[0]} did not start")
                time.sleep(0.2)
            yield process
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    with suppress(requests.RequestException):
        return requests.get(url, timeout=1).ok
    return False
