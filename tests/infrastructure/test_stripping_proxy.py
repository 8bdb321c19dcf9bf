"""Catapult below a path of a proxy, behind the shipped nginx: every address of every page, header and document has the path."""

import json
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from front import Nginx
from stripping import MOUNT, PROXY, TOLD, Stripping
from up import Caller, Up, for_a_team, problem

from catapult import Registry

sys.path.insert(0, str(Path(__file__).parent.parent / "pages"))

from markup import Page

pytestmark = pytest.mark.live
TEXTS = {"value", "title", "placeholder", "aria-label", "aria-keyshortcuts", "content", "data-copy", "data-root"}
"""Attributes whose text may begin with a slash and leads nowhere."""
FORMS = ("retire", "rollback")
"""Forms that send the model's name; without it their address is a 404."""
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


class Shown(NamedTuple):
    """A server with a key of each role, our nginx in front of it, and the proxy in front of that."""

    server: Up
    front: Nginx
    proxy: Stripping


@pytest.fixture(scope="module", params=["by the header", "by PUBLIC_URL"])
def shown(
    request: Any, infra_folder: Callable[[], Path], nginx: Callable[..., Nginx], make_database: Callable[[], str]
) -> Iterator[Shown]:
    """By PUBLIC_URL, the proxy says nothing of itself, and names nginx as the host."""
    proxy = Stripping(infra_folder())
    known = {"PUBLIC_URL": proxy.url} if request.param == "by PUBLIC_URL" else {}
    server = Up(infra_folder(), **for_a_team(make_database()), TRUSTED_PROXIES="127.0.0.1", **known)
    try:
        server.ready().make_keys()
        front = nginx(server.port, NGINX_TRUSTED_PROXIES=PROXY, NGINX_RATE="1000r/s", NGINX_BURST="1000", **known)
        proxy.start(front.port, {} if known else TOLD)
        fill(proxy, server)
        yield Shown(server, front, proxy)
        assert server.lines("fault") == []
    finally:
        proxy.close()
        server.close()


def fill(proxy: Stripping, server: Up) -> None:
    """Register, deploy and so on by the SDK, through the proxy."""
    with Registry(f"{proxy.url}/api", server.keys["admin"]) as registry:
        registry.create_model("org/bert", "docker.io/org/bert", repository="docker.io/org/bert", tags=["nlp"])
        registry.create_gate("org/*", "release", "metric", path="accuracy", op=">=", value=0.9)
        for number in range(3):
            made = registry.create_version(
                "org/bert", f"1.{number}.0", tag=f"v1.{number}", digest=f"sha256:{number:064x}",
                metadata={"accuracy": 0.91 + number / 100},
            )  # fmt: skip
        registry.promote(made)
        registry.deploy(made, "staging")
        registry.create_person("Dana Ortiz", email="dana@example.com")
        assert len(list(registry.list_versions(limit=1))) == 3  # by `Link`


@pytest.fixture
def session(shown: Shown) -> Iterator[requests.Session]:
    """A browser that signed in by the form, whose cookies have paths."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Sec-Fetch-Site"] = "same-origin"
        data = {"key": shown.server.keys["admin"], "next": f"{MOUNT}/models"}
        answer = session.post(f"{shown.proxy.url}/login", data=data, allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{MOUNT}/models")
        assert {cookie.path for cookie in session.cookies} == {MOUNT}
        yield session


def checked(address: str, at: str, base: str) -> str:
    """Return the whole address, which is below the proxy's path or on another site."""
    whole = urljoin(at, address)
    assert whole.startswith((f"{base}/", "https://", "data:")), f"{address} on {at}"
    return whole


def addresses(answer: requests.Response, base: str) -> Iterator[str]:
    """Yield every address of the answer: in its headers, its elements and the style sheet."""
    for name in ("Location", "HX-Redirect", "HX-Push-Url"):
        if name in answer.headers:
            yield answer.headers[name]
    if "HX-Location" in answer.headers:
        yield json.loads(answer.headers["HX-Location"])["path"]
    yield from (link["url"] for link in answer.links.values())
    kind = answer.headers.get("Content-Type", "")
    if kind.startswith("text/css"):
        yield from re.findall(r"url\(\"?([^)\"]+)", answer.text)
    if kind.startswith("text/html"):
        origin = base.removesuffix(MOUNT)
        assert answer.text.count(origin) == answer.text.count(f"{base}/"), re.findall(f"{origin}.*", answer.text)
        for element in Page(answer).elements:
            for name, value in element.attributes.items():
                if value and (name in ("href", "src", "action") or (value[0] == "/" and name not in TEXTS)):
                    yield value
            if element.get("name") == "next":
                yield element["value"]


def kind_of(address: str) -> str:
    """Pages of one kind have the same path but for ids and numbers; with parameters they are another kind."""
    parts = urlsplit(address)
    return re.sub(r"/versions/1\.\d", "/versions/1.0", ID.sub("id", parts.path)) + ("?" if parts.query else "")


def followed(session: requests.Session, base: str, first: str) -> dict[str, int]:
    """Follow every address from this one on, as a browser and as HTMX do; return their statuses by kind."""
    statuses: dict[str, int] = {}
    waiting = deque([first])
    while waiting:
        address = waiting.popleft().partition("#")[0]
        if kind_of(address) in statuses or not address.startswith(f"{base}/"):
            continue
        for headers in ({}, {"HX-Request": "true", "HX-Target": "list", "HX-Current-URL": f"{base}/models"}):
            answer = session.get(address, headers=headers, allow_redirects=False)
            statuses.setdefault(kind_of(address), answer.status_code)
            waiting += [checked(found, address, base) for found in addresses(answer, base)]
            if "/static/" in address:
                break
    return statuses


def test_every_address_of_every_page_leads_to_something_below_the_path(shown: Shown, session: requests.Session) -> None:
    base = shown.proxy.url
    made = session.post(
        f"{base}/me/views/new", data={"name": "Mine", "address": "/versions?filter=is_release"}, allow_redirects=False
    )
    assert made.headers["Location"] == f"{MOUNT}/versions?filter=is_release"
    statuses = followed(session, base, f"{base}/")
    refused = {kind for kind, status in statuses.items() if status not in (200, 302, 303, 308, 405)}
    assert refused <= {f"{MOUNT}/environments/staging/-/{form}" for form in FORMS}
    for page in ("/", "/models/org/bert", "/models/org/bert/versions/1.0.0", "/environments/staging", "/docs"):
        assert statuses[f"{MOUNT}{page}"] == 200, page
    assert [kind for kind in statuses if kind.startswith(f"{MOUNT}/static/jetbrains")]  # from the style sheet
    assert len(statuses) > 90, sorted(statuses)


def test_what_a_form_does_leads_below_the_path(shown: Shown, session: requests.Session) -> None:
    base = shown.proxy.url
    on = {"HX-Request": "true", "HX-Current-URL": f"{base}/models?sort=name", "HX-Target": "form"}
    body = {"name": "org/made", "storage_path": "docker.io/org/made"}
    made = session.post(f"{base}/new/model", data=body, headers=on)
    assert json.loads(made.headers["HX-Location"])["path"] == f"{MOUNT}/models/org/made"
    model = f"{base}/models/org/bert"
    theme = session.post(f"{base}/theme", data={"theme": "dark"}, headers={"Referer": model}, allow_redirects=False)
    assert (theme.headers["Location"], session.cookies.get("theme", path=MOUNT)) == (model, "dark")
    session.get(model, params={"columns": "1", "c": "accuracy"})
    assert session.cookies.get("columns", path=f"{MOUNT}/models/org/bert") == "c=accuracy"
    view = session.get(f"{base}/me/views/new", headers=on | {"HX-Target": "dialog-body"})
    assert 'value="/models?sort=name"' in view.text
    out = session.post(f"{base}/logout", allow_redirects=False)
    assert (out.headers["Location"], f"Path={MOUNT}" in out.headers["Set-Cookie"]) == (f"{MOUNT}/login", True)
    assert not [cookie for cookie in session.cookies if cookie.name.startswith("catapult_")]
    again = session.get(f"{model}?tab=1", allow_redirects=False)
    assert again.headers["Location"] == f"{MOUNT}/login?next={MOUNT}/models/org/bert?tab%3D1"


@pytest.mark.parametrize(
    "wanted",
    [
        *("/", "/models", "/catapultx/a", "/catapult/../admin", "/catapult/%2E%2e/admin", "/catapult/a/.%2e/../x"),
        *("/catapult//evil.test", "/catapult/\\evil.test", "//evil.test", "https://evil.test/catapult/"),
    ],
)
def test_nobody_lands_outside_the_path_after_the_sign_in(shown: Shown, wanted: str) -> None:
    page = requests.get(f"{shown.proxy.url}/login", params={"next": wanted}, timeout=20)
    assert f'name="next" value="{MOUNT}/"' in page.text


def test_the_api_says_where_it_is(shown: Shown) -> None:
    base = shown.proxy.url
    with Caller(base, shown.server.keys["admin"]) as caller:
        made = caller.post("/api/v1/models", json={"name": "org/other", "storage_path": "docker.io/org/other"})
        assert made.headers["Location"] == f"{MOUNT}/api/v1/models/{made.json()['id']}"
        assert caller.get("/api/v1/models?limit=1").links["next"]["url"].startswith(f"{base}/api/v1/models?")
        missing = caller.get("/api/v1/models/none").json()
        assert (missing["type"], missing["instance"]) == (
            f"{MOUNT}/docs/errors/not-found",
            f"{MOUNT}/api/v1/models/none",
        )
        document = caller.get("/openapi.json").json()
        assert document["servers"] == [{"url": MOUNT}]
        view = caller.made("/api/v1/me/views", {"name": "By the API", "address": "/versions?sort=version"})
        assert view["address"] == "/versions?sort=version"
        assert caller.delete(f"/api/v1/me/views/{view['id']}").status_code == 204


def test_errors_of_nginx_have_the_path_too(shown: Shown) -> None:
    page = requests.get(f"{shown.proxy.url}/static/none", timeout=20)
    assert page.status_code == 404
    found = [checked(address, page.url, shown.proxy.url) for address in addresses(page, shown.proxy.url)]
    assert f"{shown.proxy.url}/static/catapult.css" in found
    assert f"{shown.proxy.url}/" in found


def test_a_client_that_is_no_proxy_is_not_believed(shown: Shown) -> None:
    spoofed = {"X-Forwarded-Prefix": "/evil", "X-Forwarded-Port": "81", "SCRIPT_NAME": "/evil", "Accept": "text/html"}
    mount = MOUNT if "PUBLIC_URL" in shown.server.settings else ""
    for path in ("/", "/login", "/static/none"):
        answer = shown.front.get(path, headers=spoofed)
        assert "/evil" not in f"{answer.text}{answer.headers}"
        assert ":81" not in f"{answer.text}{answer.headers}"
    assert shown.front.get("/", headers=spoofed).headers["Location"] == f"{mount}/login?next={mount}/"


def test_without_the_application_problems_and_pages_of_nginx_have_the_path(
    nginx: Callable[..., Nginx], infra_folder: Callable[[], Path]
) -> None:
    alone = nginx(1, NGINX_TRUSTED_PROXIES=PROXY)
    proxy = Stripping(infra_folder()).start(alone.port, TOLD)
    try:
        with Caller(proxy.url) as caller:
            body = caller.get("/api/v1/models").json()
            assert (body["type"], body["instance"]) == (f"{MOUNT}/docs/errors/unavailable", f"{MOUNT}/api/v1/models")
        assert problem(alone.get("/api/v1/models"), "unavailable")["instance"] == "/api/v1/models"
    finally:
        proxy.close()
