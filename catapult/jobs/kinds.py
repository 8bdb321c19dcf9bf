"""Every kind of job: its function, and how often it is repeated."""

from collections.abc import Callable
from typing import Any, NamedTuple

from catapult.jobs import (
    ask,
    deliver,
    dispatch,
    read_files,
    register_image,
    scrub,
    seal,
    stream,
    sweep,
    tell_checkpoint,
    thaw,
    verify,
    write_checkpoint,
)


class Kind(NamedTuple):
    """A kind of job.

    `run` gets the job's key and payload. It returns the seconds after which the job runs again, None if it is done. A kind with
    `every` has one job, which runs again after at most so many seconds. A worker runs at most `at_once` jobs of a kind at a time,
    so that others get a thread while a network hangs.
    """

    run: Callable[[str, dict[str, Any]], float | None]
    every: float | None = None
    at_once: int | None = None


KINDS = {
    "thaw": Kind(thaw.run, every=5),
    "ask": Kind(ask.run, every=5),
    "seal": Kind(seal.run, every=2),
    "stream": Kind(stream.run, every=2),
    "checkpoint": Kind(tell_checkpoint.run, every=86_400),
    "write_checkpoint": Kind(write_checkpoint.run, every=86_400),
    "register_image": Kind(register_image.run, at_once=2),
    "dispatch": Kind(dispatch.run, every=1),
    "deliver": Kind(deliver.run),
    "verify": Kind(verify.run, at_once=2),
    "read_files": Kind(read_files.run, every=2),
    "scrub": Kind(scrub.run, every=60),
    "sweep": Kind(sweep.run, every=600),
}
"""In the order in which `flask worker --once` runs them: later kinds run the jobs that earlier kinds add."""
