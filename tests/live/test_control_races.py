"""Gates, freezes and rollbacks while many act at once: what they promise holds in every order of the requests."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from functools import partial
from itertools import pairwise
from typing import Any

import psycopg2
import pytest
import requests
from signed_files import new_key, pem_of, signature_of
from up import Caller, Up, a_version, at_once, problem, statuses

from catapult.actions.locks import GATES

pytestmark = pytest.mark.live

DEPLOYMENTS = "/api/v1/deployments"
FROZEN = {"frozen": True, "frozen_reason": "a race"}


@pytest.fixture(scope="module")
def releaser(live: Up) -> Iterator[Caller]:
    with live.by("releaser") as caller:
        yield caller


@pytest.fixture(scope="module")
def others(live: Up, admin: Caller) -> Iterator[list[Caller]]:
    """Three more releasers."""
    with ExitStack() as callers:
        bodies = [{"name": f"racer-{n}", "role": "releaser"} for n in range(3)]
        keys = [admin.made("/api/v1/api-keys", body)["key"] for body in bodies]
        yield [callers.enter_context(live.caller(key)) for key in keys]


def deploying(
    caller: Caller, version: dict[str, Any], environment: str, **fields: Any
) -> Callable[[], requests.Response]:
    body = {"release_id": version["id"], "environment": environment, **fields}
    return partial(caller.post, DEPLOYMENTS, json=body)


def deployment(caller: Caller, version: dict[str, Any], environment: str, **fields: Any) -> dict[str, Any]:
    response = deploying(caller, version, environment, **fields)()
    assert response.status_code == 201, response.text
    return dict(response.json())


def rolling_back(caller: Caller, model: dict[str, Any], environment: str) -> Callable[[], requests.Response]:
    body = {"model_name": model["name"], "reason": "a race"}
    return partial(caller.post, f"/api/v1/environments/{environment}/rollback", json=body)


def a_gate(caller: Caller, model: dict[str, Any], target: str, kind: str, **fields: Any) -> dict[str, Any]:
    return caller.made("/api/v1/gates", {"model": model["name"], "target": target, "kind": kind, **fields})


def intervals(live: Up, model: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return `live_from ended_at id superseded_by` in order, once checked: each begins where the one before it ended."""
    rows = live.sql(
        "SELECT live_from, ended_at, id::text, superseded_by::text FROM deployments"
        " WHERE model_id = %s AND live_from IS NOT NULL ORDER BY live_from",
        model["id"],
    )
    assert [row[1] is None for row in rows] == [False] * (len(rows) - 1) + [True]
    for row, following in pairwise(rows):
        assert row[0] < row[1] == following[0]
        assert row[3] == following[2]
    return rows


def test_of_eight_rollbacks_at_once_as_many_succeed_as_there_are_steps(live: Up, admin: Caller) -> None:
    model = admin.model("races/back-many")
    for n in range(5):
        deployment(admin, admin.version(model, f"1.{n}"), "race-back")
    answers = at_once(*[rolling_back(admin, model, "race-back")] * 8)
    assert statuses(answers) == {201: 4, 409: 4}
    rows = intervals(live, model)
    assert len(rows) == 9
    assert sorted(answer.json()["version"] for answer in answers if answer.ok) == ["1.0", "1.1", "1.2", "1.3"]
    (row,) = admin.get(f"{DEPLOYMENTS}?live=true&model_name=races/back-many").json()
    assert row["version"] == "1.0"


def test_32_deployments_to_one_environment_at_once_leave_one_live(live: Up, admin: Caller) -> None:
    model = admin.model("races/deployments")
    versions = [admin.version(model, f"1.0.{n}") for n in range(32)]
    names = ["race-deploy", "Race-Deploy"] * 16
    answers = at_once(*[deploying(admin, version, name) for version, name in zip(versions, names, strict=True)])
    assert statuses(answers) == {201: 32}
    order = [row[2] for row in intervals(live, model)]
    assert len(order) == 32
    (now_live,) = admin.get("/api/v1/deployments?live=true&model_name=races/deployments").json()
    assert now_live["id"] == order[-1]
    ended = live.sql(
        "SELECT resource_id::text, details ->> 'ended_deployment' FROM audit_logs"
        " WHERE action = 'deployment.create' AND details ->> 'model' = %s",
        model["name"],
    )
    assert dict(ended) == dict(zip(order, [None, *order], strict=False))


def test_20_pending_deployments_that_succeed_at_once_leave_the_newest_live(live: Up, admin: Caller) -> None:
    model = admin.model("races/successes")
    first = deployment(admin, admin.version(model, "0"), "race-successes")["id"]
    order = [
        deployment(admin, admin.version(model, f"1.{n}"), "race-successes", status=("pending", "running")[n % 2])["id"]
        for n in range(20)
    ]
    succeed = [partial(admin.put, f"{DEPLOYMENTS}/{identity}", json={"status": "success"}) for identity in order]
    answers = at_once(*reversed(succeed))
    assert set(statuses(answers)) <= {200, 409}
    succeeded = {answer.json()["id"] for answer in answers if answer.status_code == 200}
    _, *rows = (row[2] for row in intervals(live, model))
    assert rows[-1] == order[-1]
    assert set(rows) == succeeded
    assert rows == sorted(rows, key=order.index)
    now = {identity: admin.get(f"{DEPLOYMENTS}/{identity}").json()["status"] for identity in order}
    assert now == {identity: "success" if identity in succeeded else "cancelled" for identity in order}
    states = live.sql(
        "SELECT s.deployment_id::text, count(*) FROM deployment_states AS s JOIN deployments AS d ON d.id = s.deployment_id"
        " WHERE d.model_id = %s GROUP BY 1",
        model["id"],
    )
    assert dict(states) == {first: 1, **dict.fromkeys(order, 2)}
    logged = live.sql(
        "SELECT resource_id::text FROM audit_logs WHERE action = 'deployment.update' AND details ->> 'model' = %s",
        model["name"],
    )
    assert sorted(row[0] for row in logged) == sorted(succeeded)


def test_no_deployment_is_recorded_after_a_freeze(live: Up, admin: Caller) -> None:
    """Each comes before the freeze or is refused: by the database's clock, none is later than the freeze."""
    for attempt in range(2):
        environment, model = f"race-freeze-{attempt}", admin.model(f"races/freeze-{attempt}")
        admin.put(f"/api/v1/environments/{environment}", json={})
        versions = [admin.version(model, f"1.{n}") for n in range(8)]

        def deploy(version: dict[str, Any], environment: str = environment) -> list[requests.Response]:
            return [
                deploying(admin, version, environment, status="success" if n % 2 else "pending")() for n in range(4)
            ]

        def freeze(environment: str = environment) -> list[requests.Response]:
            return [admin.put(f"/api/v1/environments/{environment}", json=FROZEN)]

        *batches, (frozen,) = at_once(*[partial(deploy, version) for version in versions], freeze)
        assert frozen.status_code == 200
        for batch in batches:
            in_order = [answer.status_code for answer in batch]
            assert in_order == sorted(in_order)
            for answer in batch:
                assert answer.status_code == 201 or problem(answer, "frozen")
        assert live.sql(
            "SELECT count(*) FROM deployments AS d JOIN environments AS e ON e.place = d.place"
            " WHERE d.place = %s AND d.deployed_at > e.updated_at",
            environment,
        ) == [(0,)]
        problem(deploying(admin, versions[0], environment)(), "frozen")


def test_an_approval_counts_for_the_gates_it_was_given_for_or_not_at_all(
    live: Up, admin: Caller, releaser: Caller, others: list[Caller]
) -> None:
    """While a gate is changed, an approval comes before the change and is void, or after it and counts."""
    model = admin.model("races/approve")
    gate = a_gate(admin, model, "release", "approved", count=1, role="releaser")
    approvers = [releaser, *others]
    for attempt in range(2):
        version = admin.version(model, f"1.{attempt}")
        path = f"/api/v1/versions/{version['id']}"
        change = partial(admin.put, f"/api/v1/gates/{gate['id']}", json={"count": attempt % 2 + 2})
        approve = [partial(caller.post, f"{path}/approvals", json={"target": "release"}) for caller in approvers]
        changed, *given = at_once(change, *approve)
        assert (changed.status_code, statuses(given)) == (200, {201: 4})
        (verdict,) = admin.get(f"{path}/gates?target=release").json()
        when = changed.json()["updated_at"]
        for approval in verdict["approvals"]:
            assert (approval["void"] is None) is (approval["created_at"] > when), (approval, when)
        counted = sum(approval["void"] is None for approval in verdict["approvals"])
        assert verdict["passed"] is (counted >= attempt % 2 + 2)


def test_two_approvals_and_promotions_at_once_end_in_one_release(
    live: Up, admin: Caller, releaser: Caller, others: list[Caller]
) -> None:
    model = admin.model("races/approve-promote")
    a_gate(admin, model, "release", "approved", count=2, role="releaser")
    for attempt in range(2):
        version = admin.version(model, f"1.{attempt}")
        path = f"/api/v1/versions/{version['id']}"
        approve = [partial(caller.post, f"{path}/approvals", json={"target": "release"}) for caller in others[:2]]
        promote = partial(releaser.post, f"{path}/promote", json={})

        def try_again(promote: Callable[[], requests.Response] = promote) -> requests.Response:
            """Promote until it is not blocked any more."""
            for _ in range(200):
                answer = promote()
                if answer.status_code == 200:
                    break
                problem(answer, "blocked")
            return answer

        answers = at_once(*approve, try_again, try_again, try_again)
        assert statuses(answers) == {201: 2, 200: 3}
        assert admin.get(path).json()["is_release"] is True
        assert live.entries("version.promote", version["id"]) == 1


def test_nothing_is_promoted_past_a_gate_that_became_stricter(live: Up, admin: Caller, releaser: Caller) -> None:
    """Every release comes before the change, and every blocked version after it."""
    model = admin.model("races/stricter")
    gate = a_gate(admin, model, "release", "metric", path="accuracy", op=">=", value=0.5)
    for attempt in range(2):
        admin.put(f"/api/v1/gates/{gate['id']}", json={"value": 0.5})
        versions = [admin.version(model, f"{attempt}.{n}", metadata={"accuracy": 0.7}) for n in range(12)]
        stricter = partial(admin.put, f"/api/v1/gates/{gate['id']}", json={"value": 0.9})
        works = [partial(releaser.post, f"/api/v1/versions/{version['id']}/promote", json={}) for version in versions]
        releases = [a_version(model, f"{attempt}.r{n}", metadata={"accuracy": 0.7}, is_release=True) for n in range(4)]
        register = [partial(admin.post, "/api/v1/versions", json=body) for body in releases]
        changed, *answers = at_once(stricter, *works, *register)
        assert changed.status_code == 200
        assert set(statuses(answers)) <= {200, 201, 409}
        when = changed.json()["updated_at"]
        for answer in answers:
            if answer.status_code == 409:
                assert "must be >= 0.9" in problem(answer, "blocked")["detail"]
            else:
                assert answer.json()["released_at"] < when
        count = sum(answer.status_code == 201 for answer in answers)
        assert live.sql(
            "SELECT count(*) FROM versions WHERE model_id = %s AND version LIKE %s", model["id"], f"{attempt}.r%"
        ) == [(count,)]


def test_nothing_is_promoted_by_a_key_that_was_deleted(live: Up, admin: Caller, releaser: Caller) -> None:
    """A promotion that counts a signature is over before its key is deleted, or else it is blocked."""
    model, key = admin.model("races/signed"), new_key()
    a_gate(admin, model, "release", "files_signed")
    outcomes = set()
    for n in range(12):
        version = admin.version(model, f"1.{n}")
        sign(live, version["id"], signature_of(key, {"a": b"a"}))
        trusted = admin.made("/api/v1/trusted-keys", {"name": "racer", "public_key": pem_of(key)})
        promoted, deleted = at_once(
            partial(releaser.post, f"/api/v1/versions/{version['id']}/promote", json={}),
            partial(admin.delete, f"/api/v1/trusted-keys/{trusted['id']}"),
        )
        assert deleted.status_code == 204
        outcomes.add(promoted.status_code)
        if promoted.status_code == 200:
            ((in_order,),) = live.sql(
                "SELECT released_at < trusted_keys.deleted_at FROM versions, trusted_keys"
                " WHERE versions.id = %s AND trusted_keys.id = %s",
                *(version["id"], trusted["id"]),
            )
            assert in_order
        else:
            assert "none of the trusted keys" in problem(promoted, "blocked")["detail"]
    assert outcomes <= {200, 409}


def test_a_key_is_deleted_once_no_check_by_it_is_under_way(live: Up, admin: Caller) -> None:
    trusted = admin.made("/api/v1/trusted-keys", {"name": "waited for", "public_key": pem_of(new_key())})
    with closing(psycopg2.connect(live.database_url)) as promotion, ThreadPoolExecutor(1) as pool:
        promotion.cursor().execute("SELECT pg_advisory_xact_lock_shared(%s)", [GATES])
        deleting = pool.submit(admin.delete, f"/api/v1/trusted-keys/{trusted['id']}")
        assert not wait([deleting], timeout=1).done
        promotion.commit()
        assert deleting.result(20).status_code == 204


def sign(live: Up, version_id: str, bundle: bytes) -> None:
    """Give the version a file `a` and a signature, as their uploads do."""
    live.sql(
        "INSERT INTO blobs SELECT sha256(convert_to(x, 'UTF8')), 1 FROM (VALUES ('a'), ('s')) AS t (x) ON CONFLICT DO NOTHING"
    )
    live.sql(
        "WITH added AS (INSERT INTO artifacts (id, version_id, path, media_type, size_bytes, sha256, created_by)"
        " SELECT gen_random_uuid(), %s, path, 'x/y', 1, sha256(convert_to(x, 'UTF8')), 'x'"
        " FROM (VALUES ('a', 'a'), ('model.sig', 's')) AS t (path, x) RETURNING id, path)"
        " INSERT INTO file_signatures SELECT id, %s FROM added WHERE path = 'model.sig'",
        *(version_id, bundle.decode()),
    )


@pytest.mark.parametrize("deleted", [False, True], ids=["new", "deleted"])
def test_deployments_to_a_new_or_deleted_environment_at_once_create_it_once(
    live: Up, admin: Caller, deleted: bool
) -> None:
    version = admin.version(admin.model(f"races/environments-{deleted}"), "1")
    for attempt in range(2):
        environment = f"race-{'again' if deleted else 'new'}-{attempt}"
        if deleted:
            admin.put(f"/api/v1/environments/{environment}", json={"protected": True})
            assert admin.delete(f"/api/v1/environments/{environment}").status_code == 204
        names = [environment.upper() if n % 2 else environment for n in range(12)]
        answers = at_once(*[deploying(admin, version, name) for name in names])
        assert statuses(answers) == {201: 12}
        assert max(answer.elapsed.total_seconds() for answer in answers) < 5
        assert live.sql("SELECT count(*) FROM environments WHERE place = %s AND deleted_at IS NULL", environment) == [
            (1,)
        ]
        assert live.sql(
            "SELECT count(*) FROM audit_logs WHERE details ->> 'made_environment' = 'true'"
            " AND lower(details ->> 'environment') = %s",
            environment,
        ) == [(1,)]


def test_deleting_an_environment_while_deploying_leaves_nothing_live_in_it(live: Up, admin: Caller) -> None:
    for attempt in range(2):
        environment, model = f"race-delete-{attempt}", admin.model(f"races/delete-{attempt}")
        versions = [admin.version(model, f"1.{n}") for n in range(8)]
        deployment(admin, versions[0], environment)
        delete = partial(admin.delete, f"/api/v1/environments/{environment}?force=true")
        outcomes = zip(versions, ("success", "pending") * 4, strict=True)
        works = [deploying(admin, version, environment, status=status) for version, status in outcomes]
        deleted, *answers = at_once(delete, *works)
        assert (deleted.status_code, statuses(answers)) == (204, {201: 8}), [answer.text for answer in answers]
        assert admin.delete(f"/api/v1/environments/{environment}?force=true").status_code in (204, 404)
        assert live.sql(
            "SELECT count(*) FROM deployments WHERE place = %s"
            " AND (status IN ('pending', 'running') OR live_from IS NOT NULL AND ended_at IS NULL)",
            environment,
        ) == [(0,)]
        rows = live.sql(
            "SELECT live_from, ended_at FROM deployments WHERE place = %s AND live_from IS NOT NULL ORDER BY 1",
            environment,
        )
        assert all(before[0] < before[1] <= after[0] for before, after in pairwise(rows))


def test_a_model_a_version_and_an_environment_may_be_deleted_at_once(live: Up, admin: Caller) -> None:
    """They end and cancel some of the same deployments."""
    for attempt in range(2):
        environments = [f"race-all-{attempt}-{n}" for n in range(2)]
        model = admin.model(f"races/all-{attempt}")
        versions = [admin.version(model, f"1.{n}") for n in range(2)]
        deployment(admin, versions[0], environments[0])
        for n in range(16):
            deployment(admin, versions[n % 2], environments[n // 8], status="pending")
        force = {"force": "true"}
        answers = at_once(
            partial(admin.delete, f"/api/v1/models/{model['id']}", params=force),
            partial(admin.delete, f"/api/v1/versions/{versions[1]['id']}"),
            *[
                partial(admin.delete, f"/api/v1/environments/{environment}", params=force)
                for environment in environments
            ],
        )
        assert [answer.status_code for answer in (answers[0], *answers[2:])] == [204] * 3
        assert answers[1].status_code in (204, 404)
        assert live.sql(
            "SELECT count(*) FROM deployments WHERE model_id = %s AND (status IN ('pending', 'running') OR deleted_at IS NULL)",
            model["id"],
        ) == [(0,)]


def test_no_gate_names_an_environment_that_was_deleted_meanwhile(live: Up, admin: Caller) -> None:
    model = admin.model("races/gate-place")
    for attempt in range(12):
        environment = f"race-gate-{attempt}"
        admin.put(f"/api/v1/environments/{environment}", json={})
        body = {"model": model["name"], "target": environment, "kind": "released"}
        deleted, created = at_once(
            partial(admin.delete, f"/api/v1/environments/{environment}"),
            partial(admin.post, "/api/v1/gates", json=body),
        )
        assert (deleted.status_code, created.status_code) in {(204, 422), (409, 201)}
    assert live.sql(
        "SELECT count(*) FROM gates JOIN environments ON place = target"
        " WHERE gates.deleted_at IS NULL AND environments.deleted_at IS NOT NULL"
    ) == [(0,)]


def test_archiving_while_a_deployment_succeeds_leaves_no_archived_version_live(live: Up, admin: Caller) -> None:
    model = admin.model("races/archive")
    for attempt in range(10):
        version = admin.version(model, f"1.{attempt}")
        pending = deployment(admin, version, "race-archive", status="pending")
        archived, succeeded = at_once(
            partial(admin.put, f"/api/v1/versions/{version['id']}", json={"status": "archived"}),
            partial(admin.put, f"{DEPLOYMENTS}/{pending['id']}", json={"status": "success"}),
        )
        assert sorted((archived.status_code, succeeded.status_code)) == [200, 409]
    assert live.sql(
        "SELECT count(*) FROM deployments AS d JOIN versions AS v ON v.id = d.release_id"
        " WHERE v.status = 'archived' AND live_from IS NOT NULL AND ended_at IS NULL"
    ) == [(0,)]


def test_after_all_races_no_two_intervals_of_a_model_in_an_environment_overlap(live: Up) -> None:
    assert live.sql(
        "SELECT count(*) FROM deployments AS a JOIN deployments AS b ON a.model_id = b.model_id AND a.place = b.place"
        " AND a.id < b.id AND a.live_from IS NOT NULL AND b.live_from IS NOT NULL"
        " AND tstzrange(a.live_from, a.ended_at) && tstzrange(b.live_from, b.ended_at)"
    ) == [(0,)]
