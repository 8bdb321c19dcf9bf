"""A browser that is signed in, without counting as one of the few sign-ins that a minute lets through."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from stage import SECRET, Api
from werkzeug.test import TestResponse

from catapult.actions import sessions
from catapult.web import auth


class Words:
    @property
    def words(self) -> str:
        """The answer with every run of white space as one space."""
        return " ".join(self.text.split())  # type: ignore[attr-defined]

    @property
    def csv(self) -> io.StringIO:
        """The answer as a file of CSV, without the mark at its beginning."""
        return io.StringIO(self.data.decode("utf-8-sig"), newline="")  # type: ignore[attr-defined]


class Browser:
    """The pages as somebody with a key of that role sees them; `htmx` is the id of the element that the answer goes to."""

    def __init__(self, app: Flask, keys: dict[str, str], role: str | None = "admin") -> None:
        self.app, self.keys = app, keys
        self.client = app.test_client()
        self.client.response_wrapper = type("Answer", (Words, self.client.response_wrapper), {})
        if role:
            self.client.set_cookie(auth.cookie_name(SECRET), self._token(keys[role]))

    def by(self, role: str | None) -> "Browser":
        """Another browser, signed in with a key of another role, or with none."""
        return Browser(self.app, self.keys, role)

    def get(self, path: str, htmx: str | None = None, **kwargs: Any) -> TestResponse:
        return self.client.get(path, headers={**_headers(htmx), **kwargs.pop("headers", {})}, **kwargs)

    def post(
        self, path: str, data: dict[str, Any] | None = None, htmx: str | None = None, **kwargs: Any
    ) -> TestResponse:
        """As our own pages send it, unless `headers` say something else."""
        headers = {"Sec-Fetch-Site": "same-origin", **_headers(htmx), **kwargs.pop("headers", {})}
        return self.client.post(path, data=data or {}, headers=headers, **kwargs)

    def _token(self, key: str) -> str:
        with self.app.test_request_context():
            return sessions.sign_in(actor=auth.bearer_of(key))


def _headers(target: str | None) -> dict[str, str]:
    return {} if target is None else {"HX-Request": "true", "HX-Target": target}


@pytest.fixture
def browser(app: Flask, keys: dict[str, str]) -> Browser:
    """A browser of an admin; `browser.by("viewer")` is somebody else's."""
    return Browser(app, keys)


@pytest.fixture
def model(api: Api) -> dict[str, Any]:
    return api.model()


@pytest.fixture
def version(api: Api, model: dict[str, Any]) -> dict[str, Any]:
    """Its only version, 1.0.0, registered by a publisher's key, so that others' approvals count."""
    return api.by("publisher").version(model, metadata={"accuracy": 0.89})


@pytest.fixture
def gate(api: Api) -> Callable[..., dict[str, Any]]:
    """A function that writes a gate: on a metric and on the way to a release, unless it is told another."""

    def make(kind: str = "metric", target: str = "release", model: str = "*", **own: Any) -> dict[str, Any]:
        if kind == "metric":
            own = {"path": "accuracy", "op": ">=", "value": 0.9, **own}
        if target != "release":
            api.put(f"/api/v1/environments/{target}", {})
        return api.make("/api/v1/gates", {"model": model, "target": target, "kind": kind, **own})

    return make
