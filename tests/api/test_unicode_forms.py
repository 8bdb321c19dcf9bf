"""Texts are found whichever Unicode form they were typed in, and stay as they were sent."""

from unicodedata import normalize
from urllib.parse import quote, urlencode

import pytest

FORMS = pytest.mark.parametrize(("stored", "sought"), [("NFD", "NFC"), ("NFC", "NFD")])


@pytest.fixture
def cafe():
    """A function that returns the text in a Unicode form."""
    return lambda form, text="café": normalize(form, text)


def found(api, path, **query):
    response = api.get(f"{path}?{urlencode(query)}")
    assert response.status_code == 200, response.text
    return response.json


@FORMS
def test_models_are_found_by_their_descriptions(api, cafe, stored, sought):
    model = api.model(description=f"Le {cafe(stored)} du coin", metadata={"x": cafe(stored)})
    assert model["description"] == f"Le {cafe(stored)} du coin"
    assert model["metadata"] == {"x": cafe(stored)}
    for words in (cafe(sought), cafe(sought, "CAFÉ"), cafe(sought, "é")):
        assert found(api, "/api/v1/models", search=words) == [model]
        assert found(api, "/api/v1/models", filter=f'description ~ "{words}"') == [model]
    assert found(api, "/api/v1/models", filter=f'metadata.x = "{cafe(sought)}"') == [model]
    assert found(api, "/api/v1/models", search="cafe") == []


@FORMS
def test_versions_are_found_by_every_text(api, cafe, stored, sought):
    text, words = cafe(stored), cafe(sought)
    metadata = {"x": text, "list": ["a", text]}
    fields = dict.fromkeys(("release_notes", "quantization", "platform", "ceph_path"), text)
    version = api.version(api.model(), metadata=metadata, **fields)
    assert {name: version[name] for name in fields} == fields
    for name in (*fields, "metadata.x"):
        for condition in (
            f'{name} = "{words}"',
            f'{name} in ("{words}")',
            f'{name} ~ "{words}"',
            f'{name} >= "{words}"',
        ):
            assert found(api, "/api/v1/versions", filter=condition) == [version], condition
        assert found(api, "/api/v1/versions", filter=f'{name} != "{words}"') == []
    assert found(api, "/api/v1/versions", filter=f'metadata.list ~ "{words}"') == [version]
    assert found(api, "/api/v1/versions", filter='metadata.x ~ "cafe"') == []


def test_texts_that_are_alike_have_one_place_in_an_order(api, cafe):
    model = api.model()
    for number, text in enumerate((cafe("NFD"), "cafz", cafe("NFC"))):
        api.version(model, str(number), metadata={"x": text}, release_notes=text)
    for order in ("metadata.x,version", "release_notes,version"):
        rows = api.walk(f"/api/v1/versions?sort={order}&limit=1")
        assert [row["version"] for row in rows] == ["1", "0", "2"]


@FORMS
def test_entries_of_the_audit_log_are_found_by_a_name(api, cafe, stored, sought):
    key = api.make("/api/v1/api-keys", {"name": cafe(stored), "role": "publisher"})
    by_it = type(api)(api.app, {**api.keys, "it": key["key"]}, "it")
    by_it.model()
    (entry,) = found(api, "/api/v1/audit-logs", api_key_name=cafe(sought))
    assert entry["api_key_name"] == cafe(stored)
    other = api.make("/api/v1/api-keys", {"name": cafe(sought), "role": "publisher"})
    type(api)(api.app, {**api.keys, "it": other["key"]}, "it").model("org/other")
    path = f"/api/v1/audit-logs?limit=1&api_key_name={quote(cafe(sought))}"
    assert [row["api_key_name"] for row in api.walk(path)] == [cafe(sought), cafe(stored)]


def test_a_view_s_name_is_taken_in_either_form(api, cafe):
    view = {"address": "/models?tag=nlp"}
    assert api.post("/api/v1/me/views", {**view, "name": cafe("NFD")}).status_code == 201
    assert api.post("/api/v1/me/views", {**view, "name": cafe("NFC", "CAFÉ")}).status_code == 409
