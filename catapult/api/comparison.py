"""Versions side by side as JSON: what the pages' comparison shows, key by key."""

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from catapult.rules.comparison import Cell, Number, Row, compare, parsed
from catapult.rules.json_text import JsonText


class Comparison(NamedTuple):
    """What `ComparisonOut` has, written already: numbers digit by digit, as they are stored."""

    versions: JsonText
    keys: JsonText


def of(rows: Sequence[Any]) -> Comparison:
    """These versions beside each other, each measured by the first."""
    named = [{"id": row.id, "model_name": row.model_name, "version": row.version} for row in rows]
    compared = compare([parsed(row.metadata_) for row in rows])
    return Comparison(JsonText(json.dumps(named)), JsonText(_written([_key(row) for row in compared.rows])))


def _key(row: Row) -> dict[str, Any]:
    return {
        "path": list(row.path),
        "key": row.key,
        "differs": row.differs,
        "cells": [_cell(cell) for cell in row.cells],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    value = {"value": cell.value} if cell.is_there else {}
    measured = {"difference": _finite(cell.difference), "percent": _finite(cell.percent)}
    return {"state": cell.state, **value, **{name: number for name, number in measured.items() if number is not None}}


def _finite(number: Number | None) -> Number | None:
    """The number, where a 64-bit float has room for it: a reader might take another for infinity."""
    try:
        return None if number is None or math.isinf(float(number)) else number
    except OverflowError:
        return None


def _written(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_written(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
