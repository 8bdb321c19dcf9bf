"""A checkpoint of the audit log: a signed note (C2SP tlog-checkpoint), and the key that verifies it."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

ED25519 = b"\x01"


class CheckpointError(Exception):
    """A note or a key cannot be used. The message says why."""


class SignedRoot(NamedTuple):
    """The first `size` entries of the log have a tree with this root."""

    origin: str
    size: int
    root: bytes


def public_key(text: str) -> bytes:
    """Return the 32 bytes of a key in base64, or of one in the form `name+mark+key`. Raises CheckpointError."""
    named = re.fullmatch(r".+\+[0-9a-f]{8}\+(.{44,})", text.strip())
    key = _decoded(named[1] if named else text.strip())
    if named and key[:1] == ED25519:
        key = key[1:]
    if len(key) != 32:
        raise CheckpointError("This is not an Ed25519 key: 32 bytes in base64, as `GET /api/v1/audit-logs/key` has it.")
    return key


def opened(note: str, keys: Sequence[bytes]) -> SignedRoot:
    """Return the checkpoint of a note that one of the keys has signed. Raises CheckpointError."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise CheckpointError(
            "Checking signatures needs the package cryptography: pip install 'catapult-sdk[verify]'."
        ) from None
    body, _, signatures = note.replace("\r\n", "\n").partition("\n\n")
    lines = body.split("\n")
    if len(lines) < 3 or not lines[1].isdecimal():
        raise CheckpointError("This is not a checkpoint: a name, a size, a root, an empty line and a signature.")
    checkpoint = SignedRoot(lines[0], int(lines[1]), _decoded(lines[2]))
    marks = {sha256(f"{lines[0]}\n".encode() + ED25519 + key).digest()[:4]: key for key in keys}
    for line in signatures.splitlines():
        signature = _decoded(line.rpartition(" ")[2])
        key = marks.get(signature[:4])
        if key and line.startswith(f"— {lines[0]} "):
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(signature[4:], f"{body}\n".encode())
            except InvalidSignature:
                break
            return checkpoint
    raise CheckpointError(f"The checkpoint of {checkpoint.size} entries is not signed with this key.")


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CheckpointError(f"{text[:60]!r} is not base64.") from None
