"""The operators that compare a field with values."""

from collections.abc import Sequence
from operator import ge, gt, le, lt
from typing import Any

from sqlalchemy import ColumnElement

EQUAL = ("=", "!=", "in")
_ORDERINGS = {"<": lt, "<=": le, ">": gt, ">=": ge}
ORDERED = tuple(_ORDERINGS)


def compare(column: Any, operator: str, values: Sequence[Any]) -> ColumnElement[bool]:
    """Return the comparison with the first value by an operator of `ORDERED`, or with any of them by `=` or `in`."""
    ordering = _ORDERINGS.get(operator)
    condition: ColumnElement[bool] = ordering(column, values[0]) if ordering else column.in_(values)
    return condition
