"""The benchmark: how it sends requests, and the page that it writes."""

import shutil
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))  # where `scripts` is

from scripts.benchmark import report
from scripts.benchmark.asking import UNIQUE, Asked, Client, Figures
from scripts.benchmark.cases import Case
from scripts.benchmark.made_up import Size, plans, shares
from scripts.benchmark.measuring import Measured
from scripts.benchmark.registries import Registry


def test_models_of_any_number_have_names_of_their_own_and_share_all_versions():
    planned = plans(Size(models=2_500, versions=30_000, entries=0))
    assert len({plan.name for plan in planned}) == 2_500
    assert sum(plan.versions for plan in planned) == 30_000
    assert shares(10, [3, 1, 1]) == [6, 2, 2]


@pytest.fixture
def counting():
    """A server that refuses paths that end in `/bad`: its port, and the requests it received."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.send_response(404 if self.path.endswith("/bad") else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, received
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("tool", ["wrk", None])
def test_requests_are_sent_in_turn_and_timed_with_wrk_and_without(counting, tool):
    if tool and not shutil.which(tool):
        pytest.skip("wrk is not installed")
    port, received = counting
    client = Client(port, "a key")
    client.tool = tool
    figures = client.ask(Asked(["/one", "/two", "/bad"], [f'{{"version": "{UNIQUE}"}}']), 1, 2)
    assert abs(len(received) - figures.requests) <= 3  # requests under way at the end are not counted
    assert len({body for _, body in received}) == len(received)
    assert figures.requests / 4 < figures.faults < figures.requests / 2
    assert 0 < figures.p50 <= figures.p95 <= figures.p99
    assert figures.rate == pytest.approx(figures.requests, rel=0.3)


def test_a_round_continues_after_the_requests_of_the_rounds_before(counting):
    port, received = counting
    client = Client(port, "a key")
    client.tool = None
    client.ask(Asked([f"/{position}" for position in range(100_000)], ["{}"]), 1, 1, sent=7)
    assert received[0] == ("/7", "{}")


def test_a_page_says_which_bounds_hold(make_database):
    quick, slow = Figures(900.0, 1.0, 2.0, 3.0, 900, 0), Figures(500.0, 1.8, 3.0, 9.0, 500, 2)
    sides = [Registry(name, make_database(), (3, 60, 30, 400), 60.0, 2.0) for name in ("small", "large")]
    bounds = {"floor": None, "one version": 1.5, "search": 4.0}
    listed = [Case(name, Asked(["/"]), "floor", bound) for name, bound in bounds.items()]
    figures = {(8, case.name, side.name): quick if side.name == "small" else slow for case in listed for side in sides}
    page = report.page(Measured(sides, listed, figures), SimpleNamespace(workers="own:2x8", rounds=5, seconds=2))
    assert "3 models, 60 versions, 30 deployments, 400 audit entries; " in page
    assert ("1.5 | **missed** |" in page, "4.0 | holds |" in page) == (True, True)
    assert "- Missed over 8: one version takes 1.80 times as long, and its bound is 1.5." in page
    assert "- Failed over 8: 2 of 500 requests, search, large." in page
