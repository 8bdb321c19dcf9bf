"""Versions' metadata side by side, key by key: what differs, and by how much."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Literal

Number = int | Decimal
State = Literal["base", "same", "changed", "new", "gone", "none"]

EXACT = Context(prec=1500)
"""Enough for a difference of any two numbers that float64 has room for, digit by digit."""

ROUGH = Context(prec=17)
DOTTED = frozenset('."')


@dataclass(frozen=True)
class Cell:
    """A column's value for a key, and what it is beside the base's.

    `new` is what the base has not, `gone` what only the base has, `none` what neither has. `difference` and `percent` are there
    where both are numbers that differ; no percentage is taken of 0.
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
        """Its value as an exact number; None for anything else."""
        return as_number(self.value)


@dataclass(frozen=True)
class Row:
    """One key in all columns. `path` is where the value lies, `key` how that reads."""

    path: tuple[str, ...]
    key: str
    cells: tuple[Cell, ...]
    differs: bool


@dataclass(frozen=True)
class Comparison:
    """All keys that any of the columns has, in order."""

    rows: tuple[Row, ...]

    @property
    def different(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.differs)


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()
"""What a column holds under a key that it has not; `None` is a value that it may have."""


def parsed(text: str) -> dict[str, Any]:
    """Stored metadata with its numbers as they are written: whole ones of any length, the others as decimals."""
    read: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return read


def compare(columns: Sequence[Mapping[str, Any]], base: int = 0, first: Sequence[str] = ()) -> Comparison:
    """These metadata beside each other, each measured by the column of that number.

    Keys that stand in `first` come first and in its order, the others by name.
    """
    flat = [dict(_folded(column)) for column in columns]
    keys = _written({path: None for column in flat for path in column})
    rank = {key: place for place, key in enumerate(first)}
    order = sorted(keys, key=lambda path: (rank.get(keys[path], len(rank)), ".".join(path).casefold(), path))
    return Comparison(
        tuple(_row(path, keys[path], [column.get(path, MISSING) for column in flat], base) for path in order)
    )


def as_number(value: Any) -> Number | None:
    """The value where it is a number, exactly as it is written; None for all else, and true and false are none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return Decimal(repr(value))
    return value if isinstance(value, int | Decimal) else None


def same(one: Any, other: Any) -> bool:
    """Whether both are the same JSON: 1 is 1.0 and is not true."""
    return repr(one) == repr(other) or _alike(one, other)  # a large value is mostly the very same one


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_alike(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    now, before = as_number(one), as_number(other)
    if now is None or before is None:
        return now is before and type(one) is type(other) and bool(one == other)
    return now == before


def _folded(value: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value with its path; an object is one only if it is empty."""
    for key, inner in value.items():
        at = (*path, key)
        if isinstance(inner, Mapping) and inner:
            yield from _folded(inner, at)
        else:
            yield at, inner


def _written(paths: Mapping[tuple[str, ...], Any]) -> dict[tuple[str, ...], str]:
    """Each path with dots between its keys. Where two would read alike, `a.b` and b in a, the key with the dot is in quotes."""
    read: dict[str, list[tuple[str, ...]]] = {}
    for path in paths:
        read.setdefault(".".join(path), []).append(path)
    return {path: key if len(alike) == 1 else _quoted(path) for key, alike in read.items() for path in alike}


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
    return Cell("changed", value, *_measured(now, before))


def _measured(now: Number, before: Number) -> tuple[Number, Decimal | None]:
    """By how much the number is more than before, and that in per cent of it."""
    both_whole = isinstance(now, int) and isinstance(before, int)
    more = now - before if both_whole else EXACT.subtract(Decimal(now), Decimal(before))
    return more, ROUGH.divide(Decimal(more) * 100, abs(Decimal(before))) if before else None
