"""Renaming models: what the old names lead to, who is told, and what a name decides."""

import pytest
from stage import Api, refusal

MODELS, VERSIONS, GATES, KEYS = "/api/v1/models", "/api/v1/versions", "/api/v1/gates", "/api/v1/api-keys"
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def model(api):
    return api.model("org/bert")


def rename(api, model, name):
    return api.post(f"{MODELS}/{model['id']}/rename", {"name": name})


def renamed(api, model, name):
    response = rename(api, model, name)
    assert response.status_code == 200, response.text
    return response.json


def names(api, query):
    response = api.get(f"{MODELS}?{query}")
    assert response.status_code == 200, response.text
    return [found["name"] for found in response.json]


def test_the_old_name_leads_to_the_model_in_every_look_up(api, model):
    version = api.version(model, "1")
    api.deployment(version)
    now = renamed(api, model, "Team A/bert 2")
    assert (now["name"], now["former_names"]) == ("Team A/bert 2", ["org/bert"])
    assert api.get(f"{MODELS}/{model['id']}").json == {key: now[key] for key in model}
    for name in ("ORG/bert", "team a/BERT 2"):
        assert names(api, f"name={name}") == ["Team A/bert 2"], name
        for query in (f"model_name={name}", f'filter=model_name = "{name}"', f'filter=model_name in ("x", "{name}")'):
            assert [found["model_name"] for found in api.get(f"{VERSIONS}?{query}").json] == ["Team A/bert 2"], query
        assert api.get(f"{VERSIONS}/latest?model_name={name}&environment=production").json["version"] == "1"
        assert len(api.get(f"/api/v1/deployments?model_name={name}").json) == 1
    made = api.make(VERSIONS, {"model_name": "org/BERT", "version": "2", "tag": "t", "digest": DIGEST})
    assert (made["model_name"], made["number"]) == ("Team A/bert 2", 2)
    api.deployment(made)
    back = api.post("/api/v1/environments/production/rollback", {"model_name": "org/bert", "reason": "worse"})
    assert (back.status_code, back.json["version"]) == (201, "1")
    gone = api.post("/api/v1/environments/production/retire", {"model_name": "org/bert", "reason": "old"})
    assert gone.status_code == 200, gone.text


def test_a_name_is_taken_by_the_model_that_has_or_had_it_until_that_is_deleted(api, model):
    other = api.model("org/other")
    renamed(api, model, "org/second")
    renamed(api, model, "org/third")
    for name in ("org/bert", "ORG/Second", "org/third"):
        assert refusal(api.post(MODELS, {"name": name, "storage_path": "x"})) == "conflict", name
        assert refusal(rename(api, other, name)) == "conflict", name
    assert refusal(rename(api, model, "org/other")) == "conflict"
    assert renamed(api, model, "org/bert")["former_names"] == ["org/second", "org/third"]
    assert api.delete(f"{MODELS}/{model['id']}").status_code == 204
    assert names(api, "name=org/third") == []
    assert refusal(rename(api, model, "org/x")) == "not-found"
    assert renamed(api, other, "org/second")["former_names"] == ["org/other"]
    api.model("org/bert")
    api.model("org/third")


def test_only_the_case_may_change_and_the_same_name_changes_nothing(api, model, trail):
    before = len(trail())
    assert renamed(api, model, "org/bert")["former_names"] == []
    assert len(trail()) == before
    assert renamed(api, model, "Org/BERT")["name"] == "Org/BERT"
    assert names(api, "name=org/bert") == ["Org/BERT"]
    assert trail()[0]["details"] == {"name": "Org/BERT", "old_name": "org/bert"}


@pytest.mark.parametrize("name", ["", "a  b", "org/", "org/versions", "x" * 256, None, 3])
def test_a_name_that_is_none_is_refused(api, model, name):
    assert refusal(rename(api, model, name)) == "validation"
    assert refusal(api.put(f"{MODELS}/{model['id']}", {"name": "org/x"})) == "validation"


def test_the_answer_and_the_entry_name_the_gates_and_keys_that_the_name_decides_about(api, model, trail):
    gates = {
        pattern: api.make(GATES, {"model": pattern, "target": "release", "kind": "approved"})["id"]
        for pattern in ("org/*", "team a/b*", "*", "other/*")
    }
    keys = {
        pattern: api.make(KEYS, {"name": pattern, "models": [pattern]})["id"]
        for pattern in ("org/bert", "Team A/*", "*ert*", "nlp/*")
    }
    revoked = api.make(KEYS, {"name": "gone", "models": ["org/*"]})
    api.delete(f"{KEYS}/{revoked['id']}")
    now = renamed(api, model, "Team A/bert")
    moved = {name: [row["id"] for row in now[name]] for name in now if name.endswith(("_lost", "_gained"))}
    assert moved == {
        "gates_lost": [gates["org/*"]],
        "gates_gained": [gates["team a/b*"]],
        "keys_lost": [keys["org/bert"]],
        "keys_gained": [keys["Team A/*"]],
    }
    assert now["gates_lost"][0] == {"id": gates["org/*"], "model": "org/*", "target": "release", "kind": "approved"}
    details = trail()[0]["details"]
    assert {name: details[name] for name in moved} == {name: now[name] for name in moved}
    applied = api.get(f"{VERSIONS}/{api.version(model)['id']}/gates?target=release").json
    assert {verdict["gate"]["model"] for verdict in applied} == {"*", "team a/b*"}


def test_a_bounded_key_is_held_to_what_a_model_is_called_now(api, model):
    key = api.make(KEYS, {"name": "ci", "role": "publisher", "models": ["org/*"]})
    bounded = Api(api.app, {"own": key["key"]}, "own")
    version = {"version": "1", "tag": "t", "digest": DIGEST}
    renamed(api, model, "nlp/bert")
    for name in ({"model_name": "org/bert"}, {"model_id": model["id"]}):
        assert refusal(bounded.post(VERSIONS, version | name)) == "forbidden"
    assert api.get(VERSIONS).json == []
    other = api.model("speech/asr")
    renamed(api, other, "org/asr")
    assert bounded.make(VERSIONS, version | {"model_name": "speech/asr"})["number"] == 1


def test_decisions_keep_the_name_and_the_activity_of_the_model_has_both(api, model, app):
    release = api.post(f"{VERSIONS}/{api.version(model, '1')['id']}/promote", {}).json
    renamed(api, model, "org/second")
    assert api.get(f"/api/v1/decisions/{release['decision_id']}").json["model_name"] == "org/bert"
    assert api.get(f"{VERSIONS}/{release['id']}").json["model_name"] == "org/second"
