"""The model card of a version: its fields, its text, and images of the version's own files."""

from pathlib import Path

import pytest
from markup import Page
from xss import PAYLOADS

from catapult.rules.markdown import ATTRIBUTES, TAGS

CARDS = Path(__file__).parent.parent / "cards"
AT, PNG = "/models/org/bert/versions/1.0.0", b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def put(api, version):
    """A function that adds a file to the version, and returns its id."""

    def put(path, content, media_type="application/octet-stream", of=version):
        at = f"/api/v1/versions/{of['id']}/artifacts/{path}"
        answer = api.put(at, content.encode() if isinstance(content, str) else content, content_type=media_type)
        assert answer.status_code == 201, answer.text
        return answer.json["id"]

    return put


def content(artifact):
    return f"/api/v1/artifacts/{artifact}/content"


def card(browser, at=AT, id="card"):
    return Page(browser.get(at)).one("section", id=id)


def test_a_card_of_hugging_face_and_an_mlmodel_are_shown(browser, put):
    assert not Page(browser.get(AT)).all("section", id="card")
    put("README.md", (CARDS / "README.md").read_bytes())
    put("MLmodel", (CARDS / "MLmodel").read_bytes())
    shown = card(browser).text
    for text in (
        "License apache-2.0",
        "Language en no",
        "Base model distilbert/distilbert-base-uncased",
        "Results Accuracy 0.9105504587155964 on sst2 F1 0.9131360000000001 on sst2",
        "DistilBERT base uncased, finetuned on SST-2",
        "learning_rate 1e-5",
    ):
        assert text in shown
    assert "---" not in shown
    shown = card(browser, id="mlmodel").text
    for text in (
        "Flavors python_function sklearn 1.5.1",
        "input petal float32 [-1, 4]",
        "output long",
        "MLflow 2.16.2",
    ):
        assert text in shown


def test_links_and_images_of_a_card_are_the_version_s_own_files(api, browser, model, put):
    other = api.version(model, "2.0.0")
    plot, notes = put("plots/a b.png", PNG, "image/png"), put("docs/notes.md", "[up](../eval.json)")
    svg = put("plots/c.svg", "<svg onload='alert(1)'/>", "image/svg+xml")
    put("elsewhere.png", PNG, "image/png", of=other)
    text = "![A](plots/a%20b.png?raw=true) ![B](./plots/c.svg) ![C](elsewhere.png) ![D](/static/icon.svg) "
    text += "[E](docs/notes.md#part) [F](plots/c.svg) [G](gone.txt) [H](../../etc/passwd) [I](%00) [J](<plots/a b.png>)"
    put("ReadMe.md", text)
    page = Page(browser.get(AT))
    assert [image["src"] for image in page.all("img") if "artifacts" in image["src"]] == [content(plot)]
    links = {link.text: link.get("href") for link in page.all("a", rel="nofollow noopener")}
    assert links == {"E": content(notes), "F": content(svg), "J": content(plot)}
    assert "B C D E F G H I J" in card(browser).text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"x" * 262_145, "README.md is larger than 256 KiB, which is too large to show; download it."),
        (b"\xff\xfe", "README.md is not UTF-8, so it is not shown; download it."),
        ("---\na: &a [x]\nb: [*a, *a]\n---\n# Below\n", "refers to one of its own parts (*a)."),
        ("---\na: [\n---\n# Below\n", "The YAML at its beginning could not be read: "),
        ("---\n" + "a: b\n" * 13_200 + "---\n# Below\n", "it is longer than 65,536 characters."),
        ("---\n" + "a: b\n" * 50_000 + "---\n# Far below\n", "it is longer than 65,536 characters."),
        ("---\n" + "".join(f"a{n}: b\n" for n in range(45)) + "---\n# Below\n", "It has 5 fields more."),
    ],
)
def test_what_is_not_shown_of_a_card_is_said(browser, put, text, words):
    put("README.md", text)
    shown = card(browser).text
    assert words in shown
    assert ("Below" in shown) == (b"# Below" in (text if isinstance(text, bytes) else text.encode()))


def test_of_a_long_card_the_version_shows_the_beginning_and_its_preview_all(browser, put):
    put("README.md", "---\nlicense: mit\n---\n" + "".join(f"## Part {n}\n\nText.\n\n" for n in range(2_000)))
    page = Page(browser.get(AT))
    shown = page.one("section", id="card").text
    assert ("Part 0 " in shown, "Part 1999 " in shown, "Read all of it" in shown) == (True, False, True)
    [address] = [link["href"] for link in page.all("a", class_="button") if link.text.startswith("Read all of it")]
    assert "Part 1999" in browser.get(address).words


def test_a_card_that_was_added_before_its_text_was_kept_is_not_shown(browser, put, sql):
    artifact = put("README.md", "# Title")
    sql("UPDATE artifacts SET card = NULL, facts = '{}' RETURNING 1")
    page = Page(browser.get(AT))
    assert not page.all("section", id="card")
    assert "Title" in browser.get(f"/artifacts/{artifact}/preview").words


def test_lists_do_not_read_the_text_of_cards(api, browser, put, statements, version):
    put("README.md", "# Title")
    with statements() as sent:
        assert "card" not in api.get(f"/api/v1/versions/{version['id']}/artifacts").json[0]
    assert not [statement for statement in sent if "artifacts.card" in statement]


def test_a_model_shows_the_card_of_its_release(api, browser, model, version, put):
    at = "/models/org/bert/-/card"
    assert "No release yet" in browser.get(at).words
    put("README.md", "# Of one")
    put("README.md", "# Of two", of=api.version(model, "2.0.0"))
    api.post(f"/api/v1/versions/{version['id']}/promote")
    assert "Of one" in browser.get(at).words
    assert "Of two" not in browser.get(at).words
    third = api.version(model, "3.0.0", is_release=True)
    assert "The release has no model card" in browser.get(at).words
    assert third["version"] in browser.get(at, htmx="tab").words


HOSTILE = """---
license: <script>alert(1)</script>
license_link: javascript:alert(1)
tags: ['"><img src=x onerror=alert(1)>', {a: b}]
"<b id=x>": "{{ 7 * 7 }}"
model-index: [x, {results: [y, {metrics: [z, {name: [a], value: {b: c}}], dataset: q}]}]
base_model: https://evil.test/x
---
"""


def test_nothing_of_a_hostile_card_becomes_an_element_or_an_address(browser, put):
    put("README.md", HOSTILE + "\n\n".join(PAYLOADS)[:9_000])
    put("MLmodel", "flavors: {'<i>': {'<i>_version': [x]}}\nsignature: {inputs: '[[1', outputs: '[\"<b>\"]'}\n")
    page = browser.get(AT)
    text = page.text[page.text.index('id="card"') : page.text.index('id="comments"')]
    allowed = TAGS | {"section", "header", "span", "dl", "dt", "dd", "div", "details", "summary"}
    for element in Page(text).elements:
        assert element.tag in allowed, element.tag
        assert not [name for name in element.attributes if name.startswith(("on", "style"))]
        assert not (element.get("src") or "").startswith("http")
        if element.get("href"):
            assert element["href"].startswith(("/api/v1/artifacts/", "http")), element["href"]
        if element.tag in ("p", "code", "img", "td"):
            assert element.attributes.keys() <= ATTRIBUTES.get(element.tag, set()) | {"class"}


@pytest.mark.parametrize(
    "yaml",
    [
        "flavors: x\nsignature: y\nmodel-index: z",
        "flavors: [a, {b: c}]",
        "flavors: {a: b}",
        "signature: {inputs: 1, outputs: '{}', params: '[1]'}",
        f"signature: {{inputs: '{'[' * 20_000}'}}",
        'signature: {inputs: \'[{"type": "tensor", "tensor-spec": 5, "name": [1]}]\'}',
        "model-index: [{results: {a: b}}]",
        "tags: []\nmetrics: ['', x]\n? {}\n: x",
    ],
)
def test_an_mlmodel_of_any_shape_is_a_page(browser, put, yaml):
    put("MLmodel", yaml)
    assert browser.get(AT).status_code == 200


def test_a_card_leads_to_a_file_beyond_those_that_are_read_with_the_version(browser, put, sql, statements):
    put("README.md", "![A](zz.png) [B](gone.txt)")
    plot = put("zz.png", PNG, "image/png")
    sql(
        """
        INSERT INTO artifacts (id, version_id, path, media_type, size_bytes, sha256, created_by)
        SELECT gen_random_uuid(), version_id, 'a/' || n, 'text/plain', size_bytes, sha256, 'x'
        FROM artifacts, generate_series(1, 600) n WHERE path = 'zz.png' RETURNING 1
        """
    )
    with statements() as sent:
        page = Page(browser.get(AT))
    assert [image["src"] for image in page.all("img") if "artifacts" in image["src"]] == [content(plot)]
    assert "the first 50" in browser.get(AT).words
    assert len(sent) <= 11
