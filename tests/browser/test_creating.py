"""What is made, changed and taken away in dialogs: nothing typed is lost, and a key is shown once."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from up import Caller, Up

from browser.window import Windows, at, focused, is_marked, mark, settled, toast

DIGEST = "sha256:" + "c" * 64


@pytest.fixture
def page(windows: Windows) -> Page:
    return windows("admin")


def test_a_new_key_is_shown_once_and_gone_after_a_reload(page: Page, server: Up) -> None:
    page.goto("/keys")
    mark(page)
    page.get_by_role("link", name="New key").click()
    dialog = page.locator("#dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    dialog.get_by_label("Name").fill("shown once")
    dialog.get_by_label("Role").select_option("viewer")
    dialog.get_by_role("button", name="Create the key").click()
    shown = page.locator("#new-key")
    expect(shown).to_have_text(re.compile("^cat_"))
    key = shown.inner_text()
    with server.caller(key) as caller:
        assert caller.get("/api/v1/models").status_code == 200
        assert caller.post("/api/v1/models", json={}).status_code == 403
    expect(page.locator("#rows tr").first).to_contain_text("shown once")
    dialog.get_by_role("link", name="Done").click()
    expect(dialog).to_be_hidden()
    assert is_marked(page)
    assert key not in page.content()
    page.reload()
    expect(page.locator("#rows tr").first).to_contain_text("shown once")
    assert key not in page.content()


def test_a_key_is_revoked_by_typing_its_name(page: Page, server: Up, admin: Caller) -> None:
    made = admin.made("/api/v1/api-keys", {"name": "to be revoked", "role": "viewer"})
    page.goto("/keys")
    mark(page)
    mine = page.locator(f"#key-{made['id']}")
    mine.get_by_role("link", name="Revoke").click()
    dialog = page.locator("#dialog")
    button = dialog.get_by_role("button", name="Revoke")
    expect(button).to_be_disabled()
    dialog.get_by_label("Type the name: to be revoked").fill("to be revoke")
    expect(button).to_be_disabled()
    dialog.get_by_label("Type the name: to be revoked").press_sequentially("")
    dialog.get_by_label("Type the name: to be revoked").fill("to be revoked")
    expect(button).to_be_enabled()
    button.click()
    expect(dialog).to_be_hidden()
    expect(mine).to_contain_text("revoked")
    expect(mine.get_by_role("link", name="Revoke")).to_have_count(0)
    expect(toast(page)).to_contain_text("to be revoked is revoked")
    assert is_marked(page)
    with server.caller(made["key"]) as caller:
        assert caller.get("/api/v1/models").status_code == 401


def test_a_version_is_registered_in_a_dialog(page: Page, model: dict[str, Any]) -> None:
    page.goto(f"/models/{model['name']}")
    page.get_by_role("link", name="New version").click()
    dialog = page.locator("#dialog")
    expect(dialog.get_by_label("Model", exact=True)).to_have_value(model["name"])
    for label, text in (
        ("Version", "2.0.0"),
        ("Image tag", "v2.0.0"),
        ("Image digest", DIGEST),
        ("Metadata", '{"a": 1}'),
    ):
        dialog.get_by_label(re.compile(f"^{label}")).fill(text)
    dialog.get_by_role("button", name="Register").click()
    expect(page.get_by_role("heading", name="2.0.0", level=1)).to_be_visible()
    page.wait_for_url(f"**/models/{model['name']}/versions/2.0.0")
    expect(page.locator(".facts")).to_contain_text("admin-key")


def test_a_deployment_to_a_protected_environment_asks_for_the_model_s_name(
    windows: Windows, page: Page, model: dict[str, Any], admin: Caller
) -> None:
    windows.allow(422)
    page.goto(f"/models/{model['name']}/versions/1.0.0")
    page.get_by_role("link", name="Record deployment").click()
    dialog = page.locator("#dialog")
    dialog.get_by_label("Environment").fill("production")
    dialog.get_by_label("Endpoint").fill("https://endpoint.example.com")
    dialog.get_by_role("button", name="Record deployment").click()
    name = dialog.get_by_label("Type the model’s name")
    expect(name).to_be_focused()
    expect(dialog.get_by_label("Endpoint")).to_have_value("https://endpoint.example.com")
    name.fill(model["name"])
    dialog.get_by_role("button", name="Record deployment").click()
    expect(dialog).to_be_hidden()
    expect(page.locator(".title .chip", has_text="production")).to_be_visible()
    found = admin.get(f"/api/v1/deployments?model_name={model['name']}").json()
    assert [(one["environment"], one["live"]) for one in found] == [("production", True)]


def test_what_is_refused_is_shown_again_with_the_first_bad_field_focused(windows: Windows, page: Page) -> None:
    windows.allow(422)
    page.goto("/models")
    mark(page)
    page.get_by_role("link", name="New model").click()
    dialog = page.locator("#dialog")
    dialog.get_by_label("Name", exact=True).fill("creating/refused")
    dialog.get_by_label("Description").fill("long and dear\nwith a second line & <b>")
    dialog.get_by_label("Metadata").fill('{"a": 1,\n  "b": }')
    dialog.get_by_role("button", name="Register").click()
    expect(dialog.locator("[aria-invalid=true]")).to_have_count(2)
    expect(dialog.get_by_label("Storage path")).to_be_focused()
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("creating/refused")
    expect(dialog.get_by_label("Description")).to_have_value("long and dear\nwith a second line & <b>")
    expect(dialog.get_by_label("Metadata")).to_have_value('{"a": 1,\n  "b": }')
    expect(page.locator("#field-metadata-fault")).to_contain_text("Line 2, column 8")
    assert "field-metadata-fault" in (dialog.get_by_label("Metadata").get_attribute("aria-describedby") or "")
    assert is_marked(page)
    dialog.get_by_label("Storage path").fill("docker.io/creating/refused")
    dialog.get_by_label("Metadata").fill('{"a": 1}')
    dialog.get_by_role("button", name="Register").click()
    expect(page.get_by_role("heading", name="creating/refused", level=1)).to_be_visible()


def test_a_model_s_settings_are_changed(page: Page, model: dict[str, Any], admin: Caller) -> None:
    page.goto(f"/models/{model['name']}")
    mark(page)
    page.get_by_role("link", name="Settings").click()
    page.get_by_label("Description").fill("Changed by hand")
    page.get_by_label("Tags (optional)").fill("one\ntwo")
    page.get_by_label("Metadata").fill('{"big": 12345678901234567890}')
    page.get_by_role("button", name="Save").click()
    expect(toast(page)).to_contain_text("is changed")
    expect(page.locator(".lead")).to_contain_text("Changed by hand")
    assert is_marked(page)
    changed = admin.get(f"/api/v1/models/{model['id']}").json()
    assert (changed["tags"], changed["metadata"]) == (["one", "two"], {"big": 12345678901234567890})


def test_a_model_is_deleted_by_typing_its_name_and_not_while_it_is_live_unasked(
    windows: Windows, page: Page, model: dict[str, Any], admin: Caller
) -> None:
    windows.allow(409)
    (version,) = [v for v in admin.get(f"/api/v1/models/{model['id']}/versions").json() if v["is_release"]]
    admin.made("/api/v1/deployments", {"release_id": version["id"], "environment": "staging"})
    page.goto(f"/models/{model['name']}/-/settings")
    page.get_by_role("link", name=f"Delete {model['name']}…").click()
    dialog = page.locator("#dialog")
    dialog.get_by_label("Type the name").fill(model["name"])
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog.get_by_role("alert")).to_contain_text("live")
    expect(dialog.get_by_label("Type the name")).to_have_value(model["name"])
    dialog.get_by_label("Also end its live deployments").check()
    expect(dialog.get_by_role("button", name="Delete")).to_be_enabled()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    expect(toast(page)).to_contain_text(f"{model['name']} is deleted.")
    assert at(page) == "/models"
    assert admin.get(f"/api/v1/models/{model['id']}").status_code == 404


def test_escape_and_cancel_close_a_dialog_and_the_focus_goes_back(page: Page) -> None:
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


def sign_in_again(page: Page, server: Up, role: str = "admin") -> None:
    server.sql("DELETE FROM sign_in_counts")
    page.get_by_label("API key").fill(server.keys[role])
    page.get_by_role("button", name="Sign in").click()


def test_what_is_typed_into_a_form_waits_over_a_new_sign_in(
    windows: Windows, page: Page, server: Up, model: dict[str, Any]
) -> None:
    windows.allow(401)
    place = f"/models/{model['name']}/-/settings"
    page.goto(place)
    page.get_by_label("Description").fill("typed before the session ended")
    server.sql("DELETE FROM sessions")
    page.get_by_role("button", name="Save").click()
    sign_in_again(page, server)
    expect(page.get_by_label("Description")).to_have_value("typed before the session ended")
    assert at(page) == place
    assert focused(page)


def test_what_is_typed_while_a_page_polls_waits_for_the_same_key_to_sign_in(
    windows: Windows, page: Page, server: Up
) -> None:
    windows.allow(401)
    type_and_lose_the_session(page, server)
    sign_in_again(page, server)
    expect(page.locator("#field-version")).to_have_value("typed in a dialog")
    assert at(page) == "/new/deployment"


def type_and_lose_the_session(page: Page, server: Up) -> None:
    page.goto("/deployments")
    page.get_by_role("link", name="Record deployment").click()
    version = page.locator("#dialog").get_by_label("Version")
    expect(version).to_be_visible()
    settled(page)
    version.fill("typed in a dialog")
    server.sql("DELETE FROM sessions")
    page.evaluate("htmx.ajax('GET', '/', {source: '#list', target: '#list'})")
    expect(page.get_by_label("API key")).to_be_visible()


KEPT = "(sessionStorage.getItem('typed') || '').includes('typed in a dialog')"


def test_another_key_that_signs_in_does_not_get_what_was_typed(windows: Windows, page: Page, server: Up) -> None:
    windows.allow(401)
    type_and_lose_the_session(page, server)
    page.wait_for_function(KEPT)
    sign_in_again(page, server, "publisher")
    expect(page.get_by_role("heading", name="Record a deployment", level=1)).to_be_visible()
    expect(page.locator("#field-version")).to_have_value("")
    page.wait_for_function("sessionStorage.getItem('typed') === null")


def test_nothing_typed_stays_in_the_tab_after_signing_out(windows: Windows, page: Page, server: Up) -> None:
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
    page.wait_for_function(KEPT)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    page.wait_for_function("sessionStorage.getItem('typed') === null")


def test_every_form_keeps_what_is_typed_over_a_new_sign_in(
    windows: Windows, page: Page, server: Up, model: dict[str, Any]
) -> None:
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
        page.get_by_role("searchbox").fill("somewhere else")
        sign_in_again(page, server)
        expect(page.locator(f"#field-{name}")).to_have_value("typed on a page")
        assert at(page) == place
    page.goto("/new/model")
    expect(page.locator("#field-name")).to_have_value("")
