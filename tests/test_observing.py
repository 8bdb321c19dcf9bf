"""Figures for Prometheus: who gets them, what is in them, and that they cost the same however much there is."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from sqlalchemy import exc
from stage import Api, environments

from catapult.queries import registry, registry_metrics
from catapult.web import metrics

METRICS_KEY = "a-key-for-metrics-alone"
PEERS = {"environ_base": {"REMOTE_ADDR": "10.0.0.7"}}


@pytest.fixture
def app(app):
    """With figures that begin at nothing, and are asked anew at each scrape."""
    kept = app.extensions[metrics.EXTENSION]
    app.extensions[metrics.EXTENSION] = metrics.Observer(kept.engine)
    yield app
    app.extensions[metrics.EXTENSION] = kept


@pytest.fixture
def scrape(api):
    """The figures: `{(name, (label, value), …): number}`."""

    def read():
        metrics.of(api.app).collector.until = 0.0
        answer = api.by(None).get("/metrics")
        assert answer.status_code == 200, answer.text
        assert answer.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
        return {(sample.name, *sorted(sample.labels.items())): sample.value for sample in samples}

    return read


@pytest.fixture
def with_key(app_with):
    return Api(app_with(metrics_key=METRICS_KEY), {}, None)


# --- who


def test_without_a_key_metrics_are_for_this_machine_alone(api):
    nobody = api.by(None)
    assert nobody.get("/metrics").status_code == 200
    for forwarded in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        answer = nobody.get("/metrics", headers={forwarded: "127.0.0.1"})
        assert (answer.status_code, answer.content_type) == (403, "application/problem+json")
    assert nobody.get("/metrics", **PEERS).status_code == 403
    assert api.get("/metrics", **PEERS).status_code == 403  # an admin's key is no key for this


@pytest.mark.parametrize("sent", ["", METRICS_KEY[:-1], METRICS_KEY + "x", "caf\u00e9"])
def test_with_a_key_nothing_else_opens(with_key, sent):
    for where in ({}, PEERS):
        answer = with_key.get("/metrics", headers={"Authorization": f"Bearer {sent}"}, **where)
        assert answer.status_code == 401
        assert METRICS_KEY not in answer.text
    assert with_key.get("/metrics").status_code == 401


def test_with_a_key_it_opens_from_anywhere(with_key):
    headers = {"Authorization": f"Bearer {METRICS_KEY}", "X-Forwarded-For": "203.0.113.9"}
    assert with_key.get("/metrics", headers=headers, **PEERS).status_code == 200


# --- requests


def test_requests_are_counted_by_template_method_and_status_and_no_label_holds_what_people_sent(api, scrape):
    model = api.model("org/counted")
    for path in (f"/api/v1/models/{model['id']}", f"/api/v1/models/{model['id'][:-4]}0000", "/nowhere/at-all"):
        api.get(path)
    api.client.open("/api/v1/models?search=secret-word", method="BREW", headers={"X-API-Key": "cat_secret-word"})
    found = scrape()
    one = "/api/v1/models/<uuid:model_id>"
    requests = {
        tuple(value for _, value in labels): number
        for (name, *labels), number in found.items()
        if name == "catapult_requests_total" and ("route", "/metrics") not in labels
    }
    assert requests == {
        ("POST", "/api/v1/models", "201"): 1,
        ("GET", one, "200"): 1,
        ("GET", one, "404"): 1,
        ("GET", "none", "404"): 1,
        ("other", "none", "405"): 1,
    }
    assert not [sent for sent in ("secret-word", model["id"]) if sent in str(found)]
    time_of = ("method", "GET"), ("route", one)
    assert found[("catapult_request_duration_seconds_count", *time_of)] == 2
    assert 0 < found[("catapult_request_duration_seconds_sum", *time_of)] < 10


# --- the registry


def test_what_the_registry_holds_is_told_by_environment_and_outcome(api, scrape, sql):
    empty = scrape()
    assert (empty[("catapult_models",)], empty[("catapult_releases",)]) == (0, 0)
    versions = [api.version(api.model(f"org/{name}"), is_release=name != "c") for name in "abc"]
    for version in versions[:2]:
        api.deployment(version, "Production")
    api.deployment(versions[2], "staging", status="failed")
    sql("UPDATE deployments SET live_from = live_from - interval '1 hour' WHERE release_id = :id", id=versions[0]["id"])
    soon, later = (datetime.now(UTC) + timedelta(days=days) for days in (13, 15))
    for end in (soon, soon, later, None):
        api.make("/api/v1/api-keys", {"name": "k", "expires_at": end.isoformat() if end else None})
    found = scrape()
    for name, number in {"models": 3, "versions": 3, "releases": 2, "deployments": 3, "keys_expiring": 2}.items():
        assert found[(f"catapult_{name}",)] == number
    for name in ("deployments_by_outcome", "deployments_last_hour"):
        by = {key[1:]: number for key, number in found.items() if key[0] == f"catapult_{name}"}
        assert by == {
            (("environment", "production"), ("status", "success")): 2,
            (("environment", "staging"), ("status", "failed")): 1,
        }
    production = ("environment", "production")
    assert found[("catapult_live_deployments", production)] == 2
    assert 0 <= found[("catapult_live_newest_age_seconds", production)] < 60
    assert 3600 <= found[("catapult_live_oldest_age_seconds", production)] < 3700
    assert ("catapult_live_deployments", ("environment", "staging")) not in found
    assert found[("catapult_database_up",)] == 1
    assert found[("catapult_database_connections_allowed",)] > 0


def test_the_registry_is_asked_in_few_statements_and_not_at_every_scrape(api, scrape, statements):
    with statements() as sent:
        scrape()
    assert len(sent) <= 7
    with statements() as again:
        assert api.by(None).get("/metrics").status_code == 200
    assert again == []


MANY = """
    INSERT INTO models (id, name, storage_path) VALUES ('00000000-0000-7000-8000-000000000001', 'org/many', 'x');
    INSERT INTO versions (id, model_id, version, number, tag, digest, platform, status, created_by, released_at, released_by)
    SELECT gen_random_uuid(), '00000000-0000-7000-8000-000000000001', n::text, n, 'v', 'sha256:a', 'p', 'active', 'x',
           CASE WHEN n % 2 = 0 THEN now() END, CASE WHEN n % 2 = 0 THEN 'x' END FROM generate_series(1, 60) AS n;
    INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by)
    SELECT gen_random_uuid(), id, model_id, CASE WHEN n % 4 = 0 THEN 'staging' ELSE 'production' END,
           CASE WHEN n % 10 = 0 THEN 'failed' ELSE 'pending' END, 'x'
    FROM versions, generate_series(1, 50) AS n ORDER BY md5(n || version);
    ANALYZE deployments;
"""


def test_above_the_bound_figures_are_estimated_and_near(api, scrape, sql, monkeypatch):
    sql(environments("production", "staging"))
    for statement in filter(str.strip, MANY.split(";")):
        sql(statement)
    monkeypatch.setattr(registry, "EXACT_UP_TO", 20)
    monkeypatch.setattr(registry_metrics, "BOUND", {"bound": 21})
    monkeypatch.setattr(registry_metrics, "SAMPLED_PAGES", 30)
    found = scrape()
    by = {key[1:]: number for key, number in found.items() if key[0] == "catapult_deployments_by_outcome"}
    assert sum(by.values()) == pytest.approx(3000, rel=0.05)
    assert by[(("environment", "production"), ("status", "pending"))] == pytest.approx(2040, rel=0.15)
    assert by[(("environment", "staging"), ("status", "failed"))] == pytest.approx(120, rel=0.3)
    assert sum(number for key, number in found.items() if key[0] == "catapult_deployments_last_hour") == 21


def test_the_first_fifty_environments_have_series_of_their_own_and_the_rest_is_other(api, scrape, sql):
    sql(environments(numbered=53))
    version = api.version(api.model())
    for name, ago in (("env-50", 1), ("env-3", 2), ("env-53", 9), ("env-52", 5)):
        made = api.deployment(version, name)
        sql(
            "UPDATE deployments SET live_from = now() - :ago * interval '1 hour' WHERE id = :id", ago=ago, id=made["id"]
        )
    sql("UPDATE environments SET deleted_at = now() WHERE name = 'env-3'")
    found = scrape()
    assert {dict(key[1:])["environment"] for key in found if "environment" in str(key)} == {"env-50", "other"}
    for name in ("deployments_by_outcome", "deployments_last_hour"):
        by = {key[1][1]: number for key, number in found.items() if key[0] == f"catapult_{name}"}
        assert by == {"env-50": 1, "other": 3}
    other = ("environment", "other")
    assert found[("catapult_live_deployments", other)] == 3
    assert found[("catapult_live_newest_age_seconds", other)] == pytest.approx(2 * 3600, abs=60)
    assert found[("catapult_live_oldest_age_seconds", other)] == pytest.approx(9 * 3600, abs=60)


@pytest.mark.parametrize(
    ("error", "up"),
    [(exc.OperationalError("SELECT", {}, Exception("Connection refused")), 0), (exc.TimeoutError(), 1)],
    ids=["gone", "busy"],
)
def test_without_its_database_figures_say_so_and_a_busy_one_is_up(api, scrape, monkeypatch, error, up):
    def fail():
        raise error

    monkeypatch.setattr(registry_metrics, "figures", fail)
    found = scrape()
    assert found[("catapult_database_up",)] == up
    assert ("catapult_models",) not in found
