"""How far the sealed audit log was sent to a syslog collector"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_streams",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("next_seq", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("next_seq >= 0", name=op.f("ck_audit_streams_next_seq")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_audit_streams")),
        postgresql_with={"fillfactor": 50},
    )


def downgrade() -> None:
    """After another upgrade everything is sent again."""
    op.drop_table("audit_streams")
