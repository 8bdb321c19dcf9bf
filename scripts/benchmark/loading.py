"""A migrated, empty database becomes a registry of a size."""

import time
from datetime import UTC, datetime
from random import Random

import psycopg2
from psycopg2.extras import execute_values

from .clock import MINUTE, microseconds
from .copying import Copying
from .timeline import Size, Timeline

SMALL = Size(10, 1_000, 300, 5_000)
FULL = Size(1_000, 1_000_000, 300_000, 5_000_000)

COUNTED = """
UPDATE models SET version_count = made, latest_version = latest
FROM (VALUES %s) AS told (id, made, latest) WHERE models.id = CAST(told.id AS uuid)
"""


def load(url: str, size: Size, salt: str) -> float:
    """The registry is there, up to some minutes ago; the seconds that it took."""
    began = time.monotonic()
    with Copying(url) as copying:
        timeline = Timeline(size, microseconds(datetime.now(UTC)) - 5 * MINUTE, salt, copying.add)
        timeline.tell()
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            counts = [(life.id, life.made, life.latest) for life in timeline.lives]
            Random(0).shuffle(counts)  # noqa: S311 - as they were written last, which is in no order
            execute_values(cursor, COUNTED, counts)
    finally:
        connection.close()
    return time.monotonic() - began


def tidy(url: str) -> float:
    """What autovacuum would come to do is done; the seconds that it took."""
    began = time.monotonic()
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    finally:
        connection.close()
    return time.monotonic() - began
