"""A checkpoint as a signed note: C2SP tlog-checkpoint and signed-note, which tools for transparency logs read."""

from base64 import b64encode
from hashlib import sha256

ED25519 = b"\x01"
"""The number of this kind of signature in signed notes."""


def body(origin: str, size: int, root: bytes) -> str:
    """Return the text that is signed: the log's name, how many entries it has, and the root of their tree."""
    return f"{origin}\n{size}\n{b64encode(root).decode()}\n"


def note(body: str, public_key: bytes, signature: bytes) -> str:
    """Return the text with its signature."""
    origin = body.partition("\n")[0]
    return f"{body}\n— {origin} {b64encode(_mark(origin, public_key) + signature).decode()}\n"


def verifier(origin: str, public_key: bytes) -> str:
    """Return the public key as tools for signed notes take it: name, mark, and the key."""
    return f"{origin}+{_mark(origin, public_key).hex()}+{b64encode(ED25519 + public_key).decode()}"


def _mark(origin: str, public_key: bytes) -> bytes:
    return sha256(origin.encode() + b"\n" + ED25519 + public_key).digest()[:4]
