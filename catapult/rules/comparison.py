"""Compare the metadata of several versions, key by key."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Literal

from catapult.rules import numbers
from catapult.rules.numbers import EXACT

Number = int | Decimal
State = Literal["base", "same", "changed", "new", "gone", "none"]

ROUGH = Context(prec=17)
PERCENT_FROM = 5
"""The largest change of a row, in per cent, from which the row is shown in per cent."""

DOTTED = frozenset('."')


@dataclass(frozen=True)
class Cell:
    """A column's value for a key, compared with the base column's.

    The state is `new` if only this column has the key, `gone` if only the base has it, and `none` if neither does. `difference`
    and `percent` are set if both are numbers that differ; there is no percentage of 0.
    """

    state: State
    value: Any = None
    difference: Number | None = None
    percent: Decimal | None = None

    @property
    def is_there(self) -> bool:
        return self.state not in ("gone", "none") and not (self.state == "base" and self.value is MISSING)

    @property
    def number(self) -> Number | None:
        """The value as an exact number, or None."""
        return as_number(self.value)


@dataclass(frozen=True)
class Row:
    """One key in all columns. `path` has the nested keys, `key` is the path as shown."""

    path: tuple[str, ...]
    key: str
    cells: tuple[Cell, ...]
    differs: bool

    @property
    def largest_percent(self) -> Decimal | None:
        """The largest change in per cent, without its sign; None where no number changed, or the base is 0."""
        return max((abs(cell.percent) for cell in self.cells if cell.percent is not None), default=None)

    @property
    def is_in_percent(self) -> bool:
        """Whether the row's changes are shown in per cent: one unit for all of them, and 0.3 % says little."""
        return (self.largest_percent or 0) >= PERCENT_FROM


@dataclass(frozen=True)
class Comparison:
    """The rows for all keys that any column has, in order."""

    rows: tuple[Row, ...]

    @property
    def different(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.differs)


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()
"""The value of a column that does not have the key. `None` is an ordinary value."""


def parsed(text: str) -> dict[str, Any]:
    """Parse stored metadata with exact numbers: integers of any length, all others as decimals."""
    metadata: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return metadata


def compare(columns: Sequence[Mapping[str, Any]], base: int = 0, first: Sequence[str] = ()) -> Comparison:
    """Compare each column with the column of index `base`.

    Keys in `first` come first and in its order, the others by name.
    """
    flat = [dict(_flattened(column)) for column in columns]
    keys = _as_text({path: None for column in flat for path in column})
    rank = {key: index for index, key in enumerate(first)}
    order = sorted(keys, key=lambda path: (rank.get(keys[path], len(rank)), ".".join(path).casefold(), path))
    return Comparison(
        tuple(_row(path, keys[path], [column.get(path, MISSING) for column in flat], base) for path in order)
    )


def as_number(value: Any) -> Number | None:
    """Return the value as an exact number, or None if it is not a number. True and false are not numbers."""
    number = numbers.as_number(value)
    return numbers.exact(number) if isinstance(number, float) else number


def same(left: Any, right: Any) -> bool:
    """Return whether both are the same JSON: 1 equals 1.0 and does not equal true."""
    return repr(left) == repr(right) or _same(left, right)  # two large values are mostly the same text


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(value, right[key]) for key, value in left.items())
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    numbers = as_number(left), as_number(right)
    if None in numbers:
        return numbers == (None, None) and type(left) is type(right) and bool(left == right)
    return numbers[0] == numbers[1]


def _flattened(value: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every value with its path. An object counts as a value only if it is empty."""
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from _flattened(inner, (*path, key))
        else:
            yield (*path, key), inner


def _as_text(paths: Mapping[tuple[str, ...], Any]) -> dict[tuple[str, ...], str]:
    """Return each path as text with dots. If two read alike, `a.b` and b within a, the key with the dot is quoted."""
    by_text: dict[str, list[tuple[str, ...]]] = {}
    for path in paths:
        by_text.setdefault(".".join(path), []).append(path)
    return {path: key if len(alike) == 1 else _quoted(path) for key, alike in by_text.items() for path in alike}


def _quoted(path: tuple[str, ...]) -> str:
    return ".".join(json.dumps(key, ensure_ascii=False) if not key or DOTTED & set(key) else key for key in path)


def _row(path: tuple[str, ...], key: str, values: list[Any], base: int) -> Row:
    cells = tuple(
        Cell("base", value) if column == base else _cell(value, values[base]) for column, value in enumerate(values)
    )
    return Row(path, key, cells, differs=any(cell.state not in ("base", "same", "none") for cell in cells))


def _cell(value: Any, base: Any) -> Cell:
    if value is MISSING:
        return Cell("none" if base is MISSING else "gone", MISSING)
    if base is MISSING:
        return Cell("new", value)
    if same(value, base):
        return Cell("same", value)
    now, before = as_number(value), as_number(base)
    if now is None or before is None:
        return Cell("changed", value)
    return Cell("changed", value, *_increase(now, before))


def _increase(now: Number, before: Number) -> tuple[Number, Decimal | None]:
    """Return how much the number increased, and the same in per cent of what it was before, None for 0."""
    both_whole = isinstance(now, int) and isinstance(before, int)
    increase = now - before if both_whole else EXACT.subtract(Decimal(now), Decimal(before))
    return increase, ROUGH.divide(Decimal(increase) * 100, abs(Decimal(before))) if before else None
