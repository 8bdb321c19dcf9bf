"""The worker's jobs, events, webhooks and their deliveries"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TIME, NOW = sa.DateTime(timezone=True), sa.text("statement_timestamp()")


def upgrade() -> None:
    _events()
    _jobs()
    _webhooks()
    _deliveries()
    _delivery_tries()
    _approval_requests()
    op.add_column("people", sa.Column("notices", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False))


def downgrade() -> None:
    """All webhooks, and what was sent to them, are lost; the audit log keeps their entries."""
    op.drop_column("people", "notices")
    for table in ("approval_requests", "delivery_tries", "deliveries", "webhooks", "jobs", "events"):
        op.drop_table(table)


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("data", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("dispatched_at", TIME, nullable=True),
        sa.CheckConstraint("jsonb_typeof(data) = 'object'", name=op.f("ck_events_data")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index("ix_events_created_at", "events", ["created_at"])
    op.create_index(
        "ix_events_waiting", "events", ["created_at", "id"], postgresql_where=sa.text("dispatched_at IS NULL")
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("payload", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("state", sa.String(16), server_default="open", nullable=False),
        sa.Column("run_at", TIME, server_default=NOW, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("leased_until", TIME, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_run_at", TIME, nullable=True),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.CheckConstraint("state IN ('open', 'failed')", name=op.f("ck_jobs_state")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_jobs_attempts")),
        sa.CheckConstraint("char_length(last_error) <= 1024", name=op.f("ck_jobs_last_error_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(
        "ix_jobs_due",
        "jobs",
        [sa.literal_column("coalesce(leased_until, run_at)")],
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index("uq_jobs_key", "jobs", ["kind", "key"], unique=True, postgresql_where=sa.text("state = 'open'"))


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("url_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("url_end", sa.String(4), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("old_secret_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("old_secret_until", TIME, nullable=True),
        sa.Column("format", sa.String(16), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("models", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("environments", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("failing_since", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("ended_because", sa.Text(), nullable=True),
        sa.Column("updated_at", TIME, server_default=NOW, nullable=False),
        sa.Column("deleted_at", TIME, nullable=True),
        sa.Column("counter", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "format IN ('standard', 'cdevents', 'slack', 'teams', 'email')", name=op.f("ck_webhooks_format")
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name=op.f("ck_webhooks_ended")),
        sa.CheckConstraint(
            "(old_secret_sealed IS NULL) = (old_secret_until IS NULL)", name=op.f("ck_webhooks_old_secret")
        ),
        sa.CheckConstraint("char_length(ended_because) <= 1024", name=op.f("ck_webhooks_ended_because_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index(
        "ix_webhooks_newest", "webhooks", ["created_at", "id"], postgresql_where=sa.text("deleted_at IS NULL")
    )


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("model", sa.String(255), nullable=True),
        sa.Column("state", sa.String(16), server_default="waiting", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_try_at", TIME, server_default=NOW, nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name=op.f("ck_deliveries_state")),
        sa.CheckConstraint("num_nonnulls(webhook_id, person_id) = 1", name=op.f("ck_deliveries_receiver")),
        sa.CheckConstraint("tries >= 0", name=op.f("ck_deliveries_tries")),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_deliveries_event_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_deliveries_person_id")),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name=op.f("fk_deliveries_webhook_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index("ix_deliveries_created_at", "deliveries", ["created_at"])
    op.create_index("ix_deliveries_event", "deliveries", ["event_id"])
    op.create_index(
        "ix_deliveries_waiting",
        "deliveries",
        [sa.literal_column("coalesce(webhook_id, person_id)"), "id", "next_try_at"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("ix_deliveries_webhook", "deliveries", ["webhook_id", "created_at", "id"])


def _delivery_tries() -> None:
    op.create_table(
        "delivery_tries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("at", TIME, server_default=NOW, nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("(status IS NULL) <> (error IS NULL)", name=op.f("ck_delivery_tries_outcome")),
        sa.CheckConstraint("char_length(answer) <= 1024", name=op.f("ck_delivery_tries_answer_length")),
        sa.CheckConstraint("char_length(error) <= 1024", name=op.f("ck_delivery_tries_error_length")),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_delivery_tries_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_tries")),
    )
    op.create_index("ix_delivery_tries_at", "delivery_tries", ["at"])
    op.create_index("ix_delivery_tries_delivery", "delivery_tries", ["delivery_id", "at"])


def _approval_requests() -> None:
    op.create_table(
        "approval_requests",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("target", sa.String(63), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_approval_requests_version_id")),
        sa.PrimaryKeyConstraint("version_id", "target", name=op.f("pk_approval_requests")),
    )
