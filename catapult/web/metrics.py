"""Metrics for Prometheus: requests and their duration, database connections in use, and the contents of the registry.

Requests are counted in files that all workers share. The registry is queried at a scrape, at most every ten seconds per
process. prometheus-client is imported late, because it decides at import whether it counts for one process or several.
"""

import hmac
import os
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, cast

import structlog
from flask import Flask, Response, current_app, g, request
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from catapult import config, version
from catapult.config import Settings
from catapult.errors import Forbidden, Unauthenticated
from catapult.extensions import current_settings, db
from catapult.queries import registry_metrics
from catapult.queries.registry_metrics import RegistryFigures
from catapult.web import auth, error_handlers, forwarded

log = structlog.get_logger("catapult")
EXTENSION = "catapult-figures"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
FRESH = 10.0  # seconds
OTHER = "other"
KINDS = ("counter", "histogram", "gauge_livesum")
BYTES = 512 * 1024
"""Space for each kind's file; all routes need less."""


class Figures:
    """The metrics of this server. In `folder` several processes share their counts."""

    def __init__(self, engine: Engine, folder: Path | None) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.engine, self.folder, self.registry = engine, folder, CollectorRegistry()
        self.collector: Any = RegistryCollector()
        self.registry.register(self.collector)
        names: Any = {"namespace": "catapult", "registry": self.registry}
        self.requests: Any = Counter("requests", "Requests answered.", ["method", "route", "status"], **names)
        self.seconds: Any = Histogram(
            "request_duration_seconds", "Time until the answer began.", ["method", "route"], buckets=BUCKETS, **names
        )
        gauge: Any = partial(Gauge, multiprocess_mode="livesum", **names)
        self.in_use = gauge("database_connections_in_use", "Database connections in use.")
        self.allowed = gauge("database_connections_allowed", "Database connections that the pools may open.")

    def count(self, response: Response) -> None:
        """Count the request under its route's template, since each address would create a series."""
        method = request.method if request.method in METHODS else "other"
        route = request.url_rule.rule if request.url_rule else "none"
        self.requests.labels(method, route, str(response.status_code)).inc()
        self.seconds.labels(method, route).observe(time.perf_counter() - g.get("started", time.perf_counter()))

    def sample(self) -> None:
        """Set how many connections this process uses now."""
        pool: Any = self.engine.pool
        self.in_use.set(pool.checkedout())
        self.allowed.set(pool.size())

    def text(self) -> str:
        """Return all metrics in the OpenMetrics format."""
        from prometheus_client.openmetrics.exposition import generate_latest

        self.sample()
        return str(generate_latest(self._of_processes()).decode())  # type: ignore[no-untyped-call]

    def _of_processes(self) -> Any:
        if self.folder is None:
            return self.registry
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        shared = CollectorRegistry()
        MultiProcessCollector(shared, str(self.folder))  # type: ignore[no-untyped-call]
        shared.register(self.collector)
        return shared


class RegistryCollector:
    """Metrics of the registry's contents, queried by one thread at a time and cached for `FRESH` seconds."""

    def __init__(self) -> None:
        self.lock, self.until = Lock(), 0.0
        self.figures: RegistryFigures | None = None
        self.up = False

    def collect(self) -> Iterator[Any]:
        """Yield the metrics; only `build` and `database_up` while the database is down or busy."""
        from prometheus_client.core import InfoMetricFamily

        figures = self._fresh()
        yield InfoMetricFamily("catapult_build", "What runs here.", {"version": version.VERSION})
        yield _gauge("database_up", "Whether the database answered.", [], {(): int(self.up)})
        if figures is not None:
            yield from _families(figures)

    def _fresh(self) -> RegistryFigures | None:
        with self.lock:
            if time.monotonic() >= self.until:
                self._query()
                self.until = time.monotonic() + FRESH
            return self.figures

    def _query(self) -> None:
        try:
            self.figures, self.up = registry_metrics.figures(), True
        except SQLAlchemyError as error:
            db.session.rollback()
            log.warning("the registry's metrics could not be read", error=type(error).__name__)
            self.figures, self.up = None, error_handlers.of_database(error) is not error_handlers.DOWN  # busy is up


def _families(figures: RegistryFigures) -> Iterator[Any]:
    """Yield the gauges, in Prometheus' units. Environments after the first share the series `other`.

    Publishers may create any number of environments, and each would be a series for ever.
    """
    named = frozenset(figures.environments)
    for name, number in figures.counts.items():
        yield _gauge(name, f"{name.capitalize()} not deleted; estimated above 10,000.", [], {(): number})
    outcomes = {
        "deployments_by_outcome": ("Deployments not deleted; estimated above 10,000.", figures.deployments),
        "deployments_last_hour": ("Deployments of the last hour, 10,000 at most.", figures.last_hour),
    }
    for name, (about, rows) in outcomes.items():
        numbers = Counter[Any]()
        for row in rows:
            numbers[row.place if row.place in named else OTHER, row.status] += row.number
        yield _gauge(name, about, ["environment", "status"], numbers)
    live = defaultdict[Any, list[Any]](list)
    for row in figures.live:
        live[row.place if row.place in named else OTHER,].append(row)
    ages: dict[str, tuple[str, Callable[[list[Any]], float]]] = {
        "live_deployments": ("Live deployments.", lambda rows: sum(row.number for row in rows)),
        "live_newest_age_seconds": ("Time since the newest went live.", lambda rows: min(row.newest for row in rows)),
        "live_oldest_age_seconds": ("Time since the oldest went live.", lambda rows: max(row.oldest for row in rows)),
    }
    for name, (about, fold) in ages.items():
        yield _gauge(name, about, ["environment"], {environment: fold(rows) for environment, rows in live.items()})
    yield _gauge("keys_expiring", "Active keys that expire within 14 days.", [], {(): figures.keys_expiring})
    yield _gauge("worker_up", "Whether a worker ran a job in the last minute.", [], {(): int(figures.jobs.runs)})
    yield _gauge("jobs_due", "Jobs that are due.", [], {(): figures.jobs.due})
    yield _gauge("jobs_oldest_due_seconds", "How long the oldest job has been due.", [], {(): figures.jobs.oldest})
    yield _gauge("jobs_failing", "Jobs that fail again and again.", [], {(): figures.jobs.failing})
    yield _gauge("jobs_failed", "Jobs that failed for good.", [], {(): figures.jobs.failed})
    damaged = {(state,): number for state, number in figures.files_damaged.items()}
    yield _gauge("files_damaged", "Files that were not as they were added, 10,000 at most.", ["state"], damaged)
    changed = {(state,): number for state, number in figures.images_changed.items()}
    yield _gauge("live_images_changed", "Live versions whose image is not as it was registered.", ["state"], changed)
    yield _gauge("deliveries_waiting", "Events on their way, 10,000 at most.", [], {(): figures.deliveries_waiting})


def _gauge(name: str, about: str, labels: list[str], values: Mapping[Any, float]) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(f"catapult_{name}", about, labels=labels)
    for value, number in values.items():
        family.add_metric(value, number)
    return family


class Observer:
    """The metrics of an application, created on first use. Set `folder` before that, if at all."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.folder: Path | None = None
        self._figures: Figures | None = None
        self._lock = Lock()
        self._warned = False

    @property
    def figures(self) -> Figures | None:
        """The metrics, or None while their disk is full."""
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
            if not self._warned:
                log.warning("no metrics: their disk is full", folder=str(self.folder), reason=error.strerror)
            self._warned = True
            return False
        return True


def make_room(folder: Path) -> None:
    """Allocate this process's files in the folder. Raises OSError if the disk is full.

    prometheus-client maps sparse files into memory: on a full disk the kernel kills the process that writes to them.
    """
    for kind in KINDS if hasattr(os, "posix_fallocate") else ():
        path = folder / f"{kind}_{os.getpid()}.db"
        if path.exists():  # left by an earlier process with this id
            continue
        new = path.with_suffix(".new")
        try:
            with new.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, BYTES)
            new.rename(path)
        except OSError:
            new.unlink(missing_ok=True)
            raise


def init_app(app: Flask, engine: Engine) -> None:
    """Count every answer."""
    app.extensions[EXTENSION] = Observer(engine)
    app.after_request(count)


def share(app: Flask, settings: Settings) -> Path:
    """Return the emptied folder in which workers will share their counts. Call it before they are forked."""
    folder = settings.metrics_folder or settings.home / "metrics"
    if not (settings.metrics_folder or settings.embedded):
        folder = Path(tempfile.mkdtemp(prefix=f"catapult-metrics-{os.getpid()}-"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in (*folder.glob("*.db"), *folder.glob("*.new")):
        left.unlink()
    config.share_metrics(folder)
    app.extensions[EXTENSION].folder = folder
    return folder


def clear(settings: Settings, folder: Path) -> None:
    """Remove the folder after the last worker, if it was created for this run."""
    if not (settings.embedded or settings.metrics_folder):
        shutil.rmtree(folder, ignore_errors=True)


def forget(folder: Path, pid: int) -> None:
    """Drop the gauges of a worker that has ended; its counts stay."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


def of(app: Flask) -> Figures | None:
    """Return the application's metrics, or None while their disk is full."""
    return cast(Observer, app.extensions[EXTENSION]).figures


def sample(app: Flask) -> None:
    """Set how many connections this process uses now."""
    figures = of(app)
    if figures is not None:
        figures.sample()


def count(response: Response) -> Response:
    """For `after_request`: count the request."""
    figures = of(current_app)
    if figures is not None:
        figures.count(response)
    return response


def check_access() -> None:
    """Raise Unauthenticated without METRICS_KEY or, if none is set, Forbidden for a request of another machine."""
    wanted = current_settings().metrics_key
    if wanted and not hmac.compare_digest(wanted.encode(), auth.sent_key().encode()):
        raise Unauthenticated("Send METRICS_KEY as Authorization: Bearer <key>.")
    if not wanted and not forwarded.is_loopback(request.environ):
        raise Forbidden("Only this machine may read metrics. Set METRICS_KEY to read them from another one.")
