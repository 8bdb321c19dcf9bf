"""Catapult, a model registry. `from catapult import Registry` is its SDK, loaded on first use (PEP 562).

So the server and its commands do not import requests, and the SDK does not import Flask.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catapult_client import *  # noqa: F403
else:  # hidden from type checkers, which would take any name for one of the SDK's

    def __getattr__(name: str) -> Any:
        # The other names of the SDK are classes; `catapult.app` is a module of the server.
        if name not in ("__all__", "webhooks") and not name[0].isupper():
            raise AttributeError(f"module 'catapult' has no attribute {name!r}")
        try:
            value = globals()[name] = getattr(import_module("catapult_client"), name)
        except AttributeError:
            raise AttributeError(f"module 'catapult' has no attribute {name!r}") from None
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *import_module("catapult_client").__all__})
