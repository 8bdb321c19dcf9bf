"""A page of a list that is sorted by columns of somebody's choice: first the ids of its rows, then the rows.

Where the first column is a number of `metrics`, the versions that have it and those that have not are looked for one after
the other, and the second only if the first are too few: so each has an index to follow, which a join of both has not.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import cast, func, null, select, union_all

from catapult.filters.numbers import FEW, Numbers, Passing, among_few, fewest
from catapult.filters.sorting import Column, beyond


class Window(NamedTuple):
    """So many rows, after skipping so many, after the one with these values."""

    limit: int
    offset: int
    after: tuple[Any, ...] | None

    @property
    def whole(self) -> "Window":
        """With what it skips."""
        return self._replace(limit=self.limit + self.offset, offset=0)


def names(columns: Sequence[Column]) -> list[str]:
    """What the columns are called in the rows, the last, which is the id, left out."""
    return [f"sorted_by_{place}" for place in range(len(columns) - 1)]


class Choosable(NamedTuple):
    """Rows to choose from, of which `few` may be so few that they are read first and sorted then."""

    rows: Any
    few: tuple[Passing, ...] = ()

    def where(self, *conditions: Any) -> "Choosable":
        return self._replace(rows=self.rows.where(*conditions))


def query(rows: Choosable, shown: Any, columns: Sequence[Column], window: Window) -> Any:
    """The rows of `shown` that are in that window of `rows` in this order; beside them what they were sorted by."""
    numbers = columns[0].numbers
    found = (_in_halves(rows, columns, window, numbers) if numbers else _chosen(rows, columns, window)).subquery(
        "found"
    )
    keys = [found.c[name] for name in names(columns)]
    order = [column.order(key) for column, key in zip(columns, [*keys, found.c.id], strict=True)]
    return shown.add_columns(*keys).join(found, found.c.id == columns[-1].expression).order_by(*order)


def _in_halves(rows: Choosable, columns: Sequence[Column], window: Window, numbers: Numbers) -> Any:
    """As `_chosen`: those with the number, and where they do not fill the window those without it."""
    number, text, *others = columns
    after = window.after
    without = [replace(number, expression=_nothing(number), numbers=None), text, *others]
    rest = rows.where(numbers.missing)
    if after and after[0] is None:
        return _chosen(rest, without, window)
    having = [replace(number, nullable=False), replace(text, expression=_nothing(text)), *others]
    first = _chosen(rows, having, window.whole).cte("first")
    too_few = select(func.count()).select_from(first).scalar_subquery() < window.whole.limit
    second = _chosen(rest.where(too_few), without, window.whole._replace(after=None)).cte("second")
    return _together(select(first), select(second), columns, window)


def _chosen(rows: Choosable, columns: Sequence[Column], window: Window) -> Any:
    """The ids in that window, and what they are sorted by. Only one of the two ways is gone."""
    if not rows.few:
        return _walked(rows.rows, columns, window)
    least = fewest(rows.few)
    read = _walked(rows.rows.where(least < FEW, among_few(rows.few)), columns, window.whole)
    walked = _walked(rows.rows.where(least >= FEW), columns, window.whole)
    return _together(select(read.subquery()), select(walked.subquery()), columns, window)


def _together(one: Any, other: Any, columns: Sequence[Column], window: Window) -> Any:
    """The window of both."""
    both = union_all(one, other).subquery()
    order = [column.order(both.c[name]) for column, name in zip(columns, [*names(columns), "id"], strict=True)]
    query = select(both).order_by(*order).limit(window.limit)
    return query.offset(window.offset) if window.offset else query


def _walked(rows: Any, columns: Sequence[Column], window: Window) -> Any:
    query = _selected(rows, columns).order_by(*(column.order() for column in columns))
    if window.after:
        query = query.where(beyond(columns, window.after))
    query = query.limit(window.limit)
    return query.offset(window.offset) if window.offset else query


def _selected(rows: Any, columns: Sequence[Column]) -> Any:
    *keys, row_id = columns
    labelled = [key.expression.label(name) for key, name in zip(keys, names(columns), strict=True)]
    query = rows.with_only_columns(row_id.expression.label("id"), *labelled, maintain_column_froms=True)
    for key in keys:
        if key.numbers is not None:
            query = query.join(key.numbers.table, key.numbers.on, isouter=key.nullable)
    return query


def _nothing(column: Column) -> Any:
    """NULL in the place of that column."""
    return cast(null(), column.expression.type)
