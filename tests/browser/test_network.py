"""A slow network, one that breaks, and an answer that is lost on its way."""

import pytest
from playwright.sync_api import expect

from browser.window import toast, visit

SLOW = {"offline": False, "latency": 600, "downloadThroughput": 50_000, "uploadThroughput": 50_000}


@pytest.fixture
def page(windows):
    return windows("releaser")


@pytest.fixture
def sent(page):
    """The changes that were sent."""
    found = []
    page.on("request", lambda request: request.method == "POST" and found.append(request.url))
    return found


def promotion(page, model):
    visit(page, f"/models/{model['name']}/versions/1.2.0")
    return page.get_by_role("button", name="Promote to release")


def releases(admin, model):
    return [
        version["version"] for version in admin.get(f"/api/v1/models/{model['id']}/versions?is_release=true").json()
    ]


def test_on_a_slow_network_the_page_says_that_it_waits_and_a_second_press_does_nothing(page, model, sent):
    button = promotion(page, model)
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", SLOW)
    button.click()
    expect(button).to_have_attribute("aria-busy", "true")
    expect(page.locator("html.waiting")).to_have_count(1)
    button.click()
    button.press("Enter")
    expect(page.locator(".title .chip")).to_have_text("release")
    expect(page.locator("html.waiting")).to_have_count(0)
    assert len(sent) == 1


def test_where_the_network_breaks_nothing_is_done_and_retry_does_it(windows, page, model, admin):
    button = promotion(page, model)
    page.route("**/-/promote", lambda route: route.abort("connectionreset"), times=1)
    with windows.away():
        button.click()
        expect(toast(page)).to_contain_text("The server cannot be reached.")
    expect(button).not_to_have_attribute("aria-busy", "true")
    assert releases(admin, model) == ["1.0.0"]
    toast(page).get_by_role("button", name="Retry").click()
    expect(page.locator(".title .chip")).to_have_text("release")
    assert sorted(releases(admin, model)) == ["1.0.0", "1.2.0"]


def test_where_the_answer_is_lost_retry_says_that_it_was_done_and_does_not_do_it_twice(windows, page, model, admin):
    button = promotion(page, model)

    def lose(route):
        route.fetch()
        route.abort("connectionreset")

    page.route("**/-/promote", lose, times=1)
    with windows.away():
        button.click()
        expect(toast(page)).to_contain_text("The server cannot be reached.")
    toast(page).get_by_role("button", name="Retry").click()
    expect(page.locator(".title .chip")).to_have_text("release")
    version = next(v for v in admin.get(f"/api/v1/models/{model['id']}/versions").json() if v["version"] == "1.2.0")
    entries = admin.get(f"/api/v1/audit-logs?action=version.promote&resource_id={version['id']}").json()
    assert len(entries) == 1
