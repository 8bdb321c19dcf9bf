"""The first sign-in, which asks for a name, and rotating a key of one's own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect
from up import Caller, Up

from browser.test_accessibility import check
from browser.window import Windows, account, at, settled

KEYS = "/api/v1/api-keys"


@pytest.fixture
def dana(server: Up, admin: Caller) -> Iterator[str]:
    """A person's key, of the role "dana", that ends in three days."""
    person = admin.made("/api/v1/people", {"name": "Dana Ortiz", "role": "releaser"})
    ends = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    body = {"name": "laptop", "role": "releaser", "person_id": person["id"], "expires_at": ends}
    key = admin.made(KEYS, body)
    server.keys["dana"] = key["key"]
    yield key["id"]
    del server.keys["dana"]


def rows(page: Page) -> list[str]:
    return [row.split()[0] for row in page.locator("#rows tr").all_inner_texts()]


def test_the_first_sign_in_asks_for_a_name_and_goes_on(windows: Windows, server: Up, admin: Caller) -> None:
    server.sql("DELETE FROM sign_in_counts")
    first = admin.made(KEYS, {"name": "first-admin", "role": "admin"})
    server.sql(f"UPDATE api_keys SET asks_name = true WHERE id = '{first['id']}'")
    page = windows(role=None)
    page.goto("/models")
    page.get_by_label("API key").fill(first["key"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_title("Welcome · Catapult")
    expect(page.get_by_label("What is your name?")).to_be_focused()
    check(page)
    page.get_by_label("What is your name?").fill("Mara Lindqvist")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    assert at(page) == "/models"
    expect(account(page)).to_contain_text("Mara Lindqvist")


def test_a_key_is_rotated_in_the_dialog_and_both_rows_are_there_at_once(
    windows: Windows, server: Up, dana: str
) -> None:
    page = windows("dana")
    page.goto("/me")
    expect(page.locator("main .note.warn")).to_have_text("Your key expires in 3 days. Rotate it.")
    check(page)
    page.locator(f"#key-{dana}").get_by_role("link", name="Rotate").click()
    dialog = page.locator("#dialog")
    expect(dialog.get_by_text("You are signed in with this key")).to_be_visible()
    check(page, " dialog")
    settled(page)
    dialog.get_by_label("This key works on").select_option(label="for an hour")
    dialog.get_by_role("button", name="Rotate").click()
    expect(dialog.locator("#new-key")).to_be_visible()
    check(page, " new key")
    key = dialog.locator("#new-key").inner_text()
    dialog.get_by_role("link", name="Done").click()
    assert key not in page.content()
    assert rows(page) == ["laptop", "laptop"]
    expect(page.locator(f"#key-{dana}")).to_contain_text("in 1 h")
    with server.caller(key) as by_dana:
        assert by_dana.get("/api/v1/me").json()["name"] == "Dana Ortiz"


def test_a_person_makes_and_revokes_a_key_of_their_own_in_place(windows: Windows, dana: str) -> None:
    page = windows("dana")
    page.goto("/me")
    page.get_by_role("link", name="New key").click()
    dialog = page.locator("#dialog")
    check(page, " dialog")
    settled(page)
    dialog.get_by_label("Name").fill("notebook")
    dialog.get_by_role("button", name="Create the key").click()
    expect(dialog.locator("#new-key")).to_be_visible()
    dialog.get_by_role("link", name="Done").click()
    assert rows(page) == ["notebook", "laptop"]
    page.get_by_role("link", name="Revoke notebook").click()
    dialog.get_by_label("Type the name").fill("notebook")
    dialog.get_by_role("button", name="Revoke").click()
    expect(page.locator("#rows tr").first).to_contain_text("revoked")
    assert rows(page) == ["notebook", "laptop"]


def test_somebody_is_deactivated_once_the_name_is_typed(windows: Windows, admin: Caller) -> None:
    windows.allow(422)
    admin.made("/api/v1/people", {"name": "Gone Soon"})
    page = windows()
    page.goto("/people")
    page.get_by_role("link", name="Edit Gone Soon").click()
    dialog = page.locator("#dialog")
    settled(page)
    check(page, " dialog")
    dialog.get_by_label("Active").uncheck()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_label("To deactivate, type the name")).to_be_focused()
    dialog.get_by_label("To deactivate, type the name").fill("Gone Soon")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="Gone Soon")).to_contain_text("inactive")
