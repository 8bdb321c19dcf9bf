"""Aliases of versions, which are targets of gates, approvals and decisions"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
ALIAS = "(?!(?:[Ll][Aa][Tt][Ee][Ss][Tt]|[Vv][0-9]+)$)[A-Za-z0-9_-]+"
PLACE = (
    "target ~ '^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$'"
    " AND NOT (string_to_array(lower(target), '/'))[2:] && ARRAY['live', 'rollback', 'retire']"
)
IN_LOWER_CASE = "target = lower(target)"
KINDS = "'promote', 'demote', 'deploy', 'rollback', 'retire'"


def upgrade() -> None:
    op.create_table(
        "aliases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(62), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("until", TIME, nullable=True),
        sa.Column("set_by", sa.String(255), nullable=False),
        sa.Column("set_by_key", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decision_id", sa.Uuid(), nullable=True),
        sa.Column("override", sa.Boolean(), server_default="false", nullable=False),
        sa.CheckConstraint(f"name ~ '^{ALIAS}$'", name=op.f("ck_aliases_name")),
        sa.CheckConstraint("until >= since", name=op.f("ck_aliases_until")),
        sa.CheckConstraint("decision_id IS NOT NULL OR NOT override", name=op.f("ck_aliases_override")),
        sa.CheckConstraint("char_length(reason) <= 10000", name=op.f("ck_aliases_reason_length")),
        sa.ForeignKeyConstraint(
            ["version_id", "model_id"], ["versions.id", "versions.model_id"], name="fk_aliases_version_id"
        ),
        sa.ForeignKeyConstraint(["set_by_key"], ["api_keys.id"], name=op.f("fk_aliases_set_by_key")),
        sa.ForeignKeyConstraint(
            ["decision_id"],
            ["decisions.id"],
            name=op.f("fk_aliases_decision_id"),
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_aliases")),
    )
    name, current = sa.text("lower(name)"), sa.text("until IS NULL")
    op.create_index("uq_aliases_name", "aliases", ["model_id", name], unique=True, postgresql_where=current)
    op.create_index("ix_aliases_version", "aliases", ["version_id"], postgresql_where=current)
    op.create_index("ix_aliases_history", "aliases", ["model_id", name, "since"])
    _check(f"({PLACE} OR target ~ '^@{ALIAS}$') AND {IN_LOWER_CASE}", f"{KINDS}, 'move', 'remove'")


def downgrade() -> None:
    """All aliases are lost; the audit log keeps their entries, and decisions, gates and approvals about them stay as they are."""
    _check(f"{PLACE} AND {IN_LOWER_CASE}", KINDS, postgresql_not_valid=True)
    op.drop_table("aliases")


def _check(target: str, kinds: str, **options: bool) -> None:
    """Replace the constraints of targets, and of the kinds of decisions."""
    columns = {(table, "target"): target for table in ("gates", "decisions", "approvals")}
    for (table, column), rule in {**columns, ("decisions", "kind"): f"kind IN ({kinds})"}.items():
        constraint = op.f(f"ck_{table}_{column}")
        op.drop_constraint(constraint, table, type_="check")
        op.create_check_constraint(constraint, table, rule, **options)
