"""`/api/v1/versions`."""

from typing import Any
from uuid import UUID

from flask import g

from catapult.actions import versions as actions
from catapult.api import comparison
from catapult.api.wire import etags
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import CompareQuery, LatestQuery, NoQuery, PageQuery, VersionQuery
from catapult.contract.schemas import (
    ComparisonOut,
    DeploymentOut,
    Promotion,
    Reason,
    VersionEdit,
    VersionIn,
    VersionOut,
)
from catapult.errors import Conflict, NotFound, PreconditionFailed
from catapult.queries import deployments, versions
from catapult.queries.lists.paging import Listing
from catapult.tables import Role, Version

blp = Blueprint("versions", __name__, url_prefix="/api/v1/versions", description="Immutable versions of models")


@blp.route("", methods=["GET"])
@blp.needs(Role.VIEWER)
@blp.arguments(VersionQuery, location="query")
@blp.lists(VersionOut)
def list_versions(filters: dict[str, Any]) -> Listing:
    """List versions, newest first"""
    return versions.listing(**filters)


@blp.route("", methods=["POST"])
@blp.needs(Role.PUBLISHER, one_statement=True)
@blp.arguments(VersionIn)
@blp.answers(201, VersionOut, etag=True, location="/api/v1/versions/{id}", refuses=(NotFound, Conflict))
def create_version(body: dict[str, Any]) -> Version:
    """Register a version"""
    for dropped in ("auto_build", "build_config"):
        body.pop(dropped, None)
    return actions.create(actor=g.actor, **body)


@blp.route("/latest", methods=["GET"])
@blp.needs(Role.VIEWER)
@blp.arguments(LatestQuery, location="query")
@blp.answers(200, VersionOut, etag=True, refuses=(NotFound,))
def get_latest_version(query: dict[str, Any]) -> Any:
    """Get a model's latest version"""
    return versions.latest(query.pop("model_name"), **query)


@blp.route("/compare", methods=["GET"])
@blp.needs(Role.VIEWER)
@blp.arguments(CompareQuery, location="query")
@blp.answers(200, ComparisonOut, refuses=(NotFound,))
def compare_versions(query: dict[str, Any]) -> Any:
    """Compare versions key by key"""
    return comparison.of(versions.of_ids(query["ids"]))


@blp.route("/<uuid:version_id>", methods=["GET"])
@blp.needs(Role.VIEWER)
@blp.arguments(NoQuery, location="query")
@blp.answers(200, VersionOut, etag=True, refuses=(NotFound,))
def get_version(_: dict[str, Any], version_id: UUID) -> Any:
    """Get a version"""
    return versions.get(version_id)


@blp.route("/<uuid:version_id>", methods=["PUT"])
@blp.needs(Role.PUBLISHER)
@blp.arguments(VersionEdit)
@blp.answers(200, VersionOut, etag=True, refuses=(NotFound, Conflict, PreconditionFailed))
def edit_version(body: dict[str, Any], version_id: UUID) -> Version:
    """Change a version's fields, promote or demote it"""
    is_release = body.pop("is_release", None)
    return actions.edit(version_id, body, actor=g.actor, is_release=is_release, expected=etags.expected())


@blp.route("/<uuid:version_id>", methods=["DELETE"])
@blp.needs(Role.ADMIN)
@blp.arguments(NoQuery, location="query")
@blp.deletes(refuses=(NotFound, Conflict, PreconditionFailed))
def delete_version(_: dict[str, Any], version_id: UUID) -> None:
    """Delete a version"""
    actions.delete(version_id, actor=g.actor, expected=etags.expected())


@blp.route("/<uuid:version_id>/promote", methods=["POST"])
@blp.needs(Role.RELEASER)
@blp.arguments(Promotion, required=False)
@blp.answers(200, VersionOut, etag=True, refuses=(NotFound, Conflict))
def promote(body: dict[str, Any], version_id: UUID) -> Version:
    """Promote a version to a release"""
    return actions.promote(version_id, actor=g.actor, **body)


@blp.route("/<uuid:version_id>/demote", methods=["POST"])
@blp.needs(Role.RELEASER)
@blp.arguments(Reason, required=False)
@blp.answers(200, VersionOut, etag=True, refuses=(NotFound, Conflict))
def demote(body: dict[str, Any], version_id: UUID) -> Version:
    """Make a release a plain version again"""
    return actions.demote(version_id, actor=g.actor, **body)


@blp.route("/<uuid:version_id>/deployments", methods=["GET"])
@blp.needs(Role.VIEWER)
@blp.arguments(PageQuery, location="query")
@blp.lists(DeploymentOut, refuses=(NotFound,))
def list_deployments_of_version(_: dict[str, Any], version_id: UUID) -> Listing:
    """List a version's deployments, newest first"""
    return deployments.listing(release_id=version_id).of(lambda: versions.check(version_id))
