"""Probe the storage in a thread of its own, so that nobody else waits to learn whether it answers."""

import threading
import time
from datetime import UTC, datetime
from typing import Any

import structlog

from catapult.storage import Storage, StorageError

PAUSE = 2.0
"""Seconds between two tries."""
SLOW = 4.0
"""Seconds after which a try counts as one that hangs."""
log = structlog.get_logger("catapult")


class FileWatch:
    """Writes something small to the storage and remembers the result. While a probe hangs, no other one is started."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.began: float | None = None
        self.since = time.time()
        self.fault: StorageError | None = None

    def start(self) -> None:
        threading.Thread(target=self._watch, daemon=True).start()

    def state(self) -> dict[str, Any]:
        """Return `status` (`ok`, `hangs` or `failed`) and, unless it is ok, `reason`. Touches no storage."""
        if self.hangs():
            return {"status": "hangs", "reason": f"hangs since {_clock(self.began or 0.0)}"}
        if self.fault:
            return {"status": "failed", "reason": f"{self.fault}, since {_clock(self.since)}"}
        return {"status": "ok"}

    def hangs(self) -> bool:
        began = self.began
        return began is not None and time.time() - began > SLOW

    def _watch(self) -> None:
        while True:
            self._try()
            time.sleep(PAUSE)

    def _try(self) -> None:
        self.began, fault = time.time(), None
        try:
            self.storage.probe()
        except StorageError as error:
            fault = error
        if str(fault) != str(self.fault):
            self.since = time.time()
            if fault:
                log.error("the storage of files failed", place=fault.place, reason=fault.reason)
            else:
                log.warning("the storage of files is back")
        self.fault, self.began = fault, None


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
