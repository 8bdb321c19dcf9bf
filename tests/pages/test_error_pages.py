import re
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import url_for
from markup import Page, is_whole
from sqlalchemy.exc import OperationalError

from catapult import errors
from catapult.queries import live

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PROBLEM = "application/problem+json"


def page_after(address):
    """Where one goes on to after the sign-in."""
    at = urlsplit(address)
    assert (at.path, at.netloc) == ("/login", "")
    return parse_qs(at.query)["next"][0]


# --- nobody is signed in ----------------------------------------------------------------------------------------------


OPEN = (
    "/api/",
    "/ajax-api/",
    "/docs",
    "/openapi.json",
    "/login",
    "/livez",
    "/readyz",
    "/metrics",
    "/static/",
    "/scripts.js",
)
NO_ID = "00000000-0000-7000-8000-000000000000"
ODD = ["/models?search=a%20b&tag=c%26d", "/models/org/bert/versions/a%3Fb%23c%25", "/search?q=%D7%A9"]
VALUES = {"model_name": "org/bert", "status": "success"}


def test_every_page_but_those_for_everybody_leads_to_the_sign_in_and_back(app, browser):
    rules = [rule for rule in app.url_map.iter_rules() if "GET" in rule.methods and not rule.rule.startswith(OPEN)]
    assert len(rules) > 30
    with app.test_request_context():
        addresses = [
            url_for(rule.endpoint, **{name: VALUES.get(name, NO_ID) for name in rule.arguments}) for rule in rules
        ]
    for address in [*addresses, *ODD]:
        answer = browser.by(None).get(address)
        assert (answer.status_code, page_after(answer.headers["Location"])) == (303, address)


def test_a_part_that_asks_by_itself_goes_there_with_the_whole_page(browser):
    answer = browser.by(None).get(
        "/?all=1", htmx="live", headers={"HX-Current-URL": "http://localhost/?all=1&x=%26", "X-Poll": "1"}
    )
    assert answer.status_code == 401
    assert page_after(answer.headers["HX-Redirect"]) == "/?all=1&x=%26"
    assert answer.text == ""


def test_a_change_without_a_session_comes_back_to_its_page(browser, api):
    api.version(api.model())
    somebody = browser.by(None)
    address = "/models/org/bert/versions/1.0.0/-/promote"
    answer = somebody.post(address, headers={"Referer": "http://localhost/models/org/bert?show=releases"})
    assert (answer.status_code, page_after(answer.headers["Location"])) == (303, "/models/org/bert?show=releases")
    foreign = somebody.post(address, headers={"Referer": "https://evil.test/x"})
    assert foreign.headers["Location"] == "/login?next=/&ended=1"
    by_htmx = somebody.post(address, htmx="version-x", headers={"HX-Current-URL": "http://localhost/models/org/bert"})
    assert (by_htmx.status_code, by_htmx.headers["HX-Redirect"]) == (401, "/login?next=/models/org/bert&ended=1")


@pytest.mark.parametrize("current", ["https://evil.test/x", "javascript:alert(1)", "", "//evil.test"])
def test_no_header_leads_to_another_site(browser, current):
    answer = browser.by(None).get("/", htmx="live", headers={"HX-Current-URL": current})
    assert "evil" not in answer.headers["HX-Redirect"]
    assert answer.headers["HX-Redirect"].startswith("/login?next=")


# --- what is not there ------------------------------------------------------------------------------------------------


NOT_THERE = [
    *("/nowhere", "/new/thing", "/static/none.css", "/models/../x", "/models/no/such", "/models/no/such/-/gates"),
    *("/models/no/such/compare", "/models/no/such/versions/1.0.0", "/models/org/bert/versions/2.0.0"),
    *("/models/org/bert/versions/%00", "/models/org/bert/versions/1.0.0/-/edit/x"),
    *(f"/deployments/{NO_ID}", "/deployments/x", f"/gates/{NO_ID}/edit", f"/keys/{NO_ID}/revoke", "/keys/x/revoke"),
    *("/environments/nowhere", "/environments/<b>", "/environments/a%00b", "/environments/nowhere/-/history"),
    *("/environments/staging/-/rollback", "/environments/staging/-/rollback?model_name=no/such"),
    "/environments/nowhere/-/rollback?model_name=org/bert",
]


@pytest.mark.parametrize("path", NOT_THERE)
def test_what_is_not_there_is_a_page_in_the_usual_frame(browser, api, version, path):
    api.deployment(version, "staging")
    answer = browser.get(path, headers={**HTML, "X-Request-ID": "run-42"})
    page = Page(answer)
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (404, "run-42")
    assert is_whole(answer)
    assert "run-42" in page.texts("code")
    assert "404" in page.one("main").text
    assert "<b>" not in answer.text
    assert "/models" in page.links
    assert "admin-key" in answer.text


def test_a_stranger_sees_the_page_without_the_way_around(browser):
    answer = browser.by(None).get("/nowhere", headers=HTML)
    assert answer.status_code == 404
    assert "/models" not in Page(answer).links
    assert "admin-key" not in answer.text


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/nowhere", "/models-of-ours"])
def test_a_program_gets_a_problem_document_and_from_the_api_a_browser_too(browser, path):
    for accept in (None, "application/json", PROBLEM, *([HTML["Accept"]] if "api" in path else [])):
        answer = browser.by(None).get(path, headers={"Accept": accept} if accept else {})
        assert (answer.status_code, answer.content_type) == (404, PROBLEM)
        assert answer.json["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
def test_a_method_that_a_page_has_not_is_a_405(browser, method):
    answer = browser.client.open("/models", method=method, headers={**HTML, "Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 405
    assert {"GET", "HEAD"} <= set(re.split(r", *", answer.headers["Allow"]))
    assert is_whole(answer)


# --- what goes wrong here ---------------------------------------------------------------------------------------------


def broken(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(live, "matrix", fail)


def test_a_fault_of_ours_is_a_page_with_the_request_id_and_without_the_cause(browser, monkeypatch):
    broken(monkeypatch, RuntimeError("secret of the house"))
    answer = browser.get("/", headers={"X-Request-ID": "run-42"})
    assert (answer.status_code, is_whole(answer)) == (500, True)
    assert "run-42" in Page(answer).texts("code")
    assert "secret" not in answer.text
    assert "/" in Page(answer).links


def test_a_database_that_is_down_is_a_page_that_waits_and_asks_nothing_of_it(browser, monkeypatch, statements):
    broken(monkeypatch, OperationalError("SELECT 1", {}, Exception("no route to host db.internal")))
    with statements() as sent:
        answer = browser.get("/", headers={"X-Request-ID": "run-42"})
    page = Page(answer)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert page.all("div", data_wait="/")
    assert "run-42" in page.texts("code")
    assert "db.internal" not in answer.text
    assert page.one("a", class_="button")["href"] == "/"
    assert len(sent) == 2  # the session and the figures, before


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (errors.Conflict("<b>taken</b>"), 409, "&lt;b&gt;taken"),
        (OperationalError("SELECT 1", {}, Exception("gone")), 503, ""),
        (errors.NotFound("<b>gone</b>"), 404, "&lt;b&gt;gone"),
        (errors.Forbidden("<b>no</b>"), 403, "&lt;b&gt;no"),
    ],
)
def test_htmx_gets_a_refusal_as_a_toast_without_a_swap_and_never_as_markup(browser, monkeypatch, error, status, text):
    broken(monkeypatch, error)
    answer = browser.get("/", htmx="live")
    assert (answer.status_code, answer.headers["HX-Reswap"], is_whole(answer)) == (status, "none", False)
    assert Page(answer).one(hx_swap_oob="beforeend:#toasts")
    assert text in answer.text
    assert "<b>" not in answer.text + browser.get("/").text


# --- what every answer has --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/models", "/login", "/nowhere", "/search?q=x"])
def test_every_page_has_the_policy_and_is_kept_nowhere(browser, path):
    answer = browser.get(path, headers=HTML)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "form-action 'self'" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Vary"] == "HX-Request, Accept-Encoding"


@pytest.mark.parametrize("path", ["/", "/models", "/login"])
def test_no_page_has_script_or_style_in_it_or_from_elsewhere(browser, api, path):
    api.deployment(api.version(api.model(), metadata={"accuracy": 1}))
    page = Page(browser.get(path))
    assert all(script.get("src") and not script.text for script in page.all("script"))
    assert not page.all("style")
    assert not [one.tag for one in page.elements for name in one.attributes if name == "style" or name.startswith("on")]
    for one in page.elements:
        for name in ("src", "href", "action"):
            assert (one.get(name) or "/").startswith(("/", "#")), one.get(name)


def test_static_files_are_kept_a_year_under_an_address_that_changes_with_them(browser):
    page = Page(browser.get("/models"))
    linked = [one["src"] for one in page.all("script")] + [one["href"] for one in page.all("link")]
    files = [file for file in linked if not file.endswith(".woff2")]  # those are in a folder with their version
    assert len(files) >= 4
    for file in files:
        assert re.search(r"^/(static/.+|scripts\.js)\?v=[0-9a-f]{10}$", file)
        with browser.by(None).get(file) as answer:
            assert answer.status_code == 200
            assert "max-age=31536000" in answer.headers["Cache-Control"]
            assert "no-store" not in answer.headers["Cache-Control"]
    assert len({file.split("?v=")[1] for file in files}) == len(files)


def test_scripts_under_an_address_of_before_are_not_kept(browser):
    answer = browser.by(None).get("/scripts.js?v=0123456789")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")
    again = browser.by(None).get("/scripts.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_theme_without_a_script_is_a_cookie_and_comes_back(browser):
    answer = browser.post("/theme", {"theme": "dark"}, headers={"Referer": "http://localhost/models?tag=a"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "http://localhost/models?tag=a")
    assert Page(browser.get("/models")).one("html").get("data-theme") == "dark"
    browser.post("/theme", {"theme": "light"})
    assert Page(browser.get("/models")).one("html").get("data-theme") == "light"
    browser.post("/theme", {"theme": '"><script>'})
    assert Page(browser.get("/models")).one("html").get("data-theme") is None
