"""The documentation as pages: the reference, the guides and the errors, with a session and without."""

import re
from urllib.parse import urljoin

import pytest
from markup import Page
from sqlalchemy.exc import OperationalError

from catapult import errors
from catapult.pages.parts import guides
from catapult.web import auth

ADDRESSES = ["/docs", "/docs/guides/", "/docs/guides/api", "/docs/errors/", "/docs/errors/conflict"]
GUIDES = [f"/docs/guides/{name}" for name in sorted(guides.NAMES)]


def ids(response):
    return [element.get("id") for element in Page(response).elements if element.get("id")]


@pytest.mark.parametrize("address", ADDRESSES)
def test_who_is_signed_in_reads_it_in_the_shell(browser, address):
    page = Page(browser.get(address))
    assert page.one("nav", id="rail")
    assert page.one("a", title="API docs")["aria-current"] == "page"
    assert not page.all("a", href=f"/login?next={address}")


@pytest.mark.parametrize("address", ADDRESSES)
def test_everybody_else_reads_it_with_a_way_to_sign_in_and_back(browser, address):
    response = browser.by(None).get(address)
    page = Page(response)
    assert response.status_code == 200
    assert page.one("a", href=f"/login?next={address}").text == "Sign in"
    assert not page.all("nav", id="rail")
    assert page.all("a", href="/")


def test_a_session_that_has_ended_is_no_obstacle(browser, sql):
    sql("DELETE FROM sessions")
    assert Page(browser.get("/docs")).one("a", href="/login?next=/docs")


def test_it_is_there_while_the_database_is_away(browser, monkeypatch):
    def away(token):
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(auth.sessions, "find", away)
    for address in ADDRESSES:
        assert browser.get(address).status_code == 200


@pytest.mark.parametrize("address", [*ADDRESSES, *GUIDES])
def test_every_link_leads_to_a_page_and_every_anchor_is_there_once(browser, address):
    response = browser.get(address)
    assert len(ids(response)) == len(set(ids(response)))
    for link in {link for link in Page(response).links if link.startswith(("/docs", "./", "#"))}:
        path, _, anchor = link.partition("#")
        goal = browser.get(urljoin(address, path))
        assert goal.status_code == 200, link
        assert not anchor or anchor in ids(goal), link


def test_the_index_lists_every_guide_by_its_title(browser):
    page = Page(browser.get("/docs/guides/"))
    listed = {guide.name for guide in guides.listed()}
    assert listed == guides.NAMES
    for name in guides.NAMES:
        text = (guides.FOLDER / f"{name}.md").read_text()
        assert text.startswith(f"# {guides.read(name).title}\n")
        assert [link for link in page.all("a", href=f"/docs/guides/{name}") if link.text]


def test_a_guide_is_what_its_file_says(browser):
    response = browser.get("/docs/guides/configuration")
    page = Page(response)
    assert page.one("h1").text == "Configuration"
    assert "Keys and roles" in page.texts("h2")
    assert "API_KEY_SALT" in page.texts("code")
    assert not re.search(r"\]\(|^## ", response.text, re.MULTILINE)


@pytest.mark.parametrize("name", ["README", "nothing", "..%2fREADME", "api.md", "decisions", "%00"])
def test_no_other_file_is_a_guide(browser, name):
    for whose in (browser, browser.by(None)):
        assert whose.get(f"/docs/guides/{name}").status_code == 404


def test_the_index_of_errors_lists_every_kind(browser):
    page = Page(browser.by(None).get("/docs/errors/"))
    assert [link.text for link in page.all("a", class_="mono")] == list(errors.KINDS)
    assert browser.get("/docs/errors/nonsense").status_code == 404
    assert "conflict" in browser.get("/docs/errors/nonsense").text


@pytest.mark.parametrize(
    ("address", "about"),
    [
        ("/gates", "gates"),
        ("/new/gate", "gates (a new tab)"),
        ("/inbox", "approvals"),
        ("/models", "filters"),
        ("/models/org/bert", "filters"),
        ("/models/org/bert/versions/1.0.0", "gates and approvals"),
        ("/environments/production/-/freeze", "freezes (a new tab)"),
        ("/keys", "keys and roles"),
        ("/new/key", "keys and roles (a new tab)"),
        ("/people", "people and roles"),
        ("/me", "keys and roles"),
    ],
)
def test_what_has_a_guide_leads_to_its_section(browser, api, address, about):
    api.deployment(api.version(api.model()))
    [link] = Page(browser.get(address)).has_class("about")
    assert link["aria-label"] == f"About {about}"
    path, _, anchor = link["href"].partition("#")
    assert anchor in ids(browser.get(path))
