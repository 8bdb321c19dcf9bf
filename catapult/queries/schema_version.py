"""The folder of the migrations, and the newest of them."""

from functools import cache
from pathlib import Path

from alembic.script import ScriptDirectory

PACKAGE = Path(__file__).parents[1]
FOLDER = next(folder for folder in (PACKAGE / "migrations", PACKAGE.parent / "migrations") if folder.is_dir())
"""Inside the package in a wheel, beside it in a checkout."""


@cache
def head() -> str | None:
    """Return the migration that this code was written for."""
    return ScriptDirectory(str(FOLDER)).get_current_head()
