"""Workers that share out the connections of one socket: whoever holds more than another lets that one take the next."""

import errno
import mmap
import time
from array import array
from typing import Any

import structlog

from catapult.server.drain import LeavingWorker

PLACES = 512  # of 128 workers, of those that take over from them at a reload, and more
ABSENT = 2**63 - 1  # more than anyone holds, so that nobody waits for an empty place
MOMENT = 0.001
MOMENTS = 5
PAUSE = 1.0
log = structlog.get_logger("catapult")


class Board:
    """How many connections each worker holds, and how often it came round to say so, in memory that all processes share.

    Each is one aligned word with one writer: no lock is needed, which a killed worker would keep.
    """

    def __init__(self) -> None:
        words = memoryview(mmap.mmap(-1, 2 * 8 * PLACES)).cast("q")
        self.held, self.turns = words[:PLACES], words[PLACES:]
        self.held[:] = array("q", [ABSENT] * PLACES)

    def seat(self, master: Any, worker: Any) -> None:
        """For `pre_fork`: the worker has a place that no other has; if there ever are too many, they have the last in common."""
        taken = {other.place for other in master.WORKERS.values()}
        worker.place = next((place for place in range(PLACES) if place not in taken), PLACES - 1)
        self.held[worker.place] = ABSENT

    def clear(self, _: Any, worker: Any) -> None:
        """For `child_exit`: nobody waits for this worker."""
        self.held[worker.place] = ABSENT

    def tell(self, place: int, held: int) -> None:
        self.held[place] = held
        self.turns[place] += 1

    def fewer(self, than: int) -> set[tuple[int, int]]:
        """The workers that hold fewer, each with its turn."""
        return {(place, self.turns[place]) for place, held in enumerate(self.held.tolist()) if held < than}


class SharingWorker(LeavingWorker):
    """The worker of threads, which leaves a new connection to workers that hold fewer, for a few moments.

    gunicorn's own workers all run for it, and the one that is awake wins: of what is kept open it may then hold nearly all.
    What nobody took in those moments the worker takes itself, and after that waits one moment at most for a worker that has not
    come round since: it may be stopped or hang, or just have had nothing to do.
    """

    place: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.board: Board = self.app.board
        self.left = 0  # how often in a row what waits at the socket was left to others
        self.resumes = 0.0
        self.pausing = False
        self.asleep: set[tuple[int, int]] = set()

    def accept(self, listener: Any) -> None:
        """The connection is ours, or for a moment we do not look at the socket, which would not let the loop rest."""
        if self._leaves_it():
            self.left += 1
            self._look_away(MOMENT)
            return
        self.left = 0
        try:
            super().accept(listener)
        except OSError as error:  # gunicorn's worker would end, and all that it has in hand with it
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            log.warning("no more connections: raise the limit of open files", connections=self.nr_conns)
            self._look_away(PAUSE)
        self._tell()

    def _look_away(self, seconds: float) -> None:
        self.resumes = time.monotonic() + seconds
        self.set_accept_enabled(False)

    def set_accept_enabled(self, enabled: bool) -> None:
        """The socket is looked at or not; not before the moment is over. gunicorn's loop asks for it again at each round."""
        self.pausing = enabled and time.monotonic() < self.resumes
        super().set_accept_enabled(enabled and not self.pausing)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """One round of gunicorn's loop, which ends with the moment."""
        self._tell()
        before, looking = self.left, self._accepting
        if self.pausing:
            timeout = min(timeout, max(self.resumes - time.monotonic(), 0))
        elif looking and before:
            timeout = 0  # is what was left to others still there?
        super().wait_for_and_dispatch_events(timeout)
        if looking and self.left == before:  # no: others took it
            self.left = 0

    def _leaves_it(self) -> bool:
        """Whether others hold fewer and may still take it. Who let it wait all the moments is asleep until its next turn."""
        fewer = self.board.fewer(self.nr_conns)
        self.asleep = self.asleep & fewer if self.left < MOMENTS else fewer
        return bool(fewer) and self.left < (1 if fewer == self.asleep else MOMENTS)

    def _tell(self) -> None:
        self.board.tell(self.place, self.nr_conns if self.alive else ABSENT)
