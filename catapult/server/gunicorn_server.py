"""gunicorn, run in this process: the master owns the embedded PostgreSQL and starts it again when it dies."""

import os
import re
import resource
import socket
import sys
from typing import Any

import structlog
from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from catapult import version
from catapult.config import Settings
from catapult.embedded import Embedded, EmbeddedError
from catapult.extensions import THREADS, db
from catapult.server.balance import Board, SharingWorker
from catapult.server.drain import take_no_more
from catapult.server.lingering_close import PartingWorker
from catapult.web import metrics

SPARE_FILES = 100
log = structlog.get_logger("catapult")


class Keeper(Arbiter):  # type: ignore[misc]
    """gunicorn's master, which looks after the database as it looks after its workers: once a second.

    Not a thread: forking workers from a process with threads can leave a lock held for ever.
    """

    database: Embedded | None = None

    def stop(self, graceful: bool = True) -> None:
        """All workers end. What was sent until now is answered; what comes after is refused, and a proxy sends it elsewhere."""
        if graceful and not (self.systemd or self.reexec_pid or self.master_pid):  # else others listen there, too
            for listener in self.LISTENERS:
                take_no_more(listener)
        super().stop(graceful)

    def murder_workers(self) -> None:
        super().murder_workers()
        if self.database is None or self.database.alive():
            return
        log.error("the embedded PostgreSQL died; starting it again")
        try:
            self.database.start()
        except (EmbeddedError, OSError) as error:  # the latter where the disk is full
            log.warning("the embedded PostgreSQL did not start; trying again", reason=str(error))


class Lines(Logger):  # type: ignore[misc]
    """gunicorn's own lines go where all others go, in the same form; the application writes the one for each request."""

    def setup(self, cfg: Any) -> None:
        self.error_log.handlers, self.error_log.propagate = [], True
        self.access_log.handlers, self.access_log.propagate = [], False

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """gunicorn quotes what it could not parse, and that may hold a key: the quotation is left out."""
        if msg.startswith("Invalid request"):
            msg = re.split(r":? b?['\"]", msg, maxsplit=1)[0]
        super().warning(msg, *args, **kwargs)


class Worker(PartingWorker, SharingWorker):
    """The worker, which says at each round of its loop how many connections of its pool are in use."""

    def notify(self) -> None:
        super().notify()
        metrics.sample(self.app.app)


class Server(BaseApplication):  # type: ignore[misc]
    """The application on gunicorn, with the settings that measured best (docs/decisions)."""

    def __init__(self, app: Flask, settings: Settings, database: Embedded | None) -> None:
        self.app, self.settings, self.database = app, settings, database
        self.board = Board()
        self.metrics = metrics.share(app, settings)
        super().__init__()

    def load_config(self) -> None:
        address = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        options: dict[str, Any] = {
            "bind": [f"{address}:{self.settings.port}"],
            "workers": self.settings.workers,
            "worker_class": Worker,
            "threads": THREADS,
            "preload_app": True,
            "timeout": 60,
            "graceful_timeout": 20,
            "keepalive": 75,
            "worker_connections": connections(),
            "limit_request_line": 8190,  # a filter has up to 2,000 characters, and may be written as three times as many
            "limit_request_field_size": 16 * 1024,  # more than nginx lets through: its refusals are problem documents
            "control_socket_disable": True,
            "forwarded_allow_ips": "",  # whose word is taken, TRUSTED_PROXIES says, and web/forwarded.py alone acts on it
            "secure_scheme_headers": {},
            "forwarder_headers": "",
            "worker_tmp_dir": "/dev/shm" if os.path.isdir("/dev/shm") else None,  # noqa: S108 - gunicorn's heartbeat
            "proc_name": "catapult",
            "logger_class": Lines,
            "when_ready": self._ready,
            "pre_fork": self.board.seat,
            "post_fork": _forget_connections,
            "child_exit": self._forget_worker,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """The application with its templates compiled, once for all workers: the first click waits for none."""
        for name in self.app.jinja_env.list_templates(extensions=["html"]):
            self.app.jinja_env.get_template(name)
        return self.app

    def run(self) -> None:
        """Serves until SIGTERM or Ctrl-C, then raises SystemExit."""
        keeper = Keeper(self)
        keeper.database = self.database
        owner = os.getpid()
        try:
            keeper.run()
        finally:
            if os.getpid() == owner:  # a forked worker that ends unwinds this very stack
                metrics.clear(self.settings, self.metrics)

    def _forget_worker(self, master: Any, worker: Any) -> None:
        self.board.clear(master, worker)
        metrics.forget(self.metrics, worker.pid)

    def _ready(self, _: Arbiter) -> None:
        sys.stdout.write(f"Catapult {version.VERSION} at {self.settings.url}\n")
        sys.stdout.flush()


def connections() -> int:
    """How many a worker holds: as many as the limit of open files lets it, with the database's and others to spare."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(2 * THREADS, min(1000, files - SPARE_FILES))


def port_is_free(settings: Settings) -> bool:
    """Whether this address can be bound now; asked before the schema is touched."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError:
            return False
    return True


def _forget_connections(server: Any, _: Any) -> None:
    """A worker opens connections of its own; those of the master stay the master's."""
    app: Flask = server.app.app
    with app.app_context():
        db.engine.dispose(close=False)
