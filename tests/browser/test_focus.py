"""Where the focus goes, what toasts do, and what stands in addresses."""

import pytest
from playwright.sync_api import expect

from browser.window import PHONE, SCREEN, at, focused, row, settled, toast

LONG = 60_000


def test_a_dialog_starts_on_the_first_empty_field_and_its_opener_gets_the_focus_back(windows, model):
    page = windows("admin")
    page.goto(f"/models/{model['name']}/versions/1.2.0")
    opener = page.get_by_role("link", name="Edit notes…")
    opener.click()
    expect(page.locator("#dialog").get_by_label("Release notes")).to_be_focused()
    settled(page)
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    opener.click()
    page.locator("#dialog").get_by_label("Release notes").fill("Faster.")
    page.locator("#dialog").get_by_role("button", name="Save").click()
    expect(page.locator("[aria-labelledby=notes-name]")).to_contain_text("Faster.")
    expect(opener).to_be_focused()


def test_a_dialog_that_asks_for_a_reason_starts_there(windows, admin, model):
    gate = {"model": model["name"], "target": "release", "kind": "metric", "path": "accuracy", "op": ">=", "value": 1}
    admin.made("/api/v1/gates", gate)
    page = windows("admin")
    page.goto(f"/models/{model['name']}/versions/1.2.0")
    page.get_by_role("link", name="Override…").click()
    expect(page.locator("#dialog").get_by_label("Reason")).to_be_focused()


def test_after_an_approval_the_focus_is_where_the_button_was(windows, admin, model):
    admin.made("/api/v1/gates", {"model": model["name"], "target": "release", "kind": "approved", "count": 1})
    page = windows("releaser")
    page.goto("/inbox")
    mine = page.locator("#waiting li", has_text=model["name"]).first
    mine.get_by_role("button", name="Approve").click()
    expect(toast(page)).to_contain_text("You approved")
    expect(mine.get_by_role("button", name="Undo")).to_be_focused()
    assert page.evaluate("document.activeElement.closest('.toast')") is None


def test_a_toast_of_success_ends_after_ten_seconds_and_can_be_closed(windows, model):
    page = windows("releaser")
    page.clock.install()
    page.goto(f"/models/{model['name']}/versions/1.2.0")
    copy = page.get_by_role("button", name="Copy pull command")
    copy.click()
    toast(page).get_by_role("button", name="Dismiss").click()
    expect(toast(page)).to_have_count(0)
    copy.click()
    page.mouse.move(1, 1)
    page.clock.fast_forward(9_000)
    expect(toast(page)).to_have_count(1)
    page.clock.fast_forward(2_000)
    expect(toast(page)).to_have_count(0)


def test_a_toast_of_an_error_stays_with_the_request_s_id(windows, admin, model):
    windows.allow(409)
    page = windows("releaser")
    page.clock.install()
    page.goto(f"/models/{model['name']}")
    gate = {"model": model["name"], "target": "release", "kind": "metric", "path": "accuracy", "op": ">=", "value": 1}
    admin.made("/api/v1/gates", gate)
    with page.expect_response("**/promote*") as answer:
        row(page, "1.2.0").get_by_role("button", name="Promote").click()
    page.mouse.move(1, 1)
    page.clock.fast_forward(LONG)
    expect(toast(page)).to_contain_text("accuracy is 0.94")
    expect(toast(page)).to_contain_text(answer.value.headers["x-request-id"])
    toast(page).get_by_role("button", name="Dismiss").click()
    expect(toast(page)).to_have_count(0)


def test_a_server_that_is_away_is_a_toast_that_stays(windows, model):
    page = windows("releaser")
    page.clock.install()
    page.goto(f"/models/{model['name']}")
    with windows.away():
        page.context.set_offline(True)
        button = row(page, "1.2.0").get_by_role("button", name="Promote")
        button.click()
        expect(toast(page)).to_contain_text("cannot be reached")
        expect(button).to_be_focused()
        page.mouse.move(1, 1)
        page.clock.fast_forward(LONG)
        expect(toast(page)).to_have_count(1)
        page.context.set_offline(False)
        toast(page).get_by_role("button", name="Retry").click()  # a poll may have failed just before
        expect(row(page, "1.2.0").locator(".chip.release")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_empty_filters_are_not_in_the_address(windows, scripts):
    page = windows("viewer", java_script_enabled=scripts)
    page.goto("/models")
    page.get_by_label("Name or description").fill("bert")
    page.get_by_label("Name or description").press("Enter")
    page.wait_for_url("**/models?*search=bert*")
    assert "sort=&" not in page.url + "&"
    assert "tag=&" not in page.url + "&"
    page.get_by_label("Name or description").fill("")
    page.get_by_label("Name or description").press("Enter")
    page.wait_for_url(lambda url: "search" not in url)
    assert "=&" not in page.url + "&"


def test_the_same_filter_twice_is_one_entry_of_the_history(windows, model):
    page = windows("viewer")
    page.goto("/models")
    page.goto(f"/models/{model['name']}")
    page.get_by_label("Filter", exact=True).fill("is_release")
    for _ in range(3):
        with page.expect_response(lambda answer: "filter=" in answer.url):
            page.get_by_label("Filter", exact=True).press("Enter")
        settled(page)
    expect(page.locator("#versions tbody tr[id^=version-]")).to_have_count(1)
    page.go_back()
    expect(page.locator("#versions tbody tr[id^=version-]")).to_have_count(3)
    assert at(page) == f"/models/{model['name']}"
    page.go_back()
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()


def test_a_digest_of_63_digits_is_told_before_it_is_sent(windows, model):
    page = windows("publisher")
    page.goto(f"/new/version?model_name={model['name']}")
    page.get_by_text("Tag and digest by hand").click()
    digest = page.get_by_label("Image digest")
    digest.fill("sha256:" + "a" * 63)
    warning = page.locator("[data-digest]")
    expect(warning).to_contain_text("63 hex digits, not 64")
    digest.fill("sha256:" + "a" * 64)
    expect(warning).to_have_text("")
    digest.fill("a" * 64)
    expect(warning).to_contain_text("sha256: and 64 hex digits")
    assert "digest" in focused(page)


def test_undo_brings_a_deleted_view_back_and_the_focus_to_the_views(windows):
    page = windows("publisher")
    page.goto("/versions?filter=is_release")
    views = page.locator("#views")
    views.get_by_role("link", name="Save view…").click()
    page.locator("#dialog").get_by_label("Name").fill("Releases of all")
    page.locator("#dialog").get_by_role("button", name="Save the view").click()
    view = views.get_by_role("link", name="Releases of all")
    expect(view).to_be_visible()
    settled(page)
    views.get_by_role("button", name="Delete the view Releases of all").click()
    expect(view).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(view).to_have_attribute("aria-current", "page")
    expect(toast(page).last).to_contain_text("is back.")
    page.wait_for_function("document.activeElement.closest('#views') !== null")


COVERED = """() => {
  const focus = document.activeElement.getBoundingClientRect();
  const line = document.querySelector(".brief").getBoundingClientRect();
  return focus.top < line.bottom && focus.bottom > line.top && !document.activeElement.closest("header, .strip");
}"""


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
@pytest.mark.parametrize("size", [PHONE, {"width": 390, "height": 844}, SCREEN], ids=lambda size: f"{size['width']} px")
def test_the_head_of_a_model_stays_as_a_line_that_covers_no_focus(windows, addresses, size, scripts):
    page = windows("releaser", viewport=size, java_script_enabled=scripts)
    page.goto(addresses["a model"])
    line, strip = page.locator(".brief"), page.locator(".strip")
    at_rest, around = line.bounding_box(), strip.bounding_box()
    assert around["y"] < at_rest["y"]
    assert at_rest["y"] + at_rest["height"] < around["y"] + around["height"], "seen before one scrolls"
    page.locator("tbody input[type=checkbox]").last.focus()
    assert line.bounding_box()["y"] == 48
    for _ in range(40):
        page.keyboard.press("Shift+Tab")
        assert not page.evaluate(COVERED), page.evaluate("document.activeElement.outerHTML")
