"""The frame around every page: the top bar, the rail, what is frozen, what waits, and the bar while somebody waits."""

import re

import pytest
from playwright.sync_api import Route, expect

from browser.window import account, at, set_width, toast


def test_ctrl_k_goes_to_the_search(windows):
    page = windows("viewer")
    page.goto("/audit")
    page.keyboard.press("Control+k")
    expect(page.get_by_label("Search models")).to_be_focused()


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_the_account_holds_the_name_the_role_and_the_way_out(windows, scripts):
    page = windows("releaser", java_script_enabled=scripts)
    page.goto("/models")
    expect(page.locator("#person")).to_be_hidden()
    menu = account(page)
    expect(menu).to_contain_text("releaser-key")
    expect(menu).to_contain_text("releaser · signed in until")
    menu.get_by_role("link", name="releaser-key").click()
    assert at(page) == "/me"


def test_the_rail_is_208_px_wide_56_below_1100_and_a_menu_below_761(windows):
    page = windows("admin")
    page.goto("/environments")
    for width, rail in ((1440, 208), (1100, 208), (1099, 56), (761, 56)):
        set_width(page, width)
        assert page.locator(".rail").bounding_box()["width"] == rail, width
        assert page.locator("header.bar").bounding_box()["height"] == 48, width
        expect(page.get_by_role("link", name="Deployments", exact=True)).to_be_visible()
    set_width(page, 760)
    assert page.locator("header.bar").bounding_box()["height"] == 48
    expect(page.locator(".rail")).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Deployments", exact=True).click()
    assert at(page) == "/deployments"


def test_the_content_is_1440_px_wide_at_most_and_centred(windows):
    page = windows("viewer")
    page.goto("/models")
    set_width(page, 2560)
    box = page.locator("main .card").first.bounding_box()
    assert box["width"] == 1440
    assert abs((box["x"] - 208) - (2560 - box["x"] - box["width"])) < 20  # but for the scroll bar


def test_a_menu_and_the_search_work_at_390_px_without_javascript(windows):
    page = windows("viewer", java_script_enabled=False, viewport={"width": 390, "height": 844})
    page.goto("/")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Models", exact=False).first.click()
    assert at(page) == "/models"
    search = page.get_by_role("searchbox", name="Search models")
    search.focus()
    assert search.bounding_box()["width"] > 300
    search.fill("llama")
    search.press("Enter")
    assert at(page) == "/models/myorg/llama-3-8b-chat"


def test_a_frozen_environment_is_seen_on_every_page_and_where_it_was_frozen_at_once(windows, admin):
    name = "shell-frozen"
    admin.put(f"/api/v1/environments/{name}", json={"rank": 90}).raise_for_status()
    page = windows("admin")
    for other in admin.get("/api/v1/environments").json():  # what other tests have frozen
        if other["frozen"]:
            admin.put(f"/api/v1/environments/{other['name']}", json={"frozen": False}).raise_for_status()
    page.goto("/environments")
    page.get_by_role("link", name=f"Freeze {name}").click()
    page.locator("#dialog").get_by_label("Reason").fill("Tests.")
    page.locator("#dialog").get_by_role("button", name="Freeze").click()
    try:
        expect(page.locator(".freeze")).to_contain_text(f"{name} frozen")
        page.goto("/models")
        expect(page.locator(".freeze")).to_contain_text(f"{name} frozen")
    finally:
        admin.put(f"/api/v1/environments/{name}", json={"frozen": False}).raise_for_status()
    page.goto("/models")
    expect(page.locator(".freeze")).to_have_count(0)


def test_the_count_of_the_inbox_is_in_the_rail_the_bar_and_the_title_and_follows_an_approval(windows, admin):
    admin.made("/api/v1/gates", {"model": "browser/waits", "target": "release", "kind": "approved", "count": 1})
    admin.version(admin.model("browser/waits"), "1.0.0", tag="v1", digest="sha256:77")
    page = windows("releaser")
    page.goto("/inbox")
    count = page.locator("#waiting li[id]").count()
    expect(page).to_have_title(f"({count}) Inbox · Catapult")
    expect(page.locator("#inbox-count")).to_have_text(str(count))
    page.locator("#waiting li[id]", has_text="browser/waits").get_by_role("button", name="Approve").click()
    expect(toast(page)).to_contain_text("You approved browser/waits")
    left = str(count - 1) if count > 1 else ""
    expect(page.locator("#inbox-count")).to_have_text(left)
    expect(page.locator(".bell")).to_have_text(left)
    title = f"({left}) " if left else ""
    expect(page).to_have_title(f"{title}Inbox · Catapult")
    page.goto("/models")
    expect(page).to_have_title(f"{title}Models · Catapult")


def test_who_cannot_approve_sees_no_inbox(windows):
    page = windows("viewer")
    page.goto("/models")
    expect(page).to_have_title("Models · Catapult")
    expect(page.locator(".bell, #inbox-count")).to_have_count(0)


def test_a_bar_and_a_busy_part_show_that_somebody_waits_and_end_with_the_answer(windows):
    page = windows("viewer")
    page.goto("/search")
    waiting: list[Route] = []
    page.route(re.compile(r"/search\?q=slow"), lambda route: waiting.append(route))
    page.get_by_label("Search models").fill("slow")
    expect(page.locator("html.waiting")).to_have_count(1)
    expect(page.locator("#hits")).to_have_attribute("aria-busy", "true")
    waiting[0].continue_()
    expect(page.locator("html.waiting")).to_have_count(0)
    expect(page.locator("#hits")).not_to_have_attribute("aria-busy", "true")


def test_print_is_light_and_without_what_can_be_pressed(windows, addresses):
    page = windows("admin", color_scheme="dark")
    page.goto(addresses["a model"])
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.emulate_media(media="print")
    expect(page.locator("body")).to_have_css("color", "rgb(27, 29, 33)")
    expect(page.locator("body")).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    for gone in (".rail", "header.bar", "main .button", "main input", ".tabs"):
        assert not any(each.is_visible() for each in page.locator(gone).all()), gone
    heads, cells = (page.locator(f"#versions tr:first-child {each}").count() for each in ("th", "td"))
    assert heads == cells


OUTSIDE = """() => [...document.querySelectorAll("body *")].filter((it) => it.getBoundingClientRect().right > 390.5
  && it.checkVisibility() && !it.closest("thead, .table, .unseen")).map((it) => it.outerHTML.slice(0, 120))"""


def test_long_names_and_all_tabs_stay_inside_390_px(windows, admin, server):
    name = "browser/" + "x" * 100
    model = admin.model(name, tags=["t" * 60])
    version = "1.0.0-" + "y" * 100
    admin.version(model, version, tag="v" * 100, digest="sha256:" + "9" * 64)
    page = windows("admin", viewport={"width": 390, "height": 844})
    at_model = f"/models/{name}"
    for path in ("/", "/models", at_model, f"{at_model}/versions/{version}", f"{at_model}/-/settings", "/search?q=xxx"):
        page.goto(path)
        assert (page.evaluate(OUTSIDE), page.evaluate("document.documentElement.scrollWidth")) == ([], 390), path
    page.goto(at_model)
    for tab in page.locator(".tabs a").all():
        expect(tab).to_be_in_viewport(ratio=1)
