"""The server, the shipped nginx in front of it, and a backend that answers with the headers it received."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "live"))

from certificate import self_signed
from echo import echoing
from front import Nginx
from up import Start, Up, for_a_team


@pytest.fixture(scope="session")
def infra_folder() -> Iterator[Callable[[], Path]]:
    """A function that creates a folder which nginx's workers, another user, can enter. Removed at the end."""
    with tempfile.TemporaryDirectory(prefix="catapult-infra-", ignore_cleanup_errors=True) as root:

        def make() -> Path:
            folder = Path(tempfile.mkdtemp(dir=root))
            folder.chmod(0o755)
            return folder

        Path(root).chmod(0o755)
        yield make


@pytest.fixture(scope="session")
def behind(infra_folder: Callable[[], Path], make_database: Callable[[], str]) -> Iterator[Up]:
    """A server that trusts the nginx in front of it, with a key of each role. Tests leave it intact."""
    server = Up(infra_folder(), **for_a_team(make_database()), TRUSTED_PROXIES="127.0.0.1")
    try:
        server.ready().make_keys()
        yield server
        assert server.lines("fault") == []
    finally:
        server.close()


@pytest.fixture(scope="module")
def start(infra_folder: Callable[[], Path]) -> Iterator[Start]:
    """A function that starts servers with the given settings. They are stopped after the module's tests."""
    start = Start(infra_folder)
    yield start
    start.close()


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    """The port of a backend that answers with the headers it received."""
    with echoing() as port:
        yield port


@pytest.fixture(scope="session")
def certificates(infra_folder: Callable[[], Path]) -> Path:
    """A folder with a self-signed certificate for localhost and its key."""
    return self_signed(infra_folder())


@pytest.fixture(scope="module")
def nginx(infra_folder: Callable[[], Path]) -> Iterator[Callable[..., Nginx]]:
    """A function that starts nginx for one module, in front of ports: `nginx(port, NGINX_RATE="5r/s")`."""
    started: list[Nginx] = []

    def start(*ports: int, **variables: str) -> Nginx:
        started.append(Nginx(infra_folder(), *ports, **variables))
        return started[-1].ready()

    yield start
    for each in started:
        each.close()
