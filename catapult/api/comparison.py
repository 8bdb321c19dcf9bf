"""The comparison of versions as JSON, key by key."""

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from catapult.rules.comparison import Cell, Number, Row, compare, parsed
from catapult.rules.json_text import JsonText


class Comparison(NamedTuple):
    """The fields of `ComparisonOut` as JSON text, with numbers exactly as they are stored."""

    versions: JsonText
    keys: JsonText


def of(rows: Sequence[Any]) -> Comparison:
    """Return the comparison of these versions with the first."""
    versions = [{"id": row.id, "model_name": row.model_name, "version": row.version} for row in rows]
    compared = compare([parsed(row.metadata_) for row in rows])
    return Comparison(JsonText(json.dumps(versions)), JsonText(_encode([_key(row) for row in compared.rows])))


def _key(row: Row) -> dict[str, Any]:
    cells = [_cell(cell) for cell in row.cells]
    return {"path": list(row.path), "key": row.key, "differs": row.differs, "cells": cells}


def _cell(cell: Cell) -> dict[str, Any]:
    value = {"value": cell.value} if cell.is_there else {}
    measured = {"difference": _finite(cell.difference), "percent": _finite(cell.percent)}
    return {"state": cell.state, **value, **{name: number for name, number in measured.items() if number is not None}}


def _finite(number: Number | None) -> Number | None:
    """Return the number if it fits a 64-bit float, or None: a client might read a larger one as infinity."""
    try:
        return None if number is None or math.isinf(float(number)) else number
    except OverflowError:
        return None


def _encode(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_encode(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_encode, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
