"""`/gates`: the rules, their form, and what they would say."""

from unicodedata import normalize

import pytest
from markup import Page

AT = "/models/org/bert/versions/1.0.0"
METRIC = {"model": "*", "target": "release", "kind": "metric", "path": "accuracy", "op": ">=", "value": "0.9"}


@pytest.fixture
def places(api):
    for name in ("staging", "production"):
        api.put(f"/api/v1/environments/{name}", {})


def form(**changed):
    return {**METRIC, **changed}


def rows(response):
    return [row.text for row in Page(response).all("tr") if (row.get("id") or "").startswith("gate-")]


# --- the list ---------------------------------------------------------------------------------------------------------


def test_each_gate_is_a_row_that_says_what_it_asks_for(browser, gate, places):
    gate()
    gate("no_regression", model="org/*", path="f1", direction="higher", tolerance=0.01)
    gate("metadata_present", "staging", paths=["data.sha256", "git_commit"])
    gate("released", "production")
    gate("soaked", "production", environment="staging", seconds=5400)
    gate("approved", count=2, role="admin")
    said = rows(browser.by("viewer").get("/gates"))
    for row, (models, target, asks) in zip(
        said,
        [
            ("all models", "release", "Approved by 2 other people or services with the role admin"),
            ("all models", "production", "Live in staging for 1 hour 30 minutes without interruption"),
            ("all models", "production", "Releases only"),
            ("all models", "staging", "data.sha256, git_commit in the metadata"),
            ("org/*", "release", "f1 not lower by more than 0.01 than that of the current release"),
            ("all models", "release", "accuracy ≥ 0.9"),
        ],
        strict=True,
    ):
        assert row.startswith(f"{models} {target} {asks} 0 just now · admin-key")


def test_gates_are_searched_and_chosen_by_the_model_they_apply_to(browser, gate):
    gate()
    gate("metadata_present", "staging", model="org/*", paths=["data.sha256", "git_commit", normalize("NFD", "café")])
    for query, count in (
        *(
            ("search=SHA256", 1),
            ("search=stag", 1),
            ("search=accu", 1),
            ("search=%25", 0),
            ("search=org/", 1),
            ("search=café", 1),
        ),
        *(("model=org/bert", 2), ("model=other/m", 1), ("model=org/bert&search=accuracy", 1)),
    ):
        assert len(rows(browser.get(f"/gates?{query}"))) == count, query
    empty = browser.get("/gates?search=nothing", htmx="list")
    assert "No gate has “nothing” in it." in empty.text
    assert "<html" not in empty.text


def test_each_gate_says_how_often_it_refused_by_any_door(browser, api, gate, places, sql):
    refusing = gate()["id"]
    gate("metadata_present", paths=["note"])
    version = api.version(api.model(), metadata={"accuracy": 0.5, "note": "x"})
    at = f"/api/v1/versions/{version['id']}"
    for _ in range(2):
        assert api.post(f"{at}/promote").status_code == 409
    assert api.put(at, {"is_release": True}).status_code == 409
    assert browser.post(f"{AT}/-/promote", htmx="main").status_code == 409
    assert browser.post(f"{AT}/-/promote").status_code == 409
    headers = {"Idempotency-Key": "once"}
    assert {api.post(f"{at}/promote", headers=headers).status_code for _ in range(2)} == {409}
    assert api.post(f"{at}/promote", {"force": True, "reason": "Tests."}).status_code == 200
    sql("INSERT INTO gate_refusals VALUES (:id, now() - interval '91 days', 40)", id=refusing)
    first, second = rows(browser.get("/gates"))
    assert " 0 just now" in first
    assert " 7 just now" in second


def test_a_deleted_gate_is_a_404(browser, gate):
    at = f"/gates/{gate()['id']}"
    assert browser.post(f"{at}/delete").status_code == 303
    for path in (f"{at}/edit", f"{at}/delete"):
        assert browser.get(path).status_code == browser.post(path).status_code == 404


def test_a_model_s_page_lists_the_gates_that_are_for_it(browser, api, gate):
    api.model("org/a_b")
    at = "/models/org/a_b/-/gates"
    assert "No gates apply to this model" in browser.get(at).text
    assert "/new/gate?model=org/a_b" in Page(browser.get(at)).links
    for pattern in ("other/*", "org/axb", "*", "ORG/a_*", "org/a_b"):
        gate(model=pattern)
    for htmx in (None, "tab"):
        answer = browser.get(at, htmx=htmx)
        assert [row.split(" release")[0] for row in rows(answer)] == ["org/a_b", "ORG/a_*", "all models"]
        assert Page(answer).one("a", id="tab-gates").get("aria-current") == "page"
    assert browser.get("/models/no/such/-/gates").status_code == 404


# --- writing one ------------------------------------------------------------------------------------------------------

OWN = {
    "metric": {"path": "eval.f1", "op": "<", "value": "1e-3"},
    "no_regression": {"path": "loss", "direction": "lower", "tolerance": "0.01"},
    "metadata_present": {"paths": "data.sha256\r\n\r\n git_commit \r\na, b"},
    "released": {},
    "soaked": {"environment": "Staging", "seconds": "2", "unit": "days"},
    "approved": {"count": "2", "role": "admin"},
    "files_signed": {},
    "files_intact": {},
    "digest_verified": {"max_age": "2", "unit": "hours", "tag": "true"},
    "signed": {"count": "2"},
}
STORED = {
    **OWN,
    "metric": {**OWN["metric"], "value": 0.001},
    "no_regression": {**OWN["no_regression"], "tolerance": 0.01},
    "metadata_present": {"paths": ["data.sha256", "git_commit", "a, b"]},
    "soaked": {"environment": "staging", "seconds": 172_800},
    "approved": {"count": 2, "role": "admin"},
    "digest_verified": {"max_age": 7_200, "tag": True},
    "signed": {"count": 2},
}


def test_the_form_of_a_gate_keeps_all_digits_of_its_number(browser, api):
    fields = {"model": "*", "target": "release", "kind": "metric", "path": "run_id", "op": "<"}
    for number in (321588685835436831, 10**300 + 1):
        assert browser.post("/new/gate", {**fields, "value": str(number)}).status_code == 303
        made = api.get("/api/v1/gates").json[0]
        assert made["value"] == number
        edit = f"/gates/{made['id']}/edit"
        assert browser.post(edit, Page(browser.get(edit)).form).status_code == 303
        assert api.get("/api/v1/gates").json[0] == made


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("htmx", [None, "form"])
def test_a_gate_of_every_kind_is_created_by_its_form_and_saving_it_unchanged_changes_nothing(
    browser, api, places, trail, kind, htmx
):
    page = Page(browser.get(f"/new/gate?kind={kind}", htmx=htmx and "dialog-body"))
    fields = {field.get("name") for field in page.elements if field.tag in ("input", "select", "textarea")}
    assert fields - {"q", None} == {"model", "target", "kind", *OWN[kind]}
    answer = browser.post("/new/gate", {"model": "org/*", "target": "production", "kind": kind, **OWN[kind]}, htmx=htmx)
    assert answer.status_code == (204 if htmx else 303)
    (made,) = api.get("/api/v1/gates").json
    own = {name: made[name] for name in STORED[kind]}
    assert (made["model"], made["target"], made["kind"], own) == ("org/*", "production", kind, STORED[kind])
    assert trail("gate.create")[0]["api_key_name"] == "admin-key"
    edit = f"/gates/{made['id']}/edit"
    assert browser.post(edit, Page(browser.get(edit)).form).status_code == 303
    assert api.get("/api/v1/gates").json == [made]
    assert trail("gate.update") == []


def test_the_kind_is_chosen_without_losing_what_was_typed(browser):
    page = Page(browser.get("/new/gate?kind=no_regression&model=org/*&target=staging&path=f1", htmx="form"))
    assert [page.field(name).value for name in ("model", "target", "path")] == ["org/*", "staging", "f1"]
    chooser = page.one("select", name="kind")
    assert (chooser["hx-get"], chooser["hx-target"]) == ("/new/gate", "#form")
    assert page.one("option", value="no_regression", selected="")
    assert page.one("button", formmethod="get")["formaction"] == "/new/gate"


# --- trying one -------------------------------------------------------------------------------------------------------


def tried(response):
    page = Page(response)
    [title] = page.texts("h3", id="tried-name")
    return title, [item.text for item in page.all("li") if "asses: " in item.text or "not pass: " in item.text]


def test_a_dry_run_says_which_of_the_last_versions_would_pass_and_writes_nothing(browser, api, model, trail, sql):
    for number in range(22):
        api.version(model, f"1.{number}.0", metadata={"accuracy": (80 + number) / 100})
    api.version(api.model("other/model"), "9.0.0")
    entries = len(trail())
    for htmx in (None, "form"):
        answer = browser.post("/new/gate", form(model="org/*", do="try"), htmx=htmx)
        title, items = tried(answer)
        assert (answer.status_code, title) == (200, "Of the last 20 versions 12 would pass")
        assert items[0] == "org/bert 1.21.0 Passes: accuracy is 1.01; it must be >= 0.9"
        assert items[-1] == "org/bert 1.2.0 Does not pass: accuracy is 0.82; it must be >= 0.9"
        assert "/models/org/bert/versions/1.21.0" in Page(answer).links
        assert Page(answer).field("value").value == "0.9"
    assert (len(trail()), sql("SELECT 1 FROM gates")) == (entries, [])


def test_a_dry_run_without_versions_says_so(browser, version):
    assert tried(browser.post("/new/gate", form(model="no/*", do="try"))) == ("No versions match this pattern yet", [])


def test_an_underscore_in_a_pattern_is_no_wildcard(browser, api):
    api.version(api.model("org/a_b"))
    api.version(api.model("org/axb"))
    title, items = tried(browser.post("/new/gate", form(model="ORG/a_*", do="try")))
    assert title == "Of the last 1 version none would pass"
    assert items == ["org/a_b 1.0.0 Does not pass: its metadata has no accuracy"]


def test_a_dry_run_says_how_many_approvals_would_be_void(browser, api, gate, version, model):
    made = gate("approved", model="org/*")
    path = f"/api/v1/versions/{version['id']}/approvals"
    api.by("releaser").make(path, {"target": "release"})
    assert "1 approval would become void" in browser.post("/new/gate", form(do="try")).words
    assert "would become void once" not in browser.post("/new/gate", form(model="other/*", do="try")).words
    sent = {"model": "x/*", "target": "release", "kind": "approved", "count": "1", "role": "releaser", "do": "try"}
    assert "1 approval would become void" in browser.post(f"/gates/{made['id']}/edit", sent).words
    assert "1 approval for release would become void" in browser.get(f"/gates/{made['id']}/delete").words


def test_better_and_worse_are_said_only_where_a_gate_gives_a_direction(browser, api, gate, model):
    old = {"accuracy": 0.5, "loss": 0.5, "f1": 0.5, "size": 5, "same": 1}
    api.version(model, "0.9.0", metadata=old, is_release=True)
    api.version(model, "1.0.0", metadata={"accuracy": 0.6, "loss": 0.6, "f1": 0.6, "size": 6, "same": 1})
    gate(value=0.5)
    gate("no_regression", path="loss", direction="lower", tolerance=1)
    gate(path="f1", op=">", value=0)
    gate(path="f1", op="<", value=1)  # neither way is better
    gate(path="same", value=0)
    changes = {row.text.split()[0]: row.text for row in Page(browser.get(AT)).all("tr") if row.text}
    shown = [" ".join(changes[key].split()[3:]) for key in old]
    assert shown == ["+0.1 better", "+0.1 worse", "+0.1", "+1", "same"]
