"""Two servers on one PostgreSQL through PgBouncer in transaction mode, behind one nginx: what one does holds for the other."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import requests
from front import FILES, Nginx
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER
from pool import PgBouncer
from rolling import OURS, clients
from stage import on_server, url_of
from store import Redis
from up import ROOT, Caller, Start, Up, a_model, at_once, for_a_team, problem, statuses, until

from catapult.embedded import Embedded
from catapult.extensions import LIMITS

pytestmark = pytest.mark.live
ADDRESSES = count(1)
Nodes = tuple[Up, Up]
POOL = 6
TAKEN_OUT = 2.5  # seconds for which nginx asks a server no more that did not answer


@pytest.fixture(scope="module")
def pgbouncer(needs: Callable[[str], str], infra_folder: Callable[[], Path], cluster: Embedded) -> Iterator[PgBouncer]:
    """With six connections for the 32 that two servers may open."""
    pool = PgBouncer(needs("pgbouncer"), infra_folder(), cluster, default_pool_size=str(POOL))
    try:
        yield pool.ready()
    finally:
        pool.close()


@pytest.fixture(scope="module")
def url(pgbouncer: PgBouncer, cluster: Embedded) -> str:
    """An empty database, through PgBouncer, whose own time is not UTC."""
    on_server(cluster, "CREATE DATABASE two_nodes")
    on_server(cluster, "ALTER DATABASE two_nodes SET timezone TO 'Asia/Kolkata'")
    return pgbouncer.url("two_nodes")


@pytest.fixture(scope="module")
def nodes(start: Start, url: str, cluster: Embedded) -> Nodes:
    """Both begun on an empty database and held at the lock of the migrations until both wait there; with a key of each role."""
    settings = {**for_a_team(url), "TRUSTED_PROXIES": "127.0.0.1"}
    with closing(psycopg2.connect(url_of(cluster, "two_nodes"))) as held, held.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [migration_lock()])
        one, other = start(**settings), start(**settings)
        until(lambda: waiting(cursor) == 2, 40)
    # closing it lets both go on at the same moment
    one.ready(), other.ready()
    first = one if "Key:" in one.said() else other
    first.make_keys()
    one.keys = other.keys = first.keys
    return one, other


def migration_lock() -> int:
    (found,) = re.findall(r"^LOCK = (0x[0-9A-Fa-f_]+)$", (ROOT / "migrations" / "env.py").read_text(), re.MULTILINE)
    return int(found, 16)


def waiting(cursor: Any) -> int:
    """How many wait for an advisory lock."""
    cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    return int(cursor.fetchone()[0])


@pytest.fixture
def admins(nodes: Nodes) -> Iterator[tuple[Caller, Caller]]:
    """An administrator at each."""
    with nodes[0].by("admin") as one, nodes[1].by("admin") as other:
        yield one, other


def signed_in(node: Up, key: str) -> Caller:
    """A browser of an address that nobody else signs in from."""
    browser = Caller(node.url)
    headers = {**OURS, "X-Forwarded-For": f"203.0.113.{next(ADDRESSES)}"}
    answer = browser.post("/login", data={"key": key}, headers=headers, allow_redirects=False)
    assert answer.status_code == 303
    return browser


def opens(browser: Caller) -> bool:
    answer = browser.get("/models", allow_redirects=False)
    assert answer.status_code == 200 or answer.headers["Location"].startswith("/login?next=")
    return answer.status_code == 200


def taken_to(node: Up, browser: Caller) -> Caller:
    """The same browser, asking the other server."""
    there = Caller(node.url)
    there.cookies.update(browser.cookies)
    return there


# --- at the start


def test_two_that_start_at_once_on_an_empty_database_migrate_once_and_make_one_key(nodes: Nodes) -> None:
    assert sorted(node.said().count("Key: ") for node in nodes) == [0, 1]
    for node in nodes:
        with node.caller() as anybody:
            assert anybody.get("/readyz").status_code == 200
        assert node.lines("fault") == []
    assert nodes[0].sql("SELECT count(*) FROM alembic_version") == [(1,)]
    assert nodes[0].sql("SELECT count(*) FROM audit_logs WHERE api_key_name = 'cli'") == [(1,)]


def test_no_server_finds_anything_to_warn_of(nodes: Nodes) -> None:
    for node in nodes:
        assert [line for line in node.lines() if line["level"] not in ("info", "debug")] == []


def test_a_pooler_that_leaves_the_time_outs_out_is_named_at_the_start_and_times_are_in_utc_all_the_same(
    needs: Callable[[str], str], infra_folder: Callable[[], Path], cluster: Embedded, make_database, start: Start
) -> None:
    name = make_database().partition("?")[0].rpartition("/")[2]
    on_server(cluster, f"ALTER DATABASE {name} SET timezone TO 'Asia/Kolkata'")
    bare = PgBouncer(needs("pgbouncer"), infra_folder(), cluster, connect_query=False)
    try:
        node = start(**for_a_team(bare.ready().url(name)), WEB_CONCURRENCY="1").ready()
        (line,) = [line for line in node.lines() if line["level"] == "warning"]
        assert line["event"].startswith("the database connection has no time-outs: ")
        assert line["missing"] == ["idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout"]
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


def test_the_connections_of_both_are_few_and_keep_the_time_outs_that_the_code_asks_for(
    pgbouncer: PgBouncer, cluster: Embedded, admins: tuple[Caller, Caller], url: str
) -> None:
    answers = at_once(*[partial(admin.get, "/api/v1/models") for admin in admins * 16])
    assert statuses(answers) == {200: 32}
    (pool,) = [row for row in pgbouncer.show("POOLS") if row["database"] == "two_nodes"]
    assert pool["pool_mode"] == "transaction"
    assert pool["cl_active"] + pool["cl_waiting"] > POOL
    asked = tuple(re.findall(r"-c \w+_timeout=(\w+)", LIMITS))
    assert len(asked) == 3
    with ExitStack() as held:
        seen = [held.enter_context(in_transaction(url)) for _ in range(POOL)]
        for cursor in seen:
            cursor.execute(
                "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'),"
                " current_setting('idle_in_transaction_session_timeout')"
            )
            assert cursor.fetchone() == asked
        seen[0].execute("SELECT count(*) FROM pg_stat_activity WHERE datname = 'two_nodes'")
        assert seen[0].fetchone() == (POOL,)


def test_no_lock_stays_behind_in_a_connection_that_others_get(nodes: Nodes, admins: tuple[Caller, Caller]) -> None:
    works = [
        partial(admin.post, "/api/v1/models", json=a_model(f"two/locks-{n}"), headers={"Idempotency-Key": f"locks-{n}"})
        for n, admin in enumerate(admins * 8)
    ]
    assert statuses(at_once(*works)) == {201: 16}
    assert nodes[0].sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


def test_when_the_pool_has_no_connection_left_requests_are_refused_and_do_not_hang(
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


def test_times_are_in_utc_whatever_the_database_s_own_time_is(nodes: Nodes, admins: tuple[Caller, Caller]) -> None:
    made = admins[0].model("two/times")
    ((zone, kept),) = nodes[0].sql(
        "SELECT current_setting('timezone'), to_char(timezone('UTC', created_at), 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
        " FROM models WHERE id = %s",
        made["id"],
    )
    assert (zone, made["created_at"]) == ("UTC", kept)  # the pooler's file sets it
    (listed,) = admins[1].get("/api/v1/models?name=two/times").json()
    assert listed["created_at"] == kept


# --- what one does holds for the other


def test_a_session_of_one_is_one_of_the_other_and_ends_on_both(nodes: Nodes) -> None:
    for here, there in (nodes, reversed(nodes)):
        with signed_in(here, here.keys["viewer"]) as browser, taken_to(there, browser) as same:
            assert opens(browser)
            assert opens(same)
            assert same.post("/logout", headers=OURS, allow_redirects=False).status_code == 303
            browser.cookies.update(browser.cookies)
            assert not opens(browser)
            assert not opens(taken_to(there, browser))


def test_a_key_that_one_revokes_is_refused_by_the_other_at_the_next_request(
    nodes: Nodes, admins: tuple[Caller, Caller]
) -> None:
    for n, (admin, there) in enumerate(zip(admins * 4, (nodes[1], nodes[0]) * 4, strict=True)):
        made = admin.made("/api/v1/api-keys", {"name": f"two/revoked-{n}", "role": "viewer"})
        with there.caller(made["key"]) as caller, signed_in(there, made["key"]) as browser:
            assert caller.get("/api/v1/models").status_code == 200
            assert opens(browser)
            assert admin.delete(f"/api/v1/api-keys/{made['id']}").status_code == 204
            problem(caller.get("/api/v1/models"), "unauthenticated")
            assert not opens(browser)


def test_one_idempotency_key_at_both_at_once_makes_one_change_and_one_answer(
    nodes: Nodes, admins: tuple[Caller, Caller]
) -> None:
    for n in range(6):
        name, headers = f"two/once-{n}", {"Idempotency-Key": f"once-{n}"}
        answers = at_once(
            *[partial(admin.post, "/api/v1/models", json=a_model(name), headers=headers) for admin in admins * 4]
        )
        assert set(statuses(answers)) <= {201, 409}
        answers += [admin.post("/api/v1/models", json=a_model(name), headers=headers) for admin in admins]
        made = [answer for answer in answers if answer.status_code == 201]
        assert len({answer.content for answer in made}) == 1
        assert ["Idempotency-Replayed" in answer.headers for answer in made].count(False) == 1
        for answer in answers:
            if answer.status_code == 409:
                problem(answer, "idempotency-in-progress")
        assert made_once(nodes[0], name)


def test_one_idempotency_key_for_different_requests_at_once_makes_one_of_them(
    nodes: Nodes, admins: tuple[Caller, Caller]
) -> None:
    for n in range(6):
        headers = {"Idempotency-Key": f"either-{n}"}
        names = [f"two/either-{n}-a", f"two/either-{n}-b"]
        works = [
            partial(admin.post, "/api/v1/models", json=a_model(name), headers=headers)
            for admin, name in zip(admins, names, strict=True)
        ]
        answers = at_once(*works)
        (made,) = [answer.json()["name"] for answer in answers if answer.status_code == 201]
        (other,) = [answer for answer in answers if answer.status_code != 201]
        problem(other, "idempotency-in-progress" if other.status_code == 409 else "idempotency-mismatch")
        problem(works[1 - names.index(made)](), "idempotency-mismatch")
        assert [made_once(nodes[0], name) for name in names] == [name == made for name in names]


def test_sign_ins_at_both_add_up(nodes: Nodes) -> None:
    for address in ("198.51.100.1", "198.51.100.2", "198.51.100.3"):
        minute = nodes[0].sql("SELECT date_trunc('minute', now())")
        tried = [refused_sign_in(node, address) for node in nodes * 6]
        if nodes[0].sql("SELECT date_trunc('minute', now())") == minute:  # else a new count began meanwhile
            break
    assert [answer.status_code for answer in tried] == [422] * 10 + [429] * 2
    assert tried[-1].headers["Retry-After"] == "60"


def made_once(node: Up, name: str) -> bool:
    """It is there, with its one entry; False if neither is."""
    models = node.sql("SELECT id::text FROM models WHERE name = %s", name)
    entries = node.sql(
        "SELECT resource_id::text FROM audit_logs WHERE action = 'model.create' AND details ->> 'name' = %s", name
    )
    assert models == entries
    assert len(models) <= 1
    return bool(models)


def refused_sign_in(node: Up, address: str) -> requests.Response:
    with Caller(node.url) as browser:
        headers = {**OURS, "X-Forwarded-For": address}
        return browser.post("/login", data={"key": "cat_wrong"}, headers=headers)


@contextmanager
def in_transaction(url: str) -> Iterator[Any]:
    """A cursor whose connection to PostgreSQL is its own, once it has asked for anything."""
    with closing(psycopg2.connect(url, connect_timeout=5)) as connection, connection.cursor() as cursor:
        yield cursor


# --- limits


@pytest.fixture(scope="module")
def redis(needs: Callable[[str], str], infra_folder: Callable[[], Path]) -> Iterator[Redis]:
    store = Redis(needs("redis-server"), infra_folder())
    yield store
    store.die()


@pytest.fixture(scope="module")
def limited(nodes: Nodes, redis: Redis, start: Start, url: str) -> Nodes:
    """Two more on the same database, with an hour's limit of 20."""
    settings = {"RATE_LIMIT": "20 per hour", "RATE_LIMIT_STORAGE": redis.url, "WEB_CONCURRENCY": "1"}
    one, other = (start(**for_a_team(url), **settings) for _ in range(2))
    one.keys = other.keys = nodes[0].keys
    return one.ready(), other.ready()


def let_in(callers: list[Caller], at_most: int) -> int:
    """How many requests were answered, asked in turn, until one was not."""
    for n in range(at_most):
        answer = callers[n % len(callers)].get("/api/v1/info")
        if answer.status_code == 429:
            problem(answer, "rate-limited")
            return n
        assert answer.status_code == 200
    raise AssertionError(f"{at_most} were let in")


def test_a_limit_counts_over_both_and_each_counts_alone_while_redis_is_away(limited: Nodes, redis: Redis) -> None:
    with limited[0].by("viewer") as one, limited[1].by("viewer") as other:
        assert [one.get("/api/v1/info").status_code, other.get("/api/v1/info").status_code] == [200, 200]  # unknown yet
        assert let_in([one, other], 30) == 20
        assert let_in([other, one], 30) == 0

        redis.die()
        assert [let_in([caller], 30) for caller in (one, other)] == [20, 20]
        for node in limited:
            assert node.lines("fault") == []

        redis.start()
        for caller in (one, other):
            until(lambda caller=caller: caller.get("/api/v1/info").status_code == 200)
        assert let_in([one, other], 30) == 18


# --- restarting one after the other


def test_nginx_closes_what_it_keeps_open_before_a_server_that_ends_does() -> None:
    template = (FILES / "templates" / "catapult.conf.template").read_text()
    upstream = template.partition("upstream gunicorn {")[2].partition("\n}")[0]
    (seconds,) = re.findall(r"^\s*keepalive_timeout (\d+)s;", upstream, re.MULTILINE)
    assert int(seconds) <= STOP_KEEPALIVE_LINGER / 2


def test_a_rolling_restart_loses_no_request(nodes: Nodes, nginx: Callable[..., Nginx], start: Start) -> None:
    front = nginx(*(node.port for node in nodes), NGINX_RATE="10000r/s", NGINX_BURST="10000")
    with clients(front.url, nodes[0].keys["admin"], "rolling") as asking:
        for node in nodes:
            assert node.end() == 0
            assert "xception" not in node.log.read_text()
            asking.go_on()
            again = start(**node.settings).ready()
            with again.caller() as anybody:
                assert anybody.get("/readyz").status_code == 200
            time.sleep(TAKEN_OUT)
            asking.go_on()
    assert asking.lost() == []
    entries = again.sql("SELECT request_id, count(*) FROM audit_logs WHERE request_id LIKE 'rolling-%%' GROUP BY 1")
    assert dict(entries) == dict.fromkeys(asking.written(), 1)
    versions = again.sql(
        "SELECT count(*) FROM versions v JOIN models m ON m.id = v.model_id WHERE m.name LIKE 'rolling/%%'"
    )
    assert versions == [(sum(answer.method == "POST" for answer in asking.answers),)]
