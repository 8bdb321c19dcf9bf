"""Gates: which models they are for, how they are written, and how an admin overrides them (`gatecases` has each kind)."""

import pytest
from gatecases import IT, MODEL, gate, pass_time, without_seconds
from stage import audited, faults, refusal

GATES = "/api/v1/gates"
ENVIRONMENTS = "/api/v1/environments"
FIELDS = {
    *("max_age", "tag"),
    "id", "model", "target", "kind", "path", "op", "value", "direction", "tolerance", "paths", "environment", "seconds",
    "count", "role", "created_by", "created_at", "updated_at",
}  # fmt: skip

METRIC = gate("metric", path="accuracy", op=">=", value=0.9)


def path_of(version, *rest):
    return "/".join(("/api/v1/versions", version["id"], *rest))


def verdicts(api, version, target="release"):
    answer = api.get(f"{path_of(version, 'gates')}?target={target}")
    assert answer.status_code == 200, answer.text
    return answer.json


def test_a_target_has_a_hundred_gates_at_most(api, sql):
    sql(
        "INSERT INTO gates (id, model, target, kind, count, role, created_by)"
        " SELECT gen_random_uuid(), 'org/m-' || n, 'release', 'approved', 1, 'releaser', 'x' FROM generate_series(1, 100) AS n"
    )
    refused = api.post(GATES, METRIC)
    assert refusal(refused) == "conflict"
    assert "release has 100 gates" in refused.json["detail"]
    api.put(f"{ENVIRONMENTS}/staging", {})
    other = api.make(GATES, {**METRIC, "target": "staging"})
    assert refusal(api.put(f"{GATES}/{other['id']}", {"target": "release"})) == "conflict"
    assert api.put(f"{GATES}/{other['id']}", {"value": 0.8}).status_code == 200


@pytest.fixture
def version(api):
    return api.version(api.model())


@pytest.fixture
def places(api):
    for place in ("staging", "production"):
        api.put(f"{ENVIRONMENTS}/{place}", {})


def said(found):
    return [(verdict["passed"], without_seconds(verdict["detail"])) for verdict in found]


def soaked_too_short(api, version):
    """How long the version has been live in staging, by a gate that asks for an hour and does not let it pass."""
    api.make(GATES, gate("soaked", "production", environment="staging", seconds=3600))
    (verdict,) = verdicts(api, version, "production")
    begin, end = "it has been live in staging for ", "; it needs 1 hour there without interruption"
    assert (verdict["passed"], verdict["detail"].startswith(begin)) == (False, True)
    return verdict["detail"].removeprefix(begin).removesuffix(end)


def test_an_environment_that_was_deleted_meanwhile_is_a_break(api, places, version, sql):
    api.deployment(version, "staging")
    pass_time(7200, sql)
    assert api.delete(f"{ENVIRONMENTS}/staging?force=true").status_code == 204
    api.deployment(version, "staging")
    pass_time(600, sql)
    assert soaked_too_short(api, version).startswith("10 minutes")


def test_what_is_live_from_a_moment_to_come_is_live_for_no_time(api, places, version, sql):
    """The clock was set back since."""
    api.deployment(version, "staging")
    pass_time(-7200, sql)
    assert soaked_too_short(api, version) == "0 seconds"


def test_what_failed_is_recorded_whatever_gates_say(api, places, version):
    api.make(GATES, gate("released", "production"))
    assert api.deployment(version, status="failed")["status"] == "failed"


def test_a_deployment_on_its_way_is_asked_again_when_it_succeeds_and_not_before(api, version):
    path = f"/api/v1/deployments/{api.deployment(version, status='pending')['id']}"
    api.make(GATES, gate("released", "production"))
    assert api.put(path, {"status": "running"}).json["status"] == "running"
    refused = api.put(path, {"status": "success"})
    assert refusal(refused) == "blocked"
    assert said(refused.json["gates"]) == [(False, "it is not a release; only releases may go here")]
    assert api.get(path).json["status"] == "running"
    api.post(path_of(version, "promote"))
    assert api.put(path, {"status": "success"}).json["live"] is True


def test_a_change_of_metadata_and_a_promotion_at_once_are_judged_by_the_new(api):
    version = api.version(api.model(), metadata={"accuracy": 0.5})
    api.make(GATES, METRIC)
    assert api.put(path_of(version), {"metadata": {"accuracy": 0.95}, "is_release": True}).json["is_release"] is True
    other = api.version({"id": version["model_id"]}, "2.0.0", metadata={"accuracy": 0.95})
    refused = api.put(path_of(other), {"metadata": {"accuracy": 0.5}, "is_release": True})
    assert said(refused.json["gates"]) == [(False, "accuracy is 0.5; it must be >= 0.9")]
    assert api.get(path_of(other)).json["metadata"] == {"accuracy": 0.95}


def test_all_gates_are_answered_in_the_order_they_were_written(api):
    version = api.version(api.model(), metadata={"accuracy": 0.95})
    api.make(GATES, METRIC)
    api.make(GATES, gate("metadata_present", paths=["dataset"]))
    api.make(GATES, gate("approved"))
    assert [(v["gate"]["kind"], v["passed"]) for v in verdicts(api, version)] == [
        ("metric", True),
        ("metadata_present", False),
        ("approved", False),
    ]
    refused = api.post(path_of(version, "promote"))
    assert [v["passed"] for v in refused.json["gates"]] == [True, False, False]
    assert refused.json["detail"] == (
        "It may not become a release: its metadata has no dataset;"
        " it has 0 of 1 approvals with the role releaser or higher."
    )


def test_a_release_that_is_promoted_again_is_not_asked(api, trail):
    version = api.version(api.model(), is_release=True)
    api.make(GATES, METRIC)
    before = len(trail())
    assert api.post(path_of(version, "promote")).json["is_release"] is True
    assert len(trail()) == before


def test_the_release_to_compare_with_is_no_archived_and_no_deleted_one(api):
    model = api.model()
    _, archived, deleted = (
        api.version(model, name, metadata={"accuracy": number}, is_release=True)
        for name, number in (("1", 0.8), ("2", 0.95), ("3", 0.96))
    )
    assert api.put(path_of(archived), {"status": "archived"}).status_code == 200
    assert api.delete(path_of(deleted)).status_code == 204
    api.make(GATES, gate("no_regression", path="accuracy", direction="higher"))
    version = api.version(model, "4", metadata={"accuracy": 0.85})
    assert said(verdicts(api, version)) == [
        (True, "accuracy is 0.85; it must not be lower than the 0.8 of the current release, 1")
    ]


def test_no_gate_asks_more_than_three_statements(api, statements):
    version = api.version(api.model(), metadata={"accuracy": 0.95})
    for n in range(20):
        api.make(GATES, {**METRIC, "value": n / 100})
        api.make(GATES, gate("approved", count=n + 1))
    api.get(path_of(version))
    with statements() as sent:
        assert len(verdicts(api, version)) == 40
    asked = [one for one in sent if "gate." in one or "approvals" in one]
    assert len(asked) <= 3


def test_a_gate_for_others_is_not_asked(api, places, version):
    other = api.model("org/other")
    api.make(GATES, {**METRIC, "model": "org/other"})
    api.make(GATES, {**METRIC, "target": "production"})
    assert verdicts(api, version) == []
    assert len(verdicts(api, version, "production")) == 1
    assert len(verdicts(api, api.version(other))) == 1
    assert api.post(path_of(version, "promote")).status_code == 200


# --- which models


@pytest.mark.parametrize(
    ("pattern", "name", "met"),
    [
        ("*", "bert", True),
        ("*", "org/team/bert", True),
        ("org/*", "org/bert", True),
        ("ORG/*", "org/Bert", True),
        ("org/*", "Org/team/bert", True),
        ("org/*", "org2/bert", False),
        ("org/*", "org", False),
        ("*/bert", "org/bert", True),
        ("*/bert", "org/bert2", False),
        ("org/bert*", "org/bert", True),
        ("org/b*t", "org/bert", True),
        ("org/b*t*", "org/bert-large", True),
        ("org/bert", "org/BERT", True),
        ("org/bert", "org/bert2", False),
        ("org/b_rt", "org/b_rt", True),
        ("org/b_rt", "org/bert", False),
        ("b.rt", "bert", False),
    ],
)
def test_patterns(api, pattern, name, met):
    """`*` stands for any text, slashes too; case is ignored; `_` and `.` are themselves."""
    version = api.version(api.model(name))
    api.make(GATES, {**METRIC, "model": pattern})
    assert bool(verdicts(api, version)) is met


@pytest.mark.parametrize(
    "pattern", ["", "/", "org/", "/bert", "org/_*", "a//b", "a  b", " a", "a%", "a\\b", "é", "x" * 256, "a\n", 1, ["a"]]
)
def test_patterns_that_are_refused(api, pattern):
    assert faults(api.post(GATES, {**METRIC, "model": pattern})) == {"model"}


# --- written


OWN = {
    "metric": {"path": "accuracy", "op": ">=", "value": 0.9},
    "no_regression": {"path": "accuracy", "direction": "higher", "tolerance": 0.01},
    "metadata_present": {"paths": ["dataset", "data.sha256"]},
    "released": {},
    "soaked": {"environment": "staging", "seconds": 60},
    "approved": {"count": 2, "role": "admin"},
    "files_signed": {},
    "files_intact": {},
    "digest_verified": {"max_age": 3_600, "tag": True},
    "signed": {"count": 2},
}


@pytest.mark.parametrize("kind", OWN)
def test_a_gate_answers_with_every_field_and_no_other(api, places, kind):
    made = api.post(GATES, gate(kind, "Production", **OWN[kind]))
    assert made.status_code == 201, made.text
    assert set(made.json) == FIELDS
    others = dict.fromkeys(("path", "op", "value", "direction", "tolerance", "paths", "environment", "seconds"))
    rest = {**others, "count": None, "role": None, "max_age": None, "tag": None, **OWN[kind]}
    meant = {"model": MODEL, "target": "production", "kind": kind, "created_by": "admin-key", **rest}
    assert {name: made.json[name] for name in meant} == meant
    assert api.get(GATES).json == [made.json]
    assert made.headers["Location"] == f"{GATES}/{made.json['id']}"


def test_what_a_gate_has_when_it_says_little(api, places):
    assert api.make(GATES, gate("no_regression", path="a", direction="lower"))["tolerance"] == 0
    approved = api.make(GATES, gate("approved"))
    assert (approved["count"], approved["role"]) == (1, "releaser")


@pytest.mark.parametrize("kind", OWN)
def test_a_gate_needs_the_fields_of_its_kind_and_no_other(api, places, kind):
    foreign = {name: value for own in OWN.values() for name, value in own.items() if name not in OWN[kind]}
    refused = api.post(GATES, gate(kind, "production", **foreign))
    assert refused.status_code == 422
    optional = {"tolerance", "count", "role", "max_age", "tag"}
    assert set(refused.json["errors"]) == set(foreign) | (set(OWN[kind]) - optional)


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("path", ""), ("path", "x" * 256), ("path", 1), ("op", "="), ("op", "!="), ("value", "0.9"), ("value", True),
        ("value", None), ("direction", "up"), ("tolerance", -0.1), ("tolerance", "0"), ("paths", []),
        ("paths", ["a"] * 51), ("paths", "a"), ("paths", [1]), ("paths", [""]), ("environment", "a b"),
        ("environment", "release"), ("seconds", 0), ("seconds", 1.5), ("seconds", 10**9), ("count", 0), ("count", 21),
        ("role", "boss"), ("target", ""), ("target", "a b"), ("kind", "magic"), ("unknown", 1),
    ],
)  # fmt: skip
def test_bad_fields_are_named(api, places, field, bad):
    kind = next((kind for kind, own in OWN.items() if field in own), "metric")
    assert faults(api.post(GATES, {**gate(kind, "production", **OWN[kind]), field: bad})) == {field}


def test_every_bad_field_is_named_at_once(api):
    refused = api.post(GATES, {"model": "a  b", "target": "", "kind": "magic", "op": "=", "value": "x", "count": 0})
    assert set(refused.json["errors"]) == {"model", "target", "kind", "op", "value", "count"}
    assert all(kind in refused.json["errors"]["kind"][0] for kind in OWN)
    assert faults(api.post(GATES, {})) == {"model", "target", "kind"}
    assert faults(api.post(GATES, gate("released"))) == {"target"}
    beyond = b'{"model":"*","target":"release","kind":"metric","path":"a","op":">","value":1' + b"0" * 400 + b"}"
    assert api.post(GATES, beyond).status_code == 422


def test_an_unknown_target_names_those_there_are(api, places, version):
    refused = [
        api.post(GATES, {**METRIC, "target": "nowhere"}),
        api.get(f"{path_of(version, 'gates')}?target=nowhere"),
        api.get(f"{path_of(version, 'gates')}?target=a%20b"),
        api.post(path_of(version, "approvals"), {"target": "nowhere"}),
    ]
    for answer in refused:
        assert faults(answer) == {"target"}
        (message,) = answer.json["errors"]["target"]
        assert all(name in message for name in ("release", "staging", "production"))
    nowhere = api.post(GATES, gate("soaked", environment="nowhere", seconds=1))
    assert faults(nowhere) == {"environment"}
    assert all(name in nowhere.json["errors"]["environment"][0] for name in ("staging", "production"))
    itself = api.post(GATES, gate("soaked", "production", environment="Production", seconds=1))
    assert faults(itself) == {"environment"}


@pytest.mark.parametrize("query", ["", "?target=", "?target=release&target=release", "?targets=release", "?target=%00"])
def test_a_query_without_one_good_target_is_refused(api, version, query):
    assert api.get(path_of(version, "gates") + query).status_code == 422


def test_targets_ignore_case(api, places, version):
    api.make(GATES, {**METRIC, "target": "PRODUCTION"})
    api.make(GATES, {**METRIC, "target": "Release"})
    assert len(verdicts(api, version, "Production")) == len(verdicts(api, version, "RELEASE")) == 1


# --- changed and deleted


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"value": None}, {"value"}),
        ({"path": None, "op": "="}, {"path", "op"}),
        ({"count": 2}, {"count"}),
        ({"tolerance": 0.1, "paths": ["a"]}, {"tolerance", "paths"}),
        ({"target": "nowhere"}, {"target"}),
    ],
)
def test_bad_changes_are_named(api, body, fields):
    made = api.make(GATES, METRIC)
    assert faults(api.put(f"{GATES}/{made['id']}", body)) == fields
    assert api.get(GATES).json == [made]


def test_a_deleted_gate_asks_no_more(api, version, trail):
    made = api.make(GATES, METRIC)
    assert audited(trail()[0]) == ("gate.create", made["id"], "admin-key")
    assert api.delete(f"{GATES}/{made['id']}").status_code == 204
    assert (api.get(GATES).json, verdicts(api, version)) == ([], [])
    for again in (api.delete(f"{GATES}/{made['id']}"), api.put(f"{GATES}/{made['id']}", {"value": 1})):
        assert again.status_code == 404
    assert [trail(action)[0]["details"] for action in ("gate.create", "gate.delete")] == [METRIC, METRIC]


# --- passed by force


@pytest.fixture
def held(api):
    """A version that two gates keep from production and one from becoming a release."""
    version = api.version(api.model(), metadata={"accuracy": 0.5})
    api.put(f"{ENVIRONMENTS}/production", {})
    api.make(GATES, METRIC)
    api.make(GATES, gate("metadata_present", paths=["accuracy"]))
    api.make(GATES, gate("released", "production"))
    api.make(GATES, gate("metric", "production", path="f1", op=">", value=0))
    return version


def test_an_admin_with_a_reason_passes_the_gates_of_a_release(api, held, trail):
    answer = api.post(path_of(held, "promote"), {"force": True, "reason": "the board said so"})
    assert answer.json["is_release"] is True
    (override,), (promotion,) = trail("gate.override"), trail("version.promote")
    assert (override["resource_type"], str(override["resource_id"])) == ("version", held["id"])
    details = override["details"]
    assert (details["target"], details["reason"]) == ("release", "the board said so")
    assert (details["model"], details["version"]) == (MODEL, IT)
    (broken,) = details["gates"]
    assert (broken["kind"], broken["detail"]) == ("metric", "accuracy is 0.5; it must be >= 0.9")
    assert promotion["details"]["reason"] == "the board said so"


def test_an_admin_with_a_reason_passes_the_gates_of_an_environment(api, held, trail):
    made = api.deployment(held, "Production", force=True, reason="the board said so")
    assert made["live"] is True
    override = trail("gate.override")[0]
    assert (override["resource_type"], str(override["resource_id"])) == ("deployment", made["id"])
    assert override["details"]["target"] == "production"
    assert [broken["kind"] for broken in override["details"]["gates"]] == ["released", "metric"]
    assert trail("deployment.create")[0]["details"]["reason"] == "the board said so"


def doors(api, version, **how):
    return [
        api.post(path_of(version, "promote"), how),
        api.post("/api/v1/deployments", {"release_id": version["id"], "environment": "production", **how}),
    ]


@pytest.mark.parametrize("reason", [{}, {"reason": None}, {"reason": ""}])
def test_force_needs_a_reason(api, held, trail, reason):
    before = len(trail())
    for answer in doors(api, held, force=True, **reason):
        assert (answer.status_code, set(answer.json["errors"])) == (422, {"reason"})
    assert len(trail()) == before


@pytest.mark.parametrize("how", [{}, {"reason": "please", "force": False}], ids=["no force", "a reason alone"])
def test_what_was_blocked_leaves_no_trace(api, held, trail, how):
    before = len(trail())
    assert [refusal(answer) for answer in doors(api, held, **how)] == ["blocked", "blocked"]
    assert api.get(path_of(held)).json == held
    assert api.get("/api/v1/deployments").json == []
    assert len(trail()) == before


def test_force_where_nothing_is_broken_is_no_override(api, trail):
    version = api.version(api.model(), metadata={"accuracy": 0.95})
    api.make(GATES, METRIC)
    assert [answer.status_code for answer in doors(api, version, force=True, reason="to be sure")] == [200, 201]
    assert trail("gate.override") == []
