"""The rules that PostgreSQL itself holds, and that every filter and order of the lists has its index."""

import json
from datetime import datetime
from itertools import combinations
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pytest
from filled import filled_database, read, run, scanned, wasted
from sqlalchemy import Uuid, text
from sqlalchemy.exc import DBAPIError
from stage import NOWHERE

from catapult.extensions import Row, db

# --- what is refused --------------------------------------------------------------------------------------------------

ROWS = {
    "models": "id name=org/other storage_path=x",
    "model_names": "name=x model_id=@model",
    "versions": "id model_id=@model version=9 number=9 tag=t digest=a:b platform=linux/amd64 status=active created_by=x",
    "deployments": "id release_id=@version model_id=@model environment=production status=success deployed_by=x",
    "environments": "id name=canary rank=9 created_by=x",
    "gate_refusals": "gate_id=@gate day=2026-11-23 refusals=1",
    "week_figures": "week=2026-11-23 place=production deployments=2 failures=1",
    "deployment_states": "deployment_id=@deployment status=running at=2026-11-23T10:00:00Z",
    "gates": "id model=* target=release kind=metadata_present paths={a} created_by=x",
    "decisions": "id kind=deploy at=2026-11-23T10:00:00Z by=x version_id=@version model_id=@model model_name=org/bert"
    " version=1.0.0 target=production content={} override=false override_by_registrant=false verdicts=[] approvals=[]",
    "aliases": "id model_id=@model name=champion version_id=@version since=2026-11-23T10:00:00Z set_by=x",
    "approvals": "id version_id=@version target=release gates_hash=x content_hash=x api_key_id=@key approved_by=x",
    "comments": "id version_id=@version text=x api_key_id=@key created_by=x",
    "saved_views": "id key_id=@key name=n address=/models",
    "blobs": f"sha256={'x' * 32} size_bytes=1",
    "artifacts": f"id version_id=@version path=a/b media_type=text/plain size_bytes=1 sha256={'y' * 32} created_by=x",
    "uploads": "id version_id=@version path=a/b media_type=text/plain size_bytes=1 voice=@key expires_at=2026-11-24",
    "file_signatures": "artifact_id=@artifact bundle={}",
    "trusted_keys": f"id name=n public_key=-----BEGIN|PUBLIC|KEY----- fingerprint={'a' * 64} model=nlp/* created_by=x",
    "registries": "id host=registry.corp:5000 repositories={team/*} ca=corp-ca username=puller secret=corp.pw created_by=x",
    "image_checks": "version_id=@version repository=docker.io/org/bert digest_status=verified tag_status=moved detail=x"
    " tag_digest=sha256:b checked_at=2026-11-23T10:00:00Z verified_at=2026-11-23T10:00:00Z image={}",
    "people": "id name=n role=viewer created_by=x",
    "metrics": "version_id=@version model_id=@model path=a value=1",
    "api_keys": f"id name=n role=viewer prefix=cat_abcdefgh key_hash={'x' * 32} salt_mark=x created_by=x",
    "audit_logs": "id action=a.b resource_type=model",
    "unsealed_entries": f"entry_id={NOWHERE}",
    "sealed_entries": f"seq=9 entry_id={NOWHERE} leaf={'x' * 32}",
    "audit_nodes": f"level=1 index=0 hash={'x' * 32}",
    "audit_keys": f"id public_key={'x' * 32}",
    "audit_checkpoints": f"size=9 root={'x' * 32} note=n key_id=@signer",
    "audit_streams": "name=other next_seq=9",
    "idempotent_answers": "caller=@key key=k fingerprint=x status=201 headers={} body=x",
    "sessions": f"id token_hash={'x' * 32} api_key_id=@key",
    "jobs": "id kind=deliver key=k",
    "events": "id type=version.promoted",
    "approval_requests": "version_id=@version target=release",
    "webhooks": "id url_sealed=x host=example.com url_end=/abc secret_sealed=x format=standard created_by=x",
    "deliveries": "id event_id=@event webhook_id=@webhook",
    "delivery_tries": "id delivery_id=@delivery milliseconds=3 status=200",
    "sign_in_counts": "address=192.0.2.1 minute=2026-11-23T10:00:00Z attempts=1",
}
"""A valid row of each table. Values with @ are ids of the fixture `there`, and a bare `id` is a new one."""

TOKEN_HASH = b"t" * 32
ENTRY = "019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f12"
NOW, BEFORE = "2026-11-23T10:00:00Z", "2026-11-23T09:00:00Z"


@pytest.fixture
def there(api, sql, once):
    """The ids of a model, its live version, and a key that somebody is signed in with and that approved the version.

    And that of the deployment's decision, and a person.
    """
    return once(one_of_each, api, sql)


def one_of_each(api, sql):
    model = api.model()
    version = api.version(model)
    deployment = api.deployment(version)
    gate = api.make("/api/v1/gates", {"model": "*", "target": "release", "kind": "metadata_present", "paths": ["x"]})
    key = api.make("/api/v1/api-keys", {"name": "n"})
    person = api.make("/api/v1/people", {"name": "Dana", "email": "dana@example.com"})
    assert deployment["live"]
    ids = {"@model": model["id"], "@version": version["id"], "@deployment": deployment["id"], "@key": key["id"]}
    ids |= {"@gate": gate["id"], "@artifact": str(uuid4())}
    given = {
        "sessions": {"token_hash": TOKEN_HASH},
        "approvals": {"gates_hash": "given"},
        "aliases": {"name": "taken"},
        "saved_views": {"name": "taken"},
        "blobs": {"sha256": b"y" * 32},
        "artifacts": {"path": "taken/a", "id": ids["@artifact"]},
        "trusted_keys": {"name": "taken"},
        "sealed_entries": {"seq": 8, "entry_id": ENTRY},
        "audit_keys": {"id": ENTRY, "public_key": TOKEN_HASH},
    }
    for table, noun in (("events", "event"), ("webhooks", "webhook"), ("deliveries", "delivery")):
        ids[f"@{noun}"] = str(uuid4())
        given[table] = {"id": ids[f"@{noun}"]}
    given["jobs"] = {"key": "open"}
    ids |= {"@entry": ENTRY, "@signer": ENTRY}
    for table, changed in given.items():
        statement, values = insert(table, ids, **changed)
        sql(statement, **values)
    return {**ids, "@decision": deployment["decision_id"], "@prefix": key["prefix"], "@person": person["id"]}


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
    row = dict(column.replace("|", " ").partition("=")[::2] for column in ROWS[table].split()) | changed
    values = {name: there.get(value, value) if isinstance(value, str) else value for name, value in row.items()}
    if values.get("id") == "":
        values["id"] = str(uuid4())
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(f':{name}' for name in values)})", values


TEXTS = {
    "models": {"storage_path": 1_024, "repository": 1_024, "description": 10_000},
    "versions": {"release_notes": 65_536, "ceph_path": 1_024, "source": 2_000},
    "environments": {"description": 10_000},
    "approvals": {"comment": 10_000},
    "aliases": {"reason": 10_000},
    "jobs": {"last_error": 1_024},
    "delivery_tries": {"answer": 1_024},
    "image_checks": {"repository": 1_024, "detail": 2_000},
}
"""The longest texts."""
BAD = {
    "models": {"name": "org/Versions", "version_count": -1, "last_number": -1, "metadata": "[]", "tags": ["x"] * 51}
    | {"register_tags": "-v*"},
    "model_names": {"name": "X"},
    "versions": {"version": "..", "tag": "-x", "digest": "none", "size_bytes": -1, "metadata": "1", "status": "gone"}
    | {"number": 0, "source": "a\u200bb", "tags": ["x"] * 51},
    "deployments": {"environment": "Release", "status": "gone", "metadata": "null"}
    | dict.fromkeys(("endpoint_url", "log_url"), "javascript:alert(1)"),
    "environments": {"name": "Release", "rank": -1, "frozen": True, "frozen_until": NOW, "deploy_within": 0},
    "deployment_states": {"status": "done"},
    "gates": {"model": "org/", "target": "A", "paths": "{}"},
    "approvals": {"target": "A"},
    "aliases": {"name": "V7", "until": BEFORE, "override": True},
    "decisions": {"kind": "approve", "target": "A"},
    "blobs": {"sha256": b"short", "size_bytes": -1},
    "artifacts": {
        "path": "a/../b",
        "size_bytes": -1,
        "facts": "[]",
        "card": "x" * 262_145,
        "sha256": b"short",
        "state": "lost",
        "hashed_bytes": -1,
    },
    "uploads": {"size_bytes": -1, "sha256": b"short", "writer": "@key"},
    "file_signatures": {"bundle": "x" * (4 * 1024 * 1024 + 1)},
    "trusted_keys": {"name": "", "public_key": "-----BEGIN CERTIFICATE-----", "fingerprint": "a" * 63, "model": "a/"},
    "registries": {"host": "Registry.corp", "repositories": "{}", "ca": "../ca", "secret": ".env"},
    "image_checks": {"digest_status": "malformed", "tag_status": "lost", "image": "[]", "signatures": "{}"},
    "people": {"name": "", "email": "x", "role": "root"},
    "api_keys": {"name": "", "role": "root", "prefix": "cat_abc", "key_hash": b"short"},
    "audit_logs": {"details": "[]"},
    "sealed_entries": {"leaf": b"short"},
    "audit_nodes": {"hash": b"short"},
    "audit_keys": {"public_key": b"short"},
    "audit_checkpoints": {"root": b"short"},
    "audit_streams": {"next_seq": -1},
    "sessions": {"token_hash": b"short"},
    "saved_views": {"name": "", "address": "/keys"},
    "jobs": {"state": "done", "attempts": -1},
    "events": {"data": "[]"},
    "webhooks": {"format": "xml"},
    "deliveries": {"state": "lost", "tries": -1},
}
"""For each rule with the name of its column, a value that it refuses."""


ELSEWHERE = [
    "//example.com/models",
    "https://example.com/models",
    "/models//x",
    "/models/../logout",
    "/models/%2e%2e/logout",
    "/models/org/bert/-/delete",
    "/models/x\\y",
    "/models#x",
    "/models x",
]


def gate(kind, **fields):
    return {"kind": kind, "paths": None, **fields}


METRIC = gate("metric", path="a", op=">", value=1)
NO_REGRESSION = gate("no_regression", path="a", direction="lower", tolerance=0)
SOAKED = gate("soaked", environment="staging", seconds=1)
APPROVED = gate("approved", count=1, role="admin")
DIGEST_VERIFIED = gate("digest_verified", max_age=60, tag=True)
CHECKS = [
    *(
        (table, f"{name}_length", {name: "x" * (most + 1)})
        for table, texts in TEXTS.items()
        for name, most in texts.items()
    ),
    *((table, name, {name: value}) for table, values in BAD.items() for name, value in values.items()),
    ("artifacts", "mount", {"mount_path": "a"}),
    ("artifacts", "mount_path_length", {"mount_path": "x" * 4097, "mount_changed": 1}),
    ("artifacts", "hashed", {"sha256": None}),
    ("metrics", "exact", {"exact": 1}),
    ("metrics", "exact", {"value": 2**53}),
    ("environments", "name", {"name": "review/Live"}),
    ("deployments", "environment", {"environment": "review/retire"}),
    ("gates", "target", {"target": "review/rollback"}),
    *(("gates", "target", {"target": target}) for target in ("@", "@Champion", "@v7", "@latest", "@a.b")),
    *(("aliases", "name", {"name": name}) for name in ("LATEST", "a.b", "a b", "")),
    ("gates", "environment", gate("soaked", environment="@champion", seconds=1)),
    ("versions", "image", {"digest": None, "source": "s3://a"}),
    ("versions", "content", {"tag": None, "digest": None}),
    ("versions", "released", {"released_at": NOW}),
    ("versions", "released", {"released_by": "x"}),
    ("versions", "decision", {"override": True}),
    ("versions", "decision", {"decision_id": "@decision"}),
    ("deployments", "endpoint_url_length", {"endpoint_url": "https://" + "x" * 1024}),
    ("deployments", "log_url_length", {"log_url": "https://" + "x" * 1024}),
    ("deployments", "superseded", {"superseded_by": "@deployment"}),
    ("deployments", "rollback_of", {"status": "pending", "rollback_of": "@deployment"}),
    ("deployments", "live_from", {"status": "failed", "live_from": NOW}),
    ("deployments", "ended_at", {"live_from": NOW, "ended_at": BEFORE}),
    ("deployments", "ended", {"ended_at": NOW}),
    ("deployments", "deleted", {"live_from": NOW, "deleted_at": NOW}),
    ("environments", "frozen", {"frozen": True, "frozen_reason": ""}),
    ("environments", "frozen", {"frozen_reason": "x"}),
    ("environments", "frozen_reason_length", {"frozen": True, "frozen_reason": "x" * 1025}),
    ("approvals", "voided", {"voided_at": NOW}),
    ("approvals", "voided", {"void_reason": "x"}),
    ("comments", "text", {"text": ""}),
    ("comments", "text", {"text": "x" * 2_001}),
    ("gate_refusals", "refusals", {"refusals": 0}),
    ("saved_views", "holder", {"key_id": None}),
    ("saved_views", "holder", {"person_id": "@person"}),
    *(("saved_views", "address", {"address": address}) for address in ELSEWHERE),
    ("saved_views", "address_length", {"address": "/models?" + "x" * 3_000}),
    ("trusted_keys", "public_key_length", {"public_key": "-----BEGIN PUBLIC KEY-----" + "x" * 4_096}),
    ("registries", "username", {"secret": None}),
    ("registries", "repositories", {"repositories": ["x"] * 51}),
    ("image_checks", "verified", {"verified_at": None}),
    ("gates", "max_age", DIGEST_VERIFIED | {"max_age": 0}),
    ("gates", "fields", DIGEST_VERIFIED | {"tag": None}),
    ("gates", "fields", gate("signed")),
    ("webhooks", "ended", {"ended_at": NOW}),
    ("webhooks", "ended_because_length", {"ended_at": NOW, "ended_because": "x" * 1_025}),
    ("webhooks", "old_secret", {"old_secret_until": NOW}),
    ("deliveries", "receiver", {"webhook_id": None}),
    ("deliveries", "receiver", {"person_id": "@person"}),
    ("delivery_tries", "outcome", {"error": "none"}),
    ("delivery_tries", "outcome", {"status": None}),
    ("delivery_tries", "error_length", {"status": None, "error": "x" * 1_025}),
    ("week_figures", "week", {"week": "2026-11-24"}),
    ("week_figures", "failures", {"failures": 3}),
    ("people", "email", {"email": "a@b@c"}),
    ("people", "email", {"email": "a b@c"}),
    ("gates", "kind", gate("other")),
    ("gates", "op", METRIC | {"op": "!="}),
    ("gates", "value", METRIC | {"value": float("inf")}),
    ("gates", "value", METRIC | {"value": float("nan")}),
    ("gates", "direction", NO_REGRESSION | {"direction": "up"}),
    ("gates", "tolerance", NO_REGRESSION | {"tolerance": -1}),
    ("gates", "environment", SOAKED | {"environment": "release"}),
    ("gates", "seconds", SOAKED | {"seconds": 0}),
    ("gates", "count", APPROVED | {"count": 0}),
    ("gates", "role", APPROVED | {"role": "other"}),
    ("gates", "released", gate("released")),
    ("gates", "fields", gate("metric")),
    ("gates", "fields", {"path": "a"}),
    ("gates", "fields", {"paths": None}),
    ("gates", "fields", {"kind": "files_signed"}),
    ("gates", "fields", {"kind": "files_intact"}),
]
UNIQUE = [
    ("models", "uq_models_name", {"name": "ORG/Bert"}),
    ("versions", "uq_versions_model_id_version", {"version": "1.0.0"}),
    ("versions", "uq_versions_model_id_number", {"number": 1}),
    ("deployments", "uq_deployments_live", {"environment": "Production", "live_from": NOW}),
    ("environments", "uq_environments_place", {"name": "PRODUCTION"}),
    ("approvals", "uq_approvals_key", {"gates_hash": "given"}),
    ("aliases", "uq_aliases_name", {"name": "Taken"}),
    ("api_keys", "uq_api_keys_prefix", {"prefix": "@prefix"}),
    ("saved_views", "uq_saved_views_name", {"name": "TAKEN"}),
    ("people", "uq_people_email", {"email": "DANA@example.com"}),
    ("jobs", "uq_jobs_key", {"key": "open"}),
    ("sessions", "uq_sessions_token_hash", {"token_hash": TOKEN_HASH}),
    ("trusted_keys", "uq_trusted_keys_name", {"name": "TAKEN"}),
    ("artifacts", "uq_artifacts_path", {"path": "Taken/A"}),
    ("sealed_entries", "uq_sealed_entries_entry_id", {"entry_id": "@entry"}),
    ("audit_keys", "uq_audit_keys_public_key", {"public_key": TOKEN_HASH}),
]


@pytest.mark.parametrize(
    ("table", "name", "state", "changed"),
    [
        *((table, f"ck_{table}_{rule}", "23514", changed) for table, rule, changed in CHECKS),
        *((table, name, "23505", changed) for table, name, changed in UNIQUE),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused(refused, there, table, name, state, changed):
    statement, values = insert(table, there, **changed)
    assert refused(statement, **values) == (state, name)


def test_every_rule_there_is_is_tried_above(app):
    checks = text("SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace")
    unique = text("SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexname LIKE 'uq_%'")
    with app.app_context():
        assert set(db.session.scalars(checks)) == {f"ck_{table}_{rule}" for table, rule, _ in CHECKS}
        # Foreign keys refer to uq_versions_id_model_id, which begins with the primary key.
        assert set(db.session.scalars(unique)) - {"uq_versions_id_model_id"} == {name for _, name, _ in UNIQUE}


@pytest.mark.parametrize(
    ("table", "changed"),
    [
        *((table, {}) for table in ROWS),
        ("models", {"name": "org/bert", "deleted_at": NOW}),
        ("versions", {"version": "1.0.0", "deleted_at": NOW}),
        ("versions", {"tag": None, "digest": None, "source": "C:\\ml runs\\ä/1"}),
        ("deployments", {"environment": "production", "live_from": BEFORE, "ended_at": NOW}),
        ("deployments", {"environment": "production"}),
        ("aliases", {"name": "taken", "until": NOW}),
        ("gates", {"target": "@champion-1_b"}),
    ],
)
def test_a_good_row_is_taken_and_what_is_deleted_or_over_is_not_in_its_way(refused, there, table, changed):
    statement, values = insert(table, there, **changed)
    assert refused(statement, **values) == ("taken", None)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *(("deployments", "release_id"), ("metrics", "version_id")),
        *(("decisions", "version_id"), ("aliases", "version_id")),
    ],
)
def test_nothing_names_one_model_and_a_version_of_another(api, refused, there, table, column):
    statement, values = insert(table, there, model_id=api.model("org/second")["id"])
    assert refused(statement, **values) == ("23503", f"fk_{table}_{column}")


def test_every_id_of_something_else_is_a_foreign_key_that_takes_no_history_with_it():
    """That the database has the keys of the code, test_migrations.py says."""
    tables = Row.metadata.sorted_tables
    ids = {column for table in tables for column in table.columns if isinstance(column.type, Uuid)}
    keys = [key for table in tables for key in table.foreign_keys]
    others = {str(column) for column in ids - {key.parent for key in keys} if column.name != "id"}
    # An entry that is removed leaves its seal behind, which proves that it was there. A voice is a person or a line of keys, and
    # a writer is a request.
    assert others == {
        *("audit_logs.resource_id", "sealed_entries.entry_id", "unsealed_entries.entry_id"),
        *("uploads.voice", "uploads.writer"),
    }
    assert "deployments.place" in {str(key.parent) for key in keys}
    assert {(key.ondelete, key.onupdate) for key in keys} == {(None, None)}


@pytest.mark.parametrize(
    ("table", "used"),
    [
        ("models", "SELECT model_id FROM versions"),
        ("versions", "SELECT release_id FROM deployments"),
        ("versions", "SELECT version_id FROM approvals"),
        ("environments", "SELECT id FROM environments WHERE place IN (SELECT place FROM deployments)"),
        ("api_keys", "SELECT api_key_id FROM audit_logs"),
    ],
)
def test_history_is_in_the_way_of_a_delete(refused, there, table, used):
    assert refused(f"DELETE FROM {table} WHERE id IN ({used})")[0] == "23503"


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
        "UPDATE sealed_entries SET seq = seq + 1",
        "DELETE FROM sealed_entries",
        "TRUNCATE sealed_entries",
        "DELETE FROM audit_nodes",
        "UPDATE audit_keys SET public_key = public_key",
    ],
)
def test_audit_entries_are_not_changed_by_a_superuser_either(app, there, refused, statement):
    with app.app_context():
        assert db.session.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
    assert refused(statement)[0] == "42501"


def test_a_time_holds_its_zone():
    times = [
        column.type
        for table in Row.metadata.sorted_tables
        for column in table.columns
        if column.type.python_type is datetime
    ]
    assert times
    assert all(time.timezone for time in times)


# --- what is found by an index ----------------------------------------------------------------------------------------

OF_VERSIONS = (
    "version=1.3.0&tag=v1.7&digest=sha256:6f4922f45568161a8cdf4ad2299f6d23&is_release=true&status=archived"
    "&environment=Production&created_after={lately}&created_before={long_ago}"
)
FILTERS = {
    "models": "search=number 4711&name=ORG7/model-27&tag=tag-27",
    "versions": f"model_name=ORG18/model-18&model_id={{model}}&tags=tag-27&{OF_VERSIONS}",
    "models/{model}/versions": OF_VERSIONS,
    "deployments": "environment=Staging&release_id={version}&model_name=ORG18/model-18&status=failed&live=true",
    "versions/{version}/deployments": "",
    "models/{model}/aliases": "at={lately}",
    "audit-logs": "action=version.create&resource_type=version&resource_id={version}&api_key_name=key-7"
    "&since={lately}&until={long_ago}",
    "api-keys": "",
}
OTHERS = {
    "versions": ("is_release=false", "status=active", "model_name=no/such", "environment=nowhere"),
    "deployments": ("live=false", "environment=nowhere"),
    "models": (
        *("tag=all", "search=org7/model-2", "search=nothing of the kind"),
        *(f"search={search}" for search in ("q", "zq", "e", "se", "47", "sentiment")),
    ),
}


def asked():
    """Every list as it is, by each of its filters, by each two of them, and by others."""
    for path, filters in FILTERS.items():
        for size in (0, 1, 2):
            for some in combinations(filters.split("&") if filters else (), size):
                if "model_id" not in str(some) or "model_name" not in str(some):
                    yield path, "&".join(some)
    yield from ((path, query) for path, queries in OTHERS.items() for query in queries)


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
    _, sent = filled.request("GET", f"/api/v1/{path}", dict(parse_qsl(query)))
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


OF_MODEL_18 = ("", "&is_release=false", "&environment=Canary", "&environment=canary&is_release=false")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        *((path, "") for path in ("models/{model}", "versions/{version}", "deployments/{deployment}", "info")),
        ("versions/latest", "model_name=ORG18/model-18&alias=Champion"),
        *(
            ("versions/latest", f"order={order}&model_name={which}")
            for order in ("created", "semver")
            for which in ("ORG3/model-3&is_release=true", *(f"ORG18/model-18{more}" for more in OF_MODEL_18))
        ),
    ],
)
def test_one_thing_is_found_by_an_index(filled, path, query):
    _, sent = filled.request("GET", f"/api/v1/{path}", dict(parse_qsl(query)))
    for statement, parameters in sent:
        plan = filled.plan(statement, parameters)
        assert wasted(plan) <= 10, f"{statement}\n{json.dumps(plan, indent=1)[:6_000]}"
        # However many versions are live there, one of them is the model's. `info` counts all.
        cheap = not scanned(plan) and read(plan) <= 10
        assert cheap or path == "info", f"{statement}\n{json.dumps(plan, indent=1)[:6_000]}"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/models", {"name": "org/new", "storage_path": "x"}),
        ("POST", "/api/v1/versions", {"model_name": "org18/model-18", "version": "9.9.9", "tag": "t", "digest": "a:b"}),
        ("POST", "/api/v1/deployments", {"release_id": "{version}", "environment": "production"}),
        ("POST", "/api/v1/versions/{version}/promote", {}),
        ("PUT", "/api/v1/versions/{other}", {"status": "archived", "metadata": {"accuracy": 1}, "reason": "typo"}),
        ("PUT", "/api/v1/models/{model}/aliases/champion", {"version_id": "{version}"}),
        ("DELETE", "/api/v1/models/{model}/aliases/champion", None),
        ("PUT", "/api/v1/models/{model}", {"storage_path": "elsewhere", "reason": "moved"}),
        ("POST", "/api/v1/environments/production/retire", {"model_name": "ORG18/model-18", "reason": "replaced"}),
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
        if statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE", "INSERT", "WITH")):
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
