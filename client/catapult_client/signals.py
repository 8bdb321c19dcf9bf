"""The signals that end a process, caught during a deployment."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

ENDING = [number for number in (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")) if number is not None]


class Terminated(SystemExit):
    """A signal that ends the process arrived. If it is not caught, the exit status is 128 plus the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number

    def __str__(self) -> str:
        return f"the process received {signal.Signals(self.number).name}"


class Signals:
    """Turns SIGTERM and SIGHUP into Terminated from `catch` to `delay`, in the main thread only.

    An exception unwinds the stack, as Ctrl-C does. A handler that sends requests itself could wait forever for a lock
    that the interrupted code holds.
    """

    def __init__(self) -> None:
        self._former: dict[int, Any] = {}
        self._process = 0
        self._received: int | None = None
        self._is_delayed = False

    def catch(self) -> None:
        """Install the handlers. A signal that is ignored, as SIGHUP is by nohup, stays ignored."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._process, self._received, self._is_delayed = os.getpid(), None, False
        for number in ENDING:
            former = signal.getsignal(number)
            if former is not None and former is not signal.SIG_IGN:  # None: the handler is not Python's
                self._former[number] = former
                signal.signal(number, self._handle)

    def fault(self) -> Terminated | None:
        """Return the exception of the signal that arrived, if one did."""
        return None if self._received is None else Terminated(self._received)

    def delay(self) -> None:
        """Delay a first signal until `release`, while the end is reported. A second one raises Terminated."""
        self._is_delayed = True

    def release(self) -> None:
        """Restore the former handlers, and raise a delayed signal again, so that it has its usual effect."""
        self._restore()
        if self._received is not None:
            signal.raise_signal(self._received)

    def _restore(self) -> None:
        for number, former in self._former.items():
            if signal.getsignal(number) == self._handle:  # the block may have set another one
                signal.signal(number, former)
        self._former.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # in a forked child: the deployment belongs to the parent
            self._restore()
            signal.raise_signal(number)
            return
        must_wait = self._is_delayed and self._received is None
        self._received = number
        if not must_wait:
            raise Terminated(number)
