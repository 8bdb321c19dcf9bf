"""The filter box over a model's versions and over the models: as at the API, with what is wrong in place."""

import pytest
from markup import Page, is_whole

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
    ("text", "versions"),
    [
        ("metadata.accuracy >= 0.9", ["1.2.0", "1.1.0"]),
        ("metadata.accuracy >= 0.9 and not is_release", ["1.2.0"]),
        ('metadata.team = "fraud"', ["1.0.0"]),
        ("metadata.nothing exists", []),
    ],
)
def test_versions_are_narrowed_by_what_they_hold(browser, model, text, versions):
    assert found(browser, filter=text) == versions


def test_versions_are_sorted_by_a_number_of_their_metadata(browser, model):
    assert found(browser, sort="metadata.accuracy") == ["1.0.0", "1.1.0", "1.2.0"]


def test_the_box_keeps_what_was_typed_and_so_do_the_forms_beside_it(browser, model):
    page = Page(browser.get(MODEL, query_string={"filter": 'metadata.team = "risk"', "show": "releases"}))
    assert {box["value"] for box in page.all("input", name="filter")} == {'metadata.team = "risk"'}
    assert len(page.all("input", name="filter")) >= 3
    assert [box["value"] for box in page.all("input", name="v")] == ["1.1.0"]


def test_a_filter_that_nothing_meets_leads_back(browser, model):
    page = browser.get(MODEL, query_string={"filter": "metadata.accuracy > 2"}).text
    assert "Nothing matches" in page
    assert "No versions yet" not in page


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


def test_a_mistake_comes_as_a_part_where_a_part_was_asked_for(browser, model):
    answer = browser.get(MODEL, query_string={"filter": "x"}, htmx="versions")
    assert answer.status_code == 422
    assert not is_whole(answer)
    assert 'id="versions"' in answer.text


@pytest.mark.parametrize("text", ["\x00", "\x00name", "a" * 3000, "(" * 500, "\ud83d", 'name = "<script>"'])
def test_no_text_in_a_filter_is_a_fault_of_ours(browser, model, text):
    for path in (MODEL, "/models"):
        sent = text.encode("utf-8", "surrogatepass")
        assert browser.get(path, query_string={"filter": sent}).status_code in (200, 422)


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
