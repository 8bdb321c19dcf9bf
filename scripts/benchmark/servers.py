"""gunicorn as `flask up` runs it, and the bare floor beside it, each in processes of its own."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import text

from catapult.app import create_app
from catapult.config import Settings, sqlalchemy_url
from catapult.extensions import check_connections, db
from catapult.server.gunicorn_server import Server
from catapult.web import metrics

SALT = "the benchmark's salt, long enough for one"


def settings_for(url: str) -> Settings:
    """Return the settings of a server on that database, on a port of its own."""
    return Settings(
        home=Path("unused"),
        embedded=False,
        database_url=sqlalchemy_url(url),
        api_key_salt=SALT,
        secret_key=SALT,
        port=free_port(),
        log_level=os.environ.get("LOG_LEVEL", "INFO"),
    )


def floor_app(settings: Settings) -> Flask:
    """Return the same Flask, session and pool with two bare routes: one SELECT by key, and one INSERT and commit."""
    app = create_app(settings)
    bare = Flask("floor")
    bare.config.update(
        SQLALCHEMY_DATABASE_URI=app.config["SQLALCHEMY_DATABASE_URI"],
        SQLALCHEMY_ENGINE_OPTIONS=app.config["SQLALCHEMY_ENGINE_OPTIONS"],
    )
    bare.extensions[metrics.EXTENSION] = app.extensions[metrics.EXTENSION]  # the server's worker needs them
    db.init_app(bare)
    with bare.app_context():
        check_connections(db.engine)
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


@contextmanager
def running(app: Flask, settings: Settings, workers: str) -> Iterator[int]:
    """Run gunicorn with workers like `own:2x8` in a process of its own. Yields its process id."""
    kind, _, size = workers.partition(":")
    count, _, threads = size.partition("x")
    process = os.fork()
    if process == 0:  # it must not unwind this stack, which would remove the database's folder
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
        server = Server(app, replace(settings, workers=int(count)), None)
        if kind != "own":
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
    """Return the memory of gunicorn's processes in MB, shared pages divided among them (PSS)."""
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return sum(pss(pid) for pid in [str(master), *children]) / 1024


def pss(pid: str) -> int:
    """Return the memory of one process in kB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
