"""gunicorn with the application and its settings, run in this process."""

import errno
import logging
import os
import re
import resource
import socket
import sys
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from catapult.config import Settings
from catapult.embedded import Embedded
from catapult.extensions import FILES, THREADS, db
from catapult.server import file_process
from catapult.server.arbiter import Arbiter
from catapult.server.banner import Banner
from catapult.server.handover import Handover
from catapult.server.worker import Worker
from catapult.storage.file_client import Files
from catapult.web import metrics

SPARE_FILES = 100
"""File descriptors of a worker that are not clients: the database's connections, logs, metrics."""
SWITCH = 0.001
"""Seconds after which a thread gives way to another, by default 0.005: one that holds a lock in the database may be waiting."""


class Log(Logger):  # type: ignore[misc]
    """gunicorn's messages in the application's log and format; the application itself logs each request."""

    def setup(self, cfg: Any) -> None:
        """Send gunicorn's messages to the root logger.

        Overrides Logger.setup, which adds a handler and a level. Can go when gunicorn leaves both to the application.
        """
        super().setup(cfg)
        self.error_log.handlers, self.error_log.propagate = [], True
        self.error_log.setLevel(logging.NOTSET)

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log without the quoted input, which may hold an API key.

        Overrides Logger.warning. Can go when gunicorn does not quote a request that it cannot parse.
        """
        if msg.startswith("Invalid request"):
            msg = re.split(r":? b?['\"]", msg, maxsplit=1)[0]
        super().warning(msg, *args, **kwargs)


class Server(BaseApplication):  # type: ignore[misc]
    """The application on gunicorn. docs/decisions/0009, 0029 and 0040 say how workers and threads were chosen.

    With `only_files` it serves the files of versions and nothing else.
    """

    def __init__(
        self,
        app: Flask,
        settings: Settings,
        database: Embedded | None = None,
        first_key: str | None = None,
        only_files: bool = False,
    ) -> None:
        self.app, self.settings, self.database = app, settings, database
        self.banner = Banner(settings.url, first_key, settings.workers, settings.public_url)
        self.metrics = metrics.share(app, settings)
        self.handover = Handover() if only_files or _serves_files(settings) else None
        self.transfers = [file_process.TRANSFERS]
        if only_files:
            self.transfers = [max(1, file_process.ALONE // settings.workers)] * settings.workers
        if self.handover:
            app.extensions[FILES] = Files(self.handover.ask, settings.secret_key)
        super().__init__()

    def load_config(self) -> None:
        address = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        options: dict[str, Any] = {
            "bind": [f"{address}:{self.settings.port}"],
            "workers": self.settings.workers,
            "worker_class": Worker,
            "threads": THREADS,
            "preload_app": True,
            "timeout": 60,
            "graceful_timeout": 20,
            "keepalive": 75,
            "worker_connections": max(
                2 * THREADS, min(1000, (files - SPARE_FILES) // 2)
            ),  # slow clients use a file, too
            "limit_request_line": 8190,  # a filter of 2,000 characters may take three times as many in a URL
            "limit_request_field_size": 16 * 1024,  # more than nginx passes on, which answers with a problem document
            "control_socket_disable": True,
            "forwarded_allow_ips": "",  # only web/forwarded.py reads headers of proxies, those in TRUSTED_PROXIES
            "worker_tmp_dir": "/dev/shm" if os.path.isdir("/dev/shm") else None,  # noqa: S108 - gunicorn's heartbeat
            "logger_class": Log,
            "post_fork": _start_worker,
            "post_worker_init": self.banner.worker_started,
            "child_exit": lambda _, worker: metrics.forget(self.metrics, worker.pid),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Return the application with its templates compiled, once for all workers."""
        for name in self.app.jinja_env.list_templates(extensions=["html"]):
            self.app.jinja_env.get_template(name)
        return self.app

    def run(self) -> None:
        """Serve until SIGTERM or Ctrl-C. Raises SystemExit at the end."""
        owner = os.getpid()
        try:
            Arbiter(self, self.database, self.handover, self.transfers).run()
        finally:
            if os.getpid() == owner:  # not in a worker, which unwinds the same stack when it ends
                metrics.clear(self.settings, self.metrics)
                self.banner.finish()


def _serves_files(settings: Settings) -> bool:
    """Return whether this server serves files itself: it has a storage, and no `flask files` serves them."""
    return not settings.files_url and (settings.embedded or bool(settings.storage_url))


def address_problem(settings: Settings) -> str | None:
    """Return why the address cannot be bound and what to set; None if it can. Called before the schema is migrated."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            return _unbound(settings, error)
    return None


def _unbound(settings: Settings, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{settings.host}:{settings.port} is in use. Stop the program that uses it, or set PORT."
    if error.errno == errno.EACCES:
        return f"PORT is {settings.port}, which this user may not listen on. Set a PORT of 1024 or more."
    return (
        f"HOST is {settings.host}, which is not an address of this machine; conda and some shells set HOST for themselves. "
        "Set HOST=127.0.0.1 for this machine alone, or HOST=0.0.0.0 for all its addresses."
    )


def _start_worker(arbiter: Any, _: Any) -> None:
    """Drop the arbiter's database connections in a new worker, without closing them, and let its threads take turns sooner."""
    sys.setswitchinterval(SWITCH)
    with arbiter.app.app.app_context():
        db.engine.dispose(close=False)
