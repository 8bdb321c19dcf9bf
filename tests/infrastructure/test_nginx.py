"""nginx with the shipped files before the real server: what it serves, passes on, limits, refuses and writes down."""

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from echo import Echo
from front import FILES, STATIC, Nginx, render
from up import Up, free_port, problem, until

from catapult.web.responses import SECURITY

pytestmark = pytest.mark.live
YEAR = "public, max-age=31536000, immutable"
Start = Callable[..., Nginx]


@pytest.fixture(scope="module")
def front(nginx: Start, behind: Up) -> Nginx:
    """nginx before the server, with rates that no test of other things meets."""
    return nginx(behind.port, NGINX_RATE="1000r/s", NGINX_BURST="1000", NGINX_LOGIN_RATE="1000r/m")


@pytest.fixture(scope="module")
def alone(nginx: Start) -> Nginx:
    """nginx before nothing."""
    return nginx(free_port())


@pytest.fixture(scope="module")
def mirror(nginx: Start, echo: Echo) -> Nginx:
    """nginx before the backend that says what it got; silence is cut off after a second."""
    return nginx(echo.port, NGINX_RATE="1000r/s", NGINX_READ_TIMEOUT="1s")


def sent_on(response: requests.Response) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in response.json()["headers"]:
        found.setdefault(name, []).append(value)
    return found


def page(response: requests.Response) -> str:
    """The text of a page that nginx made."""
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["X-Request-ID"] in response.text
    assert response.text.startswith("<!doctype html>")
    return response.text


# --- static files


def test_what_a_page_refers_to_is_kept_for_a_year(front: Nginx) -> None:
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', front.get("/login").text)
    assert len(addresses) > 3
    for address in addresses:
        got = front.get(address)
        assert (got.status_code, got.headers["Cache-Control"]) == (200, YEAR)
        assert got.content == (STATIC / address.removeprefix("/static/").partition("?")[0]).read_bytes()


@pytest.mark.parametrize(
    ("address", "caching"),
    [
        ("/static/swagger-ui-5.35.0/swagger-ui.css", YEAR),
        ("/static/catapult.css", "no-cache"),
        ("/static/catapult.js?v=", "no-cache"),
        ("/static/icon.svg?w=0123456789", "no-cache"),
    ],
)
def test_only_an_address_with_a_version_is_kept(alone: Nginx, address: str, caching: str) -> None:
    assert alone.get(address).headers["Cache-Control"] == caching


def test_a_file_without_a_version_is_asked_for_again_and_not_sent_again(alone: Nginx) -> None:
    first = alone.get("/static/catapult.css")
    again = alone.get("/static/catapult.css", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("catapult.css", "text/css; charset=utf-8"),
        ("catapult.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml; charset=utf-8"),
        ("htmx-2.0.11/LICENSE", "text/plain; charset=utf-8"),
    ],
)
def test_static_files_have_their_types_and_go_compressed(alone: Nginx, name: str, kind: str) -> None:
    got = alone.get(f"/static/{name}", headers={"Accept-Encoding": "gzip"})
    assert got.headers["Content-Type"] == kind
    assert got.content == (STATIC / name).read_bytes()
    if len(got.content) > 1024:
        assert got.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("path", ["/static/", "/static/none.css", "/static/../setup.cfg", "/static/%2e%2e/setup.cfg"])
def test_nothing_but_the_files_is_served(alone: Nginx, path: str) -> None:
    answer = alone.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.split(b" ")[1] in (b"404", b"502")
    assert b"[metadata]" not in answer


# --- what is passed on


def test_the_application_answers_behind_it(front: Nginx, behind: Up) -> None:
    assert front.get("/livez").json() == {"status": "ok"}
    assert front.get("/api/health").json()["status"] == "healthy"
    assert front.get("/api/v1/info", headers={"X-API-Key": behind.keys["viewer"]}).json()["name"] == "catapult"
    assert front.get("/").status_code in (302, 303)


@pytest.mark.parametrize("path", ["/livez", "/login", "/api/v1/models", "/static/icon.svg", "/static/none", "/metrics"])
def test_every_answer_has_each_security_header_once(front: Nginx, path: str) -> None:
    got = front.get(path)
    for name, value in SECURITY:
        assert got.headers[name] == value
    assert "Strict-Transport-Security" not in got.headers
    assert got.headers["Server"] in ("nginx", "gunicorn")


@pytest.mark.parametrize("sent", ["run-4711", 'a"b\\c', "x" * 128])
def test_a_request_id_goes_through_and_comes_back(front: Nginx, behind: Up, sent: str) -> None:
    assert front.get("/api/v1/models", headers={"X-Request-ID": sent}).headers["X-Request-ID"] == sent
    until(lambda: [line for line in behind.lines() if line.get("request_id") == sent])
    front.logged(request_id=sent)


@pytest.mark.parametrize("sent", ["x" * 129, "a b", "é"])
def test_a_request_id_that_is_none_is_made_anew_and_is_one_everywhere(mirror: Nginx, sent: str) -> None:
    got = sent_on(mirror.get("/livez", headers={"X-Request-ID": sent.encode("utf-8")}))
    (made,) = got["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    mirror.logged(request_id=made)


def test_what_a_client_says_of_its_address_is_replaced(mirror: Nginx) -> None:
    said = {
        "X-Request-ID": "spoofed",
        "X-Forwarded-For": "203.0.113.9",
        "X-Real-IP": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "1",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "for=203.0.113.9",
    }
    got = sent_on(mirror.get("/livez", headers=said))
    assert (got["x-forwarded-for"], got["x-real-ip"]) == (["127.0.0.1"], ["127.0.0.1"])
    assert (got["x-forwarded-proto"], got["x-forwarded-host"]) == (["http"], got["host"])
    assert not {"x-forwarded-port", "x-forwarded-prefix", "forwarded"} & set(got)
    assert mirror.logged(request_id="spoofed")["client"] == "127.0.0.1"


def test_a_proxy_that_is_trusted_is_believed_back_to_the_first_that_is_not(nginx: Start, echo: Echo) -> None:
    trusting = nginx(echo.port, NGINX_TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8")
    said = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9, 10.1.2.3", "X-Forwarded-Proto": "https"}
    answer = trusting.get("/livez", headers=said)
    got = sent_on(answer)
    assert (got["x-forwarded-for"], got["x-forwarded-proto"]) == (["203.0.113.9"], ["https"])
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    trusting.logged(client="203.0.113.9")


def test_connections_to_the_application_are_kept(mirror: Nginx) -> None:
    ports = {mirror.get("/livez").json()["port"] for _ in range(20)}
    assert len(ports) <= 4  # one a worker of nginx


def test_an_address_arrives_as_it_was_sent(mirror: Nginx) -> None:
    path = "/models/org%2Fa//b/../c?filter=a%20%3E%201"
    answer = mirror.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["path"] == path


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/metrics?a=b", "//metrics", "/%6detrics", "/api/../metrics", "/metrics/", "/metrics/x", "/./metrics"],
)
def test_metrics_are_not_for_outside(mirror: Nginx, path: str) -> None:
    answer = mirror.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")


# --- limits


def test_a_client_that_asks_too_often_is_told_when_to_come_back(nginx: Start, behind: Up) -> None:
    limited = nginx(behind.port, NGINX_RATE="1r/s", NGINX_BURST="3")
    got = [limited.get("/api/v1/models") for _ in range(8)]
    assert [answer.status_code for answer in got[:4]] == [401] * 4
    refused = [answer for answer in got if answer.status_code == 429]
    assert refused
    body = problem(refused[0], "rate-limited")
    assert (refused[0].headers["Retry-After"], body["instance"]) == ("1", "/api/v1/models")
    assert "Too many requests" in page(limited.get("/models"))
    toast = limited.get("/models", headers={"HX-Request": "true"})
    assert (toast.status_code, toast.headers["HX-Reswap"]) == (429, "none")
    assert toast.text.startswith('<div hx-swap-oob="beforeend:#toasts">')
    assert limited.get("/static/icon.svg").status_code == 200


def test_ten_sign_ins_a_minute_and_any_number_of_looks_at_the_form(nginx: Start, behind: Up) -> None:
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


def test_the_rates_are_those_of_the_readme_unless_the_environment_says_otherwise(
    infra_folder: Callable[[], Path],
) -> None:
    folder = infra_folder()
    assert render(folder).returncode == 0
    made = (folder / "conf" / "conf.d" / "catapult.conf").read_text()
    assert "rate=30r/s" in made
    assert "rate=10r/m" in made
    assert render(folder, NGINX_RATE="7r/s").returncode == 0
    assert "rate=7r/s" in (folder / "conf" / "conf.d" / "catapult.conf").read_text()


def test_a_body_of_more_than_a_mebibyte_is_refused_and_one_of_a_mebibyte_is_not(front: Nginx, behind: Up) -> None:
    headers = {"X-API-Key": behind.keys["publisher"], "Content-Type": "application/json"}
    whole = b'{"name":"' + b"x" * (1024 * 1024 - 11) + b'"}'
    assert len(whole) == 1024 * 1024
    assert front.post("/api/v1/models", data=whole, headers=headers).status_code == 422
    body = problem(front.post("/api/v1/models", data=whole + b" ", headers=headers), "too-large")
    assert body["instance"] == "/api/v1/models"
    chunked = front.post("/api/v1/models", data=iter([whole, b" "]), headers=headers)
    problem(chunked, "too-large")
    assert "1 MiB" in page(front.post("/login", data=whole + b" "))


def test_half_sent_requests_stop_nobody_else(front: Nginx, behind: Up) -> None:
    head = b"POST /api/v1/models HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    halves = [head, head + b"Content-Length: 100\r\n\r\n{", b"GET / HT"]
    opened = [socket.create_connection(("127.0.0.1", front.port)) for _ in range(180)]
    try:
        for number, connection in enumerate(opened):
            connection.sendall(halves[number % 3])
        time.sleep(0.3)
        times = []
        for _ in range(20):
            before = time.monotonic()
            assert front.get("/api/v1/info", headers={"X-API-Key": behind.keys["viewer"]}).status_code == 200
            times.append(time.monotonic() - before)
        assert sorted(times)[10] < 0.5
    finally:
        for connection in opened:
            connection.close()


# --- its own errors


def test_without_the_application_programs_get_a_problem_and_people_a_page(alone: Nginx) -> None:
    got = alone.get("/api/v1/models?filter=x", headers={"X-Request-ID": "run-1"})
    body = problem(got, "unavailable")
    assert (body["status"], body["instance"], body["request_id"]) == (502, "/api/v1/models", "run-1")
    assert set(body) == {"type", "title", "status", "detail", "instance", "request_id"}
    assert (got.headers["Retry-After"], got.headers["Cache-Control"]) == ("2", "no-store")
    assert "Status 502" in page(alone.get("/models"))
    assert alone.get("/static/plain.css").status_code == 200


def test_a_request_id_with_quotation_marks_leaves_the_problem_whole(alone: Nginx) -> None:
    body = problem(alone.get("/api/v1/models", headers={"X-Request-ID": 'a"b\\'}), "unavailable")
    assert re.fullmatch("[0-9a-f]{32}", body["request_id"])


@pytest.mark.parametrize("path", ['/api/v1/"x', "/api/v1/\\x", "/api/<script>"])
def test_an_address_with_quotation_marks_leaves_the_problem_whole(alone: Nginx, path: str) -> None:
    answer = alone.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["instance"] == "/"


def test_an_application_that_keeps_silent_is_a_504(mirror: Nginx) -> None:
    body = problem(mirror.get("/api/silent"), "unavailable")
    assert body["status"] == 504
    assert "Status 504" in page(mirror.get("/silent"))


def test_a_method_that_files_do_not_take_is_a_405(alone: Nginx) -> None:
    assert alone.post("/static/icon.svg").status_code == 405
    assert "GET or HEAD" in page(alone.post("/static/icon.svg"))


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /api/v1/models HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /api/v1/models HTTP/1.1\r\n\r\n",
        b"GET /api/v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: nine\r\n\r\n",
        b"GET /api/v1/models HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET /api/v1/models HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 17_000 + b"\r\n\r\n",
        b"GET /api/" + b"x" * 17_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_400(alone: Nginx, request_text: bytes) -> None:
    head, _, body = alone.raw(request_text).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 "), head
    if b"problem+json" in head:
        assert json.loads(body)["type"] == "/docs/errors/bad-request"
    assert b"nginx/" not in head + body


@pytest.mark.parametrize("request_text", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"NONSENSE\r\n\r\n"])
def test_noise_is_a_400_too(alone: Nginx, request_text: bytes) -> None:
    assert b"400" in alone.raw(request_text).partition(b"\r\n")[0]


# --- what it writes down


def test_the_access_log_is_json_without_queries_and_keys(front: Nginx, behind: Up) -> None:
    key = behind.keys["viewer"]
    front.get(
        "/api/v1/models?search=very-secret", headers={"X-API-Key": key, "User-Agent": 'a"b', "X-Request-ID": "logged"}
    )
    line = front.logged(request_id="logged")
    assert (line["method"], line["path"], line["status"], line["agent"]) == ("GET", "/api/v1/models", 200, 'a"b')
    assert line["seconds"] >= 0
    assert line["upstream_status"] == "200"
    text = front.log.read_text() + front.said.read_text()
    assert "very-secret" not in text
    assert key[12:] not in text


def test_every_line_of_the_access_log_is_json_whatever_was_asked(alone: Nginx) -> None:
    for text in (
        b"GET /\r\n",
        b"NONSENSE\r\n\r\n",
        b'GET /"\x01 HTTP/1.1\r\nHost: x\r\n\r\n',
        b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    ):
        alone.raw(text)
    alone.get("/", headers={"X-Request-ID": "the-last"})
    assert alone.logged(request_id="the-last")


def test_the_audit_log_has_the_client_that_a_trusted_proxy_named_and_no_other(
    nginx: Start, front: Nginx, behind: Up
) -> None:
    trusting = nginx(behind.port, NGINX_TRUSTED_PROXIES="127.0.0.1")
    found = {}
    for each in (trusting, front):
        made = each.post(
            "/api/v1/models",
            json={"name": f"org/from-{each.port}", "storage_path": "docker.io/org/a"},
            headers={"X-API-Key": behind.keys["publisher"], "X-Forwarded-For": "198.51.100.7"},
        ).json()
        with behind.by("viewer") as viewer:
            (entry,) = viewer.get(f"/api/v1/audit-logs?resource_id={made['id']}").json()
        found[each] = entry["ip_address"]
    assert (found[trusting], found[front]) == ("198.51.100.7", "127.0.0.1")


def of_version(folder: Path, version: str) -> str:
    """A PATH on which nginx says that it is of this version."""
    stand_in = folder / "bin" / "nginx"
    stand_in.parent.mkdir(exist_ok=True)
    stand_in.write_text(f"#!/bin/sh\necho nginx version: nginx/{version} >&2\n")
    stand_in.chmod(0o755)
    return f"{stand_in.parent}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("version", "told"), [("1.25.0", " http2 default"), ("1.25.1", "http2 on;"), ("1.30.4", "http2 on;")]
)
def test_http_2_is_asked_for_in_the_words_of_that_nginx(
    infra_folder: Callable[[], Path], certificates: Path, version: str, told: str
) -> None:
    folder = infra_folder()
    assert render(folder, NGINX_SSL=str(certificates), PATH=of_version(folder, version)).returncode == 0
    assert told in (folder / "conf" / "conf.d" / "servers" / "https.conf").read_text()


def test_in_docker_backends_are_looked_up_again_and_again(infra_folder: Callable[[], Path]) -> None:
    folder = infra_folder()
    asked = {"NGINX_RESOLVER": "127.0.0.11", "NGINX_BACKENDS": "one:8000 two:8000", "NGINX_WORKERS": "2"}
    assert render(folder, **asked, PATH=of_version(folder, "1.27.3")).returncode == 0
    made = (folder / "conf" / "conf.d" / "catapult.conf").read_text()
    assert (
        "resolver 127.0.0.11 valid=2s ipv6=off; server one:8000 max_fails=1 fail_timeout=2s resolve; server two" in made
    )
    assert (folder / "conf" / "conf.d" / "parts" / "workers.conf").read_text().endswith("\nworker_processes 2;\n")
    older = render(folder, **asked, PATH=of_version(folder, "1.27.2"))
    assert older.returncode == 1
    assert "NGINX_RESOLVER takes nginx 1.27.3" in older.stderr


def test_the_image_s_own_way_of_filling_in_gives_the_same_files(infra_folder: Callable[[], Path]) -> None:
    """As its entrypoint does it: sources the .envsh, takes the names that fit the Dockerfile's filter, keeps sub-folders."""
    folder = infra_folder()
    assert render(folder).returncode == 0
    script = f"""
        set -e
        . {FILES}/18-catapult.envsh
        names=$(printf '${{%s}} ' $(awk 'END {{ for (name in ENVIRON) if (name ~ /^NGINX_/) print name }}' </dev/null))
        cd {FILES}/templates
        find . -type f -name '*.template' | while read -r template; do
          mkdir -p "{folder}/image/$(dirname "$template")"
          envsubst "$names" <"$template" >"{folder}/image/${{template%.template}}"
        done"""
    variables = {"PATH": os.environ["PATH"], "NGINX_SSL": str(folder / "ssl"), "NGINX_STATIC": str(STATIC)}
    subprocess.run(["sh", "-c", script], env=variables, check=True, timeout=30)
    made = {path.relative_to(folder / "image"): path.read_text() for path in (folder / "image").rglob("*.conf")}
    assert len(made) > 5
    for name, text in made.items():
        assert text == (folder / "conf" / "conf.d" / name).read_text()
        assert "${" not in text
