"""The text of model cards, beside their rows"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("artifacts", sa.Column("card", sa.Text(), nullable=True))
    op.create_check_constraint("card", "artifacts", "octet_length(card) <= 262144")


def downgrade() -> None:
    """What pages show of the cards is lost; the files stay."""
    op.drop_column("artifacts", "card")
