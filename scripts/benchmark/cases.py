"""The requests that are measured, and their bounds."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
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
from .made_up import FAMILIES, TASKS, TEAMS
from .registries import run
from .servers import SALT

STEADY, FEW = 1.5, 4.0
"""How many times as long it may take in the large registry: what should not grow, and what shows up to 50 models, of which the
small registry has ten."""

ROWS = 100
DEEP = 1_000
"""The number of the page that is requested deep in a list, or else the last full one."""

ASKED_AGAIN = 100
"""Models whose versions are filtered: a process keeps about that many statements that it built."""

READ, WRITE = "floor: one SELECT", "floor: one INSERT"
PAGE = "GET 100 versions"
OPEN = ("development", "integration", "canary", "staging")
"""Environments without a gate."""

CHOICE = "SELECT {} FROM {} WHERE {} ORDER BY md5(id::text) LIMIT 1000"
SIGNED = """
WITH key AS (
    INSERT INTO trusted_keys (id, name, public_key, fingerprint, created_by)
    VALUES (gen_random_uuid(), 'bench', '-----BEGIN PUBLIC KEY-----', repeat('a', 64), 'bench')
    ON CONFLICT (lower(name)) WHERE deleted_at IS NULL DO NOTHING RETURNING id
), gate AS (
    INSERT INTO gates (id, model, target, kind, count, created_by)
    SELECT gen_random_uuid(), '*', '{environment}', 'signed', 1, 'bench' FROM key
)
INSERT INTO image_checks (version_id, repository, digest_status, detail, checked_at, verified_at, signatures)
SELECT version.id, '', 'verified', '', now(), now(), jsonb_build_array(
    jsonb_build_object('key_id', key.id, 'key', 'bench', 'layout', 'bundle', 'verified_at', now()))
FROM versions AS version, key WHERE version.model_id = '{model}' ON CONFLICT DO NOTHING RETURNING version_id
"""
"""A gate before an environment that asks for signed images, and the signatures of a model's versions."""
CHANGEABLE = "status = 'active' AND released_at IS NULL"
BIGGEST = "SELECT name FROM models ORDER BY version_count DESC LIMIT 1"
LIVE = """
SELECT name FROM models WHERE id IN (
    SELECT model_id FROM deployments WHERE place = 'production' AND live_from IS NOT NULL AND ended_at IS NULL
) ORDER BY id LIMIT 1000
"""


class Case(NamedTuple):
    """A kind of request, and the floor it is compared with.

    `bound` is how many times as long it may take in the large registry; where there is one registry only, the least rate as a
    ratio to the floor's. `bare` requests go to the floor's server.
    """

    name: str
    asked: Asked
    floor: str
    bound: float | None = None
    bare: bool = False


class Access(NamedTuple):
    """A key, the cookie of a session, and the address of the deep page."""

    key: str
    cookie: str
    deep: str


def access(app: Flask) -> Access:
    """Create a key and a session of it. The deep page is found as clients find it, by following the links."""
    with app.test_request_context():
        key: str = api_keys.create(actor=CLI, salt=SALT, name="bench", role=Role.ADMIN).key
        token, cookie = sessions.sign_in(actor=auth.bearer_of(key)), auth.session_cookie()
        db.session.remove()
    with app.app_context():
        deep = _deep(app, key)
        db.session.remove()
        db.engine.dispose()
    return Access(key, f"{cookie}={token}", deep)


def _deep(app: Flask, key: str) -> str:
    """Return the address of the page number `DEEP`, or else of the last full page."""
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


def basic_cases(url: str, _: Access) -> list[Case]:
    """The requests that are compared with the floor on a small registry."""
    versions, biggest = _chosen(url, "id", "versions"), run(url, BIGGEST)[0][0]
    model = run(url, "SELECT id FROM models ORDER BY version_count DESC LIMIT 1")[0][0]
    changeable = _chosen(url, "id", "versions", f"model_id = '{model}' AND {CHANGEABLE}")
    deployed = _bodies({"release_id": version, "environment": OPEN[-1]} for version in changeable)
    signed = _bodies({"release_id": version, "environment": OPEN[-2]} for version in changeable)
    run(url, SIGNED.format(model=model, environment=OPEN[-2]))
    return [
        _bare_read(url),
        Case("GET one version", Asked([f"/api/v1/versions/{version}" for version in versions]), READ, 0.5),
        Case("GET latest", Asked([f"/api/v1/versions/latest?model_name={biggest}"]), READ, 0.4),
        Case(PAGE, Asked(["/api/v1/versions?limit=100"]), READ, 0.12),
        _bare_write(),
        Case("POST a version", Asked(["/api/v1/versions"], _new_versions([model])), WRITE, 0.25),
        Case("deploy one model", Asked(["/api/v1/deployments"], deployed), WRITE, 0.15),
        Case("deploy it signed", Asked(["/api/v1/deployments"], signed), WRITE, 0.14),
        Case("promote one model", Asked(_verbs(changeable), ["{}"]), WRITE, 0.15),
    ]


def control_plane_cases(url: str, _: Access) -> list[Case]:
    """What has to stay within twice a page of 100 versions, whatever the tables hold."""
    then = (datetime.now(UTC) - timedelta(days=60)).isoformat(timespec="seconds").replace("+00:00", "Z")
    live, number = "/api/v1/environments/production/live", quote("metadata.accuracy >= 0.95")
    filtered = f"/api/v1/versions?model_name={run(url, BIGGEST)[0][0]}&limit=100&filter={number}"
    paths = {
        "matrix of 100 models": "/api/v1/live?limit=100",
        "live at a time": f"{live}?at={then}&limit=100",
        "live now": f"{live}?limit=100",
        "filter by a number": filtered,
    }
    page = Case(PAGE, Asked(["/api/v1/versions?limit=100"]), PAGE)
    return [page, *(Case(name, Asked([path]), PAGE, 0.5) for name, path in paths.items())]


def cases(url: str, granted: Access) -> list[Case]:
    """The requests that are compared between a small and a large registry."""
    return [*reads(url, granted), *pages(url, granted), *writes(url)]


def reads(url: str, granted: Access) -> list[Case]:
    versions = _chosen(url, "id", "versions")
    names = _chosen(url, "name", "models")
    subjects = _chosen(url, "resource_id", "audit_logs", "action = 'version.create'")
    latest = "/api/v1/versions/latest?model_name={}"
    high, none = quote("metadata.accuracy >= 0.95"), quote("metadata.accuracy > 2")
    steady = {
        "one version": [f"/api/v1/versions/{version}" for version in versions],
        "latest version of a model": [latest.format(name) for name in names],
        "latest in an environment": [latest.format(row[0]) + "&environment=production" for row in run(url, LIVE)],
        "list, first page": [f"/api/v1/versions?limit={ROWS}"],
        f"list, page {DEEP:,}": [granted.deep],
        "audit list": [f"/api/v1/audit-logs?limit={ROWS}"],
        "audit list of one thing": [f"/api/v1/audit-logs?resource_id={subject}" for subject in subjects],
    }
    few = {
        "search": [f"/api/v1/models?limit=50&search={word}" for word in _words(names)],
        "filter by a number": [
            f"/api/v1/versions?limit=50&model_name={name}&filter={high}" for name in names[:ASKED_AGAIN]
        ],
        "filter of all models": [f"/api/v1/versions?limit=50&filter={high}", f"/api/v1/versions?filter={none}"],
    }
    unbound = {"info": ["/api/v1/info"], "readiness, each check": ["/readyz?verbose"], "metrics": ["/metrics"]}
    bounds: tuple[tuple[dict[str, list[str]], float | None], ...] = ((steady, STEADY), (few, FEW), (unbound, None))
    listed = (Case(name, Asked(paths), READ, bound) for group, bound in bounds for name, paths in group.items())
    return [_bare_read(url), *listed]


def pages(url: str, granted: Access) -> list[Case]:
    names = _chosen(url, "name", "models")
    listed = {
        "overview page": ["/"],
        "models page": ["/models"],
        "search page": [f"/search?q={word}" for word in _words(names)],
        "page of a model": [f"/models/{name}" for name in names],
        "environments page": ["/environments"],
        "timeline of 90 days": ["/environments?days=90&lanes=all"],
        "audit page": ["/audit"],
        "inbox page": ["/inbox"],
    }
    return [Case(name, Asked(paths, cookie=granted.cookie), READ, FEW) for name, paths in listed.items()]


def writes(url: str) -> list[Case]:
    ids = _chosen(url, "id", "versions", CHANGEABLE)
    deployed = _bodies({"release_id": version, "environment": OPEN[n % len(OPEN)]} for n, version in enumerate(ids))
    created = _new_versions(_chosen(url, "id", "models"))
    return [
        _bare_write(),
        Case("create a version", Asked(["/api/v1/versions"], created), WRITE, STEADY),
        Case("promote, and demote", Asked(_verbs(ids), ["{}"]), WRITE, STEADY),
        Case("deploy", Asked(["/api/v1/deployments"], deployed), WRITE, STEADY),
    ]


def _bare_read(url: str) -> Case:
    return Case(READ, Asked([f"/read/{row}" for row in _chosen(url, "id", "floor")]), READ, bare=True)


def _bare_write() -> Case:
    return Case(WRITE, Asked(["/write"], ["{}"]), WRITE, bare=True)


def _verbs(versions: list[str]) -> list[str]:
    """Return the addresses that promote each version, then those that demote each."""
    return [f"/api/v1/versions/{version}/{verb}" for verb in ("promote", "demote") for version in versions]


def _new_versions(models: list[str]) -> list[str]:
    """Return a body for each model, which creates another version in each request."""
    numbers = {"accuracy": 0.95, "loss": 0.1, "epochs": 9, "eval": {"f1": 0.9, "auc": 0.9}}
    fields = {"digest": "sha256:" + "ab" * 32, "version": f"900.0.0-{UNIQUE}", "tag": "v900"}
    metadata = {"framework": "pytorch 2.8.0", **numbers}
    return _bodies({"model_id": model, **fields, "metadata": metadata} for model in models)


def _bodies(objects: Iterable[dict[str, Any]]) -> list[str]:
    return [json.dumps(each) for each in objects]


def _words(names: list[str]) -> list[str]:
    """Return words of few models' names, of many models' names, and of none."""
    words = [*(name.rsplit("/", 1)[-1] for name in names[:30]), *TEAMS, *TASKS, *FAMILIES, "trained", "zeppelin"]
    Random(0).shuffle(words)  # noqa: S311 - the same every time
    return words


def _chosen(url: str, column: str, table: str, condition: str = "true") -> list[str]:
    """Return up to 1,000 values at random, the same ones every time."""
    return [str(row[0]) for row in run(url, CHOICE.format(column, table, condition))]
