from unicodedata import normalize

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
        if element.tag == "h2":
            kind = element.text
        elif kind and element.tag == "a":
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
    said.pop("Do with 1.2.0", None)
    assert set(said) == set(hits)
    for kind, texts in hits.items():
        assert len(said[kind]) == len(texts)
        for text, want in zip(said[kind], texts, strict=True):
            assert text.replace(" ", "").startswith(want.replace(" ", ""))


@pytest.fixture
def many(api):
    """Two models with several versions each."""
    bert, large = api.model("org/bert"), api.model("org/bert-large")
    for version in ("2.4.0", "2.5.0", "2.5.1", "2.50.0", "2.10.0-rc1", "nightly-7"):
        api.version(bert, version, is_release=version == "2.5.0")
    for version in ("v2.5.3", "1.0.0"):
        api.version(large, version)
    api.version(api.model("org/gpt", description="A bart 9"), "2.5.0")


@pytest.mark.parametrize(
    ("words", "versions"),
    [
        ("bert 2.5", ["org/bert 2.5.1", "org/bert 2.5.0 release", "org/bert-large v2.5.3"]),
        ("BERT  v2.5", ["org/bert 2.5.1", "org/bert 2.5.0 release", "org/bert-large v2.5.3"]),
        ("org/bert:2.5.1", ["org/bert 2.5.1"]),
        ("bert@2.10.0-rc", ["org/bert 2.10.0-rc1"]),
        ("bert 2.5.0", ["org/bert 2.5.0 release"]),
        ("bert nightly-7", ["org/bert nightly-7"]),
        ("bert-large 2", ["org/bert-large v2.5.3"]),
        ("bert-large 2.5.3", ["org/bert-large v2.5.3"]),
        ("bert 2.6", None),
        ("bert nightly-", None),
        ("bert %", None),
        ("nothing 2.5", None),
    ],
)
def test_a_model_and_a_version_are_found_together(browser, many, words, versions):
    said = found(browser.get("/search", query_string={"q": words}, htmx="hits"))
    assert said.get("Versions") == versions
    assert "Models" not in said


def test_words_that_end_in_a_number_are_still_found_in_descriptions(browser, many):
    assert found(browser.get("/search?q=bart+9", htmx="hits")) == {"Models": ["org/gpt A bart 9"]}


def test_what_may_be_done_with_the_first_version_is_offered_by_role(browser, many):
    links = Page(browser.get("/search?q=bert+2.5.1", htmx="hits")).links
    assert "/new/deployment?model=org/bert&version=2.5.1" in links
    assert "/models/org/bert/compare?v=2.5.1" in links
    viewer = found(browser.by("viewer").get("/search?q=bert+2.5.1", htmx="hits"))
    assert viewer["Do with 2.5.1"] == ["Compare…"]


def test_environments_are_found_by_any_part_and_keys_by_admins_alone(browser, api):
    api.put("/api/v1/environments/Production-EU", {})
    key = api.make("/api/v1/api-keys", {"name": "CI Production", "role": "viewer"})
    said = found(browser.get("/search?q=production", htmx="hits"))
    assert said == {"Environments": ["Production-EU"], "API keys": [f"CI Production {key['prefix']} viewer"]}
    assert found(browser.get(f"/search?q={key['prefix']}", htmx="hits")) == {"API keys": said["API keys"]}
    for role in ("viewer", "publisher", "releaser"):
        said = found(browser.by(role).get("/search?q=production", htmx="hits"))
        assert said == {"Environments": ["Production-EU"]}
    assert f"/keys/{key['id']}/edit" in Page(browser.get("/search?q=ci+prod", htmx="hits")).links


@pytest.mark.parametrize(("stored", "sought"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_names_are_found_in_either_unicode_form(browser, api, stored, sought):
    name = normalize(stored, "Café")
    key = api.make("/api/v1/api-keys", {"name": name, "role": "viewer"})
    api.model(description=f"For the {name}")
    browser.post("/me/views/new", {"name": name, "address": "/models"})
    hits = found(browser.get(f"/search?q={normalize(sought, 'café')}", htmx="hits"))
    assert hits == {
        "Models": [f"org/bert For the {name}"],
        "Your views": [name],
        "API keys": [f"{name} {key['prefix']} viewer"],
    }


def test_pages_and_actions_are_found_by_the_beginning_of_a_word_and_by_role(browser):
    assert found(browser.get("/search?q=key", htmx="hits"))["Pages"] == ["API keys", "Me and my keys"]
    assert found(browser.get("/search?q=gate", htmx="hits")) == {"Pages": ["Gates"], "Actions": ["Create gate"]}
    assert found(browser.by("viewer").get("/search?q=gate", htmx="hits")) == {"Pages": ["Gates"]}
    assert found(browser.get("/search?q=ate", htmx="hits")) == {}


def test_the_address_of_every_page_and_action_that_is_offered_answers(browser):
    words = ("overview", "inbox", "models", "deploy", "env", "gate", "audit", "key", "people", "me", "new", "create")
    links = {link for word in words for link in Page(browser.get(f"/search?q={word}", htmx="hits")).links}
    assert len(links) >= 17
    assert {browser.get(link).status_code for link in links} == {200}


@pytest.mark.parametrize(
    ("words", "address"),
    [
        ("gpt", "/models/org/gpt"),
        ("bert 2.5.1", "/models/org/bert/versions/2.5.1"),
        ("nightly", "/models/org/bert/versions/nightly-7"),
    ],
)
def test_enter_opens_the_only_hit(browser, many, words, address):
    answer = browser.get("/search", query_string={"q": words})
    assert (answer.status_code, answer.headers.get("Location")) == (302, address)
    assert browser.get("/search", query_string={"q": words}, htmx="hits").status_code == 200


@pytest.mark.parametrize("words", ["bert", "2.5", "gates", "nothing"])
def test_enter_shows_the_page_where_there_is_not_one_hit(browser, many, words):
    assert browser.get("/search", query_string={"q": words}).status_code == 200


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
