"""The records of a comparison of versions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .record import PARSE, Record, each


@dataclass(frozen=True)
class ComparedVersion(Record):
    """A version of a comparison."""

    id: str = ""
    model_name: str = ""
    version: str = ""


@dataclass(frozen=True)
class ComparedCell(Record):
    """A version's value for a key, compared with the first version's.

    `state` is `base` (the first version), `same`, `changed`, `new` (the first does not have the key), `gone` (only the
    first has it) or `none`; `value` is None for the last two. Numbers that differ have a `difference`, and the same in
    `percent` of the first.
    """

    state: str = ""
    value: Any = field(default=None, hash=False)
    difference: float | None = None
    percent: float | None = None


@dataclass(frozen=True)
class ComparedKey(Record):
    """A key of the metadata: `path` is its nested keys, `key` the same as text. `cells` has one item a version."""

    path: list[str] = field(default_factory=list, hash=False)
    key: str = ""
    differs: bool = False
    cells: list[ComparedCell] = field(default_factory=list, hash=False)


@dataclass(frozen=True)
class Comparison(Record):
    """Versions compared with the first one. `keys` are all keys of their metadata, ordered by name."""

    versions: list[ComparedVersion] = field(default_factory=list, hash=False)
    keys: list[ComparedKey] = field(default_factory=list, hash=False)


PARSE.update(
    {
        "list[ComparedVersion]": each(ComparedVersion),
        "list[ComparedKey]": each(ComparedKey),
        "list[ComparedCell]": each(ComparedCell),
    }
)
