"""Two people at once, and what was changed or deleted meanwhile: both see the truth."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from up import Caller

from browser.window import Windows, at, is_marked, mark, row, toast


def test_who_promotes_second_sees_that_it_is_a_release_already(
    windows: Windows, model: dict[str, Any], admin: Caller
) -> None:
    first, second = windows("releaser"), windows("admin")
    for page in (first, second):
        page.goto(f"/models/{model['name']}")
        mark(page)
    row(first, "1.2.0").get_by_role("button", name="Promote").click()
    expect(row(first, "1.2.0").locator(".chip.release")).to_be_visible()
    row(second, "1.2.0").get_by_role("button", name="Promote").click()
    expect(row(second, "1.2.0").locator(".chip.release")).to_be_visible()
    expect(second.locator("#release-count")).to_have_text("2 releases")
    expect(toast(second)).to_contain_text("releaser-key")
    expect(toast(second).get_by_role("button", name="Undo")).to_have_count(0)
    assert is_marked(first)
    assert is_marked(second)
    entries = admin.get(f"/api/v1/audit-logs?action=version.promote&resource_id={version(admin, model)['id']}").json()
    assert [entry["api_key_name"] for entry in entries] == ["releaser-key"]


def version(admin: Caller, model: dict[str, Any]) -> dict[str, Any]:
    """Its version 1.2.0."""
    found: list[dict[str, Any]] = admin.get(f"/api/v1/models/{model['id']}/versions").json()
    (one,) = [each for each in found if each["version"] == "1.2.0"]
    return one


def test_promoting_what_was_deleted_meanwhile_says_so_in_its_row(
    windows: Windows, model: dict[str, Any], admin: Caller
) -> None:
    windows.allow(404)
    page = windows("releaser")
    page.goto(f"/models/{model['name']}")
    mark(page)
    mine = page.locator(f"#{row(page, '1.2.0').get_attribute('id')}")
    assert admin.delete(f"/api/v1/versions/{version(admin, model)['id']}").status_code == 204
    mine.get_by_role("button", name="Promote").click()
    expect(mine).to_contain_text("1.2.0")
    expect(mine).to_contain_text("deleted")
    expect(mine.get_by_role("button", name="Promote")).to_have_count(0)
    expect(row(page, "1.1.0").get_by_role("button", name="Promote")).to_be_visible()
    assert is_marked(page)


@pytest.fixture
def editors(windows: Windows, model: dict[str, Any]) -> tuple[Page, Page]:
    """Two people with the same version's form open."""
    pages = windows("publisher"), windows("admin")
    for page in pages:
        page.goto(f"/models/{model['name']}/versions/1.2.0")
        page.get_by_role("link", name="Edit notes…").click()
        expect(page.locator("#dialog").get_by_label("Release notes")).to_be_visible()
    return pages


def test_who_saves_second_is_told_who_changed_it_and_loses_nothing(
    windows: Windows, editors: tuple[Page, Page], model: dict[str, Any]
) -> None:
    windows.allow(412)
    first, second = editors
    first.locator("#dialog").get_by_label("Release notes").fill("of the first")
    first.locator("#dialog").get_by_role("button", name="Save").click()
    expect(first.locator("[aria-labelledby=notes-name]")).to_contain_text("of the first")
    expect(first.locator("#dialog")).to_be_hidden()
    dialog = second.locator("#dialog")
    dialog.get_by_label("Release notes").fill("of the second, long and dear")
    dialog.get_by_role("button", name="Save").click()
    note = dialog.get_by_role("alert")
    expect(note).to_contain_text("Changed by publisher-key in the meantime")
    expect(dialog.get_by_label("Release notes")).to_have_value("of the second, long and dear")
    dialog.get_by_role("button", name="Save").click()
    expect(note).to_contain_text("Changed by publisher-key in the meantime")
    note.get_by_role("link", name="Reload").click()
    expect(second.get_by_label("Release notes")).to_have_value("of the first")
    second.get_by_label("Release notes").fill("of both")
    second.get_by_role("button", name="Save").click()
    expect(second.locator("[aria-labelledby=notes-name]")).to_contain_text("of both")
    assert at(second) == f"/models/{model['name']}/versions/1.2.0"


def test_saving_what_was_deleted_meanwhile_says_so_and_keeps_what_was_typed(
    windows: Windows, editors: tuple[Page, Page], model: dict[str, Any], admin: Caller
) -> None:
    windows.allow(404)
    page, _ = editors
    assert admin.delete(f"/api/v1/versions/{version(admin, model)['id']}").status_code == 204
    page.locator("#dialog").get_by_label("Release notes").fill("typed for nothing")
    page.locator("#dialog").get_by_role("button", name="Save").click()
    expect(toast(page)).to_contain_text("1.2.0")
    expect(page.locator("#dialog").get_by_label("Release notes")).to_have_value("typed for nothing")
