"""What happened to files is found by their model"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

ENTRY_MODEL = """
CREATE OR REPLACE FUNCTION catapult_entry_model(resource_type text, details jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN resource_type IN ({kinds}) THEN details ->> 'model'
            WHEN resource_type = 'model' THEN details ->> 'name' END
"""
KINDS = "'version', 'deployment', 'approval', 'comment'"


def upgrade() -> None:
    _replace(f"{KINDS}, 'artifact'")


def downgrade() -> None:
    _replace(KINDS)


def _replace(kinds: str) -> None:
    op.execute(ENTRY_MODEL.format(kinds=kinds))
    op.execute("REINDEX INDEX ix_audit_logs_model")
