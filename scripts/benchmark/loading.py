"""The rows of a made-up registry go into a migrated, empty database by COPY."""

import csv
import io
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from itertools import islice
from typing import Any

import psycopg2
from sqlalchemy.dialects.postgresql import JSONB

from catapult.demo import STATES, TABLES
from catapult.demo.rows import Rows
from catapult.extensions import db

PORTION = 10_000
"""How many events are sent at once."""


def load(url: str, events: Iterable[tuple[datetime, Rows]]) -> float:
    """Write the rows of all events in one transaction, one portion while the next is made. Returns the seconds it took.

    Nothing is switched off: every check, foreign key, index and trigger sees every row.
    """
    began, sent = time.monotonic(), Future[None]()
    sent.set_result(None)
    with closing(psycopg2.connect(url)) as connection, connection, ThreadPoolExecutor(1) as pool:
        for portion in _portions(iter(events)):
            sent.result()
            sent = pool.submit(_copy, connection, portion)
        sent.result()
        with connection.cursor() as cursor:
            cursor.execute(STATES)
    return time.monotonic() - began


def _portions(events: Iterator[tuple[datetime, Rows]]) -> Iterator[dict[str, list[dict[str, Any]]]]:
    while portion := list(islice(events, PORTION)):
        rows = defaultdict(list)
        for _, written in portion:
            for table, row in written:
                rows[table].append(row)
        yield rows


def _copy(connection: Any, portion: dict[str, list[dict[str, Any]]]) -> None:
    with connection.cursor() as cursor:
        for table in TABLES:
            if rows := portion.get(table):
                cursor.copy_expert(f"COPY {table} ({', '.join(rows[0])}) FROM STDIN (FORMAT csv)", as_csv(table, rows))


def as_csv(table: str, rows: list[dict[str, Any]]) -> io.StringIO:
    """Return the table's rows in the form that COPY reads. An empty text becomes NULL."""
    json_columns = {column.name for column in db.metadata.tables[table].columns if isinstance(column.type, JSONB)}
    file = io.StringIO()
    csv.writer(file).writerows(
        [
            json.dumps(v) if name in json_columns else _TEXT[type(v)](v) if type(v) in _TEXT else v
            for name, v in row.items()
        ]
        for row in rows
    )
    file.seek(0)
    return file


_TEXT: dict[type, Callable[[Any], str]] = {
    list: lambda values: f"{{{','.join(map(json.dumps, values))}}}",
    bytes: lambda value: f"\\x{value.hex()}",
}
