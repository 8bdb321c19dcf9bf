"""Signing in and out: what the cookie and the database hold, how long it lasts, and who may try."""

import hashlib
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import quote

import pytest
import requests
from signing_in import COOKIE, OURS, client, is_in, sign_in, token_of
from stage import SECRET, audited
from werkzeug.serving import make_server

from catapult.actions import sweeping
from catapult.rules.key_format import make as make_key
from catapult.web import auth

__all__ = ["client", "sign_in"]


# --- the cookie -------------------------------------------------------------------------------------------------------


def test_the_cookie_holds_a_random_token_and_the_database_its_hash(sign_in, sql, keys):
    response, client = sign_in(f"  {keys['releaser']}\n")  # pasted with blanks around it
    token = token_of(client)
    assert [row["name"] for row in sql("SELECT name FROM api_keys WHERE last_used_at IS NOT NULL")] == ["releaser-key"]
    [row] = sql("SELECT id, token_hash FROM sessions")
    assert response.status_code == 303
    assert len(token) >= 43
    assert bytes(row["token_hash"]) == hashlib.sha256(token.encode()).digest()
    everything = str(sql("SELECT * FROM sessions") + sql("SELECT * FROM audit_logs") + sql("SELECT * FROM api_keys"))
    assert token not in everything
    assert keys["releaser"] not in str(response.headers) + response.text
    assert str(row["id"]) not in str(response.headers)


@pytest.mark.parametrize(("base_url", "secure"), [("http://localhost", False), ("https://localhost", True)])
def test_no_script_and_no_other_site_gets_the_cookie(sign_in, base_url, secure):
    [cookie] = sign_in(base_url=base_url)[0].headers.getlist("Set-Cookie")
    parts = {part.strip() for part in cookie.split(";")[1:]}
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"} <= parts
    assert ("Secure" in parts) is secure
    assert "Domain" not in cookie


def test_each_sign_in_has_a_new_token_and_ends_the_session_before(client, sign_in, sql):
    client.set_cookie(COOKIE, "planted")
    sign_in(client=client)
    first = token_of(client)
    assert first not in (None, "planted")
    sign_in(client=client)
    assert token_of(client) != first
    assert len(sql("SELECT 1 FROM sessions")) == 1
    client.set_cookie(COOKIE, first)
    assert not is_in(client)


def test_two_browsers_of_one_key_have_two_sessions(sign_in):
    (_, one), (_, other) = sign_in(), sign_in()
    one.post("/logout", headers=OURS)
    assert not is_in(one)
    assert is_in(other)


@pytest.mark.parametrize("token", ["", "x", "x" * 5_000, "שלום", '"\\073', "a;b"])
def test_a_cookie_that_leads_nowhere_leads_to_the_sign_in(client, token):
    assert not is_in(client, Cookie=f"{COOKIE}={quote(token, safe=';')}")


def test_two_servers_on_one_host_do_not_sign_each_other_out(app, app_with, keys):
    """A browser sends a cookie to every port of its host."""
    one, other = app, app_with(secret_key="another secret for tests")
    with served(one) as first, served(other) as second, requests.Session() as browser:
        for url in (first, second, first):
            answer = browser.post(f"{url}/login", data={"key": keys["viewer"]}, headers=OURS, allow_redirects=False)
            assert answer.status_code == 303
            assert answer.headers["Location"] == "/"
        for url in (first, second):
            assert browser.get(f"{url}/models", allow_redirects=False).status_code == 200
        browser.post(f"{first}/logout", headers=OURS)
        assert browser.get(f"{first}/models", allow_redirects=False).status_code == 303
        assert browser.get(f"{second}/models", allow_redirects=False).status_code == 200


def test_the_name_of_the_cookie_is_the_instances_own_and_does_not_reveal_its_key(app_with):
    again, other = app_with(), app_with(secret_key="another secret for tests")
    names = [auth.cookie_name(each.secret_key) for each in (again, other)]
    assert names[0] == COOKIE != names[1]
    assert all(re.fullmatch("catapult_[0-9a-f]{8}", name) for name in names)
    assert names[0].partition("_")[2] not in hashlib.sha256(SECRET.encode()).hexdigest() + SECRET.encode().hex()


@contextmanager
def served(app):
    """Serve the application on a port of its own, and yield its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# --- how long ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("began", "used", "lasts"),
    [
        ("11:59:50", "1:00:00", True),
        ("12:00:01", "0", False),
        ("2:30:00", "1:59:50", True),
        ("2:30:00", "2:00:01", False),
    ],
)
def test_a_session_lasts_twelve_hours_and_two_without_use(sign_in, sql, began, used, lasts):
    _, client = sign_in()
    set_times(sql, began, used)
    assert is_in(client) is lasts


def set_times(sql, began, used):
    sql(f"UPDATE sessions SET created_at = now() - interval '{began}', used_at = now() - interval '{used}'")


def idle(sql):
    return sql("SELECT now() - used_at AS idle FROM sessions")[0]["idle"].total_seconds()


def test_a_request_counts_as_use_to_the_minute(sign_in, sql):
    _, client = sign_in()
    for seconds, counts in ((50, False), (60, True), (3_600, True)):
        set_times(sql, "3:00:00", f"{seconds} seconds")
        is_in(client)
        assert (idle(sql) < seconds) is counts


def test_a_page_that_asks_by_itself_is_no_use_and_the_api_does_not_know_that(sign_in, api, sql):
    _, client = sign_in()
    sql("UPDATE api_keys SET last_used_at = now() - interval '1 hour'")
    set_times(sql, "3:00:00", "1 hour")
    assert is_in(client, "/", **{"X-Poll": "1"})
    assert idle(sql) >= 3_600
    assert sql("SELECT 1 FROM api_keys WHERE last_used_at > now() - interval '1 hour'") == []
    set_times(sql, "3:00:00", "2:00:01")
    assert not is_in(client, "/", **{"X-Poll": "1"})
    api.get("/api/v1/models", headers={"X-Poll": "1"})
    assert len(sql("SELECT 1 FROM api_keys WHERE last_used_at > now() - interval '1 hour'")) == 1


@pytest.mark.parametrize(
    ("change", "status"), [("revoked_at = now()", 303), ("expires_at = now()", 303), ("role = 'viewer'", 403)]
)
def test_a_session_has_the_state_and_the_role_that_its_key_has_now(sign_in, api, sql, change, status):
    made = api.make("/api/v1/api-keys", {"name": "short", "role": "admin"})
    _, client = sign_in(made["key"])
    assert client.get("/keys").status_code == 200
    sql(f"UPDATE api_keys SET {change} WHERE id = :id", id=made["id"])
    assert client.get("/keys").status_code == status


def test_signing_out_ends_the_session_and_takes_the_cookie(sign_in, sql):
    _, client = sign_in()
    token = token_of(client)
    response = client.post("/logout", headers=OURS)
    assert (response.status_code, response.headers["Location"]) == (303, "/login")
    assert (token_of(client), sql("SELECT 1 FROM sessions")) == (None, [])
    client.set_cookie(COOKIE, token)
    assert not is_in(client)


def test_old_sessions_and_counts_are_swept(sign_in, sql, app):
    (_, idle), _ = sign_in(), sign_in()
    sql(
        "UPDATE sessions SET used_at = now() - interval '2 hours' WHERE token_hash = :hash",
        hash=hashlib.sha256(token_of(idle).encode()).digest(),
    )
    sql("INSERT INTO sign_in_counts VALUES ('192.0.2.1', now() - interval '3 hours', 1)")
    with app.app_context():
        assert sweeping.sweep()
    assert len(sql("SELECT 1 FROM sessions")) == 1
    assert {row["address"] for row in sql("SELECT address FROM sign_in_counts")} == {"127.0.0.1"}


# --- what is written down ---------------------------------------------------------------------------------------------


def test_coming_and_going_is_audited_with_the_keys_name(sign_in, trail, sql):
    _, client = sign_in(environ_base={"REMOTE_ADDR": "192.0.2.7"}, headers={"X-Request-ID": "run-42"})
    [session] = sql("SELECT id FROM sessions")
    client.post("/logout", headers=OURS)
    entries = trail("session.create") + trail("session.delete")
    assert [audited(entry) for entry in entries] == [
        (f"session.{verb}", str(session["id"]), "releaser-key") for verb in ("create", "delete")
    ]
    assert (entries[0]["ip_address"], entries[0]["request_id"]) == ("192.0.2.7", "run-42")


def test_a_session_that_a_sign_in_ends_reads_as_ended_by_it(sign_in, trail, sql, keys):
    _, client = sign_in()
    [former] = sql("SELECT id FROM sessions")
    client.post("/login", data={"key": keys["viewer"]}, headers=OURS)
    [entry] = trail("session.delete")
    assert (entry["resource_id"], entry["api_key_name"]) == (former["id"], "viewer-key")
    assert entry["request_id"] == trail("session.create")[0]["request_id"]
    client.set_cookie(COOKIE, "of nobody")
    client.post("/login", data={"key": keys["viewer"]}, headers=OURS)
    assert len(trail("session.delete")) == 1


@pytest.mark.parametrize("key", ["", "  ", "cat_", "no key", "x" * 10_000, "\x00", "\U0001f600"])
def test_what_is_no_key_is_refused_as_one(sign_in, key):
    response, client = sign_in(key)
    assert (response.status_code, token_of(client)) == (422, None)


def test_who_is_refused_reads_the_same_words_whatever_is_wrong_and_is_audited(sign_in, api, sql, trail):
    texts = set()
    for reason, change in (("revoked", "revoked_at = now()"), ("expired", "expires_at = now()"), ("unknown", None)):
        made = make_key()._asdict()
        if change:
            made = api.make("/api/v1/api-keys", {"name": reason, "role": "viewer"})
            sql(f"UPDATE api_keys SET {change} WHERE id = :id", id=made["id"])
        response, browser = sign_in(made["key"], data={"next": "/audit"})
        assert (response.status_code, token_of(browser)) == (422, None)
        assert made["key"] not in response.text
        texts.add(response.text)
        entry = trail("auth.refused")[0]
        assert (entry["details"]["reason"], entry["details"]["prefix"]) == (reason, made["prefix"])
        assert made["key"] not in str(entry)
    [page] = texts
    assert 'aria-invalid="true"' in page
    assert 'name="next" value="/audit"' in page


# --- how often --------------------------------------------------------------------------------------------------------


def attempts(sql, count, address="127.0.0.1"):
    """So many attempts in this minute, and in the next one, which may begin meanwhile."""
    for minute in ("now()", "now() + interval '1 minute'"):
        sql(f"INSERT INTO sign_in_counts VALUES ('{address}', date_trunc('minute', {minute}), {count})")


def test_a_tenth_sign_in_within_a_minute_is_let_in_and_an_eleventh_is_not(client, keys, sql, trail):
    attempts(sql, 9)
    assert client.post("/login", data={"key": keys["viewer"]}, headers=OURS).status_code == 303
    sql("UPDATE sign_in_counts SET attempts = 10")
    fresh = client.application.test_client()
    response = fresh.post("/login", data={"key": keys["viewer"]}, headers=OURS)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "60")
    assert "<form" in response.text
    assert "Wait a minute" in response.text
    assert token_of(fresh) is None
    assert len(trail("session.create")) == 1
    assert is_in(client)


def test_another_address_and_another_minute_are_not_held_up(client, keys, sql):
    attempts(sql, 10, "192.0.2.1")
    sql(
        "INSERT INTO sign_in_counts VALUES ('127.0.0.1', date_trunc('minute', statement_timestamp()) - interval '1 minute', 10)"
    )
    assert client.post("/login", data={"key": keys["viewer"]}, headers=OURS).status_code == 303


def test_a_wrong_key_counts_and_a_request_of_another_site_does_not(client, sql):
    client.post("/login", data={"key": "wrong"}, headers=OURS)
    client.post("/login", data={"key": "wrong"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert sum(row["attempts"] for row in sql("SELECT attempts FROM sign_in_counts")) == 1


def test_all_processes_count_together(app, app_with, sql):
    apps = (app, app_with())

    def attempt(number):
        client = apps[number % 2].test_client()
        return client.post("/login", data={"key": "wrong"}, headers=OURS).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(attempt, range(30)))
    minutes = [row["attempts"] for row in sql("SELECT attempts FROM sign_in_counts")]
    assert set(answers) == {422, 429}
    assert answers.count(422) == sum(minutes)
    assert max(minutes) == 10


# --- two doors --------------------------------------------------------------------------------------------------------


def test_a_page_does_not_take_a_key_in_a_header(client, keys):
    assert not is_in(client, **{"X-API-Key": keys["admin"]})
    assert not is_in(client, Authorization=f"Bearer {keys['admin']}")
