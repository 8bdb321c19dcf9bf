"""Tables as files of comma-separated values, sent while they are read."""

import csv
import io
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from itertools import chain, islice
from typing import Any

from flask import Response, stream_with_context

from catapult.queries.lists.paging import CHUNK, Listing
from catapult.rules.json_text import rfc3339
from catapult.web import slots

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a cell begins that a spreadsheet would run as a formula. Some treat the wide characters alike."""

MARK = "\ufeff"
"""How a file of CSV begins. Without it Excel reads the file in the encoding of its machine, and `é` becomes `Ã©`."""

MOST_ROWS = 10_000
"""The most rows of a table in a file."""


def table(name: str, heads: Sequence[str], listing: Listing, cells: Callable[[list[Any]], Iterator[Any]]) -> Response:
    """Return the list as a file; `cells` returns the lines of a portion of its rows, which it may complete."""
    return sheet(name, heads, (row for portion in listing.portions(MOST_ROWS) for row in cells(portion)))


def columns(name: str, names: Sequence[str], listing: Listing) -> Response:
    """Return the list as a file with these columns of its rows."""
    return table(name, names, listing, lambda rows: ([getattr(row, each) for each in names] for row in rows))


def sheet(name: str, heads: Sequence[str], rows: Iterator[Any]) -> Response:
    """Return the rows as a file of CSV that Excel reads as UTF-8."""
    return file(f"{name}.csv", "text/csv; charset=utf-8", chain([MARK], map(line, chain([heads], rows))))


def line(cells: Any) -> str:
    """Return a line of CSV (RFC 4180), with times as the API writes them."""
    text = io.StringIO()
    csv.writer(text).writerow([cell(value) for value in cells])
    return text.getvalue()


def cell(value: Any) -> str:
    """Return the value as text; an apostrophe before it keeps a spreadsheet from running it as a formula.

    Source: OWASP, CSV Injection. A number cannot be one.
    """
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        return cell(" ".join(value))
    text = "" if value is None else rfc3339(value) if isinstance(value, datetime) else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def file(name: str, content_type: str, lines: Iterator[str]) -> Response:
    """Return the lines as a file that is sent while they are read, one chunk in memory at a time.

    The first chunk is read here: if the database is down, the response is a 503 and not a truncated file. Raises Unavailable
    if too many files are read already.
    """
    chunks = iter(lambda: "".join(islice(lines, CHUNK)), "")
    with ExitStack() as taken:
        taken.enter_context(slots.FILES.taken())
        first, held = next(chunks, ""), taken.pop_all()
    response = Response(stream_with_context(_sent(first, chunks, held)), content_type=content_type)
    weakref.finalize(response, held.close)  # if nobody reads it
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _sent(first: str, chunks: Iterator[str], held: ExitStack) -> Iterator[str]:
    with held:
        yield first
        yield from chunks
