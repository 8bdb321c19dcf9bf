"""The environments in a browser: freezes, rollbacks with what differs, and what was live when."""

import re
from itertools import count

import pytest
from playwright.sync_api import expect

from browser.window import at, is_marked, mark, settled, toast, visit

_numbers = count(1)


@pytest.fixture
def place(admin):
    """An environment of the test's own, the last column."""
    name = f"env-{next(_numbers)}"
    assert admin.put(f"/api/v1/environments/{name}", json={"rank": 1000}).status_code == 200
    yield name
    assert admin.delete(f"/api/v1/environments/{name}?force=true").status_code in (204, 404)


@pytest.fixture
def lived(admin, model, place):
    """Its three versions were live there one after the other."""
    for version in reversed(admin.get(f"/api/v1/models/{model['id']}/versions").json()):
        admin.made("/api/v1/deployments", {"release_id": version["id"], "environment": place})
    return model


def column(page, place):
    return page.locator(f"#column-{place}")


def row(page, model):
    return page.locator(f"#model-{model['id']}")


def dialog(page):
    return page.locator("#dialog")


def test_freezing_and_thawing_change_the_matrix_and_nothing_else(windows, place):
    page = windows("admin")
    visit(page, "/environments")
    column(page, place).get_by_role("link", name="Freeze").click()
    dialog(page).get_by_label("Reason").fill("Load tests")
    dialog(page).get_by_label("Until, in UTC").fill("2100-01-02T03:04")
    dialog(page).get_by_role("button", name="Freeze").click()
    expect(dialog(page)).to_be_hidden()
    expect(column(page, place).get_by_role("note")).to_contain_text("until 2100-01-02 03:04 UTC")
    expect(toast(page)).to_contain_text(f"{place} is frozen")
    column(page, place).get_by_role("link", name=f"Change the freeze of {place}").click()
    expect(dialog(page).get_by_label("Until, in UTC")).to_have_value("2100-01-02T03:04")
    dialog(page).get_by_label("Reason").fill("Stocktaking")
    dialog(page).get_by_role("button", name="Save").click()
    expect(column(page, place).get_by_role("note")).to_contain_text("Stocktaking")
    column(page, place).get_by_role("button", name="Thaw").click()
    expect(column(page, place).get_by_role("note")).to_have_count(0)
    assert is_marked(page)
    assert at(page) == "/environments"


def test_a_rollback_shows_what_differs_and_swaps_the_cell(windows, place, lived):
    page = windows("releaser")
    visit(page, "/environments")
    cell = row(page, lived).locator(f"td[data-label='{place}']")
    expect(cell).to_contain_text("1.2.0")
    row(page, lived).locator("summary").click()
    row(page, lived).get_by_role("link", name=f"Roll back {lived['name']} in {place}").click()
    expect(dialog(page).locator(".step")).to_contain_text("1.1.0")
    accuracy = dialog(page).locator("tr", has_text="accuracy")
    expect(accuracy).to_contain_text("−0.015")
    dialog(page).get_by_label("Reason").fill("p99 doubled")
    settled(page)
    dialog(page).get_by_label("Go back to").select_option(index=1)
    expect(accuracy).to_contain_text("−0.03")
    expect(dialog(page).get_by_label("Reason")).to_have_value("p99 doubled")
    dialog(page).get_by_role("button", name="Roll back to 1.0.0").click()
    expect(dialog(page)).to_be_hidden()
    expect(cell).to_contain_text("rolled back from 1.2.0")
    expect(toast(page)).to_contain_text(f"{lived['name']} is back on 1.0.0 in {place}")
    assert is_marked(page)


def test_the_timeline_s_days_and_cursor_stand_in_the_address_and_reload_nothing(windows, lived, place):
    page = windows("viewer")
    visit(page, "/environments")
    page.locator(f"#lane-of-{place}").click()
    expect(page.locator("#timeline")).to_contain_text(f"{place}, 30 days")
    page.get_by_role("link", name="7 days").click()
    expect(page.locator("#timeline")).to_contain_text(f"{place}, 7 days")
    assert at(page) == f"/environments?environment={place}&days=7"
    page.get_by_label("What was live at").fill("2100-01-02T03:04")
    expect(page.locator("#stages-name")).to_have_text("As it was on")
    expect(page.locator(f"tr[id^=then-] td[data-label='{place}']").first).to_contain_text("1.2.0")
    page.get_by_role("link", name="A day earlier").click()
    expect(page.get_by_label("What was live at")).to_have_value("2100-01-01T03:04")
    page.get_by_role("link", name="Back to now").click()
    expect(page.locator("#stages-name")).to_have_text("Live now")
    assert is_marked(page)
    page.go_back()
    expect(page.get_by_label("What was live at")).to_have_value("2100-01-01T03:04")


def test_a_click_on_a_date_of_the_timeline_chooses_it_and_a_bar_is_reached_by_keyboard(windows, lived, place):
    page = windows("viewer")
    visit(page, f"/environments?environment={place}&days=7")
    page.locator(".axis a").nth(2).click()
    expect(page.locator("#stages-name")).to_have_text("As it was on")
    page.goto(f"/environments?environment={place}&days=7")
    page.locator("a.lane-name", has_text=lived["name"].split("/")[-1]).focus()
    page.keyboard.press("Tab")
    assert "bar" in page.evaluate("document.activeElement.getAttribute('class')")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/deployments"))


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_one_environment_is_shown_at_a_time(windows, lived, place, width):
    page = windows("viewer", viewport={"width": width, "height": 800})
    page.goto(f"/environments?environment={place}")
    cells = row(page, lived).locator("td.stage")
    expect(cells.locator("visible=true")).to_have_count(1)
    expect(row(page, lived).locator(f"td[data-label='{place}']")).to_be_visible()
    page.get_by_role("navigation", name="Environment", exact=True).get_by_role("link", name="production").click()
    expect(column(page, "production")).to_be_visible()
    expect(column(page, place)).to_be_hidden()


def test_the_time_to_choose_stands_in_the_address(windows, lived, place):
    page = windows("viewer")
    visit(page, f"/environments/{place}")
    page.get_by_label("What was live at").fill("2100-01-02T03:04")
    expect(page.locator("#then-name")).to_have_text("Live at 2100-01-02 03:04:00 UTC")
    expect(page.locator("#tab tbody tr")).to_contain_text(lived["name"])
    assert "at=2100-01-02T03%3A04" in at(page)
    page.get_by_label("What was live at").fill("2000-01-02T03:04")
    expect(page.get_by_text("Nothing was live then")).to_be_visible()
    assert is_marked(page)
    page.reload()
    expect(page.get_by_text("Nothing was live then")).to_be_visible()
    expect(page.get_by_label("What was live at")).to_have_value("2000-01-02T03:04")
    page.get_by_role("link", name="Back to now").click()
    expect(page.locator("article")).to_contain_text(lived["name"])
    page.get_by_role("link", name="History", exact=True).click()
    expect(page.locator("tr[id^=deployment-]")).to_have_count(3)


def test_a_deployment_moves_on_in_place(windows, admin, model, place):
    (version, *_) = admin.get(f"/api/v1/models/{model['id']}/versions").json()
    body = {"release_id": version["id"], "environment": place, "status": "pending"}
    made = admin.made("/api/v1/deployments", body)
    page = windows("publisher")
    page.goto(f"/environments/{place}/-/history")
    page.get_by_role("link", name=f"Deployment of {model['name']}").click()
    mark(page)
    page.get_by_role("button", name="Mark as running").click()
    expect(page.locator(".title .chip")).to_have_text("running")
    page.get_by_role("button", name="Mark as succeeded").click()
    expect(page.locator(".title .chip")).to_have_text("success · live")
    expect(page.locator(".stepper li")).to_have_count(4)
    assert is_marked(page)
    assert at(page) == f"/deployments/{made['id']}"


def test_settings_lead_on_to_deleting_in_the_same_dialog(windows, place):
    page = windows("admin")
    page.goto("/environments")
    column(page, place).get_by_role("link", name="Settings").click()
    dialog(page).get_by_label("Protected").check()
    dialog(page).get_by_role("button", name="Save").click()
    expect(column(page, place).locator(".chip.warn")).to_have_text("protected")
    column(page, place).get_by_role("link", name="Settings").click()
    dialog(page).get_by_role("link", name="Delete…").click()
    button = dialog(page).get_by_role("button", name="Delete")
    expect(button).to_be_disabled()
    dialog(page).get_by_label("Type the name").fill(place)
    button.click()
    expect(column(page, place)).to_have_count(0)
    expect(toast(page).last).to_contain_text(f"{place} is deleted")
