"""The distribution as a release would have it, built from the files that are there."""

import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def run(*command: Any, **kwargs: Any) -> str:
    """What a command that has to succeed writes to standard output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wheel_in(target: Path) -> Path:
    """The wheel, built in that folder."""
    source = target / "source"
    for name in ("catapult", "client", "docs", "migrations", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        copy(ROOT / name, source / name)
    run(sys.executable, "-m", "pip", "wheel", str(source), "--no-deps", "--quiet", "--wheel-dir", str(target))
    (made,) = target.glob("*.whl")
    return made


def copy(here: Path, there: Path) -> None:
    """The file or folder at another place, since a build leaves files beside what it builds; caches are left out."""
    for path in [here] if here.is_file() else here.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            goal = there if here.is_file() else there / path.relative_to(here)
            goal.parent.mkdir(parents=True, exist_ok=True)
            goal.write_bytes(path.read_bytes())
