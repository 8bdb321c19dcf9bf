"""Where the migrations are, and which is the last."""

from functools import cache
from pathlib import Path

from alembic.script import ScriptDirectory

FOLDER = Path(__file__).parents[2] / "migrations"


@cache
def head() -> str | None:
    """The migration that this code was written for."""
    return ScriptDirectory(str(FOLDER)).get_current_head()
