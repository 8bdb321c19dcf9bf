"""Health, readiness, metrics and version information."""

import platform
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from flask import Blueprint as PlainBlueprint
from flask import Response, current_app, request
from sqlalchemy.exc import SQLAlchemyError

from catapult import version
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.rendering import encode
from catapult.contract.service import HealthOut, InfoOut
from catapult.errors import InsufficientStorage
from catapult.extensions import autocommit, current_files, current_settings
from catapult.queries import api_keys, jobs, registry, schema_version
from catapult.rules import key_format
from catapult.storage import StorageError
from catapult.storage.file_client import Files
from catapult.tables import Role
from catapult.web import metrics

blp = Blueprint("service", __name__, url_prefix="/api", description="Health and version information")
probes = PlainBlueprint("probes", __name__)
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
LATE = 300
"""Seconds that a job may be overdue."""
UNREACHABLE = "The database cannot be reached."
WRONG_SCHEMA = "The schema is not at its head. Run `flask up` or `flask db upgrade`."
INCOMPLETE = (
    "The schema is at its head and lacks parts of it: its migrations were others. The log of the start names them."
)


@blp.open_to_all("/health", HealthOut, 200, 503)
def get_health() -> Response:
    """Get the registry's health"""
    healthy = _database_answers()
    state = {"status": "healthy", "database": "ok"} if healthy else {"status": "unhealthy", "database": "unreachable"}
    return _json({**state, "version": version.VERSION}, healthy)


@blp.get("/v1/info", Role.VIEWER)
@blp.answers(200, InfoOut)
def get_info() -> Any:
    """Get version information"""
    return info()


@probes.get("/livez")
def live() -> Response:
    """Answer that the process runs, without asking the database."""
    return _json({"status": "ok"})


@probes.get("/readyz")
def ready() -> Response:
    """Answer whether the database is reachable and its schema fits this code; with `verbose`, every check by itself."""
    if "verbose" in request.args:
        return _each_check()
    try:
        reason = next((reason for check, reason in SCHEMA.values() if not check()), None)
    except SQLAlchemyError:
        reason = UNREACHABLE
    return _json({"status": "not ready", "reason": reason} if reason else {"status": "ready"}, not reason)


@probes.get("/metrics")
def show_metrics() -> Response:
    """Return the metrics for Prometheus."""
    metrics.check_access()
    autocommit()
    figures = metrics.of(current_app._get_current_object())  # type: ignore[attr-defined]
    if figures is None:
        raise InsufficientStorage("The disk for metrics is full. Ask the operator of this registry to free space.")
    return Response(figures.text(), content_type=OPENMETRICS)


def info() -> SimpleNamespace:
    """Return the versions of what runs here, and the size of the registry, from two statements."""
    database = registry.database()
    return SimpleNamespace(
        name="catapult",
        version=version.VERSION,
        api_version="v1",
        database=database.version,
        migration=database.migration,
        python=platform.python_version(),
        time=database.time,
        counts=registry.counts(),
    )


def _each_check() -> Response:
    """Return the outcome of every check and its duration in milliseconds. After a failure the rest are skipped."""
    outcomes: dict[str, dict[str, Any]] = {}
    for name, (check, reason) in CHECKS.items():
        if any(outcome["status"] == "failed" for outcome in outcomes.values()):
            outcomes[name] = {"status": "skipped"}
        else:
            outcomes[name] = _outcome(check, reason)
    ready = all(outcome["status"] == "ok" for outcome in outcomes.values())
    for name, (check, reason) in NOT_DECISIVE.items():
        outcomes[name] = _outcome(check, reason) if ready else {"status": "skipped"}
    if files := current_files():
        outcomes["files"] = _state_of(files) if ready else {"status": "skipped"}
    return _json({"status": "ready" if ready else "not ready", "checks": outcomes}, ready)


def _state_of(files: Files) -> dict[str, Any]:
    """Return whether files can be stored, by the last check of the process for files."""
    began = time.perf_counter()
    try:
        state = files.ask("state")
    except StorageError as error:
        state = {"status": "failed", "reason": f"{error}."}
    return {**state, "ms": round((time.perf_counter() - began) * 1000, 2)}


def _outcome(check: Callable[[], bool], reason: str) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        passed = check()
    except SQLAlchemyError:
        passed = False
    ms = round((time.perf_counter() - began) * 1000, 2)
    return {"status": "ok", "ms": ms} if passed else {"status": "failed", "ms": ms, "reason": reason}


def _worker_runs() -> bool:
    return jobs.depth().runs


def _jobs_are_on_time() -> bool:
    depth = jobs.depth()
    return not depth.failed and not depth.failing and depth.oldest <= LATE


def _salt_fits() -> bool:
    marks = api_keys.salt_marks()
    return not marks or key_format.salt_mark(current_settings().api_key_salt) in marks


def _database_answers() -> bool:
    try:
        registry.ping()
    except SQLAlchemyError:
        return False
    return True


def _schema_fits() -> bool:
    return registry.migration() == schema_version.head()


def _schema_is_complete() -> bool:
    return not schema_version.missing()


def _json(body: dict[str, Any], healthy: bool = True) -> Response:
    status, headers = (200, {}) if healthy else (503, {"Retry-After": "2"})
    return Response(encode(body), status, headers, content_type="application/json")


SCHEMA: dict[str, tuple[Callable[[], bool], str]] = {
    "migrations": (_schema_fits, WRONG_SCHEMA),
    "schema": (_schema_is_complete, INCOMPLETE),
}
CHECKS = {
    "database": (_database_answers, UNREACHABLE),
    **SCHEMA,
    "settings": (_salt_fits, "API_KEY_SALT is not the one that the stored keys were created with."),
}
NOT_DECISIVE: dict[str, tuple[Callable[[], bool], str]] = {
    "worker": (_worker_runs, "No worker has run a job in the last minute. Start `flask worker`."),
    "jobs": (
        _jobs_are_on_time,
        f"A job fails again and again, or has been due for more than {LATE} seconds. See /jobs.",
    ),
}
"""Checks that are shown but do not decide whether the server is ready."""
