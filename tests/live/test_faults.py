"""What breaks while others work: a worker is killed, the database goes away, a row stays locked, connections run out."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil
import psycopg2
import pytest
import requests
from up import Caller, Start, Up, a_model, a_version, at_once, flask, for_a_team, free_port, problem, statuses, until

from catapult.embedded import Embedded, serving

pytestmark = pytest.mark.live
SOON = 3.0


@pytest.fixture(scope="module")
def database(make_folder: Callable[[], Path]) -> Iterator[Embedded]:
    """A PostgreSQL that tests may stop and kill; they leave it running."""
    with serving(make_folder()) as database:
        yield database


@pytest.fixture(scope="module")
def server(database: Embedded, start: Start) -> Up:
    """A server on that database, whose process and workers outlive all that happens to it."""
    server = start(**for_a_team(database.url)).ready()
    server.make_keys()
    return server


@pytest.fixture(scope="module")
def spare(start: Start, make_database: Callable[[], str]) -> Up:
    """A server on a database of its own in the PostgreSQL that all tests share."""
    server = start(**for_a_team(make_database())).ready()
    server.make_keys()
    return server


@pytest.fixture
def same(server: Up) -> Iterator[Up]:
    """That server; after the test it must be the same processes, well, and without a logged fault."""
    with server.by("admin") as admin:
        admin.get("/api/v1/info")
        workers = server.workers()
        yield server
        until(lambda: all(answer.status_code == 200 for answer in at_once(*[partial(admin.get, "/api/v1/info")] * 16)))
    assert server.process.poll() is None
    assert set(server.workers()) == set(workers)
    assert server.lines("fault") == []


class Load:
    """Threads that register models without pause; `acknowledged` are the ids of those that were answered with 201."""

    def __init__(self, url: str, key: str, name: str) -> None:
        self.url, self.key, self.name = url, key, name
        self.ending = threading.Event()
        self.acknowledged: list[str] = []
        self.refused: list[requests.Response] = []
        self.lost = 0

    def work(self, thread: int) -> None:
        with Caller(self.url, self.key) as caller:
            for n in range(100_000):
                if self.ending.is_set():
                    return
                try:
                    answer = caller.post("/api/v1/models", json=a_model(f"{self.name}/{thread}-{n}"))
                except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                    self.lost += 1
                    continue
                if answer.status_code == 201:
                    self.acknowledged.append(answer.json()["id"])
                else:
                    self.refused.append(answer)

    def goes_on(self, more: int = 20) -> None:
        """Waits until so many more were acknowledged."""
        goal = len(self.acknowledged) + more
        until(lambda: len(self.acknowledged) >= goal)


@contextmanager
def load(server: Up, name: str, threads: int = 8) -> Iterator[Load]:
    """Threads register models meanwhile."""
    load = Load(server.url, server.keys["publisher"], name)
    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(load.work, thread) for thread in range(threads)]
        try:
            load.goes_on()
            yield load
        finally:
            load.ending.set()
    for each in running:
        each.result(0)


def assert_kept(server: Up, load: Load) -> None:
    """Each acknowledged write is there, and everything that is there has exactly one entry, and the reverse."""
    rows = server.sql(
        "SELECT m.id::text, a.entries FROM (SELECT * FROM models WHERE name LIKE %s) m FULL JOIN"
        " (SELECT resource_id, count(*) AS entries FROM audit_logs WHERE action = 'model.create'"
        "  AND details ->> 'name' LIKE %s GROUP BY resource_id) a ON a.resource_id = m.id",
        f"{load.name}/%",
        f"{load.name}/%",
    )
    assert {entries for _, entries in rows} == {1}
    kept = {identity for identity, _ in rows}
    assert None not in kept
    assert kept >= set(load.acknowledged)
    assert len(set(load.acknowledged)) == len(load.acknowledged)


# --- workers


def test_a_killed_worker_is_replaced_and_no_acknowledged_write_is_lost(spare: Up) -> None:
    with load(spare, "faults/worker") as writes:
        for _ in range(3):
            before = spare.workers()
            before[0].kill()
            until(lambda before=before: len(set(spare.workers()) - set(before)) == 1)
            assert len(spare.workers()) == 2
            writes.goes_on()
    assert writes.refused == []
    assert spare.process.poll() is None
    assert_kept(spare, writes)


# --- the database


def test_without_its_database_everything_says_so_at_once_and_works_again_after(same: Up, database: Embedded) -> None:
    with same.by("admin") as admin, same.caller() as anybody:
        model = admin.model("faults/away")
        gets = ["/api/v1/models", "/api/v1/info", "/api/v1/audit-logs", f"/api/v1/models/{model['id']}"]
        calls = [
            *[partial(admin.get, path) for path in gets],
            partial(admin.post, "/api/v1/models", json=a_model("faults/never")),
            partial(admin.post, "/api/v1/models", json=a_model("faults/never"), headers={"Idempotency-Key": "never"}),
            partial(admin.put, gets[-1], json={"description": "never"}),
            partial(admin.delete, gets[-1]),
        ]
        probes = [partial(anybody.get, path) for path in ("/api/health", "/livez", "/readyz")]
        at_once(*calls[:4] * 8)  # as many open connections as there may be

        database.stop()
        try:
            for _ in range(2):
                *answers, health, alive, ready = at_once(*calls, *calls, *probes)
                for answer in answers:
                    assert answer.status_code == 503
                    assert 1 <= int(answer.headers["Retry-After"]) <= 5
                    assert "psycopg" not in answer.text + problem(answer, "unavailable")["detail"]
                assert (alive.status_code, ready.status_code, health.status_code) == (200, 503, 503)
                assert health.headers["Retry-After"]
                assert health.json()["status"] == "unhealthy"
                assert max(answer.elapsed.total_seconds() for answer in (*answers, health, alive, ready)) < SOON
        finally:
            database.start()

        until(lambda: anybody.get("/readyz").status_code == 200)
        until(lambda: statuses(at_once(*calls[:4] * 8)) == {200: 32})
        assert anybody.get("/api/health").json()["status"] == "healthy"
        assert admin.get(gets[-1]).json()["description"] is None
        assert admin.get("/api/v1/models?name=faults/never").json() == []


def test_a_database_that_is_killed_under_load_loses_nothing_that_was_acknowledged(same: Up, database: Embedded) -> None:
    with load(same, "faults/killed") as writes:
        for _ in range(2):
            psutil.Process(int((database.data / "postmaster.pid").read_text().splitlines()[0])).kill()
            until(lambda: not database.alive())
            refused = len(writes.refused)
            until(lambda refused=refused: len(writes.refused) > refused)
            database.start()
            writes.goes_on()
    assert writes.lost == 0
    assert set(statuses(writes.refused)) == {503}
    for answer in writes.refused:
        assert answer.headers["Retry-After"]
        assert answer.elapsed.total_seconds() < SOON
        problem(answer, "unavailable")
    assert_kept(same, writes)


def test_a_transaction_that_the_database_ends_is_refused_and_not_half_done(same: Up) -> None:
    with load(same, "faults/ended") as writes:
        for _ in range(5):
            same.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'catapult'")
            writes.goes_on()
    assert writes.lost == 0
    assert set(statuses(writes.refused)) <= {503}
    assert_kept(same, writes)


def test_when_every_connection_is_taken_requests_are_refused_and_do_not_hang(same: Up, database: Embedded) -> None:
    with same.by("viewer") as viewer, ExitStack() as taken:
        same.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'catapult'")
        with suppress(psycopg2.OperationalError):
            for _ in range(200):
                taken.enter_context(closing(psycopg2.connect(database.url, connect_timeout=5)))
        answers = at_once(*[partial(viewer.get, "/api/v1/models")] * 16)
        assert statuses(answers) == {503: 16}
        for answer in answers:
            problem(answer, "unavailable")
            assert answer.headers["Retry-After"]
            assert answer.elapsed.total_seconds() < SOON


def test_a_row_that_stays_locked_is_not_waited_for_for_ever(same: Up, database: Embedded) -> None:
    with same.by("admin") as admin, closing(psycopg2.connect(database.url, connect_timeout=5)) as other:
        model = admin.model("faults/locked")
        create = partial(admin.post, "/api/v1/versions", json=a_version(model, "1.0.0"))
        with other, other.cursor() as cursor:
            cursor.execute("SELECT FROM models WHERE id = %s FOR UPDATE", [model["id"]])
            answer, read = at_once(create, partial(admin.get, f"/api/v1/models/{model['id']}"))
            assert read.status_code == 200
            assert read.elapsed.total_seconds() < SOON
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        problem(answer, "unavailable")
        assert create().status_code == 201


def test_more_waiting_requests_than_threads_are_all_answered(same: Up, database: Embedded) -> None:
    with same.by("admin") as admin, closing(psycopg2.connect(database.url, connect_timeout=5)) as other:
        model = admin.model("faults/queue")
        works = [partial(admin.post, "/api/v1/versions", json=a_version(model, f"1.0.{n}")) for n in range(24)]
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'catapult'"
        )

        def let_go() -> None:
            """Once a worker's threads are all waiting, for the requests are not shared out evenly."""
            try:
                until(lambda: same.sql(waiting) >= [(8,)], 4)
            finally:
                other.rollback()

        with other.cursor() as cursor:
            cursor.execute("SELECT FROM models WHERE id = %s FOR UPDATE", [model["id"]])
        *answers, _ = at_once(*works, let_go)
        assert statuses([answer for answer in answers if answer is not None]) == {201: 24}
        assert admin.get(f"/api/v1/models/{model['id']}").json()["version_count"] == 24


def test_a_server_that_starts_before_its_database_waits_for_it(same: Up, database: Embedded, start: Start) -> None:
    database.stop()
    try:
        early = start(**for_a_team(database.url))
        until(lambda: early.lines("waiting for the database"))
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


def test_an_address_where_nothing_listens_is_said_in_a_line(start: Start) -> None:
    address = f"postgresql://somebody:pa55word@127.0.0.1:{free_port()}/registry"
    server = start(**for_a_team(address))
    until(lambda: server.lines("waiting for the database"))
    assert server.end() != 0
    assert "pa55word" not in server.said() + server.log.read_text()


# --- faults of our own


def test_a_fault_of_ours_tells_the_client_nothing_and_the_log_no_body(spare: Up) -> None:
    spare.sql("ALTER TABLE audit_logs RENAME TO away")
    with spare.by("admin") as admin:
        answers = [
            admin.post("/api/v1/models", json=a_model("faults/ours", description="of-the-body")),
            admin.post("/api/v1/api-keys", json={"name": "of-the-body"}),
        ]
        spare.sql("ALTER TABLE away RENAME TO audit_logs")
        for answer in answers:
            assert answer.status_code == 500
            body = problem(answer, "internal")
            assert not re.search("audit_logs|sqlalchemy|psycopg|insert into", answer.text, re.I)
            (line,) = [line for line in spare.lines("fault") if line["request_id"] == body["request_id"]]
            assert "audit_logs" in line["exception"]
        assert admin.get("/api/v1/models?name=faults/ours").json() == []
    assert "of-the-body" not in spare.log.read_text()
