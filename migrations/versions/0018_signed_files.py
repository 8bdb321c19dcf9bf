"""Signed files: trusted keys, the text of each model.sig, and the gate files_signed"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TIME, NOW = sa.DateTime(timezone=True), sa.text("statement_timestamp()")
KINDS = ("metric", "no_regression", "metadata_present", "released", "soaked")
PATTERN = r"^[A-Za-z0-9*][A-Za-z0-9._*-]*(/[A-Za-z0-9*][A-Za-z0-9._*-]*)*$"


def upgrade() -> None:
    op.create_table(
        "file_signatures",
        sa.Column("artifact_id", sa.Uuid(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.CheckConstraint("octet_length(bundle) <= 4194304", name=op.f("ck_file_signatures_bundle")),
        sa.ForeignKeyConstraint(["artifact_id"], ["artifacts.id"], name=op.f("fk_file_signatures_artifact_id")),
        sa.PrimaryKeyConstraint("artifact_id", name=op.f("pk_file_signatures")),
    )
    op.create_table(
        "trusted_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("model", sa.String(255), nullable=True),
        sa.Column("not_after", TIME, nullable=True),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("updated_at", TIME, server_default=NOW, nullable=False),
        sa.Column("deleted_at", TIME, nullable=True),
        sa.Column("counter", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("char_length(name) >= 1", name=op.f("ck_trusted_keys_name")),
        sa.CheckConstraint("public_key ~ '^-----BEGIN PUBLIC KEY-----'", name=op.f("ck_trusted_keys_public_key")),
        sa.CheckConstraint("char_length(public_key) <= 4096", name=op.f("ck_trusted_keys_public_key_length")),
        sa.CheckConstraint("fingerprint ~ '^[0-9a-f]{64}$'", name=op.f("ck_trusted_keys_fingerprint")),
        sa.CheckConstraint(f"model ~ '{PATTERN}'", name=op.f("ck_trusted_keys_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trusted_keys")),
    )
    undeleted = sa.text("deleted_at IS NULL")
    lower_name = sa.literal_column("lower(name)")
    op.create_index("uq_trusted_keys_name", "trusted_keys", [lower_name], unique=True, postgresql_where=undeleted)
    op.create_index("ix_trusted_keys_newest", "trusted_keys", ["created_at", "id"], postgresql_where=undeleted)
    _allow((*KINDS, "files_signed", "approved"))


def downgrade() -> None:
    """Trusted keys, signatures and gates of the kind files_signed are lost; the files and the decisions stay."""
    op.execute("DELETE FROM gate_refusals WHERE gate_id IN (SELECT id FROM gates WHERE kind = 'files_signed')")
    op.execute("DELETE FROM gates WHERE kind = 'files_signed'")
    _allow((*KINDS, "approved"))
    op.drop_table("trusted_keys")
    op.drop_table("file_signatures")


def _allow(kinds: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.drop_constraint(op.f("ck_gates_kind"), "gates", type_="check")
    op.create_check_constraint(op.f("ck_gates_kind"), "gates", f"kind IN ({listed})")
