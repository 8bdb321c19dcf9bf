"""Our door for MLflow's clients beside MLflow's own server, on one PostgreSQL, by turns: ratios of one run."""

import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import requests

from catapult.embedded import Embedded

from .asking import Asked, Client
from .servers import SALT, free_port

ROOT = Path(__file__).parent.parent.parent
API = "/api/2.0/mlflow/"
CONNECTIONS, FEW, MANY = 8, 1_000, 100_000
MODELS = [f"bench-{number}" for number in range(8)]
VERSIONS = [{"name": name, "source": "s3://models/1"} for name in MODELS]


class Side:
    """One of both servers, as its clients reach it."""

    def __init__(self, port: int, key: str = "") -> None:
        self.root, self.key = f"http://127.0.0.1:{port}", key
        self.client = Client(port, key)

    def post(self, path: str, **fields: Any) -> None:
        headers = {"X-API-Key": self.key}
        requests.post(f"{self.root}{API}{path}", json=fields, headers=headers, timeout=60).raise_for_status()

    def rate(self, seconds: int, asked: Asked) -> float:
        """Return how often a second it is answered, over 8 connections."""
        figures = self.client.ask(asked, seconds, CONNECTIONS)
        if figures.faults:
            raise SystemExit(f"{figures.faults} of {figures.requests} requests failed: {asked.paths}")
        return figures.rate


def measure(database: Embedded, program: Path, rounds: int, seconds: int) -> None:
    """Print how many times as fast ours is. `program` is `mlflow` of an environment with MLflow's server and psycopg2."""
    with _ours(database) as ours, _theirs(database, program) as theirs:
        for side in (ours, theirs):
            for version in VERSIONS:
                side.post("registered-models/create", name=version["name"])
                side.post("model-versions/create", **version)
                side.post("registered-models/alias", name=version["name"], alias="champion", version="1")
        calls = {
            "get by alias": Asked([f"{API}registered-models/alias?name={name}&alias=champion" for name in MODELS]),
            "create version, of one model": Asked([f"{API}model-versions/create"], [json.dumps(VERSIONS[0])]),
            "create version, of eight": Asked([f"{API}model-versions/create"], [json.dumps(each) for each in VERSIONS]),
        }
        for what, asked in calls.items():
            mine, other = _by_turns(rounds, seconds, [(ours, asked), (theirs, asked)])
            print(f"{what}: {mine:.0f}/s, MLflow's server {other:.0f}/s, {mine / other:.1f} times")
        for count in (FEW, MANY):
            _load(database, f"bench/{count}", count)
        searches = [
            Asked([f"{API}model-versions/search?filter=name%3D%27bench%2F{count}%27&max_results=50"])
            for count in (FEW, MANY)
        ]
        few, many = _by_turns(rounds, seconds, [(ours, asked) for asked in searches])
        print(f"search by name: {many:.0f}/s in {MANY} versions, {few:.0f}/s in {FEW}, {many / few:.2f} of it")


def _by_turns(rounds: int, seconds: int, asked: list[tuple[Side, Asked]]) -> list[float]:
    """Return the median rate of each."""
    rates = [[side.rate(seconds, each) for side, each in asked] for _ in range(rounds)]
    return [statistics.median(of_one) for of_one in zip(*rates, strict=True)]


def _load(database: Embedded, name: str, count: int) -> None:
    with psycopg2.connect(database.url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "WITH model AS (INSERT INTO models (id, name, storage_path, last_number, version_count, latest_version)"
            " VALUES (gen_random_uuid(), %(name)s, 'mlflow', %(count)s, %(count)s, %(count)s) RETURNING id),"
            " named AS (INSERT INTO model_names (name, model_id) SELECT lower(%(name)s), id FROM model)"
            " INSERT INTO versions (id, model_id, version, number, source, platform, status, created_by)"
            " SELECT gen_random_uuid(), id, number, number, 's3://models/' || number, 'linux/amd64', 'active', 'bench'"
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
    quiet = {**settings, "LOG_LEVEL": "ERROR"}
    with _process(command, quiet, f"http://127.0.0.1:{port}/livez", subprocess.PIPE) as process:
        lines = iter(process.stdout or ())
        key = next(line.split("Key: ")[1].split()[0] for line in lines if "Key: cat_" in line)
        yield Side(port, key)


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
    store = f"postgresql+psycopg2://{parts['user']}@/{name}?host={parts['host']}&port={parts['port']}"
    command = [str(program), "server", "--backend-store-uri", store, "--port", str(port), "--workers", "2"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with _process(command, quiet, f"http://127.0.0.1:{port}/health"):
        yield Side(port)


@contextmanager
def _process(
    command: list[str], settings: dict[str, str], ready: str, output: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, **settings}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.DEVNULL, text=True
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
