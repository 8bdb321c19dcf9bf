"""Keyset paging: a page costs the same wherever it begins, and neither skips nor repeats a row while others write.

Every list has one order, newest first by (time, id), and an index that ends in those two columns.
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


@dataclass(frozen=True)
class Page:
    """Which part of a list: `limit` rows after `after` (the last row's time and id), or after skipping `offset`."""

    limit: int = 100
    after: tuple[datetime, UUID] | None = None
    offset: int = 0


@dataclass(frozen=True)
class Listing:
    """A list that can be paged: its rows, and the two columns that order it."""

    rows: "Select[*tuple[Any, ...]]"
    time: ColumnElement[datetime]
    id: ColumnElement[UUID]
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
        query = self.rows.order_by(self.time.desc(), self.id.desc()).limit(page.limit + 1)
        if page.after:
            query = query.where(tuple_(self.time, self.id) < tuple_(*page.after))
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

    def count(self) -> int:
        """How many rows there are in all."""
        counted = self.rows.with_only_columns(func.count(), maintain_column_froms=True)
        return db.session.scalar(counted) or 0
