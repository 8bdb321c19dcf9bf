"""Versions are numbered, and may have a source instead of an image; models are renamed, and their names have spaces"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

NUMBERS = """
UPDATE versions SET number = numbered.number FROM (
    SELECT id, row_number() OVER (PARTITION BY model_id ORDER BY created_at, id) AS number FROM versions
) AS numbered WHERE numbered.id = versions.id
"""
VISIBLE = r"[^\u0001-\u0020\u007f-\u00a0\u00ad\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]"
NO_IMAGE = "UPDATE versions SET tag = 'source', digest = 'source:' || md5(source) WHERE digest IS NULL"
SEGMENT, PART = "[A-Za-z0-9][A-Za-z0-9._-]*", "[A-Za-z0-9*][A-Za-z0-9._*-]*"
SPACED, SPACED_PART = f"{SEGMENT}(?: [A-Za-z0-9._-]+)*", f"{PART}( [A-Za-z0-9._*-]+)*"
NAME = "name ~ '^{0}(/{0})*$' AND NOT (string_to_array(lower(name), '/') && ARRAY['versions', 'compare'])"
PATTERN = "model ~ '^{0}(/{0})*$'"
HOLD_NAMES = """
CREATE FUNCTION catapult_hold_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.deleted_at IS NOT NULL THEN
        DELETE FROM model_names WHERE model_id = NEW.id;
    ELSE
        INSERT INTO model_names (name, model_id) SELECT lower(held), NEW.id FROM unnest(NEW.former_names || NEW.name) AS held
            EXCEPT SELECT name, model_id FROM model_names WHERE model_id = NEW.id;
    END IF;
    RETURN NULL;
END
$$
"""
TRIGGER = """
CREATE TRIGGER models_hold_names AFTER INSERT OR UPDATE OF name, former_names, deleted_at ON models
FOR EACH ROW EXECUTE FUNCTION catapult_hold_names()
"""
HELD = "INSERT INTO model_names (name, model_id) SELECT lower(name), id FROM models WHERE deleted_at IS NULL"
LAST = "UPDATE models SET last_number = (SELECT count(*) FROM versions WHERE model_id = models.id)"


def upgrade() -> None:
    op.add_column("models", sa.Column("last_number", sa.Integer(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_models_last_number"), "models", "last_number >= 0")
    op.add_column("versions", sa.Column("number", sa.Integer(), nullable=True))
    op.execute(NUMBERS)
    op.execute(LAST)
    op.alter_column("versions", "number", nullable=False)
    op.create_check_constraint(op.f("ck_versions_number"), "versions", "number >= 1")
    op.create_unique_constraint(op.f("uq_versions_model_id_number"), "versions", ["model_id", "number"])

    op.add_column("versions", sa.Column("source", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("ck_versions_source"), "versions", f"source ~ '^{VISIBLE}+( +{VISIBLE}+)*$'")
    op.create_check_constraint(op.f("ck_versions_source_length"), "versions", "char_length(source) <= 2000")
    op.alter_column("versions", "tag", nullable=True)
    op.alter_column("versions", "digest", nullable=True)
    op.create_check_constraint(op.f("ck_versions_image"), "versions", "(tag IS NULL) = (digest IS NULL)")
    op.create_check_constraint(op.f("ck_versions_content"), "versions", "digest IS NOT NULL OR source IS NOT NULL")

    op.create_table(
        "model_names",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("name = lower(name)", name=op.f("ck_model_names_name")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_model_names_model_id")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_model_names")),
    )
    op.create_index("ix_model_names_model", "model_names", ["model_id"])
    names = postgresql.ARRAY(sa.Text())
    op.add_column("models", sa.Column("former_names", names, server_default="{}", nullable=False))
    op.execute(HELD)
    op.execute(HOLD_NAMES)
    op.execute(TRIGGER)
    _check_names(SPACED, SPACED_PART)


def downgrade() -> None:
    """Numbers, sources and former names are lost. A version without an image gets a digest that no image registry accepts.

    Deleted versions count for the numbers of the next upgrade, so that they are the same again. Names with spaces stay in the
    rows that there are; no new row has one.
    """
    _check_names(SEGMENT, PART, postgresql_not_valid=True)
    op.execute("DROP TRIGGER models_hold_names ON models")
    op.execute("DROP FUNCTION catapult_hold_names()")
    op.drop_column("models", "former_names")
    op.drop_table("model_names")
    op.drop_constraint(op.f("ck_versions_content"), "versions")
    op.drop_constraint(op.f("ck_versions_image"), "versions")
    op.execute(NO_IMAGE)
    op.alter_column("versions", "digest", nullable=False)
    op.alter_column("versions", "tag", nullable=False)
    op.drop_column("versions", "source")
    op.drop_column("versions", "number")
    op.drop_column("models", "last_number")


def _check_names(segment: str, part: str, **options: bool) -> None:
    """Replace the constraints of models' names, and of the patterns of gates and trusted keys."""
    pattern = PATTERN.format(part)
    for table, column, rule in (
        ("models", "name", NAME.format(segment)),
        ("gates", "model", pattern),
        ("trusted_keys", "model", pattern),
    ):
        constraint = op.f(f"ck_{table}_{column}")
        op.drop_constraint(constraint, table, type_="check")
        op.create_check_constraint(constraint, table, rule, **options)
