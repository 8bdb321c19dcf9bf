"""Saved views: whose they are, how many, and which addresses they take."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from stage import NOWHERE, Api

from catapult.actions.saved_views import MOST
from catapult.tables import VIEW_ADDRESS_LENGTH

VIEWS = "/api/v1/me/views"


def names(api):
    return [view["name"] for view in api.get(VIEWS).json]


def by_key(api, **body):
    """The API by a new key."""
    made = api.make("/api/v1/api-keys", {"name": "new", **body})
    return Api(api.app, {"new": made["key"]}, "new"), made


def test_a_view_is_a_name_for_an_address_that_its_holder_sees_and_deletes(api, trail):
    address = "/versions?filter=metadata.accuracy+%3E%3D+0.9&sort=-created_at"
    made = api.by("viewer").make(VIEWS, {"name": "Good ones", "address": address})
    assert made.keys() == {"id", "name", "address", "created_at"}
    assert api.by("viewer").get(VIEWS).json == [made]
    assert names(api) == []
    assert api.delete(f"{VIEWS}/{made['id']}").status_code == 404
    assert api.by("viewer").delete(f"{VIEWS}/{made['id']}").status_code == 204
    assert names(api.by("viewer")) == []
    assert [entry["details"] for entry in trail("saved_view.create")] == [{}]  # the audit log is for everybody
    assert len(trail("saved_view.delete")) == 1
    assert api.delete(f"{VIEWS}/{NOWHERE}").status_code == 404


def test_all_keys_of_a_person_have_the_person_s_views(api):
    person = api.make("/api/v1/people", {"name": "Dana Ortiz", "role": "publisher"})
    (first, _), (second, _) = (by_key(api, person_id=person["id"]) for _ in range(2))
    first.make(VIEWS, {"name": "Mine", "address": "/models"})
    assert names(second) == ["Mine"]


def test_a_rotated_key_has_the_views_of_the_one_before(api):
    service, key = by_key(api)
    view = service.make(VIEWS, {"name": "Mine", "address": "/audit"})
    for _ in range(2):
        key = api.make(f"/api/v1/api-keys/{key['id']}/rotate", {})
    after = Api(api.app, {"new": key["key"]}, "new")
    after.make(VIEWS, {"name": "Second", "address": "/audit"})
    assert names(after) == ["Second", "Mine"]
    assert after.post(VIEWS, {"name": "MINE", "address": "/audit"}).status_code == 409
    assert after.delete(f"{VIEWS}/{view['id']}").status_code == 204


def test_a_name_is_unique_among_one_s_own(api):
    api.make(VIEWS, {"name": "Mine", "address": "/models"})
    refused = api.post(VIEWS, {"name": "mINE", "address": "/audit"})
    assert (refused.status_code, refused.json["type"]) == (409, "/docs/errors/conflict")
    api.by("viewer").make(VIEWS, {"name": "Mine", "address": "/models"})


def test_nobody_has_more_than_fifty_also_at_the_same_time(api):
    for number in range(MOST - 2):
        api.make(VIEWS, {"name": f"view {number}", "address": "/models"})
    with ThreadPoolExecutor(4) as pool:
        sent = pool.map(lambda number: api.post(VIEWS, {"name": f"late {number}", "address": "/models"}), range(4))
        assert sorted(answer.status_code for answer in sent) == [201, 201, 409, 409]
    assert len(api.get(f"{VIEWS}?limit=100").json) == MOST


@pytest.mark.parametrize(
    "address",
    [
        *("https://example.com/models", "//example.com/models", "/\\example.com", "javascript:alert(1)", "models", "/"),
        *("/keys", "/modelsx", "/models//x", "/models#x", "/models?a b", "/models\n", "/models?ü", '/models?"', ""),
        "/models?" + "x" * VIEW_ADDRESS_LENGTH,
    ],
)
def test_an_address_is_one_of_our_lists_and_names_no_host(api, address):
    assert api.post(VIEWS, {"name": "x", "address": address}).status_code == 422


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "a\nb"])
def test_a_name_is_a_short_text_on_one_line(api, name):
    assert api.post(VIEWS, {"name": name, "address": "/models"}).status_code == 422


@pytest.mark.parametrize(
    "address", ["/models", "/models/org/bert?show=releases", "/deployments?live=true", "/audit?since=x"]
)
def test_lists_and_what_is_below_them_are_taken(api, address):
    assert api.make(VIEWS, {"name": "x", "address": address})["address"] == address
