"""Clients that write all the time, and checks of what they wrote."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import requests
from up import Caller, Up, a_model, a_version, at_work, problem, until

SOON = 3.0


class Load:
    """Register models and versions and promote them all the time, with a key of their own.

    `acknowledged` has the changes that were answered with success, as (audit action, id).
    """

    def __init__(self, url: str, key: str, name: str, pause: float = 0) -> None:
        self.url, self.key, self.name, self.pause = url, key, name, pause
        self.ending = threading.Event()
        self.acknowledged: list[tuple[str, str]] = []
        self.refused: list[requests.Response] = []
        self.lost = 0

    def work(self, thread: int) -> None:
        with Caller(self.url, self.key) as caller:
            for n in count():
                if self.ending.is_set():
                    return
                model = self._change(caller, "model.create", "/api/v1/models", a_model(f"{self.name}/{thread}-{n}"))
                version = model and self._change(
                    caller, "version.create", "/api/v1/versions", a_version(model, "1.0.0", metadata={"loss": n})
                )
                if version:
                    self._change(caller, "version.promote", f"/api/v1/versions/{version['id']}/promote", {})
                self.ending.wait(self.pause)

    def _change(self, caller: Caller, action: str, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Return what was created; None if it was refused or the connection was lost."""
        try:
            answer = caller.post(path, json=body)
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            self.lost += 1
            return None
        if not answer.ok:
            self.refused.append(answer)
            return None
        created: dict[str, Any] = answer.json()
        self.acknowledged.append((action, created["id"]))
        return created

    def goes_on(self, more: int = 40) -> None:
        """Wait until that many more changes were acknowledged."""
        goal = len(self.acknowledged) + more
        until(lambda: len(self.acknowledged) >= goal)

    def is_refused(self, more: int = 1) -> None:
        """Wait until that many more were refused."""
        goal = len(self.refused) + more
        until(lambda: len(self.refused) >= goal)


@contextmanager
def load(server: Up, name: str, url: str = "", threads: int = 16, pause: float = 0) -> Iterator[Load]:
    """Write in so many threads during the block, to the server or to the proxy at `url`, with pauses of so many seconds."""
    with server.by("admin") as admin:
        key = admin.made("/api/v1/api-keys", {"name": name, "role": "releaser"})["key"]
    load = Load(url or server.url, key, name, pause)
    with at_work([partial(load.work, thread) for thread in range(threads)], load.goes_on, load.ending):
        yield load


def assert_kept(server: Up, load: Load) -> None:
    """Check that each acknowledged change is stored, and that changes and audit entries match one to one."""
    rows = server.sql(
        "WITH mine AS (SELECT id FROM models WHERE name LIKE %s),"
        " children AS (SELECT id, released_at FROM versions WHERE model_id IN (SELECT id FROM mine)),"
        " changed AS (SELECT 'model.create' AS action, id FROM mine UNION ALL SELECT 'version.create', id FROM children"
        "  UNION ALL SELECT 'version.promote', id FROM children WHERE released_at IS NOT NULL),"
        " logged AS (SELECT action, resource_id AS id, count(*) AS entries FROM audit_logs WHERE api_key_name = %s"
        "  GROUP BY action, resource_id)"
        " SELECT logged.action, changed.id::text, logged.entries FROM changed FULL JOIN logged"
        "  ON logged.id = changed.id AND logged.action = changed.action",
        f"{load.name}/%",
        load.name,
    )
    odd = [row for row in rows if None in row or row[2] != 1]
    assert not odd, f"changes without their one entry, or entries without their change: {odd}"
    lost = set(load.acknowledged) - {(action, identity) for action, identity, _ in rows}
    assert not lost, f"acknowledged and not stored: {lost}"
    assert len(set(load.acknowledged)) == len(load.acknowledged), "the same change was acknowledged twice"
    assert {action for action, _ in load.acknowledged} == {"model.create", "version.create", "version.promote"}


def assert_told_to_wait(load: Load, soon: float = SOON) -> None:
    """Check that each refusal was a 503 with Retry-After within so many seconds, and that no connection was lost."""
    assert load.lost == 0, f"{load.lost} connections were lost"
    for answer in load.refused:
        assert answer.status_code == 503, answer.text
        problem(answer, "unavailable")
        assert 1 <= int(answer.headers["Retry-After"]) <= 5
        assert answer.elapsed.total_seconds() < soon, f"answered after {answer.elapsed}"
