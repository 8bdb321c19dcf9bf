"""An MLflow server as the source of an import: its registered models and their versions, read by its REST API."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

import requests

from .errors import ConnectionFailed, InvalidArgument, RegistryError, UnexpectedAnswer
from .transport import Secret

PAGE = 100
TRIES, PAUSE = 5, 1.0
"""Tries of one request, and the seconds before the second, which double."""
TIMEOUT = (10, 60)
TOKEN, USER, PASSWORD = "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"


class BearerHeader(requests.auth.AuthBase):
    """Adds a token. Passed as `auth`, it stops requests from adding a password from ~/.netrc."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class MLflow:
    """A server at that address. Its token, or user and password, come from the environment, as for MLflow's own clients."""

    def __init__(self, address: str) -> None:
        """Raises InvalidArgument for an address that is not http or https, or has a password in it."""
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidArgument("Pass the address of an MLflow server, such as https://mlflow.example.com.")
        if parts.username or parts.password:
            raise InvalidArgument(f"Do not put a password into an address: set {TOKEN}, or {USER} and {PASSWORD}.")
        self.root = f"{address.rstrip('/')}/api/2.0/mlflow"
        self._session = requests.Session()
        self._session.auth = _credentials()

    def models(self, pattern: str = "*") -> Iterator[Mapping[str, Any]]:
        """Yield the registered models whose names match the pattern, `*` and `?` for any characters, by name."""
        for model in self._pages("registered-models/search", "registered_models", {}):
            if fnmatchcase(model["name"], pattern):
                yield model

    def aliases(self, model: str) -> dict[str, str]:
        """Return `{alias: version}` of a model."""
        answer = self._get("registered-models/get", {"name": model})
        rows = answer.get("registered_model", {}).get("aliases", [])
        return {row["alias"]: str(row["version"]) for row in rows}

    def versions(self, model: str) -> list[Mapping[str, Any]]:
        """Return the versions of a model, oldest first. MLflow numbers them."""
        quoted = f'"{model}"' if "'" in model else f"'{model}'"
        parameters = {"filter": f"name={quoted}"}
        return sorted(
            self._pages("model-versions/search", "model_versions", parameters), key=lambda each: int(each["version"])
        )

    def _pages(self, path: str, items: str, parameters: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        token = ""
        while True:
            answer = self._get(
                path, {**parameters, "max_results": str(PAGE), **({"page_token": token} if token else {})}
            )
            yield from answer.get(items, [])
            token = answer.get("next_page_token", "")
            if not token:
                return

    def _get(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Return the answer. Transient errors, such as 503, are tried again. Raises ConnectionFailed, UnexpectedAnswer."""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(PAUSE * 2 ** (attempt - 1))
            try:
                return self._answered(path, parameters)
            except RegistryError as fault:
                if attempt == TRIES - 1 or not fault.transient:
                    raise
        raise AssertionError("unreachable")

    def _answered(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        url = f"{self.root}/{path}"
        try:
            response = self._session.get(url, params=parameters, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as fault:
            raise ConnectionFailed(f"{url} did not answer: {type(fault).__name__}.", transient=True) from None
        if response.status_code in (401, 403):
            raise UnexpectedAnswer(f"{url} answered {response.status_code}. Set {TOKEN}, or {USER} and {PASSWORD}.")
        if response.status_code != 200:
            transient = response.status_code == 429 or response.status_code >= 500
            raise UnexpectedAnswer(f"{url} answered {response.status_code}.", transient=transient)
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise UnexpectedAnswer(f"{url} did not answer with JSON. Is it an MLflow server?")
        return answer


def _credentials() -> Any:
    if token := os.environ.get(TOKEN):
        return BearerHeader(Secret(token))
    if user := os.environ.get(USER):
        return (user, os.environ.get(PASSWORD, ""))
    return lambda request: request  # no password from ~/.netrc either
