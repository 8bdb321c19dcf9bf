"""Limit concurrent requests that use a thread and the database for long, so that other requests always get a thread."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar
from uuid import UUID

from flask import g

from catapult.errors import Unavailable
from catapult.filters.mistakes import TooSlow
from catapult.queries.lists.paging import LONGEST, Listing

T = TypeVar("T")
QUICK = 0.5
"""Seconds for the first try of a list that a client filters or sorts. Most need a hundredth of that."""


class Slots:
    """At most `total` requests of a kind at once in this process, and at most `each` with one key."""

    def __init__(self, kind: str, total: int, each: int) -> None:
        self.kind, self.total, self.each = kind, total, each
        self._lock, self._taken = Lock(), Counter[UUID]()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold a slot of the request's key. Raises Unavailable if there is none."""
        key = g.actor.key_id
        with self._lock:
            own, total = self._taken[key], self._taken.total()
            if own >= self.each:
                raise Unavailable(f"This key reads {own} {self.kind} already. Wait for them.", retry_after=2)
            if total >= self.total:
                raise Unavailable(f"The server is busy with {total} {self.kind}. Try again in 2 s.", retry_after=2)
            self._taken[key] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[key] -= 1
                self._taken += Counter()  # forgets keys with none


FILES = Slots("files", 3, 2)
SLOW_LISTS = Slots("slow lists", 3, 2)
"""Of a process's eight threads, these two kinds leave two for everything else."""
IMAGES = Slots("images", 2, 2)
"""Two requests at a time ask image registries: one that hangs blocks a thread for ten seconds."""


def limited(listing: Listing, read: Callable[[Listing], T]) -> T:
    """Return `read(listing)`. A list that takes longer than `QUICK` needs a slot. Raises TooSlow and Unavailable."""
    if listing.asked is None:
        return read(listing)
    try:
        return read(listing.within(QUICK))
    except TooSlow:
        with SLOW_LISTS.taken():
            return read(listing.within(LONGEST))
