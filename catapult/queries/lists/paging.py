"""Keyset paging: a page costs the same wherever it begins, and neither skips nor repeats a row while others write.

Every list is ordered by one column and the id, and has an index that ends in those two: newest first by time, unless said.
One may be sorted by other columns instead (`sorting.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, any_, func, tuple_
from sqlalchemy.dialects.postgresql import array

from catapult.extensions import begin, db
from catapult.filters.numbers import Passing
from catapult.filters.sorting import Column
from catapult.queries.lists import sorting

CHUNK = 100
"""A page of more rows than this is fetched in portions of it: 1,000 versions may hold 64 MB of metadata."""


KEPT = 128
"""So many statements are kept in a process, built."""

Position = tuple[Any, ...]
"""Where a row stands in a list: its values of what the list is ordered by, its id the last."""


@dataclass(frozen=True)
class Page:
    """Which part of a list: `limit` rows after `after` (where the last row stands), or after skipping `offset`."""

    limit: int = 100
    after: Position | None = None
    offset: int = 0


@dataclass(frozen=True)
class Listing:
    """A list that can be paged: its rows, and the two columns that order it, the newest or the greatest first."""

    rows: "Select[*tuple[Any, ...]]"
    by: ColumnElement[Any]
    id: ColumnElement[UUID]
    rising: bool = False
    """From the least to the greatest instead."""
    leading: ColumnElement[Any] | None = None
    """A column that has one value in all rows, where the index to read them by begins with it."""
    check: Callable[[], None] | None = None
    """Raises NotFound where what the list belongs to is not there; asked only when a page is empty."""
    columns: tuple[Column, ...] = ()
    """What it is sorted by instead, the id the last; `shown` are then the rows to show, among which the list chooses."""
    shown: "Select[*tuple[Any, ...]] | None" = None
    few: tuple[Passing, ...] = ()
    """What may choose so few of the rows that they are read first."""
    counted: "Callable[[], Select[*tuple[Any, ...]]] | None" = None
    """The same rows as they are counted better."""

    def of(self, check: Callable[[], None]) -> "Listing":
        """The same list, of something that may not be there."""
        return replace(self, check=check)

    def where(self, *conditions: ColumnElement[bool]) -> "Listing":
        """The part of this list that meets the conditions."""
        return replace(self, rows=self.rows.where(*conditions)) if conditions else self

    def led_by(self, column: ColumnElement[Any], value: Any) -> "Listing":
        """The rows with this value, read by the index that begins with this column, however many others are newer.

        With `=` PostgreSQL knows that they are in order of time as all rows are, and walks these where the value is frequent:
        five million of them for one that is so no more.
        """
        one = array([value], type_=column.type)
        return replace(self.where(column == any_(one)), leading=column)

    def sorted_by(self, columns: Sequence[Column], shown: "Select[*tuple[Any, ...]]") -> "Listing":
        """The same rows in that order; `shown` selects them, and may select others."""
        return replace(self, columns=tuple(columns), shown=shown)

    def page(self, page: Page) -> Iterator[Any]:
        """The page's rows, and one more if the list goes on; plain rows, fetched as they are read. Raises what `check` does."""
        query = self._query(page)
        if page.limit > CHUNK:
            begin()  # a cursor that fetches in portions lives in one
            query = query.execution_options(yield_per=CHUNK)
        rows = iter(db.session.execute(query))
        first = next(rows, None)
        if first is None:
            if self.check:
                self.check()
            return
        yield first
        yield from rows

    def standing(self, row: Any) -> Position:
        """Where one of its rows stands."""
        names = sorting.names(self.columns) if self.columns else [str(self.by.key)]
        return (*(getattr(row, name) for name in names), UUID(str(row.id)))

    def _query(self, page: Page) -> "Select[*tuple[Any, ...]]":
        if self.shown is not None:
            return _sorted(self, page)
        query = self.rows.order_by(*self._order()).limit(page.limit + 1)
        if page.after:
            query = query.where(self._beyond(page.after))
        return query.offset(page.offset) if page.offset else query

    def _order(self) -> tuple[ColumnElement[Any], ...]:
        columns = (self.by, self.id) if self.leading is None else (self.leading, self.by, self.id)
        return columns if self.rising else tuple(column.desc() for column in columns)

    def _beyond(self, position: Position) -> ColumnElement[bool]:
        row, there = tuple_(self.by, self.id), tuple_(*position)
        return row > there if self.rising else row < there

    def count(self) -> int:
        """How many rows there are in all."""
        rows = self.counted() if self.counted else self.rows
        counted = rows.with_only_columns(func.count(), maintain_column_froms=True)
        return db.session.scalar(counted) or 0


@lru_cache(maxsize=KEPT)
def _sorted(listing: Listing, page: Page) -> "Select[*tuple[Any, ...]]":
    """Built once for what is asked again: to build it takes as long as a tenth of the answer."""
    window = sorting.Window(page.limit + 1, page.offset, page.after)
    rows = sorting.Choosable(listing.rows, listing.few)
    found: Select[*tuple[Any, ...]] = sorting.query(rows, listing.shown, listing.columns, window)
    return found
