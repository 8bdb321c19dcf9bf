"""What is made, changed and taken away in dialogs: nothing typed is lost, and a key is shown once."""

import re

import pytest
from playwright.sync_api import expect

from browser.window import account, at, dialog_of, focused, is_marked, settled, toast, until, visit


@pytest.fixture
def page(windows):
    return windows("admin")


def test_a_new_key_is_shown_in_the_dialog_and_gone_with_it(page):
    visit(page, "/keys")
    dialog = dialog_of(page, "New key")
    expect(dialog.get_by_label("Name")).to_be_focused()
    dialog.get_by_label("Name").fill("shown once")
    dialog.get_by_role("button", name="Create the key").click()
    shown = page.locator("#new-key")
    expect(shown).to_have_text(re.compile("^cat_"))
    key = shown.inner_text()
    expect(page.locator("#rows tr").first).to_contain_text("shown once")
    dialog.get_by_role("link", name="Done").click()
    expect(dialog).to_be_hidden()
    assert is_marked(page)
    assert key not in page.content()


def test_a_key_is_revoked_by_typing_its_name(page, admin):
    made = admin.made("/api/v1/api-keys", {"name": "to be revoked", "role": "viewer"})
    visit(page, "/keys")
    mine = page.locator(f"#key-{made['id']}")
    mine.get_by_role("link", name="Revoke to be revoked").click()
    dialog = page.locator("#dialog")
    button, name = dialog.get_by_role("button", name="Revoke"), dialog.get_by_label("Type the name: to be revoked")
    expect(button).to_be_disabled()
    name.fill("to be revoke")
    expect(button).to_be_disabled()
    name.fill("to be revoked")
    button.click()
    expect(dialog).to_be_hidden()
    expect(mine).to_contain_text("revoked")
    expect(mine.get_by_role("link")).to_have_count(0)
    expect(toast(page)).to_contain_text("to be revoked is revoked")
    assert is_marked(page)


def test_a_deployment_to_a_protected_environment_asks_for_the_model_s_name(windows, page, model):
    windows.allow(422)
    page.goto(f"/models/{model['name']}/versions/1.0.0")
    dialog = dialog_of(page, "Deploy…")
    dialog.get_by_text("Endpoint, log, metadata").press("Enter")  # a click at once may be where the dialog was opened
    dialog.get_by_label("Endpoint").fill("https://endpoint.example.com")
    name = dialog.get_by_label("Type the model’s name")
    expect(name).to_be_hidden()
    dialog.get_by_label("Environment").fill("production")
    dialog.get_by_label("Environment").press("Tab")
    expect(name).to_be_visible()  # with what the environment's gates say; the fold is still open
    expect(dialog.get_by_label("Endpoint")).to_be_visible()
    dialog.get_by_role("button", name="Deploy", exact=True).click()
    expect(name).to_be_focused()
    expect(dialog.get_by_label("Endpoint")).to_have_value("https://endpoint.example.com")
    name.fill(model["name"])
    dialog.get_by_role("button", name="Deploy", exact=True).click()
    expect(dialog).to_be_hidden()
    expect(page.locator(".title .chip", has_text="production")).to_be_visible()


def test_a_deployment_from_a_list_leads_back_to_it_and_the_toast_to_the_deployment(page, model):
    visit(page, "/deployments?environment=staging")
    dialog = dialog_of(page, "Deploy…")
    for label, text in (("Environment", "production"), ("Model", model["name"]), ("Version", "1.0.0")):
        dialog.get_by_label(label, exact=True).fill(text)
    dialog.get_by_label("Version").press("Tab")
    expect(dialog.locator("#before")).to_contain_text(f"Nothing of {model['name']} is live in production yet")
    dialog.get_by_label("Environment").fill("staging")
    dialog.get_by_label("Version").fill("1.1.0")
    dialog.get_by_label("Version").press("Tab")
    expect(dialog.get_by_role("group", name="Before 1.1.0 goes to staging")).to_be_visible()
    dialog.get_by_role("button", name="Deploy", exact=True).click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#list tbody tr").first).to_contain_text(model["name"])
    assert at(page) == "/deployments?environment=staging"
    assert is_marked(page)
    toast(page).get_by_role("link", name="Open the deployment").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("1.1.0")


def test_what_is_refused_is_shown_again_with_the_first_bad_field_focused(windows, page):
    windows.allow(422)
    visit(page, "/models")
    dialog = dialog_of(page, "New model")
    dialog.get_by_label("Name", exact=True).fill("creating/refused")
    dialog.get_by_label("Description").fill("long and dear\nwith a second line & <b>")
    dialog.get_by_label("Metadata").fill('{"a": 1,\n  "b": }')
    dialog.get_by_role("button", name="Register").click()
    expect(dialog.locator("[aria-invalid=true]")).to_have_count(2)
    expect(dialog.get_by_label("Storage path")).to_be_focused()
    expect(dialog.get_by_label("Description")).to_have_value("long and dear\nwith a second line & <b>")
    assert is_marked(page)
    dialog.get_by_label("Storage path").fill("docker.io/creating/refused")
    dialog.get_by_label("Metadata").fill('{"a": 1}')
    dialog.get_by_role("button", name="Register").click()
    expect(page.get_by_role("heading", name="creating/refused", level=1)).to_be_visible()


def test_a_model_s_settings_are_changed_in_place(page, model):
    visit(page, f"/models/{model['name']}")
    page.get_by_role("link", name="Settings").click()
    page.get_by_label("Description").fill("Changed by hand")
    page.get_by_role("button", name="Save").click()
    expect(toast(page)).to_contain_text("is changed")
    assert is_marked(page)
    page.goto(f"/models/{model['name']}")
    expect(page.locator(".lead.markdown")).to_contain_text("Changed by hand")


def test_escape_and_cancel_close_a_dialog_and_the_focus_goes_back(page):
    page.goto("/models")
    link = page.get_by_role("link", name="New model")
    for close in (lambda: page.keyboard.press("Escape"), lambda: page.get_by_role("link", name="Cancel").click()):
        link.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#dialog form.card")).to_be_visible()
        close()
        expect(page.locator("#dialog")).to_be_hidden()
        expect(link).to_be_focused()
        assert at(page) == "/models"


def sign_in_again(page, server, role="admin"):
    server.sql("DELETE FROM sign_in_counts")
    page.get_by_label("API key").fill(server.keys[role])
    page.get_by_role("button", name="Sign in").click()


def test_what_is_typed_while_a_page_polls_waits_for_the_same_key_to_sign_in(windows, page, server):
    windows.allow(401)
    type_and_lose_the_session(page, server)
    sign_in_again(page, server)
    expect(page.locator("#field-version")).to_have_value("typed in a dialog")
    assert at(page) == "/new/deployment"


def type_and_lose_the_session(page, server):
    page.goto("/deployments")
    page.get_by_role("link", name="Deploy…").click()
    version = page.locator("#dialog").get_by_label("Version")
    expect(version).to_be_visible()
    settled(page)
    version.fill("typed in a dialog")
    server.sql("DELETE FROM sessions")
    page.evaluate("void htmx.ajax('GET', '/', {source: '#list', target: '#list'})")
    expect(page.get_by_label("API key")).to_be_visible()


KEPT = "(sessionStorage.getItem('typed') || '').includes('typed in a dialog')"


def test_another_key_that_signs_in_does_not_get_what_was_typed(windows, page, server):
    windows.allow(401)
    type_and_lose_the_session(page, server)
    until(page, lambda: page.evaluate(KEPT))
    expect(page.get_by_text("Your session ended. What you typed is restored")).to_be_visible()
    sign_in_again(page, server, "publisher")
    expect(page.get_by_role("heading", name="Deploy", level=1)).to_be_visible()
    expect(page.locator("#field-version")).to_have_value("")
    until(page, lambda: page.evaluate("sessionStorage.getItem('typed') === null"))


def test_nothing_typed_stays_in_the_tab_after_signing_out(windows, page, server):
    windows.allow(401)
    type_and_lose_the_session(page, server)
    sign_in_again(page, server)
    expect(page.locator("#field-version")).to_have_value("typed in a dialog")
    server.sql("DELETE FROM sessions")
    page.get_by_role("searchbox").fill("somewhere else")
    page.wait_for_url("**/login**")
    page.goto("/login?next=/models")
    sign_in_again(page, server)
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    until(page, lambda: page.evaluate(KEPT))
    account(page).get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    until(page, lambda: page.evaluate("sessionStorage.getItem('typed') === null"))


def test_every_form_keeps_what_is_typed_over_a_new_sign_in(windows, page, server, model):
    windows.allow(401)
    for place, name in (
        ("/new/model", "name"),
        ("/new/version", "version"),
        (f"/models/{model['name']}/versions/1.2.0/-/edit", "quantization"),
        (f"/models/{model['name']}/-/settings", "description"),
    ):
        page.goto(place)
        page.locator(f"#field-{name}").fill("typed on a page")
        server.sql("DELETE FROM sessions")
        if place.startswith("/new/"):
            page.get_by_role("searchbox").fill("somewhere else")
        else:
            page.get_by_role("button", name="Save").click()
        sign_in_again(page, server)
        expect(page.locator(f"#field-{name}")).to_have_value("typed on a page")
        assert at(page) == place
        assert focused(page)
    page.goto("/new/model")
    expect(page.locator("#field-name")).to_have_value("")
