"""Rows into tables by COPY, portion by portion, while the next portion is being made.

Nothing is switched off meanwhile: every check, foreign key, index and trigger sees every row.
"""

import io
from collections import defaultdict
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import Any

import psycopg2

PORTION = 50_000
"""Rows that are sent at once, of all tables together."""

COLUMNS = {
    "api_keys": "id name role prefix key_hash salt_mark created_by created_at",
    "environments": "id name rank protected description created_by created_at updated_at counter",
    "gates": "id model target kind path op value direction tolerance paths environment seconds count role"
    " created_by created_at updated_at",
    "models": "id name storage_path repository description tags metadata version_count latest_version created_at"
    " updated_at counter",
    "versions": "id model_id version semver_key tag digest size_bytes platform quantization release_notes ceph_path"
    " metadata status released_at released_by created_by created_by_key created_at updated_at counter",
    "metrics": "version_id model_id path value",
    "deployments": "id release_id model_id environment status endpoint_url metadata deployed_by deployed_at updated_at"
    " live_from ended_at superseded_by counter",
    "audit_logs": "id action resource_type resource_id api_key_id api_key_name details ip_address request_id created_at",
}
"""By table, in an order that foreign keys allow: what is left out is made by the database, or is NULL."""

_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def line(*values: Any) -> str:
    """A row as COPY reads it; None is NULL."""
    return "\t".join(["\\N" if value is None else str(value).translate(_ESCAPED) for value in values])


class Copying:
    """Takes rows, and has them written by a connection and a thread of its own, in one transaction: what superseded a deployment
    comes after it. The block ends when all are there."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg2.connect(url)
        self._lines: dict[str, list[str]] = defaultdict(list)
        self._count = 0
        self._queue: Queue[dict[str, list[str]] | None] = Queue(maxsize=4)
        self._failure: Exception | None = None
        self._thread = Thread(target=self._write, daemon=True)

    def __enter__(self) -> "Copying":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._hand_over()
        self._queue.put(None)
        self._thread.join()
        try:
            if self._failure:
                raise self._failure
            if kind is None:
                self._connection.commit()
        finally:
            self._connection.close()

    def add(self, table: str, row: str) -> None:
        """One more row of that table, as `line` writes it. Raises what kept an earlier one from being written."""
        self._lines[table].append(row)
        self._count += 1
        if self._count == PORTION:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._failure:
            raise self._failure
        self._queue.put(self._lines)
        self._lines, self._count = defaultdict(list), 0

    def _write(self) -> None:
        """After a failure the rest is taken and dropped, so that whoever hands over never waits for ever."""
        while (portion := self._queue.get()) is not None:
            if self._failure is None:
                try:
                    self._copy(portion)
                except psycopg2.Error as error:
                    self._failure = error

    def _copy(self, portion: dict[str, list[str]]) -> None:
        with self._connection.cursor() as cursor:
            for table, columns in COLUMNS.items():
                if rows := portion.get(table):
                    listed = ", ".join(columns.split())
                    cursor.copy_expert(f"COPY {table} ({listed}) FROM STDIN", io.StringIO("\n".join(rows) + "\n"))
