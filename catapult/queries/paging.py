"""Keyset paging: a page costs the same wherever it begins, and neither skips nor repeats a row while others write.

Every list is ordered by one column and the id, and has an index that ends in those two: newest first by time, unless said.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, tuple_

from catapult.extensions import db, in_transaction

CHUNK = 100
"""A page of more rows than this is fetched in portions of it: 1,000 versions may hold 64 MB of metadata."""


Position = tuple[datetime | str, UUID]
"""Where a row stands in a list: what the list is ordered by, and its id."""


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
    check: Callable[[], None] | None = None
    """Raises NotFound where what the list belongs to is not there; asked only when a page is empty."""

    def of(self, check: Callable[[], None]) -> "Listing":
        """The same list, of something that may not be there."""
        return replace(self, check=check)

    def where(self, *conditions: ColumnElement[bool]) -> "Listing":
        """The part of this list that meets the conditions."""
        return replace(self, rows=self.rows.where(*conditions)) if conditions else self

    def page(self, page: Page) -> Iterator[Any]:
        """The page's rows, and one more if the list goes on; plain rows, fetched as they are read. Raises what `check` does."""
        query = self.rows.order_by(*self._order()).limit(page.limit + 1)
        if page.after:
            query = query.where(self._beyond(page.after))
        if page.offset:
            query = query.offset(page.offset)
        if page.limit > CHUNK:
            in_transaction()  # a cursor that fetches in portions lives in one
            query = query.execution_options(yield_per=CHUNK)
        rows = iter(db.session.execute(query))
        first = next(rows, None)
        if first is None:
            if self.check:
                self.check()
            return
        yield first
        yield from rows

    @property
    def name(self) -> str:
        """What the column that orders the list is called in its rows."""
        return str(self.by.key)

    def _order(self) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        return (self.by, self.id) if self.rising else (self.by.desc(), self.id.desc())

    def _beyond(self, position: Position) -> ColumnElement[bool]:
        row, there = tuple_(self.by, self.id), tuple_(*position)
        return row > there if self.rising else row < there

    def count(self) -> int:
        """How many rows there are in all."""
        counted = self.rows.with_only_columns(func.count(), maintain_column_froms=True)
        return db.session.scalar(counted) or 0
