"""Figures for Prometheus: what was asked and how long it took, connections in use, what the registry holds.

Requests are counted in files that all workers share; what the registry holds is asked at a scrape, in each process at most
every ten seconds. prometheus-client is loaded when the first figure is needed: it chooses between one process and several by then.
"""

import hmac
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, request
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from catapult import config, version
from catapult.config import Settings
from catapult.errors import Forbidden, Unauthenticated
from catapult.extensions import current_settings, db
from catapult.queries import registry_metrics as registry_figures
from catapult.queries.registry_metrics import Held
from catapult.web import auth, error_handlers, forwarded

log = structlog.get_logger("catapult")
EXTENSION = "catapult-figures"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
FRESH = 10.0  # seconds
KINDS = ("counter", "histogram", "gauge_livesum")
BYTES = 512 * 1024
"""Of each kind's file: all routes take less."""


class Figures:
    """What this server did, and what its registry holds. `folder` is where several processes share their figures."""

    def __init__(self, engine: Engine, folder: Path | None) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.engine, self.folder, self.registry = engine, folder, CollectorRegistry()
        self.holding = Holding()
        names: Any = {"namespace": "catapult", "registry": self.registry}
        self.requests: Any = Counter("requests", "Requests answered.", ["method", "route", "status"], **names)
        self.seconds: Any = Histogram(
            "request_duration_seconds", "Time until the answer began.", ["method", "route"], buckets=BUCKETS, **names
        )
        self.in_use: Any = Gauge(
            "database_connections_in_use", "Of the pools' connections.", multiprocess_mode="livesum", **names
        )
        self.allowed: Any = Gauge(
            "database_connections_allowed", "That the pools may open.", multiprocess_mode="livesum", **names
        )

    def count(self, response: Response) -> None:
        """The request is counted by its route's template: an address would be a series of its own for each thing."""
        method = request.method if request.method in METHODS else "other"
        route = request.url_rule.rule if request.url_rule else "none"
        self.requests.labels(method, route, str(response.status_code)).inc()
        self.seconds.labels(method, route).observe(time.perf_counter() - g.get("started", time.perf_counter()))

    def sample(self) -> None:
        """How many connections this process has in use now."""
        pool: Any = self.engine.pool
        self.in_use.set(pool.checkedout())
        self.allowed.set(pool.size())

    def text(self) -> str:
        """All of it, as OpenMetrics."""
        from prometheus_client.openmetrics.exposition import generate_latest

        self.sample()
        joined = Joined([*self._of_processes().collect(), *self.holding.collect()])
        return str(generate_latest(joined).decode())  # type: ignore[no-untyped-call]

    def _of_processes(self) -> Any:
        if self.folder is None:
            return self.registry
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        shared = CollectorRegistry()
        MultiProcessCollector(shared, str(self.folder))  # type: ignore[no-untyped-call]
        return shared


class Joined:
    """What prometheus-client writes out: anything that can be collected."""

    def __init__(self, families: Iterable[Any]) -> None:
        self.families = families

    def collect(self) -> Iterable[Any]:
        return self.families


class Holding:
    """What the registry holds, from a registry of its own: asked by one thread at a time, and kept for some seconds."""

    def __init__(self) -> None:
        self.lock, self.until = Lock(), 0.0
        self.held: Held | None = None
        self.up = False

    def collect(self) -> Iterator[Any]:
        """Nothing but `catapult_database_up` while the database does not answer, or is too busy to."""
        held = self._fresh()
        yield _gauge("build", "What runs here.", ["version"], [((version.VERSION,), 1)], kind="info")
        yield _gauge("database_up", "Whether the database answered.", [], [((), int(self.up))])
        if held is not None:
            yield from _families(held)

    def _fresh(self) -> Held | None:
        with self.lock:
            if time.monotonic() >= self.until:
                self.held, self.up = _asked()
                self.until = time.monotonic() + FRESH
            return self.held


def _asked() -> tuple[Held | None, bool]:
    """What the registry holds, and whether its database is up: busy is not gone."""
    try:
        return registry_figures.held(), True
    except SQLAlchemyError as error:
        db.session.rollback()
        log.warning("the registry's figures could not be read", error=type(error).__name__)
        return None, error_handlers.of_database(error) is not error_handlers.DOWN


def _families(held: Held) -> Iterator[Any]:
    """Names and units as Prometheus has them: seconds, no rates."""
    for name, number in held.counts.items():
        about = f"{name.capitalize()} that are kept; estimated above 10,000."
        yield _gauge(name, about, [], [((), number)])
    by = ["environment", "status"]
    kept = [((row.place, row.status), row.number) for row in held.deployments]
    yield _gauge("deployments_by_outcome", "Deployments that are kept; estimated above 10,000.", by, kept)
    recent = [((row.place, row.status), row.number) for row in held.last_hour]
    yield _gauge("deployments_last_hour", "Deployments made within the last hour, 10,000 at most.", by, recent)
    places = [(row.place,) for row in held.live]
    live: dict[str, tuple[str, Callable[[Any], float]]] = {
        "live_deployments": ("Deployments that are live.", lambda row: row.number),
        "live_newest_age_seconds": ("Since something last went live there.", lambda row: row.newest),
        "live_oldest_age_seconds": ("Since the oldest of what is live went live.", lambda row: row.oldest),
    }
    for name, (about, read) in live.items():
        yield _gauge(name, about, ["environment"], list(zip(places, map(read, held.live), strict=True)))
    yield _gauge("keys_expiring", "Active keys that expire within 14 days.", [], [((), held.keys_expiring)])


def _gauge(name: str, about: str, labels: list[str], values: list[tuple[Any, float]], kind: str = "gauge") -> Any:
    from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

    if kind == "info":
        return InfoMetricFamily(f"catapult_{name}", about, dict(zip(labels, values[0][0], strict=True)))
    family = GaugeMetricFamily(f"catapult_{name}", about, labels=labels)
    for value, number in values:
        family.add_metric(value, number)
    return family


class Observer:
    """The figures of an application, made when the first is needed. `folder` is set before that, if it ever is."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.folder: Path | None = None
        self._figures: Figures | None = None
        self._lock = Lock()
        self._said = False

    @property
    def figures(self) -> Figures | None:
        """None while there is no room for them on their disk; the first call after that makes them."""
        with self._lock:
            if self._figures is None and self._has_room():
                self._figures = Figures(self.engine, self.folder)
            return self._figures

    def _has_room(self) -> bool:
        if self.folder is None:
            return True
        try:
            make_room(self.folder)
        except OSError as error:
            if not self._said:
                log.warning("no figures: they have no room", folder=str(self.folder), reason=error.strerror)
            self._said = True
            return False
        return True


def make_room(folder: Path) -> None:
    """This process's files in it have their place on the disk. Raises OSError if it is full.

    prometheus-client writes through memory to files that have none yet: on a full disk the kernel kills whoever does that.
    """
    for kind in KINDS if hasattr(os, "posix_fallocate") else ():
        path = folder / f"{kind}_{os.getpid()}.db"
        if path.exists():  # of a process before this one, with its number
            continue
        made = path.with_suffix(".new")
        try:
            with made.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, BYTES)
            made.rename(path)
        except OSError:
            made.unlink(missing_ok=True)
            raise


def init_app(app: Flask, engine: Engine) -> None:
    """Every answer is counted."""
    app.extensions[EXTENSION] = Observer(engine)
    app.after_request(count)


def share(app: Flask, settings: Settings) -> Path:
    """Before workers are forked: they will share their figures in the folder that is returned, which is empty now."""
    folder = settings.metrics_folder or (settings.home / "metrics" if settings.embedded else Path(_temporary()))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in (*folder.glob("*.db"), *folder.glob("*.new")):
        left.unlink()
    config.share_metrics(folder)
    app.extensions[EXTENSION].folder = folder
    return folder


def clear(settings: Settings, folder: Path) -> None:
    """After the last worker: a folder that was made for this run goes with it."""
    if not (settings.embedded or settings.metrics_folder):
        shutil.rmtree(folder, ignore_errors=True)


def forget(folder: Path, pid: int) -> None:
    """A worker has ended: what it had in use is not in use any more. What it counted stays."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


def of(app: Flask) -> Figures | None:
    """The application's figures; None while there is no room for them."""
    observer: Observer = app.extensions[EXTENSION]
    return observer.figures


def sample(app: Flask) -> None:
    """How many connections this process has in use is known."""
    figures = of(app)
    if figures is not None:
        figures.sample()


def count(response: Response) -> Response:
    """For `after_request`: the request is counted."""
    figures = of(current_app)
    if figures is not None:
        figures.count(response)
    return response


def check_access() -> None:
    """Nothing, if the request bears METRICS_KEY, or, without the setting, comes from this machine.

    Raises Unauthenticated, Forbidden.
    """
    wanted = current_settings().metrics_key
    if wanted and not hmac.compare_digest(wanted.encode(), auth.sent_key().encode()):
        raise Unauthenticated("Send METRICS_KEY as Authorization: Bearer <key>.")
    if not wanted and not forwarded.is_loopback(request.environ):
        raise Forbidden("Metrics are for this machine alone. Set METRICS_KEY to read them from another.")


def _temporary() -> str:
    return tempfile.mkdtemp(prefix=f"catapult-metrics-{os.getpid()}-")
