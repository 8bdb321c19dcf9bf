"""JSON bytes."""

import json
from typing import Any

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def encode(value: Any) -> bytes:
    """Return compact JSON in UTF-8."""
    return _ENCODER.encode(value).encode()
