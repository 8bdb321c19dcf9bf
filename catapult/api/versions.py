"""`/api/v1/versions`."""

from typing import Any
from uuid import UUID

from flask import g

from catapult.actions import image_checks
from catapult.actions import versions as actions
from catapult.api import comparison
from catapult.api.wire import etags
from catapult.api.wire.blueprint import Blueprint
from catapult.api.wire.parameters import CompareQuery, LatestQuery, PageQuery, VersionQuery
from catapult.contract.comparison import ComparisonOut
from catapult.contract.control import DecisionOut
from catapult.contract.schemas import DeploymentOut
from catapult.contract.versions import Promotion, Reason, VersionEdit, VersionIn, VersionOut
from catapult.contract.webhooks import NoFields
from catapult.errors import Conflict, NotFound, PreconditionFailed
from catapult.queries import decisions, deployments, versions
from catapult.queries.lists.paging import Listing
from catapult.tables import Role, Version
from catapult.web import slots
from catapult.web.requested_images import resolved

blp = Blueprint("versions", __name__, url_prefix="/api/v1/versions", description="Immutable versions of models")


@blp.get("", Role.VIEWER)
@blp.arguments(VersionQuery)
@blp.lists(VersionOut)
def list_versions(filters: dict[str, Any]) -> Listing:
    """List versions, newest first"""
    return versions.listing(**filters)


@blp.post("", Role.PUBLISHER, one_statement=True)
@blp.arguments(VersionIn)
@blp.answers(201, VersionOut, etag=True, location="/api/v1/versions/{id}", refuses=(NotFound, Conflict))
def create_version(body: dict[str, Any]) -> Version:
    """Register a version"""
    for dropped in ("auto_build", "build_config"):
        body.pop(dropped, None)
    return actions.create(actor=g.actor, resolved=resolved(body), **body)


@blp.post("/<uuid:version_id>/verify", Role.PUBLISHER)
@blp.arguments(NoFields)
@blp.answers(200, VersionOut, etag=True, refuses=(NotFound, Conflict))
def verify_version(_: dict[str, Any], version_id: UUID) -> Any:
    """Ask the image registry about a version's image now"""
    with slots.IMAGES.taken():
        image_checks.verify(version_id, actor=g.actor)
    return versions.get(version_id)


@blp.get("/latest", Role.VIEWER)
@blp.arguments(LatestQuery)
@blp.answers(200, VersionOut, etag=True, set_aside=True, refuses=(NotFound,))
def get_latest_version(query: dict[str, Any]) -> Any:
    """Get a model's latest version"""
    name, order = query.pop("model_name"), query.pop("order", "created")
    version = versions.latest(name, **query, order=order)
    if order == "semver":
        g.set_aside = versions.set_aside(name, **query)
    return version


@blp.get("/compare", Role.VIEWER)
@blp.arguments(CompareQuery)
@blp.answers(200, ComparisonOut, refuses=(NotFound,))
def compare_versions(query: dict[str, Any]) -> Any:
    """Compare versions key by key"""
    return comparison.of(versions.of_ids(query["ids"]))


@blp.get("/<uuid:version_id>", Role.VIEWER)
@blp.answers(200, VersionOut, etag=True, refuses=(NotFound,))
def get_version(version_id: UUID) -> Any:
    """Get a version"""
    return versions.get(version_id)


@blp.put("/<uuid:version_id>", Role.PUBLISHER)
@blp.arguments(VersionEdit)
@blp.answers(200, VersionOut, etag=True, refuses=(NotFound, Conflict, PreconditionFailed))
def edit_version(body: dict[str, Any], version_id: UUID) -> Version:
    """Change a version's fields, promote or demote it"""
    promotion = {name: body.pop(name, None) for name in ("is_release", "reason")}
    return actions.edit(version_id, body, actor=g.actor, expected=etags.expected(), **promotion)


@blp.delete("/<uuid:version_id>", Role.ADMIN)
@blp.deletes(refuses=(NotFound, Conflict, PreconditionFailed))
def delete_version(version_id: UUID) -> None:
    """Delete a version"""
    actions.delete(version_id, actor=g.actor, expected=etags.expected())


@blp.post("/<uuid:version_id>/promote", Role.RELEASER)
@blp.arguments(Promotion, required=False)
@blp.answers(200, VersionOut, etag=True, refuses=(NotFound, Conflict))
def promote(body: dict[str, Any], version_id: UUID) -> Version:
    """Promote a version to a release"""
    return actions.promote(version_id, actor=g.actor, **body)


@blp.post("/<uuid:version_id>/demote", Role.RELEASER)
@blp.arguments(Reason, required=False)
@blp.answers(200, VersionOut, etag=True, refuses=(NotFound, Conflict))
def demote(body: dict[str, Any], version_id: UUID) -> Version:
    """Demote a release to a version"""
    return actions.demote(version_id, actor=g.actor, **body)


@blp.get("/<uuid:version_id>/decisions", Role.VIEWER)
@blp.arguments(PageQuery)
@blp.lists(DecisionOut, refuses=(NotFound,))
def list_decisions_about_version(_: dict[str, Any], version_id: UUID) -> Listing:
    """List the decisions about a version, newest first"""
    return decisions.of_version(version_id).with_check(lambda: versions.check(version_id))


@blp.get("/<uuid:version_id>/deployments", Role.VIEWER)
@blp.arguments(PageQuery)
@blp.lists(DeploymentOut, refuses=(NotFound,))
def list_deployments_of_version(_: dict[str, Any], version_id: UUID) -> Listing:
    """List a version's deployments, newest first"""
    return deployments.listing(release_id=version_id).with_check(lambda: versions.check(version_id))
