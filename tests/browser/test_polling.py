"""Pages ask again by themselves, keep still under the pointer, rest in a hidden tab, and say when they are stale."""

import re

import pytest
from playwright.sync_api import expect

from browser.window import until

HIDE = "Object.defineProperty(Document.prototype, 'hidden', { get: () => window.isHidden === true });"
A_WHILE = 11_000
WHILE_RUNNING = 4_000


@pytest.fixture
def page(windows):
    """A window with a clock that the test winds on, the pointer and the focus on nothing."""
    page = windows("releaser")
    page.add_init_script(HIDE)
    page.clock.install()
    return page


@pytest.fixture
def polls(page):
    """The addresses that were asked for again, in their order."""
    found = []

    def listen(request):
        if "x-poll" in request.headers:
            found.append(request.url)

    page.on("request", listen)
    return found


def visit(page, address):
    page.goto(address)
    page.mouse.move(1, 1)


def wind(page, milliseconds=A_WHILE):
    """Time goes on until the page has asked again."""
    with page.expect_response(lambda answer: "x-poll" in answer.request.headers):
        page.clock.fast_forward(milliseconds)
    page.wait_for_load_state("networkidle")


def version_of(admin, model, name):
    (found,) = [v for v in admin.get(f"/api/v1/models/{model['id']}/versions").json() if v["version"] == name]
    return found


def promote(admin, model, name="1.2.0"):
    answer = admin.post(f"/api/v1/versions/{version_of(admin, model, name)['id']}/promote", json={})
    assert answer.status_code == 200


def deploy(admin, version, status):
    body = {"release_id": version["id"], "environment": "development", "status": status}
    return admin.made("/api/v1/deployments", body)


def test_the_overview_asks_again_and_shows_what_has_changed(page, model, admin):
    visit(page, "/")
    mine = page.locator("#ready li", has_text=model["name"])
    expect(mine).to_have_count(1)
    promote(admin, model)
    wind(page)
    expect(mine).to_have_count(0)
    expect(page.locator("#activity")).to_contain_text(f"{model['name']} 1.2.0")


def test_the_environments_ask_again_and_show_what_goes_where(page, model, admin):
    visit(page, "/environments")
    running = page.locator("#board", has_text=model["name"])
    expect(running).to_have_count(0)
    deploy(admin, version_of(admin, model, "1.2.0"), "running")
    wind(page)
    expect(running).to_have_count(1)
    expect(page.locator("#updated")).to_have_attribute("hx-trigger", re.compile("every 3s"))


def test_a_hidden_tab_does_not_poll_and_asks_at_once_when_it_is_shown(page, polls):
    visit(page, "/")
    page.evaluate("window.isHidden = true")
    for _ in range(4):
        page.clock.run_for(A_WHILE)
    assert polls == []
    page.evaluate("window.isHidden = false")
    with page.expect_response(lambda answer: "x-poll" in answer.request.headers):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_a_part_under_the_pointer_does_not_move_until_the_pointer_leaves(page, model, admin):
    visit(page, "/")
    mine = page.locator("#ready li", has_text=model["name"])
    mine.hover()
    promote(admin, model)
    wind(page)
    expect(page.locator("#activity")).to_contain_text(f"{model['name']} 1.2.0")
    expect(mine).to_have_count(1)
    page.mouse.move(1, 1)
    expect(mine).to_have_count(0)


def test_a_part_that_has_the_focus_does_not_move(page, model, admin):
    visit(page, "/")
    mine = page.locator("#ready li", has_text=model["name"])
    mine.get_by_role("button").focus()
    promote(admin, model)
    wind(page)
    expect(page.locator("#activity")).to_contain_text(f"{model['name']} 1.2.0")
    expect(mine.get_by_role("button")).to_be_focused()


def test_a_poll_changes_nothing_that_did_not_change(page):
    visit(page, "/")
    page.evaluate("window.kept = document.querySelector('#live tbody tr')")
    wind(page)
    assert page.evaluate("window.kept.isConnected && window.kept === document.querySelector('#live tbody tr')")


def test_new_rows_wait_behind_a_button_while_the_list_is_in_use(page, model, admin):
    address = f"/deployments?model_name={model['name']}"
    first = deploy(admin, version_of(admin, model, "1.0.0"), "success")
    visit(page, address)
    page.locator(f"#deployment-{first['id']}").hover()
    deploy(admin, version_of(admin, model, "1.1.0"), "success")
    wind(page)
    rows = page.locator("#list tbody tr")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="1 new").click()
    expect(rows).to_have_count(2)
    expect(page.locator(".waiting-rows")).to_have_count(0)


@pytest.mark.parametrize("kind", ["deployment", "deployments", "version", "model", "environment"])
def test_what_runs_is_asked_for_every_three_seconds(page, model, admin, kind):
    version = version_of(admin, model, "1.2.0")
    deployment = deploy(admin, version, "running")
    at = f"/models/{model['name']}"
    addresses = {"deployment": f"/deployments/{deployment['id']}", "deployments": "/deployments"}
    addresses |= {"version": f"{at}/versions/1.2.0", "model": f"{at}/-/deployments"}
    addresses |= {"environment": "/environments/development/-/history"}
    visit(page, addresses[kind])
    expect(page.locator("main")).to_contain_text("running")
    assert admin.put(f"/api/v1/deployments/{deployment['id']}", json={"status": "success"}).status_code == 200
    wind(page, WHILE_RUNNING)
    expect(page.locator("main")).to_contain_text("success · live")
    interval = re.search(r"every (\d+)s", page.locator("#updated").get_attribute("hx-trigger") or "")
    assert interval is not None
    assert int(interval[1]) == 10 or kind in {"deployments", "environment"}  # others run in the demo's data


def test_what_is_typed_stays_and_so_does_what_is_open(page, model, admin):
    gate = {"model": model["name"], "target": "release", "kind": "approved", "count": 1}
    admin.made("/api/v1/gates", gate)
    visit(page, f"/models/{model['name']}/versions/1.2.0")
    comment = page.get_by_label("Comment for the approval")
    comment.fill("typed")
    comment.blur()
    page.locator(".title").click()
    deploy(admin, version_of(admin, model, "1.2.0"), "success")
    page.mouse.move(1, 1)
    wind(page)
    expect(page.locator("[aria-labelledby=deployments-name]")).to_contain_text("success · live")
    expect(comment).to_have_value("typed")


def test_the_inbox_asks_again(page, model, admin):
    visit(page, "/inbox")
    mine = page.locator("#waiting li", has_text=model["name"])
    expect(mine).to_have_count(0)
    gate = {"model": model["name"], "target": "release", "kind": "approved", "count": 1}
    admin.made("/api/v1/gates", gate)
    wind(page)
    expect(mine).to_have_count(2)


@pytest.mark.parametrize("address", ["/", "/inbox", "/deployments", "/models/{name}", "/models/{name}/versions/1.2.0"])
def test_two_missed_polls_are_told_and_retry_ends_it(page, windows, model, address):
    visit(page, address.format(**model))
    mark = page.locator("#updated")
    expect(mark).to_contain_text("Updated")
    with windows.away():
        page.context.set_offline(True)
        for _ in range(2):
            expect(mark).not_to_contain_text("Stale")
            with page.expect_event("requestfailed"):
                page.clock.fast_forward(A_WHILE)
        expect(mark).to_contain_text(re.compile(r"Stale since \d\d:\d\d:\d\d · Retry"))
        expect(mark).not_to_contain_text("Updated", use_inner_text=True)
        page.context.set_offline(False)
    page.get_by_role("button", name="Retry").click()
    expect(mark).to_contain_text("Updated", use_inner_text=True)
    expect(mark).not_to_contain_text("Stale")


def test_a_poll_that_was_sent_before_a_change_does_not_take_it_back(page, model):
    address = f"/models/{model['name']}/versions/1.2.0"
    visit(page, address)
    page.get_by_role("button", name="Promote to release").click()
    expect(page.locator(".title .chip")).to_have_text("release")
    toast, held = page.locator("#toasts .toast"), []
    expect(toast).to_be_visible()
    page.route(lambda url: url.endswith(address), lambda route: held.append((route, route.fetch())), times=1)
    with page.expect_request(lambda request: "x-poll" in request.headers):
        page.mouse.move(1, 1)  # the pointer leaves what says "Promoted"
    until(page, lambda: held)  # answered by the server, and kept from the page
    toast.get_by_role("button", name="Undo").click()
    expect(page.locator(".title .chip")).to_have_text("candidate")
    ((route, answer),) = held
    page.evaluate("document.addEventListener('htmx:beforeSwap', () => setTimeout(() => { window.isOver = true; }))")
    route.fulfill(response=answer)
    until(page, lambda: page.evaluate("window.isOver"))
    expect(page.locator(".title .chip")).to_have_text("candidate")
