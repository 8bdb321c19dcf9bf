"""How often each gate refused"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gate_refusals",
        sa.Column("gate_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("refusals", sa.Integer(), nullable=False),
        sa.CheckConstraint("refusals > 0", name=op.f("ck_gate_refusals_refusals")),
        sa.ForeignKeyConstraint(["gate_id"], ["gates.id"], name=op.f("fk_gate_refusals_gate_id")),
        sa.PrimaryKeyConstraint("gate_id", "day", name=op.f("pk_gate_refusals")),
    )


def downgrade() -> None:
    """How often each gate refused is lost; refusals are counted anew from there on."""
    op.drop_table("gate_refusals")
