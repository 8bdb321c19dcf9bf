"""Versions are found by when they last changed and by their run of MLflow"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

NOT_DELETED = sa.text("deleted_at IS NULL")
OF_RUN = sa.text("deleted_at IS NULL AND ((metadata -> 'mlflow') ->> 'run_id') IS NOT NULL")
RUN_ID = sa.text("((metadata -> 'mlflow') ->> 'run_id')")


def upgrade() -> None:
    op.create_index("ix_versions_updated", "versions", ["updated_at", "id"], postgresql_where=NOT_DELETED)
    columns = ["model_id", "updated_at", "id"]
    op.create_index("ix_versions_model_updated", "versions", columns, postgresql_where=NOT_DELETED)
    op.create_index("ix_versions_run", "versions", [RUN_ID], postgresql_where=OF_RUN)


def downgrade() -> None:
    for name in ("run", "model_updated", "updated"):
        op.drop_index(f"ix_versions_{name}", "versions")
