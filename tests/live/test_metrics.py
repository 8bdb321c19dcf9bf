"""Metrics of a running server: they add up over all workers, and survive the end of one."""

import os
import signal
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from up import Start, Up, at_once, for_a_team, until

pytestmark = pytest.mark.live
INFO = ("catapult_requests_total", ("method", "GET"), ("route", "/api/v1/info"), ("status", "200"))


def scrape(server: Up) -> dict[tuple[object, ...], float]:
    """Return `{(name, (label, value), …): number}`."""
    with server.caller() as anybody:
        answer = anybody.get("/metrics")
    assert answer.status_code == 200, answer.text
    families = text_string_to_metric_families(answer.text)
    samples = [sample for family in families for sample in family.samples]
    return {(sample.name, *sorted(sample.labels.items())): sample.value for sample in samples}


@pytest.fixture(scope="module")
def watched(start: Start, make_database, tmp_path_factory: pytest.TempPathFactory) -> Up:
    folder = tmp_path_factory.mktemp("figures")
    (folder / "counter_1.db").write_bytes(b"left by a server that was killed")
    settings = for_a_team(make_database())
    return start(**settings, PROMETHEUS_MULTIPROC_DIR=str(folder), WEB_CONCURRENCY="2").ready()


def ask(server: Up, times: int) -> None:
    def once() -> None:
        with server.caller(server.key) as caller:
            assert caller.get("/api/v1/info").status_code == 200

    at_once(*[once] * times)


def test_requests_of_all_workers_are_counted_and_those_of_a_killed_one_too(watched: Up) -> None:
    ask(watched, 40)
    samples = scrape(watched)
    assert samples[INFO] == 40
    assert samples[("catapult_request_duration_seconds_count", *INFO[1:3])] == 40
    assert samples[("catapult_database_connections_allowed",)] == 16
    victim = watched.workers()[0]
    os.kill(victim.pid, signal.SIGKILL)
    until(lambda: victim not in watched.workers() and len(watched.workers()) == 2)
    ask(watched, 10)
    until(lambda: scrape(watched)[("catapult_database_connections_allowed",)] == 16)
    samples = scrape(watched)
    assert samples[INFO] == 50
    assert samples[("catapult_database_up",)] == 1
    in_use = ("catapult_database_connections_in_use",)  # each worker reports it once a second
    until(lambda: 0 <= scrape(watched)[in_use] <= 2)


def test_a_folder_that_was_created_for_the_run_is_removed(start: Start, make_database, tmp_path: Path) -> None:
    server = start(**for_a_team(make_database()), TMPDIR=str(tmp_path), WEB_CONCURRENCY="1").ready()
    assert scrape(server)[("catapult_models",)] == 0
    assert list(tmp_path.glob("catapult-metrics-*/*.db"))
    assert server.end() == 0
    assert not list(tmp_path.glob("catapult-metrics-*"))
