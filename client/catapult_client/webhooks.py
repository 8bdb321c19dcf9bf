"""For receivers of webhooks: `webhooks.verify(headers, body, secret)`. It follows https://www.standardwebhooks.com."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from .errors import InvalidArgument, InvalidSignature

PREFIX = "whsec_"


def verify(headers: Mapping[str, str], body: bytes | str, secret: str, tolerance: float = 300) -> dict[str, Any]:
    """Return the JSON object of a webhook that the registry sent. Raises InvalidSignature for any other one.

    `headers` are those of the request, in any case. `body` is the body as received: JSON that was parsed and written
    again has other bytes. `tolerance` is how many seconds the clocks may differ; an older message may be a replay by
    somebody else. The registry may still send a message twice, with the same `webhook-id`.
    """
    key = _key(secret)
    if not isinstance(body, (bytes, str)):
        raise InvalidArgument(f"body is {type(body).__name__}; pass the bytes of the request, before JSON is parsed.")
    content = body.encode() if isinstance(body, str) else body
    values = {name.lower(): value for name, value in headers.items()}
    message_id, sent_at, signatures = (_header(values, name) for name in ("id", "timestamp", "signature"))
    expected = hmac.new(key, f"{message_id}.{sent_at}.".encode() + content, hashlib.sha256).digest()
    signature = b"v1," + base64.b64encode(expected)
    if not any(hmac.compare_digest(signature, each.encode()) for each in signatures.split()):
        raise InvalidSignature(
            "No signature of the webhook is right. Use the secret of this webhook, and the body exactly as it arrived."
        )
    _check_time(sent_at, tolerance)
    try:
        message = json.loads(content)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise InvalidSignature("The webhook's body is not a JSON object.")
    return message


def _key(secret: str) -> bytes:
    encoded = secret[len(PREFIX) :] if secret.startswith(PREFIX) else secret
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise InvalidArgument("secret is not that of a webhook; pass the text that begins with whsec_.")
    return key


def _header(values: Mapping[str, str], name: str) -> str:
    value = values.get(f"webhook-{name}")
    if not value:
        raise InvalidSignature(f"The request has no header webhook-{name}: the registry did not send it.")
    return value


def _check_time(sent_at: str, tolerance: float) -> None:
    age = time.time() - int(sent_at) if sent_at.isascii() and sent_at.isdigit() and len(sent_at) < 20 else None
    if age is None or abs(age) > tolerance:
        when = "at no time" if age is None else f"{abs(age):.0f} s {'ago' if age > 0 else 'from now'}"
        raise InvalidSignature(
            f"The webhook was sent {when}, and {tolerance:g} s are allowed. If it was sent just now, set this machine's clock."
        )
