"""Processes beside gunicorn's workers, which inherit the arbiter's handlers of signals."""

import os
import signal
import time

from catapult.server.child_process import ChildProcess

PATIENCE = 20.0


def test_a_child_that_has_no_handlers_yet_ends_at_once():
    former = signal.signal(signal.SIGTERM, lambda *_: None)  # as gunicorn's, which notes a signal and returns
    try:
        child = ChildProcess(b"starting", lambda _: time.sleep(2 * PATIENCE), PATIENCE)
        child.keep_running([])
        began = time.monotonic()
        child.stop()
        child.join()
        assert time.monotonic() - began < PATIENCE / 2
        assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    finally:
        signal.signal(signal.SIGTERM, former)


def test_a_child_gets_signals_once_it_has_handlers(tmp_path):
    ready, ended = tmp_path / "ready", tmp_path / "ended"

    def run(_: int) -> None:
        signal.signal(signal.SIGTERM, lambda *_: ended.touch())
        ready.touch()
        while not ended.exists():
            time.sleep(0.01)

    child = ChildProcess(b"ready", run, PATIENCE)
    child.keep_running([])
    while not ready.exists():
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGTERM)
    child.join()
    assert ended.exists()
