import csv

import pytest
from flask import url_for
from markup import Page

from catapult.pages.parts import formats

MODEL = "/models/org/bert"


@pytest.fixture
def model(api):
    return api.model(description="Reads reviews", tags=["nlp"])


def promote(browser, version, verb="promote", **kwargs):
    address = f"/models/{version['model_name']}/versions/{version['version']}/-/{verb}"
    return browser.post(address, htmx=f"version-{version['id']}", **kwargs)


def versions(response):
    return [box["value"] for box in Page(response).all("input", name="v")]


def points(page):
    """The points of the chart: version and value."""
    labels = [link.get("aria-label") or "" for link in page.all("a")]
    return [label.partition(", ")[0] for label in labels if ", registered" in label]


# --- what it shows ----------------------------------------------------------------------------------------------------


def test_the_heading_says_what_the_model_is(browser, api, model):
    api.version(model)
    page = Page(browser.get(MODEL))
    assert page.one("h1").text == "org/bert"
    assert "/models?tag=nlp" in page.links
    assert "Reads reviews" in page.has_class("markdown")[0].text
    assert page.texts("nav", class_="tabs") == ["Versions 1 Deployments 0 Card Gates Activity Settings"]
    assert page.one("a", id="tab-versions").get("aria-current") == "page"


def test_a_row_says_what_a_version_is(browser, api, model):
    version = api.version(model, "1.0.0", metadata={"accuracy": 0.9123456, "loss": 12}, is_release=True)
    api.deployment(version, "production")
    row = Page(browser.get(MODEL)).all("tr")[1].text
    for said in ("1.0.0", "release", "sha256:aaaa…aaaa", "0.912346", "12", "production", "admin-key"):
        assert said in row


def test_a_digest_that_no_registry_takes_is_marked(browser, api, model):
    api.version(model, "1.0.0", digest="sha256:short")
    assert "digest malformed" in browser.get(MODEL).text


def test_names_know_no_case_and_names_with_slashes_are_whole(browser, api, model):
    api.model("a/b/c")
    assert Page(browser.get("/models/ORG/Bert")).one("h1").text == "org/bert"
    assert Page(browser.get("/models/a/b/c")).one("h1").text == "a/b/c"


@pytest.mark.parametrize("root", ["", "/catapult"])
@pytest.mark.parametrize(
    "version", ["1.0.0", "1.0+cu12", "a&b<c>\"d'", "100%", "a?b#c", "~t|e[x]{}^`\\", "(1)!$*@:;=,_"]
)
def test_the_address_of_a_version_is_that_of_its_route(app, root, version):
    with app.test_request_context(base_url=f"http://localhost{root}"):
        route = {"name": "org/bert", "version": version}
        page = formats.version_page("org/bert", version)
        assert page == url_for("pages.versions.show", **route)
        assert f"{page}/-/promote" == url_for("pages.versions.change", **route, verb="promote")


def test_numbers_are_columns_and_a_chart_as_the_address_asks(browser, api, model):
    api.version(model, "1.0.0", metadata={"accuracy": 0.5, "b": 1, "a": {"x": 2}, "name": "text"})
    api.version(model, "1.1.0", metadata={"accuracy": 0.6, "b": 3})
    page = Page(browser.get(MODEL))
    assert [cell["data-label"] for cell in page.all("td", class_="number")][:2] == ["accuracy", "a.x"]
    assert page.one("h2", id="chart-name").text == "accuracy"
    chosen = Page(browser.get(f"{MODEL}?c=b&c=name&c=nothing&metric=b"))
    assert [cell["data-label"] for cell in chosen.all("td", class_="number")] == ["b", "b"]
    assert chosen.one("h2", id="chart-name").text == "b"
    assert points(chosen) == ["1.0.0: 1", "1.1.0: 3"]
    assert "name" not in [option.text for option in chosen.all("option")]


# --- release, live and candidate --------------------------------------------------------------------------------------


def standing(response):
    return Page(response).one("section", id="standing").text


def test_the_head_has_the_release_what_is_live_and_the_candidate_with_its_gates(browser, api, model, gate):
    gate(value=0.9)
    old = api.version(model, "1.0.0", metadata={"accuracy": 0.91})
    assert api.post(f"/api/v1/versions/{old['id']}/promote").status_code == 200
    for environment in ("lab", "production"):
        api.deployment(old, environment)
    new = api.version(model, "1.1.0", metadata={"accuracy": 0.89})
    page = browser.get(MODEL)
    release, others = standing(page).split("Live in")
    live, candidate = others.split("Candidate")
    assert "1.0.0" in release
    assert "Promoted by admin-key" in release
    assert live.index("lab") < live.index("production")
    assert "1.1.0" in candidate
    assert "0 of 1 gate" in candidate
    assert f"{MODEL}/compare?v=1.1.0&v=1.0.0" in Page(page).links
    for tab in ("deployments", "settings"):
        assert "0 of 1 gate" in standing(browser.get(f"{MODEL}/-/{tab}"))
    in_one_line = Page(page).one("div", id="standing-line")
    assert in_one_line["aria-hidden"] == "true"
    assert in_one_line.text.split()[:3] == ["Release", "1.0.0", "0"]
    assert in_one_line.text.endswith("production 1.0.0 lab 1.0.0 Candidate 1.1.0 0 of 1 gate")
    api.put(f"/api/v1/versions/{new['id']}", {"status": "archived"})
    assert "None newer than the release" in standing(browser.get(MODEL))


def test_the_head_of_a_model_without_versions_says_so(browser, model):
    assert standing(browser.get(MODEL)) == "Release None yet Live in Nowhere Candidate None"


def undo_of(answer):
    """What the form that reverts the change sends."""
    return Page(answer).all("input", name="undo")[0]["value"]


@pytest.mark.parametrize("target", ["standing", "main", "row"])
def test_undo_reverts_ones_own_promotion_and_not_the_one_of_somebody_else(browser, api, model, sql, target):
    version = api.version(model)
    target = f"version-{version['id']}" if target == "row" else target
    mine = browser.post(f"{MODEL}/versions/1.0.0/-/promote", {}, htmx=target)
    other = api.by("releaser")
    for is_release in (False, True):
        assert other.put(f"/api/v1/versions/{version['id']}", {"is_release": is_release}).status_code == 200
    answer = browser.post(f"{MODEL}/versions/1.0.0/-/demote", {"undo": undo_of(mine)}, htmx=target)
    assert "was changed since, by releaser-key. Nothing was undone." in answer.text
    assert api.get(f"/api/v1/versions/{version['id']}").json["is_release"] is True
    assert browser.post(f"{MODEL}/versions/1.0.0/-/demote", {}, htmx=target).status_code == 200
    assert api.get(f"/api/v1/versions/{version['id']}").json["is_release"] is False


def test_promoting_in_the_head_answers_with_the_head_and_out_of_band_with_the_row(browser, api, model, sql):
    version = api.version(model, metadata={"accuracy": 0.5})
    address = f"{MODEL}/versions/1.0.0/-/promote"
    assert f'hx-post="{address}" hx-target="#standing"' in browser.get(MODEL).words
    answer = browser.post(address, {"c": "accuracy", "metric": "accuracy"}, htmx="standing")
    page = Page(answer)
    assert answer.text.lstrip().startswith('<section class="card strip" id="standing"')
    assert "Promoted by admin-key" in standing(answer)
    assert {element["id"] for element in page.all(hx_swap_oob="true")} == {
        f"version-{version['id']}",
        "standing-line",
        "release-count",
        "drawing",
    }
    [undo] = [form for form in page.all("form", hx_target="#standing") if "?" not in form["action"]]
    undone = browser.post(undo["action"], {"undo": undo_of(answer)}, htmx="standing")
    assert "Promote" in standing(undone)
    assert sql("SELECT 1 FROM versions WHERE released_at IS NOT NULL") == []


# --- parts ------------------------------------------------------------------------------------------------------------


def test_activity_tells_of_versions_and_deployments_and_of_what_was_deleted(browser, api, model):
    other = api.model("org/other")
    gone = api.version(model, "1.0.0")
    api.make("/api/v1/gates", {"model": "*", "target": "release", "kind": "approved"})
    for version in (api.version(other, "9.9.9"), gone):
        api.by("releaser").make(f"/api/v1/versions/{version['id']}/approvals", {"target": "release"})
    api.deployment(gone, "lab", status="failed")
    kept, removed = (api.put(f"/api/v1/versions/{gone['id']}/artifacts/{name}", b"x").json for name in ("kept", "lost"))
    api.delete(f"/api/v1/artifacts/{removed['id']}")
    api.put(f"/api/v1/versions/{api.version(other, '9.9.8')['id']}/artifacts/elsewhere", b"x")
    api.delete(f"/api/v1/versions/{gone['id']}")
    feed = Page(browser.get(f"{MODEL}/-/activity")).one("ul", class_="feed").text
    told = [
        "deleted org/bert 1.0.0",
        "removed the file lost",
        f"added the file {kept['path']}",
        "failed to deploy org/bert 1.0.0 to lab",
        "approved",
        "registered org/bert 1.0.0",
        "the model org/bert",
    ]
    assert [feed.index(text) for text in told] == sorted(feed.index(text) for text in told)
    assert not [text for text in ("9.9.9", "9.9.8", "elsewhere") if text in feed]


# --- promoting in place -----------------------------------------------------------------------------------------------


def test_promoting_answers_with_the_row_the_counter_the_chart_and_a_toast(browser, api, model, trail):
    version = api.version(model, metadata={"accuracy": 0.5})
    answer = promote(browser.by("releaser"), version, data={"c": "accuracy", "metric": "accuracy"})
    page = Page(answer)
    assert answer.text.lstrip().startswith(f'<tr id="version-{version["id"]}"')
    assert page.all("span", class_="chip release")
    assert f"{MODEL}/versions/1.0.0/-/demote" in page.actions
    assert {element["id"] for element in page.all(hx_swap_oob="true")} == {
        "standing",
        "standing-line",
        "release-count",
        "drawing",
    }
    assert page.one(id="release-count").text == "1 release"
    assert any((link.get("aria-label") or "").startswith("1.0.0: 0.5, release") for link in page.all("a"))
    assert page.one(hx_swap_oob="beforeend:#toasts")
    assert "org/bert 1.0.0" in page.has_class("toast")[0].text
    [entry] = trail("version.promote")
    assert entry["api_key_name"] == "releaser-key"


def test_undo_takes_it_back_in_the_same_row(browser, api, model, sql):
    version = api.version(model, metadata={"accuracy": 1, "loss": 2})
    shown = {"c": "loss", "metric": "loss"}
    [undo] = [
        form
        for form in Page(promote(browser, version, data=shown)).all("form")
        if form.get("hx-target") and "?" in form["action"]
    ]
    assert undo["hx-target"] == f"#version-{version['id']}"
    answer = browser.post(undo["action"], htmx=undo["hx-target"][1:])
    page = Page(answer)
    assert [cell["data-label"] for cell in page.all("td", class_="number")] == ["loss"]
    assert page.one("title", id="chart-title").text == "loss by version of org/bert"
    assert page.one(id="release-count").text == "0 releases"
    assert f"{MODEL}/versions/1.0.0/-/promote" in page.actions
    assert sql("SELECT 1 FROM versions WHERE released_at IS NOT NULL") == []


def test_a_row_shows_the_columns_that_are_beside_it(browser, api, model):
    version = api.version(model, metadata={"accuracy": 1, "loss": 2, "wer": 3})
    page = browser.get(f"{MODEL}?c=loss&c=wer&metric=wer")
    sent = [(box["name"], box["value"]) for box in Page(page).all("input", type="hidden")]
    assert {("c", "loss"), ("c", "wer"), ("metric", "wer")} <= set(sent)
    [form] = Page(page).all("form", action=f"{MODEL}/versions/1.0.0/-/promote", hx_target=f"#version-{version['id']}")
    assert form["hx-include"] == "#shown"
    answer = Page(promote(browser, version, data={"c": ["loss", "wer"], "metric": "wer"}))
    assert [cell["data-label"] for cell in answer.all("td", class_="number")] == ["loss", "wer"]
    assert answer.one("title", id="chart-title").text == "wer by version of org/bert"
    plain = Page(promote(browser, version, "demote"))
    assert plain.all("td", class_="number") == plain.all(id="drawing") == []


@pytest.mark.parametrize("name", ["c", "metric"])
def test_a_number_that_no_version_could_have_is_none(browser, api, model, name):
    version = api.version(model, metadata={"accuracy": 1})
    assert browser.get(f"{MODEL}?{name}=a%00b").status_code == 200
    assert promote(browser, version, data={name: "a\x00b"}).status_code == 200


def heads(response):
    return [cell.text for cell in Page(response).all("th", class_="number")]


NUMBERS = [f"n{number:02}" for number in range(13)]


@pytest.fixture
def thirteen(api, model):
    return api.version(model, metadata=dict.fromkeys(NUMBERS, 1))


def choose(browser, names, **kwargs):
    return browser.get(MODEL, query_string=[*(("c", name) for name in names), ("columns", "chosen")], **kwargs)


@pytest.mark.parametrize("htmx", [None, "versions"])
def test_thirteen_columns_are_refused_by_name_and_stay_ticked(browser, thirteen, htmx):
    for response in (choose(browser, NUMBERS, htmx=htmx), browser.get(f"{MODEL}?c=" + "&c=".join(NUMBERS), htmx=htmx)):
        assert response.status_code == 422
        assert f"Six columns at most. You chose 13; not shown: {', '.join(NUMBERS[6:])}." in response.words
        assert response.text.count('type="checkbox" name="c"') == 13
        assert sum("checked" in box.attributes for box in Page(response).all("input", name="c", type="checkbox")) == 13
        assert heads(response) == NUMBERS[:6]
        assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("htmx", [None, "versions"])
def test_chosen_columns_are_remembered_for_that_model_alone(browser, api, thirteen, htmx):
    api.version(api.model("org/other"), metadata={"n11": 1, "n12": 1, "n01": 1})
    response = choose(browser, NUMBERS[7:], htmx=htmx)
    assert response.status_code == 303
    assert response.headers["Location"] == f"{MODEL}?c=" + "&c=".join(NUMBERS[7:])
    assert heads(browser.get(MODEL)) == NUMBERS[7:]
    assert heads(browser.get(f"{MODEL}?c=n00")) == ["n00"]
    assert heads(browser.get("/models/org/other")) == ["n01", "n11"]
    assert heads(browser.by("viewer").get(MODEL)) == ["n00", "n01"]


def test_without_a_tick_the_default_columns_are_back(browser, thirteen):
    choose(browser, ["n05"])
    assert choose(browser, []).headers["Location"] == MODEL
    assert heads(browser.get(MODEL)) == ["n00", "n01"]


@pytest.mark.parametrize("kept", ["", "%", "c=", "c=a%00b", "c=nothing", "c=1&" * 9, "x" * 3_900, '"\\'])
def test_a_cookie_that_says_nothing_is_ignored(browser, thirteen, kept):
    browser.client.set_cookie("columns", kept, path=MODEL)
    response = browser.get(MODEL)
    assert response.status_code == 200
    assert heads(response) == ["n00", "n01"]


def test_of_hundreds_of_numbers_any_can_be_asked_for_and_old_ones_are_none(browser, api, model, sql):
    api.version(model, "0.1.0", metadata={"old": 1})
    api.version(model, "1.0.0", metadata={f"k{number:03}": number for number in range(400)} | {"wer": 1})
    sql("UPDATE versions SET deleted_at = now() WHERE version = '0.1.0'")
    page = Page(browser.get(f"{MODEL}?c=k399&c=old&metric=k398"))
    assert [cell["data-label"] for cell in page.all("td", class_="number")] == ["k399"]
    assert page.one("h2", id="chart-name").text == "k398"
    assert page.one("select", id="metric").text.startswith("wer k000 k001")


def test_promoting_a_release_again_writes_no_entry_and_shows_what_is_true(browser, api, model, trail):
    version = api.version(model)
    for somebody in (browser.by("releaser"), browser):
        page = Page(promote(somebody, version))
        assert page.all("span", class_="chip release")
    assert "releaser-key" in page.has_class("toast")[0].text
    assert "Undo" not in page.texts("button")
    assert len(trail("version.promote")) == 1


def test_a_version_that_is_gone_meanwhile_says_so_in_its_row(browser, api, model):
    version = api.version(model)
    api.delete(f"/api/v1/versions/{version['id']}")
    answer = promote(browser, version)
    assert answer.status_code == 404
    assert answer.text.lstrip().startswith(f'<tr id="version-{version["id"]}"')
    assert "deleted" in Page(answer).one("tr").text
    assert "HX-Reswap" not in answer.headers


@pytest.mark.parametrize(
    ("referrer", "to"),
    [
        ("http://localhost/models/org/bert?show=releases", "http://localhost/models/org/bert?show=releases"),
        ("https://evil.test/", f"{MODEL}/versions/1.0.0"),
        ("http://localhost.evil.test/", f"{MODEL}/versions/1.0.0"),
        (None, f"{MODEL}/versions/1.0.0"),
    ],
)
def test_without_htmx_one_comes_back_to_where_one_was(browser, api, model, sql, referrer, to):
    api.version(model)
    answer = browser.post(f"{MODEL}/versions/1.0.0/-/promote", headers={"Referer": referrer} if referrer else {})
    assert (answer.status_code, answer.headers["Location"]) == (303, to)
    assert len(sql("SELECT 1 FROM versions WHERE released_at IS NOT NULL")) == 1


@pytest.mark.parametrize("verb", ["promote", "demote", "archive", "activate", "delete"])
def test_no_link_changes_anything(browser, api, model, verb):
    api.version(model)
    answer = browser.get(f"{MODEL}/versions/1.0.0/-/{verb}")
    assert answer.status_code == (200 if verb == "delete" else 405)


def test_the_heads_of_the_versions_sort_them_and_say_so(browser, api, model):
    for version, accuracy in (("1.9.0", 0.5), ("1.10.0", 0.7), ("1.8.0", 0.6)):
        api.version(model, version, metadata={"accuracy": accuracy, "odd key": 1, "a": {"b": 2}})
    orders = {
        "Version": ["1.10.0", "1.9.0", "1.8.0"],
        "accuracy": ["1.10.0", "1.8.0", "1.9.0"],
        "Registered": ["1.8.0", "1.10.0", "1.9.0"],
    }
    for label, order in orders.items():
        page, seen = browser.get(MODEL), []
        for said in ("descending", "ascending", None):
            [link] = [a for a in Page(page).all("a", class_="sorted") if a.text.split(" ")[0] == label]
            page = browser.get(link["href"])
            seen.append(versions(page))
            assert [head.text.split(" ")[0] for head in Page(page).all("th", aria_sort=said)] == [label] * bool(
                said
            ) or (said is None)
        assert seen[0] == order
        assert seen[1] == order[::-1]
        assert page.status_code == 200


def test_a_number_with_an_unusual_name_can_be_sorted_by_its_head(browser, api, model):
    for number in range(2):
        api.version(model, f"1.{number}.0", metadata={'o"d\\d key': -number, "a": {"b": number}})
    page = Page(browser.get(f"{MODEL}?c=a.b&c=o%22d%5Cd+key"))
    found = [browser.get(a["href"]) for a in page.all("a", class_="sorted")]
    assert [(answer.status_code, versions(answer)) for answer in found[1:3]] == [
        (200, ["1.1.0", "1.0.0"]),
        (200, ["1.0.0", "1.1.0"]),
    ]


def test_the_versions_of_the_page_are_a_file_with_its_filters_and_columns(browser, api, model):
    for number in range(3):
        api.version(model, f"1.{number}.0", metadata={"accuracy": -number, "loss": 2}, is_release=number == 2)
    address = f"{MODEL}?filter=metadata.accuracy+<+0&c=accuracy&sort=version"
    [file] = [a["href"] for a in Page(browser.get(address)).all("a") if ".csv" in a["href"]]
    response = browser.get(file)
    heads, *rows = csv.reader(response.csv)
    assert heads[:6] == ["version", "is_release", "status", "tag", "digest", "accuracy"]
    assert [(row[0], row[1], row[5]) for row in rows] == [("1.1.0", "False", "-1"), ("1.2.0", "True", "-2")]
    assert "org-bert.csv" in response.headers["Content-Disposition"]
    assert browser.get(f"{MODEL}/-/versions.csv?filter=nonsense").status_code == 422


def test_whole_numbers_have_all_their_digits_in_the_chart_the_columns_and_the_files(browser, api, model, gate):
    """As floats all three are the same number."""
    for number, run in enumerate((321588685835436830, 321588685835436831, 321588685835436832)):
        api.version(model, f"1.{number}.0", metadata={"run_id": run}, is_release=number == 0)
    gate(path="run_id", op="<", value=321588685835436833)
    page = browser.get(MODEL)
    assert points(Page(page)) == [f"1.{number}.0: 321,588,685,835,436,83{number}" for number in range(3)]
    assert "321,588,685,835,436,832, +2 (worse) against 1.0.0" in page.words
    assert "A gate asks for &lt; 321,588,685,835,436,833." in page.words
    assert [row["run_id"] for row in csv.DictReader(browser.get(f"{MODEL}/-/versions.csv").csv)] == [
        f"32158868583543683{number}" for number in (2, 1, 0)
    ]
    assert [row["value"] for row in csv.DictReader(browser.get("/models.csv").csv)] == ["321588685835436832"]


def test_numbers_in_lists_are_offered_after_others_and_drawn(browser, api, model):
    for number in range(2):
        results = [{"metrics": [{"value": number / 4}]}]
        api.version(model, f"1.{number}.0", metadata={"a": [9, 8], "z": 1, "results": results})
    path = "results[0].metrics[0].value"
    offered = [option.text for option in Page(browser.get(MODEL)).all("option")]
    assert offered[:4] == ["z", "a[0]", "a[1]", path]
    page = browser.get(MODEL, query_string={"metric": path, "c": path})
    assert points(Page(page)) == ["1.0.0: 0", "1.1.0: 0.25"]
    addresses = [a["href"] for a in Page(page).all("a", class_="sorted")]
    sorted_by_it = [address for address in addresses if "results" in address.partition("sort=")[2]]
    assert versions(browser.get(sorted_by_it[0])) == ["1.1.0", "1.0.0"]
    query = {"filter": "metadata.results[0].m", "model_name": "org/bert"}
    offer = browser.get("/versions/-/completions", query_string=query).json
    assert offer == {"start": 0, "texts": [f"metadata.{path}"]}


def test_the_chart_has_the_thresholds_of_the_model_s_gates_on_its_number(browser, api, model, gate):
    api.version(model, metadata={"accuracy": 0.9, "loss": 2})
    for own in ({"value": 0.94}, {"value": 0.94, "target": "staging"}, {"path": "loss", "op": "<", "value": 3}):
        gate(**own)
    gate(value=0.91, model="others/*")
    gate(kind="no_regression", path="accuracy", direction="higher", tolerance=0.01)
    page = browser.get(MODEL)
    assert "A gate asks for ≥ 0.94." in page.words
    assert page.text.count("A gate asks for") == page.text.count('<line class="gate"') == 1
    assert [it.text for it in Page(page).has_class("legend")] == ["release", "gate"]
    assert "A gate asks for &lt; 3." in browser.get(f"{MODEL}?metric=loss").words
    gate(value=99)
    assert "gate ≥ 99, off the chart" in browser.get(MODEL).words


def test_the_chart_draws_the_versions_that_the_filter_and_the_choice_leave(browser, api, model):
    for number, accuracy in enumerate((0.8, 0.9, 0.95)):
        api.version(model, f"1.{number}.0", metadata={"accuracy": accuracy}, is_release=number == 1)
    filtered = Page(browser.get(MODEL, query_string={"filter": "metadata.accuracy > 0.85"}))
    assert points(filtered) == ["1.1.0: 0.9", "1.2.0: 0.95"]
    assert points(Page(browser.get(f"{MODEL}?show=releases"))) == ["1.1.0: 0.9"]
    assert len(points(Page(browser.get(f"{MODEL}?filter=nonsense")))) == 3
    sent = [box["value"] for box in filtered.all("input", type="hidden", name="filter")]
    assert "metadata.accuracy > 0.85" in sent


def test_a_row_s_answer_has_the_chart_of_the_filter_that_it_came_from(browser, api, model):
    for number in range(2):
        version = api.version(model, f"1.{number}.0", metadata={"accuracy": number})
    shown = {"c": "accuracy", "metric": "accuracy", "filter": "metadata.accuracy > 0"}
    assert points(Page(promote(browser, version, data=shown))) == ["1.1.0: 1"]
    assert points(Page(promote(browser, version, data={**shown, "filter": "nonsense"}))) == ["1.0.0: 0", "1.1.0: 1"]
