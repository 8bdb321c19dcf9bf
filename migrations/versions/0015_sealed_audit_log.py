"""A sealed audit log: entries get a number and a leaf, and their tree signed checkpoints"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TIME, NOW = sa.DateTime(timezone=True), sa.text("statement_timestamp()")
# Archiving removes entries by its own function alone. It acts with the rights of the caller, and only the owner has DELETE:
# unlike those of a function, the rights of a table are in no backup that could be restored without them.
REFUSE = """
CREATE OR REPLACE FUNCTION catapult_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {unless}RAISE EXCEPTION '% can only be added to: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$
"""
UNLESS_ARCHIVING = """IF TG_TABLE_NAME = 'audit_logs' AND TG_OP = 'DELETE' AND current_setting('catapult.archiving', true) = 'on' THEN
        RETURN NULL;
    END IF;
    """
ARCHIVE = """
CREATE FUNCTION catapult_archive_audit_logs(first bigint, size bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    gone bigint;
BEGIN
    PERFORM set_config('catapult.archiving', 'on', true);
    DELETE FROM audit_logs USING sealed_entries AS seal
    WHERE seal.entry_id = audit_logs.id AND seal.seq >= first AND seal.seq < size;
    GET DIAGNOSTICS gone = ROW_COUNT;
    PERFORM set_config('catapult.archiving', 'off', true);
    RETURN gone;
END
$$
"""
APPEND_ONLY = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION catapult_audit_is_append_only()
"""
# Of a statement, and in the transaction of the entries: whoever is visible in it is committed, in whatever order.
UNSEALED = """
CREATE FUNCTION catapult_audit_is_unsealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unsealed_entries (entry_id) SELECT id FROM added;
    RETURN NULL;
END
$$
"""
ON_AUDIT_LOGS = """
CREATE TRIGGER audit_logs_unsealed AFTER INSERT ON audit_logs REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION catapult_audit_is_unsealed()
"""


def upgrade() -> None:
    op.create_table("unsealed_entries", sa.Column("entry_id", sa.Uuid(), nullable=False))
    op.create_table(
        "sealed_entries",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        _hash("leaf"),
        sa.CheckConstraint("octet_length(leaf) = 32", name=op.f("ck_sealed_entries_leaf")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_sealed_entries")),
    )
    op.create_index("uq_sealed_entries_entry_id", "sealed_entries", ["entry_id"], unique=True)
    op.create_table(
        "audit_nodes",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        _hash("hash"),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("ck_audit_nodes_hash")),
        sa.PrimaryKeyConstraint("level", "index", name=op.f("pk_audit_nodes")),
    )
    op.create_table(
        "audit_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.CheckConstraint("octet_length(public_key) = 32", name=op.f("ck_audit_keys_public_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_keys")),
    )
    op.create_index("uq_audit_keys_public_key", "audit_keys", ["public_key"], unique=True)
    op.create_table(
        "audit_checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        _hash("root"),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.CheckConstraint("octet_length(root) = 32", name=op.f("ck_audit_checkpoints_root")),
        sa.ForeignKeyConstraint(["key_id"], ["audit_keys.id"], name=op.f("fk_audit_checkpoints_key_id")),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_audit_checkpoints")),
    )
    for table in ("sealed_entries", "audit_nodes", "audit_keys"):
        op.execute(APPEND_ONLY.format(table=table))
    op.execute(REFUSE.format(unless=UNLESS_ARCHIVING))
    op.execute(ARCHIVE)
    op.execute(UNSEALED)
    # The trigger first, whose lock waits for all who write entries: the fill then sees every one of them.
    op.execute(ON_AUDIT_LOGS)
    op.execute("INSERT INTO unsealed_entries (entry_id) SELECT id FROM audit_logs ORDER BY id")
    op.create_primary_key(op.f("pk_unsealed_entries"), "unsealed_entries", ["entry_id"])
    op.execute("ANALYZE unsealed_entries")


def downgrade() -> None:
    """All seals are gone: after another upgrade the log is sealed anew, under a new name. Archived entries stay in files."""
    op.execute("DROP FUNCTION catapult_archive_audit_logs(bigint, bigint)")
    op.execute(REFUSE.format(unless=""))
    op.execute("DROP TRIGGER audit_logs_unsealed ON audit_logs")
    op.execute("DROP FUNCTION catapult_audit_is_unsealed()")
    for table in ("audit_checkpoints", "audit_keys", "audit_nodes", "sealed_entries", "unsealed_entries"):
        op.drop_table(table)


def _hash(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)
