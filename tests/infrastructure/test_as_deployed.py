"""The server and nginx with the settings of `docker-compose.yml` and the `.env` that `./deploy.sh` creates."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from front import Nginx
from sqlalchemy import make_url
from suite import end_to_end
from test_deploy import SECRETS, Checkout
from up import ROOT, Up, flask, free_port

pytestmark = pytest.mark.live
Settings = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, needs: Callable[[str], str]) -> Settings:
    """The environment of each service."""
    checkout = Checkout(tmp_path_factory.mktemp("deployed"), "docker")
    assert checkout.deploy().returncode == 0
    shown = subprocess.run(
        [needs("docker-compose"), "--env-file", checkout.env_file, "-f", ROOT / "docker-compose.yml", "config"],
        env={"PATH": os.environ["PATH"], "HOME": str(checkout.folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    services = yaml.safe_load(shown)["services"]
    return {name: {key: str(value) for key, value in services[name]["environment"].items()} for name in services}


@pytest.fixture(scope="module")
def server(given: Settings, infra_folder: Callable[[], Path], make_database: Callable[[], str]) -> Iterator[Up]:
    """The backend with its settings, except for the addresses and the port, which are Docker's."""
    backend = given["backend"]
    proxies = f"{backend['TRUSTED_PROXIES']}, 127.0.0.1"
    local = {"HOST": "127.0.0.1", "PORT": str(free_port()), "TRUSTED_PROXIES": proxies}
    role = make_url(given["migrate"]["SERVER_DATABASE_URL"])
    owner = make_database()
    theirs = make_url(owner).set(username=role.username, password=role.password).render_as_string(hide_password=False)
    migrated = flask("db", "upgrade", **{**given["migrate"], "DATABASE_URL": owner, "SERVER_DATABASE_URL": theirs})
    assert migrated.returncode == 0, migrated.stderr
    server = Up(infra_folder(), **{**backend, "DATABASE_URL": theirs, **local})
    try:
        yield server.ready()
    finally:
        server.close()


@pytest.fixture(scope="module")
def front(given: Settings, nginx: Callable[..., Nginx], server: Up) -> Nginx:
    without_docker = given["nginx"].keys() - {"NGINX_BACKENDS", "NGINX_RESOLVER", "NGINX_FILES"}
    return nginx(server.port, **{name: given["nginx"][name] for name in without_docker})


def test_every_secret_reaches_the_services_that_need_it(given: Settings) -> None:
    needed = {"postgres": SECRETS[:1], "migrate": SECRETS[2:4], "backend": SECRETS[2:5], "prometheus": SECRETS[4:5]}
    for name, secrets in needed.items():
        assert all(len(given[name][secret]) == 64 for secret in secrets)
    assert len(given["grafana"]["GF_SECURITY_ADMIN_PASSWORD"]) == 64
    password = given["postgres"]["POSTGRES_PASSWORD"]
    assert given["migrate"]["DATABASE_URL"] == f"postgresql://registry:{password}@postgres:5432/registry"
    assert given["backend"]["DATABASE_URL"] == given["migrate"]["SERVER_DATABASE_URL"]
    assert password not in str(given["backend"])


def test_the_end_to_end_suite_passes_within_the_limits_and_leaves_nothing_behind(front: Nginx, server: Up) -> None:
    done = end_to_end(TEST_API_URL=f"{front.url}/api", TEST_API_KEY=server.key)
    assert done.returncode == 0, done.stdout + done.stderr
    with server.caller(server.key) as admin:
        assert admin.get("/api/v1/models?search=e2e-").json() == []
        assert not [key for key in admin.get("/api/v1/api-keys").json() if "e2e-" in key["name"] and key["is_active"]]


def test_the_end_to_end_suite_names_both_of_its_variables() -> None:
    done = end_to_end()
    assert done.returncode == 1
    assert "TEST_API_URL" in done.stderr
    assert "TEST_API_KEY" in done.stderr


def test_people_sign_in_and_the_audit_log_has_their_address(front: Nginx, server: Up) -> None:
    answer = front.post("/login", data={"key": server.key}, headers={"Origin": front.url})
    assert (answer.status_code, "HttpOnly" in answer.headers["Set-Cookie"]) == (303, True)
    assert front.get("/", cookies=answer.cookies.get_dict()).status_code == 200
    with server.caller(server.key) as admin:
        assert admin.get("/api/v1/audit-logs?limit=1").json()[0]["ip_address"] == "127.0.0.1"


def test_only_prometheus_reads_the_metrics(given: Settings, front: Nginx, server: Up) -> None:
    key = {"Authorization": f"Bearer {given['prometheus']['METRICS_KEY']}"}
    with server.caller() as anybody:
        assert anybody.get("/metrics").status_code == 401
        assert anybody.get("/metrics", headers=key).status_code == 200
    assert front.get("/metrics", headers=key).status_code == 404
