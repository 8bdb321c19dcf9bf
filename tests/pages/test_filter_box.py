"""The filter box over a model's versions and over the models: as at the API, with what is wrong in place."""

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
    link = next(a for a in Page(page).all("a") if a.text == "Show more")
    rest = [box["value"] for box in Page(browser.get(link["href"])).all("input", name="v")]
    assert len(rows) == 50
    assert len({*rows, *rest}) == len(rows) + len(rest) == 61
