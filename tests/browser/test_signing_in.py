"""Signing in and out, and what becomes of a session that has ended."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

import pytest
from playwright.sync_api import Page, expect
from up import Caller, Up

from browser.window import Windows, at, row


@pytest.fixture(autouse=True)
def uncounted(server: Up) -> None:
    """No sign-in was counted yet."""
    server.sql("DELETE FROM sign_in_counts")


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_signing_in_leads_to_the_page_that_was_asked_for(windows: Windows, server: Up) -> None:
    page = windows(role=None)
    page.goto("/audit?action=version.promote")
    expect(page).to_have_title("Sign in · Catapult")
    sign_in(page, server.keys["releaser"])
    expect(page.get_by_role("heading", name="Audit log", level=1)).to_be_visible()
    assert at(page) == "/audit?action=version.promote"
    expect(page.locator(".who")).to_contain_text("releaser-key")


def test_signing_in_leads_to_the_overview_without_another_wish(windows: Windows, server: Up) -> None:
    page = windows(role=None)
    page.goto("/login")
    expect(page.get_by_label("API key")).to_be_focused()
    sign_in(page, server.keys["viewer"])
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    assert at(page) == "/"


def test_a_key_that_is_unknown_expired_or_revoked_is_refused_in_the_same_words(
    windows: Windows, server: Up, admin: Caller
) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    expired = admin.made("/api/v1/api-keys", {"name": "expired", "role": "viewer", "expires_at": soon})
    server.sql("UPDATE api_keys SET expires_at = created_at + interval '1 microsecond' WHERE id = %s", expired["id"])
    revoked = admin.made("/api/v1/api-keys", {"name": "revoked", "role": "viewer"})
    assert admin.delete(f"/api/v1/api-keys/{revoked['id']}").status_code in (200, 204)
    windows.allow(422)
    page = windows(role=None)
    page.goto("/login")
    said = []
    for key in ("cat_unknown", "no key at all", expired["key"], revoked["key"]):
        sign_in(page, key)
        fault = page.get_by_role("alert")
        expect(fault).to_be_visible()
        said.append(fault.inner_text())
        expect(page.get_by_label("API key")).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_label("API key")).to_have_value("")
    assert len(set(said)) == 1
    assert "unknown, expired or revoked" in said[0]


def test_the_key_can_be_shown_before_it_is_sent(windows: Windows) -> None:
    page = windows(role=None)
    page.goto("/login")
    field, button = page.get_by_label("API key"), page.get_by_role("button", name="Show")
    expect(field).to_have_attribute("type", "password")
    button.click()
    expect(field).to_have_attribute("type", "text")
    expect(button).to_have_attribute("aria-pressed", "true")


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(windows: Windows, server: Up) -> None:
    page = windows(role=None)
    page.goto("/login")
    sign_in(page, server.keys["viewer"])
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    (cookie,) = [each for each in page.context.cookies() if each["name"] == "catapult_session"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    assert server.keys["viewer"][-12:] not in cookie["value"]
    assert "catapult_session" not in page.evaluate("document.cookie")


def test_signing_in_again_is_another_session(windows: Windows, server: Up) -> None:
    page = windows(role=None)
    tokens = []
    for role in ("viewer", "admin"):
        page.goto("/login")
        sign_in(page, server.keys[role])
        expect(page.locator(".who")).to_contain_text(f"{role}-key")
        tokens += [each["value"] for each in page.context.cookies() if each["name"] == "catapult_session"]
    assert len(set(tokens)) == 2
    page.context.clear_cookies()
    page.context.add_cookies([windows.cookie(tokens[0])])
    page.goto("/models")
    assert at(page).startswith("/login")


def test_signing_out_ends_the_session_on_the_server_too(windows: Windows) -> None:
    page = windows("viewer")
    page.goto("/models")
    cookies: Any = page.context.cookies()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.context.cookies() == []
    page.context.add_cookies(cookies)
    page.goto("/models")
    assert at(page) == "/login?next=/models"


def test_a_session_that_has_ended_leads_to_the_sign_in_and_back_to_the_same_place(
    windows: Windows, server: Up, model: dict[str, Any]
) -> None:
    windows.allow(401)
    page = windows("releaser")
    place = f"/models/{model['name']}?c=loss"
    page.goto(place)
    server.sql("DELETE FROM sessions")
    row(page, "1.2.0").get_by_role("button", name="Promote").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert unquote(at(page)) == f"/login?next={place}"
    sign_in(page, server.keys["releaser"])
    expect(row(page, "1.2.0").get_by_role("button", name="Promote")).to_be_visible()
    assert at(page) == place


def test_a_key_that_is_revoked_ends_its_session_at_the_next_request(
    windows: Windows, server: Up, admin: Caller
) -> None:
    made = admin.made("/api/v1/api-keys", {"name": "soon revoked", "role": "viewer"})
    page = windows(role=None)
    page.goto("/login")
    sign_in(page, made["key"])
    expect(page.locator(".who")).to_contain_text("soon revoked")
    admin.delete(f"/api/v1/api-keys/{made['id']}")
    page.get_by_role("link", name="Models").click()
    expect(page.get_by_label("API key")).to_be_visible()


def test_the_eleventh_sign_in_within_a_minute_is_refused_and_says_so(windows: Windows, server: Up) -> None:
    # The minute is the clock's: all ten are counted in it and the next.
    server.sql(
        "INSERT INTO sign_in_counts (address, minute, attempts) SELECT '127.0.0.1', "
        "date_trunc('minute', now()) + n * interval '1 minute', 10 FROM generate_series(0, 1) n"
    )
    windows.allow(429)
    page = windows(role=None)
    page.goto("/login")
    with page.expect_response("**/login") as answer:
        sign_in(page, server.keys["viewer"])
    assert answer.value.status == 429
    assert int(answer.value.headers["retry-after"]) > 0
    expect(page.get_by_role("alert")).to_contain_text("Too many sign-ins")


def test_ten_sign_ins_within_a_minute_are_let_in(windows: Windows, server: Up) -> None:
    server.sql(
        "INSERT INTO sign_in_counts (address, minute, attempts) VALUES ('127.0.0.1', date_trunc('minute', now()), 9)"
    )
    page = windows(role=None)
    page.goto("/login")
    sign_in(page, server.keys["viewer"])
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()


@pytest.mark.parametrize(
    "foreign", ["//evil.example", "https://evil.example/x", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_leads_to_no_foreign_place(windows: Windows, server: Up, foreign: str) -> None:
    page = windows(role=None)
    page.goto(f"/login?next={quote(foreign, safe='')}")
    sign_in(page, server.keys["viewer"])
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    assert re.fullmatch(rf"{re.escape(server.url)}/", page.url)
