"""The SDK and the command line, at the real application and at a peer that fails on request."""

import logging
from typing import Any

import pytest
import requests
from catapult_client import cli, transport
from peer import DIGEST, KEY, MODEL, running
from shell import Ended
from wsgi_adapter import WSGIAdapter

from catapult import Registry


@pytest.fixture
def open_registry(app):
    """A function (key, **settings) that returns a Registry at the real application."""
    sessions: list[requests.Session] = []

    def make(key, **settings):
        session = requests.Session()
        session.mount("http://", WSGIAdapter(app))
        sessions.append(session)
        return Registry("http://localhost/api", key, session=session, **settings)

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def registry(open_registry, releaser_key):
    """A Registry with a key of the role `releaser`."""
    return open_registry(releaser_key)


@pytest.fixture
def admin(open_registry, admin_key):
    return open_registry(admin_key)


@pytest.fixture
def viewer(open_registry, viewer_key):
    return open_registry(viewer_key)


@pytest.fixture
def version(registry):
    """Version 1.0 of `MODEL`, with an accuracy of 0.89."""
    registry.create_model(MODEL, f"docker.io/{MODEL}")
    return registry.create_version(MODEL, "1.0", "v1.0", DIGEST, metadata={"accuracy": 0.89})


@pytest.fixture
def newer(registry, version):
    """Version 1.1, with an accuracy of 0.95."""
    return registry.create_version(MODEL, "1.1", "v1.1", DIGEST, metadata={"accuracy": 0.95})


@pytest.fixture
def peer(monkeypatch):
    """A server that gives the test's answers. The SDK makes its tries without pauses."""
    monkeypatch.setattr(transport, "FIRST_PAUSE", 0.001)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with running() as peer:
        yield peer


@pytest.fixture
def at_peer(peer):
    """A function (**settings) that returns a Registry at the peer."""
    opened: list[Registry[Any]] = []

    def make(**settings):
        opened.append(Registry(peer.url, KEY, **settings))
        return opened[-1]

    yield make
    for registry in opened:
        registry.close()


@pytest.fixture
def faulty(at_peer):
    """A Registry at the peer, with the default settings."""
    return at_peer()


@pytest.fixture
def soft(at_peer, caplog):
    """A Registry at the peer that warns; `caplog` has its warnings."""
    caplog.set_level(logging.WARNING, "catapult")
    return at_peer(on_error="warn", retries=0, timeout=0.2)


@pytest.fixture
def run(capsys, monkeypatch):
    """Run the command line in this process, without settings."""
    for name in ("REGISTRY_URL", "REGISTRY_API_KEY", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments):
        capsys.readouterr()
        status = cli.main(arguments)
        return Ended(status, *capsys.readouterr())

    return run


@pytest.fixture
def as_key(app, run, monkeypatch):
    """A function (key) that returns a function to run the command line at the real application."""

    def open_session():
        session = requests.Session()
        session.mount("http://", WSGIAdapter(app))
        return session

    def given(key):
        def ready(*arguments):
            monkeypatch.setenv("REGISTRY_URL", "http://localhost/api")
            monkeypatch.setenv("REGISTRY_API_KEY", key)
            ended = run(*arguments)
            assert key not in ended.out + ended.err
            return ended

        return ready

    monkeypatch.setattr(transport, "_open", open_session)
    return given


@pytest.fixture
def catapult(as_key, releaser_key):
    return as_key(releaser_key)


@pytest.fixture
def by_admin(as_key, admin_key):
    return as_key(admin_key)
