"""ORDER BY and keyset conditions for every list, and pages of lists that a request sorts.

Such a page first finds the ids of its rows in order, and then reads the rows.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    and_,
    any_,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
    tuple_,
    union_all,
)

from catapult.filters.fields import SortKey
from catapult.filters.metric_index import FEW

Position = tuple[Any, ...]
"""A row's values of the sort keys, the id last."""


class Candidates(Protocol):
    """A superset of a list's rows that an index can find: the rows that meet one of the list's conditions."""

    @property
    def count(self) -> Any:
        """Their number, counted up to `FEW` at least."""

    @property
    def few(self) -> Any:
        """An array of their ids, complete where they are fewer than `FEW`."""


class Page(NamedTuple):
    """A part of a list: `limit` rows, after the position `after` or after skipping `offset` rows."""

    limit: int = 100
    after: Position | None = None
    offset: int = 0

    @property
    def from_start(self) -> "Page":
        """This page together with the rows that it skips."""
        return self._replace(limit=self.limit + self.offset, offset=0)

    @property
    def with_next_row(self) -> "Page":
        """This page with the row after it, which shows whether there is a next page."""
        return self._replace(limit=self.limit + 1)

    def limit_query(self, query: Any) -> Any:
        query = query.limit(self.limit)
        return query.offset(self.offset) if self.offset else query


def not_rare(condition: Any) -> ColumnElement[bool]:
    """Return the condition in a form that PostgreSQL expects half of all rows to meet.

    A page is then read by walking an index. If few rows were expected, all would be read and sorted, however many
    there are.
    """
    return case((condition, true()), else_=false())


def ordered_by(key: SortKey, expression: Any = None) -> ColumnElement[Any]:
    """Return the key for an ORDER BY, with the same values under another name if one is given."""
    expression = key.expression if expression is None else expression
    ordered: ColumnElement[Any] = expression.desc() if key.descending else expression.asc()
    return ordered.nulls_last() if key.nullable else ordered


def comes_after(keys: Sequence[SortKey], position: Position) -> ColumnElement[bool]:
    """Return the SQL condition that a row comes after that position."""
    key, value = keys[0], position[0]
    if not any(other.nullable or other.descending != key.descending for other in keys):
        row = tuple_(*(other.expression for other in keys))
        values = tuple_(*(_literal(other, each) for other, each in zip(keys, position, strict=True)))
        return row < values if key.descending else row > values
    equal = key.expression.is_(None) if value is None else key.expression == _literal(key, value)
    after = _after_value(key, value)
    condition = or_(*after, and_(equal, comes_after(keys[1:], position[1:])))
    # Adds a redundant condition, because PostgreSQL can use an index on the first key for it.
    return condition if key.nullable else and_(or_(*after, equal), condition)


def key_labels(keys: Sequence[SortKey]) -> list[str]:
    """Return the column labels of the sort keys, without the last key, the id."""
    return [f"sorted_by_{number}" for number in range(len(keys) - 1)]


def page(rows: Any, shown: Any, keys: Sequence[SortKey], part: Page, candidates: Sequence[Candidates]) -> Any:
    """Return the query for the page `part` of `rows`: the columns of `shown` and the values of the sort keys.

    If one of the `candidates` has few rows, they are read and sorted. Otherwise the list is scanned in sort order.
    """
    chosen = _ids(rows, keys, part, candidates).subquery("chosen")
    values = [chosen.c[name] for name in key_labels(keys)]
    order = [ordered_by(key, value) for key, value in zip(keys, [*values, chosen.c.id], strict=True)]
    # A limit keeps PostgreSQL from reading a whole table to join it with a page.
    row = shown.where(keys[-1].expression == chosen.c.id).limit(literal_column("1")).lateral("row")
    return select(row, *values).select_from(chosen).join(row, true()).order_by(*order)


def _ids(rows: Any, keys: Sequence[SortKey], part: Page, candidates: Sequence[Candidates]) -> Any:
    walk = _walk_by_number if keys[0].metric else _walk
    if not candidates:
        return walk(rows, keys, part)
    row_id = keys[-1].expression
    counts = [each.count for each in candidates]
    fewest = func.least(*counts) if len(counts) > 1 else counts[0]
    ids = func.coalesce(case(*((each.count == fewest, each.few) for each in candidates)), type_=ARRAY(row_id.type))
    few = _walk(rows.where(fewest < FEW, row_id == any_(ids)), keys, part.from_start)
    many = walk(rows.where(fewest >= FEW), keys, part.from_start)
    return _merge(select(few.subquery()), select(many.subquery()), keys, part)


def _walk_by_number(rows: Any, keys: Sequence[SortKey], part: Page) -> Any:
    """As `_walk`, where the first key is a number: first versions that have it, then, if there is room, the others.

    Each query follows an index. A join could not.
    """
    number, exact, text, *others = keys
    assert number.metric is not None
    missing = [replace(key, expression=_null_of(key), metric=None) for key in (number, exact)]
    without_number = [*missing, text, *others]
    rest = rows.where(~number.metric.exists())
    if part.after and part.after[0] is None:
        return _walk(rest, without_number, part)
    with_number = [replace(number, nullable=False), exact, replace(text, expression=_null_of(text)), *others]
    first = _walk(rows, with_number, part.from_start).cte("first")
    not_full = select(func.count()).select_from(first).scalar_subquery() < part.from_start.limit
    second = _walk(rest.where(not_full), without_number, part.from_start._replace(after=None)).cte("second")
    return _merge(select(first), select(second), keys, part)


def _walk(rows: Any, keys: Sequence[SortKey], part: Page) -> Any:
    """Return the ids in the part and their values of the keys."""
    labelled = [key.expression.label(name) for key, name in zip(keys[:-1], key_labels(keys), strict=True)]
    query = rows.with_only_columns(keys[-1].expression.label("id"), *labelled, maintain_column_froms=True)
    for metric, key in {key.metric: key for key in reversed(keys) if key.metric is not None}.items():
        query = query.join(metric.table, metric.on, isouter=key.nullable)
    if part.after:
        query = query.where(comes_after(keys, part.after))
    return part.limit_query(query.order_by(*map(ordered_by, keys)))


def _merge(first: Any, second: Any, keys: Sequence[SortKey], part: Page) -> Any:
    """Return the rows of `part` among the rows of two queries."""
    both = union_all(first, second).subquery()
    order = [ordered_by(key, both.c[name]) for key, name in zip(keys, [*key_labels(keys), "id"], strict=True)]
    return part.limit_query(select(both).order_by(*order))


def _after_value(key: SortKey, value: Any) -> list[ColumnElement[bool]]:
    """Return conditions for rows that sort after the value. A row matches if it meets any of them."""
    if value is None:
        return []
    limit = _literal(key, value)
    after = [key.expression < limit if key.descending else key.expression > limit]
    return [*after, key.expression.is_(None)] if key.nullable else after


def _literal(key: SortKey, value: Any) -> Any:
    return literal(value, key.expression.type)


def _null_of(key: SortKey) -> Any:
    return cast(null(), key.expression.type)
