"""`/gates`: the rules, their form, and what they would say."""

import pytest
from markup import Page, is_whole

AT = "/models/org/bert/versions/1.0.0"
METRIC = {"model": "*", "target": "release", "kind": "metric", "path": "accuracy", "op": ">=", "value": "0.9"}


@pytest.fixture
def model(api):
    return api.model()


@pytest.fixture
def version(api, model):
    return api.by("publisher").version(model, metadata={"accuracy": 0.89})


@pytest.fixture
def places(api):
    for name in ("staging", "production"):
        api.put(f"/api/v1/environments/{name}", {})


@pytest.fixture
def gate(api):
    """The gate on a metric, unless the fields of another are given; on the way to a release."""

    def make(kind="metric", target="release", model="*", **own):
        if kind == "metric":
            own = {"path": "accuracy", "op": ">=", "value": 0.9, **own}
        return api.make("/api/v1/gates", {"model": model, "target": target, "kind": kind, **own})

    return make


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
            ("all models", "release", "Approved by 2 other keys with the role admin"),
            ("all models", "production", "Live in staging for 1 hour 30 minutes without interruption"),
            ("all models", "production", "Releases only"),
            ("all models", "staging", "data.sha256, git_commit in the metadata"),
            ("org/*", "release", "f1 not lower by more than 0.01 than that of the current release"),
            ("all models", "release", "accuracy ≥ 0.9"),
        ],
        strict=True,
    ):
        assert row.startswith(f"{models} {target} {asks} just now · admin-key")


def test_without_any_gate_the_list_says_how_to_write_one(browser):
    page = Page(browser.get("/gates"))
    assert "No gates yet" in page.texts("h2")
    assert "api/v1/gates" in page.one("pre").text
    assert "New gate" in page.one("div", class_="empty").text
    assert "New gate" not in Page(browser.by("viewer").get("/gates")).one("div", class_="empty").text


def test_a_gate_that_is_not_there_is_a_404(browser, gate):
    at = f"/gates/{gate()['id']}"
    assert browser.post(f"{at}/delete").status_code == 303
    for path in (f"{at}/edit", f"{at}/delete", "/gates/00000000-0000-0000-0000-000000000000/edit"):
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
}
STORED = {
    **OWN,
    "metric": {**OWN["metric"], "value": 0.001},
    "no_regression": {**OWN["no_regression"], "tolerance": 0.01},
    "metadata_present": {"paths": ["data.sha256", "git_commit", "a, b"]},
    "soaked": {"environment": "staging", "seconds": 172_800},
    "approved": {"count": 2, "role": "admin"},
}


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
    page = Page(browser.get(f"/gates/{made['id']}/edit"))
    texts = [field for field in page.all("input") + page.all("textarea") if field.get("name") not in ("q", None)]
    chosen = {name: value for name, value in OWN[kind].items() if name in ("op", "direction", "role", "unit")}
    sent = {field["name"]: field.value for field in texts} | chosen
    assert browser.post(f"/gates/{made['id']}/edit", sent).status_code == 303
    assert api.get("/api/v1/gates").json == [made]
    assert trail("gate.update") == []


def test_the_kind_is_chosen_without_losing_what_was_typed(browser):
    page = Page(browser.get("/new/gate?kind=no_regression&model=org/*&target=staging&path=f1", htmx="form"))
    assert [page.field(name).value for name in ("model", "target", "path")] == ["org/*", "staging", "f1"]
    chooser = page.one("select", name="kind")
    assert (chooser["hx-get"], chooser["hx-target"]) == ("/new/gate", "#form")
    assert page.one("option", value="no_regression", selected="")
    assert page.one("button", formmethod="get")["formaction"] == "/new/gate"


@pytest.mark.parametrize(
    ("changed", "wrong", "message"),
    [
        ({"model": "a b"}, ["model"], "Must be a model's name"),
        ({"target": "nowhere"}, ["target"], "There is no environment nowhere"),
        ({"value": "nan"}, ["value"], "Must be a number."),
        ({"value": "1e999"}, ["value"], "beyond the range of a 64-bit float"),
        ({"value": "", "path": ""}, ["path", "value"], "Required for a gate of kind metric."),
        ({"op": "~"}, ["op"], "Must be one of >=, >, <=, <, ==."),
        ({"kind": "approved", "count": "0", "role": "nobody"}, ["count", "role"], "Must be 1 to 20."),
        ({"kind": "approved", "count": "one"}, ["count"], "Not a valid integer."),
        ({"kind": "soaked", "environment": "x", "seconds": "9999", "unit": "days"}, ["seconds"], "ten years"),
        ({"kind": "metadata_present", "paths": "\n".join(map(str, range(51)))}, ["paths"], "1 to 50 paths"),
        ({"value": "x", "do": "try"}, ["value"], "Must be a number."),
    ],
)
@pytest.mark.parametrize("htmx", [None, "form"])
def test_a_fault_is_at_its_field(browser, sql, changed, wrong, message, htmx):
    sent = {name: form()[name] for name in ("model", "target")} if "kind" in changed else form()
    answer = browser.post("/new/gate", {**sent, **changed}, htmx=htmx)
    page = Page(answer)
    assert (answer.status_code, is_whole(answer), sorted(page.invalid)) == (422, htmx is None, sorted(wrong))
    assert message in " ".join(page.texts("span", class_="fault"))
    assert sql("SELECT 1 FROM gates") == []


def test_a_change_in_between_is_said_and_nothing_is_lost(browser, api, gate):
    made = gate()
    at = f"/gates/{made['id']}"
    counter = Page(browser.get(f"{at}/edit")).one("input", name="counter").value
    api.put(f"/api/v1{at}", {"value": 0.8})
    answer = browser.post(f"{at}/edit", form(value="0.7", counter=counter), htmx="form")
    page = Page(answer)
    assert answer.status_code == 412
    assert "Changed by admin-key in the meantime" in page.one("div", role="alert").text
    assert page.field("value").value == "0.7"
    assert f"{at}/edit" in page.links
    assert browser.post(f"{at}/delete", {"counter": counter}, htmx="form").status_code == 412
    assert [one["value"] for one in api.get("/api/v1/gates").json] == [0.8]


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
    assert "+0.1 better" in browser.get("/", htmx="ready").text.replace('<span class="unseen">', "")
