"""The server away, its database away: the page says so, loses nothing, and goes on by itself."""

from contextlib import closing
from pathlib import Path

import pytest
import requests
from playwright.sync_api import expect
from up import Caller, for_a_team, until

from browser.window import at, is_marked, mark, row, toast, visit
from catapult.embedded import serving

pytestmark = pytest.mark.live
BACK = 15_000


def fill(server):
    """A model with a candidate; its name."""
    with server.by("admin") as admin:
        made = admin.model("faults/seen")
        admin.version(made, "1.0.0")
    return str(made["name"])


def test_a_server_that_is_away_is_a_toast_with_retry_and_nothing_is_lost(start, make_database, windows_on, monkeypatch):
    settings = for_a_team(make_database())
    server = start(**settings).ready()
    server.make_keys()
    name = fill(server)
    windows = windows_on(server)
    page = windows("admin")
    page.goto(f"/models/{name}")
    other = windows("admin")
    other.goto(f"/models/{name}/versions/1.0.0")
    other.get_by_role("link", name="Edit notes…").click()
    other.get_by_label("Release notes").fill("typed while the server was away")
    mark(page)
    mark(other)
    with windows.away():
        server.end()
        row(page, "1.0.0").get_by_role("button", name="Promote").click()
        expect(toast(page)).to_contain_text("cannot be reached")
        expect(row(page, "1.0.0").get_by_role("button", name="Promote")).to_be_enabled()
        toast(page).hover()
        other.get_by_role("button", name="Save").click()
        expect(toast(other)).to_contain_text("cannot be reached")
        expect(other.get_by_label("Release notes")).to_have_value("typed while the server was away")
        toast(other).hover()
        monkeypatch.setattr("up.free_port", lambda: server.port)
        start(**settings).ready()
        other.wait_for_timeout(200)  # what failed before is told only now
    toast(other).get_by_role("button", name="Retry").click()
    expect(other.locator("[aria-labelledby=notes-name]")).to_contain_text("typed while the server was away")
    expect(other.locator("#dialog")).to_be_hidden()
    toast(page).get_by_role("button", name="Retry").click()
    expect(row(page, "1.0.0").locator(".chip.release")).to_be_visible()
    assert is_marked(page)
    assert is_marked(other)


@pytest.fixture(scope="module")
def database():
    """A PostgreSQL that tests may stop."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="catapult-browser-"))
    with serving(folder) as database:
        yield database
    shutil.rmtree(folder, ignore_errors=True)


def test_a_database_that_is_away_is_a_page_that_says_so_and_comes_back_by_itself(start, database, windows_on):
    server = start(**for_a_team(database.url)).ready()
    server.make_keys()
    name = fill(server)
    windows = windows_on(server)
    windows.allow(503)
    page, other, plain = windows("releaser"), windows("releaser"), windows("releaser", java_script_enabled=False)
    visit(page, f"/models/{name}")
    database.stop()
    try:
        with page.expect_response("**/promote*") as answer:
            row(page, "1.0.0").get_by_role("button", name="Promote").click()
        assert answer.value.status == 503
        expect(toast(page)).to_contain_text(answer.value.headers["x-request-id"])
        expect(toast(page)).to_contain_text("Nothing is lost")
        toast(page).hover()
        refused = other.goto("/audit?action=version.promote")
        assert refused is not None
        assert refused.status == 503
        expect(other.locator("main code")).to_have_text(refused.headers["x-request-id"])
        expect(other.locator("header.bar")).to_be_visible()
        assert "psycopg" not in other.content()
        assert "Traceback" not in other.content()
        assert int(refused.headers["retry-after"]) > 0
        plain.goto("/models")
        expect(plain.get_by_role("link", name="Try again")).to_have_attribute("href", "/models")
    finally:
        database.start()
    until(lambda: answers(server))
    expect(other.get_by_role("heading", name="Audit log", level=1)).to_be_visible(timeout=BACK)
    assert at(other) == "/audit?action=version.promote"
    plain.get_by_role("link", name="Try again").click()
    expect(plain.get_by_role("heading", name="Models", level=1)).to_be_visible()
    toast(page).get_by_role("button", name="Retry").click()
    expect(row(page, "1.0.0").locator(".chip.release")).to_be_visible()
    assert is_marked(page)
    assert server.lines("fault") == []


def answers(server):
    with closing(Caller(server.url)) as anybody:
        try:
            return anybody.get("/readyz", timeout=2).status_code == 200
        except requests.RequestException:
            return False
