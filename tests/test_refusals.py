"""What is refused stays a refusal, whatever else is wrong at that moment."""

from contextlib import ExitStack

import pytest
from psycopg2.extensions import parse_dsn
from sqlalchemy import text
from sqlalchemy.exc import InternalError
from stage import Api, application, make_keys, on_server, settings_for

from catapult.actions import api_keys, deployments, registered_models, versions
from catapult.audit import CLI
from catapult.errors import Conflict, Invalid
from catapult.extensions import THREADS, db
from catapult.rules import metadata_limits

LARGE = {str(number): number for number in range(metadata_limits.MAX_KEYS + 1)}


@pytest.fixture
def no_audit(sql):
    """PostgreSQL takes no entry: as on a full disk, or where the server has become a standby."""
    sql("ALTER TABLE audit_logs ADD CONSTRAINT full_disk CHECK (action NOT LIKE 'auth.%') NOT VALID")


def test_a_refusal_that_cannot_be_recorded_is_one_all_the_same(api, no_audit):
    assert api.by("viewer").post("/api/v1/models", {"name": "a/b", "storage_path": "x"}).status_code == 403
    assert api.by(None).get("/api/v1/models", headers={"X-API-Key": "cat_wrong"}).status_code == 401


def test_a_database_that_takes_no_changes_is_unavailable(cluster, make_database):
    url = make_database()
    with application(settings_for(url)) as app:
        api = Api(app, make_keys(app))
        on_server(cluster, f"ALTER DATABASE {parse_dsn(url)['dbname']} SET default_transaction_read_only = on")
        with app.app_context():
            db.engine.dispose()
        model = {"name": "a/b", "storage_path": "x"}
        answer = api.post("/api/v1/models", model)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert api.get("/api/v1/models").json == []
        on_server(cluster, f"ALTER DATABASE {parse_dsn(url)['dbname']} RESET default_transaction_read_only")
        assert api.post("/api/v1/models", model).status_code == 201  # though the pool has connections of before


def test_after_a_read_only_while_no_connection_of_before_is_used(cluster, make_database):
    url = make_database()
    with application(settings_for(url)) as app, app.app_context(), ExitStack() as held:
        on_server(cluster, f"ALTER DATABASE {parse_dsn(url)['dbname']} SET default_transaction_read_only = on")
        for connection in [held.enter_context(db.engine.connect()) for _ in range(THREADS)]:
            connection.execute(text("SELECT 1"))
        held.close()
        on_server(cluster, f"ALTER DATABASE {parse_dsn(url)['dbname']} RESET default_transaction_read_only")
        with pytest.raises(InternalError), db.engine.begin() as connection:
            connection.execute(text("DELETE FROM saved_views"))
        for connection in [held.enter_context(db.engine.connect()) for _ in range(THREADS)]:
            assert connection.execute(text("SHOW transaction_read_only")).scalar() == "off"


@pytest.mark.parametrize("host", ["xn--e1afmkfd.com", "bücher.example", "a b", "foo:bar", "-"])
def test_a_list_answers_whatever_the_host_header_says(api, host):
    api.model()
    answer = api.get("/api/v1/models?limit=1", headers={"Host": host})
    assert answer.status_code == 200
    assert answer.headers["Link"].isascii()


def test_the_limits_of_metadata_hold_for_every_door(app, api):
    version = api.version(api.model())
    with app.app_context():
        for refused in (
            lambda: registered_models.create(actor=CLI, name="a/b", storage_path="x", metadata=LARGE),
            lambda: registered_models.edit(version["model_id"], {"metadata_": LARGE}, actor=CLI),
            lambda: versions.edit(version["id"], {"metadata_": LARGE}, actor=CLI),
            lambda: versions.create(
                actor=CLI, model_name="org/bert", version="2", tag="t", digest="a:b", metadata=LARGE
            ),
            lambda: deployments.create(actor=CLI, release_id=version["id"], environment="e", metadata=LARGE),
        ):
            with pytest.raises(Invalid, match="too large"):
                refused()


@pytest.mark.parametrize("name", ["", "  ", "x" * 256, "two\nlines", "a\x1b[31m", "a\u2028b"])
def test_a_key_is_called_by_text_on_one_line(app, api, name):
    assert api.post("/api/v1/api-keys", {"name": name}).status_code == 422
    with app.app_context(), pytest.raises(Invalid):
        api_keys.create(actor=CLI, salt="s" * 32, name=name)


def test_an_admin_that_ends_sooner_does_not_take_the_last_ones_place(app, sql, keys):
    with app.app_context():
        sql("UPDATE api_keys SET expires_at = now() + interval '1 hour' WHERE role = 'admin'")
        lasting = api_keys.create(actor=CLI, salt="s" * 32, name="lasting", role="admin")
        with pytest.raises(Conflict, match="last admin"):
            api_keys.revoke(lasting.id, actor=CLI)


def test_a_first_admin_is_made_where_only_others_have_keys(app, sql):
    with app.app_context():
        assert api_keys.create_first_admin(actor=CLI, salt="s" * 32) is None
    sql("UPDATE api_keys SET revoked_at = now() WHERE role = 'admin'")
    with app.app_context():
        assert api_keys.create_first_admin(actor=CLI, salt="s" * 32).startswith("cat_")


def test_deleting_a_version_says_how_many_deployments_went_with_it(api, trail):
    model = api.model()
    old, new = api.version(model), api.version(model, "2.0.0")
    api.deployment(old)
    api.deployment(old, "staging", status="failed")
    api.deployment(new)
    assert api.delete(f"/api/v1/versions/{old['id']}").status_code == 204
    assert trail("version.delete")[0]["details"]["deployments"] == 2
