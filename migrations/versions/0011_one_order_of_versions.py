"""Dotted numbers have an order among SemVer; a model's next version is later than its newest"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# What rules/semver.py does for dotted numbers. Keys of SemVer stay as they are.
ORDER = """
UPDATE versions SET semver_key = (
    SELECT string_agg(
        CASE WHEN place = 4 THEN '~' ELSE '' END || lpad(length(number)::text, 3, '0') || number, '' ORDER BY place
    ) || CASE WHEN max(place) = 3 THEN '~' ELSE '' END
    FROM (
        SELECT place, coalesce(nullif(ltrim(part, '0'), ''), '0') AS number
        FROM unnest(
            string_to_array(ltrim(version, 'vV'), '.')
            || array_fill('0'::text, ARRAY[greatest(0, 3 - cardinality(string_to_array(version, '.')))])
        ) WITH ORDINALITY AS parts (part, place)
    ) AS numbers
)
WHERE semver_key IS NULL AND version ~ '^[vV]?[0-9]+([.][0-9]+)*$'
"""
NO_ORDER = """
UPDATE versions SET semver_key = NULL WHERE version ~ '^[vV]?[0-9]+([.][0-9]+)*$'
AND version !~ '^[vV]?(0|[1-9][0-9]*)[.](0|[1-9][0-9]*)[.](0|[1-9][0-9]*)$'
"""


def upgrade() -> None:
    op.add_column("models", sa.Column("newest_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE models SET newest_at = (SELECT max(created_at) FROM versions WHERE model_id = models.id)")
    op.execute(ORDER)


def downgrade() -> None:
    """Dotted numbers have no order any more."""
    op.execute(NO_ORDER)
    op.drop_column("models", "newest_at")
