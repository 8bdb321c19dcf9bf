"""Each case of `gatecases` at every door: the API, the SDK, the command line and the pages give the verdict and hold to it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from gatecases import CASES, IT, MODEL, set_up, without_seconds
from pages.conftest import Browser
from pages.markup import Page

from catapult import Blocked

Sql = Callable[..., list[dict[str, Any]]]
Verdicts = list[tuple[bool, str]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_door_gives_the_verdict(app, keys, api, sql, admin, by_admin, case):
    version = set_up(case, api, sql)
    fields = {**case.gate, **({"environment": "staging"} if "environment" in case.gate else {})}
    expected = (case.passed, case.detail, fields, case.approvals)

    (verdict,) = api.get(f"/api/v1/versions/{version['id']}/gates?target={case.target}").json
    gate = {name: verdict["gate"][name] for name in fields}
    assert (verdict["passed"], without_seconds(verdict["detail"]), gate, len(verdict["approvals"])) == expected

    (record,) = admin.check_gates(version["id"], case.target)
    gate = {name: getattr(record.gate, name) for name in fields}
    assert (record.passed, without_seconds(record.detail), gate, len(record.approvals)) == expected

    line = f"{'PASS' if case.passed else 'FAIL'}  {case.gate['kind']}  {case.detail}\n"
    for command in (("gates",), ("wait", "--timeout", "0")):
        ended = by_admin(*command, MODEL, IT, "--target", case.target)
        assert (ended.status, without_seconds(ended.out)) == (int(not case.passed), line)
    (printed,) = json.loads(by_admin("gates", MODEL, IT, "--target", case.target, "--json").out)
    assert (printed["passed"], without_seconds(printed["detail"])) == (case.passed, case.detail)

    page = Page(Browser(app, keys).get(f"/models/{MODEL}/versions/{IT}"))
    sentences = [without_seconds(text) for text in page.texts("span", class_="sub break") if "pass" in text.lower()]
    word = "Passes" if case.passed else "Does not pass"
    is_over = case.target == "release" and version["is_release"]
    assert sentences == ([] if is_over else [f"{word}: {case.detail}"])


def to_hold():
    """Yield all cases, but where a kind reads the version's metadata alone, one for each target and verdict."""
    seen = set()
    for case in CASES:
        same = (case.gate["kind"], case.target, case.passed)
        if case.gate["kind"] not in ("metric", "metadata_present") or same not in seen:
            seen.add(same)
            yield case


@pytest.mark.parametrize("case", list(to_hold()), ids=lambda case: case.name)
def test_every_door_holds_to_the_verdict(api, sql, admin, by_admin, undone, case):
    version = set_up(case, api, sql)
    reached = {
        "release": "SELECT 1 FROM versions WHERE version LIKE '1.0.%' AND released_at IS NOT NULL",
        "production": "SELECT 1 FROM deployments WHERE place = 'production' AND release_id = :id",
        "@champion": "SELECT 1 FROM aliases WHERE lower(name) = 'champion' AND version_id = :id AND until IS NULL",
    }[case.target]
    for attempt in attempts(case, version, api, admin, by_admin):
        with undone():
            before = sql("SELECT id FROM versions"), len(sql(reached, id=version["id"]))
            blocked_by = attempt()
            assert blocked_by == ([] if case.passed else [(False, case.detail)])
            if case.passed:
                assert len(sql(reached, id=version["id"])) == before[1] + 1
            else:
                assert (sql("SELECT id FROM versions"), len(sql(reached, id=version["id"]))) == before


def attempts(case, version, api, admin, by_admin):
    """Each way to the target, as a function that returns the verdicts it was blocked by."""
    path = f"/api/v1/versions/{version['id']}"
    deployment = {"release_id": version["id"], "environment": "Production"}
    if case.target == "release":
        yield lambda: by_api(api, "POST", f"{path}/promote", {})
        yield lambda: by_api(api, "PUT", path, {"is_release": True, "release_notes": "new"})
        yield lambda: by_sdk(lambda: admin.promote(version["id"]))
        yield lambda: by_cli(case, by_admin("promote", MODEL, IT))
        # Nobody can have approved a version that is not registered yet, and it has no files.
        if not case.approved_by and not case.gate["kind"].startswith("files_"):
            content = {"tag": "v1", "digest": version["digest"], "metadata": case.metadata, "is_release": True}
            new = {"model_name": MODEL, "version": "1.0.1", **content}
            yield lambda: by_api(api, "POST", "/api/v1/versions", new)
    elif case.target == "@champion":
        address = f"/api/v1/models/{version['model_id']}/aliases/CHAMPION"
        yield lambda: by_api(api, "PUT", address, {"version_id": version["id"]})
        yield lambda: by_sdk(lambda: admin.set_alias(MODEL, "champion", version["id"]))
        yield lambda: by_cli(case, by_admin("alias", "set", MODEL, "champion", IT))
    else:
        yield lambda: by_api(api, "POST", "/api/v1/deployments", deployment)
        yield lambda: by_api(api, "POST", "/api/v1/deployments", {**deployment, "status": "pending"})
        yield lambda: by_sdk(lambda: admin.deploy(version["id"], case.target))
        yield lambda: by_cli(case, by_admin("deploy", MODEL, IT, case.target))


def by_api(api, method, path, body):
    answer = api.request(method, path, body)
    if answer.status_code in (200, 201):
        return []
    assert (answer.status_code, answer.json["type"]) == (409, "/docs/errors/blocked")
    verdicts = [(verdict["passed"], without_seconds(verdict["detail"])) for verdict in answer.json["gates"]]
    assert all(detail in without_seconds(answer.json["detail"]) for _, detail in verdicts)
    return verdicts


def by_sdk(call):
    try:
        call()
    except Blocked as blocked:
        return [(verdict.passed, without_seconds(verdict.detail)) for verdict in blocked.gates]
    return []


def by_cli(case, ended):
    if ended.status == 0:
        return []
    kind, detail = without_seconds(ended.err).splitlines()[-1].removeprefix("FAIL  ").split("  ", 1)
    assert (ended.status, kind) == (1, case.gate["kind"])
    return [(False, detail)]
