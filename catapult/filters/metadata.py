"""Metadata as a field: text, a number, true or false, a list, an object, null, or missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Integer, Text, case, cast, collate, func, literal_column, or_
from sqlalchemy.dialects.postgresql import JSONB

from catapult.filters.fields import Condition, Field, SortKey, sorted_text
from catapult.filters.metric_index import MetricPath, Passing
from catapult.filters.mistakes import Mistake
from catapult.filters.operators import EQUAL, ORDERED, compare, normalized
from catapult.filters.tree import Literal
from catapult.rules.normal_text import normal
from catapult.tables import ExactNumber


@dataclass(frozen=True)
class MetadataField(Field):
    """The value below some keys of `metadata`, a JSONB column.

    Numbers are compared as they are written, with `metric` through the index of `metrics`. `~` looks for text, case
    ignored, or for an item of a list.
    """

    metadata: ColumnElement[Any]
    keys: tuple[str | int, ...]
    metric: MetricPath | None = None

    takes = "text, a number, true or false"
    operators = (*EQUAL, *ORDERED, "~")

    def exists(self) -> Condition:
        return self._value.is_not(None)

    def among(self, values: Sequence[Literal]) -> Condition:
        numbers = [value for value in values if value.is_number]
        equal = [self._equals(value) for value in values if not value.is_number]
        return or_(*equal, *([self._compare_number("in", numbers)] if numbers else []))

    def ordered(self, operator: str, value: Literal) -> Condition:
        if value.is_number:
            return self._compare_number(operator, [value])
        if value.text is None:
            raise Mistake(value.column, "true and false have no order", f"{operator} compares numbers, text and times.")
        return compare(collate(normalized(self._text), "C"), operator, [normal(value.text)])

    def contains(self, value: Literal) -> Condition:
        is_list = func.jsonb_typeof(self._value) == "array"
        if value.text is None:
            return is_list & self._value.contains(_json(value))
        items = self._value if value.text.isascii() else cast(normalized(cast(self._value, Text)), JSONB)
        listed = is_list & items.contains(cast(normal(value.text), JSONB))
        return or_(normalized(self._text).icontains(normal(value.text), autoescape=True), listed)

    def flag(self) -> Condition:
        return self._value == cast(True, JSONB)

    def sort_keys(self, descending: bool) -> tuple[SortKey, ...]:
        """Numbers come first, then text, then everything else."""
        text = SortKey(sorted_text(self._text), descending, nullable=True)
        if self.metric is None:
            return (SortKey(self._number, descending, nullable=True), text)
        number = SortKey(self.metric.value, descending, nullable=True, metric=self.metric)
        return (number, SortKey(self.metric.exact, descending, nullable=True), text)

    def passing(self, operator: str, values: Sequence[Literal]) -> Passing | None:
        if self.metric is None or operator not in (*ORDERED, "=", "in") or not all(value.is_number for value in values):
            return None
        return self.metric.passing(operator, tuple(value.number for value in values))

    def _equals(self, value: Literal) -> Condition:
        if value.text is None or value.text.isascii():
            equal: Condition = self._value == _json(value)
        else:
            equal = normalized(self._text) == normal(value.text)
        return equal

    def _compare_number(self, operator: str, values: Sequence[Literal]) -> Condition:
        passing = self.passing(operator, values)
        return passing.condition if passing else compare(self._number, operator, [value.number for value in values])

    @property
    def _value(self) -> ColumnElement[Any]:
        return json_at(self.metadata, self.keys)

    @property
    def _number(self) -> Any:
        """The value if it is a number, else NULL."""
        return case((is_json_number(self._value), cast(_unquoted(self._value), ExactNumber)))

    @property
    def _text(self) -> ColumnElement[Any]:
        """The value if it is text, else NULL."""
        return case((func.jsonb_typeof(self._value) == "string", _unquoted(self._value)))


def json_at(metadata: ColumnElement[Any], keys: Sequence[str | int]) -> ColumnElement[Any]:
    """Return the JSON below these keys, each inside the one before; NULL if there is none.

    Objects have keys of text, and lists have positions.
    """
    for key in keys:
        below = metadata.op("->", return_type=JSONB())(cast(key, Text if isinstance(key, str) else Integer))
        # PostgreSQL treats a scalar as a list of one item.
        metadata = below if isinstance(key, str) else case((func.jsonb_typeof(metadata) == "array", below))
    return metadata


def is_json_number(value: ColumnElement[Any]) -> Condition:
    """Return whether the JSON value is a number; NULL if there is no value."""
    condition: Condition = func.jsonb_typeof(value) == "number"
    return condition


def _unquoted(value: Any) -> Any:
    """Return the JSON value as text without quotes."""
    return value.op("#>>", return_type=Text())(literal_column("'{}'"))


def _json(value: Literal) -> Any:
    return cast(value.value if value.text is None else value.text, JSONB)
