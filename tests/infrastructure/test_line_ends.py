"""A clone on a machine that turns line ends into CR LF, as Git for Windows does, is as good as any other."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SCRIPTS = ["deploy.sh", "scripts/backup.sh", "scripts/restore.sh", "scripts/check", "infrastructure/nginx/render.sh"]


def run(*command, folder, **kwargs):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False, **kwargs)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone of what is checked out here."""
    folder = tmp_path_factory.mktemp("clone")
    cloned = run(
        "git", "-c", "core.autocrlf=true", "clone", "-q", "--config", "core.autocrlf=true", ROOT, folder, folder=ROOT
    )
    assert cloned.returncode == 0, cloned.stderr
    return folder


def test_no_text_has_a_carriage_return(clone):
    listed = run("git", "ls-files", folder=clone).stdout.splitlines()
    with_returns = [name for name in listed if b"\0" not in (text := (clone / name).read_bytes()) and b"\r\n" in text]
    assert len(listed) > 500
    assert with_returns == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_starts(clone, script):
    """Else the message is about a program whose name ends in a carriage return."""
    started = run(str(clone / script), "--help", folder=clone, env={"PATH": "/usr/bin:/bin"})
    assert "\r" not in started.stderr
    assert "\\r" not in started.stderr
    assert "interpreter" not in started.stderr


def test_what_nginx_runs_before_it_starts_is_read(clone):
    sourced = run("sh", "-c", ". ./infrastructure/nginx/18-catapult.envsh", folder=clone, env={"PATH": "/usr/bin:/bin"})
    assert "not found" not in sourced.stderr
    assert sourced.returncode == 0, sourced.stderr
