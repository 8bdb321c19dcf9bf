"""How fast is it beside a bare route: requests a second of the whole application and of the floor, asked in turn.

Both servers run at once, so that whatever else the machine does meets both alike.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from flask import Flask

from catapult.app import create_app
from catapult.extensions import db
from catapult.server import startup

from .asking import UNIQUE, Asked, Client
from .registries import FLOOR, run
from .servers import floor_app, free_port, memory, running, settings_for

VERSIONS = 1_000
READ, WRITE = "floor: one SELECT", "floor: one INSERT"
PAGE = "GET 100 versions"
METADATA = {"pytorch_version": "2.1.0", "accuracy": 0.95, "eval": {"f1": 0.91, "loss": 0.12}, "git_commit": "abc123"}


class Case(NamedTuple):
    """One kind of request, what it is compared with, and the least ratio that it should reach."""

    name: str
    asked: Asked
    floor: str = ""
    target: float = 1.0
    bare: bool = False


class Fixture(NamedTuple):
    """What the database holds: the key to send, and ids to ask for."""

    key: str
    model: str
    versions: list[str]


def compare(url: str, options: argparse.Namespace) -> None:
    """Prints a table for each kind of workers. The database is empty before."""
    settings = settings_for(url)
    bare_settings = replace(settings, port=free_port())
    app, bare = create_app(settings), floor_app(settings)
    fixture = fill(app, url)
    if options.large:
        grow(url)
    ours, floor = Client(settings.port, fixture.key), Client(bare_settings.port, fixture.key)
    listed = large_cases() if options.large else cases(fixture)
    counts = [int(count) for count in options.connections.split(",")]
    for workers in options.workers.split(","):
        print(
            f"\n{workers}: requests/s at {options.connections} connections, and as a ratio to the floor (least wanted)"
        )
        with running(bare, bare_settings, workers), running(app, settings, workers) as master:
            rates = {case.name: [0.0] * len(counts) for case in listed}
            for case in listed:
                (floor if case.bare else ours).ask(case.asked, 1, 8)
            for place, connections, case in _turns(listed, counts, options.rounds):
                figures = (floor if case.bare else ours).ask(case.asked, options.seconds, connections)
                if figures.faults:
                    print(f"  {case.name}: {figures.faults} of {figures.requests} requests failed")
                rates[case.name][place] += figures.rate / options.rounds
            print(f"  memory (PSS) of gunicorn: {memory(master):.0f} MB")
        for case in listed:
            print("  " + row(case, rates))


def _turns(listed: list[Case], counts: list[int], rounds: int) -> Iterator[tuple[int, int, Case]]:
    for place, connections in enumerate(counts):
        for _ in range(rounds):
            yield from ((place, connections, case) for case in listed)


def row(case: Case, rates: dict[str, list[float]]) -> str:
    shown = "".join(f"{rate:9.0f}" for rate in rates[case.name])
    if not case.floor:
        return f"{case.name:<20}{shown}"
    ratios = "".join(f"{rate / floor:7.2f}" for rate, floor in zip(rates[case.name], rates[case.floor], strict=True))
    return f"{case.name:<20}{shown}  {ratios}  ({case.target})"


def fill(app: Flask, url: str) -> Fixture:
    """A migrated database with one model of 1,000 versions; the floor has a table of its own."""
    with app.app_context():
        key = startup.prepare() or ""
        client = app.test_client()

        def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
            answer = client.post(path, json=body, headers={"X-API-Key": key})
            if answer.status_code != 201:
                raise SystemExit(f"bench: {path} answered {answer.status_code}: {answer.text}")
            return dict(answer.json or {})

        model = post("/api/v1/models", {"name": "bench/model", "storage_path": "docker.io/bench/model"})
        ids = [post("/api/v1/versions", version_body(model["id"], f"1.0.{n}"))["id"] for n in range(VERSIONS)]
        db.session.remove()
        db.engine.dispose()
    run(url, *FLOOR, "ANALYZE")
    return Fixture(key, model["id"], ids)


def grow(url: str) -> None:
    """The database holds what `large.sql` writes, too."""
    run(url, Path(__file__).parent.with_name("large.sql").read_text(), "VACUUM ANALYZE")


def version_body(model_id: str, version: str) -> dict[str, Any]:
    digest = "sha256:" + "ab" * 32
    return {"model_id": model_id, "version": version, "tag": f"v{version}", "digest": digest, "metadata": METADATA}


def cases(fixture: Fixture) -> list[Case]:
    """Every request that is measured."""
    new = json.dumps(version_body(fixture.model, f"2.0.0-{UNIQUE}"))
    return [
        Case(READ, Asked([f"/read/{version}" for version in fixture.versions]), bare=True),
        Case("GET one version", Asked([f"/api/v1/versions/{version}" for version in fixture.versions]), READ, 0.5),
        Case("GET latest", Asked(["/api/v1/versions/latest?model_name=bench/model"]), READ, 0.4),
        Case(PAGE, Asked(["/api/v1/versions?limit=100"]), READ, 0.12),
        Case(WRITE, Asked(["/write"], ["{}"]), bare=True),
        Case("POST a version", Asked(["/api/v1/versions"], [new]), WRITE, 0.25),
    ]


def large_cases() -> list[Case]:
    """What has to stay within twice a page of 100 versions, whatever the tables hold."""
    then = (datetime.now(UTC) - timedelta(days=60)).isoformat(timespec="seconds").replace("+00:00", "Z")
    place, number = "/api/v1/environments/production/live", quote("metadata.accuracy >= 0.95")
    filtered = f"/api/v1/versions?model_name=large/big&limit=100&filter={number}"
    return [
        Case(PAGE, Asked(["/api/v1/versions?limit=100"])),
        Case("matrix of 100 models", Asked(["/api/v1/live?limit=100"]), PAGE, 0.5),
        Case("live at a time", Asked([f"{place}?at={then}&limit=100"]), PAGE, 0.5),
        Case("live now", Asked([f"{place}?limit=100"]), PAGE, 0.5),
        Case("filter by a number", Asked([filtered]), PAGE, 0.5),
    ]
