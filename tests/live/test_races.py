"""Many requests at once: what the database has to hold when threads of several processes change the same objects."""

from collections.abc import Callable
from functools import partial
from itertools import chain, pairwise
from typing import Any

import pytest
import requests
from up import Caller, Start, Up, a_model, a_version, at_once, for_a_team, problem, statuses, until

pytestmark = pytest.mark.live
KINDS = {404: "not-found", 409: "conflict", 412: "precondition-failed"}
Send = Callable[[], requests.Response]


# --- the same change many times at once


def new_model(admin: Caller, model: dict[str, Any], version: dict[str, Any]) -> list[Send]:
    names = ["races/Case", "races/case", "RACES/case", "Races/CASE"] * 4
    return [partial(admin.post, "/api/v1/models", json=a_model(name)) for name in names]


def new_version(admin: Caller, model: dict[str, Any], version: dict[str, Any]) -> list[Send]:
    return [partial(admin.post, "/api/v1/versions", json=a_version(model, "2.0.0"))] * 16


def edit(admin: Caller, model: dict[str, Any], version: dict[str, Any]) -> list[Send]:
    address = f"/api/v1/models/{model['id']}"
    put = partial(admin.put, address, headers={"If-Match": admin.get(address).headers["ETag"]})
    return [partial(put, json={"description": f"number {n}"}) for n in range(16)]


def promotion(admin: Caller, model: dict[str, Any], version: dict[str, Any]) -> list[Send]:
    return [partial(admin.post, f"/api/v1/versions/{version['id']}/promote", json={})] * 16


def alias(admin: Caller, model: dict[str, Any], version: dict[str, Any]) -> list[Send]:
    address, pointed = f"/api/v1/models/{model['id']}/aliases/champion", {"version_id": version["id"]}
    return [partial(admin.put, address, json=pointed)] * 16


def deletion(admin: Caller, model: dict[str, Any], version: dict[str, Any]) -> list[Send]:
    return [partial(admin.delete, f"/api/v1/versions/{version['id']}")] * 16


@pytest.mark.parametrize(
    ("change", "action", "expected"),
    [
        (new_model, "model.create", {201: 1, 409: 15}),
        (new_version, "version.create", {201: 1, 409: 15}),
        (edit, "model.update", {200: 1, 412: 15}),
        (promotion, "version.promote", {200: 16}),
        (alias, "alias.move", {200: 16}),
        (deletion, "version.delete", {204: 1, 404: 15}),
    ],
)
def test_of_16_equal_changes_at_once_one_is_made(
    live: Up, admin: Caller, change: Callable[..., list[Send]], action: str, expected: dict[int, int]
) -> None:
    model = admin.model(f"races/{change.__name__}")
    works = change(admin, model, admin.version(model, "1.0.0"))
    ((before,),) = live.sql("SELECT count(*) FROM audit_logs WHERE action = %s", action)
    answers = at_once(*works)
    assert statuses(answers) == expected
    for answer in answers:
        if answer.status_code >= 400:
            problem(answer, KINDS[answer.status_code])
    assert live.sql("SELECT count(*) FROM audit_logs WHERE action = %s", action) == [(before + 1,)]


def test_200_versions_at_once_have_the_numbers_1_to_200(live: Up, admin: Caller) -> None:
    """Half of them are sent twice; the conflicts leave no hole."""
    model = admin.model("races/numbers")
    twice = [a_version(model, f"1.0.{n}") for n in range(200)] + [a_version(model, f"1.0.{n}") for n in range(100)]
    answers = at_once(*(partial(admin.post, "/api/v1/versions", json=version) for version in twice))
    assert statuses(answers) == {201: 200, 409: 100}
    assert sorted(answer.json()["number"] for answer in answers if answer.ok) == [*range(1, 201)]
    rows = live.sql("SELECT number FROM versions WHERE model_id = %s ORDER BY created_at, id", model["id"])
    assert [number for (number,) in rows] == [*range(1, 201)]


def test_versions_of_mlflow_whose_numbers_are_taken_as_names_have_numbers_without_a_hole(
    live: Up, admin: Caller
) -> None:
    model = admin.model("races/taken")
    for name in ("5", "8", "8.mlflow"):
        admin.version(model, name)
    create = partial(
        admin.post, "/api/2.0/mlflow/model-versions/create", json={"name": "races/taken", "source": "s3://a"}
    )
    answers = at_once(*[create] * 16)
    assert statuses(answers) == {200: 16}
    rows = admin.get("/api/v1/versions", params={"model_id": model["id"]}).json()
    names = {row["number"]: row["version"] for row in rows}
    free = {number: str(number) for number in range(4, 20)}
    assert names == {1: "5", 2: "8", 3: "8.mlflow", **free, 5: "5.mlflow", 8: "8.mlflow.2"}


def test_an_alias_that_many_move_at_once_goes_from_one_version_to_the_next(live: Up, admin: Caller) -> None:
    """Each entry begins where the one before ended, and so do the times."""
    model = admin.model("races/aliases")
    versions = [admin.version(model, f"1.0.{n}") for n in range(16)]
    address = f"/api/v1/models/{model['id']}/aliases/champion"
    moves = [partial(admin.put, address, json={"version_id": version["id"]}) for version in versions]
    removals = [partial(admin.delete, f"/api/v1/versions/{version['id']}") for version in versions[:8]]
    answers = at_once(*chain(*zip(moves[:8], removals, strict=True)), *moves[8:])
    assert set(statuses(answers)) <= {200, 204, 404, 409}
    assert statuses(answers)[200] >= 8
    rows = live.sql(
        "SELECT since, until, a.version_id, v.deleted_at IS NULL OR until IS NOT NULL FROM aliases AS a"
        " JOIN versions AS v ON v.id = a.version_id WHERE a.model_id = %s ORDER BY since",
        model["id"],
    )
    assert all(before[1] == after[0] for before, after in pairwise(rows))
    assert [row[1] for row in rows].count(None) == 1
    assert all(kept for *_, kept in rows)
    entries = live.sql(
        "SELECT details ->> 'from_version', details ->> 'version' FROM audit_logs"
        " WHERE action = 'alias.move' AND details ->> 'model' = %s ORDER BY created_at, id",
        model["name"],
    )
    assert [before for before, _ in entries] == [None, *(after for _, after in entries[:-1])]
    assert len(entries) == len(rows)


def in_both_orders(groups: list[list[Send]]) -> list[requests.Response]:
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


def test_two_admins_who_revoke_each_other_at_once_do_not_both_succeed(
    start: Start, make_database: Callable[[], str]
) -> None:
    server = start(**for_a_team(make_database())).ready()
    keys = [server.key]
    for _ in range(4):
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
    assert server.sql("SELECT count(*) FROM audit_logs WHERE action = 'api_key.revoke'") == [(4,)]
    assert server.lines("fault") == []


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


def test_one_idempotency_key_at_once_deploys_once_to_an_environment_that_is_new(live: Up, admin: Caller) -> None:
    """A deployment to a new environment starts its transaction again, which releases the lock on the key."""
    version = admin.version(admin.model("races/new-place"), "1")
    for n in range(4):
        body = {"release_id": version["id"], "environment": f"new-place-{n}"}
        send = partial(admin.post, "/api/v1/deployments", json=body, headers={"Idempotency-Key": f"new-place-{n}"})
        answers = at_once(*[send] * 8)
        assert set(statuses(answers)) <= {201, 409}
        assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
        for table, condition in (("deployments", "environment = %s"), ("environments", "name = %s")):
            assert live.sql(f"SELECT count(*) FROM {table} WHERE {condition}", body["environment"]) == [(1,)]


def test_versions_of_one_model_from_16_threads_are_all_counted_in_the_order_of_their_times(
    live: Up, admin: Caller
) -> None:
    model = admin.model("races/many")
    bodies = [a_version(model, f"1.0.{n}") for n in range(48)]
    answers = at_once(*[partial(admin.post, "/api/v1/versions", json=body) for body in bodies])
    assert statuses(answers) == {201: 48}
    rows = live.sql("SELECT id::text, version FROM versions WHERE model_id = %s ORDER BY created_at, id", model["id"])
    assert {row[0] for row in rows} == {answer.json()["id"] for answer in answers}
    model = admin.get(f"/api/v1/models/{model['id']}").json()
    assert (model["version_count"], model["latest_version"]) == (48, rows[-1][1])
    logged = live.sql(
        "SELECT resource_id::text, details ->> 'version' FROM audit_logs"
        " WHERE action = 'version.create' AND details ->> 'model' = 'races/many' ORDER BY created_at, id"
    )
    assert logged == rows


def test_deleting_a_model_while_versions_are_created_leaves_none_behind(live: Up, admin: Caller) -> None:
    model = admin.model("races/gone")

    def create(thread: int) -> list[requests.Response]:
        """Create versions until the model is gone, by its name or its id."""
        answers = []
        for n in range(500):
            body = a_version(model, f"{thread}.{n}.0")
            if thread % 2:
                body["model_name"] = body.pop("model_id") and "races/gone"
            answers.append(admin.post("/api/v1/versions", json=body))
            if answers[-1].status_code != 201:
                break
        return answers

    def delete() -> list[requests.Response]:
        until(lambda: admin.get(f"/api/v1/models/{model['id']}").json()["version_count"] > 5)
        return [admin.delete(f"/api/v1/models/{model['id']}")]

    *batches, (deleted,) = at_once(*[partial(create, thread) for thread in range(6)], delete)
    assert deleted.status_code == 204
    assert all(batch[-1].status_code == 404 for batch in batches)
    count = sum(len(batch) - 1 for batch in batches)
    assert live.sql(
        "SELECT count(*), count(v.deleted_at), max(m.version_count),"
        " count(*) FILTER (WHERE EXISTS (SELECT FROM audit_logs WHERE action = 'version.create' AND resource_id = v.id))"
        " FROM versions v JOIN models m ON m.id = v.model_id WHERE m.id = %s AND m.deleted_at IS NOT NULL",
        model["id"],
    ) == [(count,) * 4]
