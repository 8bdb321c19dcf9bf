"""`/registries`: the image registries beside the trusted keys, and the forms that add, change and delete one."""

import pytest
from markup import Page

from catapult.config import RegistrySecrets

AT = "/api/v1/registries"
FORM = {
    "host": "93.184.215.14:5000",
    "repositories": "team/*\r\nother\r\n",
    "username": "robot",
    "secret": "ghcr",
    "ca": "",
    "allow_http": "false",
}


@pytest.fixture
def desk(app_with, browser):
    """An admin's browser of an application that has a secret."""
    app = app_with(registry_secrets=RegistrySecrets(None, {"REGISTRY_SECRET_GHCR": "pa55word"}))
    return type(browser)(app, browser.keys, "admin")


def test_a_registry_is_added_changed_and_deleted(desk, api):
    assert "No image registries yet" in desk.get("/registries").text
    assert desk.post("/new/registry", FORM).status_code == 303
    [made] = api.get(AT).json
    assert {name: made[name] for name in ("host", "repositories", "username", "secret", "ca", "allow_http")} == {
        **FORM,
        "repositories": ["team/*", "other"],
        "ca": None,
        "allow_http": False,
    }
    listed = desk.get("/registries").text
    assert all(text in listed for text in ("93.184.215.14:5000", "team/*", "robot", "ghcr"))
    assert "pa55word" not in listed
    form = Page(desk.get(f"/registries/{made['id']}/edit"))
    assert form.form == {**FORM, "repositories": "team/*\r\nother", "counter": "1"}
    changed = {**FORM, "username": "", "secret": "", "counter": "1"}
    assert desk.post(f"/registries/{made['id']}/edit", changed).status_code == 303
    [now] = api.get(AT).json
    assert (now["username"], now["secret"], now["repositories"]) == (None, None, ["team/*", "other"])
    assert desk.post(f"/registries/{made['id']}/edit", {**changed, "repositories": "*"}).status_code == 412
    assert desk.post(f"/registries/{made['id']}/delete", {"counter": "1"}).status_code == 412
    assert desk.post(f"/registries/{made['id']}/delete", {}).status_code == 303
    assert api.get(AT).json == []
    audit = desk.get("/audit").text
    for deed in ("added the image registry", "changed the image registry", "deleted the image registry"):
        assert deed in audit


@pytest.mark.parametrize(
    ("field", "bad", "message"),
    [
        ("host", "127.0.0.1", "EGRESS_ALLOW"),
        ("host", "", "Missing data"),
        ("repositories", "Team/*", "lower case"),
        ("secret", "nothing", "REGISTRY_SECRET_NOTHING"),
        ("ca", "ghcr", "no certificates in PEM"),
        ("username", "a:b", "without a colon"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(desk, field, bad, message):
    answer = desk.post("/new/registry", {**FORM, field: bad})
    assert answer.status_code == 422
    assert Page(answer).invalid == [field]
    assert message in answer.text


def test_both_lists_lead_to_each_other_and_viewers_see_the_keys_alone(browser):
    for path, other in (("/registries", "/trusted-keys"), ("/trusted-keys", "/registries")):
        page = Page(browser.get(path))
        assert other in page.links
        assert "Registries and keys" in browser.get(path).text
    assert "/registries" not in Page(browser.by("viewer").get("/trusted-keys")).links


def test_a_key_with_bounds_gets_neither_list_nor_form(browser, api, app):
    made = api.make(AT, {"host": "93.184.215.14", "repositories": ["*"]})
    key = api.make("/api/v1/api-keys", {"name": "bound", "role": "admin", "models": ["org/*"]})["key"]
    bound = type(browser)(app, {"bound": key}, "bound")
    for path in ("/registries", "/new/registry", f"/registries/{made['id']}/edit", f"/registries/{made['id']}/delete"):
        assert bound.get(path).status_code == 403
    assert bound.get("/trusted-keys").status_code == 200


def test_a_model_asks_for_pushes_on_its_settings(browser, api):
    form = {"name": "org/new", "repository": "ghcr.io/org/new", "register_tags": "v*"}
    assert browser.post("/new/model", form).status_code == 303
    [model] = api.get("/api/v1/models").json
    assert model["register_tags"] == "v*"
    settings = "/models/org/new/-/settings"
    assert Page(browser.get(settings)).field("register_tags").value == "v*"
    kept = {"storage_path": model["storage_path"], "repository": model["repository"]}
    refused = browser.post(settings, {**kept, "register_tags": "-v"})
    assert (refused.status_code, Page(refused).invalid) == (422, ["register_tags"])
    assert browser.post(settings, {**kept, "register_tags": ""}).status_code == 303
    assert api.get(f"/api/v1/models/{model['id']}").json["register_tags"] is None
