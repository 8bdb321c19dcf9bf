import csv

import pytest
from markup import Page
from rows import MODELS


def names(response):
    """The models on the page, in its order."""
    return [link.text for link in Page(response).all("a", class_="strong") if "/versions/" not in link["href"]]


def test_a_row_says_what_a_model_is_and_where_it_stands(browser, api):
    model = api.model(description="Reads reviews", tags=["nlp", "sentiment"])
    old = api.version(model, "1.0.0", metadata={"accuracy": 0.5}, is_release=True)
    api.version(model, "1.1.0", metadata={"accuracy": 0.75})
    api.deployment(old, "staging")
    api.deployment(old, "production")
    page = Page(browser.get("/models"))
    row = page.all("tr")[1].text
    for text in ("org/bert", "Reads reviews", "nlp", "sentiment", "1.1.0", "1.0.0", "production", "accuracy"):
        assert text in row
    assert row.index("staging") < row.index("production")
    assert {"/models/org/bert", "/models/org/bert/versions/1.1.0", "/models/org/bert/versions/1.0.0"} <= set(page.links)
    assert "/models?tag=nlp" in page.links
    assert page.one("td", data_label="Versions").text == "2"
    assert page.all("svg", class_="spark")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("search=BER", ["org/bert"]),
        ("search=e", ["org/bert", "org/100%_real"]),
        ("search=%25_", ["org/100%_real"]),
        ("search=nothing", []),
        ("tag=NLP", []),
        ("tag=a%2Cb", ["org/bert"]),
        ("tag=nlp&search=+bert+", ["org/bert"]),
        ("sort=nonsense", ["org/bert", "org/100%_real"]),
        ("tag=nl%00p&search=be%00rt", ["org/bert"]),
    ],
)
def test_filters_stand_in_the_address(browser, api, query, found):
    api.model("org/real", description="100%_real", tags=["nlp"])
    api.model("org/bert", description="Reads reviews", tags=["nlp", "a,b"])
    response = browser.get(f"/models?{query}")
    assert response.status_code == 200
    assert names(response) == [name.replace("100%_real", "real") for name in found]


def test_the_form_holds_what_was_asked_for(browser, api):
    page = Page(browser.get("/models?search=%22%3Cb%3E&tag=n%26p&sort=name"))
    assert page.one("input", id="models-search")["value"] == '"<b>'
    assert page.one("input", id="models-tag")["value"] == "n&p"
    assert [option["value"] for option in page.all("option", selected="")] == ["name"]


def test_a_cursor_is_good_for_its_own_list_only(browser, sql):
    sql(MODELS, first=1, last=60)
    more = Page(browser.get("/models?sort=name")).more
    assert browser.get(more).status_code == 200
    for address in (f"{more}x", more.replace("sort=name", "sort=updated"), f"{more}&search=o"):
        response = browser.get(address)
        assert (response.status_code, "cursor" in response.text) == (422, True)


def test_the_head_of_the_models_sorts_by_name_and_says_so(browser, api):
    for name in ("org/b", "org/a", "org/c"):
        api.model(name, description="of three")
    plain = Page(browser.get("/models?search=three"))
    assert [head.get("aria-sort") for head in plain.all("th")] == [None] * 9
    assert "/models?search=three&sort=name" in plain.links
    page = browser.get("/models?search=three&sort=name")
    assert names(page) == ["org/a", "org/b", "org/c"]
    assert [head.text for head in Page(page).all("th", aria_sort="ascending")] == ["Model ↑"]
    assert "/models?search=three" in Page(page).links


def test_the_value_of_the_metric_is_beside_its_line(browser, api):
    model = api.model()
    for number, accuracy in enumerate((0.5, 0.9413)):
        api.version(model, f"1.{number}.0", metadata={"accuracy": accuracy})
    assert Page(browser.get("/models")).one("td", data_label="Value").text == "0.9413"


def lines(response):
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.reader(response.csv))


def test_the_models_of_the_page_are_a_file_with_the_same_filters_and_order(browser, api, sql):
    sql(MODELS, first=1, last=120)
    model = api.model("org/bert", tags=["nlp", "two words"])
    api.deployment(api.version(model, "1.0.0", metadata={"accuracy": 0.5}, is_release=True), "production")
    heads, *rows = lines(browser.get("/models.csv?sort=name"))
    assert heads[:4] == ["name", "latest_version", "latest_release", "live_in"]
    assert len(rows) == 121
    assert [row[0].lower() for row in rows] == sorted(row[0].lower() for row in rows)
    [row] = lines(browser.get("/models.csv?search=bert&tag=nlp"))[1:]
    assert row[:8] == ["org/bert", "1.0.0", "1.0.0", "production", "accuracy", "0.5", "nlp two words", "1"]
    assert "/models.csv?search=bert&tag=nlp" in Page(browser.get("/models?search=bert&tag=nlp")).links
    assert browser.get("/models.csv?filter=nonsense").status_code == 422
    assert browser.by(None).get("/models.csv").status_code == 303


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_a_spreadsheet_runs_nothing_of_a_file(browser, api, start):
    tag = f"{start}HYPERLINK(1)"
    api.model("org/bert", tags=[tag])
    [row] = lines(browser.get("/models.csv"))[1:]
    assert row[6] == f"'{tag}"


def test_a_form_s_empty_fields_are_not_in_the_address(browser):
    answer = browser.get("/models?search=a%26b&tag=&sort=&filter=")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/models?search=a%26b")
    assert browser.get("/models?search=&tag=").headers["Location"] == "/models"
