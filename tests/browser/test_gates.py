"""Gates in a browser: blocked, overridden, approved by one and promoted by another, tried before they are written."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from up import Caller

from browser.test_accessibility import check
from browser.window import Windows, at, focused, is_marked, mark, row, settled, toast


@pytest.fixture
def gates(admin: Caller, model: dict[str, Any]) -> Iterator[Any]:
    """Writes gates for the test's own model; they are deleted after it."""
    made: list[str] = []

    def write(kind: str = "metric", target: str = "release", **own: Any) -> None:
        own = own or ({"path": "accuracy", "op": ">=", "value": 0.95} if kind == "metric" else {})
        said = admin.made("/api/v1/gates", {"model": model["name"], "target": target, "kind": kind, **own})
        made.append(said["id"])

    yield write
    for gate_id in made:
        admin.delete(f"/api/v1/gates/{gate_id}")


@pytest.fixture
def address(model: dict[str, Any]) -> str:
    return f"/models/{model['name']}/versions/1.2.0"


def promotion(page: Page) -> Locator:
    return page.locator("#promotion")


def entries(admin: Caller, action: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admin.get(f"/api/v1/audit-logs?action={action}&limit=1").json()
    return found


def test_what_is_blocked_says_why_and_an_admin_overrides_it_with_a_reason(
    windows: Windows, admin: Caller, gates: Any, model: dict[str, Any], address: str
) -> None:
    gates()
    page = windows("admin")
    page.goto(address)
    expect(promotion(page)).to_contain_text("accuracy is 0.94; it must be >= 0.95")
    expect(page.get_by_role("button", name="Promote to release")).to_be_disabled()
    expect(page.locator("#promotion-state")).to_have_text("1 gate does not pass")
    mark(page)
    page.get_by_role("link", name="Override…").click()
    dialog = page.locator("#dialog")
    expect(dialog).to_contain_text("accuracy is 0.94")
    dialog.get_by_label("Reason").fill("Customers wait for the fix")
    check(page, " override")
    dialog.get_by_role("button", name="Override and promote").click()
    expect(page.locator(".title .chip")).to_have_text("release")
    expect(dialog).to_be_hidden()
    expect(toast(page)).to_contain_text("1.2.0 is a release now")
    assert is_marked(page)
    (entry,) = entries(admin, "gate.override")
    assert (entry["details"]["model"], entry["details"]["reason"]) == (model["name"], "Customers wait for the fix")


def test_in_a_list_nothing_changes_but_a_toast_that_leads_to_the_override(
    windows: Windows, gates: Any, model: dict[str, Any]
) -> None:
    windows.allow(409)
    gates()
    page = windows("admin")
    page.goto(f"/models/{model['name']}")
    mark(page)
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


def test_one_approves_in_a_window_and_another_promotes_in_theirs(
    windows: Windows, admin: Caller, gates: Any, model: dict[str, Any], address: str
) -> None:
    gates("approved")
    # The admin's key registered the version, so that only others' approvals count.
    promoter, approver = windows("admin"), windows("releaser")
    promoter.goto(address)
    expect(promoter.get_by_role("button", name="Promote to release")).to_be_disabled()
    expect(promoter.get_by_role("button", name="Approve")).to_have_count(0)
    approver.goto(address)
    mark(approver)
    approver.get_by_label("Comment for the approval").fill("Checked on last week's tickets")
    approver.get_by_role("button", name="Approve 1.2.0 for release").click()
    expect(toast(approver)).to_contain_text("You approved")
    expect(promotion(approver)).to_contain_text("“Checked on last week's tickets”")
    expect(promotion(approver)).to_contain_text("somebody else has to promote it")
    check(approver, " approved")
    assert is_marked(approver)
    promoter.reload()
    expect(promotion(promoter)).to_contain_text("releaser-key approved")
    promoter.get_by_role("button", name="Promote to release").click()
    expect(promoter.locator(".title .chip")).to_have_text("release")
    (entry,) = entries(admin, "version.promote")
    assert (entry["api_key_name"], entry["details"]["model"]) == ("admin-key", model["name"])


def test_the_inbox_empties_as_approvals_are_given(windows: Windows, gates: Any, model: dict[str, Any]) -> None:
    gates("approved")
    page = windows("releaser")
    page.goto("/inbox")
    mine = page.locator("#waiting li", has_text=model["name"])
    expect(mine).to_have_count(2)  # newer than the release
    mark(page)
    mine.first.get_by_label("Comment").fill("fine")
    mine.first.get_by_role("button", name="Approve 1.2.0 for release").click()
    expect(mine).to_have_count(1)
    expect(toast(page)).to_contain_text("You approved")
    assert is_marked(page)
    assert at(page) == "/inbox"


def test_a_gate_is_tried_written_changed_and_deleted(windows: Windows, admin: Caller, model: dict[str, Any]) -> None:
    windows.allow(422)
    page = windows("admin")
    page.goto("/gates")
    mark(page)
    page.get_by_role("link", name="New gate").click()
    dialog = page.locator("#dialog")
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
    expect(dialog.locator("#tried li").last).to_contain_text(
        "1.0.0 Does not pass: accuracy is 0.91; it must be >= 0.92"
    )
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


def test_without_javascript(windows: Windows, gates: Any, model: dict[str, Any], address: str) -> None:
    windows.allow(409, 422)
    page = windows("releaser", java_script_enabled=False)
    gates("approved")
    page.goto(f"/models/{model['name']}")
    row(page, "1.2.0").get_by_role("button", name="Promote").click()
    expect(page.get_by_role("alert")).to_contain_text("It may not become a release")
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("button", name="Withdraw").click()
    assert at(page) == address

    boss = windows("admin", java_script_enabled=False)
    boss.goto("/gates")
    boss.get_by_role("link", name="New gate").click()
    boss.get_by_label("Models", exact=True).fill(model["name"])
    boss.get_by_label("Requires").select_option(label="Approval by others")
    boss.get_by_role("button", name="Show the fields of this kind").click()
    assert re.match(r"/new/gate\?.*kind=approved", at(boss))
    boss.get_by_label("Number of approvals").fill("0")
    boss.get_by_role("button", name="Try it").click()
    expect(boss.get_by_label("Number of approvals")).to_have_attribute("aria-invalid", "true")
    boss.get_by_label("Number of approvals").fill("2")
    boss.get_by_role("button", name="Create the gate").click()
    mine = boss.locator("#rows tr", has_text=model["name"])
    expect(mine).to_have_count(2)
    mine.first.get_by_role("link", name="Delete").click()
    boss.get_by_role("button", name="Delete").click()
    expect(mine).to_have_count(1)
    boss.goto(address)
    boss.get_by_role("link", name="Override…").click()
    boss.get_by_label("Reason").fill("plainly")
    boss.get_by_role("button", name="Override and promote").click()
    expect(boss.locator(".title .chip")).to_have_text("release")
    assert at(boss) == address
