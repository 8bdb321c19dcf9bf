"""Live parts ask again by themselves, keep still under the pointer and rest in a hidden tab."""

from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect
from up import Caller, Up

from browser.window import Windows

HIDE = "Object.defineProperty(Document.prototype, 'hidden', { get: () => window.isHidden === true });"
A_WHILE = 16_000


@pytest.fixture
def page(windows: Windows) -> Page:
    """The overview, with a clock that the test winds on, the pointer and the focus on nothing."""
    page = windows("releaser")
    page.add_init_script(HIDE)
    page.clock.install()
    page.goto("/")
    page.mouse.move(1, 1)
    return page


@pytest.fixture
def polls(page: Page) -> list[str]:
    """The parts that asked again, in their order."""
    found: list[str] = []

    def listen(request: Request) -> None:
        if "x-poll" in request.headers:
            found.append(request.headers["hx-target"])

    page.on("request", listen)
    return found


def wind(page: Page, polls: list[str], *parts: str) -> None:
    """Time goes on until these parts have asked again."""
    with page.expect_response(lambda answer: answer.request.headers.get("hx-target") == parts[-1]):
        page.clock.fast_forward(A_WHILE)
    page.wait_for_load_state("networkidle")
    assert set(parts) <= set(polls)


def test_live_parts_ask_again_and_show_what_has_changed(
    page: Page, polls: list[str], model: dict[str, Any], admin: Caller
) -> None:
    mine = page.locator("#ready li", has_text=model["name"])
    wind(page, polls, "live", "activity", "ready")
    expect(mine).to_have_count(1)
    (version,) = [v for v in admin.get(f"/api/v1/models/{model['id']}/versions").json() if v["version"] == "1.2.0"]
    assert admin.post(f"/api/v1/versions/{version['id']}/promote", json={}).status_code == 200
    wind(page, polls, "ready")
    expect(mine).to_have_count(0)
    expect(page.locator("#activity")).to_contain_text(f"{model['name']} 1.2.0")


def test_a_hidden_tab_does_not_poll(page: Page, polls: list[str]) -> None:
    page.evaluate("window.isHidden = true")
    for _ in range(4):
        page.clock.run_for(A_WHILE)
    assert polls == []
    page.evaluate("window.isHidden = false")
    wind(page, polls, "live", "ready")


def test_a_part_under_the_pointer_does_not_move(page: Page, polls: list[str]) -> None:
    page.locator("#live tbody tr").nth(1).hover()
    wind(page, polls, "activity", "ready")
    assert "live" not in polls
    page.mouse.move(1, 1)
    wind(page, polls, "live")


def test_a_part_that_has_the_focus_does_not_move(page: Page, polls: list[str]) -> None:
    page.locator("#ready button").first.focus()
    wind(page, polls, "live", "activity")
    assert "ready" not in polls
    expect(page.locator("#ready button").first).to_be_focused()


def test_a_poll_changes_nothing_that_did_not_change(page: Page, polls: list[str]) -> None:
    page.evaluate("window.kept = document.querySelector('#live tbody tr')")
    wind(page, polls, "live", "ready")
    assert page.evaluate("window.kept.isConnected && window.kept === document.querySelector('#live tbody tr')")


def test_polls_are_no_use_of_the_session(page: Page, polls: list[str], server: Up) -> None:
    server.sql(
        "UPDATE sessions SET used_at = now() - interval '30 minutes', created_at = created_at - interval '1 hour'"
    )
    wind(page, polls, "live", "ready")
    old = "SELECT count(*) FROM sessions WHERE used_at > now() - interval '29 minutes'"
    assert server.sql(old) == [(0,)]
    page.goto("/models")
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    assert server.sql(old) == [(1,)]
