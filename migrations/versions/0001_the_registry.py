"""The registry"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


# Every run of three characters, lower case: what pg_trgm would index, on servers that have no extensions at all.
TRIGRAMS = """
CREATE FUNCTION catapult_trigrams(name text, description text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT coalesce(array_agg(DISTINCT trigram), '{}')
    FROM (
        SELECT letter || lead(letter) OVER w || lead(letter, 2) OVER w AS trigram
        FROM string_to_table(lower(concat_ws(' ', name, description)), NULL) WITH ORDINALITY AS letters (letter, at)
        WINDOW w AS (ORDER BY at)
    ) AS trigrams
    WHERE trigram IS NOT NULL
)
"""

# For each statement and not each row: even one that would touch no row is refused, and TRUNCATE has no rows.
APPEND_ONLY = """
CREATE FUNCTION catapult_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_logs can only be added to: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$
"""
APPEND_ONLY_TRIGGER = """
CREATE TRIGGER audit_logs_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_logs
FOR EACH STATEMENT EXECUTE FUNCTION catapult_audit_is_append_only()
"""


def upgrade() -> None:
    op.execute(TRIGRAMS)
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("salt_mark", sa.String(length=16), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("statement_timestamp()"), nullable=False
        ),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("prefix ~ '^cat_[A-Za-z0-9]{8}$'", name=op.f("ck_api_keys_prefix")),
        sa.CheckConstraint("role IN ('viewer', 'publisher', 'releaser', 'admin')", name=op.f("ck_api_keys_role")),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 255", name=op.f("ck_api_keys_name")),
        sa.CheckConstraint("octet_length(key_hash) = 32", name=op.f("ck_api_keys_key_hash")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_index(
        "ix_api_keys_admins",
        "api_keys",
        ["id"],
        unique=False,
        postgresql_where=sa.text("role = 'admin' AND revoked_at IS NULL"),
    )
    op.create_index("ix_api_keys_newest", "api_keys", ["created_at", "id"], unique=False)
    op.create_index("uq_api_keys_prefix", "api_keys", ["prefix"], unique=True)
    op.create_table(
        "models",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("storage_path", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("tags", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("version_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("latest_version", sa.String(length=128), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("statement_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("statement_timestamp()"), nullable=False
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counter", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("jsonb_typeof(metadata) = 'object'", name=op.f("ck_models_metadata")),
        sa.CheckConstraint(
            "name ~ '^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$' AND NOT (string_to_array(lower(name), '/') && ARRAY['versions', 'compare'])",
            name=op.f("ck_models_name"),
        ),
        sa.CheckConstraint("cardinality(tags) <= 50", name=op.f("ck_models_tags")),
        sa.CheckConstraint("char_length(description) <= 10000", name=op.f("ck_models_description_length")),
        sa.CheckConstraint("char_length(repository) <= 1024", name=op.f("ck_models_repository_length")),
        sa.CheckConstraint("char_length(storage_path) <= 1024", name=op.f("ck_models_storage_path_length")),
        sa.CheckConstraint("version_count >= 0", name=op.f("ck_models_version_count")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "ix_models_newest", "models", ["created_at", "id"], unique=False, postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.create_index(
        "ix_models_search",
        "models",
        [sa.literal_column("catapult_trigrams(name, description)")],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_models_tags",
        "models",
        ["tags"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "uq_models_name",
        "models",
        [sa.literal_column("lower(name)")],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "audit_logs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("resource_type", sa.String(length=64), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=True),
        sa.Column("api_key_id", sa.Uuid(), nullable=True),
        sa.Column("api_key_name", sa.String(length=255), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("ip_address", sa.String(length=64), nullable=True),
        sa.Column("request_id", sa.String(length=128), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("statement_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("jsonb_typeof(details) = 'object'", name=op.f("ck_audit_logs_details")),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"], name=op.f("fk_audit_logs_api_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_logs")),
    )
    op.create_index("ix_audit_logs_action", "audit_logs", ["action", "created_at", "id"], unique=False)
    op.create_index("ix_audit_logs_api_key_name", "audit_logs", ["api_key_name", "created_at", "id"], unique=False)
    op.create_index("ix_audit_logs_newest", "audit_logs", ["created_at", "id"], unique=False)
    op.create_index("ix_audit_logs_resource", "audit_logs", ["resource_id", "created_at", "id"], unique=False)
    op.create_index("ix_audit_logs_resource_type", "audit_logs", ["resource_type", "created_at", "id"], unique=False)
    op.create_table(
        "idempotent_answers",
        sa.Column("caller", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("statement_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["caller"], ["api_keys.id"], name=op.f("fk_idempotent_answers_caller")),
        sa.PrimaryKeyConstraint("caller", "key", name=op.f("pk_idempotent_answers")),
    )
    op.create_index("ix_idempotent_answers_created_at", "idempotent_answers", ["created_at"], unique=False)
    op.create_table(
        "versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.String(length=128), nullable=False),
        sa.Column("semver_key", sa.Text(collation="C"), nullable=True),
        sa.Column("tag", sa.String(length=128), nullable=False),
        sa.Column("digest", sa.String(length=300), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("platform", sa.String(length=128), nullable=False),
        sa.Column("quantization", sa.String(length=128), nullable=True),
        sa.Column("release_notes", sa.Text(), nullable=True),
        sa.Column("ceph_path", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.String(length=255), nullable=True),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("statement_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("statement_timestamp()"), nullable=False
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counter", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("digest ~ '^[A-Za-z0-9+._-]+:[!-~]{1,200}$'", name=op.f("ck_versions_digest")),
        sa.CheckConstraint("jsonb_typeof(metadata) = 'object'", name=op.f("ck_versions_metadata")),
        sa.CheckConstraint("status IN ('active', 'archived')", name=op.f("ck_versions_status")),
        sa.CheckConstraint("tag ~ '^[A-Za-z0-9_][A-Za-z0-9._-]*$'", name=op.f("ck_versions_tag")),
        sa.CheckConstraint("version ~ '^[!-.0-~]+$' AND version NOT IN ('.', '..')", name=op.f("ck_versions_version")),
        sa.CheckConstraint("(released_at IS NULL) = (released_by IS NULL)", name=op.f("ck_versions_released")),
        sa.CheckConstraint("char_length(ceph_path) <= 1024", name=op.f("ck_versions_ceph_path_length")),
        sa.CheckConstraint("char_length(release_notes) <= 10000", name=op.f("ck_versions_release_notes_length")),
        sa.CheckConstraint("size_bytes >= 0", name=op.f("ck_versions_size_bytes")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_versions_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_versions")),
        sa.UniqueConstraint("id", "model_id", name=op.f("uq_versions_id_model_id")),
    )
    op.create_index(
        "ix_versions_archived",
        "versions",
        ["created_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL AND status = 'archived'"),
    )
    op.create_index(
        "ix_versions_digest",
        "versions",
        ["digest", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_versions_model",
        "versions",
        ["model_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_versions_model_archived",
        "versions",
        ["model_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL AND status = 'archived'"),
    )
    op.create_index(
        "ix_versions_model_releases",
        "versions",
        ["model_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL AND released_at IS NOT NULL"),
    )
    op.create_index(
        "ix_versions_newest",
        "versions",
        ["created_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_versions_releases",
        "versions",
        ["created_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL AND released_at IS NOT NULL"),
    )
    op.create_index(
        "ix_versions_semver",
        "versions",
        [
            "model_id",
            sa.literal_column("semver_key DESC NULLS LAST"),
            sa.literal_column("created_at DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL AND status = 'active'"),
    )
    op.create_index(
        "ix_versions_semver_releases",
        "versions",
        [
            "model_id",
            sa.literal_column("semver_key DESC NULLS LAST"),
            sa.literal_column("created_at DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL AND status = 'active' AND released_at IS NOT NULL"),
    )
    op.create_index(
        "ix_versions_tag",
        "versions",
        ["tag", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_versions_version",
        "versions",
        ["version", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "uq_versions_model_id_version",
        "versions",
        ["model_id", "version"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "deployments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("release_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("environment", sa.String(length=63), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("endpoint_url", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("deployed_by", sa.String(length=255), nullable=False),
        sa.Column(
            "deployed_at", sa.DateTime(timezone=True), server_default=sa.text("statement_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("statement_timestamp()"), nullable=False
        ),
        sa.Column("live_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counter", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("endpoint_url ~* '^https?://'", name=op.f("ck_deployments_endpoint_url")),
        sa.CheckConstraint(
            "environment ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$' AND lower(environment) <> 'release'",
            name=op.f("ck_deployments_environment"),
        ),
        sa.CheckConstraint("jsonb_typeof(metadata) = 'object'", name=op.f("ck_deployments_metadata")),
        sa.CheckConstraint("live_from IS NULL OR status = 'success'", name=op.f("ck_deployments_live_from")),
        sa.CheckConstraint("status IN ('pending', 'running', 'success', 'failed')", name=op.f("ck_deployments_status")),
        sa.CheckConstraint("char_length(endpoint_url) <= 1024", name=op.f("ck_deployments_endpoint_url_length")),
        sa.CheckConstraint(
            "deleted_at IS NULL OR NOT (live_from IS NOT NULL AND ended_at IS NULL)",
            name=op.f("ck_deployments_deleted"),
        ),
        sa.CheckConstraint("ended_at >= live_from", name=op.f("ck_deployments_ended_at")),
        sa.CheckConstraint("ended_at IS NULL OR live_from IS NOT NULL", name=op.f("ck_deployments_ended")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_deployments_model_id")),
        sa.ForeignKeyConstraint(
            ["release_id", "model_id"], ["versions.id", "versions.model_id"], name="fk_deployments_release_id"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployments")),
    )
    op.create_index(
        "ix_deployments_environment",
        "deployments",
        [sa.literal_column("lower(environment)"), "deployed_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_deployments_live_newest",
        "deployments",
        ["deployed_at", "id"],
        unique=False,
        postgresql_where=sa.text("live_from IS NOT NULL AND ended_at IS NULL"),
    )
    op.create_index(
        "ix_deployments_live_release",
        "deployments",
        ["release_id"],
        unique=False,
        postgresql_where=sa.text("live_from IS NOT NULL AND ended_at IS NULL"),
    )
    op.create_index(
        "ix_deployments_model",
        "deployments",
        ["model_id", "deployed_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_deployments_newest",
        "deployments",
        ["deployed_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_deployments_release",
        "deployments",
        ["release_id", "deployed_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_deployments_status",
        "deployments",
        ["status", "deployed_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "uq_deployments_live",
        "deployments",
        [sa.literal_column("lower(environment)"), "model_id"],
        unique=True,
        postgresql_where=sa.text("live_from IS NOT NULL AND ended_at IS NULL"),
    )
    op.create_table(
        "metrics",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id", "model_id"], ["versions.id", "versions.model_id"], name="fk_metrics_version_id"
        ),
        sa.PrimaryKeyConstraint("version_id", "path", name=op.f("pk_metrics")),
    )
    op.create_index("ix_metrics_model", "metrics", ["model_id", "path", "value"], unique=False)
    op.execute(APPEND_ONLY)
    op.execute(APPEND_ONLY_TRIGGER)


def downgrade() -> None:
    op.drop_table("metrics")
    op.drop_table("deployments")
    op.drop_table("versions")
    op.drop_table("idempotent_answers")
    op.drop_table("audit_logs")
    op.drop_table("models")
    op.drop_table("api_keys")
    op.execute("DROP FUNCTION catapult_audit_is_append_only()")
    op.execute("DROP FUNCTION catapult_trigrams(text, text)")
