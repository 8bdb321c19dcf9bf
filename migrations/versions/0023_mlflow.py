"""Versions are found by when they last changed and by their run of MLflow; the key mlflow_tags is for its tags"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

NOT_DELETED = sa.text("deleted_at IS NULL")
OF_RUN = sa.text("deleted_at IS NULL AND ((metadata -> 'mlflow') ->> 'run_id') IS NOT NULL")
RUN_ID = sa.text("((metadata -> 'mlflow') ->> 'run_id')")


LONGEST_PATH = 255
ARE_TAGS = """
CASE WHEN jsonb_typeof(metadata -> 'mlflow_tags') = 'object' THEN NOT EXISTS (
    SELECT FROM jsonb_each(metadata -> 'mlflow_tags') WHERE jsonb_typeof(value) <> 'string'
) ELSE false END
"""
MOVED = "(metadata - 'mlflow_tags') || jsonb_build_object('former_mlflow_tags', metadata -> 'mlflow_tags')"
THERE = "(path = 'mlflow_tags' OR path ~ '^mlflow_tags[.[]')"


def upgrade() -> None:
    """What else was in metadata below this key goes on as `former_mlflow_tags`, with its numbers."""
    for table in ("versions", "models"):
        op.execute(f"UPDATE {table} SET metadata = {MOVED} WHERE metadata ? 'mlflow_tags' AND NOT {ARE_TAGS}")  # noqa: S608
    op.execute(f"DELETE FROM metrics WHERE {THERE} AND char_length(path) > {LONGEST_PATH - len('former_')}")  # noqa: S608
    op.execute(f"UPDATE metrics SET path = 'former_' || path WHERE {THERE}")  # noqa: S608
    op.create_index("ix_versions_updated", "versions", ["updated_at", "id"], postgresql_where=NOT_DELETED)
    columns = ["model_id", "updated_at", "id"]
    op.create_index("ix_versions_model_updated", "versions", columns, postgresql_where=NOT_DELETED)
    op.create_index("ix_versions_run", "versions", [RUN_ID], postgresql_using="hash", postgresql_where=OF_RUN)


def downgrade() -> None:
    for name in ("run", "model_updated", "updated"):
        op.drop_index(f"ix_versions_{name}", "versions")
