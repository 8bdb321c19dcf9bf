"""Signing in and out, and what becomes of a session that has ended."""

from urllib.parse import unquote

import pytest
from playwright.sync_api import expect

from browser.window import account, at, row


@pytest.fixture(autouse=True)
def uncounted(server):
    """No sign-in was counted yet."""
    server.sql("DELETE FROM sign_in_counts")


def sign_in(page, key):
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_signing_in_leads_to_the_page_that_was_asked_for(windows, server):
    page = windows(role=None)
    page.goto("/audit?action=version.promote")
    expect(page).to_have_title("Sign in · Catapult")
    sign_in(page, server.keys["releaser"])
    expect(page.get_by_role("heading", name="Audit log", level=1)).to_be_visible()
    assert at(page) == "/audit?action=version.promote"
    expect(account(page)).to_contain_text("releaser-key")


def test_the_key_can_be_shown_before_it_is_sent(windows):
    page = windows(role=None)
    page.goto("/login")
    field, button = page.get_by_label("API key"), page.get_by_role("button", name="Show")
    expect(field).to_have_attribute("type", "password")
    button.click()
    expect(field).to_have_attribute("type", "text")
    expect(button).to_have_attribute("aria-pressed", "true")


def test_a_session_that_has_ended_leads_to_the_sign_in_and_back_to_the_same_place(windows, server, model):
    windows.allow(401)
    page = windows("releaser")
    place = f"/models/{model['name']}?c=loss"
    page.goto(place)
    server.sql("DELETE FROM sessions")
    row(page, "1.2.0").get_by_role("button", name="Promote").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert unquote(at(page)) == f"/login?next={place}&ended=1"
    expect(page.get_by_text("Your session ended.")).to_be_visible()
    expect(page.get_by_text("What you typed is restored")).to_be_hidden()  # nothing was
    sign_in(page, server.keys["releaser"])
    expect(row(page, "1.2.0").get_by_role("button", name="Promote")).to_be_visible()
    assert at(page) == place
