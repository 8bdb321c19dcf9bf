"""Numbers and texts are found as they were sent: whole numbers beyond 2^53, numbers in lists, letters in any Unicode form"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# Keys may have dots in them: every beginning of the path that is a key is tried. The path of plain keys comes first.
FILL_EXACT = """
UPDATE metrics SET exact = coalesce((
    WITH RECURSIVE below (value, rest, splits) AS (
        SELECT versions.metadata, string_to_array(metrics.path, '.'), 0
        UNION ALL
        SELECT value -> array_to_string(rest[1:taken], '.'), rest[taken + 1:], splits + 1
        FROM below, generate_series(1, cardinality(rest)) AS taken
        WHERE jsonb_typeof(value) = 'object' AND value ? array_to_string(rest[1:taken], '.')
    ), numbers AS (
        SELECT CAST(value #>> '{}' AS numeric) AS number, splits FROM below
        WHERE rest = '{}' AND jsonb_typeof(value) = 'number'
    )
    SELECT number FROM numbers WHERE CAST(number AS double precision) = metrics.value ORDER BY splits DESC LIMIT 1
), CAST(CAST(metrics.value AS text) AS numeric))
FROM versions WHERE versions.id = metrics.version_id AND abs(metrics.value) >= 9007199254740992
"""


# What a text contains is looked for in its normal form, NFC.
GRAMS = """
CREATE OR REPLACE FUNCTION catapult_grams(name text, description text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT coalesce(array_agg(DISTINCT gram), '{{}}')
    FROM (
        SELECT letter, letter || lead(letter) OVER w AS pair,
            letter || lead(letter) OVER w || lead(letter, 2) OVER w AS trigram
        FROM string_to_table(lower({text}), NULL) WITH ORDINALITY AS letters (letter, at)
        WINDOW w AS (ORDER BY at)
    ) AS runs, LATERAL (VALUES (letter), (pair), (trigram)) AS grams (gram)
    WHERE gram IS NOT NULL
)
"""
AS_SENT = "concat_ws(' ', name, description)"

# Two views of one holder may have the same name in two forms.
RENAME_VIEWS = """
UPDATE saved_views SET name = left(name, 70) || ' (' || alike || ')'
FROM (
    SELECT id AS view, row_number() OVER (
        PARTITION BY coalesce(person_id, key_id), lower(normalize(name)) ORDER BY created_at, id
    ) AS alike FROM saved_views
) AS numbered WHERE view = id AND alike > 1
"""


# Numbers in lists, as `rules/metadata_limits.numbers` chooses them: the 64 at the lowest positions.
INDEX_LISTED = """
INSERT INTO metrics (version_id, model_id, path, value, exact)
SELECT id, model_id, path, CAST(number AS double precision), CASE WHEN abs(number) >= 9007199254740992 THEN number END
FROM versions, LATERAL (
    WITH RECURSIVE parts (path, value, highest) AS (
        SELECT key, value, CAST(NULL AS bigint) FROM jsonb_each(metadata)
        UNION ALL
        SELECT below.* FROM parts, LATERAL (
            SELECT parts.path || '.' || key, inner_value, parts.highest
            FROM jsonb_each(CASE WHEN jsonb_typeof(parts.value) = 'object' THEN parts.value ELSE '{}' END)
                AS pairs (key, inner_value)
            UNION ALL
            SELECT parts.path || '[' || at - 1 || ']', item, greatest(parts.highest, at - 1)
            FROM jsonb_array_elements(CASE WHEN jsonb_typeof(parts.value) = 'array' THEN parts.value ELSE '[]' END)
                WITH ORDINALITY AS items (item, at) WHERE at <= 64
        ) AS below
    )
    SELECT path, CAST(value #>> '{}' AS numeric) AS number FROM parts
    WHERE highest IS NOT NULL AND jsonb_typeof(value) = 'number' AND char_length(path) <= 255
    ORDER BY highest, path COLLATE "C" LIMIT 64
) AS listed
WHERE CAST(metadata AS text) LIKE '%[%'
ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    op.add_column("metrics", sa.Column("exact", sa.Numeric(), nullable=True))
    op.execute(FILL_EXACT)
    op.create_check_constraint(op.f("ck_metrics_exact"), "metrics", "(exact IS NULL) = (abs(value) < 9007199254740992)")
    op.execute(INDEX_LISTED)
    _notes(65536)
    _thresholds(sa.Numeric(), "numeric")
    _search(f"normalize({AS_SENT})")
    op.execute(RENAME_VIEWS)
    _view_names("lower(normalize(name))")


def downgrade() -> None:
    """Whole numbers from 2^53 on are rounded to floats, and release notes are cut at 10,000 characters."""
    _view_names("lower(name)")
    _search(AS_SENT)
    op.execute(
        "UPDATE versions SET release_notes = left(release_notes, 10000) WHERE char_length(release_notes) > 10000"
    )
    _notes(10000)
    op.execute(r"DELETE FROM metrics WHERE path ~ '\[[0-9]+\]'")
    _thresholds(sa.Double(), "double precision")
    op.drop_constraint(op.f("ck_metrics_exact"), "metrics", type_="check")
    op.drop_column("metrics", "exact")


def _notes(longest: int) -> None:
    name = op.f("ck_versions_release_notes_length")
    op.drop_constraint(name, "versions", type_="check")
    op.create_check_constraint(name, "versions", f"char_length(release_notes) <= {longest}")


def _search(searched: str) -> None:
    """Change the text that searches look in. Names have one form only, so their own index stays."""
    op.execute(GRAMS.format(text=searched))
    op.execute("REINDEX INDEX ix_models_search")


def _view_names(compared: str) -> None:
    op.drop_index("uq_saved_views_name", table_name="saved_views")
    columns = [sa.literal_column("coalesce(person_id, key_id)"), sa.literal_column(compared)]
    op.create_index("uq_saved_views_name", "saved_views", columns, unique=True)


def _thresholds(of_gates: sa.types.TypeEngine[float], name: str) -> None:
    """Change the type of the numbers of gates. Their constraints compare with constants of that type."""
    checks = {
        "value": "value > '-infinity' AND value < 'infinity'",
        "tolerance": "tolerance >= 0 AND tolerance < 'infinity'",
    }
    for column, check in checks.items():
        op.drop_constraint(op.f(f"ck_gates_{column}"), "gates", type_="check")
        using = f"CAST(CAST({column} AS text) AS {name})"
        op.alter_column("gates", column, type_=of_gates, postgresql_using=using)
        op.create_check_constraint(op.f(f"ck_gates_{column}"), "gates", check)
