"""What a comparison shows below a value: how much it changed, in one unit for the row, and whether that is better."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from catapult.pages.parts.formats import number, percent, signed
from catapult.rules.comparison import Cell, Row

PLAIN = re.compile(r"[−+-]?[\d,]+(?:\.(\d+))?")


@dataclass(frozen=True)
class Change:
    """A change in words, and `better`, `worse` or nothing."""

    text: str
    verdict: str = ""


def by_size(rows: Sequence[Row], directions: Mapping[str, int]) -> list[Row]:
    """Return the rows with the largest change first: numbers with a direction, other numbers, then all other rows."""

    def order(row: Row) -> tuple[int, float]:
        largest = row.largest_percent
        return (2, 0) if largest is None else (row.key not in directions, -min(float(largest), 1e308))

    return sorted(rows, key=order)


def verdict_of(cell: Cell, direction: int) -> str:
    """Return `better` or `worse`, or nothing without a direction: 1 if higher is better, -1 if lower is."""
    if not cell.difference or not direction:
        return ""
    return "better" if (cell.difference > 0) == (direction > 0) else "worse"


def numbers(row: Row) -> list[str | None]:
    """Return the row's numbers with the same decimals, so that they line up; None for what is not a number."""
    return _padded([None if cell.number is None else number(cell.number) for cell in row.cells])


def changes(row: Row, direction: int) -> list[Change | None]:
    """Return each cell's change against the base; None for the base, and where there is nothing to compare."""
    texts = list(_texts(row))
    if not row.is_in_percent:
        texts = _padded(texts, like=[text for text in numbers(row) if text])
    return [
        Change("same") if cell.state == "same" else Change(text, verdict_of(cell, direction)) if text else None
        for cell, text in zip(row.cells, texts, strict=True)
    ]


def _texts(row: Row) -> Iterator[str | None]:
    for cell in row.cells:
        if cell.difference is None:
            yield None
        else:
            yield percent(cell.percent) if row.is_in_percent and cell.percent is not None else signed(cell.difference)


def _padded(texts: Sequence[str | None], like: Sequence[str] = ()) -> list[str | None]:
    """Return the texts with as many decimals as the longest has; unchanged if one is in scientific notation."""
    matches = [PLAIN.fullmatch(text) for text in (*texts, *like) if text]
    if not all(matches):
        return list(texts)
    most = max((len(match[1] or "") for match in matches if match), default=0)
    return [text and _pad(text, most) for text in texts]


def _pad(text: str, decimals: int) -> str:
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(decimals, '0')}" if decimals else text
