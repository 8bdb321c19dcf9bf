"""Comments on a version's page: the form, the list, and the dialog that deletes one."""

import pytest
from markup import Page, is_whole

AT = "/models/org/bert/versions/1.0.0"


@pytest.fixture
def path(version):
    return f"/api/v1/versions/{version['id']}/comments"


def send(browser, text="Looks good", htmx=None, **more):
    return browser.post(f"{AT}/-/comment", {"text": text, **more}, htmx=htmx)


def shown(browser):
    return [item.text for item in Page(browser.get(AT)).all("li") if (item.get("id") or "").startswith("comment-")]


def test_a_comment_is_made_without_a_script(browser, api, path):
    answer = send(browser.by("publisher"), "Two\r\nlines")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{AT}#comments")
    (comment,) = api.get(path).json
    assert (comment["text"], comment["created_by"], comment["asks_for_changes"]) == (
        "Two\nlines",
        "publisher-key",
        False,
    )
    assert shown(browser) == ["publisher-key just now Delete… Two lines"]


def test_with_htmx_only_the_card_is_swapped(browser, path):
    answer = send(browser, "Looks good", "comments")
    page = Page(answer)
    assert (answer.status_code, is_whole(answer)) == (200, False)
    assert page.one("section", id="comments")
    assert not page.all("section", id="promotion")
    assert page.has_class("toast")[0].text.startswith("You commented on org/bert 1.0.0.")
    assert page.field("text").value == ""


def test_the_other_button_asks_for_changes(browser, api, path):
    assert send(browser, asks_for_changes="true", htmx="comments").status_code == 200
    assert api.get(path).json[0]["asks_for_changes"] is True
    assert shown(browser) == ["admin-key asks for changes just now Delete… Looks good"]


@pytest.mark.parametrize("htmx", [None, "comments"])
@pytest.mark.parametrize(("text", "why"), [(" ", "Missing data"), ("y" * 2_001, "1 to 2000"), ("a\x00b", "U+0000")])
def test_a_bad_comment_shows_the_form_again_with_what_was_typed(browser, path, api, htmx, text, why):
    answer = send(browser, text, htmx)
    page = Page(answer)
    assert (answer.status_code, is_whole(answer), page.invalid) == (422, htmx is None, ["text"])
    assert why in page.one("span", id="comment-fault").text
    assert page.field("text").value.strip("\n") == text.replace("\x00", "\ufffd") or "\x00" in text
    assert api.get(path).json == []


def test_a_viewer_reads_and_writes_nothing(browser, api, path):
    viewer = browser.by("viewer")
    assert "No comments." in Page(viewer.get(AT)).one("section", id="comments").text
    api.make(path, {"text": "x"})
    page = Page(viewer.get(AT))
    assert not [action for action in page.actions if "comment" in action]
    assert shown(viewer) == ["admin-key just now x"]
    assert send(viewer).status_code == 403


def test_its_maker_and_an_admin_are_offered_to_delete_it(browser, api, path):
    api.by("publisher").make(path, {"text": "x"})
    offered = {role: "Delete…" in shown(browser.by(role))[0] for role in ("viewer", "publisher", "releaser", "admin")}
    assert offered == {"viewer": False, "publisher": True, "releaser": False, "admin": True}


@pytest.mark.parametrize("htmx", [None, "form"])
def test_a_dialog_shows_the_comment_before_it_is_deleted(browser, api, path, trail, htmx):
    comment = api.make(path, {"text": "wrong version"})
    at = f"{AT}/-/comments/{comment['id']}/delete"
    form = Page(browser.get(at, htmx=htmx and "dialog-body")).one("form", id="form")
    assert "admin-key “wrong version”" in form.text
    assert browser.by("releaser").post(at).status_code == 403
    answer = browser.post(at, htmx=htmx)
    if htmx:
        assert answer.headers["HX-Retarget"] == "#comments"
        assert Page(answer).one("section", id="comments")
    else:
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{AT}#comments")
    assert shown(browser) == []
    assert browser.get(at).status_code == 404
    assert [entry["api_key_name"] for entry in trail("comment.delete")] == ["admin-key"]


def test_a_comment_is_text_and_nothing_else(browser, api, path):
    hostile = "<img src=x onerror=alert(1)>\n[a](javascript:alert(1))"
    api.make(path, {"text": hostile})
    page = Page(browser.get(AT))
    assert [item.text for item in page.has_class("text") if "onerror" in item.text] == [" ".join(hostile.split())]
    assert not page.all("img")


def test_the_newest_twenty_are_shown(browser, api, path):
    for number in range(21):
        api.make(path, {"text": f"number {number}"})
    texts = shown(browser)
    assert (len(texts), "number 20" in texts[0], "number 1" in texts[-1]) == (20, True, True)
    assert f"GET {path}" in Page(browser.get(AT)).one("section", id="comments").text
