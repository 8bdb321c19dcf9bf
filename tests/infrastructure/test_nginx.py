"""nginx with the shipped files in front of the real server: files, headers, limits, errors and the access log."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from front import STATIC, Nginx, rendered
from malformed import speak
from up import Up, free_port, problem, until

from catapult.web.responses import SECURITY

pytestmark = pytest.mark.live
YEAR = "public, max-age=31536000, immutable"
Start = Callable[..., Nginx]


@pytest.fixture(scope="module")
def front(nginx: Start, behind: Up) -> Nginx:
    """nginx in front of the server, with rates that only the tests of rates reach."""
    return nginx(behind.port, NGINX_RATE="1000r/s", NGINX_BURST="1000", NGINX_LOGIN_RATE="1000r/m")


@pytest.fixture(scope="module")
def alone(nginx: Start) -> Nginx:
    """nginx without a backend."""
    return nginx(free_port())


@pytest.fixture(scope="module")
def mirror(nginx: Start, echo: int) -> Nginx:
    """nginx in front of a backend that returns the headers it received. The read time-out is one second."""
    return nginx(echo, NGINX_RATE="1000r/s", NGINX_READ_TIMEOUT="1s")


def received(response: requests.Response) -> dict[str, list[str]]:
    """Return the headers that the backend received, by their lower-case names."""
    return dict(response.json()["headers"])


def page(response: requests.Response) -> str:
    """Return the text of an error page of nginx."""
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["X-Request-ID"] in response.text
    assert response.text.startswith("<!doctype html>")
    return response.text


# --- static files


def test_what_a_page_refers_to_is_cached_for_a_year(front: Nginx) -> None:
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', front.get("/login").text)
    assert len(addresses) > 3
    for address in addresses:
        answer = front.get(address)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, YEAR)
        assert answer.content == (STATIC / address.removeprefix("/static/").partition("?")[0]).read_bytes()


@pytest.mark.parametrize(
    ("address", "caching"),
    [
        ("/static/swagger-ui-5.35.0/swagger-ui.css", YEAR),
        ("/static/catapult.css", "no-cache"),
        ("/static/docs.js?v=", "no-cache"),
        ("/static/icon.svg?w=0123456789", "no-cache"),
    ],
)
def test_only_an_address_with_a_version_is_cached(alone: Nginx, address: str, caching: str) -> None:
    answer = alone.get(address)
    assert answer.headers["Cache-Control"] == caching
    again = alone.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_static_files_have_their_types_and_are_compressed(alone: Nginx) -> None:
    for name, kind in (("catapult.css", "text/css"), ("docs.js", "text/javascript"), ("icon.svg", "image/svg+xml")):
        answer = alone.get(f"/static/{name}", headers={"Accept-Encoding": "gzip"})
        assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
        assert answer.content == (STATIC / name).read_bytes()
        assert len(answer.content) < 1024 or answer.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("path", ["/static/", "/static/none.css", "/static/../setup.cfg", "/static/%2e%2e/setup.cfg"])
def test_no_other_files_are_served(alone: Nginx, path: str) -> None:
    answer = alone.get_verbatim(path)
    assert answer.split(b" ")[1] in (b"404", b"502")
    assert b"[metadata]" not in answer


# --- proxying


@pytest.mark.parametrize("path", ["/livez", "/login", "/api/v1/models", "/static/icon.svg", "/static/none", "/metrics"])
def test_every_answer_has_each_security_header_once(front: Nginx, path: str) -> None:
    answer = front.get(path)
    for name, value in SECURITY:
        assert answer.headers[name] == value
    assert "Strict-Transport-Security" not in answer.headers
    assert answer.headers["Server"] in ("nginx", "gunicorn")


@pytest.mark.parametrize("sent", ['a"b\\c', "x" * 128])
def test_a_request_id_goes_through_and_comes_back(front: Nginx, behind: Up, sent: str) -> None:
    assert front.get("/api/v1/models", headers={"X-Request-ID": sent}).headers["X-Request-ID"] == sent
    until(lambda: [line for line in behind.lines() if line.get("request_id") == sent])
    front.logged(request_id=sent)


@pytest.mark.parametrize("sent", ["x" * 129, "a b", "é"])
def test_an_invalid_request_id_is_replaced_everywhere(mirror: Nginx, sent: str) -> None:
    headers = received(mirror.get("/livez", headers={"X-Request-ID": sent.encode("utf-8")}))
    (request_id,) = headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", request_id)
    mirror.logged(request_id=request_id)


def test_headers_about_the_client_s_address_are_replaced(mirror: Nginx) -> None:
    address = dict.fromkeys(("X-Forwarded-For", "X-Real-IP", "Forwarded"), "203.0.113.9")
    other = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil",
        "X-Forwarded-Port": "1",
        "X-Forwarded-Prefix": "/",
    }
    headers = received(mirror.get("/livez", headers={**address, **other, "X-Request-ID": "spoofed"}))
    assert (headers["x-forwarded-for"], headers["x-real-ip"]) == (["127.0.0.1"], ["127.0.0.1"])
    assert (headers["x-forwarded-proto"], headers["x-forwarded-host"]) == (["http"], headers["host"])
    assert not {"x-forwarded-port", "x-forwarded-prefix", "forwarded"} & set(headers)
    assert mirror.logged(request_id="spoofed")["client"] == "127.0.0.1"


def test_forwarded_addresses_are_trusted_back_to_the_first_untrusted_proxy(nginx: Start, echo: int) -> None:
    trusting = nginx(echo, NGINX_TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8")
    forwarded = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9, 10.1.2.3", "X-Forwarded-Proto": "https"}
    answer = trusting.get("/livez", headers=forwarded)
    headers = received(answer)
    assert (headers["x-forwarded-for"], headers["x-forwarded-proto"]) == (["203.0.113.9"], ["https"])
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    trusting.logged(client="203.0.113.9")


@pytest.mark.parametrize(
    ("port", "prefix", "passed"),
    [
        ("8443", "/catapult", (["8443"], ["/catapult"])),
        ("x", "//evil", (None, None)),
        ("1, 2", "/a/../b", (None, None)),
        ("", "/a b", (None, None)),
    ],
)
def test_what_a_trusted_proxy_says_of_port_and_path_is_passed_on(
    nginx: Start, echo: int, port: str, prefix: str, passed: tuple[list[str] | None, ...]
) -> None:
    trusting = nginx(echo, NGINX_TRUSTED_PROXIES="127.0.0.1")
    headers = received(trusting.get("/livez", headers={"X-Forwarded-Port": port, "X-Forwarded-Prefix": prefix}))
    assert (headers.get("x-forwarded-port"), headers.get("x-forwarded-prefix")) == passed


def test_the_path_of_the_public_url_is_the_one_whatever_a_proxy_says(nginx: Start, echo: int) -> None:
    for url, path in (("https://a.b/catapult/", ["/catapult"]), ("https://a.b", None)):
        known = nginx(echo, NGINX_TRUSTED_PROXIES="127.0.0.1", PUBLIC_URL=url)
        for headers in ({}, {"X-Forwarded-Prefix": "/other"}):
            assert received(known.get("/livez", headers=headers)).get("x-forwarded-prefix") == path


def test_a_public_url_that_would_not_be_a_path_is_refused(infra_folder: Callable[[], Path]) -> None:
    with pytest.raises(AssertionError, match="PUBLIC_URL is"):
        rendered(infra_folder(), "catapult.conf", PUBLIC_URL='https://a.b/x";')


def test_connections_to_the_application_are_reused(mirror: Nginx) -> None:
    ports = {mirror.get("/livez").json()["port"] for _ in range(20)}
    assert len(ports) <= 4  # one a worker of nginx


def test_an_address_is_passed_on_unchanged(mirror: Nginx) -> None:
    path = "/models/org%2Fa//b/../c?filter=a%20%3E%201"
    answer = mirror.get_verbatim(path)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["path"] == path


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/metrics?a=b", "//metrics", "/%6detrics", "/api/../metrics", "/metrics/", "/metrics/x", "/./metrics"],
)
def test_metrics_are_not_reached_from_outside(mirror: Nginx, path: str) -> None:
    answer = mirror.get_verbatim(path)
    assert answer.startswith(b"HTTP/1.1 404 ")


# --- limits


def test_a_client_that_exceeds_the_rate_is_refused_with_retry_after(nginx: Start, behind: Up) -> None:
    limited = nginx(behind.port, NGINX_RATE="1r/s", NGINX_BURST="3")
    answers = [limited.get("/api/v1/models") for _ in range(8)]
    assert [answer.status_code for answer in answers[:4]] == [401] * 4
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    body = problem(refused[0], "rate-limited")
    assert (refused[0].headers["Retry-After"], body["instance"]) == ("1", "/api/v1/models")
    assert "Too many requests" in page(limited.get("/models"))
    toast = limited.get("/models", headers={"HX-Request": "true"})
    assert (toast.status_code, toast.headers["HX-Reswap"]) == (429, "none")
    assert toast.text.startswith('<div hx-swap-oob="beforeend:#toasts">')
    assert limited.get("/static/icon.svg").status_code == 200


def test_ten_sign_ins_a_minute_and_any_number_of_views_of_the_form(nginx: Start, behind: Up) -> None:
    limited = nginx(behind.port, NGINX_TRUSTED_PROXIES="127.0.0.1")

    def sign_in(client: str) -> requests.Response:
        headers = {"Origin": limited.url, "X-Forwarded-For": client}  # the application counts by address, too
        return limited.post("/login", data={"key": "cat_wrong"}, headers=headers)

    assert [sign_in("198.51.100.20").status_code for _ in range(11)] == [422] * 10 + [429]
    refused = sign_in("198.51.100.20")
    assert refused.headers["Retry-After"] == "6"
    assert "Too many requests" in page(refused)
    assert limited.get("/login", headers={"X-Forwarded-For": "198.51.100.20"}).status_code == 200
    assert sign_in("198.51.100.21").status_code == 422


def test_only_a_body_of_more_than_a_mebibyte_is_refused(front: Nginx, behind: Up) -> None:
    headers = {"X-API-Key": behind.keys["publisher"], "Content-Type": "application/json"}
    whole = b'{"name":"' + b"x" * (1024 * 1024 - 11) + b'"}'
    assert len(whole) == 1024 * 1024
    assert front.post("/api/v1/models", data=whole, headers=headers).status_code == 422
    body = problem(front.post("/api/v1/models", data=whole + b" ", headers=headers), "too-large")
    assert body["instance"] == "/api/v1/models"
    chunked = front.post("/api/v1/models", data=iter([whole, b" "]), headers=headers)
    problem(chunked, "too-large")
    assert "1 MiB" in page(front.post("/login", data=whole + b" "))


# --- errors of nginx


def test_without_the_application_programs_get_a_problem_and_people_a_page(alone: Nginx) -> None:
    answer = alone.get("/api/v1/models?filter=x", headers={"X-Request-ID": "run-1"})
    body = problem(answer, "unavailable")
    assert (body["status"], body["instance"], body["request_id"]) == (502, "/api/v1/models", "run-1")
    assert set(body) == {"type", "title", "status", "detail", "instance", "request_id"}
    assert (answer.headers["Retry-After"], answer.headers["Cache-Control"]) == ("2", "no-store")
    shown = page(alone.get("/models"))
    assert "Status 502" in shown
    (style,) = re.findall(r'href="(/static/[^"]+)"', shown)
    assert alone.get(style).status_code == 200


@pytest.mark.parametrize("prefix", ["/api", "/ajax-api"])
def test_without_the_application_clients_of_mlflow_get_their_own_form(alone: Nginx, prefix: str) -> None:
    answer = alone.get(f"{prefix}/2.0/mlflow/registered-models/get?name=x")
    assert (answer.status_code, answer.headers["Retry-After"]) == (502, "2")
    assert answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"


@pytest.mark.parametrize("path", ['/api/v1/"x', "/api/v1/\\x", "/api/<script>"])
def test_quotation_marks_keep_the_problem_valid(alone: Nginx, path: str) -> None:
    body = problem(alone.get("/api/v1/models", headers={"X-Request-ID": 'a"b\\'}), "unavailable")
    assert re.fullmatch("[0-9a-f]{32}", body["request_id"])
    answer = alone.get_verbatim(path)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["instance"] == "/"


def test_an_application_that_does_not_answer_is_a_504(mirror: Nginx) -> None:
    body = problem(mirror.get("/api/silent"), "unavailable")
    assert body["status"] == 504
    assert "Status 504" in page(mirror.get("/silent"))


def test_posting_to_a_file_is_a_405(alone: Nginx) -> None:
    assert alone.post("/static/icon.svg").status_code == 405
    assert "GET or HEAD" in page(alone.post("/static/icon.svg"))


# --- the access log


def test_the_access_log_can_be_off(nginx: Start, echo: int) -> None:
    quiet = nginx(echo, NGINX_ACCESS_LOG="off")
    assert quiet.get("/api/v1/models").status_code == 200
    assert not quiet.log.exists()


def test_the_access_log_is_json_without_queries_and_keys(front: Nginx, behind: Up) -> None:
    key = behind.keys["viewer"]
    headers = {"X-API-Key": key, "User-Agent": 'a"b', "X-Request-ID": "logged"}
    front.get("/api/v1/models?search=very-secret", headers=headers)
    line = front.logged(request_id="logged")
    assert (line["method"], line["path"], line["status"], line["agent"]) == ("GET", "/api/v1/models", 200, 'a"b')
    assert line["seconds"] >= 0
    assert line["upstream_status"] == "200"
    text = front.log.read_text() + front.output.read_text()
    assert "very-secret" not in text
    assert key[12:] not in text


def test_every_line_of_the_access_log_is_json_whatever_was_sent(alone: Nginx) -> None:
    for text in (b"GET /\r\n", b"NONSENSE\r\n\r\n", b'GET /"\x01 HTTP/1.1\r\nHost: x\r\n\r\n'):
        speak(alone.port, text)
    alone.get("/", headers={"X-Request-ID": "the-last"})
    assert alone.logged(request_id="the-last")


# --- the rendered files


@pytest.mark.parametrize(
    ("version", "directive"), [("1.25.0", " http2 default"), ("1.25.1", "http2 on;"), ("1.30.4", "http2 on;")]
)
def test_http_2_is_turned_on_as_that_version_of_nginx_expects(
    infra_folder: Callable[[], Path], certificates: Path, version: str, directive: str
) -> None:
    assert directive in rendered(infra_folder(), "servers/https.conf", version, NGINX_SSL=str(certificates))


def test_in_docker_the_addresses_of_backends_are_resolved_again_and_again(infra_folder: Callable[[], Path]) -> None:
    folder = infra_folder()
    docker = {"NGINX_RESOLVER": "127.0.0.11", "NGINX_BACKENDS": "one:8000 two:8000"}
    text = rendered(folder, "catapult.conf", "1.27.3", **docker)
    server = "server {}:8000 max_fails=1 fail_timeout=2s resolve;"
    assert f"resolver 127.0.0.11 valid=2s ipv6=off; {server.format('one')} {server.format('two')}" in text
    with pytest.raises(AssertionError, match=r"NGINX_RESOLVER needs nginx 1\.27\.3"):
        rendered(folder, "catapult.conf", "1.27.2", **docker)
