"""The rules that PostgreSQL itself holds, and that every filter and order of the lists has its index."""

import json
from itertools import combinations
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pytest
from filled import filled_database, read, run, scanned, wasted
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from catapult.extensions import db

# --- what is refused --------------------------------------------------------------------------------------------------

ROWS = {
    "models": "id name=org/other storage_path=x",
    "versions": "id model_id=@model version=9 tag=t digest=a:b platform=linux/amd64 status=active created_by=x",
    "deployments": "id release_id=@version model_id=@model environment=production status=success deployed_by=x",
    "environments": "id name=canary rank=9 created_by=x",
    "deployment_states": "deployment_id=@deployment status=running at=2026-11-23T10:00:00Z",
    "gates": "id model=* target=release kind=metadata_present paths={a} created_by=x",
    "approvals": "id version_id=@version target=release standing=x api_key_id=@key approved_by=x",
    "metrics": "version_id=@version model_id=@model path=a value=1",
    "api_keys": f"id name=n role=viewer prefix=cat_abcdefgh key_hash={'x' * 32} salt_mark=x created_by=x",
    "audit_logs": "id action=a.b resource_type=model",
    "idempotent_answers": "caller=@key key=k fingerprint=x status=201 headers={} body=x",
    "sessions": f"id token_hash={'x' * 32} api_key_id=@key",
    "sign_in_counts": "address=192.0.2.1 minute=2026-11-23T10:00:00Z attempts=1",
}
"""A valid row of each table. Values with @ are ids of the fixture `there`, and a bare `id` is a new one."""

NOWHERE = "00000000-0000-7000-8000-000000000000"
TOKEN_HASH = b"t" * 32
NOW, BEFORE = "2026-11-23T10:00:00Z", "2026-11-23T09:00:00Z"


@pytest.fixture
def there(api, sql):
    """The ids of a model, its live version and a key that somebody is signed in with."""
    model = api.model()
    version = api.version(model)
    deployment = api.deployment(version)
    key = api.make("/api/v1/api-keys", {"name": "n"})
    assert deployment["live"]
    sql(
        "INSERT INTO sessions (id, token_hash, api_key_id) VALUES (gen_random_uuid(), :token_hash, :key)",
        token_hash=TOKEN_HASH,
        key=key["id"],
    )
    ids = {"@model": model["id"], "@version": version["id"], "@deployment": deployment["id"]}
    return {**ids, "@key": key["id"], "@prefix": key["prefix"]}


@pytest.fixture
def refused(app):
    """Runs a statement that has to be refused; returns the SQLSTATE and the constraint's name."""

    def run(statement, **values):
        with app.app_context(), db.engine.connect() as connection:
            try:
                connection.execute(text(statement), values)
            except DBAPIError as error:
                return error.orig.pgcode, error.orig.diag.constraint_name
        return "taken", None

    return run


def insert(table, there, **changed):
    """The statement and the values of a valid row with these changes."""
    row = dict(column.partition("=")[::2] for column in ROWS[table].split()) | changed
    values = {name: there.get(value, value) if isinstance(value, str) else value for name, value in row.items()}
    if values.get("id") == "":
        values["id"] = str(uuid4())
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(f':{name}' for name in values)})", values


@pytest.mark.parametrize("table", ROWS)
def test_a_good_row_is_taken(refused, there, table):
    statement, values = insert(table, there)
    assert refused(statement, **values) == ("taken", None)


LENGTHS = [
    *(("models", "storage_path", 1_024), ("models", "repository", 1_024), ("models", "description", 10_000)),
    *(("versions", "release_notes", 10_000), ("versions", "ceph_path", 1_024)),
    *(("environments", "description", 10_000), ("approvals", "comment", 10_000)),
]
CHECKS = [
    *(("models", "name", {"name": value}) for value in ("a b", "/a", "a\n", "org/Versions")),
    ("models", "version_count", {"version_count": -1}),
    ("models", "metadata", {"metadata": "[]"}),
    ("models", "tags", {"tags": ["x"] * 51}),
    *((table, f"{column}_length", {column: "x" * (most + 1)}) for table, column, most in LENGTHS),
    *(("versions", "version", {"version": value}) for value in ("a/b", "..", "")),
    ("versions", "tag", {"tag": "-x"}),
    ("versions", "digest", {"digest": "none"}),
    ("versions", "size_bytes", {"size_bytes": -1}),
    ("versions", "metadata", {"metadata": "1"}),
    ("versions", "status", {"status": "gone"}),
    ("versions", "released", {"released_at": NOW}),
    ("versions", "released", {"released_by": "x"}),
    *(("deployments", "environment", {"environment": value}) for value in ("a b", "Release")),
    ("deployments", "status", {"status": "gone"}),
    ("deployments", "metadata", {"metadata": "null"}),
    ("deployments", "endpoint_url", {"endpoint_url": "javascript:alert(1)"}),
    ("deployments", "endpoint_url_length", {"endpoint_url": "https://" + "x" * 1024}),
    ("deployments", "log_url", {"log_url": "javascript:alert(1)"}),
    ("deployments", "log_url_length", {"log_url": "https://" + "x" * 1024}),
    ("deployments", "superseded", {"superseded_by": "@deployment"}),
    ("deployments", "rollback_of", {"status": "pending", "rollback_of": "@deployment"}),
    *(("environments", "name", {"name": value}) for value in ("Release", "a b")),
    ("environments", "rank", {"rank": -1}),
    ("environments", "frozen", {"frozen": True}),
    ("environments", "frozen", {"frozen": True, "frozen_reason": ""}),
    ("environments", "frozen", {"frozen_reason": "x"}),
    ("environments", "frozen_until", {"frozen_until": NOW}),
    ("environments", "frozen_reason_length", {"frozen": True, "frozen_reason": "x" * 1025}),
    ("deployment_states", "status", {"status": "done"}),
    ("gates", "model", {"model": "org/"}),
    ("gates", "target", {"target": "A"}),
    ("gates", "kind", {"kind": "other", "paths": None}),
    ("gates", "op", {"kind": "metric", "paths": None, "path": "a", "op": "!=", "value": 1}),
    ("gates", "value", {"kind": "metric", "paths": None, "path": "a", "op": ">", "value": float("inf")}),
    ("gates", "value", {"kind": "metric", "paths": None, "path": "a", "op": ">", "value": float("nan")}),
    ("gates", "direction", {"kind": "no_regression", "paths": None, "path": "a", "direction": "up", "tolerance": 0}),
    (
        "gates",
        "tolerance",
        {"kind": "no_regression", "paths": None, "path": "a", "direction": "lower", "tolerance": -1},
    ),
    ("gates", "paths", {"paths": "{}"}),
    ("gates", "environment", {"kind": "soaked", "paths": None, "environment": "release", "seconds": 1}),
    ("gates", "seconds", {"kind": "soaked", "paths": None, "environment": "staging", "seconds": 0}),
    ("gates", "count", {"kind": "approved", "paths": None, "count": 0, "role": "admin"}),
    ("gates", "role", {"kind": "approved", "paths": None, "count": 1, "role": "other"}),
    ("gates", "released", {"kind": "released", "paths": None}),
    ("gates", "fields", {"kind": "metric"}),
    ("gates", "fields", {"path": "a"}),
    ("gates", "fields", {"paths": None}),
    ("approvals", "target", {"target": "A"}),
    ("deployments", "live_from", {"status": "failed", "live_from": NOW}),
    ("deployments", "ended_at", {"live_from": NOW, "ended_at": BEFORE}),
    ("deployments", "ended", {"ended_at": NOW}),
    ("deployments", "deleted", {"live_from": NOW, "deleted_at": NOW}),
    ("api_keys", "name", {"name": ""}),
    ("api_keys", "role", {"role": "root"}),
    ("api_keys", "prefix", {"prefix": "cat_abc"}),
    ("api_keys", "key_hash", {"key_hash": b"short"}),
    ("audit_logs", "details", {"details": "[]"}),
    ("sessions", "token_hash", {"token_hash": b"short"}),
]


@pytest.mark.parametrize(("table", "rule", "changed"), CHECKS)
def test_a_row_that_breaks_a_rule_is_refused(refused, there, table, rule, changed):
    statement, values = insert(table, there, **changed)
    assert refused(statement, **values) == ("23514", f"ck_{table}_{rule}")


def test_every_check_there_is_is_tried_above(app):
    found = text("SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace")
    with app.app_context():
        assert set(db.session.scalars(found)) == {f"ck_{table}_{rule}" for table, rule, _ in CHECKS}


@pytest.mark.parametrize(
    ("table", "name", "changed"),
    [
        ("models", "uq_models_name", {"name": "ORG/Bert"}),
        ("models", "pk_models", {"id": "@model"}),
        ("versions", "uq_versions_model_id_version", {"version": "1.0.0"}),
        ("deployments", "uq_deployments_live", {"environment": "Production", "live_from": NOW}),
        ("api_keys", "uq_api_keys_prefix", {"prefix": "@prefix"}),
        ("sessions", "uq_sessions_token_hash", {"token_hash": TOKEN_HASH}),
    ],
)
def test_what_has_to_be_unique_is(refused, there, table, name, changed):
    statement, values = insert(table, there, **changed)
    assert refused(statement, **values) == ("23505", name)


@pytest.mark.parametrize(
    ("table", "changed"),
    [
        ("models", {"name": "org/bert", "deleted_at": NOW}),
        ("versions", {"version": "1.0.0", "deleted_at": NOW}),
        ("deployments", {"environment": "production", "live_from": BEFORE, "ended_at": NOW}),
        ("deployments", {"environment": "production"}),
    ],
)
def test_what_is_deleted_or_over_is_not_in_the_way(refused, there, table, changed):
    statement, values = insert(table, there, **changed)
    assert refused(statement, **values) == ("taken", None)


@pytest.mark.parametrize(
    ("table", "name", "changed"),
    [
        ("versions", "fk_versions_model_id", {"model_id": NOWHERE}),
        ("versions", "fk_versions_created_by_key", {"created_by_key": NOWHERE}),
        ("deployments", "fk_deployments_release_id", {"release_id": NOWHERE}),
        ("deployments", "fk_deployments_place", {"environment": "nowhere"}),
        ("deployments", "fk_deployments_rollback_of", {"rollback_of": NOWHERE}),
        ("deployment_states", "fk_deployment_states_deployment_id", {"deployment_id": NOWHERE}),
        ("approvals", "fk_approvals_version_id", {"version_id": NOWHERE}),
        ("approvals", "fk_approvals_api_key_id", {"api_key_id": NOWHERE}),
        ("metrics", "fk_metrics_version_id", {"version_id": NOWHERE}),
        ("audit_logs", "fk_audit_logs_api_key_id", {"api_key_id": NOWHERE}),
        ("idempotent_answers", "fk_idempotent_answers_caller", {"caller": NOWHERE}),
        ("sessions", "fk_sessions_api_key_id", {"api_key_id": NOWHERE}),
    ],
)
def test_what_is_referred_to_has_to_be_there(refused, there, table, name, changed):
    statement, values = insert(table, there, **changed)
    assert refused(statement, **values) == ("23503", name)


@pytest.mark.parametrize(
    ("table", "name"), [("deployments", "fk_deployments_release_id"), ("metrics", "fk_metrics_version_id")]
)
def test_nothing_names_one_model_and_a_version_of_another(api, refused, there, table, name):
    statement, values = insert(table, there, model_id=api.model("org/second")["id"])
    assert refused(statement, **values) == ("23503", name)


@pytest.mark.parametrize(
    ("table", "used"),
    [
        ("models", "SELECT model_id FROM versions"),
        ("versions", "SELECT release_id FROM deployments"),
        ("api_keys", "SELECT api_key_id FROM audit_logs"),
    ],
)
def test_history_is_in_the_way_of_a_delete(refused, there, table, used):
    assert refused(f"DELETE FROM {table} WHERE id IN ({used})")[0] == "23503"


def test_no_foreign_key_takes_history_with_it(app):
    found = text("SELECT conname, confdeltype, confupdtype FROM pg_constraint WHERE contype = 'f'")
    with app.app_context():
        keys = db.session.execute(found).all()
    assert len(keys) >= 6
    assert {tuple(row[1:]) for row in keys} == {("a", "a")}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_logs SET action = 'x'",
        "UPDATE audit_logs SET action = action WHERE false",
        "DELETE FROM audit_logs",
        "DELETE FROM audit_logs WHERE false",
        "TRUNCATE audit_logs",
        "SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE api_keys CASCADE",
        "INSERT INTO audit_logs (id, action, resource_type) SELECT id, 'x', 'x' FROM audit_logs"
        " ON CONFLICT (id) DO UPDATE SET action = 'x'",
    ],
)
def test_audit_entries_are_not_changed_by_a_superuser_either(app, there, refused, statement):
    with app.app_context():
        assert db.session.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
    assert refused(statement)[0] == "42501"


def test_a_time_holds_its_zone(app):
    found = text(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type = 'timestamp without time zone'"
    )
    with app.app_context():
        assert db.session.execute(found).all() == []


# --- what is found by an index ----------------------------------------------------------------------------------------

FILTERS = {
    "/api/v1/models": {"search": "number 4711", "name": "ORG7/model-27", "tag": "tag-27"},
    "/api/v1/versions": {
        "model_name": "ORG18/model-18",
        "model_id": "{model}",
        "version": "1.3.0",
        "tag": "v1.7",
        "digest": "sha256:6f4922f45568161a8cdf4ad2299f6d23",
        "is_release": "true",
        "status": "archived",
        "environment": "Production",
        "created_after": "{lately}",
        "created_before": "{long_ago}",
    },
    "/api/v1/deployments": {
        "environment": "Staging",
        "release_id": "{version}",
        "model_name": "ORG18/model-18",
        "status": "failed",
        "live": "true",
    },
    "/api/v1/audit-logs": {
        "action": "version.create",
        "resource_type": "version",
        "resource_id": "{version}",
        "api_key_name": "key-7",
        "since": "{lately}",
        "until": "{long_ago}",
    },
    "/api/v1/api-keys": {},
}
FILTERS["/api/v1/models/{model}/versions"] = {
    name: value for name, value in FILTERS["/api/v1/versions"].items() if not name.startswith("model_")
}
FILTERS["/api/v1/versions/{version}/deployments"] = {}
OTHERS = [
    ("/api/v1/versions", {"is_release": "false"}),
    ("/api/v1/versions", {"status": "active"}),
    ("/api/v1/versions", {"model_name": "no/such"}),
    ("/api/v1/versions", {"environment": "nowhere"}),
    ("/api/v1/deployments", {"live": "false"}),
    ("/api/v1/deployments", {"environment": "nowhere"}),
    ("/api/v1/models", {"tag": "all"}),
    ("/api/v1/models", {"search": "org7/model-2"}),
    ("/api/v1/models", {"search": "nothing of the kind"}),
    *(("/api/v1/models", {"search": search}) for search in ("q", "zq", "e", "se", "47", "sentiment")),
]


def asked():
    """Every list as it stands, by each of its filters, and by each two of them."""
    for path, filters in FILTERS.items():
        for size in (0, 1, 2):
            for names in combinations(filters, size):
                if not {"model_id", "model_name"} <= set(names):
                    yield path, {name: filters[name] for name in names}
    yield from OTHERS


@pytest.fixture(scope="module")
def filled(make_database):
    with filled_database(make_database()) as filled:
        yield filled


# A page is 100 rows and one: what is read beyond them and what they are joined with is work for nothing.
WASTED, READ = 1_000, 2_500


def check(filled, statement, parameters):
    plan = filled.plan(statement, parameters)
    said = json.dumps(plan, indent=1)[:6_000]
    assert not scanned(plan), f"{statement}\n{said}"
    assert wasted(plan) <= WASTED, f"{wasted(plan)} rows for nothing: {statement}\n{said}"
    assert read(plan) <= READ, f"{read(plan)} rows: {statement}\n{said}"


@pytest.mark.parametrize(("path", "query"), list(asked()))
def test_a_page_is_read_by_an_index_whatever_is_asked_for(filled, path, query):
    _, sent = filled.request("GET", path, query)
    assert [statement for statement, _ in sent if "ORDER BY" in statement]
    for statement, parameters in sent:
        check(filled, statement, parameters)


def test_a_search_reads_what_it_finds_and_no_more(filled):
    _, sent = filled.request("GET", "/api/v1/models", {"search": "sentiment of"})
    plan = filled.plan(*sent[-1])
    assert "ORDER BY" in sent[-1][0]
    assert (scanned(plan), wasted(plan)) == ([], 0)


@pytest.mark.parametrize(
    "query",
    [
        {"api_key_name": "key-1", "action": "version.create"},
        {"api_key_name": "key-1", "resource_type": "deployment"},
        {"action": "model.create", "resource_type": "version"},
    ],
)
def test_entries_that_meet_one_filter_and_not_the_other_are_not_read(filled, query):
    response, sent = filled.request("GET", "/api/v1/audit-logs", query)
    plan = filled.plan(*sent[-1])
    assert response.json == []
    assert (read(plan), scanned(plan)) == (0, [])
    assert [node["Index Name"] for node in plan if "Index Name" in node] != ["ix_audit_logs_newest"]


@pytest.fixture
def far_apart(filled):
    """Rows of one value lie far apart for the planner, as in a table that no memory holds."""
    change = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {} random_page_cost {}', current_database()); END $$"
    run(filled.url, change.format("SET", "= 100"))
    yield
    run(filled.url, change.format("RESET", ""))


def test_entries_of_a_key_that_is_used_no_more_are_found_without_all_that_are_newer(filled, far_apart):
    run(
        filled.url,
        "INSERT INTO audit_logs (id, action, resource_type, api_key_name, created_at) SELECT gen_random_uuid(), 'model.create',"
        " 'model', 'former', now() - make_interval(days => 9, secs => n) FROM generate_series(1, 5000) AS n",
        "ANALYZE audit_logs",
    )
    _, sent = filled.request("GET", "/api/v1/audit-logs", {"api_key_name": "former"})
    assert read(filled.plan(*sent[-1])) <= READ


@pytest.mark.parametrize("path", ["/api/v1/models", "/api/v1/versions", "/api/v1/deployments", "/api/v1/audit-logs"])
def test_a_page_by_cursor_costs_the_same_however_deep(filled, path):
    page, _ = filled.request("GET", path, {"limit": "1000"})
    for _ in range(2):
        following = dict(parse_qsl(urlsplit(page.headers["Link"].split(">", 1)[0]).query))
        page, sent = filled.request("GET", path, {**following, "limit": "100"})
        for statement, parameters in sent:
            check(filled, statement, parameters)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/models/{model}", {}),
        ("/api/v1/versions/{version}", {}),
        ("/api/v1/deployments/{deployment}", {}),
        ("/api/v1/info", {}),
        *(
            ("/api/v1/versions/latest", {"model_name": name, "order": order, **query})
            for order in ("created", "semver")
            for name, query in (
                ("ORG18/model-18", {}),
                ("ORG18/model-18", {"is_release": "false"}),
                ("ORG3/model-3", {"is_release": "true"}),
                ("ORG18/model-18", {"environment": "Canary"}),
                ("ORG18/model-18", {"environment": "canary", "is_release": "false"}),
            )
        ),
    ],
)
def test_one_thing_is_found_by_an_index(filled, path, query):
    _, sent = filled.request("GET", path, query)
    for statement, parameters in sent:
        plan = filled.plan(statement, parameters)
        assert not scanned(plan) or path == "/api/v1/info", statement
        assert wasted(plan) <= 10, f"{statement}\n{json.dumps(plan, indent=1)[:6_000]}"
        # However many versions are live there, one of them is the model's.
        assert read(plan) <= 10 or path == "/api/v1/info", f"{statement}\n{json.dumps(plan, indent=1)[:6_000]}"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/models", {"name": "org/new", "storage_path": "x"}),
        ("POST", "/api/v1/versions", {"model_name": "org18/model-18", "version": "9.9.9", "tag": "t", "digest": "a:b"}),
        ("POST", "/api/v1/deployments", {"release_id": "{version}", "environment": "production"}),
        ("POST", "/api/v1/versions/{version}/promote", {}),
        ("PUT", "/api/v1/versions/{other}", {"status": "archived", "metadata": {"accuracy": 1}}),
        ("DELETE", "/api/v1/versions/{other}", None),
        ("DELETE", "/api/v1/models/{empty}", None),
    ],
)
def test_a_change_finds_its_rows_by_an_index(filled, method, path, body):
    other = filled.request("GET", "/api/v1/versions", {"limit": "1", "offset": "9000"})[0].json[0]["id"]
    empty = filled.request("GET", "/api/v1/models", {"limit": "1", "offset": "4000"})[0].json[0]["id"]
    filled.values |= {"other": other, "empty": empty}
    if body:
        body = {
            name: value.format(**filled.values) if isinstance(value, str) else value for name, value in body.items()
        }
    _, sent = filled.request(method, path, body=body)
    assert len(sent) >= 2
    for statement, parameters in sent:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            assert not scanned(filled.plan(statement, parameters, analyze=False)), statement


@pytest.mark.parametrize("order", ["", "-metadata.accuracy", "version"])
def test_a_number_that_no_version_has_is_looked_for_in_each_model_and_not_in_each_version(filled, order):
    run(
        filled.url,
        "INSERT INTO metrics (version_id, model_id, path, value) SELECT id, model_id, 'epochs', 50 FROM versions"
        " ON CONFLICT DO NOTHING",
        "VACUUM ANALYZE metrics",
    )
    query = {"filter": "metadata.accuracy > 2", **({"sort": order} if order else {})}
    response, sent = filled.request("GET", "/api/v1/versions", query)
    plan = filled.plan(*sent[-1])
    assert response.json == []
    assert read([node for node in plan if node.get("Relation Name") != "models"]) == 0
