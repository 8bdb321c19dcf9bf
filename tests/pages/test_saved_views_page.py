"""Saved views: above their list, in the search, saved by a form and deleted in place."""

import pytest
from markup import Page

ADDRESS = "/versions?filter=is_release"


def save(browser, name="Good ones", address=ADDRESS, **kwargs):
    return browser.post("/me/views/new", {"name": name, "address": address}, **kwargs)


def shown(response):
    """The views above a list: name and address."""
    page = Page(response)
    ours = {
        button["aria-label"].removeprefix("Delete the view ")
        for button in page.all("button")
        if "Delete the view" in (button.get("aria-label") or "")
    }
    return [(link.text, link["href"]) for link in page.all("a") if link.text in ours]


@pytest.mark.parametrize("path", ["/models", "/versions", "/deployments", "/audit"])
def test_a_list_has_its_views_and_no_others(browser, path):
    save(browser, "Mine", f"{path}?sort=x")
    save(browser, "Elsewhere", "/models/org/bert?show=releases")
    assert shown(browser.get(path)) == [("Mine", f"{path}?sort=x")]
    assert shown(browser.by("viewer").get(path)) == []


def test_the_form_has_the_list_as_it_is_in_the_browser_without_its_page(browser):
    offered = [link for link in Page(browser.get(f"{ADDRESS}&sort=version")).links if link.startswith("/me/views/new")]
    form = Page(browser.get(offered[0]))
    assert form.field("address").value == f"{ADDRESS}&sort=version"
    headers = {"HX-Current-URL": "http://localhost/models?tag=nlp&cursor=abc"}
    dialog = Page(browser.get(offered[0], htmx="dialog-body", headers=headers))
    assert dialog.field("address").value == "/models?tag=nlp"


def test_a_view_is_saved_and_its_list_opened(browser):
    answer = save(browser)
    assert (answer.status_code, answer.headers["Location"]) == (303, ADDRESS)
    [link] = [link for link in Page(browser.get(ADDRESS)).all("a") if link.text == "Good ones"]
    assert link["aria-current"] == "page"
    swapped = save(browser, "Second", htmx="form")
    assert ADDRESS in swapped.headers["HX-Location"]


@pytest.mark.parametrize(
    ("name", "address", "status"),
    [
        ("", ADDRESS, 422),
        ("Taken", ADDRESS, 409),
        ("x", "https://example.com/versions", 422),
        ("x", "//example.com", 422),
    ],
)
def test_what_is_refused_keeps_what_was_typed(browser, name, address, status):
    save(browser, "Taken")
    answer = save(browser, name, address)
    assert answer.status_code == status
    page = Page(answer)
    assert (page.field("name").value, page.field("address").value) == (name, address)
    assert not [link for link in page.links if "example.com" in link]


def test_a_view_is_deleted_in_place_and_only_one_s_own(browser):
    for name in ("Mine", "Other"):
        save(browser, name)
    [form, _] = [
        form for form in Page(browser.get("/versions")).all("form") if "/me/views/" in (form.get("action") or "")
    ]
    assert browser.by("viewer").post(form["action"]).status_code == 404
    answer = browser.post(form["action"], htmx="views")
    assert answer.text.lstrip().startswith('<nav class="views" id="views"')
    assert shown(answer) == [("Other", ADDRESS)]
    assert "The view Mine is deleted." in answer.text
    [form] = [form for form in Page(browser.get("/versions")).all("form") if "/me/views/" in (form.get("action") or "")]
    assert browser.post(form["action"]).headers["Location"] == "/versions"


def deleted(browser, name):
    """The answer to deleting the view, and what the Undo in it sends."""
    button = f"Delete the view {name}"
    [view] = [it for it in Page(browser.get("/versions")).all("button") if it.get("aria-label") == button]
    answer = browser.post(f"/me/views/{view['id'].removeprefix('delete-')}/delete", htmx="views")
    page = Page(answer)
    sent = {field: page.one("input", type="hidden", name=field)["value"] for field in ("name", "address")}
    [form] = page.all("form", hx_target="#views", action="/me/views/new")
    return form["action"], sent


def test_undo_makes_a_deleted_view_again_where_it_was(browser):
    at = {"htmx": "views", "headers": {"HX-Current-URL": "http://localhost/versions"}}
    name = "“A” & <b>'s"
    for each in (name, "Other"):
        save(browser, each)
    before = shown(browser.get("/versions"))
    action, sent = deleted(browser, name)
    assert shown(browser.get("/versions")) == [("Other", ADDRESS)]
    answer = browser.post(action, sent, **at)
    assert answer.text.lstrip().startswith('<nav class="views" id="views"')
    assert shown(answer) == shown(browser.get("/versions")) == before
    assert "is back." in answer.text
    assert len(Page(browser.get("/audit?action=saved_view.create")).has_class("said")) == 3


def test_undo_tells_that_the_name_was_taken_meanwhile(browser):
    save(browser, "Mine")
    action, sent = deleted(browser, "Mine")
    save(browser, "MINE", "/versions?sort=version")
    answer = browser.post(action, sent, htmx="views")
    assert (answer.status_code, answer.headers["HX-Reswap"]) == (409, "none")
    assert "You have a view with this name already" in answer.text
    assert shown(browser.get("/versions")) == [("MINE", "/versions?sort=version")]


def test_the_search_finds_one_s_own_views_by_name(browser):
    save(browser)
    hits = browser.get("/search?q=good", htmx="hits")
    assert ("Good ones", ADDRESS) in [(link.text, link["href"]) for link in Page(hits).all("a")]
    assert browser.get("/search?q=GOOD+on").headers["Location"] == ADDRESS
    assert ADDRESS not in browser.by("viewer").get("/search?q=good").text


def test_the_audit_log_says_who_saved_which_view(browser):
    save(browser)
    assert "saved_view.create" in browser.get("/audit?action=saved_view.create").text
