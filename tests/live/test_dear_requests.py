"""Requests that are cheap to send and take long to answer, several at once: others are answered meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from urllib.parse import quote

import pytest
import requests
from long_rows import LONG_LOG, LONG_NOTES
from up import Start, Up, at_once, at_work, for_a_team, problem, statuses

pytestmark = pytest.mark.live
SOON = 3.0
"""Seconds for a request meanwhile: a busy machine needs some."""
DEAR = " or ".join(f'metadata.note ~ "word {n}"' for n in range(8))


@pytest.fixture(scope="module")
def server(start: Start, make_database: Callable[[], str]) -> Up:
    server = start(**for_a_team(make_database())).ready()
    server.make_keys()
    server.sql(LONG_LOG)
    server.sql(LONG_NOTES)
    return server


@contextmanager
def others_ask(server: Up) -> Iterator[None]:
    """Ask for other things during the block, and check that each answer came soon."""
    ended, answers = threading.Event(), list[requests.Response]()

    def ask() -> None:
        with server.by("publisher") as caller:
            while not ended.is_set():
                answers.extend(caller.get(path, timeout=20) for path in ("/livez", "/api/v1/models"))
                time.sleep(0.1)

    with at_work([ask], lambda: None, ended):
        yield
    assert statuses(answers) == {200: len(answers)}
    assert len(answers) >= 10
    assert max(answer.elapsed.total_seconds() for answer in answers) < SOON


def begin_export(server: Up, session: requests.Session) -> requests.Response:
    return session.get(f"{server.url}/audit/export.jsonl", stream=True, timeout=30)


def test_exports_that_nobody_reads_are_few_and_the_others_are_told_to_wait(server: Up) -> None:
    with ExitStack() as stack:
        session = stack.enter_context(requests.Session())
        signed_in = session.post(
            f"{server.url}/login", data={"key": server.keys["viewer"]}, headers={"Sec-Fetch-Site": "same-origin"}
        )
        assert signed_in.ok
        with others_ask(server):
            answers = at_once(*[partial(begin_export, server, session)] * 20)
            time.sleep(2)
        for answer in answers:
            stack.callback(answer.close)
        counts = statuses(answers)
        assert set(counts) == {200, 503}
        assert 1 <= counts[200] <= 4
        assert {answer.headers["Retry-After"] for answer in answers if answer.status_code == 503} == {"2"}
        begun = next(answer for answer in answers if answer.status_code == 200)
        size = sum(len(part) for part in begun.iter_content(1024 * 1024))
        assert size > 64 * 1024 * 1024


def test_filters_that_take_long_are_refused_after_three_seconds_and_are_few_at_once(server: Up) -> None:
    with server.by("viewer") as viewer, others_ask(server):
        began = time.monotonic()
        answers = at_once(*[partial(viewer.get, f"/api/v1/versions?filter={quote(DEAR)}", timeout=60)] * 16)
        seconds = time.monotonic() - began
    assert set(statuses(answers)) == {422, 503}
    assert seconds < 15
    for answer in answers:
        if answer.status_code == 503:
            assert "slow lists" in problem(answer, "unavailable")["detail"]
            assert answer.headers["Retry-After"] == "2"
        else:
            (message,) = problem(answer, "validation")["errors"]["filter"]
            assert message.startswith("Takes more than 3 s here. Name the model")


@pytest.mark.parametrize(
    "query", [f"filter={quote(DEAR)}&count=true", f"filter={quote(DEAR)}&limit=1000"], ids=["counted", "in portions"]
)
def test_no_way_to_ask_takes_longer(server: Up, query: str) -> None:
    with server.by("viewer") as viewer:
        began = time.monotonic()
        answer = viewer.get(f"/api/v1/versions?{query}", timeout=60)
        assert answer.status_code == 422
        assert time.monotonic() - began < 12


def test_the_limit_ends_with_the_list_and_a_page_says_what_is_wrong(server: Up) -> None:
    with server.by("viewer") as viewer, requests.Session() as session:
        session.post(
            f"{server.url}/login", data={"key": server.keys["viewer"]}, headers={"Sec-Fetch-Site": "same-origin"}
        )
        page = session.get(f"{server.url}/versions?filter={quote(DEAR)}", timeout=60)
        assert "Takes more than 3 s here." in page.text
        assert viewer.get("/api/v1/versions?limit=5").status_code == 200
    assert [line for line in server.lines() if line["level"] in ("error", "critical")] == []
