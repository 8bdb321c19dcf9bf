"""The syntax tree of a filter or a sort order. Columns count characters from 1."""

from dataclasses import dataclass
from datetime import datetime
from typing import Union


@dataclass(frozen=True)
class Time:
    """A time written without quotes: the moment, and its text."""

    moment: datetime
    text: str


Plain = str | int | float | bool | Time


@dataclass(frozen=True)
class Literal:
    """A value and its column."""

    value: Plain
    column: int

    @property
    def is_number(self) -> bool:
        return isinstance(self.value, int | float) and not isinstance(self.value, bool)

    @property
    def number(self) -> int | float:
        """The value, only where it is a number."""
        assert isinstance(self.value, int | float)
        return self.value

    @property
    def text(self) -> str | None:
        """The text of a string or a time; None for other values."""
        text = self.value.text if isinstance(self.value, Time) else self.value
        return text if isinstance(text, str) else None


@dataclass(frozen=True)
class Path:
    """A field and the keys below it: `metadata.eval."top.1"[0]` is `metadata` with the keys `eval`, `top.1` and 0.

    A number is a position in a list.
    """

    name: str
    keys: tuple[str | int, ...]
    column: int


@dataclass(frozen=True)
class Comparison:
    """A field compared with one value, or with several after `in`. `column` is the operator's."""

    path: Path
    operator: str
    values: tuple[Literal, ...]
    column: int


@dataclass(frozen=True)
class Exists:
    path: Path


@dataclass(frozen=True)
class Flag:
    """A field alone, which asks whether it is true."""

    path: Path


@dataclass(frozen=True)
class Not:
    part: "Node"


@dataclass(frozen=True)
class AllOf:
    parts: tuple["Node", ...]


@dataclass(frozen=True)
class AnyOf:
    parts: tuple["Node", ...]


Node = Union[Comparison, Exists, Flag, Not, AllOf, AnyOf]  # noqa: UP007 - a name in quotes has no |


@dataclass(frozen=True)
class Order:
    """A field to sort by."""

    path: Path
    descending: bool
