"""The compose files, the locked packages and `.env.example`; `make images` builds and runs what the Dockerfile says."""

import os
import re
import subprocess
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from up import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DEVELOPMENT: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.dev.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
EXAMPLE = (ROOT / ".env.example").read_text()
SECRETS = {"POSTGRES_PASSWORD", "POSTGRES_SERVER_PASSWORD", "API_KEY_SALT", "SECRET_KEY"}
WATCHERS = {"prometheus": "METRICS_KEY", "grafana": "GF_SECURITY_ADMIN_PASSWORD"}
PINNED = re.compile(r"v?\d+\.\d+(\.\d+)?(-[a-z]+)*")
VARIABLE = r"(?<!\$)\$\{([A-Z][A-Z0-9_]*)"


def test_every_image_is_pinned_by_version() -> None:
    tags = [
        service["image"].rpartition(":")[2] for service in SERVICES.values() if not service["image"].endswith(":local")
    ]
    arguments = re.findall(r"^ARG (?:PYTHON|NGINX)=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    built = {service["image"] for service in SERVICES.values() if "build" in service}
    assert {service["image"] for service in SERVICES.values() if service["image"].endswith(":local")} == built
    assert len(arguments) == len(built)
    assert all(PINNED.fullmatch(tag) for tag in [*tags, *arguments])


# --- the locked packages


def test_the_lock_has_what_the_server_needs_and_names_no_index() -> None:
    text = (ROOT / "requirements" / "server.txt").read_text()
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    wanted = setup["options"]["install_requires"] + setup["options.extras_require"]["server"]
    for line in filter(None, wanted.splitlines()):
        requirement = Requirement(line)
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), line
    for lock in (ROOT / "requirements").glob("*.txt"):
        assert not re.search(r"https?://|--index|--find|--trusted", lock.read_text()), lock


# --- compose


def test_postgresql_has_a_quarter_of_its_memory_for_buffers() -> None:
    (buffers,) = re.findall(r"shared_buffers=(\d+)MB", " ".join(SERVICES["postgres"]["command"]))
    assert SERVICES["postgres"]["mem_limit"] == f"{int(buffers) * 4 // 1024}g"


def test_a_stop_leaves_postgresql_and_running_requests_their_time() -> None:
    """An init that is root, without CAP_KILL, may not signal PostgreSQL. `flask up` gives requests 20 seconds."""
    assert SERVICES["postgres"]["init"] is False or "KILL" in SERVICES["postgres"]["cap_add"]
    assert int(SERVICES["backend"]["stop_grace_period"].rstrip("s")) > 20


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined_and_limited(name: str) -> None:
    service = SERVICES[name]
    assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert service["read_only"] is True
    assert {"mem_limit", "cpus", "pids_limit", "logging"} <= set(service)
    assert ("cap_add" in service) is ("user" not in service)  # capabilities are for what starts as root


def test_only_nginx_is_reached_from_outside_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.pop("nginx")
    local = [*DEVELOPMENT["services"]["postgres"]["ports"], *(port for ports in published.values() for port in ports)]
    assert all(port.startswith("127.0.0.1:") for port in local)
    assert COMPOSE["networks"]["database"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == ["database"]
    assert "database" not in SERVICES["nginx"]["networks"]


@pytest.mark.parametrize(("name", "secret"), WATCHERS.items())
def test_a_watcher_does_not_start_without_its_secret(name: str, secret: str) -> None:
    entrypoint, (script,) = SERVICES[name]["entrypoint"], SERVICES[name]["command"]
    check = [*entrypoint, script.splitlines()[0].replace("$$", "$")]
    refused = subprocess.run(check, env={secret: ""}, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "./deploy.sh makes one" in refused.stderr
    assert subprocess.run(check, env={secret: "x"}, check=False).returncode == 0


@pytest.fixture
def configured(needs: Callable[[str], str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that runs `docker-compose config` on files and options with the variables of an env file."""

    def run(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "env").write_text("\n".join(f"{name}={value}" for name, value in variables.items()))
        return subprocess.run(
            [needs("docker-compose"), "--env-file", tmp_path / "env", "-f", "docker-compose.yml", *options, "config"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.mark.parametrize("options", [["-f", "docker-compose.dev.yml"], ["--profile", "watch"]])
def test_compose_takes_the_files(configured: Callable[..., Any], options: list[str]) -> None:
    done = configured(*options, **dict.fromkeys((*SECRETS, "METRICS_KEY", "GRAFANA_PASSWORD"), "x" * 40))
    assert done.returncode == 0, done.stderr
    assert "watch" not in options or set(yaml.safe_load(done.stdout)["services"]) == set(SERVICES)


@pytest.mark.parametrize("missing", sorted(SECRETS))
def test_compose_names_a_secret_that_is_empty(configured: Callable[..., Any], missing: str) -> None:
    done = configured(**dict.fromkeys(SECRETS, "x" * 40) | {missing: ""})
    assert done.returncode != 0
    assert missing in done.stderr
    assert "./deploy.sh" in done.stderr


# --- settings


def explained() -> dict[str, str]:
    """Return each setting of .env.example with the comment above it or its group."""
    settings, comment = {}, ""
    for line in EXAMPLE.splitlines():
        setting = re.fullmatch(r"#?([A-Z][A-Z0-9_]+)=.*", line)
        if setting:
            settings[setting[1]] = comment
        elif line.startswith("# ") or not line:
            comment = line
    return settings


def test_every_setting_of_the_application_and_of_compose_is_explained_in_the_example() -> None:
    config = (ROOT / "catapult" / "config" / "__init__.py").read_text()
    settings = set(re.findall(r'(?:env\.\w+\(|listed\(env, )"([A-Z][A-Z0-9_]+)"', config))
    assert len(settings) > 8
    settings = settings - {"AUDIT_KEY"} | {"AUDIT_KEY_FILE"}  # a key has several lines
    for name in ("docker-compose.yml", "docker-compose.dev.yml"):
        settings |= set(re.findall(VARIABLE, (ROOT / name).read_text()))
    assert settings <= set(explained()), settings - set(explained())
    assert all(explained().values())


def test_the_example_has_the_defaults_of_compose_and_no_secret() -> None:
    defaults = dict(re.findall(VARIABLE + r":-([^}]*)\}", (ROOT / "docker-compose.yml").read_text()))
    examples = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE))
    for name, value in examples.items():
        if value and name != "RATE_LIMIT":  # no limit unless it is set
            assert defaults[name] == value, name
    assert not [name for name in {*SECRETS, "METRICS_KEY", "GRAFANA_PASSWORD"} if examples[name]]
