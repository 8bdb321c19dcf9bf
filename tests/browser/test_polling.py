"""Live parts ask again by themselves, keep still under the pointer and rest in a hidden tab."""

import pytest
from playwright.sync_api import expect

HIDE = "Object.defineProperty(Document.prototype, 'hidden', { get: () => window.isHidden === true });"
A_WHILE = 16_000


@pytest.fixture
def page(windows):
    """The overview, with a clock that the test winds on, the pointer and the focus on nothing."""
    page = windows("releaser")
    page.add_init_script(HIDE)
    page.clock.install()
    page.goto("/")
    page.mouse.move(1, 1)
    return page


@pytest.fixture
def polls(page):
    """The parts that asked again, in their order."""
    found = []

    def listen(request):
        if "x-poll" in request.headers:
            found.append(request.headers["hx-target"])

    page.on("request", listen)
    return found


def wind(page, polls, *parts):
    """Time goes on until these parts have asked again."""
    with page.expect_response(lambda answer: answer.request.headers.get("hx-target") == parts[-1]):
        page.clock.fast_forward(A_WHILE)
    page.wait_for_load_state("networkidle")
    assert set(parts) <= set(polls)


def test_live_parts_ask_again_and_show_what_has_changed(page, polls, model, admin):
    mine = page.locator("#ready li", has_text=model["name"])
    wind(page, polls, "live", "activity", "ready")
    expect(mine).to_have_count(1)
    (version,) = [v for v in admin.get(f"/api/v1/models/{model['id']}/versions").json() if v["version"] == "1.2.0"]
    assert admin.post(f"/api/v1/versions/{version['id']}/promote", json={}).status_code == 200
    wind(page, polls, "ready")
    expect(mine).to_have_count(0)
    expect(page.locator("#activity")).to_contain_text(f"{model['name']} 1.2.0")


def test_a_hidden_tab_does_not_poll(page, polls):
    page.evaluate("window.isHidden = true")
    for _ in range(4):
        page.clock.run_for(A_WHILE)
    assert polls == []
    page.evaluate("window.isHidden = false")
    wind(page, polls, "live", "ready")


def test_a_part_under_the_pointer_does_not_move(page, polls):
    page.locator("#live tbody tr").nth(1).hover()
    wind(page, polls, "activity", "ready")
    assert "live" not in polls
    page.mouse.move(1, 1)
    wind(page, polls, "live")


def test_a_part_that_has_the_focus_does_not_move(page, polls):
    page.locator("#ready button").first.focus()
    wind(page, polls, "live", "activity")
    assert "ready" not in polls
    expect(page.locator("#ready button").first).to_be_focused()


def test_a_poll_changes_nothing_that_did_not_change(page, polls):
    page.evaluate("window.kept = document.querySelector('#live tbody tr')")
    wind(page, polls, "live", "ready")
    assert page.evaluate("window.kept.isConnected && window.kept === document.querySelector('#live tbody tr')")
