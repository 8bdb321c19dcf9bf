"""Gates in a browser: overridden, approved, and tried before they are written."""

import pytest
from playwright.sync_api import expect

from browser.axe import check
from browser.window import at, dialog_of, focused, is_marked, mark, row, settled, toast, visit


@pytest.fixture
def gate(admin, model):
    """Write a gate for the test's own model."""

    def write(kind, **own):
        admin.made("/api/v1/gates", {"model": model["name"], "target": "release", "kind": kind, **own})

    return write


ACCURATE = {"path": "accuracy", "op": ">=", "value": 0.95}


@pytest.fixture
def address(model):
    return f"/models/{model['name']}/versions/1.2.0"


def test_an_admin_overrides_what_is_blocked_in_a_dialog(windows, gate, address):
    gate("metric", **ACCURATE)
    page = windows("admin")
    page.goto(address)
    expect(page.get_by_role("button", name="Promote to release")).to_have_count(0)
    held = page.locator("#promotion footer").get_by_role("link", name="0 of 1 gate")
    expect(page.locator(str(held.get_attribute("href")))).to_contain_text("accuracy is 0.94")
    mark(page)
    dialog = dialog_of(page, "Override…")
    expect(dialog).to_contain_text("accuracy is 0.94")
    dialog.get_by_label("Reason").fill("Customers wait for the fix")
    check(page, " override")
    dialog.get_by_role("button", name="Override and promote").click()
    expect(page.locator(".title .chip")).to_have_text(["release", "override"])
    expect(dialog).to_be_hidden()
    expect(toast(page)).to_contain_text("1.2.0 is a release now")
    assert is_marked(page)


def test_in_a_list_nothing_changes_but_a_toast_that_leads_to_the_override(windows, gate, model):
    windows.allow(409)
    page = windows("admin")
    visit(page, f"/models/{model['name']}")
    gate("metric", **ACCURATE)
    row(page, "1.2.0").get_by_role("button", name="Promote").click()
    expect(toast(page)).to_contain_text("accuracy is 0.94; it must be >= 0.95")
    expect(row(page, "1.2.0").get_by_role("button", name="Promote 1.2.0")).to_be_enabled()
    check(page, " toast")
    toast(page).get_by_role("link", name="Override…").click()
    expect(page.locator("#dialog")).to_contain_text("Override the gates and promote 1.2.0?")
    page.keyboard.press("Escape")
    expect(page.locator("#dialog")).to_be_hidden()
    expect(row(page, "1.2.0").locator(".chip.release")).to_have_count(0)
    assert is_marked(page)


def test_rows_whose_gates_fail_have_the_gates_in_place_of_promote(windows, gate, model):
    gate("metric", **ACCURATE)
    gate("metric", path="accuracy", op=">=", value=0.93)
    page = windows("releaser")
    page.goto(f"/models/{model['name']}")
    expect(row(page, "1.2.0").get_by_role("link", name="1 of 2 gates pass: 1.2.0")).to_be_visible()
    expect(row(page, "1.1.0").get_by_role("link", name="0 of 2 gates pass: 1.1.0")).to_be_visible()
    expect(page.locator("#versions").get_by_role("button", name="Promote")).to_have_count(0)
    check(page, " held")
    row(page, "1.2.0").get_by_role("link", name="1 of 2 gates").click()
    expect(page.locator("#promotion")).to_contain_text("accuracy is 0.94")


def test_the_inbox_empties_as_approvals_are_given(windows, gate, model):
    gate("approved")
    page = windows("releaser")
    page.goto("/inbox")
    mine = page.locator("#waiting li", has_text=model["name"])
    expect(mine).to_have_count(2)  # newer than the release
    mark(page)
    mine.first.get_by_label("Comment").fill("fine")
    mine.first.get_by_role("button", name="Approve 1.2.0 for release").click()
    expect(mine.first).to_contain_text("Approved")
    expect(toast(page)).to_contain_text("You approved")
    check(page, " approved")
    assert is_marked(page)
    assert at(page) == "/inbox"
    page.goto("/inbox")
    expect(mine).to_have_count(1)


def test_a_gate_is_tried_written_changed_and_deleted(windows, model):
    windows.allow(422)
    page = windows("admin")
    visit(page, "/gates")
    dialog = dialog_of(page, "New gate")
    dialog.get_by_label("Models").fill(model["name"])
    settled(page)
    dialog.get_by_label("Requires").select_option(label="No worse than the current version")
    expect(dialog.get_by_label("How much worse it may be")).to_be_visible()
    settled(page)
    dialog.get_by_label("Requires").select_option(label="A number in the metadata")
    expect(dialog.get_by_label("This number")).to_be_visible()
    expect(dialog.get_by_label("Models")).to_have_value(model["name"])
    dialog.get_by_label("Path of the number").fill("accuracy")
    dialog.get_by_label("This number").fill("much")
    dialog.get_by_role("button", name="Try it").click()
    expect(dialog.locator("[aria-invalid=true]")).to_be_focused()
    dialog.get_by_label("This number").fill("0.92")
    dialog.get_by_role("button", name="Try it").click()
    expect(dialog.locator("#tried-name")).to_have_text("Of the last 3 versions 2 would pass")
    assert focused(page).startswith("button #try")
    check(page, " tried")
    dialog.get_by_role("button", name="Create the gate").click()
    mine = page.locator("#rows tr", has_text=model["name"])
    expect(mine).to_contain_text("accuracy ≥ 0.92")
    mine.get_by_role("link", name="Edit").click()
    dialog.get_by_label("This number").fill("0.95")
    dialog.get_by_role("button", name="Save").click()
    expect(mine).to_contain_text("accuracy ≥ 0.95")
    mine.get_by_role("link", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(mine).to_have_count(0)
    assert is_marked(page)
