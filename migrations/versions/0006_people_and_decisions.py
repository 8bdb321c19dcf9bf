"""People, bounded keys, approvals of a content, and decisions that stay"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TIME, NOW = sa.DateTime(timezone=True), sa.text("statement_timestamp()")
ROLES = "role IN ('viewer', 'publisher', 'releaser', 'admin')"
TARGET = "target ~ '^[a-z0-9][a-z0-9._-]{0,62}$'"
WITHDRAWN = sa.text("withdrawn_at IS NULL")
VOID = sa.text("withdrawn_at IS NULL AND voided_at IS NULL")
APPEND_ONLY = """
CREATE OR REPLACE FUNCTION catapult_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '{table} can only be added to: % is refused', {names} USING ERRCODE = 'insufficient_privilege';
END
$$
"""
ON_DECISIONS = """
CREATE TRIGGER decisions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions
FOR EACH STATEMENT EXECUTE FUNCTION catapult_audit_is_append_only()
"""

REPLACED = """
UPDATE api_keys SET replaces_id = CAST(rotation.details ->> 'replaces' AS uuid)
FROM audit_logs AS rotation WHERE rotation.resource_id = api_keys.id AND rotation.action = 'api_key.rotate'
"""
LINES = """
WITH RECURSIVE line AS (
    SELECT id, id AS first FROM api_keys WHERE replaces_id IS NULL
    UNION ALL SELECT later.id, line.first FROM line JOIN api_keys AS later ON later.replaces_id = line.id
) UPDATE api_keys SET line_id = line.first FROM line WHERE line.id = api_keys.id AND api_keys.replaces_id IS NOT NULL
"""
CREATED_BY = """
UPDATE api_keys SET created_by_key = creation.api_key_id FROM audit_logs AS creation
WHERE creation.resource_id = api_keys.id AND creation.action IN ('api_key.create', 'api_key.rotate')
"""
HASHES = """
UPDATE approvals SET content_hash = encode(sha256(convert_to(CAST(jsonb_build_object(
    'tag', version.tag, 'digest', version.digest, 'repository', model.repository, 'storage_path', model.storage_path,
    'metadata', version.metadata, 'ceph_path', version.ceph_path, 'quantization', version.quantization
) AS text), 'UTF8')), 'hex')
FROM versions AS version JOIN models AS model ON model.id = version.model_id WHERE version.id = approvals.version_id
"""
# Approvals of before that the content has changed since: the audit log has each change.
VOIDED = """
UPDATE approvals SET voided_at = change.at, void_reason = 'the content has changed since'
FROM (
    SELECT approval.id, min(entry.created_at) AS at
    FROM approvals AS approval JOIN versions AS version ON version.id = approval.version_id
    JOIN audit_logs AS entry ON entry.created_at > approval.created_at
        AND (entry.resource_id = version.id AND entry.action = 'version.update'
                AND entry.details -> 'changes' ?| ARRAY['metadata', 'ceph_path', 'quantization']
            OR entry.resource_id = version.model_id AND entry.action = 'model.update'
                AND entry.details -> 'changes' ?| ARRAY['repository', 'storage_path'])
    GROUP BY approval.id
) AS change WHERE change.id = approvals.id AND approvals.withdrawn_at IS NULL
"""


def upgrade() -> None:
    _people()
    _decisions()
    _approvals()


def downgrade() -> None:
    """People, decisions and what an approval was of are lost; names stay where they were written."""
    op.drop_index("ix_approvals_version", table_name="approvals")
    op.drop_index("uq_approvals_key", table_name="approvals")
    op.execute("DELETE FROM approvals WHERE voided_at IS NOT NULL")  # they would count again
    _rename("gates_hash", "standing")
    op.create_index(
        "uq_approvals_key",
        "approvals",
        ["version_id", "target", "api_key_id", "standing"],
        unique=True,
        postgresql_where=WITHDRAWN,
    )
    for column in ("content_hash", "voided_at", "void_reason"):
        op.drop_column("approvals", column)
    for table in ("versions", "deployments"):
        op.drop_column(table, "decision_id")
        op.drop_column(table, "override")
    op.drop_column("environments", "deploy_within")
    op.drop_table("decisions")
    op.execute(APPEND_ONLY.format(table="audit_logs", names="TG_OP"))
    for column in ("person_id", "person_name"):
        op.drop_column("audit_logs", column)
    for column in (
        *("person_id", "replaces_id", "line_id", "models", "environments"),
        *("created_by_key", "asks_name", "last_used_from"),
    ):
        op.drop_column("api_keys", column)
    op.drop_table("people")


def _people() -> None:
    op.create_table(
        "people",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("email", sa.String(254), nullable=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("updated_at", TIME, server_default=NOW, nullable=False),
        sa.Column("deleted_at", TIME, nullable=True),
        sa.Column("counter", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 255", name=op.f("ck_people_name")),
        sa.CheckConstraint("email ~ '^[^@[:space:]]+@[^@[:space:]]+$'", name=op.f("ck_people_email")),
        sa.CheckConstraint(ROLES, name=op.f("ck_people_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
    )
    op.create_index("uq_people_email", "people", [sa.literal_column("lower(email)")], unique=True)
    op.create_index("ix_people_newest", "people", ["created_at", "id"])
    for name, kind in (
        *(("person_id", sa.Uuid()), ("replaces_id", sa.Uuid()), ("line_id", sa.Uuid()), ("created_by_key", sa.Uuid())),
        *(("models", postgresql.ARRAY(sa.Text())), ("environments", postgresql.ARRAY(sa.Text()))),
        ("last_used_from", sa.String(64)),
    ):
        op.add_column("api_keys", sa.Column(name, kind, nullable=True))
    op.add_column("api_keys", sa.Column("asks_name", sa.Boolean(), server_default="false", nullable=False))
    for statement in (REPLACED, LINES, CREATED_BY):
        op.execute(statement)
    op.create_foreign_key(op.f("fk_api_keys_person_id"), "api_keys", "people", ["person_id"], ["id"])
    for column in ("replaces_id", "line_id", "created_by_key"):
        op.create_foreign_key(op.f(f"fk_api_keys_{column}"), "api_keys", "api_keys", [column], ["id"])
    for name, column in (("line", "line_id"), ("person", "person_id")):
        of_some = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_api_keys_{name}", "api_keys", [column], postgresql_where=of_some)
    op.add_column("audit_logs", sa.Column("person_id", sa.Uuid(), nullable=True))
    op.add_column("audit_logs", sa.Column("person_name", sa.String(255), nullable=True))
    op.create_foreign_key(op.f("fk_audit_logs_person_id"), "audit_logs", "people", ["person_id"], ["id"])


def _decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("by", sa.String(255), nullable=False),
        sa.Column("by_key_id", sa.Uuid(), nullable=True),
        sa.Column("by_person_id", sa.Uuid(), nullable=True),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("model_name", sa.String(255), nullable=False),
        sa.Column("version", sa.String(128), nullable=False),
        sa.Column("target", sa.String(63), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("override", sa.Boolean(), nullable=False),
        sa.Column("override_by_registrant", sa.Boolean(), nullable=False),
        sa.Column("verdicts", postgresql.JSONB(), nullable=False),
        sa.Column("approvals", postgresql.JSONB(), nullable=False),
        sa.Column("freeze_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(TARGET, name=op.f("ck_decisions_target")),
        sa.CheckConstraint(
            "kind IN ('promote', 'demote', 'deploy', 'rollback', 'retire')", name=op.f("ck_decisions_kind")
        ),
        sa.ForeignKeyConstraint(["by_key_id"], ["api_keys.id"], name=op.f("fk_decisions_by_key_id")),
        sa.ForeignKeyConstraint(["by_person_id"], ["people.id"], name=op.f("fk_decisions_by_person_id")),
        sa.ForeignKeyConstraint(
            ["version_id", "model_id"], ["versions.id", "versions.model_id"], name="fk_decisions_version_id"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index("ix_decisions_version", "decisions", ["version_id", "at", "id"])
    op.create_index("ix_decisions_model", "decisions", ["model_id", "target", "at", "id"])
    op.execute(APPEND_ONLY.format(table="%", names="TG_TABLE_NAME, TG_OP"))
    op.execute(ON_DECISIONS)
    for table in ("versions", "deployments"):
        op.add_column(table, sa.Column("decision_id", sa.Uuid(), nullable=True))
        op.add_column(table, sa.Column("override", sa.Boolean(), server_default="false", nullable=False))
        op.create_foreign_key(
            op.f(f"fk_{table}_decision_id"),
            table,
            "decisions",
            ["decision_id"],
            ["id"],
            deferrable=True,
            initially="DEFERRED",
        )
    op.create_check_constraint(
        op.f("ck_versions_decision"), "versions", "released_at IS NOT NULL OR (decision_id IS NULL AND NOT override)"
    )
    op.add_column("environments", sa.Column("deploy_within", sa.Integer(), nullable=True))
    op.create_check_constraint(op.f("ck_environments_deploy_within"), "environments", "deploy_within > 0")


def _rename(old: str, new: str) -> None:
    """Rename a column by way of a new one, since PostgreSQL 18 would keep the name of its NOT NULL constraint."""
    op.add_column("approvals", sa.Column(new, sa.String(64), nullable=True))
    op.execute(f"UPDATE approvals SET {new} = {old}")  # noqa: S608 - two constants
    op.alter_column("approvals", new, nullable=False)
    op.drop_column("approvals", old)


def _approvals() -> None:
    op.drop_index("uq_approvals_key", table_name="approvals")
    _rename("standing", "gates_hash")
    op.add_column("approvals", sa.Column("content_hash", sa.String(64), nullable=True))
    op.add_column("approvals", sa.Column("voided_at", TIME, nullable=True))
    op.add_column("approvals", sa.Column("void_reason", sa.Text(), nullable=True))
    op.execute(HASHES)
    op.execute(VOIDED)
    op.alter_column("approvals", "content_hash", nullable=False)
    op.create_check_constraint(op.f("ck_approvals_voided"), "approvals", "(voided_at IS NULL) = (void_reason IS NULL)")
    op.create_index("ix_approvals_version", "approvals", ["version_id", "target"], postgresql_where=WITHDRAWN)
    op.create_index(
        "uq_approvals_key",
        "approvals",
        ["version_id", "target", "api_key_id", "gates_hash"],
        unique=True,
        postgresql_where=VOID,
    )
