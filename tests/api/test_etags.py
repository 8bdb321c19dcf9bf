"""`ETag`, `If-None-Match` and `If-Match`: what a client holds, and what it bases a change on."""

import re

import pytest
from stage import refusal

FORM = re.compile(r'"(\d+)-[0-9a-f]+"')


def counter(response):
    return int(FORM.fullmatch(response.headers["ETag"])[1])


def paths(api):
    model = api.model()
    version = api.version(model)
    deployment = api.deployment(version)
    return {
        "model": f"/api/v1/models/{model['id']}",
        "image": f"/api/v1/images/{model['id']}",
        "version": f"/api/v1/versions/{version['id']}",
        "latest": f"/api/v1/versions/latest?model_name={model['name']}",
        "deployment": f"/api/v1/deployments/{deployment['id']}",
        "pending": f"/api/v1/deployments/{api.deployment(version, 'dev', status='pending')['id']}",
        "environment": "/api/v1/environments/production",
    }


@pytest.mark.parametrize("thing", ["model", "image", "version", "latest", "deployment", "environment"])
def test_one_thing_has_a_tag_and_is_not_sent_again(api, thing):
    path = paths(api)[thing]
    first = api.get(path)
    tag = first.headers["ETag"]
    assert FORM.fullmatch(tag)
    unchanged = api.get(path, headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.data, unchanged.headers["ETag"]) == (304, b"", tag)


@pytest.mark.parametrize("sent", ['"0-none", {}', "W/{}", "*", "{}, W/{}"])
def test_if_none_match_is_a_list_of_tags_weak_ones_too(api, sent):
    path = paths(api)["version"]
    tag = api.get(path).headers["ETag"]
    assert api.get(path, headers={"If-None-Match": sent.replace("{}", tag)}).status_code == 304


@pytest.mark.parametrize("sent", ['"1-0000000000000000"', "nonsense", "", '"1"', '"-"', "é"])
def test_another_tag_gets_the_whole_answer(api, sent):
    assert api.get(paths(api)["version"], headers={"If-None-Match": sent}).status_code == 200


def test_the_hash_tells_what_the_counter_does_not(api):
    model = api.model()
    path = f"/api/v1/models/{model['id']}"
    before = api.get(path)
    api.version(model)
    after = api.get(path, headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert after.json["version_count"] == 1
    assert counter(after) == counter(before)


def test_a_live_deployment_changes_a_versions_answer_but_not_its_counter(api):
    version = api.version(api.model())
    path = f"/api/v1/versions/{version['id']}"
    before = api.get(path)
    api.deployment(version)
    after = api.get(path, headers={"If-None-Match": before.headers["ETag"]})
    assert (after.status_code, after.json["live_in"], counter(after)) == (200, ["production"], counter(before))


@pytest.mark.parametrize(
    ("thing", "body"),
    [("model", {"description": "new"}), ("version", {"release_notes": "new"}), ("version", {"is_release": True})],
)
def test_a_change_of_the_things_own_fields_moves_the_counter_by_one(api, thing, body):
    path = paths(api)[thing]
    before = counter(api.get(path))
    changed = api.put(path, body)
    assert counter(changed) == before + 1
    assert api.get(path).headers["ETag"] == changed.headers["ETag"]


@pytest.mark.parametrize("verb", ["promote", "demote"])
def test_promoting_answers_with_the_tag_of_what_is_there_now(api, verb):
    path = paths(api)["version"]
    done = api.post(f"{path}/{verb}")
    assert api.get(path).headers["ETag"] == done.headers["ETag"]


@pytest.mark.parametrize("path", ["/api/v1/models", "/api/v1/versions", "/api/v1/deployments"])
def test_what_was_just_made_has_the_tag_that_reading_it_gives(api, path):
    model = api.model()
    version = api.version(model)
    body = {
        "/api/v1/models": {"name": "org/new", "repository": "ghcr.io/org/new", "metadata": {"a": 1.5}},
        "/api/v1/versions": {
            "model_id": model["id"],
            "version": "2",
            "tag": "t",
            "digest": "sha256:x",
            "is_release": True,
        },
        "/api/v1/deployments": {"release_id": version["id"], "environment": "staging"},
    }[path]
    made = api.post(path, body)
    read = api.get(made.headers["Location"])
    assert (read.data, read.headers["ETag"]) == (made.data, made.headers["ETag"])


def test_a_change_that_changes_nothing_leaves_the_tag(api, trail):
    path = paths(api)["model"]
    before = api.get(path).headers["ETag"]
    assert api.put(path, {"storage_path": "docker.io/org/bert"}).headers["ETag"] == before
    assert api.put(path, {}).headers["ETag"] == before
    assert trail("model.update") == []


CHANGES = {
    "model": ({"description": "x"}, {"description": "y"}),
    "version": ({"release_notes": "x"}, {"release_notes": "y"}),
    "pending": ({"status": "running"}, {"status": "failed"}),
    "environment": ({"rank": 7}, {"rank": 8}),
}


@pytest.mark.parametrize("thing", CHANGES)
def test_a_change_based_on_what_is_there_is_done_and_one_on_what_was_is_refused(api, trail, thing):
    path, (first, body) = paths(api)[thing], CHANGES[thing]
    old = api.get(path).headers["ETag"]
    assert api.put(path, first, headers={"If-Match": old}).status_code == 200
    before, written = api.get(path), len(trail())
    assert refusal(api.put(path, body, headers={"If-Match": old})) == "precondition-failed"
    assert api.get(path).data == before.data
    assert len(trail()) == written


def test_if_match_compares_the_counter_alone(api):
    model = api.model()
    path = f"/api/v1/models/{model['id']}"
    tag = api.get(path).headers["ETag"]
    api.version(model)
    assert api.put(path, {"description": "x"}, headers={"If-Match": tag}).status_code == 200


@pytest.mark.parametrize("sent", ["*", '"99-0000000000000000", {}', "W/{}"])
def test_if_match_takes_a_list_and_a_star(api, sent):
    path = paths(api)["model"]
    tag = api.get(path).headers["ETag"]
    assert api.put(path, {"description": "x"}, headers={"If-Match": sent.replace("{}", tag)}).status_code == 200


@pytest.mark.parametrize("sent", ['"none"', "", "1", '"1"', '"' + "9" * 40 + '-0000000000000000"'])
@pytest.mark.parametrize("thing", ["model", "version"])
def test_a_tag_that_is_none_of_ours_matches_nothing(api, thing, sent):
    path = paths(api)[thing]
    body = {"metadata": {"a": 1}}
    assert api.put(path, body, headers={"If-Match": sent}).status_code == 412
    assert api.delete(path, headers={"If-Match": sent}).status_code == 412


@pytest.mark.parametrize("thing", ["model", "version", "environment", "gate"])
def test_a_delete_or_change_based_on_what_was_there_is_refused(api, thing):
    model = api.model()
    gate = api.post("/api/v1/gates", {"model": "*", "target": "release", "kind": "approved"})
    path, body = {
        "model": (f"/api/v1/models/{model['id']}", {"metadata": {"a": 1}}),
        "version": (f"/api/v1/versions/{api.version(model)['id']}", {"metadata": {"a": 1}}),
        "environment": ("/api/v1/environments/production", {"rank": 7}),
        "gate": (f"/api/v1/gates/{gate.json['id']}", {"count": 2}),
    }[thing]
    api.put("/api/v1/environments/production", {})
    old = gate.headers["ETag"] if thing == "gate" else api.get(path).headers["ETag"]
    new = api.put(path, body, headers={"If-Match": old}).headers["ETag"]
    assert api.put(path, body, headers={"If-Match": old}).status_code == 412
    assert api.delete(path, headers={"If-Match": old}).status_code == 412
    assert api.delete(path, headers={"If-Match": new}).status_code == 204
    assert api.delete(path).status_code == 404


def test_a_change_of_what_is_not_there_is_not_found_whatever_it_is_based_on(api):
    nowhere = "/api/v1/models/019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11"
    assert api.put(nowhere, {"description": "x"}, headers={"If-Match": '"1-0000000000000000"'}).status_code == 404
