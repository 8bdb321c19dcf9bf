"""Searches: filters, orders and page tokens."""

import pytest
from mlflow_door.conftest import Door, tags
from sqlalchemy import event

from catapult.extensions import db


@pytest.fixture
def filled(door: Door) -> Door:
    """Versions a1 a2 b1 c1, the models `org/a`, `org/B` and `c c`, and a prompt that no search shows unasked."""
    door.model("org/a", tags=tags(team="Risk"))
    door.model("org/B", tags=tags(**{"team": "risk", "a b": ""}))
    door.model("c c")
    door.model("p", tags=tags(**{"mlflow.prompt.is_prompt": "true"}))
    door.version("org/a", "s3://m/a1", run_id="r1", tags=tags(task="nlp"))
    door.version("org/a", "s3://m/a2", run_id="r2", tags=tags(task="NLP", **{"it's": "x'y"}))
    door.version("org/B", "s3://m/b_1", tags=tags(task="%"))
    door.version("c c", "s3://m/c1", tags=tags(**{"a.b": "1"}))
    door.version("p", "prompt", tags=tags(**{"mlflow.prompt.is_prompt": "true"}))
    return door


def versions(door, **search):
    answer = door.ok("GET", "model-versions/search", **search)
    return {
        f"{version['name'].rpartition('/')[2][0].lower()}{version['version']}" for version in answer["model_versions"]
    }


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ("", "a1 a2 b1 c1"),
        ("name = 'org/a'", "a1 a2"),
        ('name="org/a"', "a1 a2"),
        ("name = 'ORG/A'", ""),
        ("name != 'org/a'", "b1 c1"),
        ("name LIKE 'org/%'", "a1 a2 b1"),
        ("name like 'ORG/%'", ""),
        ("name ILIKE 'ORG/%'", "a1 a2 b1"),
        ("attribute.name = 'c c'", "c1"),
        ("name IN ('org/B', 'c c')", "b1 c1"),
        ("run_id = 'r1'", "a1"),
        ("run_id IN ('r1','r2')", "a1 a2"),
        ("run_id != 'r1'", "a2"),
        ("source_path = 's3://m/c1'", "c1"),
        ("source_path LIKE '%/a%'", "a1 a2"),
        ("version_number = 1", "a1 b1 c1"),
        ("version_number > 1 AND name = 'org/a'", "a2"),
        ("tags.task = 'nlp'", "a1"),
        ("tag.task ILIKE 'NLP'", "a1 a2"),
        ("tags.task != 'nlp'", "a2 b1"),
        ("tags.`task` LIKE 'n%' and version_number <= 1", "a1"),
        ("tags.`it's` = 'x''y'", "a2"),
        ("tags.\"a.b\" = '1'", "c1"),
        ("tags.a.b = '1'", "c1"),
        ("tags.none = ''", ""),
        ("tags.`mlflow.prompt.is_prompt` = 'true'", "p1"),
        ("tags.`mlflow.prompt.is_prompt` != 'true'", "a1 a2 b1 c1"),
    ],
)
def test_a_filter_finds_what_it_says(filled, filter, expected):
    assert versions(filled, filter=filter) == set(expected.split())
    answer = filled.ok("POST", "model-versions/search", filter=filter)
    assert len(answer["model_versions"]) == len(expected.split())


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ("", ["c c", "org/a", "org/B"]),
        ("name = 'org/a'", ["org/a"]),
        ("name LIKE 'org%' AND tags.team = 'risk'", ["org/B"]),
        ("tags.team ILIKE 'RISK'", ["org/a", "org/B"]),
        ("tags.`a b` = ''", ["org/B"]),
        ("name IN ('c c', 'org/B') AND name != 'c c'", ["org/B"]),
        ("tags.`mlflow.prompt.is_prompt` = 'true'", ["p"]),
    ],
)
def test_models_are_found_by_name_and_tags(filled, filter, expected):
    for method in ("GET", "POST"):
        rows = filled.ok(method, "registered-models/search", filter=filter)["registered_models"]
        assert [row["name"] for row in rows] == expected
    assert all(len(row["latest_versions"]) == 1 for row in rows)


@pytest.mark.parametrize(
    ("filter", "token"),
    [
        ("name ~ 'x'", "'~'"),
        ("name = x", "'x'"),
        ("name = 'a' OR name = 'b'", "'OR'"),
        ("status = 'READY'", "'status'"),
        ("name > 'a'", "'>'"),
        ("name =", "ends too early"),
        ("version_number LIKE 1", "'LIKE'"),
        ("version_number = 'a'", "'a'"),
        ("name = 1", "not with 1"),
        ("params.x = 'a'", "'params.x'"),
        ("name IS NULL", "'IS'"),
        ("tags.a = 'b", '"\'b"'),
        ("(name = 'a')", "'('"),
        ("name LIKE 'fr\\'", "ends in"),
        ("run_id ILIKE '%\\\\\\'", "ends in"),
        ("name = 0", "not with 0"),
        ("run_id IN ('', 0)", "not with 0"),
        ("tags.x != 0", "not with 0"),
        ("version_number = ''", "not with ''"),
        ("version_number IN (1, '')", "not with ''"),
        ("tags = 'x'", "'tags'"),
        ("attributes.tags LIKE 'x'", "'tags'"),
        ("tags. = 'x'", "'tags'"),
    ],
)
def test_any_other_filter_is_refused_by_its_token(door, filter, token):
    refused = door.refused("INVALID_PARAMETER_VALUE", "GET", "model-versions/search", filter=filter)
    assert token.strip('"') in refused


@pytest.mark.parametrize("order", ["status", "name UP", "tags.a", "name; DROP TABLE models", ""])
def test_any_other_order_is_refused(door, order):
    assert repr(order) in door.refused("INVALID_PARAMETER_VALUE", "GET", "model-versions/search", order_by=[order])


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([], ["c1", "B1", "a2", "a1"]),
        (["version_number DESC", "name"], ["a2", "c1", "a1", "B1"]),
        (["creation_timestamp ASC"], ["a1", "a2", "B1", "c1"]),
        (["last_updated_timestamp DESC"], ["c1", "B1", "a2", "a1"]),
        (["`name` DESC", "version_number asc"], None),
    ],
)
def test_pages_follow_the_order_and_neither_skip_nor_repeat(filled, order, expected):
    shown, token = [], ""
    while True:
        sent = {"max_results": 1, "order_by": order, **({"page_token": token} if token else {})}
        answer = filled.ok("GET", "model-versions/search", **sent)
        shown += [f"{row['name'].rpartition('/')[2][0]}{row['version']}" for row in answer["model_versions"]]
        token = answer.get("next_page_token")
        if not token:
            break
        wrong = {"max_results": 1, "page_token": token, "filter": "name = 'x'"}
        assert "page token" in filled.refused("INVALID_PARAMETER_VALUE", "GET", "model-versions/search", **wrong)
    assert sorted(shown) == ["B1", "a1", "a2", "c1"]
    if expected is None or "name" in order:
        assert shown[0] in ("a2", "a1", "B1")  # by the collation of the database
    else:
        assert shown == expected


@pytest.mark.parametrize("filter", ["name = 'm5'", "run_id = 'r5'", ""])
def test_a_search_walks_an_index(door, app, sql, filter):
    """Of 2,000 versions a page of two reads no more than its rows, by the plan of the statement that was sent."""
    door.model("m5")
    door.version("m5", run_id="r5")
    sql(
        """INSERT INTO versions (id, model_id, number, version, source, platform, status, created_by,
            metadata, created_at, updated_at)
        SELECT gen_random_uuid(), model_id, number + n, (number + n)::text, 's', platform, status, 'x', '{}', created_at,
            created_at - n * interval '1 s'
        FROM versions, generate_series(1, 2000) AS n"""
    )
    sql("ANALYZE versions")
    sent = []
    with app.app_context():
        engine = db.engine

    def listen(_, cursor, statement, values, *__):
        if "SELECT models.name, versions.id" in statement:
            text = cursor.mogrify(statement, values).decode()
            sent.append(text[text.index("SELECT models.name") :])

    event.listen(engine, "before_cursor_execute", listen)
    try:
        door.ok("GET", "model-versions/search", filter=filter, max_results=2)
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    with engine.connect() as connection:
        plan = "\n".join(row[0] for row in connection.exec_driver_sql("EXPLAIN " + sent[0].replace("%", "%%")))
    assert "Seq Scan on versions" not in plan, plan
    assert "ix_versions_run" in plan if "run" in filter else "_updated on versions" in plan, plan
    of_rows = plan.partition("SubPlan")[0]  # the aliases of a version are sorted there
    assert "run" in filter or "Sort" not in of_rows, plan
