"""The two images, built from the shipped Dockerfile, with containers of them side by side."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent.parent / "live"))
sys.path.insert(0, str(Path(__file__).parent.parent / "infrastructure"))

from engine import Buildah, Container, Service
from pool import PgBouncer
from stage import on_server
from up import ROOT, for_a_team, free_port

from catapult.embedded import Embedded

SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
REVISION = "--build-arg=REVISION=4711abc"


@pytest.fixture(scope="session")
def buildah() -> Iterator[Buildah]:
    """Buildah, with the images that the Dockerfile starts from. Its storage is removed at the end."""
    assert os.geteuid() == 0, "Building images takes root: run `make images` as root."
    started = Buildah(Path(tempfile.mkdtemp(prefix="catapult-images-")))
    started.folder.chmod(0o755)
    try:
        started.make_bases()
        yield started
    finally:
        started.close()


@pytest.fixture(scope="session")
def backend(buildah: Buildah) -> Container:
    return Container(buildah, buildah.build("backend", REVISION))


@pytest.fixture(scope="session")
def nginx(buildah: Buildah) -> Container:
    return Container(buildah, buildah.build("nginx", REVISION))


@pytest.fixture(scope="session")
def settings(buildah: Buildah, cluster: Embedded) -> Iterator[dict[str, str]]:
    """The backend's settings, with an empty database that a password opens at 127.0.0.1."""
    on_server(cluster, "CREATE DATABASE images")
    folder = buildah.folder / "pool"
    folder.mkdir()
    pool = PgBouncer("pgbouncer", folder, cluster)
    try:
        team = for_a_team(pool.ready().url("images"))
        yield {**team, "TRUSTED_PROXIES": "127.0.0.1", "PORT": str(free_port()), "WEB_CONCURRENCY": "2"}
    finally:
        pool.close()


@pytest.fixture(scope="session")
def admin_key(backend: Container, settings: dict[str, str]) -> str:
    """The first key, made as `deploy.sh` does: after the migrations, before the application's first start."""
    backend.output("flask", "db", "upgrade", **settings)
    printed = backend.output("flask", "keys", "create", "--name", "first-admin", "--role", "admin", **settings)
    (key,) = [line.removeprefix("Key: ") for line in printed.splitlines() if line.startswith("Key: ")]
    return key


@pytest.fixture(scope="session")
def application(backend: Container, settings: dict[str, str], admin_key: str) -> Iterator[Service]:
    service = Service(backend, SERVICES["backend"].get("cap_add", []), **settings)
    try:
        yield service.ready()
    finally:
        service.end()


@pytest.fixture(scope="session")
def front(nginx: Container, application: Service) -> Iterator[Service]:
    """nginx in front of the application, with the capabilities of compose and rates that no test reaches."""
    variables = {
        "NGINX_BACKENDS": f"127.0.0.1:{application.variables['PORT']}",
        "NGINX_HTTP_PORT": str(free_port()),
        "NGINX_WORKERS": "1",
        "NGINX_RATE": "1000r/s",
        "NGINX_BURST": "1000",
    }
    service = Service(nginx, SERVICES["nginx"]["cap_add"], **variables)
    try:
        yield service.ready()
    finally:
        service.end()
