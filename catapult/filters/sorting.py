"""The columns that a list is sorted by, and what comes after a row in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, literal, or_, tuple_

from catapult.filters.numbers import Numbers

Value = Any
"""A text, a number, a truth, a time, an id, or None."""


@dataclass(frozen=True)
class Column:
    """One of them. Where it is NULL it comes last, rising or falling; `numbers` has to be joined for it."""

    expression: ColumnElement[Any]
    falling: bool
    nullable: bool = False
    numbers: Numbers | None = None

    def order(self, expression: Any = None) -> ColumnElement[Any]:
        """It in an ORDER BY, or the same values under another name."""
        expression = self.expression if expression is None else expression
        ordered: ColumnElement[Any] = expression.desc() if self.falling else expression.asc()
        return ordered.nulls_last() if self.nullable else ordered

    def after(self, value: Value) -> list[ColumnElement[bool]]:
        """The ways to come after a row with that value."""
        if value is None:
            return []
        there = literal(value, self.expression.type)
        found = [self.expression < there if self.falling else self.expression > there]
        return [*found, self.expression.is_(None)] if self.nullable else found

    def same(self, value: Value) -> ColumnElement[bool]:
        found: ColumnElement[bool] = (
            self.expression.is_(None) if value is None else self.expression == literal(value, self.expression.type)
        )
        return found


def beyond(columns: Sequence[Column], values: Sequence[Value]) -> ColumnElement[bool]:
    """Whether a row comes after the one with these values. Where an index can say so at once, it is asked to."""
    first, value = columns[0], values[0]
    if not any(column.nullable or column.falling != first.falling for column in columns):
        row = tuple_(*(column.expression for column in columns))
        there = tuple_(*(literal(v, column.expression.type) for v, column in zip(values, columns, strict=True)))
        return row < there if first.falling else row > there
    following = and_(first.same(value), beyond(columns[1:], values[1:]))
    found = or_(*first.after(value), following)
    if value is None or first.nullable:
        return found
    return and_(or_(*first.after(value), first.same(value)), found)
