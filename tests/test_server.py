"""What Catapult overrides in gunicorn is still there, with the same arguments."""

import inspect
import re

import gunicorn.arbiter
import pytest
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from catapult.server.arbiter import Arbiter
from catapult.server.gunicorn_server import Log
from catapult.server.worker import Worker

OVERRIDES = [
    (ours, theirs, name)
    for ours, theirs in ((Arbiter, gunicorn.arbiter.Arbiter), (Worker, ThreadWorker), (Log, Logger))
    for name in vars(ours)
    if not name.startswith("_") and callable(getattr(ours, name))
]


@pytest.mark.parametrize(("ours", "theirs", "name"), OVERRIDES, ids=lambda part: getattr(part, "__name__", part))
def test_an_overridden_method_exists_in_gunicorn_and_says_when_it_can_go(ours, theirs, name):
    override, original = getattr(ours, name), getattr(theirs, name)
    assert list(inspect.signature(override).parameters) == list(inspect.signature(original).parameters)
    assert re.search(r"Overrides \w+\.\w+.* Can\s+go\s+when ", " ".join(override.__doc__.split()))
