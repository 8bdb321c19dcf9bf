"""`ETag`, `If-None-Match` and `If-Match`: what a client holds, and what it bases a change on."""

import re

import pytest
from api.conftest import address, listed
from stage import NOWHERE, refusal

FORM = re.compile(r'"(\d+)-[0-9a-f]+"')


def counter(response):
    return int(FORM.fullmatch(response.headers["ETag"])[1])


@pytest.mark.parametrize("noun", ["model", "version", "latest", "deployment", "environment"])
def test_one_thing_has_a_tag_and_is_not_sent_again(api, things, noun):
    latest = "/api/v1/versions/latest?model_name=org/bert"
    path = latest if noun == "latest" else address(noun, things[noun])
    tag = api.get(path).headers["ETag"]
    assert FORM.fullmatch(tag)
    unchanged = api.get(path, headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.data, unchanged.headers["ETag"]) == (304, b"", tag)


@pytest.mark.parametrize("sent", ['"0-none", {}', "W/{}", "*", "{}, W/{}"])
def test_if_none_match_is_a_list_of_tags_weak_ones_too(api, things, sent):
    path = address("version", things["version"])
    tag = api.get(path).headers["ETag"]
    assert api.get(path, headers={"If-None-Match": sent.replace("{}", tag)}).status_code == 304


@pytest.mark.parametrize("sent", ['"1-0000000000000000"', "nonsense", "", '"1"', '"-"', "é"])
def test_another_tag_gets_the_whole_answer(api, things, sent):
    assert api.get(address("version", things["version"]), headers={"If-None-Match": sent}).status_code == 200


def test_the_hash_tells_what_the_counter_does_not(api):
    model = api.model()
    version = api.version(model)
    for path, change, field, value in (
        (address("model", model), lambda: api.version(model, "2"), "version_count", 2),
        (address("version", version), lambda: api.deployment(version), "live_in", ["production"]),
    ):
        before = api.get(path)
        change()
        after = api.get(path, headers={"If-None-Match": before.headers["ETag"]})
        assert (after.status_code, after.json[field], counter(after)) == (200, value, counter(before))


@pytest.mark.parametrize(
    ("noun", "body"),
    [("model", {"description": "new"}), ("version", {"release_notes": "new"}), ("version", {"is_release": True})],
)
def test_a_change_of_the_things_own_fields_moves_the_counter_by_one(api, things, noun, body):
    path = address(noun, things[noun])
    before = counter(api.get(path))
    changed = api.put(path, body)
    assert counter(changed) == before + 1
    assert api.get(path).headers["ETag"] == changed.headers["ETag"]


@pytest.mark.parametrize("verb", ["promote", "demote"])
def test_promoting_answers_with_the_tag_of_what_is_there_now(api, things, verb):
    path = address("version", things["version"])
    done = api.post(f"{path}/{verb}")
    assert api.get(path).headers["ETag"] == done.headers["ETag"]


CHANGES = {
    "model": ({"description": "y"}, {"description": "z"}),
    "version": ({"release_notes": "y"}, {"release_notes": "z"}),
    "deployment": ({"status": "running"}, {"status": "failed"}),
    "environment": ({"rank": 7}, {"rank": 8}),
    "gate": ({"count": 2}, {"count": 3}),
}


@pytest.mark.parametrize("noun", CHANGES)
def test_what_is_based_on_what_is_there_is_done_and_what_is_based_on_what_was_is_refused(api, things, trail, noun):
    path, (first, second) = address(noun, things[noun]), CHANGES[noun]
    old = {"If-Match": api.put(path, {}).headers["ETag"]}
    new = {"If-Match": api.put(path, first, headers=old).headers["ETag"]}
    before, written = listed(api, noun, things[noun]), len(trail())
    assert first.items() <= before.items()
    assert refusal(api.put(path, second, headers=old)) == "precondition-failed"
    if noun != "deployment":  # none is ever deleted
        assert refusal(api.delete(path, headers=old)) == "precondition-failed"
    assert (listed(api, noun, things[noun]), len(trail())) == (before, written)
    if noun != "deployment":
        assert api.delete(path, headers=new).status_code == 204
        assert api.delete(path).status_code == 404


def test_if_match_compares_the_counter_alone(api):
    model = api.model()
    path = f"/api/v1/models/{model['id']}"
    tag = api.get(path).headers["ETag"]
    api.version(model)
    assert api.put(path, {"description": "x"}, headers={"If-Match": tag}).status_code == 200


@pytest.mark.parametrize("sent", ["W/{}", "W/{}, W/{}"])
@pytest.mark.parametrize("noun", ["model", "version"])
def test_if_match_takes_no_weak_tag_and_says_what_makes_one(api, things, noun, sent):
    path = address(noun, things[noun])
    weak = {"If-Match": sent.replace("{}", api.get(path).headers["ETag"])}
    for refused in (api.put(path, {"metadata": {"a": 1}}, headers=weak), api.delete(path, headers=weak)):
        assert refusal(refused) == "precondition-failed"
        assert "A proxy that compresses answers makes tags weak" in refused.json["detail"]


@pytest.mark.parametrize("sent", ["*", '"99-0000000000000000", {}', "W/{}, {}"])
def test_if_match_takes_a_list_and_a_star(api, things, sent):
    path = address("model", things["model"])
    tag = api.get(path).headers["ETag"]
    assert api.put(path, {"description": "x"}, headers={"If-Match": sent.replace("{}", tag)}).status_code == 200


@pytest.mark.parametrize("sent", ['"none"', "", "1", '"1"', '"' + "9" * 40 + '-0000000000000000"'])
@pytest.mark.parametrize("noun", ["model", "version"])
def test_a_tag_that_is_none_of_ours_matches_nothing(api, things, noun, sent):
    path = address(noun, things[noun])
    body = {"metadata": {"a": 1}}
    assert api.put(path, body, headers={"If-Match": sent}).status_code == 412
    assert api.delete(path, headers={"If-Match": sent}).status_code == 412


def test_a_change_of_what_is_not_there_is_not_found_whatever_it_is_based_on(api):
    tag = {"If-Match": '"1-0000000000000000"'}
    assert refusal(api.put(f"/api/v1/models/{NOWHERE}", {"description": "x"}, headers=tag)) == "not-found"
