"""How many requests a key may send: by whom they are counted, and what the one too many gets."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis
from live.up import free_port, until
from stage import Api, counted, refusal

from catapult.web import rate_limit

OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def limited(app_with, keys):
    """Make the API of an application with this limit, on the test's own database."""

    def make(limit="3 per hour", storage="memory://"):
        return Api(app_with(rate_limit=limit, rate_limit_storage=storage), keys, "viewer")

    return make


def known(api, role="viewer"):
    """Two requests of the key: the first still counts for its address."""
    assert api.by(role).get("/api/v1/info").status_code == 200


def until_refused(api, path="/api/v1/info", **kwargs):
    """How many were let through, and the first that was not."""
    for count in range(20):
        answer = api.get(path, **kwargs)
        if answer.status_code == 429:
            return count, answer
    raise AssertionError("never refused")


def test_one_too_many_is_a_problem_that_says_when_to_come_again(limited):
    count, answer = until_refused(limited("3 per hour"))
    assert count == 4  # the first counted for the address
    assert refusal(answer) == "rate-limited"
    assert "3 per 1 hour" in answer.json["detail"]
    assert 1 <= int(answer.headers["Retry-After"]) <= 3601
    assert answer.headers["X-Request-ID"]


def test_each_key_has_its_own_count_and_all_addresses_of_the_api_are_one(limited):
    api = limited()
    known(api), known(api, "publisher")
    for path in ("/api/v1/info", "/api/v1/models", "/api/v1/nothing"):
        assert api.get(path).status_code != 429
    assert api.get("/api/v1/versions").status_code == 429
    assert api.by("publisher").get("/api/v1/versions").status_code == 200


def test_without_a_key_it_is_the_address_and_a_made_up_key_is_none(limited):
    api = limited()
    for number in range(3):
        headers = {"X-API-Key": f"cat_{number:08}_made-up"}
        assert api.by(None).get("/api/v1/info", headers=headers).status_code == 401
    assert api.by(None).get("/api/v1/info", headers={"X-API-Key": "cat_another"}).status_code == 429
    elsewhere = {"environ_base": {"REMOTE_ADDR": "198.51.100.7"}}
    assert api.by(None).get("/api/v1/info", **elsewhere).status_code == 401


def test_in_pages_it_is_the_key_of_the_session_and_the_refusal_is_a_toast(limited, keys):
    api = limited("4 per hour")
    first, second = api.app.test_client(), api.app.test_client()
    for client in (first, second):
        assert client.post("/login", data={"key": keys["viewer"]}, headers=OURS).status_code == 303
    assert [first.get("/models").status_code, second.get("/models").status_code] == [200, 200]
    statuses = [client.get("/models").status_code for client in (first, second, first, second, first)]
    assert statuses == [200, 200, 200, 200, 429]
    assert api.get("/api/v1/info").status_code == 429  # the address's own are used up by signing in
    part = second.get("/models", headers={"HX-Request": "true", "HX-Target": "list"})
    assert (part.status_code, part.headers["HX-Reswap"]) == (429, "none")
    assert "toast" in part.text
    assert int(part.headers["Retry-After"]) >= 1
    page = second.get("/models")
    assert page.status_code == 429
    assert "Too many requests" in page.text


def test_health_and_static_files_are_not_counted(limited):
    api = limited("1 per hour")
    until_refused(api)
    for path in ("/livez", "/readyz", "/api/health"):
        assert {api.by(None).get(path).status_code for _ in range(3)} == {200}
    with api.by(None).get("/static/catapult.css") as file:
        assert file.status_code == 200


def test_the_limit_costs_no_statement_and_a_refusal_none_at_all(limited, api, statements):
    limited_api = limited("5 per hour")
    known(limited_api)
    with counted(limited_api.app) as sent:
        limited_api.get("/api/v1/models")
    with statements() as without:
        api.by("viewer").get("/api/v1/models")
    assert sent == without
    until_refused(limited_api)
    with counted(limited_api.app) as refused:
        assert limited_api.get("/api/v1/models").status_code == 429
        assert limited_api.client.get("/models", headers={"X-API-Key": limited_api.keys["viewer"]}).status_code == 429
    assert refused == []


def test_without_the_setting_nothing_is_counted(api):
    assert rate_limit.EXTENSION not in api.app.extensions
    assert {api.get("/api/v1/info").status_code for _ in range(60)} == {200}


def test_who_waits_as_long_as_is_said_is_let_in_again(limited):
    api = limited("2 per second")
    known(api)
    _, answer = until_refused(api)
    refused = time.monotonic()
    until(lambda: api.get("/api/v1/info").status_code == 200)
    assert time.monotonic() - refused <= int(answer.headers["Retry-After"]) + 1


def test_bearers_are_forgotten_when_there_are_too_many(monkeypatch):
    monkeypatch.setattr(rate_limit, "KNOWN", 2)
    bearers = rate_limit.Bearers()
    for number in range(3):
        bearers.remember(b"%d" % number, number)
    assert [bearers.key_of(b"%d" % number) for number in range(3)] == [None, 1, 2]


# --- shared


@pytest.fixture
def storage(tmp_path) -> Iterator[str]:
    """Debian's Redis, for as long as the test lasts."""
    program, port = shutil.which("redis-server"), free_port()
    if program is None:
        pytest.skip("redis-server is not installed")
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as server:
        with redis.Redis(port=port) as client:
            until(lambda: answers(client))
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()


def answers(client):
    with suppress(redis.ConnectionError):
        return client.ping()
    return False


def test_two_servers_share_one_count_by_redis(limited, storage):
    one, other = limited(storage=storage), limited(storage=storage)
    known(one), known(other)
    assert [api.get("/api/v1/info").status_code for api in (one, other, one, other)] == [200, 200, 200, 429]


def test_when_the_storage_is_gone_each_process_counts_and_the_log_says_so(limited, capsys):
    api = limited("30 per hour", f"redis://:pa55word@127.0.0.1:{free_port()}/0")
    began = time.monotonic()
    assert {api.get("/api/v1/info").status_code for _ in range(20)} == {200}
    assert time.monotonic() - began < 3
    said = capsys.readouterr().err
    assert said.count("Rate limit storage unreachable") == 1
    assert "pa55word" not in said


def test_when_the_storage_is_back_the_count_is_shared_again(limited, storage):
    one, other = limited("3 per hour", storage), limited("3 per hour", storage)
    with redis.Redis.from_url(storage) as client:
        client.client_pause(600)
    known(one), known(other)
    time.sleep(1.2)  # Flask-Limiter looks for the storage again a second later, and tells nobody
    assert 429 in [api.get("/api/v1/info").status_code for api in (one, other) * 3]
