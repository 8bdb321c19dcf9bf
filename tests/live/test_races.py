"""Many requests at once: what the database has to hold when threads of several processes change the same objects."""

from collections.abc import Callable
from functools import partial
from itertools import chain, pairwise
from typing import Any

import pytest
import requests
from up import Caller, Start, Up, a_model, a_version, at_once, for_a_team, problem, statuses

pytestmark = pytest.mark.live


def only_created(responses: list[requests.Response]) -> dict[str, Any]:
    """Return what the only successful response created; all others must be conflicts."""
    assert statuses(responses) == {201: 1, 409: len(responses) - 1}
    for response in responses:
        if response.status_code == 409:
            problem(response, "conflict")
    return next(response.json() for response in responses if response.status_code == 201)


def test_of_32_identical_models_at_once_one_is_created(live: Up, admin: Caller) -> None:
    create = partial(admin.post, "/api/v1/models", json=a_model("races/identical"))
    created = only_created(at_once(*[create] * 32))
    assert live.sql("SELECT id::text FROM models WHERE name = 'races/identical'") == [(created["id"],)]
    assert live.sql("SELECT count(*) FROM audit_logs WHERE details ->> 'name' = 'races/identical'") == [(1,)]
    assert live.entries("model.create", created["id"]) == 1


def test_models_whose_names_differ_in_case_are_identical(admin: Caller) -> None:
    names = ["races/Case", "races/case", "RACES/case", "Races/CASE"] * 4
    only_created(at_once(*[partial(admin.post, "/api/v1/models", json=a_model(name)) for name in names]))


def test_of_32_identical_versions_at_once_one_is_created(live: Up, admin: Caller) -> None:
    model = admin.model("races/identical-versions")
    create = partial(admin.post, "/api/v1/versions", json=a_version(model, "1.0.0"))
    created = only_created(at_once(*[create] * 32))
    assert live.sql("SELECT id::text FROM versions WHERE model_id = %s", model["id"]) == [(created["id"],)]
    assert live.sql("SELECT count(*) FROM audit_logs WHERE details ->> 'model' = %s", model["name"]) == [(1,)]
    assert live.entries("version.create", created["id"]) == 1
    model = admin.get(f"/api/v1/models/{model['id']}").json()
    assert (model["version_count"], model["latest_version"]) == (1, "1.0.0")


def test_32_deployments_to_one_environment_at_once_leave_one_live(live: Up, admin: Caller) -> None:
    model = admin.model("races/deployments")
    bodies = [
        {"release_id": admin.version(model, f"1.0.{n}")["id"], "environment": "production" if n % 2 else "Production"}
        for n in range(32)
    ]
    created = at_once(*[partial(admin.post, "/api/v1/deployments", json=body) for body in bodies])
    assert statuses(created) == {201: 32}

    intervals = live.sql(
        "SELECT live_from, ended_at, id::text, release_id::text FROM deployments WHERE model_id = %s"
        " ORDER BY live_from, ended_at NULLS LAST",
        model["id"],
    )
    assert len(intervals) == 32
    assert [began for began, ended, *_ in intervals if ended is None] == [intervals[-1][0]]
    assert all(began <= ended for began, ended, *_ in intervals[:-1])
    assert all(before[1] == after[0] for before, after in pairwise(intervals))

    *_, last, release = intervals[-1]
    (now_live,) = admin.get("/api/v1/deployments?live=true&model_name=races/deployments").json()
    assert (now_live["id"], now_live["release_id"]) == (last, release)
    latest = admin.get("/api/v1/versions/latest?model_name=races/deployments&environment=production").json()
    assert (latest["id"], len(latest["live_in"])) == (release, 1)
    assert sum(bool(v["live_in"]) for v in admin.get(f"/api/v1/models/{model['id']}/versions").json()) == 1

    ended = live.sql(
        "SELECT resource_id::text, details ->> 'ended_deployment' FROM audit_logs"
        " WHERE action = 'deployment.create' AND details ->> 'model' = %s",
        model["name"],
    )
    order = [None, *(deployment for *_, deployment, _ in intervals)]
    assert dict(ended) == dict(zip(order[1:], order, strict=False))
    assert len(ended) == 32


def in_both_orders(groups: list[list[Callable[[], requests.Response]]]) -> list[requests.Response]:
    """Run all calls at once; every second group is started in the reverse order."""
    return at_once(*chain(*(group if n % 2 else reversed(group) for n, group in enumerate(groups))))


def test_promoting_while_deleting_leaves_no_change_without_its_entry(live: Up, admin: Caller) -> None:
    model = admin.model("races/promote-delete")
    addresses = [f"/api/v1/versions/{admin.version(model, f'1.0.{n}')['id']}" for n in range(16)]
    answers = in_both_orders(
        [
            [
                partial(admin.post, f"{address}/promote", json={}),
                partial(admin.delete, address),
                partial(admin.put, address, json={"is_release": True}),
            ]
            for address in addresses
        ]
    )
    assert set(statuses(answers)) <= {200, 204, 404}
    for answer in answers:
        if answer.status_code == 404:
            problem(answer, "not-found")

    rows = live.sql(
        "SELECT deleted_at IS NOT NULL, released_at IS NOT NULL,"
        " (SELECT count(*) FROM audit_logs WHERE resource_id = v.id AND action = 'version.promote'),"
        " (SELECT count(*) FROM audit_logs WHERE resource_id = v.id AND action = 'version.delete')"
        " FROM versions v WHERE model_id = %s",
        model["id"],
    )
    assert len(rows) == 16
    for deleted, released, promotions, deletions in rows:
        assert (deleted, promotions, deletions) == (True, released, 1)
    assert admin.get(f"/api/v1/models/{model['id']}").json()["version_count"] == 0


def test_deploying_while_deleting_leaves_no_deleted_version_live(live: Up, admin: Caller) -> None:
    model = admin.model("races/deploy-delete")
    versions = [admin.version(model, f"1.0.{n}")["id"] for n in range(12)]
    answers = in_both_orders(
        [
            [
                partial(admin.post, "/api/v1/deployments", json={"release_id": version, "environment": f"env-{n}"}),
                partial(admin.delete, f"/api/v1/versions/{version}"),
            ]
            for n, version in enumerate(versions)
        ]
    )
    assert set(statuses(answers)) <= {201, 204, 404, 409}
    rows = live.sql(
        "SELECT v.deleted_at IS NOT NULL, count(d.id) FROM versions v"
        " LEFT JOIN deployments d ON d.release_id = v.id AND d.live_from IS NOT NULL AND d.ended_at IS NULL"
        " WHERE v.model_id = %s GROUP BY v.id",
        model["id"],
    )
    assert [deleted != bool(alive) for deleted, alive in rows] == [True] * 12


def test_16_promotions_at_once_are_one_change_and_one_entry(live: Up, admin: Caller) -> None:
    version = admin.version(admin.model("races/promote"), "1.0.0")
    answers = at_once(*[partial(admin.post, f"/api/v1/versions/{version['id']}/promote", json={})] * 16)
    assert statuses(answers) == {200: 16}
    assert len({answer.json()["released_at"] for answer in answers}) == 1
    assert live.entries("version.promote", version["id"]) == 1


def test_of_16_deletions_at_once_one_deletes(live: Up, admin: Caller) -> None:
    model = admin.model("races/delete")
    version = admin.version(model, "1.0.0")
    admin.version(model, "1.0.1")
    answers = at_once(*[partial(admin.delete, f"/api/v1/versions/{version['id']}")] * 16)
    assert statuses(answers) == {204: 1, 404: 15}
    assert live.entries("version.delete", version["id"]) == 1
    assert admin.get(f"/api/v1/models/{model['id']}").json()["version_count"] == 1


def test_of_16_changes_to_the_same_revision_one_is_made(live: Up, admin: Caller) -> None:
    model = admin.model("races/etag")
    address = f"/api/v1/models/{model['id']}"
    etag = admin.get(address).headers["ETag"]
    put = partial(admin.put, address, headers={"If-Match": etag})
    answers = at_once(*[partial(put, json={"description": f"number {n}"}) for n in range(16)])
    assert statuses(answers) == {200: 1, 412: 15}
    (winner,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert admin.get(address).json() == winner
    assert live.entries("model.update", model["id"]) == 1


def test_two_admins_who_revoke_each_other_at_once_do_not_both_succeed(
    start: Start, make_database: Callable[[], str]
) -> None:
    server = start(**for_a_team(make_database())).ready()
    keys = [server.key]
    for _ in range(8):
        with server.caller(keys[0]) as one:
            keys = [keys[0], one.made("/api/v1/api-keys", {"name": "another", "role": "admin"})["key"]]
            ids = {key["prefix"]: key["id"] for key in one.get("/api/v1/api-keys").json()}
            first, second = (f"/api/v1/api-keys/{ids[key[:12]]}" for key in keys)
            with server.caller(keys[1]) as other:
                answers = at_once(partial(one.delete, second), partial(other.delete, first))
                works = [caller.get("/api/v1/api-keys").status_code == 200 for caller in (one, other)]
        assert [answer.status_code == 204 for answer in answers] == works
        assert sum(works) == 1
        assert {answer.status_code for answer in answers} - {204} <= {401, 409}
        keys = [keys[works.index(True)]]
    assert server.sql("SELECT count(*) FROM api_keys WHERE role = 'admin' AND revoked_at IS NULL") == [(1,)]
    assert server.sql("SELECT count(*) FROM audit_logs WHERE action = 'api_key.revoke'") == [(8,)]
    assert server.lines("fault") == []


def test_a_key_is_refused_by_every_worker_from_the_moment_it_is_revoked(live: Up, admin: Caller) -> None:
    created = admin.made("/api/v1/api-keys", {"name": "soon gone"})
    with live.caller(created["key"]) as caller:
        assert statuses(at_once(*[partial(caller.get, "/api/v1/models")] * 16)) == {200: 16}
        assert admin.delete(f"/api/v1/api-keys/{created['id']}").status_code == 204
        assert statuses(at_once(*[partial(caller.get, "/api/v1/models")] * 16)) == {401: 16}


def test_one_idempotency_key_16_times_at_once_creates_one_row_and_one_answer(live: Up, admin: Caller) -> None:
    model = admin.model("races/idempotent")
    headers = {"Idempotency-Key": "races-idempotent"}
    create = partial(admin.post, "/api/v1/versions", json=a_version(model, "1.0.0"), headers=headers)
    first = at_once(*[create] * 16)
    assert set(statuses(first)) <= {201, 409}
    for answer in first:
        if answer.status_code == 409:
            problem(answer, "idempotency-in-progress")
            assert answer.headers["Retry-After"] == "1"
    then = at_once(*[create] * 16)
    assert statuses(then) == {201: 16}
    assert all(answer.headers["Idempotency-Replayed"] == "true" for answer in then)

    created = [answer for answer in (*first, *then) if answer.status_code == 201]
    assert sum("Idempotency-Replayed" not in answer.headers for answer in created) == 1
    parts = {(answer.content, answer.headers["Location"], answer.headers["Content-Type"]) for answer in created}
    assert len(parts) == 1
    assert live.sql("SELECT count(*) FROM versions WHERE model_id = %s", model["id"]) == [(1,)]
    assert live.entries("version.create", created[0].json()["id"]) == 1


def test_one_idempotency_key_with_eight_bodies_at_once_creates_one_of_them(live: Up, admin: Caller) -> None:
    bodies = [a_model(f"races/body-{n}") for n in range(8)]
    headers = {"Idempotency-Key": "races-bodies"}
    answers = at_once(*[partial(admin.post, "/api/v1/models", json=body, headers=headers) for body in bodies])
    assert statuses(answers)[201] == 1
    assert {answer.json()["type"] for answer in answers if answer.status_code != 201} <= {
        "/docs/errors/idempotency-in-progress",
        "/docs/errors/idempotency-mismatch",
    }
    assert live.sql("SELECT count(*) FROM models WHERE name LIKE 'races/body-%%'") == [(1,)]


def test_200_versions_of_one_model_from_16_threads_are_all_created_and_counted(live: Up, admin: Caller) -> None:
    model = admin.model("races/many")
    batches = [range(n, 200, 16) for n in range(16)]

    def create(batch: range) -> list[requests.Response]:
        return [admin.post("/api/v1/versions", json=a_version(model, f"1.0.{n}")) for n in batch]

    answers = list(chain(*at_once(*[partial(create, batch) for batch in batches])))
    assert statuses(answers) == {201: 200}

    rows = live.sql("SELECT id::text, version FROM versions WHERE model_id = %s ORDER BY created_at, id", model["id"])
    assert {row[0] for row in rows} == {answer.json()["id"] for answer in answers}
    model = admin.get(f"/api/v1/models/{model['id']}").json()
    assert (model["version_count"], model["latest_version"]) == (200, rows[-1][1])
    latest = admin.get("/api/v1/versions/latest?model_name=races/many").json()
    assert latest["version"] == rows[-1][1]

    logged = live.sql(
        "SELECT resource_id::text, details ->> 'version' FROM audit_logs"
        " WHERE action = 'version.create' AND details ->> 'model' = 'races/many' ORDER BY created_at, id"
    )
    assert logged == rows


def test_deleting_a_model_while_versions_are_created_leaves_none_behind(live: Up, admin: Caller) -> None:
    for attempt in range(3):
        model = admin.model("races/gone")

        def create(thread: int, model: dict[str, str] = model) -> list[requests.Response]:
            """Create versions until the model is gone."""
            answers = []
            for n in range(500):
                body = a_version(model, f"{thread}.{n}.0")
                if thread % 2:
                    body = {**body, "model_name": body.pop("model_id") and "races/gone"}
                answers.append(admin.post("/api/v1/versions", json=body))
                if answers[-1].status_code != 201:
                    break
            return answers

        def delete(model: dict[str, str] = model) -> list[requests.Response]:
            while not admin.get(f"/api/v1/models/{model['id']}").json()["version_count"] > 5:
                pass
            return [admin.delete(f"/api/v1/models/{model['id']}")]

        *batches, (deleted,) = at_once(*[partial(create, thread) for thread in range(6)], delete)
        assert deleted.status_code == 204
        assert all(batch[-1].status_code == 404 for batch in batches), attempt
        count = sum(len(batch) - 1 for batch in batches)
        assert live.sql(
            "SELECT count(*), count(v.deleted_at), max(m.version_count) FROM versions v JOIN models m ON m.id = v.model_id"
            " WHERE m.id = %s AND m.deleted_at IS NOT NULL",
            model["id"],
        ) == [(count, count, count)]
        assert live.sql(
            "SELECT count(*) FROM audit_logs WHERE action = 'version.create' AND resource_id IN"
            " (SELECT id FROM versions WHERE model_id = %s)",
            model["id"],
        ) == [(count,)]


def test_a_key_that_is_used_at_once_is_updated_once_a_minute(live: Up, admin: Caller) -> None:
    created = admin.made("/api/v1/api-keys", {"name": "busy"})
    used = []
    with live.caller(created["key"]) as caller:
        for _ in range(2):
            assert statuses(at_once(*[partial(caller.get, "/api/v1/models")] * 32)) == {200: 32}
            used += live.sql("SELECT last_used_at FROM api_keys WHERE id = %s", created["id"])
    assert used[0] == used[1] != (None,)
