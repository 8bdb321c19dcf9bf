"""Two servers on one PostgreSQL through PgBouncer in transaction mode, behind one nginx."""

import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from front import FILES, Nginx
from load import assert_kept, load
from pool import PgBouncer
from stage import on_server, url_of
from up import ROOT, Caller, Start, Up, a_model, at_once, for_a_team, problem, statuses, until

from catapult.embedded import Embedded
from catapult.extensions import LIMITS, engine_options
from catapult.server.worker import LINGER

pytestmark = pytest.mark.live
ADDRESSES = count(1)
Nodes = tuple[Up, Up]
POOL = 6
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def pgbouncer(needs: Callable[[str], str], infra_folder: Callable[[], Path], cluster: Embedded) -> Iterator[PgBouncer]:
    """PgBouncer with six connections to PostgreSQL, for the 32 that two servers may open to it."""
    pool = PgBouncer(needs("pgbouncer"), infra_folder(), cluster, default_pool_size=str(POOL))
    try:
        yield pool.ready()
    finally:
        pool.close()


@pytest.fixture(scope="module")
def url(pgbouncer: PgBouncer, cluster: Embedded) -> str:
    """The address of an empty database through PgBouncer. Its own time zone is not UTC."""
    on_server(cluster, "CREATE DATABASE two_nodes")
    on_server(cluster, "ALTER DATABASE two_nodes SET timezone TO 'Asia/Kolkata'")
    return pgbouncer.url("two_nodes")


@pytest.fixture(scope="module")
def nodes(start: Start, url: str, cluster: Embedded) -> Nodes:
    """Two servers that start at the same moment on an empty database, with a key of each role."""
    settings = {**for_a_team(url), "TRUSTED_PROXIES": "127.0.0.1"}
    with closing(psycopg2.connect(url_of(cluster, "two_nodes"))) as held, held.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [migration_lock()])
        one, other = start(**settings), start(**settings)
        until(lambda: waiting(cursor) == 2, 40)
    # Closing the connection releases the lock of the migrations that both wait for.
    one.ready(), other.ready()
    first = one if "Key:" in one.said() else other
    first.make_keys()
    one.keys = other.keys = first.keys
    return one, other


def migration_lock() -> int:
    (found,) = re.findall(r"^LOCK = (0x[0-9A-Fa-f_]+)$", (ROOT / "migrations" / "env.py").read_text(), re.MULTILINE)
    return int(found, 16)


def waiting(cursor: Any) -> int:
    """Return how many sessions wait for an advisory lock."""
    cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    return int(cursor.fetchone()[0])


@pytest.fixture
def admins(nodes: Nodes) -> Iterator[tuple[Caller, Caller]]:
    """An administrator's client for each server."""
    with nodes[0].by("admin") as one, nodes[1].by("admin") as other:
        yield one, other


def signed_in(node: Up, key: str) -> Caller:
    """Return a signed-in browser with a client address of its own."""
    browser = Caller(node.url)
    headers = {**OURS, "X-Forwarded-For": f"203.0.113.{next(ADDRESSES)}"}
    answer = browser.post("/login", data={"key": key}, headers=headers, allow_redirects=False)
    assert answer.status_code == 303
    return browser


def is_signed_in(browser: Caller) -> bool:
    answer = browser.get("/models", allow_redirects=False)
    assert answer.status_code == 200 or answer.headers["Location"].startswith("/login?next=")
    return answer.status_code == 200


def same_session(node: Up, browser: Caller) -> Caller:
    """Return a browser at this server with the cookies of another."""
    other = Caller(node.url)
    other.cookies.update(browser.cookies)
    return other


# --- at the start


def test_two_servers_that_start_at_once_migrate_once_and_create_one_key(nodes: Nodes) -> None:
    assert sorted(node.said().count("Key: ") for node in nodes) == [0, 1]
    for node in nodes:
        with node.caller() as anybody:
            assert anybody.get("/readyz").status_code == 200
        assert [line for line in node.lines() if line["level"] not in ("info", "debug")] == []
    assert nodes[0].sql("SELECT count(*) FROM alembic_version") == [(1,)]
    assert nodes[0].sql("SELECT count(*) FROM audit_logs WHERE api_key_name = 'cli'") == [(1,)]


def test_missing_settings_are_logged_at_the_start_and_times_are_in_utc_regardless(
    needs: Callable[[str], str], infra_folder: Callable[[], Path], cluster: Embedded, make_database, start: Start
) -> None:
    name = make_database().partition("?")[0].rpartition("/")[2]
    on_server(cluster, f"ALTER DATABASE {name} SET timezone TO 'Asia/Kolkata'")
    on_server(cluster, f"ALTER DATABASE {name} SET default_transaction_isolation TO serializable")
    bare = PgBouncer(needs("pgbouncer"), infra_folder(), cluster, connect_query=False)
    try:
        node = start(**for_a_team(bare.ready().url(name)), WEB_CONCURRENCY="1").ready()
        (line,) = [line for line in node.lines() if line["level"] == "warning"]
        assert line["event"].startswith("the database connection lacks settings: ")
        time_outs = ["idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout"]
        assert line["missing"] == ["default_transaction_isolation", *time_outs]
        body = {"frozen": True, "frozen_reason": "Sale", "frozen_until": (until := "2099-12-24T18:00:00.000000Z")}
        with node.caller(node.key) as admin, signed_in(node, node.key) as browser:
            assert admin.put("/api/v1/environments/zoned", json=body).json()["frozen_until"] == until
            assert "2099-12-24 18:00 UTC" in browser.get("/environments").text
            assert "2099-12-24T18:00" in browser.get("/environments/zoned/-/freeze").text
            model = admin.model("zoned/model")
            late = {"release_id": admin.version(model, "1")["id"], "environment": "zoned"}
            assert "until 2099-12-24 18:00:00 UTC" in admin.post("/api/v1/deployments", json=late).json()["detail"]
        assert node.end() == 0
    finally:
        bare.close()


# --- through the pool


def test_both_servers_share_few_connections_with_the_settings_of_the_code(
    pgbouncer: PgBouncer, cluster: Embedded, admins: tuple[Caller, Caller], url: str
) -> None:
    requests_at_once = [partial(admin.get, "/api/v1/models") for admin in admins * 16]
    until(lambda: statuses(at_once(*requests_at_once)) == {200: 32})
    (pool,) = [row for row in pgbouncer.show("POOLS") if row["database"] == "two_nodes"]
    assert pool["pool_mode"] == "transaction"
    assert pool["cl_active"] + pool["cl_waiting"] > POOL
    expected = dict(re.findall(r"-c (\w+)=(\w+)", LIMITS))
    assert len(expected) == 4
    with ExitStack() as held:
        seen = [held.enter_context(in_transaction(url)) for _ in range(POOL)]
        for cursor in seen:
            cursor.execute("SELECT name, current_setting(name) FROM unnest(%s) AS name", [list(expected)])
            assert dict(cursor.fetchall()) == expected
        seen[0].execute("SELECT count(*) FROM pg_stat_activity WHERE datname = 'two_nodes'")
        assert seen[0].fetchone() == (POOL,)


def test_the_application_and_the_pooler_give_up_on_a_silent_peer_after_the_same_time(
    pgbouncer: PgBouncer, url: str
) -> None:
    pooler = {row["key"]: int(row["value"]) for row in pgbouncer.show("CONFIG") if "timeout" in row["key"]}
    arguments = {"options": "", **engine_options(url)["connect_args"]}
    with (
        closing(psycopg2.connect(url, **arguments)) as connection,
        socket.socket(fileno=os.dup(connection.fileno())) as opened,
    ):
        in_force = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert in_force == pooler["tcp_user_timeout"] == 2500
    assert arguments["connect_timeout"] == pooler["server_connect_timeout"]


def test_no_lock_is_left_in_a_shared_connection(nodes: Nodes, admins: tuple[Caller, Caller]) -> None:
    works = [
        partial(admin.post, "/api/v1/models", json=a_model(f"two/locks-{n}"), headers={"Idempotency-Key": f"locks-{n}"})
        for n, admin in enumerate(admins * 8)
    ]
    assert statuses(at_once(*works)) == {201: 16}
    assert nodes[0].sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


def test_requests_are_refused_and_do_not_hang_when_the_pool_is_exhausted(
    admins: tuple[Caller, Caller], url: str
) -> None:
    with ExitStack() as held:
        for _ in range(POOL):
            held.enter_context(in_transaction(url)).execute("SELECT 1")
        answers = at_once(*[partial(admin.get, "/api/v1/models") for admin in admins * 4])
    assert statuses(answers) == {503: 8}
    for answer in answers:
        problem(answer, "unavailable")
        assert answer.headers["Retry-After"] == "2"
        assert answer.elapsed.total_seconds() < 10
    assert statuses([admin.get("/api/v1/models") for admin in admins]) == {200: 2}


# --- what one server does is in force at the other


def test_a_session_is_valid_at_both_servers_and_ends_at_both(nodes: Nodes) -> None:
    for here, there in (nodes, reversed(nodes)):
        with signed_in(here, here.keys["viewer"]) as browser, same_session(there, browser) as same:
            assert is_signed_in(browser)
            assert is_signed_in(same)
            assert same.post("/logout", headers=OURS, allow_redirects=False).status_code == 303
            assert not is_signed_in(browser)
            assert not is_signed_in(same_session(there, browser))


def test_a_revoked_key_is_refused_by_the_other_server_at_the_next_request(
    nodes: Nodes, admins: tuple[Caller, Caller]
) -> None:
    for admin, there in zip(admins, reversed(nodes), strict=True):
        made = admin.made("/api/v1/api-keys", {"name": "two/revoked", "role": "viewer"})
        with there.caller(made["key"]) as caller, signed_in(there, made["key"]) as browser:
            assert caller.get("/api/v1/models").status_code == 200
            assert is_signed_in(browser)
            assert admin.delete(f"/api/v1/api-keys/{made['id']}").status_code == 204
            problem(caller.get("/api/v1/models"), "unauthenticated")
            assert not is_signed_in(browser)


def test_one_idempotency_key_at_both_at_once_makes_one_change_and_one_response(
    nodes: Nodes, admins: tuple[Caller, Caller]
) -> None:
    for n in range(3):
        name, headers = f"two/once-{n}", {"Idempotency-Key": f"once-{n}"}
        answers = at_once(
            *[partial(admin.post, "/api/v1/models", json=a_model(name), headers=headers) for admin in admins * 4]
        )
        assert set(statuses(answers)) <= {201, 409}
        answers += [admin.post("/api/v1/models", json=a_model(name), headers=headers) for admin in admins]
        created = [answer for answer in answers if answer.status_code == 201]
        assert len({(answer.content, answer.headers["Location"]) for answer in created}) == 1
        assert ["Idempotency-Replayed" in answer.headers for answer in created].count(False) == 1
        for answer in answers:
            if answer.status_code == 409:
                problem(answer, "idempotency-in-progress")
                assert answer.headers["Retry-After"] == "1"
        assert nodes[0].sql("SELECT count(*) FROM models WHERE name = %s", name) == [(1,)]
        entry = "action = 'model.create' AND details ->> 'name' = %s"
        assert nodes[0].sql(f"SELECT count(*) FROM audit_logs WHERE {entry}", name) == [(1,)]


@contextmanager
def in_transaction(url: str) -> Iterator[Any]:
    """Yield a cursor that occupies a connection to PostgreSQL from its first statement on."""
    with closing(psycopg2.connect(url, connect_timeout=5)) as connection, connection.cursor() as cursor:
        yield cursor


def served_by(front: Nginx, port: int, after: int) -> bool:
    """Return whether nginx got an answer from the server at this port after so many lines of its log."""
    return any(line["upstream"] == f"127.0.0.1:{port}" for line in front.lines()[after:])


# --- restarting one after the other


def test_nginx_closes_idle_connections_before_a_server_that_shuts_down() -> None:
    template = (FILES / "templates" / "catapult.conf.template").read_text()
    (seconds,) = re.findall(r"upstream gunicorn .*? keepalive_timeout (\d+)s;", template, re.DOTALL)
    assert int(seconds) <= LINGER / 2


def test_a_rolling_restart_loses_no_request(nodes: Nodes, nginx: Callable[..., Nginx], start: Start) -> None:
    front = nginx(*(node.port for node in nodes), NGINX_RATE="10000r/s", NGINX_BURST="10000")
    with load(nodes[0], "rolling", url=front.url, threads=4, pause=0.05) as writes:
        one, other = nodes
        assert one.end() == 0
        writes.goes_on()
        start(**one.settings).ready()
        restarted = len(front.lines())
        until(lambda: served_by(front, one.port, restarted))
        assert other.end() == 0
        writes.goes_on()
    assert not [node for node in nodes if "xception" in node.log.read_text()]
    assert (writes.lost, writes.refused) == (0, [])
    assert_kept(nodes[0], writes)
