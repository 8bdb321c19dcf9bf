"""Two clicks at one place are one change: what a click swaps in is not pressed by the second one."""

import pytest
from playwright.sync_api import expect

from browser.window import row, settled

MODELS = 3
LATER = 1_500


@pytest.fixture
def changes(server):
    """How many changes the audit log has since the test began."""
    count = "SELECT count(*) FROM audit_logs WHERE action <> 'session.create'"
    before = server.sql(count)[0][0]
    return lambda: server.sql(count)[0][0] - before


@pytest.fixture
def page(windows):
    return windows("releaser")


@pytest.fixture
def models(admin):
    """Models whose newest version needs an approval by somebody else where `approved` is asked for."""

    def make(name, approved=False):
        made = [admin.model(f"twice/{name}-{number}") for number in range(MODELS)]
        for model in made:
            admin.version(model, "1.0.0")
        if approved:
            gate = {"model": f"twice/{name}-*", "target": "release", "kind": "approved", "count": 1}
            admin.made("/api/v1/gates", gate)
        return [model["name"] for model in made]

    return make


def click_twice(page, button, gap):
    """Click where the button is, and there again after so many milliseconds, whatever is there by then."""
    settled(page)
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    page.mouse.move(box["x"] + 12, box["y"] + box["height"] / 2)
    page.wait_for_timeout(700)  # the pointer comes to rest
    for pause in (gap, LATER):
        page.mouse.down()
        page.mouse.up()
        page.wait_for_timeout(pause)


@pytest.mark.parametrize("gap", [90, 260])
def test_in_the_overview_the_next_model_is_not_promoted(page, models, changes, gap):
    models(f"ready-{gap}")
    page.goto("/")
    rows = page.locator("#ready .ready > li:has(button)")
    before = changes()
    click_twice(page, rows.first.get_by_role("button", name="Promote"), gap)
    assert changes() - before == 1
    expect(rows.first).to_contain_text("Promoted")
    rows.nth(1).get_by_role("button", name="Promote").click()
    expect(rows.nth(1)).to_contain_text("Promoted")
    assert changes() - before == 2
    rows.first.get_by_role("button", name="Undo").click()
    expect(rows.first.get_by_role("button", name="Promote")).to_be_visible()
    assert changes() - before == 3


@pytest.mark.parametrize("gap", [90, 260])
def test_in_the_inbox_the_next_version_is_not_approved(page, models, changes, gap):
    models(f"inbox-{gap}", approved=True)
    page.goto("/inbox")
    rows = page.locator("#waiting .inbox > li")
    before = changes()
    click_twice(page, rows.first.get_by_role("button", name="Approve"), gap)
    assert changes() - before == 1
    expect(rows.first).to_contain_text("Approved")
    rows.nth(1).get_by_role("button", name="Approve").click()
    expect(rows.nth(1)).to_contain_text("Approved")
    assert changes() - before == 2
    rows.first.get_by_role("button", name="Undo").click()
    expect(rows.first.get_by_role("button", name="Approve")).to_be_visible()
    assert changes() - before == 3


@pytest.mark.parametrize("gap", [90, 260])
def test_in_the_list_of_a_model_the_version_is_not_demoted_again(page, admin, changes, gap):
    model = admin.model(f"twice/list-{gap}")
    for number in range(3):
        admin.version(model, f"1.{number}.0")
    page.goto(f"/models/{model['name']}")
    before = changes()
    click_twice(page, row(page, "1.2.0").get_by_role("button", name="Promote"), gap)
    assert changes() - before == 1
    expect(row(page, "1.2.0")).to_contain_text("Promoted")
    expect(row(page, "1.2.0").locator(".chip.release")).to_be_visible()
    row(page, "1.1.0").get_by_role("button", name="Promote").click()
    expect(row(page, "1.1.0")).to_contain_text("Promoted")
    assert changes() - before == 2
    row(page, "1.2.0").get_by_role("button", name="Undo").click()
    expect(row(page, "1.2.0").get_by_role("button", name="Promote 1.2.0")).to_be_visible()
    assert changes() - before == 3


@pytest.mark.parametrize("gap", [90, 260])
def test_on_the_page_of_a_version_it_is_not_demoted_again(page, admin, changes, gap):
    model = admin.model(f"twice/page-{gap}")
    admin.version(model, "1.0.0")
    page.goto(f"/models/{model['name']}/versions/1.0.0")
    before = changes()
    click_twice(page, page.get_by_role("button", name="Promote to release"), gap)
    assert changes() - before == 1
    promotion = page.locator("#promotion")
    expect(promotion.locator("footer")).to_contain_text("Promoted")
    promotion.get_by_role("button", name="Undo").click()
    expect(promotion.get_by_role("button", name="Promote to release")).to_be_visible()
    assert changes() - before == 2
