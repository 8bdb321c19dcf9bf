"""The queue and the worker: each job runs, whatever happens to who runs it, and no two run the same at once."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from catapult import audit
from catapult.actions import sweeping
from catapult.extensions import db
from catapult.jobs import queue, worker
from catapult.jobs.kinds import KINDS, Kind
from catapult.jobs.queue import JobFailed
from catapult.jobs.worker import Worker
from catapult.queries import jobs as stored_jobs
from catapult.server import job_process

TRY = "try"


@pytest.fixture
def ran():
    return []


@pytest.fixture
def kind(monkeypatch, ran):
    """`kind(run, every)` makes the kind of job `try`, whose runs are recorded in `ran` by their keys."""

    def make(run=lambda key, payload: None, every=None):
        def recorded(key, payload):
            ran.append(key)
            return run(key, payload)

        monkeypatch.setitem(KINDS, TRY, Kind(recorded, every))

    return make


@pytest.fixture
def add(app):
    def add(*keys):
        with app.app_context():
            with audit.bookkeeping():
                queue.add(TRY, keys)
            db.session.remove()

    return add


@pytest.fixture
def drain(app):
    return lambda: Worker(app, [TRY]).drain()


@pytest.fixture
def working(app):
    """A function that starts a worker in a thread; all are stopped at the end."""
    threads = []

    def start(threads_each=3):
        each = Worker(app, [TRY], threads_each)
        thread = threading.Thread(target=each.run)
        thread.start()
        threads.append((each, thread))
        return each

    yield start
    for each, _ in threads:
        each.stop()
    for _, thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def until(condition, seconds=15):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def jobs(sql):
    return sql("SELECT * FROM jobs WHERE kind = 'try' ORDER BY key")


def test_a_job_runs_once_and_is_gone(kind, add, drain, ran, sql):
    kind()
    add("a", "b")
    drain()
    assert (sorted(ran), jobs(sql)) == (["a", "b"], [])


def test_a_job_that_is_open_is_not_added_twice(kind, add, drain, ran):
    kind()
    add("a")
    add("a", "a")
    drain()
    assert ran == ["a"]


def test_a_job_that_is_added_while_it_runs_runs_again(kind, add, drain, ran, sql):
    kind(lambda key, payload: add(key) if len(ran) == 1 else None)
    add("a")
    drain()
    assert (ran, jobs(sql)) == (["a", "a"], [])


def test_a_job_that_is_added_while_it_runs_and_wants_to_wait_does_not_wait(kind, add, drain, ran):
    def run(key, payload):
        if len(ran) == 1:
            add(key)
            return 3600
        return None

    kind(run)
    add("a")
    drain()
    assert ran == ["a", "a"]


def test_a_job_of_a_change_that_is_undone_is_not_there(kind, app, drain, ran):
    kind()
    with app.app_context():
        queue.add(TRY, ["a"])
        db.session.rollback()
        db.session.remove()
    drain()
    assert ran == []


def test_a_job_that_fails_is_tried_again_after_longer_and_longer_pauses_and_then_waits_for_somebody(
    kind, add, drain, sql
):
    def run(key, payload):
        raise JobFailed("The mail server refused.")

    kind(run)
    add("a")
    pauses = []
    for attempt in range(1, queue.ATTEMPTS + 1):
        drain()
        [job] = jobs(sql)
        assert (job["attempts"], job["last_error"]) == (attempt, "The mail server refused.")
        pauses.append(round((job["run_at"] - job["last_run_at"]).total_seconds()))
        sql("UPDATE jobs SET run_at = now() WHERE kind = 'try'")
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1], jobs(sql)[0]["state"]) == (2, queue.LONGEST_PAUSE, "failed")
    drain()
    assert jobs(sql)[0]["attempts"] == queue.ATTEMPTS


def test_a_repeated_job_that_fails_for_a_minute_is_failing_until_it_succeeds(app, kind, drain, sql):
    outcomes = iter([JobFailed("The collector is away.")] * stored_jobs.MANY)

    def run(key, payload):
        for outcome in outcomes:
            raise outcome

    def look():
        with app.app_context():
            failing = stored_jobs.depth().failing
            db.session.remove()
        jobs = app.test_client().get("/readyz?verbose").json["checks"]["jobs"]
        return failing, jobs["status"]

    kind(run, every=5)
    looks = []
    for _ in range(stored_jobs.MANY + 1):
        drain()
        looks.append(look())
    assert looks == [(0, "ok")] * (stored_jobs.MANY - 1) + [(1, "failed"), (0, "ok")]
    assert jobs(sql)[0]["state"] == "open"


def test_after_a_success_the_attempts_count_anew(kind, add, drain, ran, sql):
    outcomes = [JobFailed("no"), 0.0, JobFailed("no"), None]

    def run(key, payload):
        outcome = outcomes[len(ran) - 1]
        if isinstance(outcome, JobFailed):
            raise outcome
        return outcome

    kind(run)
    add("a")
    attempts = []
    while jobs(sql):
        sql("UPDATE jobs SET run_at = now() WHERE kind = 'try'")
        drain()
        attempts += [job["attempts"] for job in jobs(sql)]
    assert attempts == [1, 1]  # after the success at once again: a drain takes all that is due


def test_what_nobody_expected_is_logged_and_not_shown(kind, add, drain, sql, capfd):
    def run(key, payload):
        raise ValueError("the password is hunter2")

    kind(run)
    add("a")
    drain()
    assert jobs(sql)[0]["last_error"] == "ValueError"


def test_a_repeated_job_is_there_once_and_never_fails_for_good(kind, drain, ran, sql):
    def run(key, payload):
        raise JobFailed("no")

    kind(run, every=60)
    for _ in range(queue.ATTEMPTS + 2):
        drain()
        sql("UPDATE jobs SET run_at = now() WHERE kind = 'try'")
    assert len(ran) == queue.ATTEMPTS + 2
    assert [job["state"] for job in jobs(sql)] == ["open"]
    kind(every=60)
    drain()
    [job] = jobs(sql)
    assert (job["attempts"], job["last_error"], job["leased_until"]) == (0, None, None)
    assert 59 < (job["run_at"] - job["last_run_at"]).total_seconds() < 70


def test_two_workers_share_the_jobs_and_run_none_twice(kind, add, working, ran, sql):
    kind(lambda key, payload: time.sleep(0.001))
    add(*(f"{number:03}" for number in range(300)))
    working()
    working()
    until(lambda: not jobs(sql))
    assert sorted(ran) == [f"{number:03}" for number in range(300)]


def test_a_job_of_a_worker_that_died_is_taken_when_its_lease_ends(kind, add, app, drain, ran, sql):
    kind()
    add("a")
    with app.app_context():
        [lost] = queue.claim([TRY], 5)
        db.session.remove()
    drain()
    assert ran == []
    left = sql("SELECT extract(epoch FROM leased_until - now()) AS seconds FROM jobs WHERE kind = 'try'")
    assert 0 < left[0]["seconds"] <= queue.LEASE < 60
    sql("UPDATE jobs SET leased_until = now() WHERE kind = 'try'")
    with app.app_context():
        [taken] = queue.claim([TRY], 5)
        # The worker that was thought dead wakes up, and has no say any more.
        for late in (
            queue.done,
            queue.give_back,
            lambda job: queue.again(job, 5),
            lambda job: queue.failed(job, "x", True),
        ):
            late(lost)
        [job] = jobs(sql)
        assert (job["state"], job["attempts"], job["leased_until"] is not None) == ("open", 2, True)
        queue.done(taken)
        db.session.remove()
    assert jobs(sql) == []


def test_the_lease_of_a_long_job_is_renewed(kind, add, working, ran, sql, monkeypatch):
    monkeypatch.setattr(queue, "LEASE", 1)
    monkeypatch.setattr(worker, "RENEW", 0.2)
    kind(lambda key, payload: time.sleep(3))
    add("a")
    working()
    working()
    until(lambda: ran and not jobs(sql))
    assert ran == ["a"]


def test_a_worker_that_stops_finishes_what_runs_and_gives_the_rest_back(kind, add, app, ran, sql, monkeypatch):
    release = threading.Event()
    kind(lambda key, payload: release.wait(20) and None)
    add("a")
    each = Worker(app, [TRY], 2)
    with ThreadPoolExecutor() as pool:
        ended = pool.submit(each.run)
        until(lambda: ran)
        each.stop()
        add("b")
        release.set()
        assert ended.result(30)
    assert [job["key"] for job in jobs(sql)] == ["b"]

    release.clear()
    monkeypatch.setattr(worker, "STOP", 0.1)
    each = Worker(app, [TRY], 2)
    with ThreadPoolExecutor() as pool:
        ended = pool.submit(each.run)
        until(lambda: ran == ["a", "b"])
        each.stop()
        assert not ended.result(30)
        [job] = jobs(sql)
        assert (job["leased_until"], job["attempts"]) == (None, 0)
        release.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("event", ["woken", "stopping"])
def test_a_signal_stops_a_worker_whose_loop_holds_the_lock_of_an_event(app, event, number):
    child = os.fork()
    if not child:
        signal.alarm(10)  # ends it if it waits for itself
        stopped = Worker(app)
        job_process.stop_at_signals(stopped)
        with getattr(stopped, event)._cond:  # as the loop does for a moment, whenever it waits
            signal.raise_signal(number)
        os._exit(0 if stopped.stopping.wait(5) and stopped.woken.wait(5) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_worker_waits_for_the_database_and_goes_on(kind, add, working, ran, monkeypatch, app):
    monkeypatch.setattr(worker, "DATABASE_PAUSE", 0.05)
    kind()
    working()
    with app.app_context():
        engine = db.engine
    for number in range(5):
        engine.dispose(close=False)
        add(str(number))
        until(lambda number=number: str(number) in ran)


def test_the_claim_walks_an_index(app, sql):
    sql(
        "INSERT INTO jobs (id, kind, key, run_at) SELECT gen_random_uuid(), 'try', n::text, now() + interval '1 day'"
        " FROM generate_series(1, 5000) AS n"
    )
    sql("ANALYZE jobs")
    plan = sql(
        "EXPLAIN SELECT id FROM jobs WHERE state = 'open' AND coalesce(leased_until, run_at) <= now()"
        " ORDER BY coalesce(leased_until, run_at) LIMIT 7 FOR UPDATE SKIP LOCKED"
    )
    assert "ix_jobs_due" in str(plan)


def test_the_sweep_forgets_what_was_sent_thirty_days_ago_and_nothing_else(api, sql, app):
    api.version(api.model())
    hook = "INSERT INTO webhooks (id, url_sealed, host, url_end, secret_sealed, format, created_by) VALUES "
    sql(hook + "('019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11', 'x', 'h', 'abcd', 'x', 'standard', 'x')")
    sql(
        "INSERT INTO deliveries (id, event_id, webhook_id, state, created_at)"
        " SELECT gen_random_uuid(), events.id, webhooks.id, state, now() - age * interval '1 day' FROM events, webhooks,"
        " (VALUES ('delivered', 31), ('failed', 31), ('waiting', 31), ('delivered', 29)) AS each (state, age)"
    )
    sql("INSERT INTO delivery_tries SELECT gen_random_uuid(), id, created_at, 1, 200 FROM deliveries")
    sql("UPDATE events SET dispatched_at = now(), created_at = now() - interval '31 days'")
    sql(
        "INSERT INTO events (id, type, dispatched_at, created_at) SELECT gen_random_uuid(), 'x', now(), now() - interval '31 days'"
    )
    sql(
        "INSERT INTO jobs (id, kind, key, state, run_at) VALUES (gen_random_uuid(), 'x', '', 'failed', now() - interval '31 days')"
    )
    with app.app_context():
        assert sweeping.sweep()
    left = sql("SELECT state, count(*) AS number FROM deliveries GROUP BY state ORDER BY state")
    assert left == [{"state": "delivered", "number": 1}, {"state": "waiting", "number": 1}]
    assert len(sql("SELECT 1 FROM events")) == 1  # a delivery that waits needs it
    assert (len(sql("SELECT 1 FROM delivery_tries")), sql("SELECT 1 FROM jobs")) == (1, [])
