"""`/mlflow/model-versions`."""

from functools import partial
from types import SimpleNamespace
from typing import Any

from flask import Blueprint, g

from catapult.actions import mlflow as mlflow_actions
from catapult.actions import versions as actions
from catapult.contract import mlflow as contract
from catapult.contract import strict
from catapult.contract.versions import VersionEdit, VersionIn
from catapult.errors import Invalid
from catapult.mlflow.wire import messages, searching
from catapult.mlflow.wire.endpoints import endpoint
from catapult.mlflow.wire.refusals import already_exists
from catapult.queries import mlflow
from catapult.rules import mlflow_tags
from catapult.rules.mlflow_stages import ENVIRONMENTS, NONE
from catapult.tables import Role

PATH = "/model-versions"
NAME = "catapult.version"
"""The tag with the name of a version, for versions that are not named by their number."""
NAMED_VERSION = VersionIn(only=("model_name", "version", "source"))

blp = Blueprint("versions", __name__)
on = partial(endpoint, blp)


def shown(name: str, number: int) -> dict[str, Any]:
    """Return the answer with this version."""
    row = mlflow.version(name, number)
    return {"model_version": messages.version(row)}


@on("POST", "/create", Role.PUBLISHER, contract.NewVersion, one_statement=True)
def create_version(name: str, source: str, tags: list[dict[str, str]] = [], **fields: str) -> dict[str, Any]:  # noqa: B006
    """Register a version. `metadata.mlflow` gets its run, and another key of the metadata its tags."""
    sent = {tag["key"]: tag["value"] for tag in tags}
    origin = {key: fields[key] for key in mlflow_tags.ORIGIN if fields.get(key)}
    metadata = {**({"mlflow": origin} if origin else {}), **({mlflow_tags.KEY: sent} if sent else {})}
    if NAME in sent:  # the model's name is not checked: one that breaks our rule is answered as unknown
        strict.load(NAMED_VERSION, {"model_name": "any", "version": sent[NAME], "source": source}, {})
    notes = fields.get("description")
    content = {"source": source, "metadata": metadata, "notes": notes}
    with already_exists(f"Model Version (name={name}, version={sent.get(NAME, '')}) already exists."):
        registered = mlflow_actions.register(actor=g.actor, model_name=name, version=sent.get(NAME), **content)
    times = {"created_at": registered.now, "updated_at": registered.now, "created_by": g.actor.shown}
    row = {"name": registered.name, "number": registered.number, "source": source, "release_notes": notes, **times}
    new = SimpleNamespace(**row, stage=NONE, origin=origin, tags=sent, aliases=[])
    return {"model_version": messages.version(new)}


@on("PATCH", "/update", Role.PUBLISHER, contract.VersionDescription)
def update_version(name: str, version: int, description: str) -> dict[str, Any]:
    """Change a version's description."""
    fields = strict.load(VersionEdit(), {"release_notes": description}, {})
    actions.edit(mlflow.version(name, version).id, fields, actor=g.actor)
    return shown(name, version)


@on("POST", "/transition-stage", Role.PUBLISHER, contract.Transition)
def transition_stage(name: str, version: int, stage: str, archive_existing_versions: bool) -> dict[str, Any]:
    """Move a version to a stage."""
    if archive_existing_versions and stage not in ENVIRONMENTS:
        raise Invalid(f"archive_existing_versions can be sent with Staging and Production, not with {stage}.")
    row = mlflow.version(name, version)
    mlflow_actions.move(row.id, stage, actor=g.actor, ends_last=archive_existing_versions)
    return shown(name, version)


@on("DELETE", "/delete", Role.ADMIN, contract.Numbered)
def delete_version(name: str, version: int) -> None:
    """Delete a version, and those of its aliases that no gate guards."""
    actions.delete(mlflow.version(name, version).id, actor=g.actor, with_aliases=True)


@on("GET", "/get", Role.VIEWER, contract.Numbered)
def get_version(name: str, version: int) -> dict[str, Any]:
    """Return a version."""
    return shown(name, version)


@on("GET", "/get-download-uri", Role.VIEWER, contract.Numbered)
def get_download_uri(name: str, version: int) -> dict[str, Any]:
    """Return the source, from which clients load the files themselves."""
    row = mlflow.version(name, version)
    if row.source is None:
        raise Invalid(
            f"Version {row.version} of {row.name} is a container image and has no source that MLflow can load."
        )
    return {"artifact_uri": row.source}


@on("GET POST", "/search", Role.VIEWER, contract.VersionSearch)
def search_versions(max_results: int, **search: Any) -> dict[str, Any]:
    """Return a page of the versions that pass a filter."""
    listing = mlflow.search_versions(search["filter"], search["order_by"])
    rows, token = searching.page(listing, max_results, **search)
    versions = [messages.version(row) for row in rows]
    return {"model_versions": versions, **({"next_page_token": token} if token else {})}


@on("POST", "/set-tag", Role.PUBLISHER, contract.SetVersionTag)
def set_version_tag(name: str, version: int, key: str, value: str) -> None:
    """Set a version's tag."""
    mlflow_actions.tag_version(mlflow.version(name, version).id, key, value, actor=g.actor)


@on("DELETE", "/delete-tag", Role.PUBLISHER, contract.VersionTagKey)
def delete_version_tag(name: str, version: int, key: str) -> None:
    """Remove a version's tag, if it has it."""
    mlflow_actions.tag_version(mlflow.version(name, version).id, key, None, actor=g.actor)
