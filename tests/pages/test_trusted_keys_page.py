"""`/trusted-keys`, and what a version's page says of the signature of its files."""

import html
import re

import pytest
from markup import Page
from signed_files import FILES, fingerprint_of, new_key, pem_of, signature_of
from stage import counted

KEY = new_key()
FORM = {"name": "release-2026", "public_key": pem_of(KEY).replace("\n", "\r\n"), "model": "", "not_after": ""}
AT = "/models/org/bert/versions/1.0.0"


@pytest.fixture
def trusted(api):
    return api.make("/api/v1/trusted-keys", {"name": "release-2026", "public_key": pem_of(KEY)})


@pytest.fixture
def add(api, version):
    def add(files):
        for path, content in files.items():
            assert api.put(f"/api/v1/versions/{version['id']}/artifacts/{path}", content).status_code == 201

    return add


def said(answer):
    """The text of the page."""
    return " ".join(html.unescape(re.sub("<[^>]+>", "", answer.text)).split())


def test_a_key_is_added_listed_and_deleted(browser, api):
    assert "No trusted keys yet" in browser.get("/trusted-keys").text
    assert (
        browser.post("/new/trusted-key", {**FORM, "model": "nlp/*", "not_after": "2020-01-01T10:15"}).status_code == 303
    )
    [key] = api.get("/api/v1/trusted-keys").json
    assert (key["public_key"], key["model"]) == (pem_of(KEY), "nlp/*")
    assert key["not_after"] == "2020-01-01T10:15:00.000000Z"
    for reader, may in ((browser, True), (browser.by("viewer"), False)):
        text = " ".join(reader.get("/trusted-keys").text.split())
        assert all(part in text for part in ("release-2026", "nlp/*", fingerprint_of(KEY), "expired"))
        assert ("/new/trusted-key" in text) is (f"/trusted-keys/{key['id']}/delete" in text) is may
    assert browser.post(f"/trusted-keys/{key['id']}/delete", {"counter": str(9)}).status_code == 412
    assert browser.post(f"/trusted-keys/{key['id']}/delete", {}).status_code == 303
    assert api.get("/api/v1/trusted-keys").json == []
    audit = said(browser.get("/audit"))
    assert "trusted the key release-2026 for nlp/*" in audit
    assert "deleted the trusted key release-2026 for nlp/*" in audit


@pytest.mark.parametrize(
    ("field", "bad", "message"),
    [("public_key", "x", "openssl pkey"), ("model", "a  b", "name"), ("not_after", "soon", "zone"), ("name", "", "")],
)
def test_what_is_wrong_is_said_at_its_field(browser, field, bad, message):
    answer = browser.post("/new/trusted-key", {**FORM, field: bad})
    assert answer.status_code == 422
    assert Page(answer).invalid == [field]
    assert message in answer.text


def test_a_key_with_bounds_gets_no_form(browser, api, app):
    key = api.make("/api/v1/api-keys", {"name": "bound", "role": "admin", "models": ["org/*"]})["key"]
    bound = type(browser)(app, {"bound": key}, "bound")
    assert bound.get("/new/trusted-key").status_code == 403
    assert bound.get("/trusted-keys").status_code == 200


def test_the_page_of_a_version_says_who_signed_its_files(app, browser, add, trusted, version):
    assert "signed by" not in said(browser.get(AT))
    add(FILES)
    assert "not signed" not in said(browser.get(AT))  # nothing is said where nobody signs
    add({"model.sig": signature_of(KEY)})
    page = browser.get(AT)
    assert "signed by release-2026" in said(page)
    assert f'title="Key {fingerprint_of(KEY)}"' in page.text
    add({"evil.pkl": b"x"})
    words = said(browser.get(AT))
    assert 'Its files are not those that release-2026 signed: "evil.pkl" is not signed.' in words
    assert "signed by release-2026" not in words


def test_the_page_of_a_signed_version_takes_ten_statements_at_most(app, browser, api, add, trusted, gate):
    gate("files_signed")
    gate("files_signed", model="org/*")
    add({**FILES, "model.sig": signature_of(KEY)})
    browser.get(AT)
    with counted(app) as statements:
        words = said(browser.get(AT))
    assert f"Passes: its files are signed by release-2026, key {fingerprint_of(KEY)}" in words
    assert len(statements) <= 10, statements
    assert len([statement for statement in statements if "file_signatures" in statement]) == 1


def test_a_gate_is_tried_on_versions_before_it_is_there(browser, add, trusted, version):
    add({**FILES, "model.sig": signature_of(KEY)})
    tried = browser.post("/new/gate", {"model": "*", "target": "release", "kind": "files_signed", "do": "try"})
    assert "Of the last 1 version 1 would pass" in said(tried)
    assert "its files are signed by release-2026" in said(tried)
