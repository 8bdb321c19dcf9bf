"""What differs between two versions, beside the button that puts one in the place of the other."""

from typing import Any

from catapult.pages.parts import values
from catapult.queries import metrics
from catapult.rules.comparison import compare, parsed

KEYS = 12
"""Shown keys that differ."""


def between(before: Any, after: Any) -> dict[str, Any]:
    """Return the first keys of metadata that differ between two versions, as `lines`, and how many `more_keys` there are."""
    columns = [parsed(row.metadata_) for row in (before, after)]
    different = compare(columns, first=metrics.MAIN).different
    lines = values.lines(different[:KEYS], columns)
    return {"lines": lines, "more_keys": len(different) - len(lines)}
