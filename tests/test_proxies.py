"""Who asks, and for which host, behind proxies: what is believed, and of whom."""

from ipaddress import ip_network

import pytest
from stage import Api, refusal

from catapult.web.forwarded import Proxies, is_loopback, parsed

NGINX, BALANCER, CLIENT, SPOOFED = "10.0.0.2", "10.9.0.7", "203.0.113.9", "198.51.100.66"
TRUSTED = (ip_network("10.0.0.0/24"), ip_network(BALANCER), ip_network("fd00::/64"))


def environ_of(peer, trusted=TRUSTED, public_url="", **headers):
    """The WSGI environment that the application gets."""
    environ = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", "HTTP_HOST": "backend:8000", "SCRIPT_NAME": ""}
    environ |= {f"HTTP_X_FORWARDED_{name.upper()}": value for name, value in headers.items()}
    Proxies(lambda environ, _: [], trusted, public_url)(environ, None)
    return environ


def seen(peer, trusted=TRUSTED, **headers):
    """(address, scheme, host) as the application sees them."""
    environ = environ_of(peer, trusted, **headers)
    return environ["REMOTE_ADDR"], environ["wsgi.url_scheme"], environ["HTTP_HOST"]


def shown(peer=NGINX, public_url="", **headers):
    """The address of the overview as the application makes it."""
    environ = environ_of(peer, public_url=public_url, **headers)
    return f"{environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}{environ['SCRIPT_NAME']}/"


ALL = {"for": CLIENT, "proto": "https", "host": "ml.example.com"}


@pytest.mark.parametrize("peer", ["10.0.1.2", "192.0.2.1", "::1", "", "unix", "fd00:0:0:1::1"])
def test_a_trusted_proxy_is_believed_and_no_other_peer(peer):
    assert seen(NGINX, **ALL) == (CLIENT, "https", "ml.example.com")
    assert seen(peer, **ALL) == (peer, "http", "backend:8000")
    assert seen(NGINX, (), **ALL) == (NGINX, "http", "backend:8000")


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        *(
            (f"{spoof}{CLIENT}, {BALANCER}", CLIENT)
            for spoof in ("", f"{SPOOFED}, ", "rubbish, ", f"{SPOOFED},{NGINX}, ")
        ),
        (f"{SPOOFED}, unknown, {BALANCER}", BALANCER),
        *((nothing, NGINX) for nothing in ("unknown", " , ")),
        (f"10.0.0.9, {BALANCER}", "10.0.0.9"),  # all of them are trusted
    ],
)
def test_the_client_is_the_last_that_is_not_trusted_and_what_is_no_address_ends_the_walk(chain, address):
    assert seen(NGINX, **{"for": chain})[0] == address


def test_of_lists_the_entry_counts_that_stands_where_the_client_does():
    chain = {"for": f"{SPOOFED}, {CLIENT}, {BALANCER}", "proto": "http, https, http", "host": "evil, ml.example.com, b"}
    assert seen(NGINX, **chain) == (CLIENT, "https", "ml.example.com")


@pytest.mark.parametrize("proto", ["ftp", "javascript", "", " , "])
def test_a_scheme_is_http_or_https(proto):
    assert seen(NGINX, proto=proto)[1] == "http"


@pytest.mark.parametrize("mount", ["/catapult", "/a/b.c", "/A_b~c-d", "/..a"])
def test_a_path_counts_from_a_trusted_proxy_alone(mount):
    assert shown(prefix=mount) == f"http://backend:8000{mount}/"
    assert shown("192.0.2.1", prefix=mount) == "http://backend:8000/"
    assert shown(**{"for": f"{CLIENT}, {BALANCER}", "prefix": f"{mount}, /second"}) == f"http://backend:8000{mount}/"


@pytest.mark.parametrize(
    "mount",
    [
        *("//evil.test", "/a//b", "/", "/a/", "a", "/..", "/a/../b", "/.", "/a b", '/a"b', "/<b>", "/ü", "/a%2fb"),
        *("/a\\b", "/a?b", "/a#b", "http://evil.test"),
    ],
)
def test_a_path_of_anything_else_is_none(mount):
    assert environ_of(NGINX, prefix=mount)["SCRIPT_NAME"] == ""


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({"host": "ml.example.com", "port": "8443"}, "http://ml.example.com:8443/"),
        ({"host": "[::1]", "port": "8443"}, "http://[::1]:8443/"),
        ({"host": "ml.example.com:9000", "port": "8443"}, "http://ml.example.com:9000/"),
        ({"host": "ml.example.com", "port": "443", "proto": "https"}, "https://ml.example.com/"),
        ({"host": "ml.example.com", "port": "80", "proto": "https"}, "https://ml.example.com/"),
        *(({"host": "a", "port": port}, "http://a/") for port in ("x", "0", "-1", "123456", "8443/x", "")),
        ({"for": f"{CLIENT}, {BALANCER}", "host": "a", "port": "8443, 81"}, "http://a:8443/"),
    ],
)
def test_a_port_counts_from_a_trusted_proxy_where_the_host_has_none(headers, address):
    assert shown(**headers) == address
    assert shown("192.0.2.1", **headers) == "http://backend:8000/"


@pytest.mark.parametrize("peer", [NGINX, "192.0.2.1"])
@pytest.mark.parametrize("url", ["https://ml.example.com/catapult", "https://ml.example.com"])
def test_the_public_url_wins_over_every_header(peer, url):
    assert shown(peer, url, host="other", port="81", prefix="/other", proto="http") == f"{url}/"
    assert environ_of(peer, public_url=url, **ALL)["REMOTE_ADDR"] == (CLIENT if peer == NGINX else peer)


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


@pytest.mark.parametrize(
    ("peer", "loopback"),
    [
        *((peer, True) for peer in ("127.0.0.1", "::1", "127.8.8.8", "::ffff:127.0.0.1")),
        *((peer, False) for peer in ("10.0.0.2", "", "localhost", "::2")),
    ],
)
def test_loopback_is_the_peer_and_nobody_behind_it(peer, loopback):
    assert is_loopback({"catapult.peer": peer}) is loopback
    for name in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA"):
        assert not is_loopback({"catapult.peer": peer, name: "127.0.0.1"})


# --- in the application


@pytest.fixture
def behind(app_with, keys):
    """The API of an application that trusts its peer and goes by two names, on the test's own database."""
    hosts = ("ml.example.com", ".example.org")
    return Api(app_with(trusted_proxies=(ip_network("127.0.0.1"),), trusted_hosts=hosts), keys)


FORWARDED = {"X-Forwarded-For": f"{SPOOFED}, {CLIENT}", "X-Forwarded-Proto": "https", "Host": "ml.example.com"}


def test_entries_links_and_hsts_are_of_the_client_and_the_address_that_it_sees(behind, trail):
    for name in ("org/a", "org/b"):
        behind.post("/api/v1/models", {"name": name, "storage_path": "docker.io/a"}, headers=FORWARDED)
    assert {entry["ip_address"] for entry in trail("model.create")} == {CLIENT}
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


@pytest.mark.parametrize("host", ["evil.com", "", "ml.example.com.evil.com", "evilexample.org", "a b", "x/../y"])
def test_a_wrong_host_is_a_problem_at_the_api_and_a_page_elsewhere(behind, host):
    assert refusal(behind.get("/api/v1/models", headers={"Host": host})) == "bad-request"
    page = behind.client.get("/models", headers={"Host": host})
    assert (page.status_code, page.content_type) == (400, "text/html; charset=utf-8")
    forwarded = behind.get("/api/v1/models", headers={**FORWARDED, "X-Forwarded-Host": host or "evil"})
    assert forwarded.status_code == 400


@pytest.mark.parametrize("host", ["ml.example.com", "ML.Example.Com:8443", "example.org", "a.b.example.org"])
def test_a_host_of_ours_is_taken_with_any_port_and_without_the_setting_any_host(behind, api, host):
    assert behind.get("/api/v1/models", headers={"Host": host}).status_code == 200
    assert api.get("/api/v1/models", headers={"Host": f"evil.{host}"}).status_code == 200


def test_with_a_public_url_the_host_that_was_asked_still_has_to_be_ours(app_with, keys):
    url = "https://ml.example.com/catapult"
    api = Api(app_with(public_url=url, trusted_hosts=("backend", "ml.example.com")), keys)
    assert refusal(api.get("/api/v1/models", headers={"Host": "evil.test"})) == "bad-request"
    listed = api.get("/api/v1/models", headers={"Host": "backend:8000"})
    assert f"<{url}/api/v1/models?" in listed.headers["Link"]
    assert "Strict-Transport-Security" in listed.headers


def test_with_a_public_url_a_form_comes_from_there_and_its_cookie_is_for_there(app_with, keys):
    client = app_with(public_url="https://ml.example.com/catapult").test_client()
    sent = {"data": {"key": keys["viewer"], "next": "/catapult/models"}, "base_url": "http://backend:8000"}
    for origin in ("http://backend:8000", "http://ml.example.com:8000", "https://evil.test"):
        assert client.post("/login", **sent, headers={"Origin": origin}).status_code == 403
    answer = client.post("/login", **sent, headers={"Origin": "https://ml.example.com"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/catapult/models")
    assert {"Secure", "Path=/catapult"} <= set(answer.headers["Set-Cookie"].split("; "))


def test_probes_are_asked_by_address(behind):
    for path in ("/livez", "/readyz", "/api/health"):
        assert behind.get(path, headers={"Host": "10.0.0.3:8000"}).status_code == 200
    assert behind.get("/api/healthy", headers={"Host": "10.0.0.3:8000"}).status_code == 400
