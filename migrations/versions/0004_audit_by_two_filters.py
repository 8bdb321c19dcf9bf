"""The audit log by two filters: its indexes by key and by action hold what else may be asked for"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = ["created_at", "id"]
AFTER = {"action": ["resource_type"], "api_key_name": ["action", "resource_type"]}


def upgrade() -> None:
    for column, others in AFTER.items():
        _index(column, others)


def downgrade() -> None:
    for column in AFTER:
        _index(column, [])


def _index(column: str, others: list[str]) -> None:
    op.drop_index(f"ix_audit_logs_{column}", table_name="audit_logs")
    op.create_index(f"ix_audit_logs_{column}", "audit_logs", [column, *TIME, *others])
