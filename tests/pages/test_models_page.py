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
        ("search=&tag=&sort=nonsense", ["org/bert", "org/100%_real"]),
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
