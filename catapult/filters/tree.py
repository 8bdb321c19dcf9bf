"""What a filter or an order says, once it is read. Columns count characters from 1."""

from dataclasses import dataclass
from datetime import datetime
from typing import Union

Number = int | float


@dataclass(frozen=True)
class Time:
    """A time that was written without quotes: the moment, and the text."""

    moment: datetime
    text: str


Plain = str | Number | bool | Time


@dataclass(frozen=True)
class Literal:
    """A value, and where it stands."""

    value: Plain
    column: int


@dataclass(frozen=True)
class Path:
    """A field's name, and the keys that lead on from it: `metadata.eval."top.1"` is metadata, (eval, top.1)."""

    name: str
    keys: tuple[str, ...]
    column: int


@dataclass(frozen=True)
class Comparison:
    """A field beside values: one, or several after `in`."""

    path: Path
    operator: str
    values: tuple[Literal, ...]
    column: int


@dataclass(frozen=True)
class Exists:
    path: Path


@dataclass(frozen=True)
class Flag:
    """A field alone: that it is true."""

    path: Path


@dataclass(frozen=True)
class Not:
    part: "Node"
    column: int


@dataclass(frozen=True)
class AllOf:
    parts: tuple["Node", ...]


@dataclass(frozen=True)
class AnyOf:
    parts: tuple["Node", ...]


Node = Union[Comparison, Exists, Flag, Not, AllOf, AnyOf]  # noqa: UP007 - a name in quotes has no |


@dataclass(frozen=True)
class Order:
    """One field to sort by."""

    path: Path
    falling: bool
