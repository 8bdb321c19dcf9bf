"""Numbers as they were sent: whole numbers are ints with all their digits, others are floats. They compare as they are written."""

from decimal import Context, Decimal

from catapult.tables import plain_number

Number = int | float

SHARED_FROM = 2**53
"""From here on several whole numbers share a float, so that a float does not tell which of them was sent."""

EXACT = Context(prec=1500)
"""Precise enough for the exact sum and difference of any two float64 numbers."""

READABLE = 15
"""A whole number of more digits is written with an exponent if that is shorter."""


def plain(value: Number | Decimal) -> Number:
    """Return the number as an int if it is whole, otherwise as a float: 1200 for 1200.0, 10**23 for 1e23."""
    return plain_number(exact(value))


def exact(value: Number | Decimal) -> Decimal:
    """Return the number as it is written, so that 0.95 - 0.01 is 0.94."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def as_number(value: object) -> Number | Decimal | None:
    """Return the value if it is a number, otherwise None. True and false are not numbers."""
    return value if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None


def written(value: Number | Decimal) -> str:
    """Return the number with all its digits: `0.89`, `1200`, `321588685835436831`, `1e-07`, `1e+300`."""
    number = plain(value)
    text = str(number)
    if isinstance(number, float) or len(text.lstrip("-")) <= READABLE:
        return text
    return min(text, str(Decimal(number).normalize(EXACT)).lower(), key=len)
