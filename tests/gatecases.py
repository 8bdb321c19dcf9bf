"""Every kind of gate by pass, fail, missing key and wrong type: one table, that the tests of every door walk.

`set_up` makes what a case needs. The version in question is registered by a publisher, and an admin asks.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from stage import Api

MODEL, OTHER, IT = "org/bert", "0.9.0", "1.0.0"
HOUR = 3600


class GateCase(NamedTuple):
    """What a gate says of a version."""

    name: str
    gate: dict[str, Any]
    """The body of `POST /api/v1/gates`."""
    metadata: dict[str, Any]
    """Of the version in question, 1.0.0."""
    passed: bool
    detail: str
    other: dict[str, Any] | None = None
    """The metadata of an older version, 0.9.0; None where there is none."""
    before: tuple[str, ...] = ()
    """What happens before the gate is written: `other released`, `it live in staging`, `it pending in staging`, `600 s`."""
    approved_by: tuple[str, ...] = ()
    """Whose keys approve after it was written: a role, or `second releaser` for another key."""

    @property
    def target(self) -> str:
        target: str = self.gate["target"]
        return target


def gate(kind: str, target: str = "release", **own: Any) -> dict[str, Any]:
    return {"model": MODEL, "target": target, "kind": kind, **own}


def _metric(op: str, value: float, path: str = "accuracy", target: str = "release") -> dict[str, Any]:
    return gate("metric", target, path=path, op=op, value=value)


def _compared(op: str, number: float, passed: bool) -> GateCase:
    detail = f"accuracy is {number}; it must be {op} 0.9"
    return GateCase(f"metric {number} {op} 0.9", _metric(op, 0.9), {"accuracy": number}, passed, detail)


def _no_number(name: str, metadata: dict[str, Any], detail: str, path: str = "accuracy") -> GateCase:
    return GateCase(f"metric {name}", _metric(">=", 0.9, path), metadata, False, detail)


NONE = "its metadata has no accuracy"
METRIC = [
    _compared(">=", 0.89, False),
    _compared(">=", 0.9, True),
    _compared(">=", 0.95, True),
    _compared(">", 0.9, False),
    _compared(">", 0.91, True),
    _compared("<=", 0.91, False),
    _compared("<=", 0.9, True),
    _compared("<=", 0.89, True),
    _compared("<", 0.9, False),
    _compared("<", 0.89, True),
    _compared("==", 0.9, True),
    _compared("==", 0.91, False),
    GateCase("metric 1 == 1.0", _metric("==", 1.0), {"accuracy": 1}, True, "accuracy is 1; it must be == 1"),
    GateCase("metric below zero", _metric(">", -1.5), {"accuracy": -2}, False, "accuracy is -2; it must be > -1.5"),
    GateCase("metric tiny", _metric("<", 1e-6), {"accuracy": 1e-7}, True, "accuracy is 1e-07; it must be < 1e-06"),
    GateCase("metric large", _metric("<", 1e20), {"accuracy": 1200}, True, "accuracy is 1200; it must be < 1e+20"),
    GateCase(
        "metric nested",
        _metric(">=", 0.8, "eval.f1"),
        {"eval": {"f1": 0.85}},
        True,
        "eval.f1 is 0.85; it must be >= 0.8",
    ),
    GateCase(
        "metric with a dot in its key",
        _metric(">=", 0.8, "eval.f1"),
        {"eval.f1": 0.75},
        False,
        "eval.f1 is 0.75; it must be >= 0.8",
    ),
    GateCase(
        "metric for an environment",
        _metric(">=", 0.9, target="production"),
        {"accuracy": 0.89},
        False,
        "accuracy is 0.89; it must be >= 0.9",
    ),
    _no_number("missing", {}, NONE),
    _no_number("missing, others there", {"Accuracy": 0.95, "accuracies": 0.95, "eval": {"accuracy": 0.95}}, NONE),
    _no_number("null", {"accuracy": None}, NONE),
    _no_number("missing in an object", {"eval": {}}, "its metadata has no eval.f1", "eval.f1"),
    _no_number("missing in a number", {"eval": 3}, "its metadata has no eval.f1", "eval.f1"),
    _no_number("null in an object", {"eval": {"f1": None}}, "its metadata has no eval.f1", "eval.f1"),
    _no_number("is text", {"accuracy": "0.95"}, "accuracy in its metadata is text, not a number"),
    _no_number("is true", {"accuracy": True}, "accuracy in its metadata is true or false, not a number"),
    _no_number("is a list", {"accuracy": [0.95]}, "accuracy in its metadata is a list, not a number"),
    _no_number("is an object", {"accuracy": {"top1": 0.95}}, "accuracy in its metadata is an object, not a number"),
    _no_number(
        "within a list",
        {"scores": [0.95]},
        "scores.0 is inside a list in its metadata, and lists are not searched",
        "scores.0",
    ),
]


def _regression(direction: str = "higher", tolerance: float | None = None, target: str = "release") -> dict[str, Any]:
    own = {"path": "accuracy", "direction": direction}
    return gate("no_regression", target, **own, **({} if tolerance is None else {"tolerance": tolerance}))


def _against(name: str, number: float, other: float, passed: bool, than: str, **how: Any) -> GateCase:
    """`than` is what follows both numbers' words; the older version is the release, or live in production."""
    target = how.get("target", "release")
    before = "other released" if target == "release" else f"other live in {target}"
    present = "the current release" if target == "release" else f"what is live in {target}"
    detail = f"accuracy is {number}; it must not be {than} the {other} of {present}, {OTHER}"
    metadata, others = {"accuracy": number}, {"accuracy": other}
    return GateCase(f"no_regression {name}", _regression(**how), metadata, passed, detail, others, (before,))


NO_REGRESSION = [
    _against("better", 0.92, 0.91, True, "lower than"),
    _against("equal", 0.91, 0.91, True, "lower than"),
    _against("worse", 0.9, 0.91, False, "lower than"),
    _against("within tolerance", 0.94, 0.95, True, "lower by more than 0.01 than", tolerance=0.01),
    _against("beyond tolerance", 0.939, 0.95, False, "lower by more than 0.01 than", tolerance=0.01),
    _against("lower is better", 0.4, 0.5, True, "higher than", direction="lower"),
    _against("lower, equal", 0.5, 0.5, True, "higher than", direction="lower"),
    _against("lower, worse", 0.6, 0.5, False, "higher than", direction="lower"),
    _against(
        "lower, within tolerance", 0.3, 0.2, True, "higher by more than 0.1 than", direction="lower", tolerance=0.1
    ),
    _against(
        "lower, beyond tolerance", 0.301, 0.2, False, "higher by more than 0.1 than", direction="lower", tolerance=0.1
    ),
    _against("live, better", 0.92, 0.91, True, "lower than", target="production"),
    _against("live, worse", 0.9, 0.91, False, "lower than", target="production"),
    _against(
        "live, within tolerance", 0.94, 0.95, True, "lower by more than 0.01 than", target="production", tolerance=0.01
    ),
    _against("live, lower, worse", 0.6, 0.5, False, "higher than", target="production", direction="lower"),
    GateCase(
        "no_regression without a release",
        _regression(),
        {"accuracy": 0.1},
        True,
        "accuracy is 0.1; there is no release yet",
        {"accuracy": 0.9},
    ),
    GateCase(
        "no_regression with nothing live",
        _regression(target="production"),
        {"accuracy": 0.1},
        True,
        "accuracy is 0.1; nothing is live in production yet",
        {"accuracy": 0.9},
        ("other live in staging", "other pending in production"),
    ),
    GateCase(
        "no_regression, the release has none",
        _regression(),
        {"accuracy": 0.1},
        True,
        f"accuracy is 0.1; the current release, {OTHER}, has no accuracy",
        {"accuracy": "0.9"},
        ("other released",),
    ),
    GateCase(
        "no_regression, what is live has none",
        _regression(target="production"),
        {"accuracy": 0.1},
        True,
        f"accuracy is 0.1; what is live in production, {OTHER}, has no accuracy",
        {},
        ("other live in production",),
    ),
    GateCase("no_regression missing", _regression(), {}, False, NONE, {"accuracy": 0.9}, ("other released",)),
    GateCase("no_regression missing, no release", _regression(), {}, False, NONE),
    GateCase(
        "no_regression wrong type",
        _regression(),
        {"accuracy": "0.95"},
        False,
        "accuracy in its metadata is text, not a number",
        {"accuracy": 0.9},
        ("other released",),
    ),
]


def _present(name: str, paths: list[str], metadata: dict[str, Any], missing: str | None = None) -> GateCase:
    there = f"its metadata has {', '.join(paths)}"
    detail = f"its metadata has no {missing}" if missing else there
    return GateCase(
        f"metadata_present {name}", gate("metadata_present", paths=paths), metadata, missing is None, detail
    )


METADATA_PRESENT = [
    _present("one", ["dataset"], {"dataset": "wiki"}),
    _present("several", ["dataset", "commit"], {"commit": "abc", "dataset": "wiki"}),
    _present("missing", ["dataset"], {}, "dataset"),
    _present("one of three missing", ["a", "b", "c"], {"a": 1, "c": 1}, "b"),
    _present("two of three missing, in their order", ["c", "b", "a"], {"b": 1}, "c, a"),
    _present("nested", ["data.sha256"], {"data": {"sha256": "abc"}}),
    _present("nested deeper", ["a.b.c"], {"a": {"b": {"c": 0}}}),
    _present("with a dot in its key", ["data.sha256"], {"data.sha256": "abc"}),
    _present("a number below a key with a dot", ["a.b.c"], {"a.b": {"c": 1}}),
    _present("a text below a key with a dot", ["a.b.c"], {"a.b": {"c": "x"}}),
    _present("below keys with dots, one of which leads nowhere", ["a.b.c.d"], {"a": {"b": 1}, "a.b": {"c.d": "x"}}),
    _present("null below a key with a dot", ["a.b.c"], {"a.b": {"c": None}}, "a.b.c"),
    _present("missing below a key with a dot", ["a.b.c"], {"a.b": {"d": "x"}, "a": {"b": "c"}}, "a.b.c"),
    _present("missing in an object", ["data.sha256"], {"data": {"md5": "abc"}}, "data.sha256"),
    _present("missing in a text", ["data.sha256"], {"data": "sha256"}, "data.sha256"),
    _present("null", ["dataset"], {"dataset": None}, "dataset"),
    _present("null within", ["data.sha256"], {"data": {"sha256": None}}, "data.sha256"),
    _present("of every other type", list("abcdef"), {"a": "", "b": 0, "c": False, "d": [], "e": {}, "f": {"x": None}}),
    _present("in another case", ["dataset"], {"Dataset": "wiki"}, "dataset"),
]

RELEASED = [
    GateCase("released, it is", gate("released", "production"), {}, True, "it is a release", before=("it released",)),
    GateCase(
        "released, it is not",
        gate("released", "production"),
        {},
        False,
        "it is not a release; only releases may go here",
        {},
        ("other released",),
    ),
    GateCase(
        "released, it was",
        gate("released", "production"),
        {},
        False,
        "it is not a release; only releases may go here",
        before=("it released", "it demoted"),
    ),
]


def _soaked(name: str, lasted: str | None, *before: str, environment: str = "staging") -> GateCase:
    detail = f"it has been live in staging for {lasted}; it needs 1 hour there without interruption"
    if lasted is None:
        detail = "it is not live in staging; it needs 1 hour there without interruption"
    body = gate("soaked", "production", environment=environment, seconds=HOUR)
    return GateCase(f"soaked {name}", body, {}, "hour" in (lasted or ""), detail, {}, before)


SOAKED = [
    _soaked("long enough", "1 hour", "it live in staging", "3600 s"),
    _soaked("longer", "1 day 2 hours", "it live in staging", "93600 s"),
    _soaked("in another case", "1 hour", "it live in Staging", "3600 s", environment="STAGING"),
    _soaked("too short", "59 minutes", "it live in staging", "3540 s"),
    _soaked("nowhere", None, "other live in staging", "3600 s"),
    _soaked("elsewhere", None, "it live in dev", "3600 s"),
    _soaked("on its way", None, "it pending in staging", "3600 s"),
    _soaked("deployed again", "1 hour", "it live in staging", "1800 s", "it live in staging", "1800 s"),
    _soaked(
        "deployed again and again",
        "1 hour 10 minutes",
        *("it live in staging", "1800 s", "it live in Staging", "1800 s", "it live in staging", "600 s"),
    ),
    _soaked("no more", None, "it live in staging", "3600 s", "other live in staging", "600 s"),
    _soaked(
        "after a break",
        "10 minutes",
        *("it live in staging", "3600 s", "other live in staging", "1 s", "it live in staging", "600 s"),
    ),
    _soaked(
        "while others failed",
        "1 hour",
        *("it live in staging", "1800 s", "other failed in staging", "other pending in staging", "1800 s"),
    ),
]


def _approved(name: str, passed: bool, detail: str, *approved_by: str, **own: Any) -> GateCase:
    return GateCase(f"approved {name}", gate("approved", **own), {}, passed, detail, approved_by=approved_by)


APPROVED = [
    _approved("by nobody", False, "it has 0 of 1 approvals by keys with the role releaser or higher"),
    _approved("by a releaser", True, "it has 1 of 1 approvals by keys with the role releaser or higher", "releaser"),
    _approved(
        "by too small a role",
        False,
        "it has 0 of 1 approvals by keys with the role releaser or higher;"
        " the approval by second publisher-key does not count: its key has the role publisher",
        "second publisher",
    ),
    _approved(
        "by too small a role for an admin's",
        False,
        "it has 0 of 1 approvals by keys with the role admin; the approval by releaser-key does not count: its key has the role releaser",
        "releaser",
        role="admin",
    ),
    _approved("by an admin", True, "it has 1 of 1 approvals by keys with the role admin", "second admin", role="admin"),
    _approved(
        "by a higher role",
        True,
        "it has 1 of 1 approvals by keys with the role publisher or higher",
        "releaser",
        role="publisher",
    ),
    _approved(
        "by the key that registered it",
        False,
        "it has 0 of 1 approvals by keys with the role publisher or higher;"
        " the approval by publisher-key does not count: its key registered the version",
        "publisher",
        role="publisher",
    ),
    _approved(
        "by the key that asks",
        False,
        "it has 0 of 1 approvals by keys with the role releaser or higher;"
        " the approval by admin-key does not count: you cannot approve your own request",
        "admin",
    ),
    _approved(
        "by one of two", False, "it has 1 of 2 approvals by keys with the role releaser or higher", "releaser", count=2
    ),
    _approved(
        "by two",
        True,
        "it has 2 of 2 approvals by keys with the role releaser or higher",
        "releaser",
        "second releaser",
        count=2,
    ),
    _approved(
        "by one and the key that asks",
        False,
        "it has 1 of 2 approvals by keys with the role releaser or higher;"
        " the approval by admin-key does not count: you cannot approve your own request",
        "releaser",
        "admin",
        count=2,
    ),
    GateCase(
        "approved for an environment",
        gate("approved", "production"),
        {},
        True,
        "it has 1 of 1 approvals by keys with the role releaser or higher",
        approved_by=("releaser",),
    ),
]

CASES: list[GateCase] = [*METRIC, *NO_REGRESSION, *METADATA_PRESENT, *RELEASED, *SOAKED, *APPROVED]


def set_up(case: GateCase, api: Api, sql: Callable[..., Any]) -> dict[str, Any]:
    """The version in question, with all that the case needs: the gate, too. `api` is an admin's."""
    for place in ("dev", "staging", "production"):
        assert api.put(f"/api/v1/environments/{place}", {}).status_code == 200
    model = api.model(MODEL)
    versions = {}
    if case.other is not None:
        versions["other"] = api.version(model, OTHER, metadata=case.other)
    versions["it"] = api.by("publisher").version(model, IT, metadata=case.metadata)
    for step in case.before:
        _happen(step, versions, api, sql)
    api.make("/api/v1/gates", case.gate)
    for who in case.approved_by:
        path = f"/api/v1/versions/{versions['it']['id']}/approvals"
        key_of(who, api).make(path, {"target": case.target})
    it: dict[str, Any] = api.get(f"/api/v1/versions/{versions['it']['id']}").json
    return it


def key_of(who: str, api: Api) -> Api:
    """The API by that role's key, or by another one: `second releaser`."""
    if who in api.keys:
        return api.by(who)
    made = api.make("/api/v1/api-keys", {"name": f"{who}-key", "role": who.split()[-1]})
    return Api(api.app, {**api.keys, who: made["key"]}, who)


def told(detail: str) -> str:
    """A verdict's detail, without the few seconds that the test itself took."""
    return re.sub(r" \d seconds?(?= without)", "", detail)


def pass_time(seconds: int, sql: Callable[..., Any]) -> None:
    """All that was deployed was deployed so much earlier."""
    sql(
        "UPDATE deployments SET deployed_at = deployed_at - make_interval(secs => :s),"
        " live_from = live_from - make_interval(secs => :s), ended_at = ended_at - make_interval(secs => :s)",
        s=seconds,
    )


def _happen(step: str, versions: dict[str, dict[str, Any]], api: Api, sql: Callable[..., Any]) -> None:
    match step.split():
        case [seconds, "s"]:
            pass_time(int(seconds), sql)
        case [who, ("released" | "demoted") as verb]:
            path = f"/api/v1/versions/{versions[who]['id']}/{'promote' if verb == 'released' else 'demote'}"
            assert api.post(path).status_code == 200
        case [who, status, "in", place]:
            api.deployment(versions[who], place, status="success" if status == "live" else status)
        case _:
            raise ValueError(step)
