"""Views that people save: a name for an address of the pages"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TIME, NOW = sa.DateTime(timezone=True), sa.text("statement_timestamp()")


def upgrade() -> None:
    op.create_table(
        "saved_views",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.CheckConstraint("num_nonnulls(person_id, key_id) = 1", name=op.f("ck_saved_views_holder")),
        sa.CheckConstraint("char_length(name) >= 1", name=op.f("ck_saved_views_name")),
        sa.CheckConstraint(
            r"address ~ '^/(models|versions|deployments|audit)(/[0-9A-Za-z_][!$-.0->@-\[\]-~]*)*(\?[!$-\[\]-~]*)?$'",
            name=op.f("ck_saved_views_address"),
        ),
        sa.CheckConstraint("char_length(address) <= 3000", name=op.f("ck_saved_views_address_length")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_saved_views_person_id")),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_saved_views_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
    )
    op.create_index(
        "uq_saved_views_name",
        "saved_views",
        [sa.literal_column("coalesce(person_id, key_id)"), sa.literal_column("lower(name)")],
        unique=True,
    )


def downgrade() -> None:
    """All saved views are lost; the audit log keeps their entries."""
    op.drop_table("saved_views")
