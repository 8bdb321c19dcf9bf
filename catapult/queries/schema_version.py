"""The folder of the migrations, the newest one, and what the database lacks of it."""

from functools import cache
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import text

from catapult.extensions import Row, db

PACKAGE = Path(__file__).parents[1]
FOLDER = next(folder for folder in (PACKAGE / "migrations", PACKAGE.parent / "migrations") if folder.is_dir())
"""Inside the package in a wheel, beside it in a checkout."""

FUNCTIONS = [
    "catapult_archive_audit_logs",
    "catapult_entry_model",
    "catapult_grams",
    "catapult_place",
    "catapult_trigrams",
]
"""The functions of the database that statements call."""

_MISSING = text(
    "SELECT name FROM unnest(CAST(:columns AS text[])) AS needed (name) WHERE NOT EXISTS (SELECT FROM pg_attribute"
    " WHERE attrelid = to_regclass(split_part(name, '.', 1)) AND attname = split_part(name, '.', 2) AND NOT attisdropped)"
    " UNION ALL SELECT name FROM unnest(CAST(:functions AS text[])) AS needed (name)"
    " WHERE NOT EXISTS (SELECT FROM pg_proc WHERE proname = name)"
)


@cache
def head() -> str | None:
    """Return the migration that this code was written for."""
    return ScriptDirectory(str(FOLDER)).get_current_head()


def missing() -> list[str]:
    """Return the columns and functions that this code needs and the database lacks.

    At the right revision there are none, unless a migration was changed after it had run there.
    """
    columns = [f"{column.table.name}.{column.name}" for table in Row.metadata.sorted_tables for column in table.columns]
    return list(db.session.scalars(_MISSING, {"columns": columns, "functions": FUNCTIONS}))
