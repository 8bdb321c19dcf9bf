"""Kinds of fields: the operators that each takes, and their SQL.

Where the field has no value, a condition here is NULL or false. `conditions` turns NULL into false.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import ARRAY, Column, ColumnElement, Text, and_, cast, collate, func, or_, select, true

from catapult.filters.metric_index import MetricPath, Passing
from catapult.filters.mistakes import Mistake
from catapult.filters.operators import EQUAL, ORDERED, compare, normalized
from catapult.filters.parsing import parse_time
from catapult.filters.tree import Literal, Time
from catapult.rules.normal_text import normal
from catapult.rules.semver import semver_key

Condition = ColumnElement[bool]

SORTED_CHARACTERS = 128
"""Text is sorted by its first characters only, because cursors contain them and cursors are part of URLs."""


@dataclass(frozen=True)
class SortKey:
    """An expression to sort by. NULL comes last in both directions. `metric` is the path to join for it, if any."""

    expression: Any
    descending: bool
    nullable: bool = False
    metric: MetricPath | None = None


class Field(ABC):
    """A field that can be filtered by."""

    takes: ClassVar[str]
    operators: ClassVar[tuple[str, ...]]

    @abstractmethod
    def exists(self) -> Condition:
        """Return whether the field has a value. Never NULL."""

    @abstractmethod
    def among(self, values: Sequence[Literal]) -> Condition:
        """Return whether the field equals one of the values. Raises Mistake."""

    def ordered(self, operator: str, value: Literal) -> Condition:
        """Return the comparison with the value by an operator of `ORDERED`. Raises Mistake."""
        raise NotImplementedError

    def contains(self, value: Literal) -> Condition:
        """Return whether the field contains the value. Raises Mistake."""
        raise NotImplementedError

    def flag(self) -> Condition | None:
        """Return whether the field is true; None if fields of this kind are not booleans."""
        return None

    def sort_keys(self, descending: bool) -> tuple[SortKey, ...]:
        """Return the keys to sort by this field; none if it has no order."""
        return ()

    def passing(self, operator: str, values: Sequence[Literal]) -> Passing | None:
        """Return the versions that pass this comparison if the index of `metrics` can find them, else None."""
        return None

    def wrong_type(self, value: Literal) -> Mistake:
        return Mistake(value.column, "Wrong type of value", f"expected {self.takes}.")


@dataclass(frozen=True)
class ColumnField(Field):
    """A column with one value."""

    column: Column[Any]

    operators = (*EQUAL, *ORDERED)

    def exists(self) -> Condition:
        return self.column.is_not(None)

    def among(self, values: Sequence[Literal]) -> Condition:
        return compare(self.compared, "in", [self.read(value) for value in values])

    def ordered(self, operator: str, value: Literal) -> Condition:
        return compare(self.compared, operator, [self.read(value)])

    def sort_keys(self, descending: bool) -> tuple[SortKey, ...]:
        return (SortKey(self.column, descending, bool(self.column.nullable)),)

    @property
    def compared(self) -> ColumnElement[Any]:
        """The expression that is compared with values."""
        return self.column

    @abstractmethod
    def read(self, value: Literal) -> Any:
        """Return the value as this column compares it. Raises Mistake."""


@dataclass(frozen=True)
class TextField(ColumnField):
    """Text, ordered by code points of its normal form. `~` ignores case; with `folded`, so does everything else.

    `is_ascii` if a constraint allows ASCII only: such text is its own normal form, and the column's indexes are used.
    """

    folded: bool = False
    is_ascii: bool = False

    takes = 'text in quotes, such as "gpu"'
    operators = (*EQUAL, *ORDERED, "~")

    def ordered(self, operator: str, value: Literal) -> Condition:
        return compare(collate(self.compared, "C"), operator, [self.read(value)])

    def contains(self, value: Literal) -> Condition:
        return self._normal.icontains(self.read(value), autoescape=True)

    def sort_keys(self, descending: bool) -> tuple[SortKey, ...]:
        if self.folded:  # the expression of its index
            return (SortKey(self.compared, descending),)
        return (SortKey(sorted_text(self.column, self.is_ascii), descending, bool(self.column.nullable)),)

    @property
    def compared(self) -> Any:
        return func.lower(self._normal) if self.folded else self._normal

    def read(self, value: Literal) -> str:
        if value.text is None:
            raise self.wrong_type(value)
        text = normal(value.text)
        return text.lower() if self.folded else text

    @property
    def _normal(self) -> ColumnElement[Any]:
        return self.column if self.is_ascii else normalized(self.column)


@dataclass(frozen=True)
class ModelNameField(TextField):
    """The name of a version's model, case ignored. `with_names` returns whether the model has one of some names."""

    with_names: Callable[[Sequence[str]], Condition] = lambda names: true()

    def among(self, values: Sequence[Literal]) -> Condition:
        return self.with_names([self.read(value) for value in values])


@dataclass(frozen=True)
class VersionNameField(TextField):
    """A version's name, ordered by SemVer and by dotted numbers. Other names are neither above nor below any."""

    key: Any = None

    def ordered(self, operator: str, value: Literal) -> Condition:
        key = semver_key(self.read(value))
        if key is None:
            advice = f'{operator} needs SemVer or dotted numbers, such as "1.10.0" or "2026.01.15".'
            raise Mistake(value.column, "Not a version number", advice)
        return compare(self.key, operator, [key])

    def sort_keys(self, descending: bool) -> tuple[SortKey, ...]:
        return (SortKey(self.key, descending, nullable=True),)


@dataclass(frozen=True)
class UnorderedTextField(TextField):
    """Text that has no useful order."""

    operators = (*EQUAL, "~")

    def sort_keys(self, descending: bool) -> tuple[SortKey, ...]:
        return ()


@dataclass(frozen=True)
class NumberField(ColumnField):
    """A whole number."""

    takes = "a number"

    def read(self, value: Literal) -> Any:
        if not value.is_number:
            raise self.wrong_type(value)
        return value.value


@dataclass(frozen=True)
class TimeField(ColumnField):
    """A point in time."""

    takes = "a time, such as 2026-11-23T10:15:30Z, or a date in UTC"

    def read(self, value: Literal) -> datetime:
        if isinstance(value.value, Time):
            return value.value.moment
        if isinstance(value.value, str):
            return parse_time(value.value, value.column)
        raise self.wrong_type(value)


@dataclass(frozen=True)
class BooleanField(Field):
    """True or false, never NULL."""

    condition: Condition

    takes = "true or false"
    operators = EQUAL

    def exists(self) -> Condition:
        return true()

    def among(self, values: Sequence[Literal]) -> Condition:
        if wrong := next((value for value in values if not isinstance(value.value, bool)), None):
            raise self.wrong_type(wrong)
        return or_(*(self.condition if value.value else ~self.condition for value in values))

    def flag(self) -> Condition:
        return self.condition

    def sort_keys(self, descending: bool) -> tuple[SortKey, ...]:
        return (SortKey(self.condition, descending),)


@dataclass(frozen=True)
class TextListField(Field):
    """A list of texts, never NULL. It equals each of its items, and exists if it has one."""

    column: Column[Any]

    takes = TextField.takes
    operators = (*EQUAL, "~")

    def exists(self) -> Condition:
        return func.cardinality(self.column) > 0

    def among(self, values: Sequence[Literal]) -> Condition:
        return has_any(self.column, [self._read(value) for value in values])

    def contains(self, value: Literal) -> Condition:
        item = func.unnest(self.column, type_=Text()).column_valued("item")
        query = select(item).where(item.icontains(self._read(value), autoescape=True))
        return query.correlate(self.column.table).exists()

    def _read(self, value: Literal) -> str:
        if not isinstance(value.value, str):
            raise self.wrong_type(value)
        return value.value


def has_any(column: Any, texts: Sequence[str]) -> Condition:
    """Return whether the list has one of the texts. An index may leave out empty lists."""
    any_of_them: Condition = column.op("&&", is_comparison=True)(cast(list(texts), ARRAY(Text)))
    return and_(column != cast([], ARRAY(Text)), any_of_them)


def sorted_text(text: Any, is_ascii: bool = False) -> Any:
    """Return the beginning of a text in the order of its code points."""
    beginning = func.left(text, SORTED_CHARACTERS, type_=Text())
    return collate(beginning if is_ascii else normalized(beginning), "C")
