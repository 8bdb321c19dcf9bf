#!/usr/bin/env python3
"""How fast is it, beside the bare floor of the same run?

The floor is a bare Flask route with one `text()` SELECT by key through the session (for writes: one INSERT and commit) under
the same gunicorn and database. Everything is printed in requests a second and as a ratio to the floor, so that a figure of
one machine says something about another. Nothing here passes or fails.

    python scripts/bench.py [--seconds 1] [--rounds 3] [--connections 1,8,32] [--workers gthread:2x8,sync:2x1] [--large]

With `--large` it asks a database of 100,000 deployments and as many versions of one model (`large.sql`), and what stands beside
is a page of 100 versions.

It needs wrk (Debian: `apt install wrk`), which takes little of the processor that the server is measured on.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from flask import Flask
from sqlalchemy import text

from catapult import observing, startup
from catapult.app import create_app
from catapult.config import Settings, sqlalchemy_url
from catapult.embedded import serving
from catapult.extensions import db, tend
from catapult.serving import Server

SALT = "the benchmark's salt, long enough for one"
VERSIONS = 1_000
RUN = "<run>"
METADATA = {"pytorch_version": "2.1.0", "accuracy": 0.95, "eval": {"f1": 0.91, "loss": 0.12}, "git_commit": "abc123"}


class Case(NamedTuple):
    """One kind of request: what wrk sends, the floor it is compared with, and the least ratio it should reach."""

    name: str
    script: str
    floor: str = ""
    target: float = 1.0


class Fixture(NamedTuple):
    """What the database holds: the key to send, and ids to ask for."""

    key: str
    model: str
    versions: list[str]


def fill(app: Flask) -> Fixture:
    """A migrated database with one model of 1,000 versions; the floor has a table of its own."""
    with app.app_context():
        key = startup.prepare() or ""
        client = app.test_client()

        def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
            answer = client.post(path, json=body, headers={"X-API-Key": key})
            if answer.status_code != 201:
                raise SystemExit(f"bench: {path} answered {answer.status_code}: {answer.text}")
            return dict(answer.json or {})

        model = post("/api/v1/models", {"name": "bench/model", "storage_path": "docker.io/bench/model"})
        ids = [post("/api/v1/versions", version_body(model["id"], f"1.0.{n}"))["id"] for n in range(VERSIONS)]
        db.session.execute(text("CREATE TABLE floor (id uuid PRIMARY KEY, body text)"))
        db.session.execute(text("INSERT INTO floor SELECT id, version FROM versions"))
        db.session.execute(text("ANALYZE"))
        db.session.connection().commit()
        db.session.remove()
        db.engine.dispose()
    return Fixture(key, model["id"], ids)


def grow(app: Flask) -> None:
    """The database holds what `large.sql` writes, too."""
    with app.app_context():
        connection = db.session.connection().connection
        connection.cursor().execute(Path(__file__).with_name("large.sql").read_text())
        connection.commit()
        db.session.remove()
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as tidy:
            tidy.execute(text("VACUUM ANALYZE"))
        db.engine.dispose()


def version_body(model_id: str, version: str) -> dict[str, Any]:
    digest = "sha256:" + "ab" * 32
    return {"model_id": model_id, "version": version, "tag": f"v{version}", "digest": digest, "metadata": METADATA}


def floor_app(settings: Settings) -> Flask:
    """The same Flask, session and pool, and nothing else."""
    app = create_app(settings)
    bare = Flask("floor")
    bare.config.update(
        SQLALCHEMY_DATABASE_URI=app.config["SQLALCHEMY_DATABASE_URI"],
        SQLALCHEMY_ENGINE_OPTIONS=app.config["SQLALCHEMY_ENGINE_OPTIONS"],
    )
    bare.extensions[observing.EXTENSION] = app.extensions[observing.EXTENSION]  # what the server's own worker asks for
    db.init_app(bare)
    with bare.app_context():
        tend(db.engine)
    select = text("SELECT id, body FROM floor WHERE id = :id")
    insert = text("INSERT INTO floor VALUES (gen_random_uuid(), 'x')")

    @bare.get("/read/<uuid:row>")
    def read(row: Any) -> str:
        return str(db.session.execute(select, {"id": row}).one().body)

    @bare.post("/write")
    def write() -> str:
        db.session.execute(insert)
        db.session.connection().commit()
        return "ok"

    return bare


def cases(fixture: Fixture) -> list[Case]:
    """Every request that is measured."""
    read, write = "floor: one SELECT", "floor: one INSERT"
    latest, page = "/api/v1/versions/latest?model_name=bench/model", "/api/v1/versions?limit=100"
    return [
        Case(read, reading([f"/read/{version}" for version in fixture.versions])),
        Case("GET one version", reading([f"/api/v1/versions/{version}" for version in fixture.versions]), read, 0.5),
        Case("GET latest", reading([latest]), read, 0.4),
        Case("GET 100 versions", reading([page]), read, 0.12),
        Case(write, writing("/write", "{}")),
        Case("POST a version", writing("/api/v1/versions", json.dumps(version_body(fixture.model, "@"))), write, 0.25),
    ]


def large_cases() -> list[Case]:
    """What has to stay within twice a page of 100 versions, whatever the tables hold."""
    page = "GET 100 versions"
    then = (datetime.now(UTC) - timedelta(days=60)).isoformat(timespec="seconds").replace("+00:00", "Z")
    place, number = "/api/v1/environments/production/live", quote("metadata.accuracy >= 0.95")
    return [
        Case(page, reading(["/api/v1/versions?limit=100"])),
        Case("matrix of 100 models", reading(["/api/v1/live?limit=100"]), page, 0.5),
        Case("live at a time", reading([f"{place}?at={then}&limit=100"]), page, 0.5),
        Case("live now", reading([f"{place}?limit=100"]), page, 0.5),
        Case(
            "filter by a number",
            reading([f"/api/v1/versions?model_name=large/big&limit=100&filter={number}"]),
            page,
            0.5,
        ),
    ]


def reading(paths: list[str]) -> str:
    """wrk's script: these paths one after the other."""
    listed = ",".join(f'"{path}"' for path in paths)
    turn = "request = function() n = n % #paths + 1; return wrk.format('GET', paths[n]) end"
    return f"local paths = {{{listed}}}\nlocal n = 0\n{turn}"


def writing(path: str, body: str) -> str:
    """wrk's script: this body again and again, with a number of its own where it holds @."""
    return f"""
local threads = 0
setup = function(thread) threads = threads + 1; thread:set("id", threads) end
local n = 0
request = function()
  n = n + 1
  local body = string.gsub([==[{body}]==], "@", "2.0.0-{RUN}." .. id .. "." .. n)
  return wrk.format("POST", "{path}", nil, body)
end"""


def measure(port: int, key: str, case: Case, seconds: int, connections: int) -> float:
    """Requests a second over so many connections."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(case.script.replace(RUN, f"r{os.urandom(4).hex()}"))
        script.flush()
        headers = ["-H", f"X-API-Key: {key}", "-H", "Content-Type: application/json"]
        load = ["-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, *headers]
        address = f"http://127.0.0.1:{port}"
        printed = subprocess.run(["wrk", *load, address], capture_output=True, text=True, check=True).stdout  # noqa: S607
    figures = dict(line.strip().split(":", 1) for line in printed.splitlines() if ":" in line)
    for fault in ("Non-2xx or 3xx responses", "Socket errors"):
        if fault in figures:
            print(f"  {case.name}: {fault}:{figures[fault]}")
    return float(figures["Requests/sec"])


@contextmanager
def running(app: Flask, settings: Settings, workers: str) -> Iterator[int]:
    """gunicorn with these workers, `gthread:2x8`, in a process of its own; its process id."""
    kind, _, size = workers.partition(":")
    count, _, threads = size.partition("x")
    process = os.fork()
    if process == 0:  # it must not unwind this stack, which would remove the database's folder
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for the rest of the process
        server = Server(app, replace(settings, workers=int(count)), None)
        if kind != "gthread":  # the server's own are of that kind
            server.cfg.set("worker_class", kind)
        server.cfg.set("threads", int(threads or 1))
        try:
            server.run()
        finally:
            os._exit(0)
    try:
        wait_for(settings.port)
        yield process
    finally:
        os.kill(process, signal.SIGTERM)
        os.waitpid(process, 0)


def wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                time.sleep(0.5)
                return
        time.sleep(0.1)
    raise SystemExit("bench: the server did not start")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def memory(master: int) -> float:
    """What gunicorn's processes take of memory, shared pages divided among them (PSS), in MB."""
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return sum(pss(pid) for pid in [str(master), *children]) / 1024


def pss(pid: str) -> int:
    """One process's, in kB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def main() -> None:
    """Print a table for each kind of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=1, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", default="1,8,32")
    parser.add_argument("--workers", default="gthread:2x8")
    parser.add_argument("--large", action="store_true", help="ask a large database what grows with it elsewhere")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("bench: wrk is not installed; on Debian, apt install wrk")
    logs = tempfile.TemporaryFile()  # noqa: SIM115 - a line a request is written, as in production
    os.dup2(logs.fileno(), 2)
    home = Path(tempfile.mkdtemp(prefix="catapult-bench-"))
    try:
        with serving(home) as database:
            url = sqlalchemy_url(database.url)
            settings = Settings(
                home=home,
                embedded=False,
                database_url=url,
                api_key_salt=SALT,
                secret_key=SALT,
                port=free_port(),
                log_level=os.environ.get("LOG_LEVEL", "INFO"),
            )
            compare(settings, options)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def compare(settings: Settings, options: argparse.Namespace) -> None:
    """Both servers run at once and are asked in turn, so that whatever else the machine does meets both alike."""
    app, bare = create_app(settings), floor_app(settings)
    fixture = fill(app)
    if options.large:
        grow(app)
    floor_settings = replace(settings, port=free_port())
    counts = [int(count) for count in options.connections.split(",")]
    for workers in options.workers.split(","):
        print(
            f"\n{workers}: requests/s at {options.connections} connections, and as a ratio to the floor (least wanted)"
        )
        listed = large_cases() if options.large else cases(fixture)
        with running(bare, floor_settings, workers), running(app, settings, workers) as master:
            table = {case.name: [0.0] * len(counts) for case in listed}
            for case in listed:
                measure(settings.port if case.floor or options.large else floor_settings.port, fixture.key, case, 1, 8)
            for place, count in enumerate(counts):
                for _ in range(options.rounds):
                    for case in listed:
                        port = settings.port if case.floor or options.large else floor_settings.port
                        rate = measure(port, fixture.key, case, options.seconds, count)
                        table[case.name][place] += rate / options.rounds
            print(f"  memory (PSS) of gunicorn: {memory(master):.0f} MB")
        for case in listed:
            print("  " + row(case, table))


def row(case: Case, table: dict[str, list[float]]) -> str:
    rates = "".join(f"{rate:9.0f}" for rate in table[case.name])
    if not case.floor:
        return f"{case.name:<20}{rates}"
    ratios = "".join(f"{rate / floor:7.2f}" for rate, floor in zip(table[case.name], table[case.floor], strict=True))
    return f"{case.name:<20}{rates}  {ratios}  ({case.target})"


if __name__ == "__main__":
    main()
