"""Encrypt secrets that are read again, such as a webhook's, with a key derived from SECRET_KEY."""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PURPOSE = b"catapult: secrets of webhooks"


class Unreadable(Exception):
    """It was encrypted under another SECRET_KEY."""


def encrypt(text: str, secret_key: str) -> bytes:
    """Return the text encrypted and authenticated."""
    return _fernet(secret_key).encrypt(text.encode())


def decrypt(sealed: bytes, secret_key: str) -> str:
    """Return the text. Raises Unreadable if it was encrypted under another key, or changed."""
    try:
        return _fernet(secret_key).decrypt(bytes(sealed)).decode()
    except InvalidToken as error:
        raise Unreadable from error


@lru_cache(maxsize=4)
def _fernet(secret_key: str) -> Fernet:
    derived = HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
