"""A server behind proxies: gunicorn trusts no headers, and the application only those of the proxies it is told to trust."""

from collections.abc import Iterator

import pytest
from up import Caller, Start, Up, a_model, for_a_team, problem

pytestmark = pytest.mark.live
CLIENT, BALANCER, SPOOFED = "203.0.113.9", "10.9.0.7", "198.51.100.66"
SENT = {"X-Forwarded-For": f"{SPOOFED}, {CLIENT}, {BALANCER}", "X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "on"}


@pytest.fixture(scope="module")
def proxied(start: Start, make_database) -> Up:
    trust = {"TRUSTED_PROXIES": f"127.0.0.1, {BALANCER}", "TRUSTED_HOSTS": "ml.example.com, 127.0.0.1"}
    return start(**for_a_team(make_database()), **trust).ready()


@pytest.fixture
def admin(proxied: Up) -> Iterator[Caller]:
    with proxied.caller(proxied.key) as caller:
        yield caller


def client_address(server: Up, name: str) -> str:
    [(address,)] = server.sql("SELECT ip_address FROM audit_logs WHERE details ->> 'name' = %s", name)
    return str(address)


def test_two_trusted_proxies_pass_on_the_client_whatever_it_claims(proxied: Up, admin: Caller) -> None:
    headers = {**SENT, "X-Forwarded-Host": "ml.example.com"}
    for name in ("proxied/a", "proxied/b"):
        assert admin.post("/api/v1/models", json=a_model(name), headers=headers).status_code == 201
    assert client_address(proxied, "proxied/a") == CLIENT
    listed = admin.get("/api/v1/models?limit=1", headers=headers)
    assert listed.links["next"]["url"].startswith("https://ml.example.com/api/v1/models?")
    assert "Strict-Transport-Security" in listed.headers


def test_without_the_setting_no_forwarded_header_is_trusted(live: Up) -> None:
    with live.by("publisher") as publisher:
        created = publisher.post("/api/v1/models", json=a_model("proxied/spoofed"), headers=SENT)
    assert created.status_code == 201
    assert client_address(live, "proxied/spoofed") == "127.0.0.1"
    assert "Strict-Transport-Security" not in created.headers


def test_a_wrong_host_is_refused_as_a_problem_or_a_page(proxied: Up, admin: Caller) -> None:
    problem(admin.get("/api/v1/models", headers={"Host": "evil.example.com"}), "bad-request")
    page = admin.get("/", headers={"Host": "evil.example.com", "Accept": "text/html"})
    assert (page.status_code, page.headers["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert admin.get("/livez", headers={"Host": "10.0.0.3"}).status_code == 200
