"""A version's metadata in groups, with what is unchanged against the release apart from the rest."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from catapult.pages.parts import values
from catapult.pages.parts.values import Line
from catapult.queries import metrics
from catapult.rules.comparison import Row

METRICS, OTHER = "Metrics", "Parameters"
ORDER = {METRICS: 0, OTHER: 2}
"""Where these groups are. Those with the name of a key are between them."""


class Groups(NamedTuple):
    """The lines by group, those that are unchanged, and how many more keys there are."""

    groups: dict[str, list[Line]]
    unchanged: list[Line]
    more: int


def of(rows: Sequence[Row], columns: Sequence[dict[str, Any]], read: Iterable[str], most: int) -> Groups:
    """Return the rows in groups, `most` in all.

    *Metrics* are the numbers that a gate reads (`read`), first, then the well-known ones, and all numbers that begin like one
    of these: `latency_ms.p99` beside `latency_ms.p95`. Other keys that begin alike, up to the first dot, are a group with that
    name. *Parameters* is the rest. With two columns, the keys that have the same value in both are apart.
    """
    paths = list(read)
    first = {path.partition(".")[0] for path in (*paths, *metrics.MAIN) if "." in path}
    alike = Counter(row.path[0] for row in rows if len(row.path) > 1)

    def name(row: Row) -> str:
        is_known = row.key in paths or row.key in metrics.RANKS or (len(row.path) > 1 and row.path[0] in first)
        if is_known and any(cell.number is not None for cell in row.cells):
            return METRICS
        return row.path[0] if len(row.path) > 1 and alike[row.path[0]] > 1 else OTHER

    def position(row: Row) -> tuple[bool, int, str, bool, tuple[int, str]]:
        group = name(row)
        is_same = len(columns) > 1 and not row.differs
        return is_same, ORDER.get(group, 1), group, row.key not in paths, metrics.rank(row.key)

    ordered = sorted(rows, key=position)
    lines = values.lines(ordered[:most], columns)
    groups: dict[str, list[Line]] = {}
    unchanged: list[Line] = []
    for row, line in zip(ordered, lines, strict=False):
        (unchanged if position(row)[0] else groups.setdefault(name(row), [])).append(line)
    return Groups(groups, unchanged, len(rows) - len(lines))
