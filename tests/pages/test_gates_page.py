"""`/gates`: the rules, their form, and what they would say."""

import pytest
from gatecases import pass_time
from markup import Page, is_whole

AT = "/models/org/bert/versions/1.0.0"
METRIC = {"model": "*", "target": "release", "kind": "metric", "path": "accuracy", "op": ">=", "value": "0.9"}
EVIL = "<script>alert(1)</script>\"'&amp;"


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


def test_who_is_not_signed_in_sees_no_gate(browser, gate):
    gate()
    assert browser.by(None).get("/gates").headers["Location"].startswith("/login")


def test_a_gate_that_is_not_there_is_a_404(browser, gate):
    at = f"/gates/{gate()['id']}"
    assert browser.post(f"{at}/delete").status_code == 303
    for path in (f"{at}/edit", f"{at}/delete", "/gates/00000000-0000-0000-0000-000000000000/edit"):
        assert browser.get(path).status_code == browser.post(path).status_code == 404


def test_a_model_s_page_lists_the_gates_that_are_for_it(browser, api, gate):
    api.model("org/a_b")
    at = "/models/org/a_b/-/gates"
    assert "No gate is for this model" in browser.get(at).text
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
    "metric": {"path": "eval.f1", "op": "<", "value": 0.001},
    "no_regression": {"path": "loss", "direction": "lower", "tolerance": 0.01},
    "metadata_present": {"paths": ["data.sha256", "git_commit", "a, b"]},
    "released": {},
    "soaked": {"environment": "staging", "seconds": 172_800},
    "approved": {"count": 2, "role": "admin"},
}


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("htmx", [None, "form"])
def test_a_gate_of_every_kind_is_written_by_its_form(browser, api, places, trail, kind, htmx):
    page = Page(browser.get(f"/new/gate?kind={kind}", htmx=htmx and "dialog-body"))
    asked = {one.get("name") for one in page.elements if one.tag in ("input", "select", "textarea")}
    assert asked - {"q", None} == {"model", "target", "kind", *OWN[kind]}
    answer = browser.post("/new/gate", {"model": "org/*", "target": "production", "kind": kind, **OWN[kind]}, htmx=htmx)
    assert answer.status_code == (204 if htmx else 303)
    (made,) = api.get("/api/v1/gates").json
    own = {name: made[name] for name in STORED[kind]}
    assert (made["model"], made["target"], made["kind"], own) == ("org/*", "production", kind, STORED[kind])
    assert trail("gate.create")[0]["api_key_name"] == "admin-key"


@pytest.mark.parametrize("kind", OWN)
def test_an_edit_form_shows_what_is_stored_and_saving_it_unchanged_changes_nothing(browser, api, places, trail, kind):
    browser.post("/new/gate", {"model": "org/*", "target": "production", "kind": kind, **OWN[kind]})
    (made,) = api.get("/api/v1/gates").json
    page = Page(browser.get(f"/gates/{made['id']}/edit"))
    shown = {}
    for one in page.elements:
        if one.tag in ("input", "textarea") and one.get("name") not in ("q", None):
            shown[one["name"]] = one.value
    shown |= {name: value for name, value in OWN[kind].items() if name in ("op", "direction", "role", "unit")}
    assert browser.post(f"/gates/{made['id']}/edit", shown).status_code == 303
    assert api.get("/api/v1/gates").json == [made]
    assert trail("gate.update") == []


def test_the_kind_is_chosen_without_losing_what_was_typed(browser):
    page = Page(browser.get("/new/gate?kind=no_regression&model=org/*&target=staging&path=f1", htmx="form"))
    assert [page.field(name).value for name in ("model", "target", "path")] == ["org/*", "staging", "f1"]
    chooser = page.one("select", name="kind")
    assert (chooser["hx-get"], chooser["hx-target"]) == ("/new/gate", "#form")
    assert page.one("option", value="no_regression", selected="")
    assert page.one("button", formmethod="get")["formaction"] == "/new/gate"


def test_a_kind_that_there_is_not_shows_the_first(browser):
    assert Page(browser.get("/new/gate?kind=<b>")).field("value")
    assert Page(browser.post("/new/gate", form(kind="<b>"))).invalid == ["kind"]


@pytest.mark.parametrize(
    ("changed", "wrong", "said"),
    [
        ({"model": "a b"}, ["model"], "Must be a model's name"),
        ({"model": ""}, ["model"], "Missing data"),
        ({"target": "nowhere"}, ["target"], "There is no environment nowhere"),
        ({"value": "much"}, ["value"], "Must be a number."),
        ({"value": "nan"}, ["value"], "Must be a number."),
        ({"value": "1e999"}, ["value"], "beyond the range of a 64-bit float"),
        ({"value": "", "path": ""}, ["path", "value"], "Required for a gate of kind metric."),
        ({"path": "x" * 256}, ["path"], "1 to 255"),
        ({"op": "~"}, ["op"], "Must be one of >=, >, <=, <, ==."),
        ({"kind": "approved", "count": "0", "role": "nobody"}, ["count", "role"], "Must be 1 to 20."),
        ({"kind": "approved", "count": "one"}, ["count"], "Not a valid integer."),
        ({"kind": "soaked", "environment": "nowhere", "seconds": "1"}, ["environment"], "There is no environment"),
        ({"kind": "soaked", "environment": "nowhere", "seconds": "9999", "unit": "days"}, ["seconds"], "ten years"),
        ({"kind": "released"}, ["target"], "Must be an environment"),
        ({"kind": "metadata_present", "paths": "\n".join(map(str, range(51)))}, ["paths"], "1 to 50 paths"),
        ({"kind": "no_regression", "direction": "higher", "tolerance": "-1"}, ["tolerance"], "Must be 0 or more."),
    ],
)
def test_what_is_wrong_stands_at_its_field(browser, sql, changed, wrong, said):
    sent = {
        name: value for name, value in form(**changed).items() if "kind" not in changed or name not in ("op", "value")
    }
    if sent["kind"] not in ("metric", "no_regression"):
        sent.pop("path")
    for htmx in (None, "form"):
        answer = browser.post("/new/gate", sent, htmx=htmx)
        page = Page(answer)
        assert (answer.status_code, is_whole(answer)) == (422, htmx is None)
        assert sorted(page.invalid) == sorted(wrong)
        assert said in " ".join(page.texts("span", class_="fault"))
    assert sql("SELECT 1 FROM gates") == []


def test_a_change_in_between_is_said_and_nothing_is_lost(browser, api, gate):
    made = gate()
    at = f"/gates/{made['id']}"
    counter = Page(browser.get(f"{at}/edit")).one("input", name="counter").value
    api.put(f"/api/v1{at}", {"value": 0.8})
    answer = browser.post(f"{at}/edit", form(value="0.7", counter=counter), htmx="form")
    page = Page(answer)
    assert answer.status_code == 412
    assert "Changed by admin-key meanwhile" in page.one("div", role="alert").text
    assert page.field("value").value == "0.7"
    assert f"{at}/edit" in page.links
    assert browser.post(f"{at}/delete", {"counter": counter}, htmx="form").status_code == 412
    assert [one["value"] for one in api.get("/api/v1/gates").json] == [0.8]


def test_a_gate_is_changed_and_deleted(browser, api, gate, trail):
    at = f"/gates/{gate()['id']}"
    assert browser.post(f"{at}/edit", form(value="0.8", model="org/*"), htmx="form").status_code == 204
    (now,) = api.get("/api/v1/gates").json
    assert (now["value"], now["model"]) == (0.8, "org/*")
    assert "org/*" in Page(browser.get(f"{at}/delete", htmx="dialog-body")).one("form", id="form").text
    assert browser.post(f"{at}/delete", htmx="form").status_code == 204
    assert api.get("/api/v1/gates").json == []
    assert [len(trail(action)) for action in ("gate.update", "gate.delete")] == [1, 1]


# --- trying one -------------------------------------------------------------------------------------------------------


def tried(response):
    page = Page(response)
    [told] = page.texts("h3", id="tried-name")
    items = [
        " ".join(item.text.split()) for item in page.all("li") if "ass" in item.text and "ith" not in item.text[:3]
    ]
    return told, items


def test_a_dry_run_says_which_of_the_last_versions_would_pass_and_writes_nothing(browser, api, model, trail, sql):
    for number in range(22):
        api.version(model, f"1.{number}.0", metadata={"accuracy": (80 + number) / 100})
    api.version(api.model("other/model"), "9.0.0")
    entries = len(trail())
    for htmx in (None, "form"):
        answer = browser.post("/new/gate", form(model="org/*", do="try"), htmx=htmx)
        told, items = tried(answer)
        assert (answer.status_code, told) == (200, "Of the last 20 versions 12 would pass")
        assert items[0] == "org/bert 1.21.0 Passes: accuracy is 1.01; it must be >= 0.9"
        assert items[-1] == "org/bert 1.2.0 Does not pass: accuracy is 0.82; it must be >= 0.9"
        assert "/models/org/bert/versions/1.21.0" in Page(answer).links
        assert Page(answer).field("value").value == "0.9"
    assert (len(trail()), sql("SELECT 1 FROM gates")) == (entries, [])


def test_a_dry_run_of_no_model_says_so(browser, version):
    told, items = tried(browser.post("/new/gate", form(model="no/*", do="try")))
    assert (told, items) == ("No version is of such a model yet", [])


def test_a_dry_run_of_a_wrong_form_shows_what_is_wrong(browser, version):
    answer = browser.post("/new/gate", form(value="x", do="try"))
    assert (answer.status_code, Page(answer).invalid) == (422, ["value"])


def test_an_underscore_in_a_pattern_is_no_wildcard(browser, api):
    api.version(api.model("org/a_b"))
    api.version(api.model("org/axb"))
    told, items = tried(browser.post("/new/gate", form(model="ORG/a_*", do="try")))
    assert told == "Of the last 1 version none would pass"
    assert items == ["org/a_b 1.0.0 Does not pass: its metadata has no accuracy"]


def test_a_dry_run_says_how_many_approvals_would_be_void(browser, api, gate, version, model):
    made = gate("approved", model="org/*")
    path = f"/api/v1/versions/{version['id']}/approvals"
    api.by("releaser").make(path, {"target": "release"})
    assert "1 approval that was given would count no more" in browser.post("/new/gate", form(do="try")).text
    assert "count no more once" not in browser.post("/new/gate", form(model="other/*", do="try")).text
    sent = {"model": "x/*", "target": "release", "kind": "approved", "count": "1", "role": "releaser", "do": "try"}
    assert "1 approval that was given" in browser.post(f"/gates/{made['id']}/edit", sent).text
    assert (
        "1 approval that was given for release would count no more" in browser.get(f"/gates/{made['id']}/delete").text
    )


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
    assert [changes[key].split()[3:] for key in old] == [
        ["+0.1", "better"],
        ["+0.1", "worse"],
        ["+0.1"],
        ["+1"],
        ["same"],
    ]
    assert "+0.1 better" in browser.get("/", htmx="ready").text.replace('<span class="unseen">', "")


# --- text and size ----------------------------------------------------------------------------------------------------


def test_what_people_typed_is_never_markup(browser, api, gate, version):
    gate(path=EVIL)
    gate("metadata_present", paths=[EVIL])
    gate("approved")
    api.by("releaser").make(f"/api/v1/versions/{version['id']}/approvals", {"target": "release", "comment": EVIL})
    sent = [
        browser.post("/new/gate", form(model=EVIL, target=EVIL, path=EVIL, value=EVIL)),
        browser.post("/new/gate", form(path=EVIL, do="try")),
        browser.get(
            "/new/gate?" + "&".join(f"{name}={EVIL.replace('&', '%26')}" for name in ("model", "path", "kind"))
        ),
        browser.post(f"{AT}/-/override", {"reason": EVIL * 1000}),
        browser.post(f"{AT}/-/promote", htmx="version-x"),
        *(browser.get(path) for path in ("/gates", AT, f"{AT}/-/override", "/inbox")),
    ]
    for answer in sent:
        assert "<script>alert" not in answer.text
    assert EVIL.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")[:12] in sent[5].text


def test_gates_of_the_longest_texts_fit_on_a_page(browser, api, gate, model, places):
    paths = [f"{number}".ljust(255, "&") for number in range(50)]
    for _ in range(60):
        gate("metadata_present", paths=paths)
        gate("metadata_present", "staging", paths=paths)
    api.version(model, metadata={"text": "&" * 60_000}, release_notes="&" * 10_000)
    for path in ("/gates", AT, f"{AT}/-/override", "/"):
        answer = browser.get(path)
        assert (answer.status_code, len(answer.data) <= 300_000) == (200, True), (path, len(answer.data))
    sent = {"model": "*", "target": "release", "kind": "metadata_present", "paths": "\r\n".join(paths), "do": "try"}
    assert len(browser.post("/new/gate", sent).data) <= 300_000
    assert "more gates" in browser.get(AT).text


def test_many_gates_take_no_more_statements_than_one_of_each(
    browser, api, gate, model, version, places, statement_count
):
    def counts():
        paths = ("/gates", AT, "/", "/inbox", f"{AT}/-/override")
        return {path: statement_count(lambda path=path: browser.get(path)) for path in paths}

    gate()
    gate("approved")
    gate("released", "production")
    browser.get("/")
    few = counts()
    for number in range(12):
        gate(value=number / 10)
        gate("approved", "staging", role="publisher")
        gate("soaked", "production", environment="staging", seconds=60)
        api.version(api.model(f"org/m{number}"))
    assert counts() == few
    assert max(few.values()) <= 10, few


def test_more_gates_than_a_page_shows_are_on_the_next(browser, gate):
    for _ in range(52):
        gate()
    first = browser.get("/gates")
    assert len(rows(first)) == 50
    assert len(rows(browser.get(Page(first).more, htmx="more"))) == 2


def test_time_that_passes_lets_a_version_through(browser, api, gate, version, places, sql):
    gate("soaked", environment="staging", seconds=3600)
    api.deployment(version, "staging")
    assert "1 gate does not pass" in browser.get(AT).text
    pass_time(3600, sql)
    assert "The gate passes" in browser.get(AT).text
