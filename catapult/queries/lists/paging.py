"""Keyset paging: a page costs the same at any position, and never skips or repeats a row while others write.

A list is ordered by a column and the id, and has an index that ends in those two. Lists of models and versions can
also be sorted as a request asks (`sorting.py`).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

from psycopg2 import errorcodes
from sqlalchemy import ColumnElement, Select, any_, func
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.exc import DBAPIError

from catapult.extensions import TIME_LIMIT, begin, db, limit_time
from catapult.filters.fields import SortKey
from catapult.filters.mistakes import Parameter, TooSlow
from catapult.queries.lists import sorting
from catapult.queries.lists.sorting import Candidates

Page = sorting.Page
Position = sorting.Position

CHUNK = 100
"""A larger page is fetched in portions of this many rows: 1,000 versions may hold 256 MB of metadata."""

LONGEST = 3.0
"""Seconds for a list that a client filters, sorts or searches as it likes."""

cached_query = lru_cache(maxsize=128)
"""Caches lists and statements: building one takes as long as PostgreSQL takes to run it."""


@dataclass(frozen=True)
class Listing:
    """A list that can be paged: the rows, and the keys that order them, the last of which is the id."""

    rows: "Select[*tuple[Any, ...]]"
    keys: tuple[SortKey, ...]
    leading: ColumnElement[Any] | None = None
    """The first column of this list's index, if all rows have the same value in it."""
    check: Callable[[], None] | None = field(default=None, compare=False)
    """Raises NotFound if what the list belongs to does not exist. Called only when a page is empty."""
    shown: "Select[*tuple[Any, ...]] | None" = None
    """For a sorted list, the query that reads the rows once their ids are known."""
    candidates: tuple[Candidates, ...] = ()
    """For a sorted list: index look-ups that contain all its rows, used if one returns few rows."""
    counted: "Callable[[], Select[*tuple[Any, ...]]] | None" = None
    """Returns the same rows in a form that is faster to count."""
    asked: Parameter | None = None
    """The client's parameter that may make this list slow, if any. Such a list raises TooSlow after `seconds`."""
    seconds: float = LONGEST

    def within(self, seconds: float) -> "Listing":
        """Return the same list with this time limit, which applies if a client filters, sorts or searches it."""
        return replace(self, seconds=seconds)

    def with_check(self, check: Callable[[], None]) -> "Listing":
        """Return the same list with `check`, which raises NotFound if the parent does not exist."""
        return replace(self, check=check)

    def where(self, *conditions: ColumnElement[bool]) -> "Listing":
        """Return a listing of the rows that meet the conditions."""
        return replace(self, rows=self.rows.where(*conditions)) if conditions else self

    def with_leading_column(self, column: ColumnElement[Any], value: Any) -> "Listing":
        """Return a listing of the rows with this value, read with the index that begins with this column.

        The condition is `= ANY`. With `=`, PostgreSQL may scan the index on time instead if it expects the value to be
        frequent. If the value has become rare, that reads five million rows.
        """
        return replace(self.where(column == any_(array([value], type_=column.type))), leading=column)

    def sorted_by(self, keys: Sequence[SortKey], shown: "Select[*tuple[Any, ...]]") -> "Listing":
        """Return the same rows in another order. `shown` selects them, and may select others."""
        return replace(self, keys=tuple(keys), shown=shown)

    def page(self, page: Page) -> Iterator[Any]:
        """Yield the page's rows, fetched as they are read, and one more if the list goes on. Raises TooSlow, or as `check` does."""
        with self._in_time():
            yield from self._fetched(page)

    def _fetched(self, page: Page) -> Iterator[Any]:
        query = self.query(page)
        if page.limit > CHUNK:
            begin()  # a cursor that fetches in portions needs a transaction
            if self.asked:
                limit_time(self._milliseconds)
            query = query.execution_options(yield_per=CHUNK)
        elif self.asked:
            query = query.execution_options(**{TIME_LIMIT: self._milliseconds})
        deadline = time.monotonic() + self.seconds
        rows = iter(db.session.execute(query))
        first = next(rows, None)
        if first is None:
            if self.check:
                self.check()
            return
        yield first
        for row in rows:
            if self.asked and time.monotonic() > deadline:  # the limit is each portion's
                raise TooSlow(self.asked, self.seconds)
            yield row

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Raise TooSlow if PostgreSQL cancels the client's query."""
        try:
            yield
        except DBAPIError as error:
            if self.asked is None or getattr(error.orig, "pgcode", None) != errorcodes.QUERY_CANCELED:
                raise
            db.session.rollback()
            raise TooSlow(self.asked, self.seconds) from error

    @property
    def _milliseconds(self) -> int:
        return round(self.seconds * 1000)

    def portions(self, most: int) -> Iterator[list[Any]]:
        """Yield up to `most` rows in lists of up to `CHUNK`. No transaction is open between two lists: a reader may be slow."""
        page = Page(CHUNK - 1)
        for _ in range(0, most, CHUNK):
            rows = list(self.page(page))
            db.session.rollback()
            if rows:
                yield rows
            if len(rows) < CHUNK:
                return
            page = page._replace(after=self.position(rows[-1]))

    def position(self, row: Any) -> Position:
        """Return the row's keyset position: its values of the sort keys, the id last."""
        names = (
            [str(key.expression.key) for key in self.keys[:-1]] if self.shown is None else sorting.key_labels(self.keys)
        )
        return (*(getattr(row, name) for name in names), UUID(str(row.id)))

    def query(self, page: Page) -> "Select[*tuple[Any, ...]]":
        """Return the query for the page's rows, and one more."""
        if self.shown is None and page.after:
            return self._in_index_order(page).where(sorting.comes_after(self.keys, page.after))
        return _page_query(self, page)

    def _in_index_order(self, page: Page) -> "Select[*tuple[Any, ...]]":
        query = page.with_next_row.limit_query(self.rows.order_by(*self.order()))
        return cast("Select[*tuple[Any, ...]]", query)

    def order(self) -> Sequence[ColumnElement[Any]]:
        """Return what the rows are ordered by."""
        leading = [] if self.leading is None else [replace(self.keys[0], expression=self.leading)]
        return [sorting.ordered_by(key) for key in (*leading, *self.keys)]

    def count(self) -> int:
        """Return the number of rows in the whole list."""
        rows = self.counted() if self.counted else self.rows
        query = rows.with_only_columns(func.count(), maintain_column_froms=True)
        if self.asked:
            query = query.execution_options(**{TIME_LIMIT: self._milliseconds})
        with self._in_time():
            return db.session.scalar(query) or 0


def newest_first(time: Any, row_id: Any) -> tuple[SortKey, ...]:
    """Return the keys of a list by time."""
    return (SortKey(time, descending=True), SortKey(row_id, descending=True))


def in_order(column: Any, row_id: Any) -> tuple[SortKey, ...]:
    """Return the keys of a list from the smallest value of a column to the greatest."""
    return (SortKey(column, descending=False), SortKey(row_id, descending=False))


@cached_query
def _page_query(listing: Listing, page: Page) -> "Select[*tuple[Any, ...]]":
    if listing.shown is None:
        return listing._in_index_order(page)
    query = sorting.page(listing.rows, listing.shown, listing.keys, page.with_next_row, listing.candidates)
    return cast("Select[*tuple[Any, ...]]", query)
