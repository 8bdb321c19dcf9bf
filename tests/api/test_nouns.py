"""What all nouns have in common: the fields of their answers, what a new one has, how a PUT changes one, and its history."""

from datetime import datetime, timedelta, timezone

import pytest
from api.conftest import PATHS, address, as_listed, listed
from stage import TIME, UUID7, audited

DIGEST = "sha256:" + "a" * 64
NEW = {
    "model": {"name": "org/new", "storage_path": "nfs/new"},
    "version": {"model_name": "org/bert", "version": "2", "tag": "v2", "digest": DIGEST},
    "deployment": {"environment": "staging"},
    "key": {"name": "training"},
}
DEFAULTS = {
    "model": {"repository": None, "description": None, "register_tags": None, "tags": [], "metadata": {}},
    "version": {
        "source": None,
        "size_bytes": None,
        "platform": "linux/amd64",
        "quantization": None,
        "release_notes": None,
        "tags": [],
        "ceph_path": None,
        "metadata": {},
        "is_release": False,
    },
    "deployment": {"status": "success", "endpoint_url": None, "log_url": None, "metadata": {}},
    "key": {"role": "publisher", "expires_at": None, "models": None, "environments": None},
}
COMPUTED = {
    "model": {"former_names": [], "version_count": 0, "latest_version": None},
    "version": {
        "number": 2,
        "digest_status": "unverified",
        "tag_status": None,
        "verification": None,
        "manifest": None,
        "signatures": [],
        "image": f"r@{DIGEST}",
        "image_fault": None,
        "status": "active",
        "released_at": None,
        "released_by": None,
        "live_in": [],
        "aliases": [],
        "created_by": "admin-key",
        "decision_id": None,
        "override": False,
    },
    "deployment": {
        "model_name": "org/bert",
        "version": "1.0.0",
        "live": True,
        "deployed_by": "admin-key",
        "ended_at": None,
        "superseded_by": None,
        "rollback_of": None,
        "override": False,
    },
    "key": {
        "is_active": True,
        "created_by": "admin-key",
        "person": None,
        "replaces_id": None,
        "last_used_at": None,
        "last_used_from": None,
        "revoked_at": None,
    },
}
BY_ITSELF = {
    "model": {"id", "created_at", "updated_at"},
    "version": {"id", "model_id", "created_at", "updated_at"},
    "deployment": {"id", "deployed_at", "updated_at", "live_from", "decision_id", "decision"},
    "key": {"id", "prefix", "created_at", "key"},
}


@pytest.mark.parametrize("noun", NEW)
@pytest.mark.parametrize("nulls", [False, True], ids=["left out", "null"])
def test_a_new_one_has_what_was_sent_and_a_default_for_what_was_left_out_or_null(api, things, noun, nulls):
    sent = {**NEW[noun], **({"release_id": things["version"]["id"]} if noun == "deployment" else {})}
    made = api.make(PATHS[noun], {**sent, **(dict.fromkeys(DEFAULTS[noun]) if nulls else {})})
    assert UUID7.fullmatch(made["id"])
    times = {name: made[name] for name in BY_ITSELF[noun] if name.endswith("_at") or name == "live_from"}
    assert all(TIME.fullmatch(time) for time in times.values())
    assert noun == "key" or len(set(times.values())) == 1
    assert made.get("model_id") == (things["model"]["id"] if noun == "version" else None)
    assert made == {**{name: made[name] for name in BY_ITSELF[noun]}, **sent, **DEFAULTS[noun], **COMPUTED[noun]}


def test_every_answer_has_the_same_fields(api, things):
    version = address("version", things["version"])
    model = address("model", things["model"])
    answers = {
        "model": [api.get(model), api.put(model, {"description": "y"}), api.get(PATHS["model"])],
        "version": [
            api.get(PATHS["version"]),
            api.get(f"{model}/versions"),
            api.get(f"{PATHS['version']}/latest?model_name=org/bert"),
            api.get(version),
            api.put(version, {"quantization": "int4"}),
            api.post(f"{version}/promote"),
            api.post(f"{version}/demote"),
        ],
        "deployment": [api.get(path) for path in (PATHS["deployment"], f"{version}/deployments")],
        "environment": [
            api.get(path) for path in (PATHS["environment"], address("environment", things["environment"]))
        ],
    }
    for noun, given in answers.items():
        for answer in given:
            row = answer.json[0] if isinstance(answer.json, list) else answer.json
            whole = things[noun] if isinstance(answer.json, dict) else as_listed(things[noun])
            assert row.keys() == whole.keys(), answer.request.path


CHANGES = {
    "model": {"description": "new", "metadata": {"b": {"c": 2}}, "tags": ["a"], "repository": "r"},
    "version": {
        "release_notes": "new",
        "tags": ["a", "b c"],
        "metadata": {"b": {"c": 2}},
        "status": "archived",
        "quantization": "int8",
    },
    "deployment": {"status": "running", "metadata": {"pods": 3}, "log_url": "https://x", "endpoint_url": None},
    "environment": {"rank": 4, "description": None, "protected": False, "frozen": False, "frozen_reason": None},
    "gate": {"model": "org/*", "count": 3, "role": "releaser"},
}


@pytest.mark.parametrize("noun", CHANGES)
def test_a_put_changes_the_fields_sent_and_its_entry_has_the_old_and_the_new_values(api, things, trail, noun):
    before, sent = things[noun], CHANGES[noun]
    answer = api.put(address(noun, before), sent)
    assert answer.json == {**before, **sent, "updated_at": answer.json["updated_at"]}
    assert answer.json["updated_at"] > before["updated_at"]
    assert listed(api, noun, before) == as_listed(answer.json)
    entry = trail()[0]
    assert (audited(entry)[0], audited(entry)[2]) == (f"{noun}.update", "admin-key")
    assert noun == "environment" or str(entry["resource_id"]) == before["id"]
    changed = {name: {"old": before[name], "new": value} for name, value in sent.items() if value != before[name]}
    assert entry["details"]["changes"] == changed


@pytest.mark.parametrize("noun", CHANGES)
def test_a_put_that_changes_nothing_writes_no_entry_and_leaves_the_tag(api, things, trail, noun):
    first = api.put(address(noun, things[noun]), CHANGES[noun])
    before = len(trail())
    for sent in (CHANGES[noun], {}):
        again = api.put(address(noun, things[noun]), sent)
        assert (again.status_code, again.json, again.headers["ETag"]) == (200, first.json, first.headers["ETag"])
    assert len(trail()) == before


def test_a_one_that_becomes_true_is_a_change(api):
    model = api.model(metadata={"flag": 1})
    assert api.put(address("model", model), {"metadata": {"flag": True}}).json["metadata"]["flag"] is True


@pytest.mark.parametrize("noun", ["model", "version"])
def test_a_deleted_one_leaves_every_list_and_its_history_stays(api, sql, trail, noun):
    model = api.model()
    version = api.version(model, metadata={"accuracy": 0.5})
    deployment = api.deployment(version, status="failed")
    gone = {"deployment": deployment, "version": version, **({"model": model} if noun == "model" else {})}
    answer = api.delete(address(noun, gone[noun]))
    assert (answer.status_code, answer.data) == (204, b"")
    assert audited(trail()[0]) == (f"{noun}.delete", gone[noun]["id"], "admin-key")
    assert api.delete(address(noun, gone[noun])).status_code == 404
    for each, thing in gone.items():
        assert api.get(address(each, thing)).status_code == 404
        assert api.put(address(each, thing), {}).status_code == 404
        assert api.get(PATHS[each]).json == []
        (row,) = sql(f"SELECT deleted_at FROM {each}s WHERE id = :id", id=thing["id"])
        assert row["deleted_at"] is not None
    for path in ("deployments", "gates?target=release"):
        assert api.get(f"{address('version', version)}/{path}").status_code == 404
    assert api.post(f"{address('version', version)}/promote").status_code == 404
    assert api.post(PATHS["deployment"], {"release_id": version["id"], "environment": "x"}).status_code == 404
    assert api.get(f"{PATHS['version']}/latest?model_name=org/bert").status_code == 404
    versions = api.get(f"{address('model', model)}/versions")
    assert versions.status_code == (404 if noun == "model" else 200)
    assert noun == "model" or versions.json == []


@pytest.mark.parametrize("noun", ["model", "version"])
def test_the_name_of_a_deleted_one_is_free_again(api, noun):
    model = api.model()
    old = {"model": model, "version": api.version(model)}[noun]
    api.delete(address(noun, old))
    new = api.model("ORG/Bert") if noun == "model" else api.version(model)
    assert new["id"] != old["id"]
    assert api.get(PATHS[noun]).json == [new]
    assert noun == "version" or api.get(f"{PATHS['model']}?name=org/bert").json == [new]


@pytest.mark.parametrize(
    ("path", "after", "before"), [("versions", "created_after", "created_before"), ("audit-logs", "since", "until")]
)
def test_rows_are_found_by_their_time_in_any_zone(api, path, after, before):
    """The limits lie between the first and the second row, and between the second and the third."""
    model = api.model()
    for version in ("1", "2", "3"):
        api.version(model, version)
    path = f"/api/v1/{path}"
    newest = api.get(f"{path}?limit=3").json
    third, second, first = (datetime.fromisoformat(row["created_at"]) for row in newest)
    early, late = (
        (one + (other - one) / 2).astimezone(timezone(timedelta(hours=3))).isoformat(timespec="microseconds")
        for one, other in ((first, second), (second, third))
    )

    def found(**query):
        return [row for row in api.get(path, query_string=query).json if row in newest]

    assert found(**{after: early}) == newest[:2]
    assert found(**{before: late}) == newest[1:]
    assert found(**{after: early, before: late}) == newest[1:2]
    assert found(**{after: late, before: early}) == []
