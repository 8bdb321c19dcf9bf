"""Whether the registry is well, and what runs here."""

import platform
from types import SimpleNamespace
from typing import Any

from flask import Blueprint as PlainBlueprint
from flask import Response
from sqlalchemy.exc import SQLAlchemyError

from catapult import migrations, version
from catapult.api.blueprint import Blueprint
from catapult.api.parameters import NoQuery
from catapult.api.rendering import encode
from catapult.contract.schemas import HealthOut, InfoOut
from catapult.queries import registry
from catapult.tables import Role

blp = Blueprint("service", __name__, url_prefix="/api", description="Whether the registry is well")
probes = PlainBlueprint("probes", __name__)
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
    """The database answers and its schema is the one this code was written for."""
    try:
        at = registry.migration()
    except SQLAlchemyError:
        return _json({"status": "not ready", "reason": "The database cannot be reached."}, 503)
    if at != migrations.head():
        return _json(
            {"status": "not ready", "reason": "The schema is not at its head. Run `flask up` or `flask db upgrade`."},
            503,
        )
    return _json({"status": "ready"}, 200)


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


def _database_answers() -> bool:
    try:
        registry.ping()
    except SQLAlchemyError:
        return False
    return True


def _json(body: dict[str, Any], status: int) -> Response:
    headers = RETRY_AFTER if status == 503 else {}
    return Response(encode(body), status, headers, content_type="application/json")
