"""`flask worker` as a process: killed, stopped, twice, through PgBouncer, and beside a server of its own."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
from pool import PgBouncer
from receiver import Receiver
from stage import Api, application, make_keys, settings_for
from up import ROOT, Start, environment, flask, for_a_team, until

from catapult.config import Allowed

KILLS = 20
ALLOW = "127.0.0.0/8"


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def url(make_database):
    return make_database()


@pytest.fixture
def desk(url):
    """A client of the API, in this process, whose database the workers share."""
    with application(settings_for(url, egress_allow=(Allowed.of(ALLOW),), secret_key="a secret for live tests")) as app:
        yield Api(app, make_keys(app))


def sql(url, statement):
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


@contextmanager
def worker(url, *arguments):
    settings = for_a_team(url) | {"EGRESS_ALLOW": ALLOW, "WEBHOOK_TRIES": "0,1,1,1,1,1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "wsgi", "worker", *arguments],
        cwd=ROOT,
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def open_jobs(url):
    return sql(url, "SELECT kind FROM jobs WHERE kind = 'deliver'")


def told(receiver):
    return Counter(got.headers["webhook-id"] for got in receiver.got)


@pytest.fixture(scope="module")
def server(start: Start):
    """A server with an embedded database, which runs its worker beside it and starts it again when it dies."""
    return start(EGRESS_ALLOW=ALLOW).ready()


def take_over(url):
    """Let leases of workers that were killed end now."""
    sql(url, "UPDATE jobs SET leased_until = now() WHERE leased_until IS NOT NULL")


def test_killed_in_twenty_places_it_loses_nothing(server, receiver):
    url, made = server.database_url, 0
    with server.caller(server.key) as admin:
        webhook = admin.made("/api/v1/webhooks", {"url": receiver.url, "events": ["version.created"]})
        model = admin.model("org/killed")
        for _ in range(KILLS):
            until(lambda: server.job_process() is not None)
            before = len(receiver.got)
            for _ in range(3):
                admin.version(model, f"1.0.{made}")
                made += 1
            until(lambda before=before: len(receiver.got) > before)
            time.sleep(random.uniform(0, 0.05))
            if process := server.job_process():
                process.kill()
            take_over(url)
        until(lambda: len(told(receiver)) == made, 60)
        until(lambda: sql(url, "SELECT 1 FROM deliveries WHERE state <> 'delivered'") == [])
        admin.delete(f"/api/v1/webhooks/{webhook['id']}")
    assert sql(url, "SELECT count(*) FROM deliveries") == [(made,)]
    order = [got.json["data"]["version"] for got in receiver.got]
    assert list(dict.fromkeys(order)) == [f"1.0.{number}" for number in range(made)]


def test_the_job_of_a_killed_worker_is_taken_within_a_minute(url, desk, receiver):
    desk.make("/api/v1/webhooks", {"url": receiver.url, "events": ["version.created"]})
    receiver.behaviour = lambda got: "hang" if len(receiver.got) == 1 else 204
    with worker(url) as process:
        desk.version(desk.model())
        until(lambda: receiver.got)
        os.kill(process.pid, signal.SIGKILL)
    of_delivery = "kind = 'deliver' AND leased_until IS NOT NULL"  # the worker may have had another job as well
    leased = f"SELECT leased_until < now() + interval '1 minute' FROM jobs WHERE {of_delivery}"
    assert sql(url, leased) == [(True,)]
    take_over(url)
    with worker(url):
        until(lambda: len(receiver.got) > 1)


def test_sigterm_finishes_what_is_sent_and_ends_with_0(url, desk, receiver):
    desk.make("/api/v1/webhooks", {"url": receiver.url, "events": ["version.created"]})

    def slowly(got):
        time.sleep(1)
        return 204

    receiver.behaviour = slowly
    with worker(url) as process:
        desk.version(desk.model())
        until(lambda: receiver.got)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert sql(url, "SELECT state FROM deliveries") == [("delivered",)]
    assert sql(url, "SELECT 1 FROM jobs WHERE leased_until IS NOT NULL") == []


def test_once_sends_what_is_due_and_ends_with_0(url, desk, receiver):
    desk.make("/api/v1/webhooks", {"url": receiver.url, "events": ["version.created"]})
    desk.version(desk.model())
    settings = for_a_team(url) | {"EGRESS_ALLOW": ALLOW}
    done = flask("worker", "--once", **settings)
    assert (done.returncode, len(receiver.got)) == (0, 1), done.stderr
    assert flask("worker", "--once", "--kinds", "thaw", **settings).returncode == 0
    refused = flask("worker", "--kinds", "nonsense", **settings)
    assert (refused.returncode, "nonsense" in refused.stderr) == (2, True)


def test_two_workers_send_each_event_once(url, desk, receiver):
    for number in range(3):
        desk.make("/api/v1/webhooks", {"url": f"{receiver.url}/{number}", "events": ["version.created"]})
    with worker(url), worker(url):
        models = [desk.model(f"org/m{number}") for number in range(3)]
        for number in range(10):
            for model in models:
                desk.version(model, f"1.0.{number}")
        until(lambda: len(receiver.got) >= 90)
        time.sleep(1)
    assert set(told(receiver).values()) == {1}
    assert len(told(receiver)) == 90


def test_it_works_through_pgbouncer(url, desk, receiver, cluster, infra_folder):
    program = shutil.which("pgbouncer")
    assert program, "apt-get install pgbouncer"
    pool = PgBouncer(program, Path(infra_folder()), cluster).ready()
    try:
        desk.make("/api/v1/webhooks", {"url": receiver.url, "events": ["version.created"]})
        with worker(pool.url(urlsplit(url).path[1:])):
            model = desk.model()
            for number in range(10):
                desk.version(model, f"1.0.{number}")
            until(lambda: len(receiver.got) >= 10)
        assert set(told(receiver).values()) == {1}
    finally:
        pool.close()


def test_a_server_with_its_own_database_runs_jobs_too(server, receiver):
    with server.caller(server.key) as admin:
        admin.made("/api/v1/webhooks", {"url": receiver.url, "events": ["version.created"]})
        admin.model("org/other")
        admin.version(admin.model("org/bert"), "1.0.0")
        until(lambda: len(receiver.got) == 1)
        checks = admin.get("/readyz?verbose").json()["checks"]
        assert (checks["worker"]["status"], checks["jobs"]["status"]) == ("ok", "ok")


def test_the_worker_ends_with_its_server(server):
    until(lambda: server.job_process() is not None)
    job = server.job_process()
    assert server.end() == 0
    assert not job.is_running()


def test_the_worker_ends_with_a_server_that_was_killed(start: Start):
    server = start().ready()
    until(lambda: server.job_process() is not None)
    job = server.job_process()
    os.kill(server.process.pid, signal.SIGKILL)
    until(lambda: not job.is_running() or job.status() == "zombie")


def test_readiness_says_that_no_worker_runs_and_the_server_is_ready_all_the_same(url, desk):
    answer = desk.app.test_client().get("/readyz?verbose")
    assert answer.status_code == 200
    assert answer.json["checks"]["worker"]["status"] == "failed"
    assert "flask worker" in answer.json["checks"]["worker"]["reason"]
