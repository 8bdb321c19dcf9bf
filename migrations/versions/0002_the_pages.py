"""The pages: sessions, and indexes for what they list, sort and search"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEPT, GONE = sa.text("deleted_at IS NULL"), sa.text("deleted_at IS NOT NULL")
LIVE = sa.text("live_from IS NOT NULL AND ended_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("api_key_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("statement_timestamp()"), nullable=False
        ),
        sa.Column(
            "used_at", sa.DateTime(timezone=True), server_default=sa.text("statement_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("octet_length(token_hash) = 32", name=op.f("ck_sessions_token_hash")),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"], name=op.f("fk_sessions_api_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_used_at", "sessions", ["used_at"])
    op.create_index("uq_sessions_token_hash", "sessions", ["token_hash"], unique=True)
    op.create_table(
        "sign_in_counts",
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("address", "minute", name=op.f("pk_sign_in_counts")),
    )
    op.create_index("ix_sign_in_counts_minute", "sign_in_counts", ["minute"])
    op.create_index("ix_models_updated", "models", ["updated_at", "id"], postgresql_where=KEPT)
    op.create_index("ix_deployments_live_model", "deployments", ["model_id"], postgresql_where=LIVE)
    op.create_index("ix_versions_gone", "versions", ["model_id", "created_at", "id"], postgresql_where=GONE)
    op.create_index("ix_deployments_gone", "deployments", ["model_id", "deployed_at", "id"], postgresql_where=GONE)
    _index_texts({"postgresql_ops": dict.fromkeys(("version", "tag", "digest"), "varchar_pattern_ops")})


def downgrade() -> None:
    _index_texts({})
    op.drop_index("ix_deployments_gone", table_name="deployments")
    op.drop_index("ix_versions_gone", table_name="versions")
    op.drop_index("ix_deployments_live_model", table_name="deployments")
    op.drop_index("ix_models_updated", table_name="models")
    op.drop_table("sign_in_counts")
    op.drop_table("sessions")


def _index_texts(options: dict[str, dict[str, str]]) -> None:
    """The same indexes made anew: with pattern operators they find what begins alike, too."""
    for name in ("version", "tag", "digest"):
        op.drop_index(f"ix_versions_{name}", table_name="versions")
        columns = [name, "created_at", "id"]
        op.create_index(f"ix_versions_{name}", "versions", columns, postgresql_where=KEPT, **options)
