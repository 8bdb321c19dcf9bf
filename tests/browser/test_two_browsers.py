"""Two people at once, and what was changed or deleted meanwhile: both see the truth."""

import pytest
from playwright.sync_api import expect

from browser.window import at, is_marked, row, toast, visit


def version(admin, model):
    """Its version 1.2.0."""
    found = admin.get(f"/api/v1/models/{model['id']}/versions").json()
    (one,) = [each for each in found if each["version"] == "1.2.0"]
    return one


def test_promoting_what_was_deleted_meanwhile_says_so_in_its_row(windows, model, admin):
    windows.allow(404)
    page = windows("releaser")
    visit(page, f"/models/{model['name']}")
    mine = page.locator(f"#{row(page, '1.2.0').get_attribute('id')}")
    assert admin.delete(f"/api/v1/versions/{version(admin, model)['id']}").status_code == 204
    mine.get_by_role("button", name="Promote").click()
    expect(mine).to_contain_text("1.2.0")
    expect(mine).to_contain_text("deleted")
    expect(mine.get_by_role("button", name="Promote")).to_have_count(0)
    expect(row(page, "1.1.0").get_by_role("button", name="Promote")).to_be_visible()
    assert is_marked(page)


@pytest.fixture
def editors(windows, model):
    """Two people with the same version's form open."""
    pages = windows("publisher"), windows("admin")
    for page in pages:
        page.goto(f"/models/{model['name']}/versions/1.2.0")
        page.get_by_role("link", name="Edit notes…").click()
        expect(page.locator("#dialog").get_by_label("Release notes")).to_be_visible()
    return pages


def test_who_saves_second_is_told_who_changed_it_and_loses_nothing(windows, editors, model):
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


def test_saving_what_was_deleted_meanwhile_says_so_and_keeps_what_was_typed(windows, editors, model, admin):
    windows.allow(404)
    page, _ = editors
    assert admin.delete(f"/api/v1/versions/{version(admin, model)['id']}").status_code == 204
    page.locator("#dialog").get_by_label("Release notes").fill("typed for nothing")
    page.locator("#dialog").get_by_role("button", name="Save").click()
    expect(toast(page)).to_contain_text("1.2.0")
    expect(page.locator("#dialog").get_by_label("Release notes")).to_have_value("typed for nothing")
