"""Every kind of gate with passing, failing, missing and wrong values: one table that the tests of every door walk.

`set_up` makes what a case needs. A publisher registers the version in question, and an admin asks for the verdict.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from signed_files import FILES, fingerprint_of, new_key, pem_of, signature_of
from stage import Api

MODEL, OTHER, IT = "org/bert", "0.9.0", "1.0.0"
HOUR = 3600


class GateCase(NamedTuple):
    """A gate, a version, and the verdict."""

    name: str
    gate: dict[str, Any]
    """The body of `POST /api/v1/gates`."""
    metadata: dict[str, Any]
    """Of the version in question, 1.0.0."""
    passed: bool
    detail: str
    other: dict[str, Any] | None = None
    """The metadata of an older version, 0.9.0; None where there is none."""
    before: str = ""
    """What happens before the gate is created: `other released, it live in staging, it pending in staging, 600 s`."""
    approved_by: tuple[str, ...] = ()
    """Whose keys approve afterwards: a role, or `second releaser` for another key."""
    refused: str = ""
    """Why these approvals are refused, since they could never count. Empty where they are taken."""

    @property
    def target(self) -> str:
        target: str = self.gate["target"]
        return target

    @property
    def approvals(self) -> int:
        """How many approvals there are in the end."""
        return 0 if self.refused else len(self.approved_by)


def gate(kind: str, target: str = "release", **own: Any) -> dict[str, Any]:
    return {"model": MODEL, "target": target, "kind": kind, **own}


def _metric(
    name: str, op: str, value: float, metadata: dict[str, Any], passed: bool, detail: str = "", path: str = "accuracy"
) -> GateCase:
    """By default the detail has the number at the path and the limit."""
    target = "production" if name == "for an environment" else "release"
    detail = detail or f"{path} is {metadata.get(path)}; it must be {op} {value:g}"
    return GateCase(f"metric {name}", gate("metric", target, path=path, op=op, value=value), metadata, passed, detail)


def _no_number(name: str, metadata: dict[str, Any], detail: str = "", path: str = "accuracy") -> GateCase:
    return _metric(name, ">=", 0.9, metadata, False, detail or f"its metadata has no {path}", path)


NONE = "its metadata has no accuracy"
UNSEARCHED = "the first 64 numbers of the lists in its metadata; others are not searched"
IN_LIST = "in its metadata; its path is"
CARD = {"results": [{"metrics": [{"name": "accuracy", "value": 0.89}]}]}
IN_CARD = "results[0].metrics[0].value"
COMPARED = {
    ">=": {0.89: False, 0.9: True},
    ">": {0.9: False, 0.91: True},
    "<=": {0.91: False, 0.9: True},
    "<": {0.9: False, 0.89: True},
    "==": {0.9: True, 0.91: False},
}
LIMIT = 321588685835436830  # as a float it is also 321588685835436831
BEYOND = f"accuracy is {LIMIT + 1}; it must be {{}} {LIMIT}"
METRIC = [
    *(
        _metric(f"{number} {op} 0.9", op, 0.9, {"accuracy": number}, passed)
        for op, numbers in COMPARED.items()
        for number, passed in numbers.items()
    ),
    _metric("1 == 1.0", "==", 1.0, {"accuracy": 1}, True, "accuracy is 1; it must be == 1"),
    _metric("below zero", ">", -1.5, {"accuracy": -2}, False, "accuracy is -2; it must be > -1.5"),
    _metric("tiny", "<", 1e-6, {"accuracy": 1e-7}, True, "accuracy is 1e-07; it must be < 1e-06"),
    _metric("large", "<", 1e20, {"accuracy": 1200}, True, "accuracy is 1200; it must be < 1e+20"),
    *(
        _metric(f"{op} where a float is too coarse", op, LIMIT, {"accuracy": LIMIT + 1}, passed, BEYOND.format(op))
        for op, passed in ((">=", True), (">", True), ("<=", False), ("<", False), ("==", False))
    ),
    _metric(
        "== with all digits", "==", LIMIT, {"accuracy": LIMIT}, True, f"accuracy is {LIMIT}; it must be == {LIMIT}"
    ),
    _metric("nested", ">=", 0.8, {"eval": {"f1": 0.85}}, True, "eval.f1 is 0.85; it must be >= 0.8", "eval.f1"),
    _metric("with a dot in its key", ">=", 0.8, {"eval.f1": 0.75}, False, path="eval.f1"),
    _metric("for an environment", ">=", 0.9, {"accuracy": 0.89}, False),
    _no_number("missing, others there", {"Accuracy": 0.95, "accuracies": 0.95, "eval": {"accuracy": 0.95}}),
    _no_number("null", {"accuracy": None}),
    _no_number("missing in an object", {"eval": {}}, path="eval.f1"),
    _no_number("missing in a number", {"eval": 3}, path="eval.f1"),
    _no_number("is text", {"accuracy": "0.95"}, "accuracy in its metadata is text, not a number"),
    _no_number("is true", {"accuracy": True}, "accuracy in its metadata is true or false, not a number"),
    _no_number("is a list", {"accuracy": [0.95]}, "accuracy in its metadata is a list, not a number"),
    _no_number("is an object", {"accuracy": {"top1": 0.95}}, "accuracy in its metadata is an object, not a number"),
    _no_number("in a list, by a dot", {"a": [{"b": 1}]}, f"a.0.b is inside a list {IN_LIST} a[0].b", "a.0.b"),
    _no_number("text in a list", {"a": ["1"]}, "a[0] in its metadata is text, not a number", "a[0]"),
    _no_number("beyond the items of a list", {"a": [1]}, path="a[1]"),
    _no_number("among many in lists", {"a": [1.0] * 65}, f"a[64] is not among {UNSEARCHED}", "a[64]"),
    _metric("in a list", ">=", 0.9, {"a": [0.5, [0.95]]}, True, "a[1][0] is 0.95; it must be >= 0.9", "a[1][0]"),
    _metric("in a card", ">=", 0.9, CARD, False, f"{IN_CARD} is 0.89; it must be >= 0.9", IN_CARD),
]


def _against(name: str, number: float, other: float, passed: bool, than: str, **how: Any) -> GateCase:
    """`than` follows the two numbers' words. The older version is the release, live in production, or what an alias is at."""
    target = how.pop("target", "release")
    before, present = {
        "release": ("other released", "the current release"),
        "production": ("other live in production", "what is live in production"),
        "@champion": ("other at Champion", "what @champion points at"),
    }[target]
    path = how.pop("path", "accuracy")
    detail = f"{path} is {number}; it must not be {than} the {other} of {present}, {OTHER}"
    body = gate("no_regression", target, path=path, **{"direction": "higher", **how})
    metadata = [{"accuracy": value, "scores": [value]} for value in (number, other)]
    return GateCase(f"no_regression {name}", body, metadata[0], passed, detail, metadata[1], before)


def _alone(name: str, metadata: Any, passed: bool, detail: str, other: Any, before: str = "") -> GateCase:
    """Without a number to compare with."""
    target = "production" if "live" in name else "@champion" if "alias" in name else "release"
    body = gate("no_regression", target, path="accuracy", direction="higher")
    return GateCase(f"no_regression {name}", body, metadata, passed, detail, other, before)


LOW, HIGH, TEXT = {"accuracy": 0.1}, {"accuracy": 0.9}, {"accuracy": "0.9"}
LACKS = f"{OTHER}, has no accuracy"
NO_REGRESSION = [
    _against("better", 0.92, 0.91, True, "lower than"),
    _against("equal", 0.91, 0.91, True, "lower than"),
    _against("worse", 0.9, 0.91, False, "lower than"),
    _against("within tolerance", 0.94, 0.95, True, "lower by more than 0.01 than", tolerance=0.01),
    _against("beyond tolerance", 0.939, 0.95, False, "lower by more than 0.01 than", tolerance=0.01),
    _against("lower is better", 0.4, 0.5, True, "higher than", direction="lower"),
    _against("lower, equal", 0.5, 0.5, True, "higher than", direction="lower"),
    _against("lower, worse", 0.6, 0.5, False, "higher than", direction="lower"),
    _against("lower, within", 0.3, 0.2, True, "higher by more than 0.1 than", direction="lower", tolerance=0.1),
    _against("lower, beyond", 0.301, 0.2, False, "higher by more than 0.1 than", direction="lower", tolerance=0.1),
    _against("worse where a float is too coarse", LIMIT, LIMIT + 1, False, "lower than"),
    _against(
        "within tolerance, with all digits", 10**30 + 1, 10**30 + 2, True, "lower by more than 1 than", tolerance=1
    ),
    _against("in a list", 0.9, 0.91, False, "lower than", path="scores[0]"),
    _against("live, better", 0.92, 0.91, True, "lower than", target="production"),
    _against("live, worse", 0.9, 0.91, False, "lower than", target="production"),
    _against("live, lower, worse", 0.6, 0.5, False, "higher than", target="production", direction="lower"),
    _against("at an alias, better", 0.92, 0.91, True, "lower than", target="@champion"),
    _against("at an alias, worse", 0.9, 0.91, False, "lower than", target="@champion"),
    _alone("without a release", LOW, True, "accuracy is 0.1; there is no release yet", HIGH),
    _alone(
        *("nothing live", LOW, True, "accuracy is 0.1; nothing is live in production yet", HIGH),
        "other live in staging, other pending in production",
    ),
    _alone("the release has none", LOW, True, f"accuracy is 0.1; the current release, {LACKS}", TEXT, "other released"),
    _alone(
        *("what is live has none", LOW, True, f"accuracy is 0.1; what is live in production, {LACKS}", {}),
        "other live in production",
    ),
    _alone("nothing at an alias", LOW, True, "accuracy is 0.1; @champion points at nothing yet", HIGH, "other at next"),
    _alone(
        *("no more at an alias", LOW, False),
        f"accuracy is 0.1; it must not be lower than the 0.9 of what @champion pointed at last, {OTHER}",
        *(HIGH, "other at Champion, champion removed"),
    ),
    _alone("missing", {}, False, NONE, HIGH, "other released"),
    _alone("missing, no release", {}, False, NONE, None),
    _alone("wrong type", TEXT, False, "accuracy in its metadata is text, not a number", HIGH, "other released"),
]


def _present(name: str, paths: list[str], metadata: dict[str, Any], missing: str | None = None) -> GateCase:
    there = f"its metadata has {', '.join(paths)}"
    detail = f"its metadata has no {missing}" if missing else there
    body = gate("metadata_present", paths=paths)
    return GateCase(f"metadata_present {name}", body, metadata, missing is None, detail)


METADATA_PRESENT = [
    _present("several", ["dataset", "commit"], {"commit": "abc", "dataset": "wiki"}),
    _present("missing", ["dataset"], {}, "dataset"),
    _present("two of three missing, in their order", ["c", "b", "a"], {"b": 1}, "c, a"),
    _present("nested deeper", ["a.b.c"], {"a": {"b": {"c": 0}}}),
    _present("with a dot in its key", ["data.sha256"], {"data.sha256": "abc"}),
    _present("a number below a key with a dot", ["a.b.c"], {"a.b": {"c": 1}}),
    _present("a text below a key with a dot", ["a.b.c"], {"a.b": {"c": "x"}}),
    _present("below keys with dots, one of which leads nowhere", ["a.b.c.d"], {"a": {"b": 1}, "a.b": {"c.d": "x"}}),
    _present("null below a key with a dot", ["a.b.c"], {"a.b": {"c": None}}, "a.b.c"),
    _present("missing below a key with a dot", ["a.b.c"], {"a.b": {"d": "x"}, "a": {"b": "c"}}, "a.b.c"),
    _present("in a list", ["results[0].metrics[0].name", "results[0].metrics"], CARD),
    _present("missing in a list", ["results[1].metrics"], CARD, "results[1].metrics"),
    _present("missing in an object", ["data.sha256"], {"data": {"md5": "abc"}}, "data.sha256"),
    _present("missing in a text", ["data.sha256"], {"data": "sha256"}, "data.sha256"),
    _present("null", ["dataset"], {"dataset": None}, "dataset"),
    _present("of every other type", list("abcdef"), {"a": "", "b": 0, "c": False, "d": [], "e": {}, "f": {"x": None}}),
    _present("in another case", ["dataset"], {"Dataset": "wiki"}, "dataset"),
]


def _released(name: str, passed: bool, before: str) -> GateCase:
    detail = "it is a release" if passed else "it is not a release; only releases may go here"
    return GateCase(f"released, {name}", gate("released", "production"), {}, passed, detail, {}, before)


RELEASED = [
    _released("it is", True, "it released"),
    _released("it is not", False, "other released"),
    GateCase(*("released, at an alias", gate("released", "@champion"), {}, True, "it is a release", {}, "it released")),
    _released("it was", False, "it released, it demoted"),
]


def _soaked(name: str, lasted: str | None, before: str, environment: str = "staging") -> GateCase:
    detail = f"it has been live in staging for {lasted}; it needs 1 hour there without interruption"
    if lasted is None:
        detail = "it is not live in staging; it needs 1 hour there without interruption"
    body = gate("soaked", "production", environment=environment, seconds=HOUR)
    return GateCase(f"soaked {name}", body, {}, "hour" in (lasted or ""), detail, {}, before)


SOAKED = [
    _soaked("long enough", "1 hour", "it live in staging, 3600 s"),
    _soaked("longer", "1 day 2 hours", "it live in staging, 93600 s"),
    _soaked("in another case", "1 hour", "it live in Staging, 3600 s", environment="STAGING"),
    _soaked("too short", "59 minutes", "it live in staging, 3540 s"),
    _soaked("nowhere", None, "other live in staging, 3600 s"),
    _soaked("elsewhere", None, "it live in dev, 3600 s"),
    _soaked("on its way", None, "it pending in staging, 3600 s"),
    _soaked("deployed again", "1 hour", "it live in staging, 1800 s, it live in Staging, 1800 s"),
    _soaked("no more", None, "it live in staging, 3600 s, other live in staging, 600 s"),
    _soaked(
        *("after a break", "10 minutes"),
        "it live in staging, 3600 s, other live in staging, 1 s, it live in staging, 600 s",
    ),
    _soaked(
        *("while others failed", "1 hour"),
        "it live in staging, 1800 s, other failed in staging, other pending in staging, 1800 s",
    ),
]


def _approved(name: str, counted: int, *approved_by: str, void: str = "", refused: str = "", **own: Any) -> GateCase:
    """`counted` of the approvals are valid; `void` is what the detail says of the others."""
    role, count = own.get("role", "releaser"), own.get("count", 1)
    by = role if role == "admin" else f"{role} or higher"
    detail = f"it has {counted} of {count} approvals with the role {by}{void and f'; the approval by {void}'}"
    body = gate("approved", **own)
    return GateCase(f"approved {name}", body, {}, counted >= count, detail, approved_by=approved_by, refused=refused)


REGISTERED_IT = "the same person or service registered the version"
ASKS = "admin-key does not count: you cannot approve your own request"
TOO_LOW = "its key has the role"
APPROVED = [
    _approved("by nobody", 0),
    _approved("by a releaser", 1, "releaser"),
    _approved("by too small a role", 0, "second publisher", refused=f"{TOO_LOW} publisher"),
    _approved("by too small a role for an admin's", 0, "releaser", refused=f"{TOO_LOW} releaser", role="admin"),
    _approved("by an admin", 1, "second admin", role="admin"),
    _approved("by a higher role", 1, "releaser", role="publisher"),
    _approved("by the key that registered it", 0, "publisher", refused=REGISTERED_IT, role="publisher"),
    _approved("by the key that asks", 0, "admin", void=ASKS),
    _approved("by one of two", 1, "releaser", count=2),
    _approved("by two", 2, "releaser", "second releaser", count=2),
    _approved("by one and the key that asks", 1, "releaser", "admin", void=ASKS, count=2),
    _approved("for an environment", 1, "releaser", target="production"),
    _approved("for an alias", 1, "releaser", target="@champion"),
    _approved("for an alias, by nobody", 0, target="@champion"),
]


def _signed(name: str, passed: bool, detail: str, before: str = "", target: str = "release") -> GateCase:
    return GateCase(f"files_signed {name}", gate("files_signed", target), {}, passed, detail, {}, before)


SIGNER = new_key()
SIGNED = f"its files are signed by release-2026, key {fingerprint_of(SIGNER)}"
DIFFER = "its files are not those that release-2026 signed:"
FILES_SIGNED = [
    _signed("they are", True, SIGNED, "it gets files, it gets signature"),
    _signed("for an environment", True, SIGNED, "it gets files, it gets signature", "production"),
    _signed("without files", False, "it has no files"),
    _signed(
        "without a signature", False, "its files are not signed: there is no model.sig among them", "it gets files"
    ),
    _signed("the other's are", False, "it has no files", "other gets files, other gets signature"),
    _signed(
        *("with one more", False, f'{DIFFER} "evil.pkl" is not signed'),
        "it gets files, it gets signature, it gets evil.pkl",
    ),
    _signed("without one", False, f'{DIFFER} "config.json", "weights/model.bin" are missing', "it gets signature"),
]


def _intact(name: str, passed: bool, detail: str, before: str = "", target: str = "release") -> GateCase:
    return GateCase(f"files_intact {name}", gate("files_intact", target), {}, passed, detail, {}, before)


FILES_INTACT = [
    _intact("they are", True, "its files are as they were added", "it gets files"),
    _intact("without files", True, "its files are as they were added"),
    _intact("one is gone", False, "of its files a is missing", "it gets a, it gets b, its a is missing"),
    _intact(
        *("two are not", False, "of its files a is changed, b is missing"),
        "it gets a, it gets b, its a is changed, its b is missing",
        "production",
    ),
]

CASES: list[GateCase] = [
    *(*METRIC, *NO_REGRESSION, *METADATA_PRESENT, *RELEASED, *SOAKED, *APPROVED, *FILES_SIGNED, *FILES_INTACT),
]


def set_up(case: GateCase, api: Api, sql: Callable[..., Any]) -> dict[str, Any]:
    """Make what the case needs, and the gate. Return the version in question. `api` is an admin's."""
    for environment in ("dev", "staging", "production"):
        assert api.put(f"/api/v1/environments/{environment}", {}).status_code == 200
    model = api.model(MODEL)
    versions = {}
    if case.other is not None:
        versions["other"] = api.version(model, OTHER, metadata=case.other)
    versions["it"] = api.by("publisher").version(model, IT, metadata=case.metadata)
    for step in filter(None, case.before.split(", ")):
        _happen(step, versions, api, sql)
    api.make("/api/v1/gates", case.gate)
    for who in case.approved_by:
        path = f"/api/v1/versions/{versions['it']['id']}/approvals"
        answer = key_of(who, api).post(path, {"target": case.target})
        assert answer.status_code == (409 if case.refused else 201), answer.text
        assert case.refused in answer.text
    it: dict[str, Any] = api.get(f"/api/v1/versions/{versions['it']['id']}").json
    return it


def key_of(who: str, api: Api) -> Api:
    """Return the API with the key of that role, or with another one: `second releaser`."""
    if who in api.keys:
        return api.by(who)
    created = api.make("/api/v1/api-keys", {"name": f"{who}-key", "role": who.split()[-1]})
    return Api(api.app, {**api.keys, who: created["key"]}, who)


def without_seconds(detail: str) -> str:
    """Return a verdict's detail without the few seconds that the test itself took."""
    return re.sub(r" \d seconds?(?=; it needs)", "", detail)


def pass_time(seconds: int, sql: Callable[..., Any]) -> None:
    """Move the times of all deployments back by so many seconds."""
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
        case [who, "gets", what]:
            if what == "signature":
                api.make("/api/v1/trusted-keys", {"name": "release-2026", "public_key": pem_of(SIGNER)})
            files = {"files": FILES, "signature": {"model.sig": signature_of(SIGNER)}}.get(what, {what: b"x"})
            for path, content in files.items():
                added = api.put(f"/api/v1/versions/{versions[who]['id']}/artifacts/{path}", content)
                assert added.status_code == 201, added.text
        case [who, "at", alias]:
            path = f"/api/v1/models/{versions['it']['model_id']}/aliases/{alias}"
            assert api.put(path, {"version_id": versions[who]["id"]}).status_code == 200
        case [alias, "removed"]:
            path = f"/api/v1/models/{versions['it']['model_id']}/aliases/{alias}"
            assert api.delete(path).status_code == 204
        case ["its", path, "is", state]:
            sql("UPDATE artifacts SET state = :state WHERE path = :path", state=state, path=path)
        case [who, status, "in", environment]:
            api.deployment(versions[who], environment, status="success" if status == "live" else status)
        case _:
            raise ValueError(step)
