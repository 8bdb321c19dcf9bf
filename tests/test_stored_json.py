"""`metadata.as_stored` against PostgreSQL itself."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from catapult.extensions import db
from catapult.rules.json_text import as_stored

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
)
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5))


@settings(
    max_examples=200, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=VALUES)
def test_json_is_written_to_the_letter_as_postgresql_gives_it_back(app, value):
    with app.app_context():
        stored = db.session.scalar(text("SELECT CAST(CAST(:sent AS jsonb) AS text)"), {"sent": json.dumps(value)})
    assert as_stored(value) == stored


def test_a_number_with_an_exponent_reads_the_same_after_post_and_get(api):
    model = api.model(metadata={"long": 1e308, "small": 1e-7, "zero": -0.0, "b": 1, "aa": [1.50, {"z": 1, "y": 2}]})
    read = api.get(f"/api/v1/models/{model['id']}")
    assert read.json == model
    assert (
        api.put(f"/api/v1/models/{model['id']}", {"metadata": model["metadata"]}).headers["ETag"]
        == read.headers["ETag"]
    )
