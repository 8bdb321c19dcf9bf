"""Whether the registry is well, and what runs here."""

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
from catapult.api.wire.parameters import NoQuery
from catapult.api.wire.rendering import encode
from catapult.contract.schemas import HealthOut, InfoOut
from catapult.errors import InsufficientStorage
from catapult.extensions import autocommit, current_settings
from catapult.queries import api_keys as stored_keys
from catapult.queries import registry, schema_version
from catapult.rules import key_format
from catapult.tables import Role
from catapult.web import metrics

blp = Blueprint("service", __name__, url_prefix="/api", description="Whether the registry is well")
probes = PlainBlueprint("probes", __name__)
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
RETRY_AFTER = {"Retry-After": "2"}


@blp.route("/health", methods=["GET"])
@blp.arguments(NoQuery, location="query")
@blp.opens(HealthOut, 200, 503)
def get_health(_: dict[str, Any]) -> Response:
    """Ask whether the registry can work"""
    well = _database_answers()
    state = {"status": "healthy", "database": "ok"} if well else {"status": "unhealthy", "database": "unreachable"}
    return _json({**state, "version": version.VERSION}, 200 if well else 503)


@blp.route("/v1/info", methods=["GET"])
@blp.needs(Role.VIEWER)
@blp.arguments(NoQuery, location="query")
@blp.answers(200, InfoOut)
def get_info(_: dict[str, Any]) -> Any:
    """Ask what runs here"""
    return info()


@probes.get("/livez")
def live() -> Response:
    """The process works; the database is not asked."""
    return _json({"status": "ok"}, 200)


@probes.get("/readyz")
def ready() -> Response:
    """The database answers and its schema is the one this code was written for; with `verbose`, each check by itself."""
    if "verbose" in request.args:
        return _each_check()
    try:
        at = registry.migration()
    except SQLAlchemyError:
        return _json({"status": "not ready", "reason": "The database cannot be reached."}, 503)
    if at != schema_version.head():
        return _json(
            {"status": "not ready", "reason": "The schema is not at its head. Run `flask up` or `flask db upgrade`."},
            503,
        )
    return _json({"status": "ready"}, 200)


@probes.get("/metrics")
def show_metrics() -> Response:
    """Figures for Prometheus."""
    metrics.check_access()
    autocommit()
    figures = metrics.of(current_app._get_current_object())  # type: ignore[attr-defined]
    if figures is None:
        raise InsufficientStorage(
            "The disk that the figures are on is full. Whoever runs the registry must free space."
        )
    return Response(figures.text(), content_type=OPENMETRICS)


def info() -> SimpleNamespace:
    """What runs here, asked in two statements."""
    asked = registry.database()
    return SimpleNamespace(
        name="catapult",
        version=version.VERSION,
        api_version="v1",
        database=asked.version,
        migration=asked.migration,
        python=platform.python_version(),
        time=asked.time,
        counts=registry.counts(),
    )


def _each_check() -> Response:
    """Every check with its outcome and the milliseconds it took. After one that failed the others are not made."""
    outcomes: dict[str, dict[str, Any]] = {}
    for name, (check, reason) in CHECKS.items():
        if any(outcome["status"] == "failed" for outcome in outcomes.values()):
            outcomes[name] = {"status": "skipped"}
        else:
            outcomes[name] = _outcome(check, reason)
    well = all(outcome["status"] == "ok" for outcome in outcomes.values())
    return _json({"status": "ready" if well else "not ready", "checks": outcomes}, 200 if well else 503)


def _outcome(check: Callable[[], bool], reason: str) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        passed = check()
    except SQLAlchemyError:
        passed = False
    ms = round((time.perf_counter() - began) * 1000, 2)
    return {"status": "ok", "ms": ms} if passed else {"status": "failed", "ms": ms, "reason": reason}


def _salt_fits() -> bool:
    marks = stored_keys.salt_marks()
    return not marks or key_format.salt_mark(current_settings().api_key_salt) in marks


def _database_answers() -> bool:
    try:
        registry.ping()
    except SQLAlchemyError:
        return False
    return True


def _json(body: dict[str, Any], status: int) -> Response:
    headers = RETRY_AFTER if status == 503 else {}
    return Response(encode(body), status, headers, content_type="application/json")


CHECKS: dict[str, tuple[Callable[[], bool], str]] = {
    "database": (_database_answers, "The database cannot be reached."),
    "migrations": (
        lambda: registry.migration() == schema_version.head(),
        "The schema is not at its head. Run `flask up` or `flask db upgrade`.",
    ),
    "settings": (_salt_fits, "API_KEY_SALT is not the one that the stored keys were made with."),
}
