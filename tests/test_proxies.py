"""Who asks, and for which host, behind proxies: what is believed, and of whom."""

import dataclasses
from ipaddress import ip_network

import pytest
from stage import Api

from catapult.app import create_app
from catapult.extensions import db
from catapult.web.forwarded import Proxies, is_loopback, parsed

NGINX, BALANCER, CLIENT, SPOOFED = "10.0.0.2", "10.9.0.7", "203.0.113.9", "198.51.100.66"
TRUSTED = (ip_network("10.0.0.0/24"), ip_network(BALANCER), ip_network("fd00::/64"))


def seen(peer, trusted=TRUSTED, **headers):
    """(address, scheme, host) as the application sees them."""
    environ = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", "HTTP_HOST": "backend:8000"}
    environ |= {f"HTTP_X_FORWARDED_{name.upper()}": value for name, value in headers.items()}
    Proxies(lambda environ, _: [], trusted)(environ, None)
    return environ["REMOTE_ADDR"], environ["wsgi.url_scheme"], environ["HTTP_HOST"]


ALL = {"for": CLIENT, "proto": "https", "host": "ml.example.com"}


def test_a_trusted_proxy_says_who_asks_how_and_for_which_host():
    assert seen(NGINX, **ALL) == (CLIENT, "https", "ml.example.com")


@pytest.mark.parametrize("peer", ["10.0.1.2", "192.0.2.1", "::1", "", "unix", "fd00:0:0:1::1"])
def test_of_any_other_peer_nothing_is_believed(peer):
    assert seen(peer, **ALL) == (peer, "http", "backend:8000")
    assert seen(NGINX, (), **ALL) == (NGINX, "http", "backend:8000")


@pytest.mark.parametrize("spoof", ["", f"{SPOOFED}, ", f"{SPOOFED},{NGINX}, ", "rubbish, ", "127.0.0.1, ::1, "])
def test_behind_two_proxies_the_client_is_the_last_that_is_not_trusted(spoof):
    chain = {"for": f"{spoof}{CLIENT}, {BALANCER}", "proto": "https", "host": "ml.example.com"}
    assert seen(NGINX, **chain) == (CLIENT, "https", "ml.example.com")


def test_of_lists_the_entry_counts_that_stands_where_the_client_does():
    chain = {"for": f"{SPOOFED}, {CLIENT}, {BALANCER}", "proto": "http, https, http", "host": "evil, ml.example.com, b"}
    assert seen(NGINX, **chain) == (CLIENT, "https", "ml.example.com")


def test_what_is_no_address_ends_the_walk_at_the_proxy_that_passed_it_on():
    assert seen(NGINX, **{"for": f"{SPOOFED}, unknown, {BALANCER}"})[0] == BALANCER
    assert seen(NGINX, **{"for": "unknown"})[0] == NGINX
    assert seen(NGINX, **{"for": " , "})[0] == NGINX
    assert seen(NGINX, **{"for": f"10.0.0.9, {BALANCER}"})[0] == "10.0.0.9"  # all of them are trusted


@pytest.mark.parametrize("proto", ["ftp", "javascript", "", " , "])
def test_a_scheme_is_http_or_https(proto):
    assert seen(NGINX, proto=proto)[1] == "http"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.9:4711", "203.0.113.9"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.2", "10.0.0.2"),
        ("10.0.0.256", "None"),
        ("", "None"),
        ("[", "None"),
    ],
)
def test_an_address_is_read_with_or_without_a_port(text, address):
    assert str(parsed(text)) == address


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "127.8.8.8", "::ffff:127.0.0.1"])
def test_loopback_is_the_peer_and_nobody_behind_it(peer):
    assert is_loopback({"catapult.peer": peer})
    for name in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA"):
        assert not is_loopback({"catapult.peer": peer, name: "127.0.0.1"})


@pytest.mark.parametrize("peer", ["10.0.0.2", "", "localhost", "::2"])
def test_any_other_peer_is_not_loopback(peer):
    assert not is_loopback({"catapult.peer": peer})


# --- in the application


@pytest.fixture
def behind(app, keys):
    """The API of an application that trusts its peer and goes by two names, on the test's own database."""
    settings = dataclasses.replace(
        app.extensions["catapult"],
        trusted_proxies=(ip_network("127.0.0.1"),),
        trusted_hosts=("ml.example.com", ".example.org"),
    )
    made = create_app(settings)
    yield Api(made, keys)
    with made.app_context():
        db.engine.dispose()


FORWARDED = {"X-Forwarded-For": f"{SPOOFED}, {CLIENT}", "X-Forwarded-Proto": "https", "Host": "ml.example.com"}


def test_the_audit_log_has_the_clients_address(behind, trail):
    made = behind.post("/api/v1/models", {"name": "org/a", "storage_path": "docker.io/a"}, headers=FORWARDED)
    assert made.status_code == 201
    assert trail("model.create")[0]["ip_address"] == CLIENT


def test_links_and_hsts_are_of_the_scheme_and_host_that_the_client_sees(behind):
    for name in ("org/a", "org/b"):
        behind.post("/api/v1/models", {"name": name, "storage_path": "docker.io/a"}, headers=FORWARDED)
    forwarded = {**FORWARDED, "Host": "backend:8000", "X-Forwarded-Host": "deep.example.org"}
    listed = behind.get("/api/v1/models?limit=1", headers=forwarded)
    assert "<https://deep.example.org/api/v1/models?" in listed.headers["Link"]
    assert "Strict-Transport-Security" in listed.headers
    plain = behind.get("/api/v1/models", headers={"Host": "ml.example.com"})
    assert "Strict-Transport-Security" not in plain.headers


def test_over_tls_at_the_proxy_the_cookie_is_secure_and_sign_ins_are_counted_by_client(behind, keys, sql):
    headers = {**FORWARDED, "Origin": "https://ml.example.com"}
    answer = behind.client.post("/login", data={"key": keys["viewer"]}, headers=headers)
    assert answer.status_code == 303
    assert "Secure" in answer.headers["Set-Cookie"]
    assert [row["address"] for row in sql("SELECT address FROM sign_in_counts")] == [CLIENT]
    other = {**headers, "Origin": "https://evil.example.com"}
    assert behind.client.post("/login", data={"key": keys["viewer"]}, headers=other).status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example.com", "", "ml.example.com.evil.com", "evilexample.org", "a b", "x/../y"]
)
def test_a_wrong_host_is_a_problem_at_the_api_and_a_page_elsewhere(behind, host):
    answer = behind.get("/api/v1/models", headers={"Host": host})
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert answer.json["type"] == "/docs/errors/bad-request"
    page = behind.client.get("/models", headers={"Host": host})
    assert (page.status_code, page.content_type) == (400, "text/html; charset=utf-8")
    forwarded = behind.get("/api/v1/models", headers={**FORWARDED, "X-Forwarded-Host": host or "evil"})
    assert forwarded.status_code == 400


@pytest.mark.parametrize("host", ["ml.example.com", "ML.Example.Com:8443", "example.org", "a.b.example.org"])
def test_a_host_of_ours_is_taken_with_any_port(behind, host):
    assert behind.get("/api/v1/models", headers={"Host": host}).status_code == 200


def test_probes_are_asked_by_address(behind):
    for path in ("/livez", "/readyz", "/api/health"):
        assert behind.get(path, headers={"Host": "10.0.0.3:8000"}).status_code == 200
    assert behind.get("/api/healthy", headers={"Host": "10.0.0.3:8000"}).status_code == 400


def test_without_the_setting_any_host_is_taken(api):
    assert api.get("/api/v1/models", headers={"Host": "anything.example.com"}).status_code == 200
