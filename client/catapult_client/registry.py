"""The registry, as a training script or a deployment job sees it."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Literal, NoReturn, TypeVar, overload

import requests

from .access_calls import AccessCalls
from .calls import Gone, call
from .deployment_calls import DeploymentCalls
from .environment_calls import EnvironmentCalls
from .errors import InvalidArgument, Unavailable
from .gate_calls import GateCalls
from .model_calls import ModelCalls
from .records import Health, Info
from .transport import Ask, Timeout, Transport, api_root, checked_timeout, decoded, secret
from .version_calls import VersionCalls

Self = TypeVar("Self", bound="Registry[Any]")

TIMEOUT = (5.0, 30.0)  # seconds: to connect, and between two bytes of the answer
RETRIES = 5  # tries after the first; the pauses between them are 8 to 16 s in all
TIME_LIMIT = {"raise": 120.0, "warn": 20.0}  # seconds that one call may take, with all its tries and pauses

SETTINGS = {
    "REGISTRY_URL": "the registry's address, as http://localhost:8000/api",
    "REGISTRY_API_KEY": "a key, as `flask keys create` prints it",
}


class Registry(
    ModelCalls[Gone],
    VersionCalls[Gone],
    DeploymentCalls[Gone],
    EnvironmentCalls[Gone],
    GateCalls[Gone],
    AccessCalls[Gone],
):
    """A model registry at an address, opened with a key.

        registry = Registry(base_url="http://localhost/api", api_key="…")      # or Registry.from_env()
        version = registry.get_latest_version(model_name="myorg/pytorch-model")

    `base_url` may end in `/api`, `/api/v1` or neither, with a prefix before it. Redirects are not followed.

    **Time.** `timeout` is seconds, or (connect, read): 5 and 30 unless given. What fails in passing is tried again,
    `retries` (5) times at most, with pauses of up to 8 s or what `Retry-After` asks, all tries of one POST under one
    `Idempotency-Key`. No try begins later than `time_limit` seconds after the call (120; 20 with `on_error="warn"`).

    **`on_error="warn"`** is for training runs: a call that fails logs one warning (logger `catapult`) and gives
    None, or an iterator that ends. That holds for whatever the registry or the network does, and for values that
    cannot be sent, as NaN in metadata; and after `time_limit` seconds the call comes back whatever it hangs on (an
    iterator: that long after asking for a page). Hand on the record itself, `registry.deploy(version, "staging")`: if
    it is None, that call warns as well. What still raises: making the Registry, and a wrong or missing keyword.

    **Sharing.** Threads may share one. A forked worker opens connections of its own. It is pickled only if `from_env`
    made it, and without its key, which is read anew from the environment over there; any other refuses, so that no
    key ends in a file or a queue.

    `session`: a `requests.Session` of yours, with adapters mounted or certificates set. It stays yours to close, and
    cannot cross a fork. Without one, proxies and certificates come from the environment as usual; ~/.netrc is not read.
    """

    @overload
    def __init__(
        self: Registry[NoReturn],
        base_url: str,
        api_key: str,
        *,
        on_error: Literal["raise"] = ...,
        timeout: Timeout = ...,
        retries: int = ...,
        time_limit: float | None = ...,
        session: requests.Session | None = ...,
    ) -> None: ...

    @overload
    def __init__(
        self: Registry[None],
        base_url: str,
        api_key: str,
        *,
        on_error: Literal["warn"],
        timeout: Timeout = ...,
        retries: int = ...,
        time_limit: float | None = ...,
        session: requests.Session | None = ...,
    ) -> None: ...

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        on_error: Literal["raise", "warn"] = "raise",
        timeout: Timeout = TIMEOUT,
        retries: int = RETRIES,
        time_limit: float | None = None,
        session: requests.Session | None = None,
    ) -> None:
        """Raises InvalidArgument, in either mode of `on_error`. Sends nothing yet."""
        if on_error not in TIME_LIMIT:
            raise InvalidArgument('on_error is "raise" or "warn".')
        if not isinstance(retries, int) or retries < 0:
            raise InvalidArgument("retries is a whole number, 0 or more.")
        limit = TIME_LIMIT[on_error] if time_limit is None else time_limit
        if not isinstance(limit, (int, float)) or not 0 < limit <= 86400:
            raise InvalidArgument("time_limit is seconds above 0, and at most a day (86400).")
        self._warns = on_error == "warn"
        self._time_limit = float(limit)
        self._transport = Transport(api_root(base_url), secret(api_key), checked_timeout(timeout), retries, session)
        self._revival: dict[str, Any] | None = None

    @overload
    @classmethod
    def from_env(
        cls,
        *,
        on_error: Literal["raise"] = ...,
        timeout: Timeout = ...,
        retries: int = ...,
        time_limit: float | None = ...,
        session: requests.Session | None = ...,
    ) -> Registry[NoReturn]: ...

    @overload
    @classmethod
    def from_env(
        cls,
        *,
        on_error: Literal["warn"],
        timeout: Timeout = ...,
        retries: int = ...,
        time_limit: float | None = ...,
        session: requests.Session | None = ...,
    ) -> Registry[None]: ...

    @classmethod
    def from_env(cls, **settings: Any) -> Registry[Any]:
        """The registry that `REGISTRY_URL` and `REGISTRY_API_KEY` name; keywords as for `Registry`.

        Raises InvalidArgument, naming every variable that is missing.
        """
        missing = [f"{name} ({what})" for name, what in SETTINGS.items() if not os.environ.get(name, "").strip()]
        if missing:
            raise InvalidArgument(f"Set {' and '.join(missing)}.")
        registry = cls(os.environ["REGISTRY_URL"], os.environ["REGISTRY_API_KEY"], **settings)
        registry._revival = settings
        return registry

    @property
    def base_url(self) -> str:
        """The address in use, always ending in `/api`."""
        return self._transport.root

    def close(self) -> None:
        """The connections are closed. A call after it opens new ones."""
        self._transport.close()

    @call
    def health(self) -> Health | Gone:
        """Whether the registry works, also when it says that it does not; asked once, not again.

        Raises ConnectionFailed, or Unavailable from something in front of it, when it does not say anything.
        """
        ask = Ask("GET", "/health")
        try:
            return Health.from_json(decoded(ask, self._send(ask, retries=0)))
        except Unavailable as fault:
            if fault.problem.get("status") != "unhealthy":
                raise
            return Health.from_json(fault.problem)

    @call
    def info(self) -> Info | Gone:
        """What runs there, and how many models, versions and deployments it holds. Raises Unauthenticated."""
        return self._get(Info, "/v1/info")

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Registry {self.base_url}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._revival is None or self._revival.get("session") is not None:
            raise InvalidArgument(
                "This Registry is not pickled, since its key would be: use Registry.from_env(), which is pickled "
                "without the key, or make one in each process."
            )
        return _revived, (type(self), self._revival)

    def __copy__(self: Self) -> Self:
        return self

    def __deepcopy__(self: Self, memo: dict[int, Any]) -> Self:
        return self  # nothing in it changes; a copied training configuration may well share it


def _revived(kind: type[Registry[Any]], settings: dict[str, Any]) -> Registry[Any]:
    return kind.from_env(**settings)
