"""What an API key looks like, and what is stored of it.

`cat_` + 8 letters and digits that may be shown + `_` + 32 random bytes in base62 + a CRC-32 of all before it in 6 characters
of base62, so that a typo, and a key that leaked into a repository, can be told without the database.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from typing import NamedTuple

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_LENGTH = 43  # 32 bytes in base62
CHECK_LENGTH = 6
NAME = r"(?=.*\S)[^\u0000-\u001f\u007f-\u009f\u2028\u2029]+"
"""What a key is called: text on one line, and not all of it space."""
FORM = re.compile(rf"(cat_[A-Za-z0-9]{{8}})_[A-Za-z0-9]{{{SECRET_LENGTH + CHECK_LENGTH}}}")


class NewKey(NamedTuple):
    """A key that was just made: `key` is shown once and never stored."""

    key: str
    prefix: str


def make() -> NewKey:
    """A new random key."""
    prefix = "cat_" + "".join(secrets.choice(ALPHABET) for _ in range(8))
    body = f"{prefix}_{_base62(int.from_bytes(secrets.token_bytes(32)), SECRET_LENGTH)}"
    return NewKey(body + _checksum(body), prefix)


def prefix_of(key: str) -> str | None:
    """The part that may be shown; None for what cannot be a key, by its form or its checksum."""
    match = FORM.fullmatch(key)
    if match is None or not hmac.compare_digest(_checksum(key[:-CHECK_LENGTH]), key[-CHECK_LENGTH:]):
        return None
    return match[1]


def hashed(key: str, salt: str) -> bytes:
    """HMAC-SHA-256 of the key under the salt: all that is stored of it."""
    return hmac.digest(salt.encode(), key.encode(), hashlib.sha256)


def salt_mark(salt: str) -> str:
    """Which salt this is, without telling it."""
    return hmac.digest(salt.encode(), b"catapult salt mark", hashlib.sha256).hex()[:16]


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), CHECK_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
