"""Uploads in several requests; files on the mount; whether a file is as it was"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TIME, NOW = sa.DateTime(timezone=True), sa.text("statement_timestamp()")
KINDS = ("metric", "no_regression", "metadata_present", "released", "soaked", "files_signed")
BLOB = "CASE WHEN mount_path IS NULL THEN sha256 END"


def upgrade() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("path", sa.String(1024), nullable=False),
        sa.Column("media_type", sa.String(255), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("voice", sa.Uuid(), nullable=False),
        sa.Column("writer", sa.Uuid(), nullable=True),
        sa.Column("written_until", TIME, nullable=True),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.CheckConstraint("size_bytes >= 0", name=op.f("ck_uploads_size_bytes")),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("ck_uploads_sha256")),
        sa.CheckConstraint("(writer IS NULL) = (written_until IS NULL)", name=op.f("ck_uploads_writer")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_uploads_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.create_index("ix_uploads_expires_at", "uploads", ["expires_at"])
    op.create_index("ix_uploads_version_id", "uploads", ["version_id"])

    op.add_column("blobs", sa.Column("checked_at", TIME, server_default=NOW, nullable=False))
    op.create_index("ix_blobs_checked_at", "blobs", ["checked_at"])

    op.drop_constraint(op.f("fk_artifacts_sha256"), "artifacts", type_="foreignkey")
    op.drop_index("ix_artifacts_sha256", "artifacts")
    op.alter_column("artifacts", "sha256", nullable=True)
    op.add_column("artifacts", sa.Column("mount_path", sa.Text(), nullable=True))
    op.add_column("artifacts", sa.Column("mount_changed", sa.BigInteger(), nullable=True))
    op.add_column("artifacts", sa.Column("blob", sa.LargeBinary(), sa.Computed(BLOB, persisted=True), nullable=True))
    op.add_column("artifacts", sa.Column("state", sa.String(16), server_default="ready", nullable=False))
    op.add_column("artifacts", sa.Column("hashed_bytes", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("artifacts", sa.Column("checked_at", TIME, server_default=NOW, nullable=False))
    for name, rule in {
        "sha256": "octet_length(sha256) = 32",
        "state": "state IN ('pending', 'ready', 'missing', 'changed')",
        "mount": "(mount_path IS NULL) = (mount_changed IS NULL)",
        "hashed": "sha256 IS NOT NULL OR mount_path IS NOT NULL AND state <> 'ready'",
        "mount_path_length": "char_length(mount_path) <= 4096",
        "hashed_bytes": "hashed_bytes >= 0",
    }.items():
        op.create_check_constraint(op.f(f"ck_artifacts_{name}"), "artifacts", rule)
    op.create_foreign_key(op.f("fk_artifacts_blob"), "artifacts", "blobs", ["blob"], ["sha256"])
    op.create_index("ix_artifacts_blob", "artifacts", ["blob"])
    op.create_index(
        "ix_artifacts_checked_at", "artifacts", ["checked_at"], postgresql_where=sa.text("mount_path IS NOT NULL")
    )
    op.create_index("ix_artifacts_unsound", "artifacts", ["state"], postgresql_where=sa.text("state <> 'ready'"))
    _allow((*KINDS, "files_intact", "approved"))


def downgrade() -> None:
    """Files on the mount are registered no more; they stay where they are. Gates of the kind files_intact are lost."""
    op.execute("DELETE FROM gate_refusals WHERE gate_id IN (SELECT id FROM gates WHERE kind = 'files_intact')")
    op.execute("DELETE FROM gates WHERE kind = 'files_intact'")
    _allow((*KINDS, "approved"))
    op.execute("DELETE FROM artifacts WHERE mount_path IS NOT NULL")
    op.drop_index("ix_artifacts_unsound", "artifacts")
    op.drop_index("ix_artifacts_checked_at", "artifacts")
    op.drop_index("ix_artifacts_blob", "artifacts")
    op.drop_constraint(op.f("fk_artifacts_blob"), "artifacts", type_="foreignkey")
    for name in ("hashed_bytes", "mount_path_length", "hashed", "mount", "state", "sha256"):
        op.drop_constraint(op.f(f"ck_artifacts_{name}"), "artifacts", type_="check")
    for column in ("blob", "checked_at", "hashed_bytes", "state", "mount_changed", "mount_path"):
        op.drop_column("artifacts", column)
    op.alter_column("artifacts", "sha256", nullable=False)
    op.create_index("ix_artifacts_sha256", "artifacts", ["sha256"])
    op.create_foreign_key(op.f("fk_artifacts_sha256"), "artifacts", "blobs", ["sha256"], ["sha256"])
    op.drop_index("ix_blobs_checked_at", "blobs")
    op.drop_column("blobs", "checked_at")
    op.drop_table("uploads")


def _allow(kinds: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.drop_constraint(op.f("ck_gates_kind"), "gates", type_="check")
    op.create_check_constraint(op.f("ck_gates_kind"), "gates", f"kind IN ({listed})")
