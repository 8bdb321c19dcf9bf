"""The figures of weeks that are over, so that the overview counts none of them twice"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "week_figures",
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("place", sa.String(63), nullable=False),
        sa.Column("deployments", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("lead_seconds", sa.Double(), nullable=True),
        sa.Column("restore_seconds", sa.Double(), nullable=True),
        sa.CheckConstraint("extract(isodow FROM week) = 1", name=op.f("ck_week_figures_week")),
        sa.CheckConstraint("failures BETWEEN 0 AND deployments", name=op.f("ck_week_figures_failures")),
        sa.PrimaryKeyConstraint("week", "place", name=op.f("pk_week_figures")),
    )


def downgrade() -> None:
    op.drop_table("week_figures")
