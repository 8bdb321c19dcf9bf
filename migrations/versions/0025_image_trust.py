"""Image registries, what they answered about images, and gates that ask for it"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

TIME, NOW = sa.DateTime(timezone=True), sa.text("statement_timestamp()")
NOT_DELETED = sa.text("deleted_at IS NULL")
SECRET = "^[A-Za-z0-9_][A-Za-z0-9._-]*$"  # noqa: S105 - a pattern
KINDS = ("metric", "no_regression", "metadata_present", "released", "soaked", "files_signed", "files_intact")
OLD_FIELDS = (
    "CASE kind WHEN 'metric' THEN num_nonnulls(path, op, value) = 3"
    " WHEN 'no_regression' THEN num_nonnulls(path, direction, tolerance) = 3"
    " WHEN 'metadata_present' THEN paths IS NOT NULL"
    " WHEN 'soaked' THEN num_nonnulls(environment, seconds) = 2"
    " WHEN 'approved' THEN num_nonnulls(count, role) = 2 ELSE true END"
    " AND num_nonnulls(path, op, value, direction, tolerance, paths, environment, seconds, count, role)"
    " = CASE kind WHEN 'metric' THEN 3 WHEN 'no_regression' THEN 3 WHEN 'metadata_present' THEN 1"
    " WHEN 'soaked' THEN 2 WHEN 'approved' THEN 2 ELSE 0 END"
)
FIELDS = (
    "CASE kind WHEN 'metric' THEN num_nonnulls(path, op, value) = 3"
    " WHEN 'no_regression' THEN num_nonnulls(path, direction, tolerance) = 3"
    " WHEN 'metadata_present' THEN paths IS NOT NULL"
    " WHEN 'soaked' THEN num_nonnulls(environment, seconds) = 2"
    " WHEN 'approved' THEN num_nonnulls(count, role) = 2"
    " WHEN 'digest_verified' THEN num_nonnulls(max_age, tag) = 2"
    " WHEN 'signed' THEN count IS NOT NULL ELSE true END"
    " AND num_nonnulls(path, op, value, direction, tolerance, paths, environment, seconds, count, role, max_age, tag)"
    " = CASE kind WHEN 'metric' THEN 3 WHEN 'no_regression' THEN 3 WHEN 'metadata_present' THEN 1"
    " WHEN 'soaked' THEN 2 WHEN 'approved' THEN 2 WHEN 'digest_verified' THEN 2 WHEN 'signed' THEN 1 ELSE 0 END"
)
UNSOUND = "digest_status IN ('missing', 'mismatch') OR tag_status IN ('moved', 'gone')"
LIVE_NOW = """
INSERT INTO jobs (id, kind, key)
SELECT gen_random_uuid(), 'verify', CAST(id AS text) FROM versions
WHERE digest IS NOT NULL AND id IN (SELECT release_id FROM deployments WHERE live_from IS NOT NULL AND ended_at IS NULL)
ON CONFLICT (kind, key) WHERE state = 'open' DO NOTHING
"""


def upgrade() -> None:
    """The images that are live now are asked about from now on, as those that become live later are."""
    op.create_table(
        "registries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("repositories", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("allow_http", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("ca", sa.String(128), nullable=True),
        sa.Column("username", sa.String(255), nullable=True),
        sa.Column("secret", sa.String(128), nullable=True),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("updated_at", TIME, server_default=NOW, nullable=False),
        sa.Column("deleted_at", TIME, nullable=True),
        sa.Column("counter", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("host ~ '^[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?$'", name=op.f("ck_registries_host")),
        sa.CheckConstraint("cardinality(repositories) BETWEEN 1 AND 50", name=op.f("ck_registries_repositories")),
        sa.CheckConstraint(f"ca ~ '{SECRET}'", name=op.f("ck_registries_ca")),
        sa.CheckConstraint(f"secret ~ '{SECRET}'", name=op.f("ck_registries_secret")),
        sa.CheckConstraint("username IS NULL OR secret IS NOT NULL", name=op.f("ck_registries_username")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registries")),
    )
    op.create_index("ix_registries_newest", "registries", ["created_at", "id"], postgresql_where=NOT_DELETED)
    op.create_index("ix_registries_host", "registries", ["host"], postgresql_where=NOT_DELETED)
    op.create_table(
        "image_checks",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("digest_status", sa.String(16), nullable=False),
        sa.Column("unreachable", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("tag_status", sa.String(16), nullable=True),
        sa.Column("tag_digest", sa.String(300), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("checked_at", TIME, nullable=False),
        sa.Column("verified_at", TIME, nullable=True),
        sa.Column("image", JSONB(), nullable=True),
        sa.Column("signatures", JSONB(), server_default="[]", nullable=False),
        sa.CheckConstraint(
            "digest_status IN ('unverified', 'verified', 'missing', 'mismatch')",
            name=op.f("ck_image_checks_digest_status"),
        ),
        sa.CheckConstraint("tag_status IN ('current', 'moved', 'gone')", name=op.f("ck_image_checks_tag_status")),
        sa.CheckConstraint(
            "digest_status <> 'verified' OR verified_at IS NOT NULL", name=op.f("ck_image_checks_verified")
        ),
        sa.CheckConstraint("jsonb_typeof(signatures) = 'array'", name=op.f("ck_image_checks_signatures")),
        sa.CheckConstraint("jsonb_typeof(image) = 'object'", name=op.f("ck_image_checks_image")),
        sa.CheckConstraint("char_length(repository) <= 1024", name=op.f("ck_image_checks_repository_length")),
        sa.CheckConstraint("char_length(detail) <= 2000", name=op.f("ck_image_checks_detail_length")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_image_checks_version_id")),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_image_checks")),
    )
    op.create_index("ix_image_checks_unsound", "image_checks", ["version_id"], postgresql_where=sa.text(UNSOUND))
    op.drop_constraint(op.f("ck_versions_image"), "versions", type_="check")
    op.create_check_constraint(op.f("ck_versions_image"), "versions", "tag IS NULL OR digest IS NOT NULL")
    op.add_column("models", sa.Column("register_tags", sa.String(128), nullable=True))
    op.create_check_constraint(
        op.f("ck_models_register_tags"), "models", "register_tags ~ '^[A-Za-z0-9_*][A-Za-z0-9._*-]*$'"
    )
    op.create_index(
        "ix_models_register_tags",
        "models",
        [sa.text("lower(coalesce(nullif(repository, ''), storage_path))")],
        postgresql_using="hash",
        postgresql_where=sa.text("register_tags IS NOT NULL AND deleted_at IS NULL"),
    )
    op.add_column("gates", sa.Column("max_age", sa.BigInteger(), nullable=True))
    op.add_column("gates", sa.Column("tag", sa.Boolean(), nullable=True))
    op.create_check_constraint(op.f("ck_gates_max_age"), "gates", "max_age > 0")
    _allow((*KINDS, "digest_verified", "signed", "approved"), FIELDS)
    op.execute(LIVE_NOW)


def downgrade() -> None:
    """What image registries answered is lost, and gates that ask for it are. An image without a tag gets one of its digest."""
    op.execute("DELETE FROM jobs WHERE kind IN ('verify', 'register_image')")
    lost = "kind IN ('digest_verified', 'signed')"
    op.execute(f"DELETE FROM gate_refusals WHERE gate_id IN (SELECT id FROM gates WHERE {lost})")  # noqa: S608
    op.execute(f"DELETE FROM gates WHERE {lost}")  # noqa: S608
    _allow((*KINDS, "approved"), OLD_FIELDS)
    op.drop_constraint(op.f("ck_gates_max_age"), "gates", type_="check")
    op.drop_column("gates", "tag")
    op.drop_column("gates", "max_age")
    op.drop_constraint(op.f("ck_models_register_tags"), "models", type_="check")
    op.drop_index("ix_models_register_tags", "models")
    op.drop_column("models", "register_tags")
    op.execute(
        "UPDATE versions SET tag = left(replace(digest, ':', '-'), 128) WHERE tag IS NULL AND digest IS NOT NULL"
    )
    op.drop_constraint(op.f("ck_versions_image"), "versions", type_="check")
    op.create_check_constraint(op.f("ck_versions_image"), "versions", "(tag IS NULL) = (digest IS NULL)")
    op.drop_table("image_checks")
    op.drop_table("registries")


def _allow(kinds: tuple[str, ...], fields: str) -> None:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    for name, rule in {"kind": f"kind IN ({listed})", "fields": fields}.items():
        op.drop_constraint(op.f(f"ck_gates_{name}"), "gates", type_="check")
        op.create_check_constraint(op.f(f"ck_gates_{name}"), "gates", rule)
