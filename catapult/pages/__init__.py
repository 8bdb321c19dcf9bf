"""Door: the pages for people, one file a noun. The folders in `templates/` have the same names.

Every address returns a whole page, and every form works without JavaScript; HTMX swaps blocks of the same templates.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, g, request, url_for
from werkzeug.routing import BaseConverter

from catapult import version
from catapult.pages import (
    aliases,
    all_versions,
    api_keys,
    artifacts,
    audit_logs,
    comments,
    comparison,
    decisions,
    deployments,
    docs,
    environments,
    gates,
    image_trust,
    inbox,
    jobs,
    me,
    overview,
    people,
    registered_models,
    registries,
    retirements,
    rollbacks,
    saved_views,
    scripts,
    search,
    sign_in,
    trusted_keys,
    versions,
    webhooks,
)
from catapult.pages.parts import charts, formats, framed, lists
from catapult.pages.parts import image_trust as trust
from catapult.queries.sessions import LONGEST
from catapult.rules.gates import OWN_REQUEST
from catapult.tables import MODEL_SEGMENT, Role

NOUNS = [sign_in, overview, search, inbox, registered_models, all_versions, versions, comments, comparison, deployments]
NOUNS += [
    environments,
    rollbacks,
    retirements,
    decisions,
    gates,
    audit_logs,
    api_keys,
    people,
    me,
    saved_views,
    trusted_keys,
    registries,
    webhooks,
    jobs,
    docs,
    artifacts,
    aliases,
    image_trust,
]
YEAR = 365 * 86_400
SOON = timedelta(days=7)
"""How long before its end every page tells the holder of a key about it."""

STATIC = Path(__file__).parent.parent / "static"
JSON_DOOR = ("/api/", "/ajax-api/", "/openapi.json", "/livez", "/readyz")


class ModelName(BaseConverter):
    """A model's name in an address; no segment is a word that the addresses of the pages use."""

    part_isolating = False
    _segment = rf"(?!(?i:versions|compare)(?:/|$)){MODEL_SEGMENT}"
    regex = rf"{_segment}(?:/{_segment})*"

    def to_url(self, value: str) -> str:
        return value.replace(" ", "%20")


def init_app(app: Flask) -> None:
    """Serve the pages at `/`."""
    app.url_map.converters["model"] = ModelName
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = YEAR
    door = Blueprint("pages", __name__)
    for part in (*NOUNS, scripts):
        door.register_blueprint(part.blp)
    app.register_blueprint(door)
    app.jinja_env.filters.update(formats.FILTERS, point_links=charts.point_links)
    app.jinja_env.globals.update(asks=OWN_REQUEST, trust_of=trust.of)
    app.jinja_env.globals.update(unsound_image=trust.unsound, version_page=formats.version_page)
    app.jinja_env.tests.update(formats.TESTS)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.context_processor(_shell)


def answers_here() -> bool:
    """Return whether the request is for a page and not for the JSON API."""
    return "pages" in request.blueprints or (
        not f"{request.path}/".startswith(JSON_DOOR) and "text/html" in request.headers.get("Accept", "")
    )


def _shell() -> dict[str, Any]:
    """Return what the frame around every page shows."""
    actor = g.get("actor")
    return {
        "actor": actor,
        "may": lambda role: actor is not None and actor.role.holds(Role(role)),
        "session": g.get("session"),
        "asset": asset,
        "scripts": scripts.address,
        "theme": {"light": "light", "dark": "dark"}.get(request.cookies.get("theme", "")),
        "frame": framed.read,
        "my_views": framed.views,
        "list_address": lists.here,
        "release": version.VERSION,
        "session_ends": _session_end,
        "utcnow": lambda: datetime.now(UTC),
        "key_ends": _key_end(actor),
    }


def _key_end(actor: Any) -> datetime | None:
    """Return when the key in use expires, if that is soon."""
    if actor is None or actor.expires_at is None:
        return None
    end: datetime = actor.expires_at.astimezone(UTC)
    return end if end - datetime.now(UTC) <= SOON else None


def _session_end(session: Any) -> datetime:
    """Return the latest end of the session: twelve hours after its start, or when its key expires."""
    last: datetime = session.began_at + LONGEST
    end = min(last, session.expires_at) if session.expires_at else last
    return end.astimezone(UTC)  # a connection pooler may return another time zone


def asset(name: str) -> str:
    """Return the address of a static file. It changes with the content, so browsers may cache it for a year."""
    return url_for("static", filename=name, v=_fingerprint(name))


@cache
def _fingerprint(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
