"""Moments in microseconds since 1970, which are quicker than objects where there are millions, and what is made of them."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def stamp(at: int) -> str:
    """That moment as PostgreSQL reads it."""
    day, rest = divmod(at, DAY)
    hour, rest = divmod(rest, HOUR)
    minute, rest = divmod(rest, MINUTE)
    return f"{_date(day)} {hour:02d}:{minute:02d}:{rest // SECOND:02d}.{rest % SECOND:06d}+00"


def iso(at: int) -> str:
    """That moment as audit entries tell it."""
    return (EPOCH + timedelta(microseconds=at)).isoformat()


def uuid_at(at: int, rng: Random) -> str:
    """A UUIDv7 of that moment, which sorts by time to the microsecond: RFC 9562, 5.7, and 6.2 method 3."""
    milliseconds, rest = divmod(at, 1_000)
    number = milliseconds << 80 | 0x7 << 76 | rest * 4096 // 1000 << 64 | 0b10 << 62 | rng.getrandbits(62)
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@lru_cache(maxsize=2_000)
def _date(day: int) -> str:
    return (EPOCH + timedelta(days=day)).date().isoformat()
