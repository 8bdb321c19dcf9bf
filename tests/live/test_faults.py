"""Faults while others work: a worker is killed, the database goes away, a row stays locked, connections run out.

Those of the database come twice: once with the server's own connections, and once with PgBouncer in between.
"""

import json
import re
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

import psutil
import psycopg2
import pytest
import requests
from load import SOON, assert_kept, assert_told_to_wait, load
from pool import PgBouncer
from up import Start, Up, a_model, a_version, at_once, flask, for_a_team, free_port, problem, statuses, until

from catapult import reachability
from catapult.embedded import Embedded, serving

pytestmark = pytest.mark.live
WAITING = "waiting for the database"
IDLE = 1_000


@pytest.fixture(scope="module")
def database(make_folder: Callable[[], Path]) -> Iterator[Embedded]:
    """A PostgreSQL that tests may stop and kill; they leave it running."""
    with serving(make_folder()) as database:
        yield database


@pytest.fixture(scope="module")
def server(database: Embedded, start: Start) -> Up:
    """A server on that database, whose process survives every test, and with `same` its workers, too."""
    server = start(**for_a_team(database.url)).ready()
    server.make_keys()
    return server


@pytest.fixture(scope="module")
def pooler(needs: Callable[[str], str], make_folder: Callable[[], Path], database: Embedded) -> Iterator[PgBouncer]:
    """PgBouncer in front of that database, with the shipped file, for many clients."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(most, 2 * IDLE)), most))
    pooler = PgBouncer(needs("pgbouncer"), make_folder(), database, max_client_conn=str(IDLE + 200), auth_type="trust")
    try:
        yield pooler.ready()
    finally:
        pooler.close()


@pytest.fixture(scope="module")
def pooled(server: Up, pooler: PgBouncer, start: Start) -> Up:
    """Another server on that database, through PgBouncer."""
    pooled = start(**for_a_team(pooler.url("catapult"))).ready()
    pooled.keys, pooled.direct_url = server.keys, server.database_url
    return pooled


both_ways = pytest.mark.parametrize("same", ["server", "pooled"], indirect=True)


@pytest.fixture
def same(request: pytest.FixtureRequest) -> Iterator[Up]:
    """That server, or the pooled one; after the test it must have the same processes, answer, and have logged no fault."""
    server: Up = request.getfixturevalue(getattr(request, "param", "server"))
    if (
        not server.direct_url
    ):  # a test of the other server may have ended its connections, and one used lately is not tested
        time.sleep(reachability.IDLE)
    with server.by("admin") as admin:
        assert admin.get("/api/v1/info").status_code == 200
        workers = server.workers()
        yield server
        until(lambda: statuses(at_once(*[partial(admin.get, "/api/v1/info")] * 16)) == {200: 16})
    assert server.process.poll() is None
    assert set(server.workers()) == set(workers)
    assert server.lines("fault") == []


def soon(server: Up) -> float:
    """Seconds within which a request is refused. PgBouncer keeps it for three while PostgreSQL is away."""
    return SOON + (3 if server.direct_url else 0)


def refused_until_later(response: requests.Response, retry_after: str = "") -> str:
    """Check a 503 that says when to come again. Returns its detail."""
    assert response.status_code == 503, response.text
    assert response.headers["Retry-After"] == (retry_after or response.headers["Retry-After"])
    return str(problem(response, "unavailable")["detail"])


# --- workers


def test_a_killed_worker_is_replaced_and_no_acknowledged_write_is_lost(server: Up) -> None:
    with load(server, "faults/worker") as writes:
        before = server.workers()
        before[0].kill()
        until(lambda: len(set(server.workers()) - set(before)) == 1 and len(server.workers()) == 2)
        writes.goes_on()
    assert writes.refused == []
    assert writes.lost > 0  # nobody may send those again
    assert server.process.poll() is None
    assert_kept(server, writes)


# --- the database


@both_ways
def test_without_its_database_every_request_fails_at_once_and_works_again_after(same: Up, database: Embedded) -> None:
    with same.by("admin") as admin, same.caller() as anybody:
        model, never = admin.model(f"faults/away-{same.port}"), f"faults/never-{same.port}"
        gets = ["/api/v1/models", "/api/v1/info", "/api/v1/audit-logs", f"/api/v1/models/{model['id']}"]
        calls = [
            *[partial(admin.get, path) for path in gets],
            partial(admin.post, "/api/v1/models", json=a_model(never)),
            partial(admin.post, "/api/v1/models", json=a_model(never), headers={"Idempotency-Key": "never"}),
            partial(admin.put, gets[-1], json={"description": "never"}),
            partial(admin.delete, gets[-1]),
        ]
        probes = [partial(anybody.get, path) for path in ("/api/health", "/livez", "/readyz")]
        at_once(*calls[:4] * 8)  # opens as many connections as there may be

        database.stop()
        try:
            *answers, health, alive, ready = at_once(*calls, *calls, *probes)
            for answer in answers:
                assert "psycopg" not in answer.text + refused_until_later(answer)
                assert 1 <= int(answer.headers["Retry-After"]) <= 5
            assert (alive.status_code, ready.status_code, health.status_code) == (200, 503, 503)
            assert health.headers["Retry-After"]
            assert health.json()["status"] == "unhealthy"
            assert max(answer.elapsed.total_seconds() for answer in (*answers, health, alive, ready)) < soon(same)
        finally:
            database.start()

        until(lambda: anybody.get("/readyz").status_code == 200)
        until(lambda: statuses(at_once(*calls[:4] * 8)) == {200: 32})
        assert anybody.get("/api/health").json()["status"] == "healthy"
        assert admin.get(gets[-1]).json()["description"] is None
        assert admin.get(f"/api/v1/models?name={never}").json() == []


def killed(server: Up, database: Embedded) -> None:
    """As the kernel does when memory is out."""
    postmaster(database).kill()
    until(lambda: not database.alive())


def hung(server: Up, database: Embedded) -> None:
    """As on storage that stalls."""
    stopped = processes(database)
    for process in stopped:
        process.suspend()
    time.sleep(1)
    for process in stopped:
        process.resume()


def backend_killed(server: Up, database: Embedded) -> None:
    """PostgreSQL then ends every connection and replays its log: the shared memory may be damaged."""
    backends(server)[0].kill()


def backends_ended(server: Up, database: Embedded) -> None:
    """As an administrator does."""
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'catapult'")


@both_ways
@pytest.mark.parametrize("fault", [killed, backend_killed, backends_ended, hung])
def test_a_fault_of_the_database_under_load_loses_nothing_that_was_acknowledged(
    same: Up, database: Embedded, fault: Callable[[Up, Embedded], None]
) -> None:
    with load(same, f"faults/{fault.__name__}-{same.port}") as writes:
        fault(same, database)
        try:
            if fault not in (backends_ended, hung):  # after these, writes may go on at once
                writes.is_refused()
        finally:
            database.start()
        writes.goes_on()
    assert_told_to_wait(writes, soon(same))
    assert_kept(same, writes)


@both_ways
def test_a_change_that_was_saved_and_not_answered_is_answered_at_the_next_try(same: Up, database: Embedded) -> None:
    """Its COMMIT waits for a standby that does not exist, saved but not answered, when its backend is killed."""
    name = f"faults/unanswered-{same.port}"
    with same.by("publisher") as publisher:
        create = partial(publisher.post, "/api/v1/models", json=a_model(name), headers={"Idempotency-Key": name})

        def kill() -> None:
            until(lambda: backends(same, "wait_event = 'SyncRep'"))
            backends(same, "wait_event = 'SyncRep'")[0].kill()

        with no_commit_answered(same, database):
            lost, _ = at_once(create, kill)
        refused_until_later(lost)
        until(lambda: publisher.get("/api/v1/models").status_code == 200)
        again = [create() for _ in range(2)]
    assert [(answer.status_code, answer.headers["Idempotency-Replayed"]) for answer in again] == [(201, "true")] * 2
    assert again[0].content == again[1].content
    assert same.sql("SELECT id::text FROM models WHERE name = %s", name) == [(again[0].json()["id"],)]
    assert same.sql("SELECT count(*) FROM audit_logs WHERE details ->> 'name' = %s", name) == [(1,)]


@both_ways
def test_after_a_while_in_which_the_database_was_read_only_writes_go_on(same: Up, database: Embedded) -> None:
    """As after a failover, and on a managed database whose disk was full. Connections of that while would go on refusing."""
    with load(same, f"faults/read-only-{same.port}") as writes:
        with read_only(database):
            backends_ended(same, database)
            until(lambda: any("read-only" in answer.text for answer in writes.refused))
        writes.goes_on()
    assert_told_to_wait(writes, soon(same))
    assert_kept(same, writes)


@pytest.mark.parametrize("same", ["pooled"], indirect=True)
def test_connections_that_the_pooler_made_in_that_while_are_replaced(
    same: Up, database: Embedded, pooler: PgBouncer
) -> None:
    """PgBouncer hands them to one client after the other. A version is registered by one statement, without a transaction."""
    with same.by("admin") as admin:
        model = admin.model("faults/made-read-only")
        with read_only(database), ExitStack() as held:
            pooler.order("RECONNECT catapult")
            for _ in range(6):
                connection = held.enter_context(closing(psycopg2.connect(pooler.url("catapult"), connect_timeout=5)))
                connection.cursor().execute("SELECT 1")
                held.callback(connection.rollback)
        answers = [admin.post("/api/v1/versions", json=a_version(model, f"1.0.{n}")) for n in range(6)]
    assert statuses(answers[4:]) == {201: 2}


@contextmanager
def read_only(database: Embedded) -> Iterator[None]:
    """Let new connections only read."""
    with closing(psycopg2.connect(database.url, options="-c default_transaction_read_only=off")) as connection:
        connection.autocommit = True
        connection.cursor().execute("ALTER DATABASE catapult SET default_transaction_read_only = on")
        try:
            yield
        finally:
            connection.cursor().execute("ALTER DATABASE catapult RESET default_transaction_read_only")


# --- the pooler


@contextmanager
def pooler_killed(pooler: PgBouncer) -> Iterator[None]:
    pooler.process.kill()
    pooler.process.wait(10)
    try:
        yield
    finally:
        pooler.start()


@contextmanager
def paused(pooler: PgBouncer) -> Iterator[None]:
    """As an operator does who moves the database."""
    pooler.order("PAUSE catapult")
    try:
        yield
    finally:
        pooler.order("RESUME catapult")


@pytest.mark.parametrize("fault", [pooler_killed, paused])
@pytest.mark.parametrize("same", ["pooled"], indirect=True)
def test_a_fault_of_the_pooler_under_load_loses_nothing_that_was_acknowledged(
    same: Up, pooler: PgBouncer, fault: Callable[[PgBouncer], AbstractContextManager[None]]
) -> None:
    with load(same, f"faults/{fault.__name__}") as writes:
        with fault(pooler):
            writes.is_refused()
        writes.goes_on()
    assert_told_to_wait(writes, soon(same))
    assert_kept(same, writes)


@pytest.mark.parametrize("same", ["pooled"], indirect=True)
def test_a_thousand_idle_clients_of_the_pooler_take_nothing_from_others(same: Up, pooler: PgBouncer) -> None:
    with ExitStack() as idle, same.by("viewer") as viewer:
        for _ in range(IDLE):
            idle.enter_context(closing(psycopg2.connect(pooler.url("catapult"), connect_timeout=5)))
        answers = at_once(*[partial(viewer.get, "/api/v1/models")] * 16)
        assert statuses(answers) == {200: 16}
        assert max(answer.elapsed.total_seconds() for answer in answers) < SOON


# --- silence: nobody refuses, and nobody answers


IMPATIENT = """
from catapult import app, reachability
reachability.STATEMENT = 2.0
app = app.create_app()
"""


@pytest.mark.parametrize("silent", ["database", "database behind the pooler", "pooler"])
def test_while_the_database_is_silent_requests_are_refused_and_the_process_answers(
    server: Up, database: Embedded, pooler: PgBouncer, start: Start, silent: str
) -> None:
    url = database.url if silent == "database" else pooler.url("catapult")
    impatient = start(IMPATIENT, **for_a_team(url), WEB_CONCURRENCY="1").ready()
    impatient.keys, impatient.direct_url = server.keys, database.url
    with load(impatient, f"faults/silent-{impatient.port}", pause=0.05) as writes, impatient.by("viewer") as viewer:
        stopped = [psutil.Process(pooler.process.pid)] if silent == "pooler" else processes(database)
        for process in stopped:
            process.suspend()
        try:
            writes.is_refused(32)
            alive, read = viewer.get("/livez"), viewer.get("/api/v1/models")
            assert (alive.status_code, alive.elapsed.total_seconds() < SOON) == (200, True)
            refused_until_later(read)
            assert read.elapsed.total_seconds() < 2 * SOON
        finally:
            for process in stopped:
                process.resume()
        writes.goes_on()
    assert_told_to_wait(writes, 2 * SOON + 3)
    assert_kept(impatient, writes)
    assert impatient.lines("fault") == []
    impatient.close()


def postmaster(database: Embedded) -> psutil.Process:
    return psutil.Process(int((database.data / "postmaster.pid").read_text().splitlines()[0]))


def processes(database: Embedded) -> list[psutil.Process]:
    return [postmaster(database), *postmaster(database).children()]


def backends(server: Up, condition: str = "true") -> list[psutil.Process]:
    """The processes of PostgreSQL that work for servers; those in a transaction come first."""
    rows = server.sql(
        f"SELECT pid FROM pg_stat_activity WHERE application_name = 'catapult' AND {condition} ORDER BY xact_start"
    )
    return [psutil.Process(pid) for (pid,) in rows]


@contextmanager
def no_commit_answered(server: Up, database: Embedded) -> Iterator[None]:
    """Let PostgreSQL save every change and wait with its answer for a standby that does not exist."""
    server.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    server.sql("SELECT pg_reload_conf()")
    try:
        at_once(partial(change_until_unanswered, database), partial(until, partial(cancel_wait, server)))
        yield
    finally:
        until(database.accepts_connections)
        server.sql("ALTER SYSTEM RESET synchronous_standby_names")
        server.sql("SELECT pg_reload_conf()")


def change_until_unanswered(database: Embedded) -> None:
    """The setting takes a moment to hold."""
    with closing(psycopg2.connect(database.url, application_name="tries")) as connection:
        connection.autocommit = True
        while not any("canceling wait" in notice for notice in connection.notices):
            connection.cursor().execute("SELECT pg_logical_emit_message(true, '', '')")


def cancel_wait(server: Up) -> bool:
    waits = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'tries'"
    return bool(server.sql(f"SELECT pg_cancel_backend(pid) {waits}"))


def test_when_every_connection_is_taken_requests_are_refused_and_do_not_hang(same: Up, database: Embedded) -> None:
    with same.by("viewer") as viewer, ExitStack() as taken:
        backends_ended(same, database)
        with suppress(psycopg2.OperationalError):
            for _ in range(200):
                taken.enter_context(closing(psycopg2.connect(database.url, connect_timeout=5)))
        for answer in at_once(*[partial(viewer.get, "/api/v1/models")] * 16):
            refused_until_later(answer)
            assert answer.elapsed.total_seconds() < SOON


@contextmanager
def locked(database: Embedded, model: dict[str, str]) -> Iterator[psycopg2.extensions.connection]:
    """Lock the row of a model, until the connection rolls back or the block ends."""
    with closing(psycopg2.connect(database.url, connect_timeout=5)) as connection:
        connection.cursor().execute("SELECT FROM models WHERE id = %s FOR UPDATE", [model["id"]])
        yield connection


def test_a_row_that_stays_locked_is_not_waited_for_for_ever(same: Up, database: Embedded) -> None:
    with same.by("admin") as admin:
        model = admin.model("faults/locked")
        create = partial(admin.post, "/api/v1/versions", json=a_version(model, "1.0.0"))
        with locked(database, model):
            answer, read = at_once(create, partial(admin.get, f"/api/v1/models/{model['id']}"))
            assert read.status_code == 200
            assert read.elapsed.total_seconds() < SOON
        refused_until_later(answer, "1")
        assert create().status_code == 201


def test_more_waiting_requests_than_threads_are_all_answered(same: Up, database: Embedded) -> None:
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'catapult'"
    with same.by("admin") as admin:
        model = admin.model("faults/queue")
        works = [partial(admin.post, "/api/v1/versions", json=a_version(model, f"1.0.{n}")) for n in range(24)]
        with locked(database, model) as lock:

            def release() -> None:
                """Once all threads of one worker wait: the requests are not shared out evenly."""
                try:
                    until(lambda: same.sql(waits) >= [(8,)], 4)
                finally:
                    lock.rollback()

            *answers, _ = at_once(*works, release)
        assert statuses([answer for answer in answers if answer is not None]) == {201: 24}
        assert admin.get(f"/api/v1/models/{model['id']}").json()["version_count"] == 24


def test_a_server_that_starts_before_its_database_waits_for_it(same: Up, database: Embedded, start: Start) -> None:
    database.stop()
    try:
        early = start(**for_a_team(database.url))
        until(lambda: early.lines(WAITING))
        command = flask("keys", "list", **for_a_team(database.url))
        assert command.returncode == 1
        assert "Is it up" in command.stderr
        assert "Traceback" not in command.stderr
    finally:
        database.start()
    with early.ready().caller(same.keys["viewer"]) as viewer:
        assert viewer.get("/api/v1/models").status_code == 200
    assert "Key:" not in early.said()
    assert early.end() == 0


WAITS_FOR_TWO_SECONDS = """
from catapult.app import create_app
from catapult.server import startup
startup.wait.__defaults__ = (2.0,)
startup.LOG_EVERY = 0.5
app = create_app()
"""


def test_a_server_whose_database_stays_away_logs_that_and_ends(start: Start) -> None:
    url = f"postgresql://somebody:pa55word@127.0.0.1:{free_port()}/registry"
    server = start(WAITS_FOR_TWO_SECONDS, **for_a_team(url))
    assert server.process.wait(30) == 1
    *lines, last = server.log.read_text().splitlines()
    logged = [json.loads(line) for line in lines]
    assert [line["event"] for line in logged] == [WAITING] * len(logged)
    left = [line["seconds_left"] for line in logged]
    assert left == sorted(left, reverse=True)
    assert (left[0], len(left) >= 2, "refused" in logged[0]["reason"]) == (2, True, True)
    assert last.startswith("catapult: The database did not answer for 2 seconds: ")
    assert "Check DATABASE_URL" in last
    assert "pa55word" not in server.said() + server.log.read_text()


def test_a_server_that_waits_for_its_database_can_be_ended(start: Start) -> None:
    server = start(**for_a_team(f"postgresql://somebody@127.0.0.1:{free_port()}/registry"))
    until(lambda: server.lines(WAITING))
    assert server.end() != 0


# --- too few of something


ONLY_TWO_CONNECTIONS = """
from catapult import app, extensions
extensions.THREADS = 2
app = app.create_app()
extensions.THREADS = 8
"""


def test_when_the_pool_is_exhausted_requests_are_refused_in_five_seconds_and_the_process_answers(
    same: Up, database: Embedded, start: Start
) -> None:
    narrow = start(ONLY_TWO_CONNECTIONS, **for_a_team(database.url), WEB_CONCURRENCY="1").ready()
    alive: list[requests.Response] = []
    with narrow.caller(same.keys["publisher"]) as publisher, ThreadPoolExecutor(2) as pool:

        def probe() -> None:
            for _ in range(10):
                alive.append(publisher.get("/livez"))
                time.sleep(0.4)

        with no_commit_answered(narrow, database):
            held = [pool.submit(publisher.post, "/api/v1/models", json=a_model(f"faults/{n}")) for n in "ab"]
            until(lambda: len(backends(narrow, "wait_event = 'SyncRep'")) == 2)
            *answers, _ = at_once(*[partial(publisher.get, "/api/v1/models")] * 4, probe)
        assert statuses([each.result(10) for each in held]) == {201: 2}
        assert publisher.get("/api/v1/models").status_code == 200
    narrow.close()
    assert narrow.lines("fault") == []
    for answer in answers:
        assert answer is not None
        assert "Every database connection is in use" in refused_until_later(answer, "1")
        assert 4.5 < answer.elapsed.total_seconds() < 5 + SOON
    assert statuses(alive) == {200: 10}
    assert max(answer.elapsed.total_seconds() for answer in alive) < SOON


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets another process change the limit")
def test_a_worker_without_file_descriptors_goes_on_and_accepts_connections_once_it_has_some(
    start: Start, make_database: Callable[[], str]
) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    server = start(**for_a_team(make_database()), WEB_CONCURRENCY="1")
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (160, most))
    (worker,) = server.ready().workers()
    with ExitStack() as opened:
        for _ in range(100):  # more than it may hold
            assert livez(opened.enter_context(socket.create_connection(("127.0.0.1", server.port), 5))) == OK

    until(lambda: len(worker.net_connections()) < 10)
    with server.caller(server.key) as admin:
        admin.get("/api/v1/models")
        resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (10, most))
        with socket.create_connection(("127.0.0.1", server.port), 10) as waiting:
            until(lambda: server.lines("no more connections: raise the limit of open files"))
            assert admin.get("/api/v1/models").status_code == 200
            resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (160, most))
            assert livez(waiting) == OK
    assert server.workers() == [worker]
    assert [line for line in server.lines() if line["level"] in ("error", "critical")] == []


OK = b"HTTP/1.1 200 OK"


def livez(connection: socket.socket) -> bytes:
    """Ask /livez. Returns the first line of the answer."""
    connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    return connection.recv(65536).partition(b"\r\n")[0]


class Full(Up):
    """A server whose log is on a full disk."""

    def open_log(self) -> IO[str]:
        return open("/dev/full", "w")


def test_requests_go_on_though_nothing_can_be_logged(
    make_folder: Callable[[], Path], make_database: Callable[[], str]
) -> None:
    server = Full(make_folder(), **for_a_team(make_database()), WEB_CONCURRENCY="1")
    try:
        (worker,) = server.ready().workers()
        with server.caller(server.key) as admin:
            create = partial(admin.post, "/api/v1/models", json=a_model("faults/unlogged"))
            assert [create().status_code, create().status_code, admin.get("/nowhere").status_code] == [201, 409, 404]
            server.sql("ALTER TABLE models RENAME TO away")
            assert admin.get("/api/v1/models").status_code == 500
        assert server.workers() == [worker]
        assert server.end() == 0
    finally:
        server.close()


# --- faults of our own: the last test, because others look for faults in the log


def test_a_fault_of_ours_shows_the_client_nothing_and_the_log_no_body(server: Up) -> None:
    server.sql("ALTER TABLE audit_logs RENAME TO away")
    with server.by("admin") as admin:
        answers = [
            admin.post("/api/v1/models", json=a_model("faults/ours", description="of-the-body")),
            admin.post("/api/v1/api-keys", json={"name": "of-the-body"}),
        ]
        server.sql("ALTER TABLE away RENAME TO audit_logs")
        for answer in answers:
            assert answer.status_code == 500
            body = problem(answer, "internal")
            assert not re.search("audit_logs|sqlalchemy|psycopg|insert into", answer.text, re.I)
            (line,) = [line for line in server.lines("fault") if line["request_id"] == body["request_id"]]
            assert "audit_logs" in line["exception"]
        assert admin.get("/api/v1/models?name=faults/ours").json() == []
    assert "of-the-body" not in server.log.read_text()
