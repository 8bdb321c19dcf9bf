"""What a registry is asked for when two of different sizes are compared, and by how much the larger may be slower."""

import json
import re
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote

from flask import Flask

from catapult.actions import api_keys, sessions
from catapult.audit import CLI
from catapult.extensions import db
from catapult.tables import Role
from catapult.web import auth

from .asking import UNIQUE, Asked
from .registries import run
from .servers import SALT
from .words import FAMILIES, OPEN, TASKS, TEAMS

STEADY, FEW = 1.5, 4.0
"""So many times as long at most: what grows with nothing, and what shows up to 50 models, of which a small registry has fewer."""

ROWS = 100
DEEP = 1_000
"""The page that is asked for deep in a list, or the last full one."""

ASKED_AGAIN = 100
"""Models whose versions are filtered: a process keeps about so many statements that it built."""

READ, WRITE = "floor: one SELECT", "floor: one INSERT"
CHOICE = "SELECT {} FROM {} WHERE {} ORDER BY md5(id::text) LIMIT 1000"
CHANGEABLE = "status = 'active' AND released_at IS NULL"


class Case(NamedTuple):
    """A request, the floor it stands beside, and its bound: the median time in the large registry by that in the small one."""

    name: str
    asked: Asked
    floor: str
    bound: float | None = None
    bare: bool = False


class Ways(NamedTuple):
    """What is needed to ask: a key, the cookie of a session, and where the deep page is."""

    key: str
    cookie: str
    deep: str


def ways(app: Flask) -> Ways:
    """A new key and a new session of it. The deep page is found as clients find it, by following the links."""
    with app.test_request_context():
        key: str = api_keys.create(actor=CLI, salt=SALT, name="bench", role=Role.ADMIN).key
        token = sessions.sign_in(actor=auth.bearer_of(key))
        db.session.remove()
    with app.app_context():
        found = Ways(key, f"{auth.COOKIE}={token}", _deep(app, key))
        db.session.remove()
        db.engine.dispose()
    return found


def _deep(app: Flask, key: str) -> str:
    """The address of the page that many pages come before, or of the last full one."""
    client, path, before = app.test_client(), f"/api/v1/versions?limit={ROWS}", ""
    for _ in range(DEEP):
        answer = client.get(path, headers={"X-API-Key": key})
        if len(answer.json or ()) < ROWS:
            return before
        before = path
        link = re.search(r'<https?://[^/]+(/[^>]*)>; rel="next"', answer.headers["Link"])
        if link is None:
            break
        path = link[1]
    return before


def cases(url: str, there: Ways) -> list[Case]:
    """Every request, those that change something last: what is read is then as it was loaded."""
    return [*reads(url, there), *pages(url, there), *writes(url)]


def reads(url: str, there: Ways) -> list[Case]:
    versions = _chosen(url, "id", "versions")
    names = _chosen(url, "name", "models")
    things = _chosen(url, "resource_id", "audit_logs", "action = 'version.create'")
    latest = "/api/v1/versions/latest?model_name={}"
    high, none = quote("metadata.accuracy >= 0.95"), quote("metadata.accuracy > 2")
    listed = {
        "one version": ["/api/v1/versions/" + one for one in versions],
        "latest version of a model": [latest.format(name) for name in names],
        "latest in an environment": [latest.format(name) + "&environment=production" for name in _live(url)],
        "list, first page": [f"/api/v1/versions?limit={ROWS}"],
        f"list, page {DEEP:,}": [there.deep],
        "audit list": [f"/api/v1/audit-logs?limit={ROWS}"],
        "audit list of one thing": [f"/api/v1/audit-logs?resource_id={thing}" for thing in things],
    }
    few = {
        "search": [f"/api/v1/models?limit=50&search={words}" for words in _words(names)],
        "filter by a number": [
            f"/api/v1/versions?limit=50&model_name={name}&filter={high}" for name in names[:ASKED_AGAIN]
        ],
        "filter of all models": [f"/api/v1/versions?limit=50&filter={high}", f"/api/v1/versions?filter={none}"],
    }
    return [
        Case(READ, Asked(["/read/" + one for one in _chosen(url, "id", "floor")]), READ, bare=True),
        *(Case(name, Asked(paths), READ, STEADY) for name, paths in listed.items()),
        *(Case(name, Asked(paths), READ, FEW) for name, paths in few.items()),
        Case("info", Asked(["/api/v1/info"]), READ),
        Case("readiness, each check", Asked(["/readyz?verbose"]), READ),
        Case("metrics", Asked(["/metrics"]), READ),
    ]


def pages(url: str, there: Ways) -> list[Case]:
    names = _chosen(url, "name", "models")
    listed = {
        "overview page": ["/"],
        "models page": ["/models"],
        "search page": [f"/search?q={words}" for words in _words(names)],
        "page of a model": [f"/models/{name}" for name in names],
        "inbox page": ["/inbox"],
    }
    return [Case(name, Asked(paths, cookie=there.cookie), READ, FEW) for name, paths in listed.items()]


def writes(url: str) -> list[Case]:
    ids = _chosen(url, "id", "versions", CHANGEABLE)
    verbs = [f"/api/v1/versions/{one}/{verb}" for verb in ("promote", "demote") for one in ids]
    deployed = [{"release_id": one, "environment": OPEN[n % len(OPEN)]} for n, one in enumerate(ids)]
    made = [_version(model) for model in _chosen(url, "id", "models")]
    return [
        Case(WRITE, Asked(["/write"], ["{}"]), WRITE, bare=True),
        Case("create a version", Asked(["/api/v1/versions"], [json.dumps(body) for body in made]), WRITE, STEADY),
        Case("promote, and demote", Asked(verbs, ["{}"]), WRITE, STEADY),
        Case("deploy", Asked(["/api/v1/deployments"], [json.dumps(body) for body in deployed]), WRITE, STEADY),
    ]


def _version(model: str) -> dict[str, Any]:
    metadata = {
        "framework": "pytorch 2.8.0",
        "accuracy": 0.95,
        "loss": 0.1,
        "epochs": 9,
        "eval": {"f1": 0.9, "auc": 0.9},
    }
    digest, version = "sha256:" + "ab" * 32, f"900.0.0-{UNIQUE}"
    return {"model_id": model, "version": version, "tag": "v900", "digest": digest, "metadata": metadata}


def _words(names: list[str]) -> list[str]:
    """What few models are called, what many are, and what none is."""
    whole = [name.rsplit("/", 1)[-1] for name in names[:30]]
    found = [*whole, *TEAMS, *TASKS, *FAMILIES, "trained", "zeppelin"]
    Random(0).shuffle(found)  # noqa: S311 - the same every time
    return found


def _live(url: str) -> list[str]:
    """Models that are live in production."""
    found = "SELECT name FROM models WHERE id IN (SELECT model_id FROM deployments WHERE {}) ORDER BY id LIMIT 1000"
    live = "place = 'production' AND live_from IS NOT NULL AND ended_at IS NULL"
    return [row[0] for row in run(url, found.format(live))]


def _chosen(url: str, column: str, table: str, condition: str = "true") -> list[str]:
    """At random, and always the same."""
    return [str(row[0]) for row in run(url, CHOICE.format(column, table, condition))]
