"""The format of an API key, and the hash that is stored.

`cat_`, 8 letters and digits that may be shown, `_`, 32 random bytes in base62, and a CRC-32 of all that in 6 characters of
base62. The checksum detects a typo without the database, and lets a secret scanner recognize keys.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from typing import NamedTuple

from catapult.errors import Invalid
from catapult.tables import NAME_LENGTH

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_LENGTH = 43  # 32 bytes in base62
CHECK_LENGTH = 6
NAME = r"(?=.*\S)[^\u0000-\u001f\u007f-\u009f\u2028\u2029]+"
"""The name of a key: text on one line that is not all spaces."""
FORM = re.compile(rf"(cat_[A-Za-z0-9]{{8}})_[A-Za-z0-9]{{{SECRET_LENGTH + CHECK_LENGTH}}}")


class NewKey(NamedTuple):
    """A new key. `key` is shown once and never stored."""

    key: str
    prefix: str


def check_name(name: str) -> None:
    """Raise Invalid unless this can be the name of a key or a person."""
    if len(name) > NAME_LENGTH or not re.fullmatch(NAME, name):
        rule = f"Must be visible text on one line, at most {NAME_LENGTH} characters."
        raise Invalid(f"A name is for people. {rule}", errors={"name": [rule]})


def make() -> NewKey:
    """Return a new random key."""
    prefix = "cat_" + "".join(secrets.choice(ALPHABET) for _ in range(8))
    body = f"{prefix}_{_base62(int.from_bytes(secrets.token_bytes(32)), SECRET_LENGTH)}"
    return NewKey(body + _checksum(body), prefix)


def prefix_of(key: str) -> str | None:
    """Return the part that may be shown, or None if the format or the checksum is wrong."""
    match = FORM.fullmatch(key)
    if match is None or not hmac.compare_digest(_checksum(key[:-CHECK_LENGTH]), key[-CHECK_LENGTH:]):
        return None
    return match[1]


def hashed(key: str, salt: str) -> bytes:
    """Return the HMAC-SHA-256 of the key under the salt, 32 bytes: all that is stored of it."""
    return hmac.digest(salt.encode(), key.encode(), hashlib.sha256)


def salt_mark(salt: str) -> str:
    """Return 16 hex digits that identify the salt without revealing it."""
    return hmac.digest(salt.encode(), b"catapult salt mark", hashlib.sha256).hex()[:16]


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), CHECK_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
