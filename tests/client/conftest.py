"""The SDK against the real application, and against a peer that fails as told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from catapult_client import cli, transport
from peer import KEY, Peer, running
from shell import Cli, Ended
from wsgi_adapter import WSGIAdapter

from catapult import Registry


@pytest.fixture
def open_registry(app: Any) -> Iterator[Callable[..., Registry[Any]]]:
    """A function (key, **settings) that gives a Registry at the real application."""
    sessions: list[requests.Session] = []

    def make(key: str, **settings: Any) -> Registry[Any]:
        session = requests.Session()
        session.mount("http://", WSGIAdapter(app))
        sessions.append(session)
        return Registry("http://localhost/api", key, session=session, **settings)

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def registry(open_registry: Callable[..., Registry[Any]], releaser_key: str) -> Registry[Any]:
    """As a training job has it: registers, promotes and deploys."""
    return open_registry(releaser_key)


@pytest.fixture
def admin(open_registry: Callable[..., Registry[Any]], admin_key: str) -> Registry[Any]:
    return open_registry(admin_key)


@pytest.fixture
def viewer(open_registry: Callable[..., Registry[Any]], viewer_key: str) -> Registry[Any]:
    return open_registry(viewer_key)


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    """A server that answers as told; tries follow each other at once."""
    monkeypatch.setattr(transport, "FIRST_PAUSE", 0.001)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with running() as peer:
        yield peer


@pytest.fixture
def at_peer(peer: Peer) -> Iterator[Callable[..., Registry[Any]]]:
    """A function (**settings) that gives a Registry at the peer."""
    opened: list[Registry[Any]] = []

    def make(**settings: Any) -> Registry[Any]:
        opened.append(Registry(peer.url, KEY, **settings))
        return opened[-1]

    yield make
    for registry in opened:
        registry.close()


@pytest.fixture
def faulty(at_peer: Callable[..., Registry[Any]]) -> Registry[Any]:
    """A Registry at the peer, with everything as it is unless set."""
    return at_peer()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs the command line in this process, without settings."""
    for name in ("REGISTRY_URL", "REGISTRY_API_KEY", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        status = cli.main(arguments)
        return Ended(status, *capsys.readouterr())

    return run


@pytest.fixture
def as_key(app: Any, run: Cli, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Cli]:
    """A function (key) that gives a function that runs the command line at the real application."""

    def session() -> requests.Session:
        made = requests.Session()
        made.mount("http://", WSGIAdapter(app))
        return made

    def given(key: str) -> Cli:
        def ready(*arguments: str) -> Ended:
            monkeypatch.setenv("REGISTRY_URL", "http://localhost/api")
            monkeypatch.setenv("REGISTRY_API_KEY", key)
            ended = run(*arguments)
            assert key not in ended.out + ended.err
            return ended

        return ready

    monkeypatch.setattr(transport, "_open", session)
    return given


@pytest.fixture
def catapult(as_key: Callable[[str], Cli], releaser_key: str) -> Cli:
    return as_key(releaser_key)


@pytest.fixture
def by_admin(as_key: Callable[[str], Cli], admin_key: str) -> Cli:
    return as_key(admin_key)
