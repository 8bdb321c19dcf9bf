"""Which role may do what: one table that the tests of the API, the SDK and the pages walk.

A key of the least role, or of a higher one, makes the change and its audit entry; a key of a lower one makes neither.
Addresses and bodies hold `{version}` and the like for the ids of what `set_up` makes.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, NamedTuple

from flask import Flask
from signed_files import new_key, pem_of
from stage import Api
from uuid_utils.compat import uuid7

from catapult import Model, Registry
from catapult.extensions import db
from catapult.tables import Delivery, Event, Job

MODEL, FREE, LIVE, ARCHIVED = "org/bert", "1.1.0", "1.0.0", "0.8.0"
AT = f"/models/{MODEL}/versions"
NEW = {"model_name": MODEL, "version": "2.0.0", "tag": "v2", "digest": "sha256:" + "b" * 64}
METRIC = {"model": "other/*", "target": "release", "kind": "metric", "path": "accuracy", "op": ">=", "value": 0.9}
FORCE = {"force": True, "reason": "urgent"}
INT8, SALE, SLOW = {"quantization": "int8"}, {"frozen_reason": "sale"}, {"model_name": MODEL, "reason": "slow"}
NOTES, SETTINGS = {"release_notes": "slow"}, {"storage_path": f"docker.io/{MODEL}", "description": "new"}
ASK = {"text": "Too slow", "asks_for_changes": True}
HOOK = {"url": "https://93.184.215.14/in"}
TRUSTED = {"name": "release-2026", "public_key": pem_of(new_key())}
REGISTRY = {"host": "93.184.215.14:5000", "repositories": ["team/*"]}
VIEW = {"name": "Releases", "address": "/versions?filter=is_release"}
FORM = {"model": MODEL, "version": FREE, "status": "success"}


class Submit(NamedTuple):
    """A form that is sent, and the pages that offer it to whoever may send it."""

    address: str
    form: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it
    offered_at: tuple[str, ...] = ()
    button: str = ""
    """The text of the form's button, on a page that shows the form to everybody."""


class RoleCase(NamedTuple):
    """One verb, the least role it takes, and how each door does it."""

    name: str
    role: str
    entry: str
    """The action of the audit entry."""
    call: str
    """The method and the address below `/api/v1`."""
    body: dict[str, Any] | None
    sdk: Callable[[Registry[Any], Mapping[str, str]], Any] | None = None
    page: Submit | None = None
    own: bool = False
    """Whether it is about what is one's own: the key that asks must be that of the person `holder`."""


def set_up(api: Api) -> dict[str, str]:
    """Make a live release, a version on its way to production, an archived one, a protected environment, and people.

    The versions were registered by a key that no case asks with.
    """
    for rank, environment in enumerate(("staging", "edge", "empty", "production")):
        api.put(f"/api/v1/environments/{environment}", {"rank": rank, "protected": environment == "edge"})
    api.put("/api/v1/environments/frozen", {"frozen": True, "frozen_reason": "sale"})
    model = api.model(MODEL)
    registrar = Api(api.app, {"registrar": api.make("/api/v1/api-keys", {"name": "ci"})["key"]}, "registrar")
    versions = {name: registrar.version(model, name) for name in ("0.9.0", LIVE, FREE, ARCHIVED)}
    api.deployment(versions["0.9.0"], "staging")
    api.deployment(versions[LIVE], "staging")
    api.post(f"/api/v1/versions/{versions[LIVE]['id']}/promote")
    api.put(f"/api/v1/versions/{versions[ARCHIVED]['id']}", {"status": "archived"})
    api.make("/api/v1/gates", {"model": MODEL, "target": "empty", "kind": "released"})
    for alias in ("old", "champion"):
        pointed = {"version_id": versions["0.9.0"]["id"]}
        assert api.put(f"/api/v1/models/{model['id']}/aliases/{alias}", pointed).status_code == 200
    api.make("/api/v1/gates", {"model": MODEL, "target": "@champion", "kind": "approved", "role": "publisher"})
    api.make("/api/v1/gates", {"model": MODEL, "target": "empty", "kind": "approved", "role": "publisher"})
    holder = api.make("/api/v1/people", {"name": "Sam Field", "role": "admin"})
    desk = api.make("/api/v1/api-keys", {"name": "desk", "person_id": holder["id"]})
    commenter = Api(api.app, {"desk": desk["key"]}, "desk")
    created = {
        "other": api.model("org/other"),
        "model": model,
        "version": versions[FREE],
        "view": commenter.make("/api/v1/me/views", {"name": "Mine", "address": "/models?tag=nlp"}),
        "comment": commenter.make(f"/api/v1/versions/{versions[FREE]['id']}/comments", {"text": "Wait"}),
        "live": versions[LIVE],
        "archived": versions[ARCHIVED],
        "moving": api.deployment(versions[FREE], "staging", status="pending"),
        "guarded": api.deployment(versions[FREE], "edge", status="pending"),
        "gate": api.make("/api/v1/gates", {**METRIC, "value": 0.7}),
        "key": api.make("/api/v1/api-keys", {"name": "spare"}),
        "holder": holder,
        "own": api.make("/api/v1/api-keys", {"name": "laptop", "role": "viewer", "person_id": holder["id"]}),
        "person": api.make("/api/v1/people", {"name": "Dana Ortiz"}),
        "hook": api.make("/api/v1/webhooks", HOOK),
        "trusted_key": api.make("/api/v1/trusted-keys", {**TRUSTED, "name": "release-2025"}),
        "registry": api.make("/api/v1/registries", REGISTRY),
        "artifact": api.put(f"/api/v1/versions/{versions[ARCHIVED]['id']}/artifacts/old.json", {"a": 1}).json,
    }
    ids = {name: row["id"] for name, row in created.items()}
    return ids | failed(api.app, ids["hook"])


def failed(app: Flask, webhook_id: str) -> dict[str, str]:
    """Make a delivery and a job that nobody tries again by itself, and return their ids."""
    now = datetime.now(UTC)
    event = Event(id=uuid7(), type="webhook.test", dispatched_at=now)
    delivery = Delivery(id=uuid7(), event_id=event.id, webhook_id=webhook_id, state="failed")
    job = Job(id=uuid7(), kind_="deliver", key="x", state="failed")
    with app.app_context():
        db.session.add_all([event, job])
        db.session.flush()
        db.session.add(delivery)
        db.session.commit()
        db.session.remove()
    return {"delivery": str(delivery.id), "job": str(job.id)}


def filled(value: Any, ids: Mapping[str, str]) -> Any:
    """The value with the ids in the place of their names."""
    if isinstance(value, dict):
        return {name: filled(inner, ids) for name, inner in value.items()}
    if isinstance(value, bytes):  # a file of a form, which is read once
        return BytesIO(value), "a.json"
    return value.format(**ids) if isinstance(value, str) else value


def operation_of(case: RoleCase) -> str:
    """The method and the path of the case as the OpenAPI document has them, with `{id}` for each parameter."""
    method, path = case.call.split()
    path = re.sub(r"(?<=/environments/)\w+|(?<=/aliases/)\w+|(?<=/artifacts/)a\.json|\{\w+\}", "{id}", path)
    return f"{method} /api/v1{path}"


Case = RoleCase  # so that rows are short
CASES: list[RoleCase] = [
    Case("create a model", "publisher", "model.create", "POST /models", {"name": "org/new", "storage_path": "x"},
        lambda sdk, ids: sdk.create_model("org/new", "x"),
        Submit("/new/model", {"name": "org/new", "storage_path": "x"}, ("/models",))),
    Case("update a model", "publisher", "model.update", "PUT /models/{model}", {"description": "new"},
        lambda sdk, ids: sdk.update_model(ids["model"], description="new"),
        Submit(f"/models/{MODEL}/-/settings", SETTINGS, (f"/models/{MODEL}/-/settings",), "Save")),
    Case("rename a model", "admin", "model.rename", "POST /models/{other}/rename", {"name": "Org/Other"},
        lambda sdk, ids: sdk.rename_model(ids["other"], "Org/Other"),
        Submit("/models/org/other/-/rename", {"name": "Org/Other"}, ("/models/org/other/-/settings",))),
    Case("delete a model", "admin", "model.delete", "DELETE /models/{other}", None,
        lambda sdk, ids: sdk.delete_model(ids["other"]),
        Submit("/models/org/other/-/delete", {"confirm": "org/other"}, ("/models/org/other/-/settings",))),
    Case("create a version", "publisher", "version.create", "POST /versions", NEW,
        lambda sdk, ids: sdk.create_version(**NEW),
        Submit("/new/version", NEW, (f"/models/{MODEL}",))),
    Case("create a release", "releaser", "version.promote", "POST /versions", {**NEW, "is_release": True},
        lambda sdk, ids: sdk.create_version(**NEW, is_release=True)),
    Case("update a version", "publisher", "version.update", "PUT /versions/{version}", INT8,
        lambda sdk, ids: sdk.update_version(ids["version"], **INT8),
        Submit(f"{AT}/{FREE}/-/edit", INT8, (f"{AT}/{FREE}",))),
    Case("tag a version", "publisher", "version.update", "PUT /versions/{version}", {"tags": ["nlp"]},
        lambda sdk, ids: sdk.update_version(ids["version"], tags=["nlp"]),
        Submit(f"{AT}/{FREE}/-/tags", {"tags": "nlp"}, (f"{AT}/{FREE}",))),
    Case("archive a version", "publisher", "version.update", "PUT /versions/{version}", {"status": "archived"},
        lambda sdk, ids: sdk.update_version(ids["version"], status="archived"),
        Submit(f"{AT}/{FREE}/-/archive", {}, (f"{AT}/{FREE}",))),
    Case("activate a version", "publisher", "version.update", "PUT /versions/{archived}", {"status": "active"},
        lambda sdk, ids: sdk.update_version(ids["archived"], status="active"),
        Submit(f"{AT}/{ARCHIVED}/-/activate", {}, (f"{AT}/{ARCHIVED}",))),
    Case("promote by an update", "releaser", "version.promote", "PUT /versions/{version}", {"is_release": True, **INT8},
        lambda sdk, ids: sdk.update_version(ids["version"], is_release=True, **INT8)),
    Case("demote by an update", "releaser", "version.demote", "PUT /versions/{live}", {"is_release": False, **NOTES},
        lambda sdk, ids: sdk.update_version(ids["live"], is_release=False, **NOTES)),
    Case("delete a version", "admin", "version.delete", "DELETE /versions/{version}", None,
        lambda sdk, ids: sdk.delete_version(ids["version"]),
        Submit(f"{AT}/{FREE}/-/delete", {"confirm": FREE}, (f"{AT}/{FREE}",))),
    Case("promote a version", "releaser", "version.promote", "POST /versions/{version}/promote", {},
        lambda sdk, ids: sdk.promote(ids["version"]),
        Submit(f"{AT}/{FREE}/-/promote", {}, (f"{AT}/{FREE}", f"/models/{MODEL}", "/"))),
    Case("promote by force", "admin", "version.promote", "POST /versions/{version}/promote", FORCE,
        lambda sdk, ids: sdk.promote(ids["version"], "urgent", force=True),
        Submit(f"{AT}/{FREE}/-/override", {"reason": "urgent"})),
    Case("point an alias", "publisher", "alias.move", "PUT /models/{model}/aliases/next", {"version_id": "{version}"},
        lambda sdk, ids: sdk.set_alias(Model(id=ids["model"]), "next", ids["version"]),
        Submit(f"{AT}/{FREE}/-/alias", {"alias": "next"}, (f"{AT}/{FREE}",))),
    Case("point an alias by force", "admin", "alias.move", "PUT /models/{model}/aliases/champion",
        {"version_id": "{version}", **FORCE},
        lambda sdk, ids: sdk.set_alias(Model(id=ids["model"]), "champion", ids["version"], **FORCE),
        Submit(f"{AT}/{FREE}/-/alias", {"alias": "champion", "force": "true", "reason": "urgent"})),
    Case("remove an alias", "publisher", "alias.remove", "DELETE /models/{model}/aliases/old", None,
        lambda sdk, ids: sdk.delete_alias(Model(id=ids["model"]), "old"),
        Submit(f"/models/{MODEL}/-/aliases/old/remove", {}, (f"{AT}/0.9.0",))),
    Case("demote a version", "releaser", "version.demote", "POST /versions/{live}/demote", {},
        lambda sdk, ids: sdk.demote(ids["live"]),
        Submit(f"{AT}/{LIVE}/-/demote", {}, (f"{AT}/{LIVE}", f"/models/{MODEL}"))),
    Case("approve", "publisher", "approval.create", "POST /versions/{version}/approvals", {"target": "empty"},
        lambda sdk, ids: sdk.approve(ids["version"], "empty"),
        Submit(f"{AT}/{FREE}/-/approve", {"target": "empty"})),
    Case("comment", "publisher", "comment.create", "POST /versions/{version}/comments", {"text": "Looks good"},
        lambda sdk, ids: sdk.create_comment(ids["version"], "Looks good"),
        Submit(f"{AT}/{FREE}/-/comment", {"text": "Looks good"}, (f"{AT}/{FREE}",))),
    Case("ask for changes", "publisher", "comment.create", "POST /versions/{version}/comments", ASK,
        lambda sdk, ids: sdk.create_comment(ids["version"], **ASK),
        Submit(f"{AT}/{FREE}/-/ask", {"comment": "Too slow"})),
    Case("delete a comment", "publisher", "comment.delete", "DELETE /versions/{version}/comments/{comment}", None,
        lambda sdk, ids: sdk.delete_comment(ids["version"], ids["comment"]),
        Submit(f"{AT}/{FREE}/-/comments/{{comment}}/delete", {}, (f"{AT}/{FREE}",)), own=True),
    Case("deploy", "publisher", "deployment.create", "POST /deployments",
        {"release_id": "{version}", "environment": "staging"},
        lambda sdk, ids: sdk.deploy(ids["version"], "staging"),
        Submit("/new/deployment", {**FORM, "environment": "staging"}, (f"{AT}/{FREE}", "/deployments"))),
    Case("deploy where it is protected", "releaser", "deployment.create", "POST /deployments",
        {"release_id": "{version}", "environment": "EDGE"},
        lambda sdk, ids: sdk.deploy(ids["version"], "edge"),
        Submit("/new/deployment", {**FORM, "environment": "edge", "confirm": MODEL})),
    Case("deploy by force", "admin", "gate.override", "POST /deployments",
        {"release_id": "{version}", "environment": "empty", **FORCE},
        lambda sdk, ids: sdk.deploy(ids["version"], "empty", **FORCE),
        Submit("/new/deployment", {**FORM, "environment": "empty", **FORCE, "force": "true"})),
    Case("update a deployment", "publisher", "deployment.update", "PUT /deployments/{moving}", {"status": "running"},
        lambda sdk, ids: sdk.update_deployment(ids["moving"], status="running"),
        Submit("/deployments/{moving}/-/running", {}, ("/deployments/{moving}",))),
    Case("update a deployment where it is protected", "releaser", "deployment.update", "PUT /deployments/{guarded}",
        {"status": "running"},
        lambda sdk, ids: sdk.update_deployment(ids["guarded"], log_url="https://log.example"),
        Submit("/deployments/{guarded}/-/running", {}, ("/deployments/{guarded}",))),
    Case("roll back", "releaser", "deployment.rollback", "POST /environments/staging/rollback", SLOW,
        lambda sdk, ids: sdk.rollback("staging", **SLOW),
        Submit("/environments/staging/-/rollback", SLOW, ("/environments/staging",))),
    Case("retire a model", "publisher", "deployment.retire", "POST /environments/staging/retire",
        {"model_name": MODEL, "reason": "replaced"},
        lambda sdk, ids: sdk.retire("staging", MODEL, "replaced"),
        Submit("/environments/staging/-/retire", {"model_name": MODEL, "reason": "replaced"}, ("/environments/staging",))),
    Case("create an environment", "admin", "environment.create", "PUT /environments/new", {},
        lambda sdk, ids: sdk.put_environment("new"),
        Submit("/new/environment", {"name": "new"}, ("/environments",))),
    Case("update an environment", "admin", "environment.update", "PUT /environments/empty", {"description": "new"},
        lambda sdk, ids: sdk.put_environment("empty", description="new"),
        Submit("/environments/empty/-/settings", {"description": "new", "rank": "2"}, ("/environments/empty",))),
    Case("freeze an environment", "admin", "environment.update", "PUT /environments/empty", {"frozen": True, **SALE},
        lambda sdk, ids: sdk.freeze("empty", "sale"),
        Submit("/environments/empty/-/freeze", SALE, ("/environments/empty",))),
    Case("thaw an environment", "admin", "environment.update", "PUT /environments/frozen", {"frozen": False},
        lambda sdk, ids: sdk.thaw("frozen"),
        Submit("/environments/frozen/-/thaw", {}, ("/environments/frozen",))),
    Case("delete an environment", "admin", "environment.delete", "DELETE /environments/production", None,
        lambda sdk, ids: sdk.delete_environment("production"),
        Submit("/environments/production/-/delete", {"confirm": "production"}, ("/environments/production",))),
    Case("create a gate", "admin", "gate.create", "POST /gates", METRIC,
        lambda sdk, ids: sdk.create_gate(**METRIC),
        Submit("/new/gate", METRIC, ("/gates",))),
    Case("update a gate", "admin", "gate.update", "PUT /gates/{gate}", {"value": 0.8},
        lambda sdk, ids: sdk.update_gate(ids["gate"], value=0.8),
        Submit("/gates/{gate}/edit", {**METRIC, "value": "0.8"}, ("/gates",))),
    Case("delete a gate", "admin", "gate.delete", "DELETE /gates/{gate}", None,
        lambda sdk, ids: sdk.delete_gate(ids["gate"]),
        Submit("/gates/{gate}/delete", {}, ("/gates",))),
    Case("create a key", "admin", "api_key.create", "POST /api-keys", {"name": "new"},
        lambda sdk, ids: sdk.create_api_key("new"),
        Submit("/new/key", {"name": "new", "role": "viewer"})),
    Case("update a key", "admin", "api_key.update", "PUT /api-keys/{key}", {"role": "viewer"},
        lambda sdk, ids: sdk.update_api_key(ids["key"], role="viewer"),
        Submit("/keys/{key}/edit", {"name": "spare", "role": "viewer"}, ("/keys",))),
    Case("rotate a key", "admin", "api_key.rotate", "POST /api-keys/{key}/rotate", {"overlap_seconds": 60},
        lambda sdk, ids: sdk.rotate_api_key(ids["key"], overlap_seconds=60),
        Submit("/keys/{key}/rotate", {"overlap_seconds": "60"}, ("/keys",))),
    Case("revoke a key", "admin", "api_key.revoke", "DELETE /api-keys/{key}", None,
        lambda sdk, ids: sdk.revoke_api_key(ids["key"]),
        Submit("/keys/{key}/revoke", {"confirm": "spare"}, ("/keys",))),
    Case("create a key of one's own", "viewer", "api_key.create", "POST /me/keys", {"name": "new"},
        lambda sdk, ids: sdk.create_my_key("new"),
        Submit("/new/own-key", {"name": "new"}, ("/me",)), own=True),
    Case("rotate a key of one's own", "viewer", "api_key.rotate", "POST /api-keys/{own}/rotate", {},
        lambda sdk, ids: sdk.rotate_api_key(ids["own"]),
        Submit("/keys/{own}/rotate", {"overlap_seconds": "0"}, ("/me",)), own=True),
    Case("revoke a key of one's own", "viewer", "api_key.revoke", "DELETE /api-keys/{own}", None,
        lambda sdk, ids: sdk.revoke_api_key(ids["own"]),
        Submit("/keys/{own}/revoke", {"confirm": "laptop"}, ("/me",)), own=True),
    Case("save a view", "viewer", "saved_view.create", "POST /me/views", VIEW,
        lambda sdk, ids: sdk.create_my_view(**VIEW),
        Submit("/me/views/new", VIEW, ("/versions",))),
    Case("delete a view", "viewer", "saved_view.delete", "DELETE /me/views/{view}", None,
        lambda sdk, ids: sdk.delete_my_view(ids["view"]),
        Submit("/me/views/{view}/delete", {}, ("/models",)), own=True),
    Case("add a person", "admin", "person.create", "POST /people", {"name": "Kim Lee", "role": "publisher"},
        lambda sdk, ids: sdk.create_person("Kim Lee", role="publisher"),
        Submit("/new/person", {"name": "Kim Lee", "role": "publisher"}, ("/people",))),
    Case("update a person", "admin", "person.update", "PUT /people/{person}", {"role": "publisher"},
        lambda sdk, ids: sdk.update_person(ids["person"], role="publisher"),
        Submit("/people/{person}/edit", {"name": "Dana Ortiz", "role": "publisher"}, ("/people",))),
    Case("update oneself", "viewer", "person.update", "PUT /people/{holder}", {"name": "Sam Hill"},
        lambda sdk, ids: sdk.update_person(ids["holder"], name="Sam Hill"),
        Submit("/me/edit", {"name": "Sam Hill"}, ("/me",)), own=True),
    Case("add a file", "publisher", "artifact.create", "PUT /versions/{version}/artifacts/a.json", {"a": 1},
        lambda sdk, ids: sdk.upload(ids["version"], __file__, to="a.py"),
        Submit(f"{AT}/{FREE}/-/files", {"file": b"{}"}, (f"{AT}/{FREE}",))),
    Case("register a file on the mount", "publisher", "artifact.create", "POST /versions/{version}/artifacts",
        {"mount_path": "runs/model.bin"}, lambda sdk, ids: sdk.register_files(ids["version"], "runs/model.bin"),
        Submit(f"{AT}/{FREE}/-/mount", {"mount_path": "runs/model.bin"}, (f"{AT}/{FREE}",))),
    Case("remove a file", "publisher", "artifact.delete", "DELETE /artifacts/{artifact}", None,
        lambda sdk, ids: sdk.delete_artifact(ids["artifact"])),
    Case("trust a key", "admin", "trusted_key.create", "POST /trusted-keys", TRUSTED,
        lambda sdk, ids: sdk.create_trusted_key(**TRUSTED),
        Submit("/new/trusted-key", TRUSTED, ("/trusted-keys",))),
    Case("update a trusted key", "admin", "trusted_key.update", "PUT /trusted-keys/{trusted_key}", {"model": "org/*"},
        lambda sdk, ids: sdk.update_trusted_key(ids["trusted_key"], model="org/*")),
    Case("delete a trusted key", "admin", "trusted_key.delete", "DELETE /trusted-keys/{trusted_key}", None,
        lambda sdk, ids: sdk.delete_trusted_key(ids["trusted_key"]),
        Submit("/trusted-keys/{trusted_key}/delete", {}, ("/trusted-keys",))),
    Case("add a registry", "admin", "registry.create", "POST /registries", REGISTRY,
        lambda sdk, ids: sdk.create_registry(**REGISTRY),
        Submit("/new/registry", REGISTRY | {"repositories": "team/*"}, ("/registries",))),
    Case("update a registry", "admin", "registry.update", "PUT /registries/{registry}", {"repositories": ["*"]},
        lambda sdk, ids: sdk.update_registry(ids["registry"], repositories=["*"]),
        Submit("/registries/{registry}/edit", {"repositories": "*"}, ("/registries",))),
    Case("delete a registry", "admin", "registry.delete", "DELETE /registries/{registry}", None,
        lambda sdk, ids: sdk.delete_registry(ids["registry"]),
        Submit("/registries/{registry}/delete", {}, ("/registries",))),
    Case("create a webhook", "admin", "webhook.create", "POST /webhooks", HOOK,
        lambda sdk, ids: sdk.create_webhook(**HOOK),
        Submit("/new/webhook", {**HOOK, "format": "standard"}, ("/webhooks",))),
    Case("update a webhook", "admin", "webhook.update", "PUT /webhooks/{hook}", {"events": ["version.created"]},
        lambda sdk, ids: sdk.update_webhook(ids["hook"], events=["version.created"]),
        Submit("/webhooks/{hook}/-/edit", {"events": "version.created", "active": "true"}, ("/webhooks",))),
    Case("rotate a webhook's secret", "admin", "webhook.rotate", "POST /webhooks/{hook}/rotate", {},
        lambda sdk, ids: sdk.rotate_webhook(ids["hook"]),
        Submit("/webhooks/{hook}/-/rotate", {}, ("/webhooks",))),
    Case("test a webhook", "admin", "webhook.test", "POST /webhooks/{hook}/test", {},
        lambda sdk, ids: sdk.test_webhook(ids["hook"]),
        Submit("/webhooks/{hook}/-/test", {}, ("/webhooks/{hook}",))),
    Case("delete a webhook", "admin", "webhook.delete", "DELETE /webhooks/{hook}", None,
        lambda sdk, ids: sdk.delete_webhook(ids["hook"]),
        Submit("/webhooks/{hook}/-/delete", {}, ("/webhooks",))),
    Case("replay a delivery", "admin", "delivery.replay", "POST /deliveries/{delivery}/replay", {},
        lambda sdk, ids: sdk.replay_delivery(ids["delivery"]),
        Submit("/deliveries/{delivery}/-/replay", {}, ("/webhooks/{hook}",))),
    Case("retry a job", "admin", "job.retry", "POST /jobs/{job}/retry", {},
        lambda sdk, ids: sdk.retry_job(ids["job"]),
        Submit("/jobs/{job}/-/retry", {}, ("/jobs",))),
]  # fmt: skip
