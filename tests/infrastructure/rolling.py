"""Clients that write and read without pause through one address, and never send anything twice."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple

from up import Caller, a_version, at_work, until

PAUSE = 0.01  # seconds after each answer, which leave the machine room for a server that starts
OURS = {"Sec-Fetch-Site": "same-origin"}


class Answer(NamedTuple):
    request_id: str
    method: str
    said: str  # the status, or what went wrong with the connection
    seconds: float


class Clients:
    """Four write, one by each of the methods and one on a connection of its own for each request; three read."""

    def __init__(self, url: str, key: str, name: str) -> None:
        self.url, self.key, self.name = url, key, name
        self.ending = threading.Event()
        self.answers: list[Answer] = []
        with Caller(url, key) as caller:
            self.models = [caller.model(f"{name}/{n}") for n in range(4)]

    def post(self, model: int, fresh: bool = False) -> None:
        def step(caller: Caller, n: int, sent: str) -> int:
            body = a_version(self.models[model], f"1.0.{n}")
            headers = {"X-Request-ID": sent, **({"Connection": "close"} if fresh else {})}
            return caller.post("/api/v1/versions", json=body, headers=headers).status_code

        self._go_on(step, "POST")

    def put(self, model: int) -> None:
        def step(caller: Caller, n: int, sent: str) -> int:
            address = f"/api/v1/models/{self.models[model]['id']}"
            return caller.put(address, json={"description": f"as of {n}"}, headers={"X-Request-ID": sent}).status_code

        self._go_on(step, "PUT")

    def get(self, path: str) -> None:
        self._go_on(lambda caller, _, sent: caller.get(path, headers={"X-Request-ID": sent}).status_code, "GET")

    def browse(self) -> None:
        """Pages of a session."""

        def step(caller: Caller, n: int, sent: str) -> int:
            headers = {"X-Request-ID": sent, **OURS}
            return caller.get("/models", headers=headers, allow_redirects=False).status_code

        with Caller(self.url) as caller:
            signed_in = caller.post("/login", data={"key": self.key}, headers=OURS, allow_redirects=False)
            assert signed_in.status_code == 303
            self._ask(caller, step, "GET")

    def _go_on(self, step, method: str) -> None:
        with Caller(self.url, self.key) as caller:
            self._ask(caller, step, method)

    def _ask(self, caller: Caller, step, method: str) -> None:
        thread = f"{self.name}-{threading.get_ident()}"
        for n in count():
            if self.ending.is_set():
                return
            sent, began = f"{thread}-{n}", time.monotonic()
            try:
                said = str(step(caller, n, sent))
            except Exception as error:  # whatever a client sees is what is asked here
                said = f"{type(error).__name__}: {error}"
            self.answers.append(Answer(sent, method, said, time.monotonic() - began))
            time.sleep(PAUSE)

    def go_on(self, more: int = 100) -> None:
        """Waits until so many more were answered."""
        goal = len(self.answers) + more
        until(lambda: len(self.answers) >= goal)

    def lost(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.said not in ("200", "201")]

    def written(self) -> list[str]:
        """The requests that changed something."""
        return [answer.request_id for answer in self.answers if answer.method != "GET"]


@contextmanager
def clients(url: str, key: str, name: str) -> Iterator[Clients]:
    """They go on meanwhile."""
    asking = Clients(url, key, name)
    works = [
        *(lambda n=n: asking.post(n) for n in range(2)),
        lambda: asking.post(2, fresh=True),
        lambda: asking.put(3),
        lambda: asking.get("/api/v1/models"),
        lambda: asking.get(f"/api/v1/models/{asking.models[0]['id']}/versions?limit=5"),
        asking.browse,
    ]
    with at_work(works, asking.go_on, asking.ending):
        yield asking
