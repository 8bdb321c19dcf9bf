"""MLflow's endpoints: who may call them, what they change, and how they refuse."""

from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import pytest
from mlflow_door.conftest import Door, message_of, tags
from rolecases import MODEL, set_up
from stage import Api

ALL = "*"
ROLES = ["viewer", "publisher", "releaser", "admin"]


class Call(NamedTuple):
    """One endpoint, the least role it takes, the entry that it writes, and the model and environment that it changes."""

    role: str
    entry: str | None
    call: str
    fields: dict[str, Any]
    model: str | None = None
    environment: str | None = None


FREE, LIVE, SOURCE = {"name": MODEL, "version": "3"}, {"name": MODEL, "version": "2"}, {"name": MODEL, "version": "5"}
OTHER = "org/other"
MOVE = "POST model-versions/transition-stage"
CALLS = [
    Call("publisher", "model.create", "POST registered-models/create", {"name": "org/new"}, "org/new"),
    Call("admin", "model.rename", "POST registered-models/rename", {"name": OTHER, "new_name": "Org/Other"}, OTHER),
    Call("publisher", "model.update", "PATCH registered-models/update", {"name": MODEL, "description": "x"}, MODEL),
    Call("admin", "model.delete", "DELETE registered-models/delete", {"name": OTHER}, OTHER),
    Call(
        "publisher", "model.update", "POST registered-models/set-tag", {"name": MODEL, "key": "a", "value": ""}, MODEL
    ),
    Call("publisher", "model.update", "DELETE registered-models/delete-tag", {"name": MODEL, "key": "old"}, MODEL),
    Call("publisher", "alias.move", "POST registered-models/alias", {**FREE, "alias": "next"}, MODEL),
    Call("viewer", None, "GET registered-models/alias", {"name": MODEL, "alias": "old"}),
    Call("publisher", "alias.remove", "DELETE registered-models/alias", {"name": MODEL, "alias": "old"}, MODEL),
    Call("viewer", None, "GET registered-models/get", {"name": MODEL}),
    Call("viewer", None, "GET registered-models/search", {}),
    Call("viewer", None, "POST registered-models/search", {"max_results": "5"}),
    Call("viewer", None, "GET registered-models/get-latest-versions", {"name": MODEL, "stages": ["none", "Staging"]}),
    Call("viewer", None, "POST registered-models/get-latest-versions", {"name": MODEL}),
    Call("publisher", "version.create", "POST model-versions/create", {"name": MODEL, "source": "s3://x"}, MODEL),
    Call("publisher", "version.update", "PATCH model-versions/update", {**FREE, "description": "x"}, MODEL),
    Call("publisher", "deployment.create", MOVE, {**FREE, "stage": "staging"}, MODEL, "staging"),
    Call("publisher", "version.update", MOVE, {**FREE, "stage": "Archived"}, MODEL),
    Call("releaser", "deployment.retire", MOVE, {**LIVE, "stage": "Archived"}, MODEL, "staging"),
    Call("publisher", "deployment.retire", MOVE, {**LIVE, "stage": "None"}, MODEL, "staging"),
    Call("admin", "version.delete", "DELETE model-versions/delete", FREE, MODEL, ALL),
    Call("viewer", None, "GET model-versions/get", FREE),
    Call("viewer", None, "GET model-versions/get-download-uri", SOURCE),
    Call("viewer", None, "GET model-versions/search", {"filter": f"name = '{MODEL}'"}),
    Call("viewer", None, "POST model-versions/search", {"order_by": ["name"]}),
    Call("publisher", "version.update", "POST model-versions/set-tag", {**FREE, "key": "a b", "value": "1"}, MODEL),
    Call("publisher", "version.update", "DELETE model-versions/delete-tag", {**SOURCE, "key": "old"}, MODEL),
]
EVERY_CALL = pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.call} {call.entry}")


@pytest.fixture
def registry(door: Door, once) -> None:
    """The registry of `rolecases`, and a fifth version with a source, whose tag, alias and model's tag may be removed."""
    once(with_fifth, door)


def with_fifth(door: Door) -> None:
    set_up(door.api)
    door.version(MODEL, tags=tags(old="1"))
    door.ok("POST", "registered-models/set-tag", name=MODEL, key="old", value="1")
    door.ok("POST", "registered-models/alias", name=MODEL, alias="old", version="5")


def test_every_endpoint_has_its_row_at_both_addresses(app):
    rules = [rule for rule in app.url_map.iter_rules() if "/2.0/mlflow/" in rule.rule]
    there = {
        (rule.rule.partition("/2.0/mlflow/")[::2], method)
        for rule in rules
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    wanted = {
        ((prefix, path), method)
        for method, path in (call.call.split() for call in CALLS)
        for prefix in ("/api", "/ajax-api")
    }
    assert there == wanted


@EVERY_CALL
def test_a_call_takes_its_role_and_writes_an_entry_that_names_the_door(door, registry, trail, undone, call):
    method, path = call.call.split()
    least = ROLES.index(call.role)
    for role in ROLES[max(least - 1, 0) : least + 1]:
        before = len(trail())
        with undone():
            answer = door.by(role).call(method, path, **call.fields)
            new = trail()[: len(trail()) - before]
            if role == call.role:
                assert answer.status_code == 200, (role, answer.text)
                assert {entry["details"].get("door") for entry in new} == ({"mlflow"} if call.entry else set())
                assert call.entry is None or call.entry in {entry["action"] for entry in new}
            else:
                assert "role" in message_of(answer, "PERMISSION_DENIED"), role
                assert {entry["action"] for entry in new} <= {"auth.forbidden"}, role
    message_of(door.by(None).call(method, path, **call.fields), "UNAUTHENTICATED")


@EVERY_CALL
def test_a_bounded_key_changes_what_its_bounds_hold(door, registry, trail, undone, call):
    method, path = call.call.split()
    least = [None if each == ALL else [each] if each else [] for each in (call.model, call.environment)]
    for models, environments in (least, [["nlp/*"], least[1]], [least[0], ["canary"]]):
        held = [
            bound is None or each is None or (each != ALL and any(fnmatchcase(each, pattern) for pattern in bound))
            for bound, each in ((models, call.model), (environments, call.environment))
        ]
        with undone():
            bounds = {"models": models, "environments": environments}
            key = door.api.make("/api/v1/api-keys", {"name": "bounded", "role": call.role, **bounds})["key"]
            before = len(trail())
            answer = Door(Api(door.api.app, {"bounded": key}, "bounded")).call(method, path, **call.fields)
            if all(held):
                assert answer.status_code == 200, (bounds, answer.text)
            else:
                message_of(answer, "PERMISSION_DENIED")
                assert {entry["action"] for entry in trail()[:-before]} <= {"auth.forbidden"}


@pytest.mark.parametrize("prefix", ["/api/2.0/mlflow", "/ajax-api/2.0/mlflow"])
@pytest.mark.parametrize(
    ("code", "call", "fields", "words"),
    [
        (
            "RESOURCE_DOES_NOT_EXIST",
            "GET registered-models/get",
            {"name": "x"},
            "Registered Model with name=x not found",
        ),
        ("RESOURCE_DOES_NOT_EXIST", "POST model-versions/create", {"name": "x", "source": "s"}, "name=x not found"),
        (
            "RESOURCE_DOES_NOT_EXIST",
            "GET model-versions/get",
            {"name": "m", "version": "9"},
            "(name=m, version=9) not found",
        ),
        (
            "RESOURCE_ALREADY_EXISTS",
            "POST registered-models/create",
            {"name": "M"},
            "Registered Model (name=M) already exists",
        ),
        (
            "RESOURCE_ALREADY_EXISTS",
            "POST registered-models/rename",
            {"name": "n", "new_name": "m"},
            "(name=m) already exists",
        ),
        ("INVALID_PARAMETER_VALUE", "POST registered-models/create", {}, "Invalid value for name: Missing value"),
        ("INVALID_PARAMETER_VALUE", "POST registered-models/create", {"name": 7}, "name"),
        ("INVALID_PARAMETER_VALUE", "POST registered-models/create", {"name": "a:b"}, "segments joined by /"),
        ("INVALID_PARAMETER_VALUE", "POST registered-models/create", {"name": "a\x00"}, "U+0000"),
        ("INVALID_PARAMETER_VALUE", "POST model-versions/create", {"name": "m", "source": " "}, "source"),
        ("INVALID_PARAMETER_VALUE", "POST model-versions/create", {"name": "m", "source": "s" * 2_001}, "2000"),
        ("INVALID_PARAMETER_VALUE", "GET model-versions/get", {"name": "m", "version": "v1"}, "number of a version"),
        (
            "INVALID_PARAMETER_VALUE",
            "GET model-versions/get",
            {"name": "m", "version": "9" * 30},
            "number of a version",
        ),
        (
            "INVALID_PARAMETER_VALUE",
            MOVE,
            {"name": "m", "version": "1", "stage": "Prod"},
            "None, Staging, Production, Archived",
        ),
        (
            *("INVALID_PARAMETER_VALUE", MOVE),
            *(
                {"name": "m", "version": "1", "stage": "None", "archive_existing_versions": True},
                "Staging and Production",
            ),
        ),
        ("INVALID_PARAMETER_VALUE", "GET registered-models/search", {"max_results": "0"}, "positive integer"),
        ("INVALID_PARAMETER_VALUE", "GET registered-models/search", {"page_token": "abc"}, "page token 'abc'"),
        (
            *("INVALID_PARAMETER_VALUE", "POST model-versions/set-tag"),
            *({"name": "m", "version": "1", "key": "k", "value": "x" * 5_001}, "5000"),
        ),
        ("ENDPOINT_NOT_FOUND", "GET runs/get", {"run_id": "1"}, "tracking server"),
        ("ENDPOINT_NOT_FOUND", "POST logged-models/search", {}, "tracking server"),
        ("ENDPOINT_NOT_FOUND", "GET webhooks/list", {}, "tracking server"),
        ("ENDPOINT_NOT_FOUND", "PATCH registered-models/get", {}, "tracking server"),
    ],
)
def test_refusals_have_the_form_and_the_words_that_clients_know(api, prefix, code, call, fields, words):
    door = Door(api, prefix)
    door.model("m")
    door.model("n")
    door.version("m")
    assert words in door.refused(code, *call.split(), **fields)


@pytest.mark.parametrize(
    ("body", "code"), [(b"{", "BAD_REQUEST"), (b"[]", "INVALID_PARAMETER_VALUE"), (b'{"name": NaN}', "BAD_REQUEST")]
)
def test_a_body_that_is_no_message_is_refused(api, body, code):
    message_of(api.post("/api/2.0/mlflow/registered-models/create", body), code)


def test_a_body_beyond_the_limit_is_refused_in_the_same_form(api):
    answer = api.post("/api/2.0/mlflow/registered-models/create", b'{"name": "' + b"m" * 2**20 + b'"}')
    message_of(answer, "INVALID_PARAMETER_VALUE")


def test_unknown_fields_and_nulls_are_ignored(door):
    door.model("m", deployment_job_id="1", description=None)
    door.version("m", run_id=None, new_in_mlflow_4={"a": [1]})


def test_the_rate_limit_is_told_in_mlflows_form(app_with, keys):
    door = Door(Api(app_with(rate_limit="2 per minute"), keys))
    answers = [door.call("GET", "registered-models/search") for _ in range(4)]
    assert message_of(answers[-1], "REQUEST_LIMIT_EXCEEDED")
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_without_the_database_every_call_is_asked_to_come_again(app_with, keys):
    away = app_with(database_url="postgresql+psycopg2://nobody@127.0.0.1:1/nowhere")
    for call in CALLS:
        answer = Door(Api(away, keys)).call(*call.call.split(), **call.fields)
        message_of(answer, "TEMPORARILY_UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) > 0


def test_a_fault_is_no_5xx_which_clients_would_try_again_for_minutes(door, monkeypatch):
    monkeypatch.setattr("catapult.queries.mlflow.model", lambda name: 1 / 0)
    answer = door.call("GET", "registered-models/get", name="m")
    assert (answer.status_code, answer.json["error_code"]) == (400, "INTERNAL_ERROR")
    assert answer.headers["X-Request-ID"] in answer.json["message"]


def test_a_version_is_called_by_its_number_or_by_its_tag(door, api):
    model = door.model("m")
    assert model["latest_versions"] == []
    api.version({"id": api.get("/api/v1/models?name=m").json[0]["id"]}, "2")
    names = [door.version("m", **sent)["version"] for sent in ({}, {"tags": tags(**{"catapult.version": "1.4.0"})}, {})]
    assert names == ["2", "3", "4"]
    rows = api.get("/api/v1/versions?model_name=m").json
    assert [row["version"] for row in rows] == ["4", "1.4.0", "2.mlflow", "2"]
    taken = {"name": "m", "source": "s", "tags": tags(**{"catapult.version": "1.4.0"})}
    assert "already exists" in door.refused("RESOURCE_ALREADY_EXISTS", "POST", "model-versions/create", **taken)


def test_what_a_client_sends_of_a_version_comes_back_and_is_a_version_of_the_registry(door, api):
    door.model("my model", description="Fraud", tags=tags(task="nlp"))
    sent = {"run_id": "r1", "run_link": "https://ml.example/r1", "model_id": "m-1", "description": "First"}
    created = door.version("my model", "models:/m-1", **sent, tags=tags(**{"a b": ""}))
    assert created == door.get("my model", "1")
    assert {name: created[name] for name in sent} == sent
    assert (created["source"], created["current_stage"], created["status"]) == ("models:/m-1", "None", "READY")
    assert (created["tags"], created["aliases"], created["user_id"]) == (tags(**{"a b": ""}), [], "admin-key")
    assert created["creation_timestamp"].isdigit()
    assert door.ok("GET", "model-versions/get-download-uri", name="my model", version="1") == {
        "artifact_uri": "models:/m-1"
    }
    row = api.get("/api/v1/versions?model_name=my model").json[0]
    assert (row["version"], row["number"], row["tag"], row["digest"]) == ("1", 1, None, None)
    assert row["metadata"]["mlflow"] == {"run_id": "r1", "run_link": "https://ml.example/r1", "model_id": "m-1"}
    model = door.ok("GET", "registered-models/get", name="my model")["registered_model"]
    assert (model["description"], model["tags"]) == ("Fraud", tags(task="nlp"))
    assert [version["version"] for version in model["latest_versions"]] == ["1"]


def test_an_image_has_no_address_that_mlflow_could_load(door, api):
    api.version(api.model("m"), "1.0.0")
    assert "source" not in door.get("m", "1")
    assert "container image" in door.refused(
        "INVALID_PARAMETER_VALUE", "GET", "model-versions/get-download-uri", name="m", version="1"
    )


def test_a_former_name_leads_to_the_model(door):
    door.model("old")
    assert door.ok("POST", "registered-models/rename", name="old", new_name="new")["registered_model"]["name"] == "new"
    assert "already exists" in door.refused("RESOURCE_ALREADY_EXISTS", "POST", "registered-models/create", name="old")
    assert door.version("old")["name"] == "new"


@pytest.mark.parametrize(("key", "value"), [("a b", ""), ("ключ", "x" * 5_000), ("k.l[0]", " blanks "), ("k", "1.5")])
def test_tags_are_kept_to_the_letter_and_removed_again(door, key, value):
    door.model("m")
    door.version("m")
    for path, named in (("registered-models", {"name": "m"}), ("model-versions", {"name": "m", "version": "1"})):
        assert door.ok("POST", f"{path}/set-tag", **named, key=key, value=value) == {}
        (shown,) = door.ok("GET", f"{path}/get", **named).values()
        assert shown["tags"] == tags(**{key: value})
        assert door.ok("DELETE", f"{path}/delete-tag", **named, key=key) == {}
        assert door.ok("DELETE", f"{path}/delete-tag", **named, key=key) == {}
        (shown,) = door.ok("GET", f"{path}/get", **named).values()
        assert shown["tags"] == []


def test_tags_are_no_content(door, api, trail, sql):
    """They change on a live release without a reason, void no approval, and neither gates nor metrics read them."""
    model = {"name": "m", "version": "1"}
    door.model("m")
    door.version("m")
    it = api.get("/api/v1/versions?model_name=m").json[0]
    at = f"/api/v1/versions/{it['id']}"
    api.put("/api/v1/environments/staging", {})
    api.make("/api/v1/gates", {"model": "m", "target": "release", "kind": "approved"})
    api.make(
        "/api/v1/gates", {"model": "m", "target": "staging", "kind": "metadata_present", "paths": ["mlflow_tags.a"]}
    )
    approval = api.by("releaser").make(f"{at}/approvals", {"target": "release"})
    assert api.post(f"{at}/promote").status_code == 200
    door.by("publisher").ok("POST", "model-versions/set-tag", **model, key="a", value="1")
    assert trail("version.update")[0]["details"]["changes"] == {"mlflow_tags": {"old": {}, "new": {"a": "1"}}}
    assert api.get(f"{at}/gates?target=release").json[0]["passed"]
    assert not api.get(f"{at}/gates?target=staging").json[0]["passed"]
    assert sql("SELECT voided_at FROM approvals WHERE id = :id", id=approval["id"]) == [{"voided_at": None}]
    api.put(at, {"metadata": {"accuracy": 0.5, "mlflow_tags": {"a": "1"}}, "reason": "late"})
    assert api.get(f"{at}/gates?target=release").json[0]["passed"] is False


@pytest.mark.parametrize("wrong", [7, {"a": 1}, {"a": None}, {"": "x"}, {"k" * 251: "x"}, {"a": "x" * 5_001}])
def test_the_api_refuses_what_mlflow_could_not_have_as_tags(api, wrong):
    model = api.model("m")
    body = {"model_id": model["id"], "version": "1", "source": "s", "metadata": {"mlflow_tags": wrong}}
    assert "metadata" in api.post("/api/v1/versions", body).json["errors"]


def test_tags_do_not_count_towards_the_limits_of_metadata(door, api):
    door.model("m")
    door.version("m", tags=[{"key": f"k{number}", "value": "x" * 5_000} for number in range(50)])
    row = api.get("/api/v1/versions?model_name=m").json[0]
    metadata = {**row["metadata"], "notes": "x" * 200_000}
    assert api.put(f"/api/v1/versions/{row['id']}", {"metadata": metadata}).status_code == 200
