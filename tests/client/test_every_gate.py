"""Every kind of gate by pass, fail, missing and wrong type: what the SDK and the command line say and do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from gatecases import CASES, IT, MODEL, GateCase, set_up, told
from shell import Cli
from stage import Api

from catapult import Blocked, Registry, Verdict

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def said(verdicts: list[Verdict]) -> list[tuple[bool, str]]:
    return [(verdict.passed, told(verdict.detail)) for verdict in verdicts]


def reach(registry: Registry, version_id: str, target: str) -> Any:
    """It is a release, or on record as deployed."""
    return registry.promote(version_id) if target == "release" else registry.deploy(version_id, target)


@each
def test_the_sdk_says_what_the_gate_says_and_is_held_to_it(
    admin: Registry, api: Api, sql: Callable[..., Any], case: GateCase
) -> None:
    version = set_up(case, api, sql)
    verdicts = admin.check_gates(version["id"], case.target)
    assert said(verdicts) == [(case.passed, case.detail)]
    gate = verdicts[0].gate
    own = {**case.gate, **({"environment": "staging"} if "environment" in case.gate else {})}
    assert {name: getattr(gate, name) for name in own} == own
    assert len(verdicts[0].approvals) == len(case.approved_by)
    if case.passed:
        assert reach(admin, version["id"], case.target)
        return
    with pytest.raises(Blocked) as refused:
        reach(admin, version["id"], case.target)
    assert said(refused.value.gates) == [(False, case.detail)]


@each
def test_the_command_line_says_what_the_gate_says_and_ends_accordingly(
    by_admin: Cli, api: Api, sql: Callable[..., Any], case: GateCase
) -> None:
    set_up(case, api, sql)
    line = f"{'PASS' if case.passed else 'FAIL'}  {case.gate['kind']}  {case.detail}\n"
    asked = by_admin("gates", MODEL, IT, "--target", case.target)
    assert (asked.status, told(asked.out)) == (int(not case.passed), line)
    as_json = by_admin("gates", MODEL, IT, "--target", case.target, "--json")
    assert [(one["passed"], told(one["detail"])) for one in json.loads(as_json.out)] == [(case.passed, case.detail)]
    waited = by_admin("wait", MODEL, IT, "--target", case.target, "--timeout", "0")
    assert (waited.status, told(waited.out)) == (int(not case.passed), line)
    command = ("promote", MODEL, IT) if case.target == "release" else ("deploy", MODEL, IT, case.target)
    done = by_admin(*command)
    assert done.status == int(not case.passed)
    assert case.passed or told(done.err).endswith(line)
