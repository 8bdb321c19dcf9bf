import pytest
from markup import Page

DIGEST = "sha256:9f2c" + "0" * 56 + "a1e0"


@pytest.fixture
def things(api):
    model = api.model("org/bert", description="Reads reviews")
    api.version(model, "1.2.0", tag="nightly-7", digest=DIGEST)
    api.version(api.model("org/gpt", description="Writes"), "2.1.2", tag="v2", digest="sha256:" + "b" * 64)


def found(response):
    """`{kind: [what each hit says]}`."""
    groups, kind = {}, None
    for element in Page(response).elements:
        if element.tag == "h2" and element.text in ("Models", "Versions", "Tags", "Digests"):
            kind = element.text
        elif kind and element.tag == "a" and element["href"].startswith("/models/"):
            groups.setdefault(kind, []).append(element.text)
    return groups


@pytest.mark.parametrize(
    ("words", "hits"),
    [
        ("bert", {"Models": ["org/bert Reads reviews"]}),
        ("ERT", {"Models": ["org/bert Reads reviews"]}),
        ("review", {"Models": ["org/bert Reads reviews"]}),
        ("1.2", {"Versions": ["org/bert 1.2.0"]}),
        (".1", {}),
        ("nightly", {"Tags": ["org/bert 1.2.0 nightly-7"]}),
        ("ightly", {}),
        ("sha256:9f2c", {"Digests": ["org/bert 1.2.0"]}),
        ("9f2c", {"Digests": ["org/bert 1.2.0"]}),
        ("9F2C0000", {"Digests": ["org/bert 1.2.0"]}),
        ("9f2", {}),
        ("a1e0", {}),
        (DIGEST, {"Digests": ["org/bert 1.2.0"]}),
        ("%", {}),
        ("_", {}),
        ("1_2", {}),
        ("\\", {}),
        ("nothing", {}),
        ("be\x00rt", {"Models": ["org/bert Reads reviews"]}),
        ("  bert  ", {"Models": ["org/bert Reads reviews"]}),
    ],
)
def test_models_are_found_by_any_part_and_the_rest_by_its_beginning(browser, things, words, hits):
    said = found(browser.get("/search", query_string={"q": words}, htmx="hits"))
    assert set(said) == set(hits)
    for kind, texts in hits.items():
        assert len(said[kind]) == len(texts)
        for text, want in zip(said[kind], texts, strict=True):
            assert text.replace(" ", "").startswith(want.replace(" ", ""))


def test_hits_lead_to_their_page(browser, things):
    assert "/models/org/bert" in Page(browser.get("/search?q=bert", htmx="hits")).links
    assert "/models/org/bert/versions/1.2.0" in Page(browser.get("/search?q=9f2c", htmx="hits")).links


def test_a_name_comes_before_names_that_hold_it_and_descriptions_and_eight_are_shown(browser, api):
    for name in ("org/bert", "org/bert-large", "other-org/bert", "Org/bert-2"):
        api.model(name)
    for number in range(9):
        api.model(f"x/n{number}", description="Distilled from org/BERT")
    models = found(browser.get("/search?q=Org/bert", htmx="hits"))["Models"]
    assert models[:4] == ["org/bert", "Org/bert-2", "org/bert-large", "other-org/bert"]
    assert [text.split()[0] for text in models[4:]] == ["x/n8", "x/n7", "x/n6", "x/n5"]


def test_what_is_deleted_is_not_found(browser, api, things):
    [model] = [one for one in api.get("/api/v1/models").json if one["name"] == "org/bert"]
    api.delete(f"/api/v1/models/{model['id']}")
    for words in ("bert", "1.2", "nightly", "9f2c"):
        assert found(browser.get(f"/search?q={words}", htmx="hits")) == {}


def test_the_page_says_what_was_searched_for_and_keeps_it_in_the_field(browser, things):
    page = Page(browser.get('/search?q="bert'))
    assert page.one("input", id="search")["value"] == '"bert'
    assert "Results for “&#34;bert”" in browser.get('/search?q="bert').text
    assert Page(browser.get("/models")).one("input", id="search")["value"] == ""


def test_very_long_words_are_cut(browser):
    assert browser.get("/search?q=" + "x" * 5_000).status_code == 200


def test_the_search_field_is_on_every_page(browser, things):
    for path in ("/", "/models", "/models/org/bert", "/deployments", "/environments", "/audit", "/keys", "/nowhere"):
        page = Page(browser.get(path, headers={"Accept": "text/html"}))
        assert page.one("input", id="search")["name"] == "q", path
        assert "/search" in [form["action"] for form in page.all("form", method="get")]
