"""Dockerfile, compose files, locks and .env.example, as far as they can be held to their word without an engine."""

import json
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

from catapult.version import VERSION

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DEVELOPMENT: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.dev.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
EXAMPLE = (ROOT / ".env.example").read_text()
SECRETS = {"POSTGRES_PASSWORD", "API_KEY_SALT", "SECRET_KEY"}
SERVICE = ["postgres", "backend", "nginx"]
WATCHING = ["prometheus", "grafana"]
VARIABLE = r"(?<!\$)\$\{([A-Z_]+)"
PINNED = re.compile(r"\d+\.\d+(\.\d+)?(-[a-z]+)*")


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage, as (word, rest)."""
    found: dict[str, list[tuple[str, str]]] = {"": []}
    at = ""
    lines = re.sub(r"\\\n\s*", "", "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#")))
    for line in filter(None, lines.splitlines()):
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            at = rest.rpartition(" AS ")[2]
        found.setdefault(at, []).append((word, rest))
    return found


def of(stage: str, word: str) -> list[str]:
    return [rest for each, rest in stages()[stage] if each == word]


# --- the images


def test_there_are_two_images_and_one_stage_that_builds() -> None:
    assert set(stages()) == {"", "build", "backend", "nginx"}
    assert not of("backend", "RUN")
    assert set(of("backend", "COPY")) == {"--from=build /opt/venv /opt/venv", "--from=build /app /app"}


def test_base_images_are_slim_and_pinned_by_version() -> None:
    versions = dict(rest.split("=") for rest in of("", "ARG"))
    assert set(versions) == {"PYTHON", "NGINX"}
    assert all(PINNED.fullmatch(version) for version in versions.values())
    assert "slim" in versions["PYTHON"]
    for name in ("postgres", *WATCHING):
        assert PINNED.fullmatch(SERVICES[name]["image"].rpartition(":")[2].removeprefix("v"))


def test_python_s_packages_are_installed_by_hash_and_without_a_compiler() -> None:
    installs = [rest for rest in of("build", "RUN") if "install" in rest]
    assert "--require-hashes" in installs[0]
    assert "--only-binary :all:" in installs[0]
    assert "--no-index" in installs[1]
    assert "apt-get" not in DOCKERFILE


def test_the_backend_is_nobody_in_particular_and_asked_for_its_life() -> None:
    assert of("backend", "USER") == ["10001:10001"]
    assert "/livez" in of("backend", "HEALTHCHECK")[0]
    assert json.loads(of("backend", "CMD")[0]) == ["flask", "up"]
    for stage in ("backend", "nginx"):
        labels = of(stage, "LABEL")[0]
        for name in ("title", "description", "licenses", "version", "revision"):
            assert f"org.opencontainers.image.{name}=" in labels
        assert f"VERSION={VERSION}" in of(stage, "ARG")
        assert SERVICES[stage]["build"]["args"] == {"REVISION": "${REVISION:-unknown}"}


def test_the_nginx_image_has_the_static_files_and_the_shipped_configuration() -> None:
    copied = of("nginx", "COPY")
    assert "catapult/static /srv/catapult/static" in copied
    assert "infrastructure/nginx/templates /etc/nginx/templates" in copied
    assert "infrastructure/nginx/18-catapult.envsh /docker-entrypoint.d/18-catapult.envsh" in copied


def test_all_that_is_copied_is_there_and_sent_to_the_builder() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = [word for stage in ("build", "nginx") for rest in of(stage, "COPY") for word in rest.split()[:-1]]
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert any(source == path or source.startswith(f"{path}/") for path in kept), source
    assert all((ROOT / path).exists() for path in kept)


def test_postgresql_has_a_quarter_of_its_memory_for_buffers() -> None:
    postgres = SERVICES["postgres"]
    buffers = int(postgres["command"][-1].removeprefix("shared_buffers=").removesuffix("MB"))
    assert postgres["command"][:-1] == ["postgres", "-c"]
    assert postgres["mem_limit"] == f"{buffers * 4 // 1024}g"


# --- the locks


@pytest.mark.parametrize("name", ["server.txt", "build.txt"])
def test_every_package_of_a_lock_is_pinned_with_hashes_and_names_no_index(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    assert len(locked(name)) > 1
    for entry in re.split(r"\n(?=\w)", text.partition("\n# ")[2].partition("\n")[2]):
        if not entry.startswith("#"):
            assert re.match(r"[\w.-]+==\S+ \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n?)+$", entry), entry[:80]
    assert not re.search(r"https?://|--index|--find|--trusted", text)


def test_the_lock_has_what_the_server_needs_in_a_version_that_it_takes() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    wanted = setup["options"]["install_requires"] + setup["options.extras_require"]["server"]
    versions = locked("server.txt")
    for line in filter(None, wanted.splitlines()):
        requirement = Requirement(line)
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), line


def locked(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


# --- compose


def test_three_services_start_one_after_the_other() -> None:
    assert set(SERVICES) == {*SERVICE, *WATCHING}
    assert SERVICES["backend"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert SERVICES["nginx"]["depends_on"] == {"backend": {"condition": "service_healthy"}}
    assert SERVICES["grafana"]["depends_on"] == {"prometheus": {"condition": "service_healthy"}}
    assert all(service["healthcheck"]["test"] for service in SERVICES.values())


@pytest.mark.parametrize("name", SERVICE + WATCHING)
def test_a_service_may_do_little_and_use_little(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert {"mem_limit", "cpus", "pids_limit"} <= set(service)
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert service["restart"] == "unless-stopped"
    assert "privileged" not in service


def test_a_stop_reaches_what_runs_as_another_user_than_it_started_as() -> None:
    """An init that is root may not signal PostgreSQL, which left root behind, without CAP_KILL, and ends with it at once."""
    assert SERVICES["postgres"]["init"] is False
    assert "KILL" not in SERVICES["postgres"]["cap_add"]
    for name in ("backend", *WATCHING):
        assert SERVICES[name]["init"] is True
        assert SERVICES[name]["user"] != "0:0"
    assert json.loads(of("backend", "CMD")[0])[0] != "/bin/sh"
    assert of("backend", "STOPSIGNAL") == ["SIGTERM"]
    grace = {name: int(SERVICES[name]["stop_grace_period"].rstrip("s")) for name in SERVICE}
    assert grace["backend"] > 20  # what `flask up` gives requests that run


def test_only_what_starts_as_root_has_capabilities_and_those_that_it_needs() -> None:
    assert "cap_add" not in SERVICES["backend"]
    assert SERVICES["backend"]["user"] == "10001:10001"
    assert set(SERVICES["postgres"]["cap_add"]) == {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
    assert set(SERVICES["nginx"]["cap_add"]) == {"CHOWN", "DAC_OVERRIDE", "NET_BIND_SERVICE", "SETGID", "SETUID"}


def test_only_nginx_is_reached_from_outside_and_the_database_in_development_from_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert [name for name in published if "profiles" not in SERVICES[name]] == ["nginx"]
    assert len(published["nginx"]) == 2
    local = [*published["grafana"], *DEVELOPMENT["services"]["postgres"]["ports"]]
    assert len(local) == 2
    assert all(port.startswith("127.0.0.1:") for port in local)
    assert COMPOSE["networks"]["database"] == {"internal": True}
    assert "database" not in SERVICES["nginx"]["networks"]
    assert SERVICES["postgres"]["networks"] == ["database"]


def test_the_database_is_the_registry_s_and_its_data_is_kept_where_18_keeps_it() -> None:
    postgres = SERVICES["postgres"]
    assert postgres["image"].startswith("postgres:18.")
    assert postgres["volumes"] == ["data:/var/lib/postgresql"]
    assert "data" in COMPOSE["volumes"]
    assert (postgres["environment"]["POSTGRES_USER"], postgres["environment"]["POSTGRES_DB"]) == (
        "registry",
        "registry",
    )
    assert "@postgres:5432/registry" in SERVICES["backend"]["environment"]["DATABASE_URL"]


def test_model_files_are_mounted_for_reading() -> None:
    assert SERVICES["backend"]["volumes"] == ["${CEPH_MOUNT_PATH:-ceph}:/mnt/ceph:ro"]
    assert "ceph" in COMPOSE["volumes"]


def test_watching_is_started_by_its_profile_alone_and_nothing_of_it_without_its_secret() -> None:
    assert [name for name, service in SERVICES.items() if service.get("profiles") == ["watch"]] == WATCHING
    assert not [name for name in SERVICE if "profiles" in SERVICES[name]]
    for name, secret in {"prometheus": "METRICS_KEY", "grafana": "GF_SECURITY_ADMIN_PASSWORD"}.items():
        assert SERVICES[name]["entrypoint"] == ["/bin/sh", "-euc"]
        (script,) = SERVICES[name]["command"]
        assert script.startswith(f': "$${{{secret}:?')
        check = script.splitlines()[0].replace("$$", "$")
        for value, status in {"": False, "x": True}.items():
            done = subprocess.run(
                ["sh", "-euc", check], env={secret: value}, capture_output=True, text=True, check=False
            )
            assert (done.returncode == 0) is status
            assert status or "./deploy.sh makes one" in done.stderr


def test_what_nginx_finds_is_the_backend_that_there_is() -> None:
    """Docker's own resolver is asked again and again: a backend that was made anew has another address."""
    given = SERVICES["nginx"]["environment"]
    assert (given["NGINX_BACKENDS"], given["NGINX_RESOLVER"]) == ("backend:8000", "127.0.0.11")
    assert given["NGINX_WORKERS"].isdigit()


def test_no_secret_has_a_value_and_each_has_to_be_set() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for name in SECRETS:
        assert f"${{{name}:?" in text
        assert not re.search(rf"\$\{{{name}(:?-|\}})", text)


@pytest.mark.parametrize("files", [["docker-compose.yml"], ["docker-compose.yml", "docker-compose.dev.yml"]])
def test_compose_takes_the_files(files: list[str], needs: Callable[[str], str], tmp_path: Path) -> None:
    done = configured(needs("docker-compose"), files, tmp_path, **dict.fromkeys(SECRETS, "x" * 40))
    assert done.returncode == 0, done.stderr
    read = yaml.safe_load(done.stdout)
    assert set(SERVICE) <= set(read["services"])  # 1.29 shows all of them
    assert read["services"]["backend"]["environment"]["DATABASE_URL"].startswith("postgresql://registry:xxx")
    published = [str(port) for service in read["services"].values() for port in service.get("ports", [])]
    assert sum("443" in port for port in published) == 1


def test_compose_starts_the_watchers_by_their_profile(needs: Callable[[str], str], tmp_path: Path) -> None:
    given = dict.fromkeys((*SECRETS, "METRICS_KEY", "GRAFANA_PASSWORD"), "x" * 40)
    done = configured(needs("docker-compose"), ["docker-compose.yml"], tmp_path, "--profile", "watch", **given)
    assert done.returncode == 0, done.stderr
    read = yaml.safe_load(done.stdout)["services"]
    assert set(read) == set(SERVICES)
    assert {read[name]["environment"]["METRICS_KEY"] for name in ("backend", "prometheus")} == {"x" * 40}


@pytest.mark.parametrize("missing", sorted(SECRETS))
def test_compose_names_a_secret_that_is_missing(missing: str, needs: Callable[[str], str], tmp_path: Path) -> None:
    others = dict.fromkeys(SECRETS - {missing}, "x" * 40)
    done = configured(needs("docker-compose"), ["docker-compose.yml"], tmp_path, **others)
    assert done.returncode != 0
    assert missing in done.stderr
    assert "./deploy.sh" in done.stderr


def configured(
    command: str, files: list[str], folder: Path, *options: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    (folder / "env").write_text("\n".join(f"{name}={value}" for name, value in variables.items()))
    chosen = [word for name in files for word in ("-f", str(ROOT / name))]
    return subprocess.run(
        [command, "--env-file", str(folder / "env"), *chosen, *options, "config"],
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# --- settings


def explained() -> dict[str, str]:
    """Each setting of .env.example and the comment above it or its group."""
    found, comment = {}, ""
    for line in EXAMPLE.splitlines():
        setting = re.fullmatch(r"#?([A-Z][A-Z_]+)=.*", line)
        if setting:
            found[setting[1]] = comment
        elif line.startswith("# "):
            comment = line
        elif not line:
            comment = ""
    return found


def test_every_setting_of_the_application_is_in_the_example_and_explained() -> None:
    config = (ROOT / "catapult" / "config.py").read_text()
    settings = set(re.findall(r'(?:env\.\w+\(|listed\(env, )"([A-Z][A-Z_]+)"', config))
    assert len(settings) > 8
    assert settings <= set(explained()), settings - set(explained())
    assert all(explained().values())


def test_every_variable_of_compose_is_in_the_example() -> None:
    for name in ("docker-compose.yml", "docker-compose.dev.yml"):
        used = set(re.findall(VARIABLE, (ROOT / name).read_text()))
        assert used
        assert used <= set(explained()), used - set(explained())


def test_what_the_example_says_is_what_compose_takes_without_it() -> None:
    defaults = dict(re.findall(VARIABLE + r":-([^}]*)\}", (ROOT / "docker-compose.yml").read_text()))
    said = dict(re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))
    for name, value in said.items():
        if value and name != "RATE_LIMIT":  # none unless it is asked for
            assert defaults[name] == value, name


def test_the_example_holds_no_secret() -> None:
    for name in {*SECRETS, "METRICS_KEY", "GRAFANA_PASSWORD"}:
        assert re.search(rf"^{name}=$", EXAMPLE, re.MULTILINE)
