"""Clients that keep writing and reading through one address and never repeat a request."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import NamedTuple

import requests
from up import Caller, a_version, at_work, until

PAUSE = 0.01  # seconds after each answer, which leave a starting server some processor time
OURS = {"Sec-Fetch-Site": "same-origin"}
Send = Callable[[Caller, int, dict[str, str]], requests.Response]


class Answer(NamedTuple):
    request_id: str
    method: str
    outcome: str  # the status, or the error of the connection


class Clients:
    """Clients of one address. Each sends its requests one after the other, with an id of its own for each."""

    def __init__(self, url: str, key: str, name: str) -> None:
        self.url, self.key, self.name = url, key, name
        self.ending = threading.Event()
        self.answers: list[Answer] = []

    def work(self, method: str, send: Send, signed_in: bool = False) -> None:
        """Send requests until `ending` is set, with the key or as a person who signed in with it."""
        with Caller(self.url, None if signed_in else self.key) as caller:
            if signed_in:
                page = caller.post("/login", data={"key": self.key}, headers=OURS, allow_redirects=False)
                assert page.status_code == 303
            for n in count():
                if self.ending.is_set():
                    return
                request_id = f"{self.name}-{threading.get_ident()}-{n}"
                try:
                    outcome = str(send(caller, n, {"X-Request-ID": request_id}).status_code)
                except Exception as error:  # recorded: any error that a client sees is a lost request
                    outcome = f"{type(error).__name__}: {error}"
                self.answers.append(Answer(request_id, method, outcome))
                self.ending.wait(PAUSE)

    def go_on(self, more: int = 100) -> None:
        """Wait for this many more answers."""
        goal = len(self.answers) + more
        until(lambda: len(self.answers) >= goal)

    def lost(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.outcome not in ("200", "201")]

    def written(self) -> list[str]:
        """Return the ids of the requests that write."""
        return [answer.request_id for answer in self.answers if answer.method != "GET"]


@contextmanager
def clients(url: str, key: str, name: str) -> Iterator[Clients]:
    """Yield seven clients that keep working in the block: four write, one of them on new connections, three read."""
    with Caller(url, key) as caller:
        models = [caller.model(f"{name}/{n}") for n in range(4)]

    def post(caller: Caller, n: int, headers: dict[str, str], model: int = 0) -> requests.Response:
        return caller.post("/api/v1/versions", json=a_version(models[model], f"1.0.{n}"), headers=headers)

    def put(caller: Caller, n: int, headers: dict[str, str]) -> requests.Response:
        return caller.put(f"/api/v1/models/{models[3]['id']}", json={"description": f"as of {n}"}, headers=headers)

    def get(path: str, caller: Caller, n: int, headers: dict[str, str]) -> requests.Response:
        return caller.get(path, headers={**headers, **OURS}, allow_redirects=False)

    working = Clients(url, key, name)
    works = [
        partial(working.work, "POST", post),
        partial(working.work, "POST", partial(post, model=1)),
        partial(working.work, "POST", lambda c, n, headers: post(c, n, {**headers, "Connection": "close"}, model=2)),
        partial(working.work, "PUT", put),
        partial(working.work, "GET", partial(get, "/api/v1/models")),
        partial(working.work, "GET", partial(get, f"/api/v1/models/{models[0]['id']}/versions?limit=5")),
        partial(working.work, "GET", partial(get, "/models"), signed_in=True),
    ]
    with at_work(works, working.go_on, working.ending):
        yield working
