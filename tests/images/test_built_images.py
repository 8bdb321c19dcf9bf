"""Both images, built from the shipped Dockerfile by Buildah without a daemon, and run as their own users.

`make images` runs this as root; `make test` leaves it out. The application migrates a real PostgreSQL, creates a key and
serves, and nginx answers in front of it.

This does not show the real base images. Debian's packages stand in for them under the same names: Python is Debian's 3.11,
nginx is Debian's 1.22, and a script imitates the entrypoint of the official nginx image. It does not show what Docker does
either: its network and resolver, read-only root file systems, limits of memory and processes, no-new-privileges, an init,
and the use of health checks.
"""

import json
import re
from pathlib import Path

import psutil
import pytest
import requests
from conftest import SERVICES
from engine import Buildah, Container, Service, pip_settings
from suite import end_to_end
from test_no_secrets import OURS, PATTERNS
from up import ROOT, free_port, until

from catapult.rules import key_format
from catapult.version import VERSION

OPEN_TO_ALL = {"/tmp", "/var/tmp", "/run/lock"}
"""Folders of Debian's own base that everybody may write to."""
WORKERS_HOME, FILES = "/var/lib/catapult", "/mnt/ceph"
"""Volumes are mounted there, for the key that signs the audit log, and for the files of versions."""
EXAMPLES = re.compile(r"site-packages/(cryptography/|boto3/examples/|botocore/data/.*/examples-1\.json$)")
COPIED = ("app", "opt/venv", "srv", "etc/nginx", "docker-entrypoint.d")


def get(service: Service, path: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(service.url + path, timeout=20, allow_redirects=False)


def effective_capabilities(process: psutil.Process) -> int:
    """Return how many capabilities the process has."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.findall(r"^CapEff:\s+(\w+)", status, re.MULTILINE)[0], 16).bit_count()


# --- what is in the images


@pytest.fixture(params=["backend", "nginx"])
def container(request: pytest.FixtureRequest) -> Container:
    found: Container = request.getfixturevalue(request.param)
    return found


def test_the_environment_holds_the_locked_packages_and_no_installer(backend: Container) -> None:
    lock = (ROOT / "requirements" / "server.txt").read_text()
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    script = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    installed = json.loads(backend.output("python", "-c", script))
    names = {re.sub("[_.]", "-", name).lower(): number for name, number in installed.items()}
    assert names == {**locked, "catapult-sdk": VERSION}


def test_the_application_s_user_can_write_to_temporary_folders_and_its_volumes_only(backend: Container) -> None:
    assert backend.output("id").split() == ["uid=10001", "gid=10001", "groups=10001"]
    writable = backend.output("sh", "-c", "find / -xdev -writable -not -type l 2>/dev/null || true")
    assert set(writable.split()) <= {*OPEN_TO_ALL, WORKERS_HOME, FILES}


def test_labels_say_what_was_built(container: Container) -> None:
    labels = {name.rpartition(".")[2]: value for name, value in container.config["Labels"].items()}
    assert (labels["version"], labels["revision"]) == (VERSION, "4711abc")
    assert labels["title"]
    assert labels["description"]
    assert labels["licenses"]


def test_no_layer_holds_a_secret_or_where_packages_came_from(buildah: Buildah, container: Container) -> None:
    root = Path(buildah("mount", container.name))
    files = [path for name in COPIED for path in (root / name).rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 20
    settings = pip_settings()
    origins = " ".join(settings.get(name, "") for name in ("index-url", "extra-index-url", "find-links")).split()
    patterns = [*PATTERNS.values(), *(re.compile(re.escape(origin.encode())) for origin in origins)]
    history = re.sub(r'[\s"\\]+', "\n", json.dumps(container.image)).encode()  # each setting on a line of its own
    assert not [pattern for pattern in patterns if pattern.search(history)]
    # The library that reads keys has the line that begins one, and that of S3 examples of all.
    files = [path for path in files if not EXAMPLES.search(str(path))]
    assert not [path for path in files for pattern in patterns if pattern.search(path.read_bytes())]
    assert not [path for path in files for key in OURS.findall(path.read_bytes()) if key_format.prefix_of(key.decode())]
    assert not [path for path in files if path.name.startswith(".env") or path.name == "privkey.pem"]
    assert not (root / "etc" / "pip.conf").exists()


# --- the application


def test_the_image_migrates_and_makes_one_key(backend: Container, settings: dict[str, str], admin_key: str) -> None:
    assert "(head)" in backend.output("flask", "db", "current", **settings)
    (key,) = [json.loads(line) for line in backend.output("flask", "keys", "list", "--json", **settings).splitlines()]
    assert (key["name"], key["role"]) == ("first-admin", "admin")
    assert admin_key.startswith(key["prefix"])


def test_every_process_of_the_application_is_its_user_s_and_has_no_capability(application: Service) -> None:
    until(lambda: len(application.process.children()) == int(application.variables["WEB_CONCURRENCY"]))
    processes = [application.process, *application.process.children(recursive=True)]
    assert {process.uids().real for process in processes} == {10001}
    assert {effective_capabilities(process) for process in processes} == {0}
    assert "Key: " not in application.log.read_text()


def test_health_is_that_of_what_answers(application: Service, front: Service) -> None:
    for service, port in ((application, "PORT"), (front, "NGINX_HTTP_PORT")):
        assert service.container.healthy(**service.variables)
        assert not service.container.healthy(**{**service.variables, port: str(free_port())})


# --- nginx in front of it


def test_nginx_has_the_capabilities_of_compose_and_its_one_worker_has_none(front: Service) -> None:
    assert effective_capabilities(front.process) == len(SERVICES["nginx"]["cap_add"])
    (worker,) = front.process.children()
    assert worker.uids().real != 0
    assert effective_capabilities(worker) == 0


def test_nginx_answers_for_the_application_and_from_its_own_files(front: Service, nginx: Container) -> None:
    assert get(front, "/livez").json() == {"status": "ok"}
    assert get(front, "/readyz").status_code == 200
    assert get(front, "/api/health").json()["database"] == "ok"
    assert get(front, "/static/icon.svg").content == (ROOT / "catapult" / "static" / "icon.svg").read_bytes()
    assert get(front, "/metrics").status_code == 404
    assert "${" not in nginx.output("cat", "/etc/nginx/conf.d/catapult.conf", "/etc/nginx/conf.d/parts/site.conf")


def test_the_end_to_end_suite_passes_through_both(front: Service, admin_key: str) -> None:
    done = end_to_end(TEST_API_URL=f"{front.url}/api", TEST_API_KEY=admin_key)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stop_signal_of_each_image_ends_it_in_order(front: Service, application: Service) -> None:
    assert (front.end(), application.end()) == (0, 0)
