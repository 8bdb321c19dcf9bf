"""The log of a running server: one JSON line for each request, and never a key, a body or a query."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from up import ROOT, Caller, Up, a_model, at_once, environment, python, until

pytestmark = pytest.mark.live
FIELDS = {
    *("event", "level", "timestamp", "request_id", "trace_id", "span_id", "key", "client"),
    *("method", "path", "route", "status", "ms"),
}
NOWHERE = "019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11"


@pytest.fixture
def lines(live: Up) -> Callable[[str], list[dict[str, object]]]:
    """A function that returns the lines of the request with this id, once there is one."""

    def of(request_id: str) -> list[dict[str, object]]:
        until(lambda: request_id in live.log.read_text())
        return [line for line in live.lines() if line.get("request_id") == request_id]

    return of


@pytest.fixture
def publisher(live: Up) -> Iterator[Caller]:
    with live.by("publisher") as caller:
        yield caller


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/api/v1/models?search=looked-for", "/api/v1/models", 200),
        ("GET", f"/api/v1/models/{NOWHERE}", "/api/v1/models/<", 404),
        ("DELETE", f"/api/v1/versions/{NOWHERE}", "/api/v1/versions/<", 403),
        ("POST", "/api/v1/versions", "/api/v1/versions", 422),
        ("GET", "/looked-for", None, 404),
        ("PATCH", "/api/v1/models", None, 405),
    ],
)
def test_a_request_is_one_line_with_key_route_status_and_duration(
    publisher: Caller, lines: Callable, method: str, path: str, route: str | None, status: int
) -> None:
    request_id = f"one-line-{method}-{status}-{len(path)}"
    answer = publisher.request(method, path, headers={"X-Request-ID": request_id})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (status, request_id)
    (line,) = lines(request_id)
    assert set(line) == FIELDS
    assert line["event"] == "request"
    assert (line["method"], line["status"], line["level"]) == (method, status, "info")
    assert line["key"] == ("publisher-key" if route else None)
    assert (line["route"] or "").startswith(route or "")
    assert (line["route"] is None) == (route is None)
    assert isinstance(line["ms"], float)
    assert 0 < line["ms"] < 20_000
    assert (line["client"], line["path"]) == ("127.0.0.1", path.partition("?")[0])
    assert "search" not in json.dumps(line)


def test_requests_at_once_write_one_whole_line_each(live: Up, publisher: Caller) -> None:
    ids = [f"at-once-{n}" for n in range(32)]
    at_once(*[partial(publisher.get, "/api/v1/models", headers={"X-Request-ID": each}) for each in ids])
    until(lambda: len(re.findall(r"at-once-\d", live.log.read_text())) == 32)
    logged = [line["request_id"] for line in live.lines("request") if "at-once-" in line["request_id"]]
    assert sorted(logged) == sorted(ids)


def test_what_clients_send_is_not_in_the_log(live: Up, publisher: Caller) -> None:
    """Secrets in keys, headers, bodies, queries and addresses, valid and invalid."""
    key, secret = live.keys["publisher"], "a-secret-of-somebody"
    mistyped = key[:-1] + ("A" if key[-1] != "A" else "B")
    model = a_model("logs/secret", description=secret, metadata={"password": secret})
    with live.caller() as anybody:
        post, get = partial(publisher.post, "/api/v1/models"), publisher.get
        ask = partial(anybody.get, "/api/v1/models")
        sent = [{"Cookie": f"session={secret}"}, {"X-API-Key": mistyped}, {"X-API-Key": secret}]
        sent += [{"Authorization": value} for value in (f"Bearer {key}", f"Bearer {mistyped}", f"Basic {secret}")]
        answers = [
            *(post(json=model), post(json=model), post(json={**model, secret: secret})),
            post(data=f'{{"name": "{secret}', headers={"Content-Type": "application/json"}),
            post(data=secret, headers={"Content-Type": secret}),
            get("/api/v1/models", params={"search": secret}),
            get("/api/v1/models", params={secret: secret, "api_key": key}),
            get(f"/nowhere/{key}"),
            *(ask(headers=headers) for headers in sent),
        ]
    last = answers[-1].headers["X-Request-ID"]
    until(lambda: last in live.log.read_text())
    assert [answer.status_code for answer in answers[:4]] == [201, 409, 422, 400]
    assert max(answer.status_code for answer in answers) < 500
    text = live.log.read_text() + live.said()
    assert not [word for word in (secret, key[12:], mistyped[12:], "Authorization", "Bearer", "Cookie") if word in text]


def test_the_lines_of_gunicorn_have_the_same_form(live: Up) -> None:
    before_requests = [line for line in live.lines() if line["event"] != "request"]
    assert any(line["event"].startswith("Listening at") for line in before_requests)
    assert all(set(line) >= {"event", "level", "timestamp"} for line in live.lines())


WRITE = "import structlog; from catapult.web import request_log; request_log.configure('WARNING')\nlog = structlog.get_logger()\n"


def test_on_a_terminal_lines_are_for_people() -> None:
    ours, theirs = pty.openpty()
    try:
        command = [sys.executable, "-c", f"{WRITE}log.error('it broke', why='no reason')"]
        subprocess.run(command, cwd=ROOT, env=environment(), stderr=theirs, timeout=30, check=True)
        text = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "it broke" in text
    assert "{" not in text


def test_the_level_holds_for_our_own_lines_and_those_of_libraries() -> None:
    code = (
        "import logging\nfor each in (log, logging.getLogger('gunicorn.error')): each.info('no'); each.warning('yes')"
    )
    lines = [json.loads(line) for line in python("-c", WRITE + code).stderr.splitlines()]
    assert [line["event"] for line in lines] == ["yes", "yes"]
    assert [set(line) for line in lines] == [{"event", "level", "timestamp"}] * 2


def test_what_nobody_catches_is_a_line_as_well() -> None:
    code = """
import threading, warnings
request_log.log_what_nobody_catches()
class Broken:
    def __del__(self): raise ValueError("in a destructor")
warnings.warn("be warned")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
Broken()
"""
    lines = [json.loads(line) for line in python("-c", WRITE + code).stderr.splitlines()]
    assert ["be warned" in lines[0]["event"], *(line["event"] for line in lines[1:])] == [True, "fault", "fault"]
    assert [line["exception"].splitlines()[-1] for line in lines[1:]] == [
        "ZeroDivisionError: division by zero",
        "ValueError: in a destructor",
    ]
