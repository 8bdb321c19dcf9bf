"""Servers for the live tests: one that they share, and others for tests that break theirs."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from up import Caller, Start, Up, for_a_team

from catapult.embedded import Embedded


@pytest.fixture(scope="session")
def make_folder() -> Iterator[Callable[[], Path]]:
    """A function that creates a folder with a short name: a socket's path may have 107 bytes. Removed at the end."""
    folders: list[Path] = []

    def make() -> Path:
        folders.append(Path(tempfile.mkdtemp(prefix="catapult-live-")))
        return folders[-1]

    yield make
    for folder in folders:
        for home in (folder, folder / "home"):
            if (home / "postgres").exists():  # stopping looks at every process of the machine
                Embedded(home).stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def live(make_folder: Callable[[], Path], make_database: Callable[[], str]) -> Iterator[Up]:
    """A server on a database of its own, with a key of each role, for tests that leave it running.

    At the end it must have logged no fault and no key.
    """
    server = Up(make_folder(), **for_a_team(make_database()))
    try:
        server.ready().make_keys()
        yield server
        assert server.end() == 0
        assert server.lines("fault") == []
        assert not [line for line in server.lines() if line["event"].startswith("plans are no longer kept")]
        text = server.log.read_text()
        assert not [key[:12] for key in (server.key, *server.keys.values()) if key[12:] in text]
    finally:
        server.close()


@pytest.fixture(scope="module")
def start(make_folder: Callable[[], Path]) -> Iterator[Start]:
    """A function that starts servers with the given settings. They are closed after the module's tests."""
    start = Start(make_folder)
    yield start
    start.close()


@pytest.fixture(scope="module")
def admin(live: Up) -> Iterator[Caller]:
    with live.by("admin") as caller:
        yield caller
