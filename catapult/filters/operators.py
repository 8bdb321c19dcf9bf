"""The operators that compare a field with values, and the form of texts that are compared."""

from collections.abc import Sequence
from operator import ge, gt, le, lt
from typing import Any

from sqlalchemy import ColumnElement, Text, case, func, literal_column, or_

EQUAL = ("=", "!=", "in")
_ORDERINGS = {"<": lt, "<=": le, ">": gt, ">=": ge}
ORDERED = tuple(_ORDERINGS)


def compare(column: Any, operator: str, values: Sequence[Any]) -> ColumnElement[bool]:
    """Return the comparison with the first value by an operator of `ORDERED`, or with any of them by `=` or `in`."""
    ordering = _ORDERINGS.get(operator)
    condition: ColumnElement[bool] = ordering(column, values[0]) if ordering else column.in_(values)
    return condition


def normalized(text: Any) -> ColumnElement[Any]:
    """Return the text in the form of `rules.normal_text.normal`.

    `normalize` takes fifty times as long as a search, so a text that has the form already is not normalized.
    """
    is_ascii = func.octet_length(text) == func.char_length(text)
    has_form = func.is_normalized(text, literal_column("'NFC'"))
    return case((or_(is_ascii, has_form), text), else_=func.normalize(text, type_=Text()))
