"""Who may ask a database that did not answer a moment ago."""

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier

import pytest
from sqlalchemy import create_engine, exc, make_url, text

from catapult.reachability import Reachability

MANY = 8


@pytest.fixture
def engine(make_database):
    address = make_url(make_database()).set(drivername="postgresql+psycopg2")
    engine = create_engine(address, pool_size=MANY)
    yield engine
    engine.dispose()


def test_requests_at_once_are_answered_if_the_one_that_tries_first_is(engine):
    """Refusing the others at once would fail part of the first burst after the database has come back."""
    reachability, start = Reachability(engine), Barrier(MANY)

    def ask(_):
        start.wait(10)
        with engine.connect() as connection:
            return connection.scalar(text("SELECT 1"))

    for _ in range(5):
        reachability._failed(-math.inf)
        with ThreadPoolExecutor(MANY) as threads:
            assert [*threads.map(ask, range(MANY))] == [1] * MANY


def test_requests_are_refused_soon_while_the_one_that_tries_waits(engine):
    reachability = Reachability(engine)
    reachability._failed(-math.inf)
    with closing(engine.raw_connection()), ThreadPoolExecutor(MANY) as threads:  # it tries, and asks nothing yet
        refused = [thread.exception(5) for thread in [threads.submit(engine.connect) for _ in range(MANY)]]
    assert {type(error) for error in refused} == {exc.OperationalError}
