"""Comments on versions, and their tags"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIME, NOW = sa.DateTime(timezone=True), sa.text("statement_timestamp()")
ENTRY_MODEL = """
CREATE OR REPLACE FUNCTION catapult_entry_model(resource_type text, details jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN resource_type IN ({kinds}) THEN details ->> 'model'
            WHEN resource_type = 'model' THEN details ->> 'name' END
"""
KINDS = "'version', 'deployment', 'approval'"


def upgrade() -> None:
    _comments()
    op.add_column("versions", sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False))
    op.create_check_constraint(op.f("ck_versions_tags"), "versions", "cardinality(tags) <= 50")
    op.create_index(
        "ix_versions_tags",
        "versions",
        ["tags"],
        postgresql_using="gin",
        postgresql_where=sa.text("deleted_at IS NULL AND tags <> '{}'"),
    )


def downgrade() -> None:
    """All comments and tags of versions are lost; the audit log keeps their entries."""
    op.drop_column("versions", "tags")
    op.execute(ENTRY_MODEL.format(kinds=KINDS))
    op.execute("REINDEX INDEX ix_audit_logs_model")
    op.drop_table("comments")


def _comments() -> None:
    op.create_table(
        "comments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("asks_for_changes", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("api_key_id", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("deleted_at", TIME, nullable=True),
        sa.CheckConstraint("char_length(text) BETWEEN 1 AND 2000", name=op.f("ck_comments_text")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_comments_version_id")),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"], name=op.f("fk_comments_api_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comments")),
    )
    op.create_index(
        "ix_comments_version",
        "comments",
        ["version_id", "created_at", "id"],
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    # No entry is about a comment yet, so the index of this function stays as it is.
    op.execute(ENTRY_MODEL.format(kinds=f"{KINDS}, 'comment'"))
