"""What a field can be compared with, by its kind, and the SQL for it.

A comparison is NULL or false where the field has no value; `conditions` makes one false of the two.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, Text, case, cast, collate, func, literal_column, null, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import Double

from catapult.filters.mistakes import Mistake
from catapult.filters.numbers import Numbers, Passing, Test
from catapult.filters.parsing import moment
from catapult.filters.sorting import Column
from catapult.filters.tree import Literal, Time
from catapult.rules.semver import semver_key

Condition = ColumnElement[bool]

EQUAL = ("=", "!=", "in")
ORDERED = ("<", "<=", ">", ">=")
SORTED_LETTERS = 128
"""Texts are sorted by so many of their first characters: they stand in cursors, which stand in addresses."""

ORDERINGS: dict[str, Callable[[Any, Any], Any]] = {
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
}


class Kind(ABC):
    """A field that can be compared."""

    takes: ClassVar[str]
    operators: ClassVar[tuple[str, ...]]

    @abstractmethod
    def exists(self) -> Condition:
        """Whether it has a value; never NULL."""

    @abstractmethod
    def among(self, values: Sequence[Literal]) -> Condition:
        """Whether it equals one of these. Raises Mistake."""

    def ordered(self, operator: str, value: Literal) -> Condition:
        """How it stands to the value, by an operator of `ORDERED`. Raises Mistake."""
        raise NotImplementedError

    def contains(self, value: Literal) -> Condition:
        """Whether the value is somewhere in it. Raises Mistake."""
        raise NotImplementedError

    def flag(self) -> Condition | None:
        """Whether it is true; None if it never could be."""
        return None

    def columns(self, falling: bool) -> tuple[Column, ...]:
        """What sorts by it; nothing if nothing does."""
        return ()

    def passing(self, operator: str, values: Sequence[Literal]) -> Passing | None:
        """The versions that this comparison may choose, where an index finds them; None elsewhere."""
        return None

    def wrong(self, value: Literal) -> Mistake:
        return Mistake(value.column, "A value of another kind", f"here stands {self.takes}.")


@dataclass(frozen=True)
class Words(Kind):
    """Text. It compares by its characters' numbers; `~` ignores case, and so does the rest where it is `folded`."""

    column: Any
    folded: bool = False

    takes = 'text in quotes, as "gpu"'
    operators: ClassVar[tuple[str, ...]] = (*EQUAL, *ORDERED, "~")

    def exists(self) -> Condition:
        return _is_there(self.column)

    def among(self, values: Sequence[Literal]) -> Condition:
        texts = [self._text(value) for value in values]
        found: Condition = self._compared.in_(texts) if len(texts) > 1 else self._compared == texts[0]
        return found

    def ordered(self, operator: str, value: Literal) -> Condition:
        found: Condition = ORDERINGS[operator](collate(self._compared, "C"), self._text(value))
        return found

    def contains(self, value: Literal) -> Condition:
        found: Condition = self.column.icontains(self._text(value), autoescape=True)
        return found

    def columns(self, falling: bool) -> tuple[Column, ...]:
        if self.folded:  # as its index has it
            return (Column(self._compared, falling),)
        return (
            Column(collate(func.left(self.column, SORTED_LETTERS, type_=Text()), "C"), falling, self.column.nullable),
        )

    @property
    def _compared(self) -> Any:
        return func.lower(self.column) if self.folded else self.column

    def _text(self, value: Literal) -> str:
        text = value.value.text if isinstance(value.value, Time) else value.value
        if not isinstance(text, str):
            raise self.wrong(value)
        return text.lower() if self.folded else text


@dataclass(frozen=True)
class ModelName(Words):
    """A version's model by its name, case ignored."""

    ids: Callable[[Sequence[str]], Condition] = lambda names: null().is_(None)

    def among(self, values: Sequence[Literal]) -> Condition:
        return self.ids([self._text(value) for value in values])


@dataclass(frozen=True)
class VersionName(Words):
    """A version string. It is ordered as SemVer says; what is no SemVer is neither above nor below anything."""

    key: Any = None

    def ordered(self, operator: str, value: Literal) -> Condition:
        key = semver_key(self._text(value))
        if key is None:
            raise Mistake(value.column, "No SemVer", f'{operator} compares versions as SemVer says, as "1.10.0".')
        found: Condition = ORDERINGS[operator](self.key, key)
        return found

    def columns(self, falling: bool) -> tuple[Column, ...]:
        return (Column(self.key, falling, nullable=True),)


@dataclass(frozen=True)
class Label(Words):
    """Text that has no order worth comparing or sorting by."""

    operators = (*EQUAL, "~")

    def columns(self, falling: bool) -> tuple[Column, ...]:
        return ()


@dataclass(frozen=True)
class Amount(Kind):
    """A whole number in a column."""

    column: Any

    takes = "a number"
    operators = (*EQUAL, *ORDERED)

    def exists(self) -> Condition:
        return _is_there(self.column)

    def among(self, values: Sequence[Literal]) -> Condition:
        found: Condition = self.column.in_([self._number(value) for value in values])
        return found

    def ordered(self, operator: str, value: Literal) -> Condition:
        found: Condition = ORDERINGS[operator](self.column, self._number(value))
        return found

    def columns(self, falling: bool) -> tuple[Column, ...]:
        return (Column(self.column, falling, self.column.nullable),)

    def _number(self, value: Literal) -> int | float:
        if not is_number(value):
            raise self.wrong(value)
        number: int | float = value.value  # type: ignore[assignment]
        return number


@dataclass(frozen=True)
class Moment(Kind):
    """A time."""

    column: Any

    takes = "a time, as 2026-11-23T10:15:30Z, or a date in UTC"
    operators = (*EQUAL, *ORDERED)

    def exists(self) -> Condition:
        return _is_there(self.column)

    def among(self, values: Sequence[Literal]) -> Condition:
        found: Condition = self.column.in_([self._time(value) for value in values])
        return found

    def ordered(self, operator: str, value: Literal) -> Condition:
        found: Condition = ORDERINGS[operator](self.column, self._time(value))
        return found

    def columns(self, falling: bool) -> tuple[Column, ...]:
        return (Column(self.column, falling, self.column.nullable),)

    def _time(self, value: Literal) -> datetime:
        if isinstance(value.value, Time):
            return value.value.moment
        if isinstance(value.value, str):
            return moment(value.value, value.column)
        raise self.wrong(value)


@dataclass(frozen=True)
class YesNo(Kind):
    """True or false, and never neither."""

    condition: Any

    takes = "true or false"
    operators = EQUAL

    def exists(self) -> Condition:
        return null().is_(None)

    def among(self, values: Sequence[Literal]) -> Condition:
        if wrong := next((value for value in values if not isinstance(value.value, bool)), None):
            raise self.wrong(wrong)
        return or_(*(self.condition if value.value else ~self.condition for value in values))

    def flag(self) -> Condition:
        found: Condition = self.condition
        return found

    def columns(self, falling: bool) -> tuple[Column, ...]:
        return (Column(self.condition, falling),)


@dataclass(frozen=True)
class Labels(Kind):
    """A list of texts, never NULL. It equals what one of them equals; it exists if there is one."""

    column: Any

    takes = 'text in quotes, as "gpu"'
    operators = (*EQUAL, "~")

    def exists(self) -> Condition:
        return func.cardinality(self.column) > 0

    def among(self, values: Sequence[Literal]) -> Condition:
        texts = [self._text(value) for value in values]
        found: Condition = self.column.overlap(texts) if len(texts) > 1 else self.column.contains(texts)
        return found

    def contains(self, value: Literal) -> Condition:
        label: Any = func.unnest(self.column, type_=Text()).column_valued("label")
        query: Any = select(label)
        found: Condition = (
            query.where(label.icontains(self._text(value), autoescape=True)).correlate(self.column.table).exists()
        )
        return found

    def _text(self, value: Literal) -> str:
        if not isinstance(value.value, str):
            raise self.wrong(value)
        return value.value


@dataclass(frozen=True)
class Free(Kind):
    """What lies in metadata under some keys: text, a number, true or false, a list, an object or null, or nothing.

    A number compares with numbers only, and text with text; a list contains what is one of its items.
    Numbers compare as 64-bit floats. `numbers` are the same ones in a table of their own, where there is one.
    """

    metadata: Any
    keys: tuple[str, ...]
    numbers: Numbers | None = None

    takes = "text, a number, true or false"
    operators = (*EQUAL, *ORDERED, "~")

    def exists(self) -> Condition:
        return _is_there(self._value)

    def among(self, values: Sequence[Literal]) -> Condition:
        found: list[Condition] = []
        if numbers := [value for value in values if is_number(value)]:
            found.append(self._number(_equal_to(numbers)))
        if others := [self._json(value) for value in values if not is_number(value)]:
            found += [self._value == other for other in others]
        return or_(*found)

    def ordered(self, operator: str, value: Literal) -> Condition:
        if is_number(value):
            return self._number(_ordered_as(operator, value))
        if isinstance(value.value, bool):
            raise Mistake(
                value.column, "No order", f"true and false are neither above nor below; {operator} takes others."
            )
        found: Condition = ORDERINGS[operator](collate(self._words, "C"), _text(value))
        return found

    def contains(self, value: Literal) -> Condition:
        listed: Condition = (func.jsonb_typeof(self._value) == "array") & self._value.contains(self._json(value))
        if isinstance(value.value, str | Time):
            return or_(self._words.icontains(_text(value), autoescape=True), listed)
        return listed

    def flag(self) -> Condition:
        found: Condition = self._value == cast(True, JSONB)
        return found

    def columns(self, falling: bool) -> tuple[Column, ...]:
        """Numbers come first, then texts, then the rest."""
        texts = Column(collate(func.left(self._words, SORTED_LETTERS, type_=Text()), "C"), falling, nullable=True)
        if self.numbers is None:
            return (Column(self._float, falling, nullable=True), texts)
        return (Column(self.numbers.value, falling, nullable=True, numbers=self.numbers), texts)

    def passing(self, operator: str, values: Sequence[Literal]) -> Passing | None:
        if self.numbers is None or not all(map(is_number, values)):
            return None
        if operator in ORDERED:
            return self.numbers.passing(_ordered_as(operator, values[0]))
        return self.numbers.passing(_equal_to(values)) if operator in ("=", "in") else None

    def _number(self, test: Test) -> Condition:
        if self.numbers is None:
            return test(self._float)
        found = self.numbers.passing(test)
        return found.condition if found else self.numbers.where(test)

    @property
    def _value(self) -> Any:
        return at(self.metadata, self.keys)

    @property
    def _float(self) -> Any:
        """The value where it is a number, NULL elsewhere."""
        return case((holds_number(self._value), cast(words(self._value), Double)))

    @property
    def _words(self) -> Any:
        """The value where it is text, NULL elsewhere."""
        return case((func.jsonb_typeof(self._value) == "string", words(self._value)))

    def _json(self, value: Literal) -> Any:
        return cast(value.value if isinstance(value.value, bool | int | float) else _text(value), JSONB)


def at(metadata: Any, keys: Sequence[str]) -> Any:
    """What lies under these keys, one within the other; lists have none. NULL where there is nothing."""
    for key in keys:
        metadata = metadata.op("->", return_type=JSONB())(cast(key, Text))
    return metadata


def holds_number(value: Any) -> Condition:
    """Whether that JSON value is a number; NULL where there is nothing."""
    found: Condition = func.jsonb_typeof(value) == "number"
    return found


def words(value: Any) -> Any:
    """That JSON value as text without quotes."""
    return value.op("#>>", return_type=Text())(literal_column("'{}'"))


def _equal_to(values: Sequence[Literal]) -> Test:
    numbers = [_float(value) for value in values]
    return lambda column: column.in_(numbers) if numbers[1:] else column == numbers[0]


def _ordered_as(operator: str, value: Literal) -> Test:
    number = _float(value)
    return lambda column: ORDERINGS[operator](column, number)


def _float(value: Literal) -> float:
    return float(value.value)  # type: ignore[arg-type]


def is_number(value: Literal) -> bool:
    return isinstance(value.value, int | float) and not isinstance(value.value, bool)


def _text(value: Literal) -> str:
    text = value.value.text if isinstance(value.value, Time) else value.value
    assert isinstance(text, str)
    return text


def _is_there(column: Any) -> Condition:
    found: Condition = column.is_not(None)
    return found
