"""Names of environments may have segments, as those of models have: `review/feature-x`"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

NAME = (
    "{0} ~ '^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$'"
    " AND NOT (string_to_array(lower({0}), '/'))[2:] && ARRAY['live', 'rollback', 'retire']"
)
TARGET = f"{NAME} AND {{0}} = lower({{0}})"
OLD_NAME, OLD_TARGET = "{0} ~ '^[A-Za-z0-9][A-Za-z0-9._-]{{0,62}}$'", "{0} ~ '^[a-z0-9][a-z0-9._-]{{0,62}}$'"


def upgrade() -> None:
    _check(NAME, TARGET)


def downgrade() -> None:
    """Names with segments stay in the rows that there are; no new row has one."""
    _check(OLD_NAME, OLD_TARGET, postgresql_not_valid=True)


def _check(name: str, target: str, **options: bool) -> None:
    """Replace the constraints of all columns that hold the name of an environment, or a target."""
    columns = {
        ("environments", "name"): f"{name} AND lower({{0}}) <> 'release'",
        ("deployments", "environment"): f"{name} AND lower({{0}}) <> 'release'",
        ("gates", "environment"): f"{target} AND {{0}} NOT IN ('release', target)",
        **{(table, "target"): target for table in ("gates", "decisions", "approvals")},
    }
    for (table, column), rule in columns.items():
        constraint = op.f(f"ck_{table}_{column}")
        op.drop_constraint(constraint, table, type_="check")
        op.create_check_constraint(constraint, table, rule.format(column), **options)
