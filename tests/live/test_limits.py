"""A rate limit on a running server: the SDK waits as long as it is told, and creates each object once."""

import time

import pytest
from catapult_client import Registry
from up import Start, a_model, for_a_team, problem

pytestmark = pytest.mark.live


def test_the_sdk_waits_as_long_as_retry_after_says(start: Start, make_database) -> None:
    server = start(**for_a_team(make_database()), RATE_LIMIT="5 per second", WEB_CONCURRENCY="1").ready()
    with Registry(server.url, server.key) as registry:
        began = time.monotonic()
        for number in range(20):
            registry.create_model(name=f"limits/{number}", storage_path="docker.io/limits")
        assert 1.5 < time.monotonic() - began < 30
    assert server.sql("SELECT count(*) FROM models") == [(20,)]
    with server.caller(server.key) as caller:
        answers = [caller.post("/api/v1/models", json=a_model(f"limits/more-{number}")) for number in range(20)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    problem(refused, "rate-limited")
    assert refused.headers["Retry-After"] in ("1", "2")
