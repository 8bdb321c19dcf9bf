"""Searches by one or two letters, and the whole history of a model, by an index"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Every run of one, two and three characters, in lower case. `catapult_trigrams` still gives those of a longer search.
GRAMS = """
CREATE FUNCTION catapult_grams(name text, description text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT coalesce(array_agg(DISTINCT gram), '{}')
    FROM (
        SELECT letter, letter || lead(letter) OVER w AS pair,
            letter || lead(letter) OVER w || lead(letter, 2) OVER w AS trigram
        FROM string_to_table(lower(concat_ws(' ', name, description)), NULL) WITH ORDINALITY AS letters (letter, at)
        WINDOW w AS (ORDER BY at)
    ) AS runs, LATERAL (VALUES (letter), (pair), (trigram)) AS grams (gram)
    WHERE gram IS NOT NULL
)
"""

# The name of the model that an entry is about: the model itself, or one of its versions, deployments or approvals.
ENTRY_MODEL = """
CREATE FUNCTION catapult_entry_model(resource_type text, details jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN resource_type IN ('version', 'deployment', 'approval') THEN details ->> 'model'
            WHEN resource_type = 'model' THEN details ->> 'name' END
"""
KEPT = sa.text("deleted_at IS NULL")


def upgrade() -> None:
    op.execute(GRAMS)
    _search("catapult_grams")
    in_name = sa.literal_column("catapult_grams(name, NULL)")
    op.create_index("ix_models_search_name", "models", [in_name], postgresql_using="gin", postgresql_where=KEPT)
    prefix = sa.literal_column("lower(name) text_pattern_ops")
    op.create_index("ix_models_name_prefix", "models", [prefix], postgresql_where=KEPT)
    op.execute(ENTRY_MODEL)
    entry_model = sa.literal_column("catapult_entry_model(resource_type, details)")
    op.create_index("ix_audit_logs_model", "audit_logs", [entry_model, "created_at", "id"])
    op.execute("ANALYZE audit_logs")  # without statistics, PostgreSQL would read and sort all entries about a model


def downgrade() -> None:
    op.drop_index("ix_audit_logs_model", table_name="audit_logs")
    op.execute("DROP FUNCTION catapult_entry_model(text, jsonb)")
    op.drop_index("ix_models_name_prefix", table_name="models")
    op.drop_index("ix_models_search_name", table_name="models")
    _search("catapult_trigrams")
    op.execute("DROP FUNCTION catapult_grams(text, text)")


def _search(function: str) -> None:
    op.drop_index("ix_models_search", table_name="models")
    op.create_index(
        "ix_models_search",
        "models",
        [sa.literal_column(f"{function}(name, description)")],
        postgresql_using="gin",
        postgresql_where=KEPT,
    )
