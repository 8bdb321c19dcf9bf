"""Files in place: what is shown of each kind, and nothing that a file could run."""

import pytest
from markup import Page, is_whole
from xss import PAYLOADS

from catapult.extensions import STORAGE

PNG = b"\x89PNG\r\n\x1a\n"
OCTETS = "application/octet-stream"


@pytest.fixture
def preview(api, browser, version):
    """A function that adds a file and returns the page with its preview."""

    def preview(path, content, media_type=OCTETS, **kwargs):
        content = content.encode() if isinstance(content, str) else content
        answer = api.put(f"/api/v1/versions/{version['id']}/artifacts/{path}", content, content_type=media_type)
        assert answer.status_code == 201, answer.text
        return browser.get(f"/artifacts/{answer.json['id']}/preview", **kwargs)

    return preview


def body(answer):
    """What is in the card of the file, without its head and its foot."""
    return answer.text.partition('id="preview-name"')[2].partition("</header>")[2].partition("<footer>")[0]


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("a.txt", "one\n<b>two</b>", "<pre {}>one\n&lt;b&gt;two&lt;/b&gt;</pre>"),
        ("a.json", '{"a":[1e400]}', "<pre {}>{{\n  &#34;a&#34;: [\n    1e400\n  ]\n}}</pre>"),
        ("a.json", "not <JSON>", "<pre {}>not &lt;JSON&gt;</pre>"),
        ("a.html", "<script>alert(1)</script>", "<pre {}>&lt;script&gt;alert(1)&lt;/script&gt;</pre>"),
        ("a.yaml", "a: &a [*a]", "<pre {}>a: &amp;a [*a]</pre>"),
        ("a.csv", "a" * 200_000, "<pre {}>" + "a" * 200_000 + "</pre>"),
    ],
)
def test_a_text_is_shown_as_it_is(preview, path, content, expected):
    answer = preview(path, content)
    assert expected.format(f'tabindex="0" aria-label="{path}"') in body(answer)
    assert is_whole(answer)


def test_a_table_is_shown_with_its_first_rows(preview):
    rows = "".join(f'{number},"=1+1, ""x""\n<i>","{"y" * 600}"\n' for number in range(300))
    answer = preview("t.csv", f"id,<b>,long\n{rows}")
    page = Page(body(answer))
    assert page.texts("th") == ["id", "<b>", "long"]
    assert len(page.all("tr")) == 201
    assert page.texts("td")[3:6] == ["1", '=1+1, "x" <i>', "y" * 500 + "…"]
    assert "These are the first 200 rows." in answer.words
    assert not page.all("i")


def test_markdown_is_shown_with_its_fields_and_files(preview):
    picture = preview("docs/a.png", PNG, "image/png")
    answer = preview("docs/b.md", "---\nlicense: mit\n---\n# Title\n![A](a.png) ![B](/docs/a.png)")
    page = Page(body(answer))
    assert [image["src"] for image in page.all("img")] == [Page(body(picture)).one("img")["src"]]
    assert "License mit" in Page(answer).one("section", class_="card preview").text


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/gif", "image/webp"])
@pytest.mark.parametrize("content", ["<svg onload='alert(1)'/>", "<html><script>alert(1)</script>", "", "\0"])
def test_what_only_calls_itself_an_image_is_not_shown(preview, media_type, content):
    answer = preview("a.png", content, media_type)
    assert "Its content is not an image of a kind that is shown" in answer.words
    assert not Page(body(answer)).all("img")


def test_an_image_comes_from_its_own_address_which_runs_nothing(preview, browser):
    answer = preview("a.png", PNG, "image/png")
    image = browser.get(Page(body(answer)).one("img")["src"], headers={"Sec-Fetch-Site": "same-origin"})
    assert (image.status_code, image.mimetype, image.headers["X-Content-Type-Options"]) == (200, "image/png", "nosniff")
    assert image.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "sandbox" in image.headers["Content-Security-Policy"]
    assert image.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("path", "content", "media_type", "words"),
    [
        ("a.svg", "<svg/>", "image/svg+xml", "Files of this kind are not shown."),
        ("a.bin", b"\0", OCTETS, "Files of this kind are not shown."),
        ("a.txt", "größe".encode("latin-1"), "text/plain", "It is not text"),
        ("a.json", b"{\0}", "application/json", "It is not text"),
        ("a.log", "größe\n" * 40_000, "text/plain", "These are the first 256 KiB."),
        ("a.md", "# a\n" * 70_000, "text/markdown", "These are the first 256 KiB."),
        ("a.csv", "a,b\n" + f"{'x' * 600},y\n" * 600, "text/csv", "These are the first 200 rows."),
    ],
)
def test_what_is_not_shown_or_cut_is_said(preview, path, content, media_type, words):
    answer = preview(path, content, media_type)
    assert answer.status_code == 200
    assert words in answer.words
    assert "Download it" in answer.words


@pytest.mark.parametrize("path", ["x.md", "x.txt", "x.csv", "x.json"])
def test_nothing_of_a_hostile_file_becomes_an_element(preview, path):
    answer = preview(path, "\n\n".join(PAYLOADS))
    for element in Page(body(answer)).elements:
        assert element.tag not in ("script", "iframe", "svg", "style", "form", "object", "base", "meta", "img"), path
        assert not [name for name in element.attributes if name.startswith(("on", "hx-"))]


def test_htmx_gets_the_preview_for_the_dialog_and_a_list_has_the_way_to_it(preview, browser, version):
    answer = preview("a.txt", "text", htmx="dialog-body")
    assert not is_whole(answer)
    assert answer.text.lstrip().startswith('<section class="card preview"')
    preview("b.bin", b"\0")
    links = [link for link in Page(browser.get("/models/org/bert/versions/1.0.0")).all("a") if link.text == "Preview"]
    assert [(link["aria-label"], link["hx-target"]) for link in links] == [("Preview of a.txt", "#dialog-body")]
    assert browser.get(links[0]["href"]).status_code == 200


def test_nobody_sees_a_file_without_a_session_or_of_a_version_that_is_deleted(api, browser, preview, version):
    at = preview("a.txt", "text").request.path
    assert browser.by("viewer").get(at).status_code == 200
    assert browser.by(None).get(at).status_code == 303
    api.delete(f"/api/v1/versions/{version['id']}")
    assert browser.get(at).status_code == 404
    assert browser.get("/artifacts/019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11/preview").status_code == 404


def test_every_other_process_says_that_it_serves_no_files(app, preview, browser, monkeypatch):
    at = preview("a.txt", "text").request.path
    monkeypatch.delitem(app.extensions, STORAGE)
    answer = browser.get(at)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")


def test_bytes_that_are_gone_are_said_to_be(app, preview, browser):
    at = preview("a.txt", "text that is removed").request.path
    storage = app.extensions[STORAGE]
    for name, _ in list(storage.blobs()):
        storage.remove(name)
    answer = browser.get(at)
    assert (answer.status_code, "are not in the storage any more" in answer.words) == (409, True)
