"""Server and nginx with the very settings that `docker-compose.yml` gives them from the `.env` that `./deploy.sh` makes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from front import Nginx
from test_deploy import SECRETS, Place
from up import ROOT, Up, flask, free_port

pytestmark = pytest.mark.live
Settings = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, needs: Callable[[str], str]) -> Settings:
    """The environment of each service."""
    place = Place(tmp_path_factory.mktemp("deployed"), "docker")
    assert place.deploy().returncode == 0
    command = [
        needs("docker-compose"),
        "--env-file",
        place.folder / ".env",
        "-f",
        ROOT / "docker-compose.yml",
        "config",
    ]
    surroundings = {"PATH": os.environ["PATH"], "HOME": str(place.folder)}
    shown = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=60, check=True).stdout
    services = yaml.safe_load(shown)["services"]
    return {name: {key: str(value) for key, value in services[name]["environment"].items()} for name in services}


def without_docker(backend: dict[str, str], database_url: str) -> dict[str, str]:
    """The same but for the addresses and the port, which are Docker's."""
    assert backend["DATABASE_URL"].startswith("postgresql://registry:")
    proxies = f"{backend['TRUSTED_PROXIES']}, 127.0.0.1"
    ours = {"DATABASE_URL": database_url, "HOST": "127.0.0.1", "PORT": str(free_port()), "TRUSTED_PROXIES": proxies}
    return {**backend, **ours}


@pytest.fixture(scope="module")
def server(given: Settings, infra_folder: Callable[[], Path], make_database: Callable[[], str]) -> Iterator[Up]:
    server = Up(infra_folder(), **without_docker(given["backend"], make_database()))
    try:
        yield server.ready()
    finally:
        server.close()


@pytest.fixture(scope="module")
def front(given: Settings, nginx: Callable[..., Nginx], server: Up) -> Nginx:
    docker = ("NGINX_BACKENDS", "NGINX_RESOLVER")
    return nginx(server.port, **{name: value for name, value in given["nginx"].items() if name not in docker})


def test_every_secret_has_a_value_where_it_is_needed(given: Settings) -> None:
    needed = {"postgres": SECRETS[:1], "backend": SECRETS[1:4], "prometheus": SECRETS[3:4]}
    for name, secrets in needed.items():
        assert all(len(given[name][secret]) == 64 for secret in secrets)
    assert len(given["grafana"]["GF_SECURITY_ADMIN_PASSWORD"]) == 64
    assert given["postgres"]["POSTGRES_PASSWORD"] in given["backend"]["DATABASE_URL"]


def test_from_a_model_to_a_rollback_within_the_limits_that_are_set(front: Nginx, server: Up) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "e2e_test.py"],
        cwd=ROOT,
        env={**os.environ, "TEST_API_URL": f"{front.url}/api", "TEST_API_KEY": server.key, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_people_sign_in_and_the_audit_log_has_their_address(front: Nginx, server: Up) -> None:
    got = front.post("/login", data={"key": server.key}, headers={"Origin": front.url})
    assert (got.status_code, "HttpOnly" in got.headers["Set-Cookie"]) == (303, True)
    assert front.get("/", cookies=got.cookies.get_dict()).status_code == 200
    with server.caller(server.key) as admin:
        assert admin.get("/api/v1/audit-logs?limit=1").json()[0]["ip_address"] == "127.0.0.1"


def test_figures_are_for_prometheus_alone(given: Settings, front: Nginx, server: Up) -> None:
    key = {"Authorization": f"Bearer {given['prometheus']['METRICS_KEY']}"}
    with server.caller() as anybody:
        assert anybody.get("/metrics").status_code == 401
        assert anybody.get("/metrics", headers=key).status_code == 200
    assert front.get("/metrics", headers=key).status_code == 404


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("API_KEY_SALT", "", "API_KEY_SALT"),
        ("API_KEY_SALT", "short", "API_KEY_SALT"),
        ("SECRET_KEY", "", "SECRET_KEY"),
        ("DATABASE_URL", "postgres.example.com", "postgresql://user:password@host:5432/name"),
        ("RATE_LIMIT", "50", "50 per second"),
        ("TRUSTED_PROXIES", "nginx", "10.0.0.5"),
        ("WEB_CONCURRENCY", "many", "WEB_CONCURRENCY"),
        ("METRICS_KEY", "short", "METRICS_KEY"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_is_named_and_shown_right(
    given: Settings, server: Up, setting: str, value: str, says: str
) -> None:
    settings = {**without_docker(given["backend"], server.database_url), setting: value}
    refused = flask("up", **settings)
    assert refused.returncode == 2
    assert setting in refused.stderr
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr
