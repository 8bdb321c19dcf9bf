"""The SHA-256 of bytes, read no faster than a given rate."""

import hashlib
import time
from collections.abc import Callable, Iterator


def sha256_of(pieces: Iterator[bytes], rate: int | None, tell: Callable[[int], None] = lambda _: None) -> str:
    """Return the hash in hex. `rate` is in bytes a second; `tell` is called with the number of bytes read after each piece."""
    digest, count, began = hashlib.sha256(), 0, time.monotonic()
    for piece in pieces:
        digest.update(piece)
        count += len(piece)
        tell(count)
        if rate and (ahead := count / rate - (time.monotonic() - began)) > 0:
            time.sleep(ahead)
    return digest.hexdigest()
