"""Releases under control: environments, the states of deployments, gates, approvals"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME, NOW = sa.DateTime(timezone=True), sa.text("statement_timestamp()")
KEPT = sa.text("deleted_at IS NULL")
LIVE = sa.text("live_from IS NOT NULL AND ended_at IS NULL")
BEGUN = sa.text("live_from IS NOT NULL")
PLACE = "^[a-z0-9][a-z0-9._-]{0,62}$"

# Ranked as their names say where a version usually goes; the name as it was written last.
ENVIRONMENTS = """
INSERT INTO environments (id, name, rank, created_by, created_at, updated_at)
SELECT gen_random_uuid(), name, row_number() OVER (ORDER BY stage, lower(name)), 'migration', first, first
FROM (
    SELECT (array_agg(environment ORDER BY deployed_at DESC, id DESC))[1] AS name, min(deployed_at) AS first,
        CASE WHEN lower(environment) IN ('prod', 'production', 'live') THEN 12
        ELSE coalesce(array_position(ARRAY['dev', 'develop', 'development', 'test', 'testing', 'qa', 'integration',
            'canary', 'stage', 'staging', 'preprod'], lower(environment)) - 1, 11) END AS stage
    FROM deployments GROUP BY lower(environment)
) AS found
"""
STATES = """
INSERT INTO deployment_states (deployment_id, status, at) SELECT id, status, deployed_at FROM deployments
"""
KEEP_STATES = """
CREATE FUNCTION catapult_keep_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO deployment_states (deployment_id, status, at)
    VALUES (NEW.id, NEW.status, CASE TG_OP WHEN 'INSERT' THEN NEW.deployed_at ELSE NEW.updated_at END);
    RETURN NULL;
END
$$
"""
ON_INSERT = """
CREATE TRIGGER deployments_keep_first_state AFTER INSERT ON deployments
FOR EACH ROW EXECUTE FUNCTION catapult_keep_state()
"""
ON_UPDATE = """
CREATE TRIGGER deployments_keep_state AFTER UPDATE OF status ON deployments
FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION catapult_keep_state()
"""
SUPERSEDED = """
UPDATE deployments SET superseded_by = later.id
FROM (
    SELECT id AS earlier, lead(id) OVER w AS id, lead(live_from) OVER w AS live_from
    FROM deployments WHERE live_from IS NOT NULL
    WINDOW w AS (PARTITION BY model_id, place ORDER BY live_from, ended_at NULLS LAST, id)
) AS later
WHERE deployments.id = later.earlier AND deployments.ended_at = later.live_from
"""
REGISTERED_BY = """
UPDATE versions SET created_by_key = said.api_key_id FROM audit_logs AS said
WHERE said.resource_id = versions.id AND said.action = 'version.create'
"""


def upgrade() -> None:
    _environments()
    _deployments()
    _gates()
    op.add_column("versions", sa.Column("created_by_key", sa.Uuid(), nullable=True))
    op.execute(REGISTERED_BY)
    op.create_foreign_key("fk_versions_created_by_key", "versions", "api_keys", ["created_by_key"], ["id"])
    active = sa.text("deleted_at IS NULL AND status = 'active'")
    op.create_index("ix_versions_active", "versions", ["model_id", "created_at"], postgresql_where=active)


def downgrade() -> None:
    """What was cancelled reads as failed, the nearest word there was."""
    op.drop_index("ix_versions_active", table_name="versions")
    op.drop_column("versions", "created_by_key")
    op.execute("DROP TRIGGER deployments_keep_first_state ON deployments")
    op.execute("DROP TRIGGER deployments_keep_state ON deployments")
    op.execute("DROP FUNCTION catapult_keep_state")
    for table in ("approvals", "gates", "deployment_states"):
        op.drop_table(table)
    for name in ("history", "when", "open", "superseded_by"):
        op.drop_index(f"ix_deployments_{name}", table_name="deployments")
    op.execute("DROP TYPE catapult_place")
    _index_places("lower(environment)")
    op.execute("UPDATE deployments SET status = 'failed' WHERE status = 'cancelled'")
    _check_status("'pending', 'running', 'success', 'failed'")
    for name in ("log_url_length", "log_url", "superseded", "rollback_of"):
        op.drop_constraint(f"ck_deployments_{name}", "deployments")
    for name in ("superseded_by", "rollback_of", "log_url", "place"):
        op.drop_column("deployments", name)
    op.drop_table("environments")


def _environments() -> None:
    op.create_table(
        "environments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("place", sa.String(63), sa.Computed("lower(name)", persisted=True), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("protected", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("frozen", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("frozen_reason", sa.Text()),
        sa.Column("frozen_until", TIME),
        sa.Column("description", sa.Text()),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("updated_at", TIME, server_default=NOW, nullable=False),
        sa.Column("deleted_at", TIME),
        sa.Column("counter", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$' AND lower(name) <> 'release'", name=op.f("ck_environments_name")
        ),
        sa.CheckConstraint("rank >= 0", name=op.f("ck_environments_rank")),
        sa.CheckConstraint(
            "frozen = (frozen_reason IS NOT NULL) AND frozen_reason <> ''", name=op.f("ck_environments_frozen")
        ),
        sa.CheckConstraint("frozen OR frozen_until IS NULL", name=op.f("ck_environments_frozen_until")),
        sa.CheckConstraint("char_length(frozen_reason) <= 1024", name=op.f("ck_environments_frozen_reason_length")),
        sa.CheckConstraint("char_length(description) <= 10000", name=op.f("ck_environments_description_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_environments")),
        sa.UniqueConstraint("place", name=op.f("uq_environments_place")),
    )
    op.execute(ENVIRONMENTS)


def _deployments() -> None:
    place = sa.Computed("lower(environment)", persisted=True)
    op.add_column("deployments", sa.Column("place", sa.String(63), place, nullable=False))
    op.add_column("deployments", sa.Column("log_url", sa.Text()))
    for name in ("superseded_by", "rollback_of"):
        op.add_column("deployments", sa.Column(name, sa.Uuid()))
    op.execute(SUPERSEDED)  # before its foreign key: with deferred checks waiting, the table takes no other change
    for name, options in (("superseded_by", {"deferrable": True, "initially": "DEFERRED"}), ("rollback_of", {})):
        op.create_foreign_key(f"fk_deployments_{name}", "deployments", "deployments", [name], ["id"], **options)
    op.create_foreign_key("fk_deployments_place", "deployments", "environments", ["place"], ["place"])
    _check_status("'pending', 'running', 'success', 'failed', 'cancelled'")
    for name, condition in (
        ("log_url", "log_url ~* '^https?://'"),
        ("log_url_length", "char_length(log_url) <= 1024"),
        ("superseded", "superseded_by IS NULL OR ended_at IS NOT NULL"),
        ("rollback_of", "rollback_of IS NULL OR status = 'success'"),
    ):
        op.create_check_constraint(op.f(f"ck_deployments_{name}"), "deployments", condition)
    _index_places("place")
    _index("open", ["model_id"], sa.text("status IN ('pending', 'running') AND deleted_at IS NULL"))
    _index("history", ["model_id", "place", "live_from"], BEGUN)
    op.execute('CREATE TYPE catapult_place AS RANGE (subtype = text, collation = "C")')
    when = [sa.text("catapult_place(place, place, '[]')"), sa.text("tstzrange(live_from, ended_at)")]
    _index("when", when, BEGUN, postgresql_using="gist")
    _index("superseded_by", ["superseded_by"], sa.text("superseded_by IS NOT NULL"))
    op.create_table(
        "deployment_states",
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'success', 'failed', 'cancelled')",
            name=op.f("ck_deployment_states_status"),
        ),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployments.id"], name=op.f("fk_deployment_states_deployment_id")),
        sa.PrimaryKeyConstraint("deployment_id", "status", name=op.f("pk_deployment_states")),
    )
    for statement in (STATES, KEEP_STATES, ON_INSERT, ON_UPDATE):
        op.execute(statement)


def _gates() -> None:
    op.create_table(
        "gates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("target", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("path", sa.String(255)),
        sa.Column("op", sa.String(2)),
        sa.Column("value", sa.Double()),
        sa.Column("direction", sa.String(8)),
        sa.Column("tolerance", sa.Double()),
        sa.Column("paths", postgresql.ARRAY(sa.Text())),
        sa.Column("environment", sa.String(63)),
        sa.Column("seconds", sa.BigInteger()),
        sa.Column("count", sa.Integer()),
        sa.Column("role", sa.String(16)),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("updated_at", TIME, server_default=NOW, nullable=False),
        sa.Column("deleted_at", TIME),
        sa.Column("counter", sa.Integer(), server_default="1", nullable=False),
        *(sa.CheckConstraint(rule, name=op.f(f"ck_gates_{name}")) for name, rule in GATE_RULES.items()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gates")),
    )
    op.create_index("ix_gates_newest", "gates", ["created_at", "id"], postgresql_where=KEPT)
    op.create_index("ix_gates_target", "gates", ["target", sa.text("lower(model)")], postgresql_where=KEPT)
    op.create_table(
        "approvals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("target", sa.String(63), nullable=False),
        sa.Column("comment", sa.Text()),
        sa.Column("standing", sa.String(64), nullable=False),
        sa.Column("api_key_id", sa.Uuid(), nullable=False),
        sa.Column("approved_by", sa.String(255), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("withdrawn_at", TIME),
        sa.CheckConstraint(f"target ~ '{PLACE}'", name=op.f("ck_approvals_target")),
        sa.CheckConstraint("char_length(comment) <= 10000", name=op.f("ck_approvals_comment_length")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_approvals_version_id")),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"], name=op.f("fk_approvals_api_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    op.create_index(
        "uq_approvals_key",
        "approvals",
        ["version_id", "target", "api_key_id", "standing"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )


GATE_RULES = {
    "model": "model ~ '^[A-Za-z0-9*][A-Za-z0-9._*-]*(/[A-Za-z0-9*][A-Za-z0-9._*-]*)*$'",
    "target": f"target ~ '{PLACE}'",
    "kind": "kind IN ('metric', 'no_regression', 'metadata_present', 'released', 'soaked', 'approved')",
    "op": "op IN ('>=', '>', '<=', '<', '==')",
    "direction": "direction IN ('higher', 'lower')",
    "role": "role IN ('viewer', 'publisher', 'releaser', 'admin')",
    "value": "value > '-infinity' AND value < 'infinity'",
    "tolerance": "tolerance >= 0 AND tolerance < 'infinity'",
    "paths": "cardinality(paths) BETWEEN 1 AND 50",
    "environment": f"environment ~ '{PLACE}' AND environment NOT IN ('release', target)",
    "seconds": "seconds > 0",
    "count": "count BETWEEN 1 AND 20",
    "released": "kind <> 'released' OR target <> 'release'",
    "fields": "CASE kind WHEN 'metric' THEN num_nonnulls(path, op, value) = 3"
    " WHEN 'no_regression' THEN num_nonnulls(path, direction, tolerance) = 3"
    " WHEN 'metadata_present' THEN paths IS NOT NULL"
    " WHEN 'soaked' THEN num_nonnulls(environment, seconds) = 2"
    " WHEN 'approved' THEN num_nonnulls(count, role) = 2 ELSE true END"
    " AND num_nonnulls(path, op, value, direction, tolerance, paths, environment, seconds, count, role)"
    " = CASE kind WHEN 'metric' THEN 3 WHEN 'no_regression' THEN 3 WHEN 'metadata_present' THEN 1"
    " WHEN 'soaked' THEN 2 WHEN 'approved' THEN 2 ELSE 0 END",
}


def _check_status(listed: str) -> None:
    op.drop_constraint("ck_deployments_status", "deployments")
    op.create_check_constraint(op.f("ck_deployments_status"), "deployments", f"status IN ({listed})")


def _index_places(place: str) -> None:
    """The same indexes made anew, on the column or on the expression that it holds."""
    for name in ("uq_deployments_live", "ix_deployments_environment"):
        op.drop_index(name, table_name="deployments")
    column = sa.text(place)
    op.create_index("uq_deployments_live", "deployments", [column, "model_id"], unique=True, postgresql_where=LIVE)
    op.create_index("ix_deployments_environment", "deployments", [column, "deployed_at", "id"], postgresql_where=KEPT)


def _index(name: str, columns: list[object], condition: sa.TextClause, **options: object) -> None:
    op.create_index(f"ix_deployments_{name}", "deployments", columns, postgresql_where=condition, **options)
