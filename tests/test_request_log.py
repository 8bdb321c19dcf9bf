"""The line that each request leaves in the log."""

from types import SimpleNamespace

import pytest

from catapult.rules import key_format
from catapult.web import request_log


@pytest.fixture
def lines(monkeypatch):
    written = []
    log = SimpleNamespace(info=lambda event, **values: written.append(values))
    monkeypatch.setattr(request_log, "log", log)
    return written


def test_a_line_names_the_client_and_the_path_without_the_query(api, lines):
    api.get("/api/v1/models/?search=hidden", environ_base={"REMOTE_ADDR": "203.0.113.9"})
    api.get("/api/v1/models?search=hidden", environ_base={"REMOTE_ADDR": "2001:db8::1"})
    found = [(line["client"], line["path"], line["route"], line["status"]) for line in lines]
    assert found == [
        ("203.0.113.9", "/api/v1/models/", None, 404),
        ("2001:db8::1", "/api/v1/models", "/api/v1/models", 200),
    ]
    assert "hidden" not in str(lines)


@pytest.mark.parametrize("mistyped", [False, True])
def test_a_key_in_the_path_is_masked(api, lines, mistyped):
    made = key_format.make()
    key = made.key[:-1] + "0" if mistyped else made.key
    api.get(f"/nowhere/{key}/and/{key[:40]}")
    assert lines[0]["path"] == f"/nowhere/{made.prefix}_***/and/{made.prefix}_***"


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/a%0A%7B%22event%22%3A%22forged%22%7D", "/a%0A%7B%22event%22:%22forged%22%7D"),
        ("/%1b%5b31mred", "/%1B%5B31mred"),
        ("/%D7%A9/a%20b", "/%D7%A9/a%20b"),
        ("/" + "x" * 5_000, "/" + "x" * 511),
    ],
)
def test_a_path_forges_no_line_and_is_cut(api, lines, path, logged):
    api.get(path)
    assert lines[0]["path"] == logged
