"""The Registry: the client that training scripts and deployment jobs use."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Literal, NoReturn, TypeVar, overload

import requests

from .access_calls import AccessCalls
from .alias_calls import AliasCalls
from .artifact_calls import ArtifactCalls
from .calls import Failed, call
from .comment_calls import CommentCalls
from .deployment_calls import DeploymentCalls
from .environment_calls import EnvironmentCalls
from .errors import InvalidArgument, Unavailable
from .gate_calls import GateCalls
from .registry_calls import RegistryCalls
from .service_records import Health, Info
from .transport import Ask, Timeout, Transport, api_root, checked_timeout, decoded, secret
from .trusted_key_calls import TrustedKeyCalls
from .version_calls import VersionCalls
from .webhook_calls import WebhookCalls

Self = TypeVar("Self", bound="Registry[Any]")

TIMEOUT = (5.0, 30.0)  # seconds to connect, and between two bytes of the answer
RETRIES = 5  # tries after the first; their pauses are 8 to 16 s in total
TIME_LIMIT = {"raise": 120.0, "warn": 20.0}  # seconds of one call, with all its tries and pauses

SETTINGS = {
    "REGISTRY_URL": "the registry's address, as http://localhost:8000/api",
    "REGISTRY_API_KEY": "a key, as `flask keys create` prints it",
}


class Registry(
    AliasCalls[Failed],
    VersionCalls[Failed],
    DeploymentCalls[Failed],
    EnvironmentCalls[Failed],
    GateCalls[Failed],
    ArtifactCalls[Failed],
    TrustedKeyCalls[Failed],
    RegistryCalls[Failed],
    CommentCalls[Failed],
    AccessCalls[Failed],
    WebhookCalls[Failed],
):
    """A client for the model registry at an address.

        registry = Registry(base_url="http://localhost/api", api_key="…")      # or Registry.from_env()
        version = registry.get_latest_version(model_name="myorg/pytorch-model")

    `base_url` may end in `/api`, `/api/v1` or neither, with a prefix before it. Redirects are not followed.

    **Time.** `timeout` is seconds, or (connect, read); the default is (5, 30). Transient failures are retried at most
    `retries` (5) times, with pauses of up to 8 s or as `Retry-After` asks; all tries of a POST have the same
    `Idempotency-Key`. No try begins later than `time_limit` seconds after the call (120; 20 with `on_error="warn"`).

    **`on_error="warn"`** is for training runs: a call that fails logs one warning (logger `catapult`) and returns
    None, or an iterator that ends. That covers all errors of the registry and the network, and values that cannot be
    sent, such as NaN in metadata. The call returns after `time_limit` seconds, whatever it waits for (an iterator: that
    long for each page). Pass records on, `registry.deploy(version, "staging")`: if it is None, that call warns too.
    Creating the Registry and wrong or missing keywords still raise.

    **Sharing.** Threads may share a Registry. A forked worker opens connections of its own. Only a Registry from
    `from_env` can be pickled: without its key, which is read from the environment again when it is loaded.

    `session` is a `requests.Session` with your own adapters or certificates. You close it, and it cannot be used after
    a fork. Without one, proxies (`HTTPS_PROXY`) and certificates (`REQUESTS_CA_BUNDLE`, `SSL_CERT_FILE`) come from
    the environment; ~/.netrc is not read.
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
        """Check the settings; nothing is sent. Raises InvalidArgument, also with `on_error="warn"`."""
        if on_error not in TIME_LIMIT:
            raise InvalidArgument('on_error must be "raise" or "warn".')
        if not isinstance(retries, int) or retries < 0:
            raise InvalidArgument("retries must be a whole number, 0 or more.")
        limit = TIME_LIMIT[on_error] if time_limit is None else time_limit
        if not isinstance(limit, (int, float)) or not 0 < limit <= 86400:
            raise InvalidArgument("time_limit must be seconds greater than 0, at most a day (86400).")
        self._warns = on_error == "warn"
        self._time_limit = float(limit)
        self._transport = Transport(api_root(base_url), secret(api_key), checked_timeout(timeout), retries, session)
        self._from_env_settings: dict[str, Any] | None = None

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
        """Return a Registry with the address `REGISTRY_URL` and the key `REGISTRY_API_KEY`.

        The keywords are those of `Registry`. Raises InvalidArgument, which names every missing variable.
        """
        missing = [f"{name} ({what})" for name, what in SETTINGS.items() if not os.environ.get(name, "").strip()]
        if missing:
            raise InvalidArgument(f"Set {' and '.join(missing)}.")
        registry = cls(os.environ["REGISTRY_URL"], os.environ["REGISTRY_API_KEY"], **settings)
        registry._from_env_settings = settings
        return registry

    @property
    def base_url(self) -> str:
        """The registry's address, which ends in `/api`."""
        return self._transport.root

    def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        self._transport.close()

    @call
    def health(self) -> Health | Failed:
        """Return the registry's health, also if it is unhealthy. Sends one request, without retries.

        Raises ConnectionFailed, or Unavailable from something in front of the registry.
        """
        ask = Ask("GET", "/health")
        try:
            return Health.from_json(decoded(ask, self._send(ask, retries=0)))
        except Unavailable as fault:
            if fault.problem.get("status") != "unhealthy":
                raise
            return Health.from_json(fault.problem)

    @call
    def info(self) -> Info | Failed:
        """Return the registry's versions, and how many models, versions and deployments it has. Raises Unauthenticated."""
        return self._get(Info, "/v1/info")

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Registry {self.base_url}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._from_env_settings is None or self._from_env_settings.get("session") is not None:
            raise InvalidArgument(
                "This Registry cannot be pickled, because its key would be pickled too. Use Registry.from_env(), "
                "which is pickled without the key, or create one in each process."
            )
        return _unpickled, (type(self), self._from_env_settings)

    def __copy__(self: Self) -> Self:
        return self

    def __deepcopy__(self: Self, memo: dict[int, Any]) -> Self:
        return self  # it has no state to copy, and copied training configurations may share it


def _unpickled(kind: type[Registry[Any]], settings: dict[str, Any]) -> Registry[Any]:
    return kind.from_env(**settings)
