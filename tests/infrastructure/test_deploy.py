"""`./deploy.sh` with a stand-in for docker that records its calls, and shellcheck on every script."""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from up import ROOT

STAND_IN = Path(__file__).parent / "docker"
SCRIPTS = [
    *("deploy.sh", "infrastructure/nginx/render.sh", "infrastructure/nginx/18-catapult.envsh"),
    *("tests/infrastructure/docker", "tests/images/entrypoint.sh", "tests/storage/ceph_up.sh"),
]
SECRETS = (
    "POSTGRES_PASSWORD",
    "POSTGRES_SERVER_PASSWORD",
    "API_KEY_SALT",
    "SECRET_KEY",
    "METRICS_KEY",
    "GRAFANA_PASSWORD",
)
TOOLS = "bash basename cat cmp dirname grep id mv od rm sed sh sleep tail touch tr"
STEPS = """\
config --quiet: Checking .env failed
build: Building failed
up -d postgres: Starting PostgreSQL failed
exec -T postgres pg_isready: Waiting for PostgreSQL failed
run --rm -T migrate flask db current: Checking the schema failed
stop nginx backend worker files: Stopping the application failed
run --rm -T migrate flask db upgrade: Migrating failed
run --rm -T backend flask keys list --json: Creating the first key failed
run --rm -T backend flask keys create --name first-admin --role admin: Creating the first key failed
stop nginx:
up -d backend worker files: Starting the application failed
exec -T backend python: Waiting for /readyz failed
up -d --no-deps --force-recreate nginx: Starting nginx failed
exec -T nginx curl: Waiting for nginx failed""".splitlines()
"""The calls of `docker compose` in their order, each with the message if it fails."""
FAILURES = [("info", "Docker does not answer"), *(line.split(": ") for line in STEPS if ": " in line)]


class Checkout:
    """A folder with deploy.sh, and another with the programs on its PATH."""

    def __init__(self, folder: Path, *commands: str) -> None:
        self.folder, self.calls_file, self.env_file = folder, folder / "calls", folder / ".env"
        for name in ("deploy.sh", ".env.example"):
            shutil.copy(ROOT / name, folder / name)
        self.bin = folder / "bin"
        self.bin.mkdir()
        for command in commands:
            shutil.copy(STAND_IN, self.bin / command)
        for tool in TOOLS.split():
            (self.bin / tool).symlink_to(str(shutil.which(tool)))

    def deploy(self, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / "deploy.sh"],
            env={"PATH": str(self.bin), "CALLS": str(self.calls_file), "DEPLOY_WAIT": "1", **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def calls(self) -> list[str]:
        """Return the calls of docker since the last time."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        self.calls_file.unlink(missing_ok=True)
        return lines


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path, "docker")


def test_the_first_run_builds_starts_migrates_and_prints_one_key(checkout: Checkout) -> None:
    done = checkout.deploy()
    assert done.returncode == 0, done.stderr
    calls = [call for call in checkout.calls() if call not in ("compose version", "info")]
    for call, step in zip(calls, STEPS, strict=True):
        assert call.startswith(f"compose {step.partition(':')[0]}")
    assert done.stdout.splitlines() == ["Key: cat_stand_in"]
    assert "runs at http://localhost." in done.stderr


def test_it_creates_env_with_secrets_that_nobody_else_can_read(checkout: Checkout) -> None:
    assert checkout.deploy().returncode == 0
    settings, example = settings_of(checkout.env_file), settings_of(ROOT / ".env.example")
    secrets = [settings.pop(name) for name in SECRETS if not example.pop(name)]
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in secrets)
    assert len(set(secrets)) == len(SECRETS)
    assert settings == example
    assert stat.S_IMODE(checkout.env_file.stat().st_mode) == 0o600
    assert list(checkout.folder.glob(".env.made*")) == []


def test_the_second_run_changes_no_secret_and_creates_no_key(checkout: Checkout) -> None:
    checkout.deploy()
    checkout.calls()
    before = checkout.env_file.read_bytes()
    done = checkout.deploy()
    assert (done.returncode, done.stdout) == (0, "")
    assert checkout.env_file.read_bytes() == before
    calls = checkout.calls()
    assert not [call for call in calls if "keys create" in call]
    assert "compose stop nginx backend worker files" not in calls  # there is nothing to migrate
    assert calls.index("compose stop nginx") < calls.index("compose up -d backend worker files")


def test_an_existing_env_keeps_every_line_and_gets_what_it_lacks(checkout: Checkout) -> None:
    existing = f"# ours\nAPI_KEY_SALT={'s' * 40}\nSECRET_KEY=\nHTTP_PORT=8080"
    checkout.env_file.write_text(existing)
    done = checkout.deploy()
    assert done.returncode == 0, done.stderr
    lines = checkout.env_file.read_text().splitlines()
    added = [
        f"{name}=" for name in ("POSTGRES_PASSWORD", "POSTGRES_SERVER_PASSWORD", "METRICS_KEY", "GRAFANA_PASSWORD")
    ]
    assert [re.sub("=[0-9a-f]{64}$", "=", line) for line in lines] == [*existing.splitlines(), *added]
    assert re.fullmatch("SECRET_KEY=[0-9a-f]{64}", lines[2])
    assert "http://localhost:8080." in done.stderr


def test_other_spellings_of_a_setting_count_as_set(checkout: Checkout) -> None:
    existing = f"""\
export POSTGRES_PASSWORD=mine
POSTGRES_SERVER_PASSWORD=mine
API_KEY_SALT = "{"s" * 32}"
  SECRET_KEY='mine'
METRICS_KEY: mine
GRAFANA_PASSWORD="mine"
HTTP_PORT="8080"  # ours
"""
    checkout.env_file.write_text(existing)
    done = checkout.deploy()
    assert done.returncode == 0, done.stderr
    assert checkout.env_file.read_text() == existing
    assert "http://localhost:8080." in done.stderr


@pytest.mark.parametrize("tool", ["sed", "mv", "cat"])
def test_an_env_that_cannot_be_written_whole_stays_as_it_was(checkout: Checkout, tool: str) -> None:
    checkout.env_file.write_text(existing := f"API_KEY_SALT={'s' * 40}\nSECRET_KEY=\n")
    (checkout.bin / tool).unlink()
    (checkout.bin / tool).write_text("#!/bin/sh\nexit 1\n")
    (checkout.bin / tool).chmod(0o755)
    done = checkout.deploy()
    assert done.returncode == 1
    assert ".env cannot be written" in done.stderr
    assert checkout.env_file.read_text() == existing


def test_a_salt_that_is_too_short_stops_it(checkout: Checkout) -> None:
    checkout.env_file.write_text("API_KEY_SALT=short\n")
    done = checkout.deploy()
    assert done.returncode == 1
    assert "fewer than 32 characters" in done.stderr


@pytest.mark.parametrize(("call", "message"), FAILURES)
def test_a_step_that_fails_says_what_to_do_and_the_next_run_continues(
    checkout: Checkout, call: str, message: str
) -> None:
    failed = checkout.deploy(FAIL=call)
    assert failed.returncode == 1
    assert message in failed.stderr
    assert "Then run ./deploy.sh again" in failed.stderr
    done = checkout.deploy()
    assert done.returncode == 0, done.stderr
    assert (failed.stdout + done.stdout).splitlines() == ["Key: cat_stand_in"]


def test_it_takes_docker_compose_where_docker_has_no_plugin(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, "docker", "docker-compose")
    assert checkout.deploy(NO_PLUGIN="1").returncode == 0
    assert "build" in checkout.calls()
    assert 'Read "docker-compose logs --tail 50 backend"' in checkout.deploy(NO_PLUGIN="1", FAIL="readyz").stderr


def test_without_docker_it_says_what_to_install(tmp_path: Path) -> None:
    done = Checkout(tmp_path).deploy()
    assert done.returncode == 1
    assert "Install Docker" in done.stderr
    (bare := tmp_path / "bare").mkdir()
    assert "compose plugin" in Checkout(bare, "docker").deploy(NO_PLUGIN="1").stderr


def test_with_certificates_the_address_is_https(checkout: Checkout) -> None:
    (ssl := checkout.folder / "infrastructure" / "nginx" / "ssl").mkdir(parents=True)
    (ssl / "privkey.pem").touch()
    assert "runs at https://localhost." in checkout.deploy().stderr
    assert "https://127.0.0.1/livez" in checkout.calls()[-1]


def test_with_a_public_url_that_is_the_address(checkout: Checkout) -> None:
    checkout.env_file.write_text("PUBLIC_URL=https://ml.example.com/catapult\n")
    assert "runs at https://ml.example.com/catapult." in checkout.deploy().stderr


def test_every_script_is_executable_and_shellcheck_finds_nothing(needs: Callable[[str], str]) -> None:
    assert all(os.access(ROOT / name, os.X_OK) for name in SCRIPTS)
    command = [needs("shellcheck"), "--external-sources", *SCRIPTS, *(ROOT / "scripts").glob("*.sh")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def settings_of(file: Path) -> dict[str, str]:
    lines = file.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
