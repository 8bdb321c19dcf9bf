"""The worker that runs beside gunicorn's workers with the embedded database, in one process of its own."""

import _thread
import os
import signal
from collections.abc import Iterable

from flask import Flask

from catapult.extensions import db
from catapult.jobs.worker import Worker

NAME = b"catapult-jobs"


def serve(app: Flask, parent: int | None = None, kinds: Iterable[str] | None = None) -> None:
    """Run jobs until SIGTERM or Ctrl-C, or until the process `parent`, whose child this is, is gone."""
    with app.app_context():
        db.engine.dispose(close=False)
    worker = Worker(app, parent=parent) if kinds is None else Worker(app, tuple(kinds), parent=parent)
    stop_at_signals(worker)
    if not worker.run():
        os._exit(0)  # unfinished jobs were given back, and their threads would keep this process alive


def stop_at_signals(worker: Worker) -> None:
    """Stop the worker at SIGTERM and Ctrl-C, by a thread: the handler interrupts the loop, which may hold the lock of an event."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _thread.start_new_thread(worker.stop, ()))
