"""What tests of S3 do in processes of their own. It imports little, so that they begin fast."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from catapult.storage import s3

MIB = 1024 * 1024
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["pytest", "catapult.storage.s3"])


def in_another_process(act: Callable[..., None], *values: Any) -> int | None:
    """Call it there, and return the exit status: 0, or minus the signal that killed it."""
    process = processes.Process(target=act, args=values)
    process.start()
    process.join(120)
    return process.exitcode


def write(storage: s3.S3, upload: str, at: int, content: bytes) -> None:
    storage.write(upload, at, [content])


def die_before_request(number: int, storage: s3.S3, upload: str, content: bytes, kept: int) -> None:
    """Go through all of an upload from `kept` on, and die by SIGKILL when that request is about to be sent."""
    s3.COPY_WHOLE, s3.COPY_PART, s3.COPIES, sent = 5 * MIB, 5 * MIB, 1, []

    def count(**_: Any) -> None:
        sent.append(1)
        if len(sent) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    storage._client().meta.events.register("before-send.s3", count)
    storage.write(upload, kept, [content[kept:-1]])
    storage.write(upload, len(content) - 1, [content[-1:]])
    assert b"".join(storage.written(upload)) == content
    storage.finish(upload, sha256(content).hexdigest())


def die_before_the_first_part(storage: s3.S3, upload: str) -> None:
    """Hold the first of several parts back for long enough to send all of the second, and die by SIGKILL."""

    def hold(request: Any, **_: Any) -> None:
        if "partNumber=1" in urlsplit(request.url).query.split("&"):
            time.sleep(2)
            os.kill(os.getpid(), signal.SIGKILL)

    storage._client().meta.events.register("before-send.s3", hold)
    storage.write(upload, 0, [os.urandom(MIB)] * 70)


def use_little_memory(storage: s3.S3, pieces: int, limit: int) -> None:
    """Send and receive so many pieces of 1 MiB, and fail if that takes `limit` bytes of memory."""
    storage.probe()
    peak()
    before, upload, piece = peak(), uuid4().hex, os.urandom(MIB)
    storage.write(upload, 0, (piece for _ in range(pieces)))
    digest = sha256()
    for part in storage.written(upload):
        digest.update(part)
    storage.finish(upload, digest.hexdigest())
    assert (
        sum(len(part) for part in storage.read(digest.hexdigest())) == storage.size(digest.hexdigest()) == pieces * MIB
    )
    used = peak() - before
    print(f"{used / MIB:.0f} MiB above {before / MIB:.0f} MiB")
    assert used < limit


def peak() -> int:
    """Return the most memory in bytes that this process has used since this was last called."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    Path("/proc/self/clear_refs").write_text("5")
    return int(line.split()[1]) * 1024
