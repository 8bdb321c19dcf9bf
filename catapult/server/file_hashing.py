"""Read whole files in the background to compute their SHA-256: a few at once, at the requested rate."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from catapult.rules import file_contents
from catapult.storage import BlobMissing, Storage, StorageError
from catapult.storage.file_client import Refused
from catapult.storage.hashing import sha256_of
from catapult.storage.mount import Changed, Mount

AT_ONCE = 2
RETENTION = 600.0
"""Seconds after which a result that nobody has fetched is dropped."""


class Reading:
    """One file that is being read. `count` is the progress, `ended` or `failure` the result."""

    def __init__(
        self, pieces: Callable[[], Iterator[bytes]], contents: Callable[[], dict[str, Any]], rate: int | None
    ) -> None:
        self.pieces, self.contents, self.rate = pieces, contents, rate
        self.count, self.asked_at = 0, time.monotonic()
        self.ended: dict[str, Any] | None = None
        self.failure: StorageError | None = None

    def run(self, free: threading.Semaphore) -> None:
        with free:
            try:
                self.ended = {"sha256": self._hash(), "contents": self.contents()}
            except BlobMissing:
                self.ended = {"state": "missing"}
            except Refused as refusal:  # it is gone, or is now a link or something else
                self.ended = {"state": "missing", "reason": str(refusal)}
            except Changed:
                self.ended = {"state": "changed"}
            except StorageError as failure:
                self.failure = failure

    def _hash(self) -> str:
        return sha256_of(self.pieces(), self.rate, self._set_count)

    def _set_count(self, count: int) -> None:
        self.count = count


class FileHashing:
    """The files that are being read. The same request again returns the progress of the same reading."""

    def __init__(self, storage: Storage, mount: Mount | None) -> None:
        self.storage, self.mount = storage, mount
        self.free, self.lock = threading.Semaphore(AT_ONCE), threading.Lock()
        self.readings: dict[tuple[Any, ...], Reading] = {}

    def blob(self, sha256: str, rate: int | None) -> dict[str, Any]:
        """Return the progress of reading the blob, or its hash."""
        return self._ask((sha256,), lambda: Reading(lambda: self.storage.read(sha256), dict, rate))

    def file(self, path: str, size: int, changed: int, name: str, rate: int | None) -> dict[str, Any]:
        """Return the progress of reading the file on the mount, or its hash and contents as a version's file of that name."""
        if self.mount is None:
            raise Refused("No mount is set here.")
        mount = self.mount

        def read(start: int, stop: int) -> bytes:
            return b"".join(mount.read(path, size, changed, start, stop))

        def create() -> Reading:
            return Reading(lambda: mount.read(path, size, changed), lambda: file_contents.of(name, size, read), rate)

        return self._ask((path, size, changed), create)

    def _ask(self, key: tuple[Any, ...], create: Callable[[], Reading]) -> dict[str, Any]:
        with self.lock:
            self._forget_old()
            reading = self.readings.get(key)
            if reading is None:
                reading = self.readings[key] = create()
                threading.Thread(target=reading.run, args=(self.free,), daemon=True).start()
            reading.asked_at = time.monotonic()
            if reading.failure:
                del self.readings[key]
                raise reading.failure
            if reading.ended:
                del self.readings[key]
                return reading.ended
            return {"read": reading.count}

    def _forget_old(self) -> None:
        old = time.monotonic() - RETENTION
        for key in [key for key, reading in self.readings.items() if reading.asked_at < old and reading.ended]:
            del self.readings[key]
