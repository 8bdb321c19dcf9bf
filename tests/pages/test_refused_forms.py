"""Forms that are refused: every fault is at its field, and nothing that was typed is lost."""

import pytest
from markup import Page, is_whole

SETTINGS, EDIT = "/models/org/bert/-/settings", "/models/org/bert/versions/1.0.0/-/edit"
FREEZE, SETTINGS_THERE = "/environments/staging/-/freeze", "/environments/staging/-/settings"
EVIL = "</textarea><script>alert(1)</script>\"' שלום"
TYPED = {"metadata": '{ "typed" :1}'}
VERSION = {"model_name": "org/bert", "version": "2", "tag": "v2", "digest": "a:b"}
DEPLOYMENT = {"model": "org/bert", "version": "1.0.0", "environment": "staging"}
FORMS = {
    "/new/model": {"name": "org/new", "storage_path": "x", "description": EVIL, "tags": "nlp", **TYPED},
    "/new/version": {**VERSION, "release_notes": EVIL, **TYPED},
    "/new/deployment": {**DEPLOYMENT, "endpoint_url": "https://typed.example"},
    "/new/environment": {"name": "edge", "rank": "8", "description": EVIL},
    "/new/gate": {"model": "*", "target": "release"},
    "/new/key": {"name": EVIL, "role": "viewer"},
    SETTINGS: {"storage_path": "x", "description": EVIL, **TYPED},
    EDIT: {"release_notes": EVIL, **TYPED},
    FREEZE: {"frozen_reason": EVIL},
    SETTINGS_THERE: {"rank": "3", "description": EVIL},
}
"""By its address a form, or the beginning of one, that would be accepted."""

BAD = {
    ("/new/model", "name"): ["", "org/versions", "a\x00b"],
    ("/new/model", "storage_path"): ["x" * 1025],
    ("/new/model", "description"): ["x" * 10_001],
    ("/new/model", "tags"): ["x" * 129],
    ("/new/model", "metadata"): ["[1]", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 5_000],
    ("/new/version", "size_bytes"): ["many", "9" * 25, "1.5"],
    ("/new/version", "version"): [".."],
    ("/new/version", "model_name"): [""],
    ("/new/deployment", "version"): ["9.9.9"],
    ("/new/deployment", "model"): [""],
    ("/new/deployment", "environment"): ["", "-", "release"],
    ("/new/deployment", "status"): ["great", "cancelled"],
    ("/new/deployment", "log_url"): ["javascript:alert(1)"],
    ("/new/deployment", "metadata"): ["[1]"],
    ("/new/environment", "name"): ["", "-", "release"],
    (SETTINGS_THERE, "rank"): ["-1"],
    (FREEZE, "frozen_reason"): ["", "x" * 1025],
    (FREEZE, "frozen_until"): ["2020-01-01T00:00", "tomorrow"],
    ("/new/key", "name"): ["", "a\nb"],
    ("/new/key", "expires_at"): ["2001-01-01T00:00"],
    ("/new/key", "role"): ["emperor"],
    ("/new/key", "ends"): ["never ever"],
}
"""By the form and the field what is refused there."""

METRIC = {"kind": "metric", "path": "accuracy", "op": ">=", "value": "0.9"}
SOAKED = {"kind": "soaked", "environment": "x", "seconds": "9999", "unit": "days"}
REFUSED = [
    *((at, {field: value}, [field], "") for (at, field), values in BAD.items() for value in values),
    *((at, {"metadata": "{"}, ["metadata"], "line 1, column 2") for at in (SETTINGS, EDIT)),
    ("/new/model", {"metadata": '{"a": 1,\n "b": }'}, ["metadata"], "line 2, column 7"),
    ("/new/model", {"metadata": '{"a": 1} x'}, ["metadata"], "line 1, column 10"),
    ("/new/model", {"name": "a  b", "metadata": "{", "tags": "x" * 129}, ["name", "tags", "metadata"], ""),
    ("/new/version", {"digest": "none", "metadata": '{"a": "\\u0000"}'}, ["digest", "metadata"], ""),
    ("/new/deployment", {"model": "no/such"}, ["version"], ""),
    ("/new/gate", {**METRIC, "model": "a  b"}, ["model"], "must be a model's name"),
    ("/new/gate", {**METRIC, "target": "nowhere"}, ["target"], "valid values: release, edge, staging."),
    ("/new/gate", {**METRIC, "value": "1e999"}, ["value"], "beyond the range of a 64-bit float"),
    ("/new/gate", {**METRIC, "value": "", "path": ""}, ["path", "value"], "required for a gate of kind metric."),
    ("/new/gate", {**METRIC, "op": "~"}, ["op"], "must be one of >=, >, <=, <, ==."),
    *(
        ("/new/gate", {**METRIC, "value": "nan", **more}, ["value"], "must be a number.")
        for more in ({}, {"do": "try"})
    ),
    ("/new/gate", {"kind": "approved", "count": "0", "role": "nobody"}, ["count", "role"], "must be 1 to 20."),
    ("/new/gate", {"kind": "approved", "count": "one"}, ["count"], "not a valid integer."),
    ("/new/gate", SOAKED, ["seconds"], "ten years"),
    ("/new/gate", {"kind": "metadata_present", "paths": "\n".join(map(str, range(51)))}, ["paths"], "1 to 50 paths"),
]

IDS = [f"{address} {' and '.join(invalid)}" for address, _, invalid, _ in REFUSED]


@pytest.fixture
def ids(once, api):
    """A version, a gate and a key; staging, and edge, which is protected: what addresses and calls name."""
    return dict(once(what_is_named, api))


@pytest.fixture
def browser(ids, browser):
    """A browser that signs in once those rows are there."""
    return browser


def what_is_named(api):
    version = api.by("publisher").version(api.model(), metadata={"accuracy": 0.89})
    for name in ("staging", "edge"):
        api.put(f"/api/v1/environments/{name}", {"rank": 1, "protected": name == "edge"})
    key = api.make("/api/v1/api-keys", {"name": "training"})
    gate = {"model": "other/*", "target": "release", "kind": "metric", "path": "accuracy", "op": ">=", "value": 0.9}
    written = api.make("/api/v1/gates", gate)
    return {"model": version["model_id"], "version": version["id"], "gate": written["id"], "key": key["id"]}


@pytest.mark.parametrize("htmx", [None, True])
@pytest.mark.parametrize(("address", "changed", "invalid", "message"), REFUSED, ids=IDS)
def test_every_fault_is_at_its_field_and_what_was_typed_stays(
    browser, ids, trail, address, changed, invalid, message, htmx
):
    before, typed = trail(), {**FORMS[address], **changed}
    answer = browser.post(address, typed, htmx=htmx and ("tab" if address == SETTINGS else "form"))
    page = Page(answer)
    assert (answer.status_code, is_whole(answer), sorted(page.invalid)) == (422, htmx is None, sorted(invalid))
    faults = {name: page.one(id=page.field(name)["aria-describedby"].split()[-1]) for name in invalid}
    assert all(fault.text and fault.get("class") == "fault" for fault in faults.values())
    assert message in " ".join(fault.text.lower() for fault in faults.values())
    fields = [one for one in page.all("input") + page.all("textarea") if one.get("type") not in ("checkbox", "hidden")]
    shown = {one.get("name"): one.value for one in fields}
    assert all(shown.get(name, text) == text for name, text in typed.items() if "\x00" not in text)
    assert "<script>alert" not in answer.text
    assert trail() == before


@pytest.mark.parametrize(
    ("address", "typed", "field", "message", "marked"),
    [
        ("/new/model", {"name": "ORG/Bert"}, "description", "already exists", []),
        ("/new/version", {"version": "1.0.0"}, "release_notes", "already has that version", []),
        ("/new/version", {"model_name": "no/such"}, "release_notes", "There is no such model", ["model_name"]),
        ("/new/environment", {"name": "STAGING"}, "description", "already", ["name"]),
    ],
)
def test_a_name_that_is_taken_or_unknown_is_named_and_nothing_typed_is_lost(
    browser, ids, trail, address, typed, field, message, marked
):
    before = trail()
    answer = browser.post(address, {**FORMS[address], **typed}, htmx="form")
    page = Page(answer)
    assert (answer.status_code, page.field(field).value) == (409, EVIL)
    assert message in page.one("form", id="form").text
    assert page.invalid == marked
    assert "HX-Reswap" not in answer.headers
    assert trail() == before


@pytest.mark.parametrize(
    ("path", "call", "theirs", "field"),
    [
        (SETTINGS, "models/{model}", {"description": "theirs"}, "description"),
        (EDIT, "versions/{version}", {"release_notes": "theirs"}, "release_notes"),
        (FREEZE, "environments/staging", {"description": "theirs"}, "frozen_reason"),
        (SETTINGS_THERE, "environments/staging", {"description": "theirs"}, "description"),
        ("/environments/staging/-/delete", "environments/staging", {"description": "theirs"}, "confirm"),
        ("/gates/{gate}/edit", "gates/{gate}", {"path": "theirs"}, "path"),
        ("/gates/{gate}/delete", "gates/{gate}", {"path": "theirs"}, None),
    ],
)
@pytest.mark.parametrize("htmx", [None, True])
def test_somebody_elses_change_is_told_with_the_name_and_nothing_is_lost(
    browser, api, ids, trail, path, call, theirs, field, htmx
):
    path, call = path.format(**ids), f"/api/v1/{call.format(**ids)}"
    typed = {field: "staging"} if field else {}
    sent = {**Page(browser.get(path)).form, **typed}
    somebody = "publisher" if "bert" in path else "admin"
    api.by(somebody).put(call, theirs)
    before = trail()
    for _ in range(2):  # sending it again does not write over it either
        answer = browser.post(path, sent, htmx=htmx and ("tab" if path == SETTINGS else "form"))
        page = Page(answer)
        assert (answer.status_code, is_whole(answer)) == (412, htmx is None)
        assert f"Changed by {somebody}-key in the meantime" in page.one(role="alert").text
        assert field is None or page.field(field).value == "staging"
        assert path in page.links
        sent = page.form
    assert trail() == before
    assert browser.post(path, {**Page(browser.get(path)).form, **typed}).status_code == 303


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/models/org/bert/-/delete", "org/bert"),
        ("/models/org/bert/versions/1.0.0/-/delete", "1.0.0"),
        ("/environments/staging/-/delete", "staging"),
        ("/keys/{key}/revoke", "training"),
        ("/deployments/{deployment}/-/success", "org/bert"),
        ("/environments/edge/-/rollback?model_name=org/bert", "org/bert"),
        ("/new/deployment?model=org/bert&version=1.0.0&environment=edge", "org/bert"),
    ],
)
def test_what_cannot_be_undone_and_what_is_protected_take_the_typed_name(browser, api, ids, trail, path, name):
    if "deployment" in path:
        ids["deployment"] = api.deployment({"id": ids["version"]}, "edge", status="running")["id"]
    if "rollback" in path:
        for number in ("1.1.0", "1.2.0"):
            api.deployment(api.version({"id": ids["model"]}, number), "edge")
    path, before = path.format(**ids), trail()
    page = Page(browser.get(path))
    assert "/new/" in path or page.field("confirm")["data-confirm"] == name
    sent = {**page.form, "reason": "slow"}
    for typed in ("", "x", name.upper() + "x", name[:-1]):
        answer = browser.post(path, {**sent, "confirm": typed}, htmx="form")
        assert (answer.status_code, Page(answer).invalid) == (422, ["confirm"])
        assert Page(answer).field("confirm").value == typed
    assert trail() == before
    answer = browser.post(path, {**sent, "confirm": name})
    assert answer.status_code == 303
    assert browser.get(answer.headers["Location"]).status_code == 200
    assert len(trail()) > len(before)
    assert "delete" not in path or browser.get(path).status_code == 404
