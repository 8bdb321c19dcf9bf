"""`/mlflow/registered-models`."""

from contextlib import suppress
from functools import partial
from typing import Any

from flask import Blueprint, g

from catapult.actions import aliases as alias_actions
from catapult.actions import mlflow as mlflow_actions
from catapult.actions import registered_models as actions
from catapult.contract import mlflow as contract
from catapult.contract import strict
from catapult.contract.renaming import Rename
from catapult.contract.schemas import ModelEdit, ModelIn
from catapult.errors import NotFound
from catapult.mlflow.wire import messages, searching
from catapult.mlflow.wire.endpoints import endpoint
from catapult.mlflow.wire.refusals import already_exists
from catapult.queries import mlflow
from catapult.rules import mlflow_tags
from catapult.rules.mlflow_stages import ALL
from catapult.tables import Role

PATH = "/registered-models"
STORAGE_PATH = "mlflow"
"""The storage path of models that MLflow's clients create: their versions have sources instead of images."""

blp = Blueprint("models", __name__)
on = partial(endpoint, blp)


def shown(name: str) -> dict[str, Any]:
    """Return the answer with this model."""
    row = mlflow.model(name)
    return {"registered_model": messages.model(row, mlflow.latest([row.id])[row.id], mlflow.aliases([row.id])[row.id])}


@on("POST", "/create", Role.PUBLISHER, contract.NewModel)
def create_model(name: str, tags: list[dict[str, str]] = [], **fields: str) -> dict[str, Any]:  # noqa: B006
    """Register a model, with its tags."""
    metadata = {mlflow_tags.KEY: {tag["key"]: tag["value"] for tag in tags}} if tags else {}
    body = {"name": name, "storage_path": STORAGE_PATH, "metadata": metadata, **fields}
    with already_exists(f"Registered Model (name={name}) already exists."):
        model = actions.create(actor=g.actor, **strict.load(ModelIn(), body, {}))
    return shown(model.name)


@on("POST", "/rename", Role.ADMIN, contract.Rename)
def rename_model(name: str, new_name: str) -> dict[str, Any]:
    """Rename a model."""
    model = mlflow.model(name)
    new = strict.load(Rename(), {"name": new_name}, {})["name"]
    with already_exists(f"Registered Model (name={new_name}) already exists."):
        actions.rename(model.id, new, actor=g.actor)
    return shown(new)


@on("PATCH", "/update", Role.PUBLISHER, contract.Description)
def update_model(name: str, description: str) -> dict[str, Any]:
    """Change a model's description."""
    fields = strict.load(ModelEdit(), {"description": description}, {})
    actions.edit(mlflow.model(name).id, fields, actor=g.actor)
    return shown(name)


@on("DELETE", "/delete", Role.ADMIN, contract.Named)
def delete_model(name: str) -> None:
    """Delete a model with its versions."""
    actions.delete(mlflow.model(name).id, actor=g.actor)


@on("GET", "/get", Role.VIEWER, contract.Named)
def get_model(name: str) -> dict[str, Any]:
    """Return a model."""
    return shown(name)


@on("GET POST", "/search", Role.VIEWER, contract.ModelSearch)
def search_models(max_results: int, **search: Any) -> dict[str, Any]:
    """Return a page of the models that pass a filter."""
    listing = mlflow.search_models(search["filter"], search["order_by"])
    rows, token = searching.page(listing, max_results, **search)
    ids = [row.id for row in rows]
    latest, aliases = mlflow.latest(ids), mlflow.aliases(ids)
    models = [messages.model(row, latest[row.id], aliases[row.id]) for row in rows]
    return {"registered_models": models, **({"next_page_token": token} if token else {})}


@on("GET POST", "/get-latest-versions", Role.VIEWER, contract.Latest)
def get_latest_versions(name: str, stages: list[str] | None = None) -> dict[str, Any]:
    """Return the latest version of each stage."""
    model = mlflow.model(name)
    rows = mlflow.latest([model.id], list(dict.fromkeys(stages or ALL)))[model.id]
    return {"model_versions": [messages.version(row) for row in rows]}


@on("POST", "/set-tag", Role.PUBLISHER, contract.SetTag)
def set_model_tag(name: str, key: str, value: str) -> None:
    """Set a model's tag."""
    mlflow_actions.tag_model(mlflow.model(name).id, key, value, actor=g.actor)


@on("DELETE", "/delete-tag", Role.PUBLISHER, contract.TagKey)
def delete_model_tag(name: str, key: str) -> None:
    """Remove a model's tag, if it has it."""
    mlflow_actions.tag_model(mlflow.model(name).id, key, None, actor=g.actor)


@on("POST", "/alias", Role.PUBLISHER, contract.SetAlias)
def set_alias(name: str, alias: str, version: int) -> None:
    """Point an alias at a version."""
    row = mlflow.version(name, version)
    alias_actions.move(row.model_id, alias, actor=g.actor, version_id=row.id)


@on("DELETE", "/alias", Role.PUBLISHER, contract.Alias)
def delete_alias(name: str, alias: str) -> None:
    """Remove an alias. No error if the model does not have it, as with MLflow's own server."""
    model = mlflow.model(name)
    with suppress(NotFound):
        alias_actions.remove(model.id, alias, actor=g.actor)


@on("GET", "/alias", Role.VIEWER, contract.Alias)
def get_version_by_alias(name: str, alias: str) -> dict[str, Any]:
    """Return the version that an alias points at."""
    row = mlflow.version_of_alias(name, alias)
    return {"model_version": messages.version(row)}
