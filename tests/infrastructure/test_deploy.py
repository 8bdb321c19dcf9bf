"""`./deploy.sh` in a copy of what it needs, with a stand-in for docker that records its calls; and shellcheck's word."""

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
SECRETS = ("POSTGRES_PASSWORD", "API_KEY_SALT", "SECRET_KEY", "METRICS_KEY", "GRAFANA_PASSWORD")
TOOLS = (
    "bash",
    "basename",
    "cat",
    "cmp",
    "dirname",
    "grep",
    "id",
    "mv",
    "od",
    "rm",
    "sed",
    "sh",
    "sleep",
    "tail",
    "touch",
    "tr",
)
ORDER = (
    "config --quiet",
    "build",
    "up -d postgres",
    "exec -T postgres pg_isready",
    "run --rm -T backend flask db current",
    "stop nginx backend",
    "run --rm -T backend flask db upgrade",
    "run --rm -T backend flask keys list --json",
    "run --rm -T backend flask keys create --name first-admin --role admin",
    "stop nginx",
    "up -d backend",
    "exec -T backend python",
    "up -d --no-deps --force-recreate nginx",
    "exec -T nginx curl",
)


class Place:
    """A folder with deploy.sh, and what is on its PATH."""

    def __init__(self, folder: Path, *commands: str) -> None:
        self.folder, self.calls_file = folder, folder / "calls"
        for name in ("deploy.sh", ".env.example"):
            shutil.copy(ROOT / name, folder / name)
        self.bin = folder / "bin"
        self.bin.mkdir()
        for command in commands:
            shutil.copy(STAND_IN, self.bin / command)
        for tool in TOOLS:
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
        """What docker was asked since the last time."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        self.calls_file.unlink(missing_ok=True)
        return lines

    def env(self) -> dict[str, str]:
        lines = (self.folder / ".env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, "docker")


def test_the_first_time_it_builds_starts_migrates_and_prints_one_key(place: Place) -> None:
    done = place.deploy()
    assert done.returncode == 0, done.stderr
    calls = [call for call in place.calls() if call not in ("compose version", "info")]
    assert len(calls) == len(ORDER)
    assert all(call.startswith(f"compose {wanted}") for call, wanted in zip(calls, ORDER, strict=True)), calls
    assert done.stdout.splitlines() == ["Key: cat_stand_in"]
    assert "runs at http://localhost." in done.stderr


def test_it_makes_env_with_secrets_that_nobody_else_may_read(place: Place) -> None:
    assert place.deploy().returncode == 0
    made = place.env()
    assert all(re.fullmatch("[0-9a-f]{64}", made[name]) for name in SECRETS)
    assert len({made[name] for name in SECRETS}) == len(SECRETS)
    assert stat.S_IMODE((place.folder / ".env").stat().st_mode) == 0o600
    assert {name: value for name, value in made.items() if name not in SECRETS} == {
        name: value for name, value in examples().items() if name not in SECRETS
    }
    assert list(place.folder.glob(".env.made*")) == []


def test_the_second_time_it_changes_no_secret_and_makes_no_key(place: Place) -> None:
    place.deploy()
    place.calls()
    before = (place.folder / ".env").read_bytes()
    done = place.deploy()
    assert (done.returncode, done.stdout) == (0, "")
    assert (place.folder / ".env").read_bytes() == before
    calls = place.calls()
    assert not [call for call in calls if "keys create" in call]
    assert "compose stop nginx backend" not in calls  # nothing is migrated, so that only what changed is made anew
    assert calls.index("compose stop nginx") < calls.index("compose up -d backend")


def test_an_env_that_is_there_keeps_every_line_and_gets_what_it_lacks(place: Place) -> None:
    there = f"# ours\nAPI_KEY_SALT={'s' * 40}\nSECRET_KEY=\nHTTP_PORT=8080"
    (place.folder / ".env").write_text(there)
    done = place.deploy()
    assert done.returncode == 0, done.stderr
    lines = (place.folder / ".env").read_text().splitlines()
    assert lines[:2] == there.splitlines()[:2]
    assert lines[3] == "HTTP_PORT=8080"
    assert re.fullmatch("SECRET_KEY=[0-9a-f]{64}", lines[2])
    assert [line.partition("=")[0] for line in lines[4:]] == ["POSTGRES_PASSWORD", "METRICS_KEY", "GRAFANA_PASSWORD"]
    assert all(re.fullmatch("[A-Z_]+=[0-9a-f]{64}", line) for line in lines[4:])
    assert "http://localhost:8080." in done.stderr


def test_what_is_set_in_other_words_is_set(place: Place) -> None:
    there = f"""\
export POSTGRES_PASSWORD=mine
API_KEY_SALT = "{"s" * 32}"
  SECRET_KEY='mine'
METRICS_KEY: mine
GRAFANA_PASSWORD="mine"
HTTP_PORT="8080"  # ours
"""
    (place.folder / ".env").write_text(there)
    done = place.deploy()
    assert done.returncode == 0, done.stderr
    assert (place.folder / ".env").read_text() == there
    assert "http://localhost:8080." in done.stderr


@pytest.mark.parametrize("tool", ["sed", "mv", "cat"])
def test_an_env_that_cannot_be_written_whole_stays_as_it_was(place: Place, tool: str) -> None:
    (place.folder / ".env").write_text(there := f"API_KEY_SALT={'s' * 40}\nSECRET_KEY=\n")
    (place.bin / tool).unlink()
    (place.bin / tool).write_text("#!/bin/sh\nexit 1\n")
    (place.bin / tool).chmod(0o755)
    done = place.deploy()
    assert done.returncode == 1
    assert ".env cannot be written" in done.stderr
    assert (place.folder / ".env").read_text() == there


def test_a_salt_that_is_too_short_stops_it(place: Place) -> None:
    (place.folder / ".env").write_text("API_KEY_SALT=short\n")
    done = place.deploy()
    assert done.returncode == 1
    assert "fewer than 32 characters" in done.stderr


@pytest.mark.parametrize(
    ("fails", "says"),
    [
        ("config --quiet", "Checking .env failed"),
        ("compose build", "Building failed"),
        ("up -d postgres", "Starting PostgreSQL failed"),
        ("pg_isready", "Waiting for PostgreSQL failed"),
        ("db current", "Looking at the schema failed"),
        ("stop nginx backend", "Stopping the application failed"),
        ("db upgrade", "Migrating failed"),
        ("keys list", "Making the first key failed"),
        ("keys create", "Making the first key failed"),
        ("up -d backend", "Starting the application failed"),
        ("readyz", "Waiting for /readyz failed"),
        ("force-recreate nginx", "Starting nginx failed"),
        ("curl", "Waiting for nginx failed"),
        ("info", "Docker does not answer"),
    ],
)
def test_a_step_that_fails_says_what_to_do_and_the_next_run_goes_on(place: Place, fails: str, says: str) -> None:
    failed = place.deploy(FAIL=fails)
    assert failed.returncode == 1
    assert says in failed.stderr
    assert "Then run ./deploy.sh again" in failed.stderr
    printed = failed.stdout
    done = place.deploy()
    assert done.returncode == 0, done.stderr
    assert (printed + done.stdout).splitlines() == ["Key: cat_stand_in"]


def test_it_takes_docker_compose_where_docker_has_no_plugin(tmp_path: Path) -> None:
    place = Place(tmp_path, "docker", "docker-compose")
    assert place.deploy(NO_PLUGIN="1").returncode == 0
    assert "build" in place.calls()
    assert 'Read "docker-compose logs --tail 50 backend"' in place.deploy(NO_PLUGIN="1", FAIL="readyz").stderr


def test_without_docker_it_says_what_to_install(tmp_path: Path) -> None:
    done = Place(tmp_path).deploy()
    assert done.returncode == 1
    assert "Install Docker" in done.stderr
    bare = Place(made(tmp_path / "bare"), "docker").deploy(NO_PLUGIN="1")
    assert "compose plugin" in bare.stderr


def test_with_certificates_the_address_is_https(place: Place) -> None:
    made(place.folder / "infrastructure" / "nginx" / "ssl").joinpath("privkey.pem").touch()
    assert "runs at https://localhost." in place.deploy().stderr
    assert "https://127.0.0.1/livez" in place.calls()[-1]


def test_shellcheck_has_nothing_to_say(needs: Callable[[str], str]) -> None:
    scripts = ["deploy.sh", "infrastructure/nginx/render.sh", "infrastructure/nginx/18-catapult.envsh", STAND_IN]
    done = subprocess.run(
        [needs("shellcheck"), "--external-sources", *scripts], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_scripts_may_be_run() -> None:
    for name in ("deploy.sh", "infrastructure/nginx/render.sh", "infrastructure/nginx/18-catapult.envsh"):
        assert os.access(ROOT / name, os.X_OK)


def examples() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
