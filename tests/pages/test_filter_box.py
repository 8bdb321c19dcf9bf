"""The filter box over a model's versions and over the models: as at the API, with what is wrong in place."""

import csv

import pytest
from markup import Page

MODEL = "/models/org/bert"


@pytest.fixture
def model(api):
    """With three versions of rising accuracy, of which the second is a release."""
    made = api.model(metadata={"team": "risk"})
    for number, accuracy in enumerate((0.8, 0.9, 0.95)):
        metadata = {"accuracy": accuracy, "team": "risk" if number else "fraud"}
        api.version(made, f"1.{number}.0", metadata=metadata, is_release=number == 1)
    return made


def found(browser, path="", **query):
    """The versions on the model's page, in its order."""
    page = Page(browser.get(f"{MODEL}{path}", query_string=query))
    return [box["value"] for box in page.all("input", name="v")]


@pytest.mark.parametrize(
    ("query", "versions"),
    [
        ({"filter": "metadata.accuracy >= 0.9 and not is_release"}, ["1.2.0"]),
        ({"filter": 'metadata.team = "fraud"'}, ["1.0.0"]),
        ({"filter": "metadata.nothing exists"}, []),
        ({"sort": "metadata.accuracy"}, ["1.0.0", "1.1.0", "1.2.0"]),
    ],
)
def test_versions_are_filtered_and_sorted_by_their_metadata(browser, model, query, versions):
    assert found(browser, **query) == versions


def test_the_box_keeps_what_was_typed_and_so_do_the_forms_beside_it(browser, model):
    page = Page(browser.get(MODEL, query_string={"filter": 'metadata.team = "risk"', "show": "releases"}))
    assert {box["value"] for box in page.all("input", name="filter")} == {'metadata.team = "risk"'}
    assert len(page.all("input", name="filter")) >= 3
    assert [box["value"] for box in page.all("input", name="v")] == ["1.1.0"]


@pytest.mark.parametrize(
    ("query", "column", "marked"),
    [
        ({"filter": "metadata.accuracy >> 0.9"}, 20, "filter"),
        ({"filter": "acuracy > 1"}, 1, "filter"),
        ({"filter": "(is_release"}, 12, "filter"),
        ({"sort": "-nothing"}, 2, "sort"),
    ],
)
def test_a_mistake_is_shown_in_its_column_and_nothing_typed_is_lost(browser, model, query, column, marked):
    answer = browser.get(MODEL, query_string=query)
    assert answer.status_code == 422
    page = Page(answer)
    (box,) = page.all("input", id=marked)
    assert (box["value"], box["aria-invalid"]) == (query[marked], "true")
    assert f"at column {column}" in page.all("div", id="filter-fault")[0].text


def test_models_are_narrowed_by_what_they_hold(browser, api, model):
    api.model("org/other", metadata={"team": "shop"})
    page = browser.get("/models", query_string={"filter": 'metadata.team = "risk" and version_count > 2'}).text
    assert "org/bert" in page
    assert "org/other" not in page


def test_a_mistake_in_a_filter_of_models_is_shown_in_its_column(browser, api, model):
    answer = browser.get("/models", query_string={"filter": "version_count >"}, htmx="list")
    assert answer.status_code == 422
    assert "at column" in answer.text
    assert "No models yet" not in answer.text


def test_the_next_page_is_of_the_same_filter_and_order(browser, api, model):
    for number in range(60):
        api.version(model, f"2.{number}.0", metadata={"accuracy": 0.5 + number / 200})
    page = browser.get(MODEL, query_string={"filter": "metadata.accuracy < 0.9", "sort": "-metadata.accuracy"})
    rows = [box["value"] for box in Page(page).all("input", name="v")]
    link = next(a for a in Page(page).all("a") if a.text == "Load more")
    rest = [box["value"] for box in Page(browser.get(link["href"])).all("input", name="v")]
    assert len(rows) == 50
    assert len({*rows, *rest}) == len(rows) + len(rest) == 61


# --- versions of all models, conditions to add, and what an unknown field may mean --------------------------------------


def names(response):
    return [(row.split()[0], row.split()[1]) for row in Page(response).texts("tr")[1:]]


def test_versions_of_all_models_are_filtered_and_sorted_on_one_page(browser, api, model):
    api.version(api.model("org/gpt"), "7.0.0", metadata={"accuracy": 0.99})
    page = browser.get("/versions", query_string={"filter": "metadata.accuracy >= 0.9", "sort": "metadata.accuracy"})
    assert names(page) == [("org/bert", "1.1.0"), ("org/bert", "1.2.0"), ("org/gpt", "7.0.0")]
    assert [cell.text for cell in Page(page).all("td", class_="number")] == ["0.9", "0.95", "0.99"]
    assert len(names(browser.get("/versions"))) == 4
    assert "No version matches" in browser.get("/versions?filter=metadata.accuracy+>+1").text


def test_versions_of_all_models_are_a_file_too(browser, api, model):
    page = Page(browser.get("/versions", query_string={"filter": "metadata.accuracy >= 0.9"}))
    [address] = [link for link in page.links if ".csv" in link]
    heads, *rows = csv.reader(browser.get(address).csv)
    assert heads[:2] == ["model", "version"]
    assert "accuracy" in heads
    assert [row[:2] for row in rows] == [["org/bert", "1.2.0"], ["org/bert", "1.1.0"]]
    assert browser.get("/versions.csv?filter=nonsense").status_code == 422


def test_the_next_versions_of_all_models_are_of_the_same_filter(browser, api, model):
    for number in range(60):
        api.version(model, f"2.{number}.0", metadata={"accuracy": 0.5})
    page = browser.get("/versions?filter=metadata.accuracy+%3D+0.5")
    [more] = [link for link in Page(page).all("a") if link.text == "Load more"]
    assert (len(names(page)), len(Page(browser.get(more["href"], htmx="more")).texts("tr"))) == (51, 10)


@pytest.mark.parametrize(("path", "shown"), [(MODEL, 2), ("/versions", 2)])
def test_an_unknown_field_is_answered_with_the_nearest_and_a_link_that_uses_it(browser, model, path, shown):
    answer = browser.get(path, query_string={"filter": "acuracy >= 0.9"})
    assert answer.status_code == 422
    [link] = [link for link in Page(answer).all("a") if link.text == "metadata.accuracy"]
    assert "Did you mean metadata.accuracy?" in Page(answer).one(id="filter-fault").text
    page = Page(browser.get(link["href"]))
    assert page.one("input", id="filter").value == "metadata.accuracy >= 0.9"
    assert len(page.texts("tr")) == 1 + shown


@pytest.mark.parametrize("path", [MODEL, "/versions"])
@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("metadata.acuracy >= 0.9", "metadata.accuracy >= 0.9"),
        ("not is_release and metadata.acuracy>0.5", "not is_release and metadata.accuracy>0.5"),
        ("metadata.accuracy > 5", None),
        (
            'metadata.acuracy = 0.9 and tag ~ "metadata.acuracy"',
            'metadata.accuracy = 0.9 and tag ~ "metadata.accuracy"',
        ),
        ('metadata.acuracy ~ "high"', None),
        ("metadata.nothing_near > 1", None),
    ],
)
def test_a_misspelt_path_that_nothing_has_is_answered_with_the_nearest(browser, model, path, typed, meant):
    answer = browser.get(path, query_string={"filter": typed})
    assert "No matches" in answer.text
    page = Page(answer)
    links = [link for link in page.all("a") if link.text == "metadata.accuracy"]
    assert [Page(browser.get(link["href"])).one("input", id="filter").value for link in links] == [meant] * bool(meant)


def test_an_unknown_field_of_an_order_or_of_models_is_answered_too(browser, model):
    order = Page(browser.get(MODEL, query_string={"sort": "-creatd_at"}))
    assert "Did you mean created_at?" in order.one(id="filter-fault").text
    of_models = Page(browser.get("/models", query_string={"filter": "versoin_count > 1"}))
    assert "Did you mean version_count?" in of_models.one(id="filter-fault").text
    assert "Did you mean" not in browser.get(MODEL, query_string={"filter": "nothing_near > 1"}).text


def conditions(browser, path, **query):
    page = Page(browser.get(path, query_string=query))
    return {link.text: link["href"] for link in page.all("a", class_="chip") if link.get("hx-push-url")}


def test_a_condition_is_a_link_that_adds_it(browser, gate, model):
    gate(value=0.94)
    offered = conditions(browser, MODEL)
    assert list(offered) == [
        "Releases",
        "Not released",
        "Active",
        "Archived",
        "accuracy ≥ 0.94",
        "Fails accuracy ≥ 0.94",
    ]
    for label, versions in (
        ("Releases", ["1.1.0"]),
        ("accuracy ≥ 0.94", ["1.2.0"]),
        ("Fails accuracy ≥ 0.94", ["1.1.0", "1.0.0"]),
    ):
        assert [box["value"] for box in Page(browser.get(offered[label])).all("input", name="v")] == versions
    both = conditions(browser, MODEL, filter="is_release or metadata.accuracy < 0.85", sort="version")
    page = Page(browser.get(both["Active"]))
    assert page.one("input", id="filter").value == '(is_release or metadata.accuracy < 0.85) and status = "active"'
    assert page.one("input", id="sort").value == "version"
    assert "Active" not in conditions(browser, MODEL, filter='status = "active"')


@pytest.mark.parametrize(
    ("query", "texts"),
    [
        ({"filter": "acc", "model_name": "org/bert"}, ["metadata.accuracy"]),
        ({"filter": "acc"}, ["metadata.accuracy"]),
        ({"filter": 'model_name = "org'}, ['"org/bert"']),
        ({"filter": 'version = "1.2'}, ['"1.2.0"']),
        ({"filter": 'tag = "%'}, []),
        ({"filter": "is_release "}, ["=", "!=", "exists", "in (", "and", "or"]),
        ({"filter": "x\x00"}, []),
    ],
)
def test_what_may_follow_is_offered_with_values_of_the_registry(browser, model, query, texts):
    answer = browser.get("/versions/-/completions", query_string=query)
    assert answer.json["texts"] == texts


def test_completions_of_no_model_are_not_there(browser):
    assert browser.get("/versions/-/completions?filter=a&model_name=no/such").status_code == 404
