"""The server, the shipped nginx before it, and a backend that says what nginx sent it."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "live"))

from certificate import self_made
from echo import Echo
from front import Nginx
from up import Start, Up, for_a_team


@pytest.fixture(scope="session")
def infra_folder() -> Iterator[Callable[[], Path]]:
    """A function that makes a folder which nginx's workers, another user, may enter. Gone at the end."""
    made: list[Path] = []

    def make() -> Path:
        made.append(Path(tempfile.mkdtemp(prefix="catapult-infra-")))
        made[-1].chmod(0o755)
        return made[-1]

    yield make
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def behind(infra_folder: Callable[[], Path], make_database: Callable[[], str]) -> Iterator[Up]:
    """The server, which trusts the nginx before it, with a key of each role. Nobody may break it."""
    server = Up(infra_folder(), **for_a_team(make_database()), TRUSTED_PROXIES="127.0.0.1")
    try:
        server.ready().make_keys()
        yield server
        assert server.lines("fault") == []
    finally:
        server.close()


@pytest.fixture(scope="module")
def start(infra_folder: Callable[[], Path]) -> Iterator[Start]:
    """Starts servers with the settings it is given. What still runs when the module's tests are done is ended."""
    start = Start(infra_folder)
    yield start
    start.close()


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    with Echo() as started:
        yield started


@pytest.fixture(scope="session")
def certificates(infra_folder: Callable[[], Path]) -> Path:
    """A folder with a certificate for localhost, made here, and its key."""
    return self_made(infra_folder())


@pytest.fixture(scope="module")
def nginx(infra_folder: Callable[[], Path]) -> Iterator[Callable[..., Nginx]]:
    """Starts nginx before a port: `nginx(port, NGINX_RATE="5r/s")`. What still runs after the module's tests is ended."""
    started: list[Nginx] = []

    def start(*ports: int, **variables: str) -> Nginx:
        started.append(Nginx(infra_folder(), *ports, **variables))
        return started[-1].ready()

    yield start
    for each in started:
        each.close()


@pytest.fixture(scope="session")
def needs() -> Callable[[str], str]:
    """The path of a program of Debian's; without it the test is skipped, but in CI, which installs it, it fails."""

    def find(name: str) -> str:
        found = shutil.which(name)
        if found is None and not os.environ.get("CI"):
            pytest.skip(f"{name} is not installed: apt-get install {name}")
        assert found, f"{name} is missing; .ci/run has to install it"
        return found

    return find
