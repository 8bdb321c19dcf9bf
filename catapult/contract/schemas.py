"""Schemas of models, versions and deployments, separate classes for requests and answers. They are in the OpenAPI document."""

from typing import Any

from marshmallow import ValidationError, fields, validate, validates, validates_schema

from catapult.contract.fields import (
    Create,
    Flag,
    Id,
    Immutable,
    In,
    Labels,
    Metadata,
    Out,
    Time,
    choice,
    link,
    matching,
    says,
    text,
)
from catapult.rules import environment_names, image_reference
from catapult.tables import (
    ENVIRONMENT_LENGTH,
    MODEL_SEGMENT,
    NAME_LENGTH,
    PLACE_LENGTH,
    TAG_LENGTH,
    TAG_PATTERN,
    TEXT_LENGTH,
    DeploymentStatus,
)

MAX_BIGINT = 2**63 - 1

EXAMPLE_ID = "019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11"
EXAMPLE_TIME = "2026-11-23T10:15:30.123456Z"
REPOSITORY = {"pattern": image_reference.PATTERN}
EXAMPLE_DIGEST = "sha256:" + "9f86d081884c7d659a2feaa0c55ad015" * 2


class RowOut(Out):
    """A row that has an id."""

    id = fields.UUID(metadata=says("UUID version 7.", EXAMPLE_ID))


def model_name(**kwargs: Any) -> fields.String:
    error = (
        "Must be segments joined by /; each starts with a letter or digit and contains only letters, digits, ._- and "
        "single spaces between them."
    )
    return matching(f"{MODEL_SEGMENT}(?:/{MODEL_SEGMENT})*", NAME_LENGTH, error, **kwargs)


def _check_segments(name: str) -> None:
    if {"versions", "compare"} & set(name.lower().split("/")):
        raise ValidationError("No segment may be versions or compare: they are part of the pages' addresses.")


def new_model_name(description: str) -> fields.String:
    field = model_name(required=True, metadata=says(description, "myorg/bert"))
    field.validators.append(_check_segments)
    return field


def environment_name(**kwargs: Any) -> fields.String:
    field = matching(environment_names.PATTERN, ENVIRONMENT_LENGTH, environment_names.RULE, **kwargs)
    field.validators.append(check_not_reserved)
    return field


def check_not_reserved(name: str) -> None:
    """Raise ValidationError if a segment after the first is a path segment of the API or the pages."""
    if environment_names.is_reserved(name):
        raise ValidationError(environment_names.RESERVED)


def metadata_field(**kwargs: Any) -> Metadata:
    limits = says("Any JSON object: at most 256 KiB, 2,048 keys, depth 32.", {"accuracy": 0.95})
    return Metadata(allow_none=True, metadata=limits, **kwargs)


def description_field(longest: int = TEXT_LENGTH) -> fields.String:
    return text(longest, shortest=0, allow_none=True, metadata=says("For people; null clears it."))


def tags_field() -> Labels:
    tag = matching(r"[!-~]+(?: [!-~]+)*", 128, "Must be visible ASCII characters with single spaces between them.")
    rules = validate.Length(max=50, error="Must have at most 50 tags.")
    return Labels(tag, allow_none=True, validate=rules, metadata=says("Labels; null means none.", ["nlp", "gpu"]))


def register_tags_field(**kwargs: Any) -> fields.String:
    about = says("A pattern of tags: one that is pushed is registered as a version; null registers none.", "v*")
    error = "Must be a tag, in which * stands for any text, such as v*."
    return matching(TAG_PATTERN[1:-1], TAG_LENGTH, error, metadata=about, **kwargs)


# --- models -----------------------------------------------------------------------------------------------------------


class ModelIn(Create):
    """A new model. It needs `storage_path` or `repository`."""

    name = new_model_name("Unique, ignoring case.")
    storage_path = text(PLACE_LENGTH, metadata=says("Where its images are stored.", "docker.io/myorg/bert"))
    repository = text(
        image_reference.LONGEST, metadata={**says("The repository to pull from.", "ghcr.io/myorg/bert"), **REPOSITORY}
    )
    description = text(TEXT_LENGTH, shortest=0, metadata=says("For people.", "Sentiment of reviews"))
    register_tags = register_tags_field()
    tags = tags_field()
    metadata = metadata_field()

    @validates_schema(skip_on_field_errors=False)
    def check_location(self, data: dict[str, Any], **_: Any) -> None:
        if not (data.get("storage_path") or data.get("repository")):
            raise ValidationError("Required unless repository is given.", "storage_path")


class ModelEdit(In):
    """The fields to change; the others stay as they are."""

    storage_path = text(PLACE_LENGTH, metadata=says("Where its images are stored.", "docker.io/myorg/bert"))
    repository = text(
        image_reference.LONGEST,
        allow_none=True,
        metadata={**says("The repository to pull from; null clears it."), **REPOSITORY},
    )
    description = description_field()
    register_tags = register_tags_field(allow_none=True)
    tags = tags_field()
    metadata = metadata_field(attribute="metadata_")
    reason = text(
        TEXT_LENGTH,
        metadata=says("Why. Required if a version is a release or live and its image moves.", "New registry"),
    )
    name = Immutable("Never changes by a PUT. Rename the model: POST /api/v1/models/{id}/rename.")


class ModelOut(RowOut):
    """A registered model."""

    name = fields.String(metadata=says("Unique, ignoring case.", "myorg/bert"))
    former_names = fields.List(fields.String(), metadata=says("Names it had before, which lead to it too.", []))
    storage_path = fields.String(metadata=says("Where its images are stored.", "docker.io/myorg/bert"))
    repository = fields.String(allow_none=True, metadata=says("The repository to pull from."))
    description = fields.String(allow_none=True, metadata=says("For people."))
    register_tags = fields.String(
        allow_none=True, metadata=says("The tags that are registered when they are pushed; null is none.", "v*")
    )
    tags = fields.List(fields.String(), metadata=says("Labels.", ["nlp"]))
    metadata = fields.Dict(attribute="metadata_", metadata=says("Free metadata.", {}))
    version_count = fields.Integer(metadata=says("Number of versions, including archived ones.", 3))
    latest_version = fields.String(allow_none=True, metadata=says("The newest version that is not archived.", "1.2.0"))
    created_at = Time(metadata=says("When it was registered.", EXAMPLE_TIME))
    updated_at = Time(metadata=says("When its own fields last changed.", EXAMPLE_TIME))


# --- deployments ------------------------------------------------------------------------------------------------------


class DeploymentIn(Create):
    """A new deployment of a version to an environment."""

    release_id = Id(required=True, metadata=says("The version's id.", EXAMPLE_ID))
    environment = environment_name(required=True, metadata=says("The environment, ignoring case.", "production"))
    status = choice(
        [status for status in DeploymentStatus if status != DeploymentStatus.CANCELLED],
        metadata=says("Default: success, which makes it live.", "success"),
    )
    metadata = metadata_field()
    endpoint_url = link(PLACE_LENGTH, metadata=says("Where it serves.", "https://bert.example.com"))
    log_url = link(PLACE_LENGTH, metadata=says("Where its log is.", "https://ci.example.com/runs/42"))
    force = Flag(metadata=says("Override the gates; needs the role admin and a reason.", False))
    reason = text(TEXT_LENGTH, metadata=says("Why; kept in the audit log.", "Customers wait for the fix"))

    @validates("environment")
    def check_environment(self, value: str, **_: Any) -> None:
        if value.lower() == "release":
            raise ValidationError("Must not be release: that is the target of a promotion.")


class HistoryIn(Create):
    """A line of a file with deployments that another tool recorded (`flask import history`)."""

    model = fields.String(required=True)
    version = fields.String(required=True)
    environment = environment_name(required=True)
    status = choice([DeploymentStatus.SUCCESS, DeploymentStatus.FAILED, DeploymentStatus.CANCELLED], required=True)
    live_from = Time()
    ended_at = Time()
    deployed_at = Time()
    deployed_by = text(NAME_LENGTH, required=True)
    metadata = metadata_field()


class DeploymentEdit(In):
    """The progress of a deployment and its details; only the fields sent change."""

    status = choice(DeploymentStatus, metadata=says("Only moves forward.", "running"))
    metadata = metadata_field(attribute="metadata_")
    endpoint_url = link(PLACE_LENGTH, allow_none=True, metadata=says("Where it serves; null clears it."))
    log_url = link(PLACE_LENGTH, allow_none=True, metadata=says("Where its log is; null clears it."))
    force = Flag(metadata=says("Override the gates; needs the role admin and a reason.", False))
    reason = text(TEXT_LENGTH, metadata=says("Why; kept in the audit log.", "Customers wait for the fix"))


class DeploymentOut(RowOut):
    """The record that a version went to an environment."""

    release_id = fields.UUID(metadata=says("The version's id.", EXAMPLE_ID))
    model_name = fields.String(metadata=says("The model's name.", "myorg/bert"))
    version = fields.String(metadata=says("The version string.", "1.0.0"))
    environment = fields.String(metadata=says("The environment.", "production"))
    status = choice(DeploymentStatus, metadata=says("Its progress.", "success"))
    live = fields.Boolean(metadata=says("Whether it is live now; at most one is for a model and environment.", True))
    endpoint_url = fields.String(allow_none=True, metadata=says("Where it serves."))
    metadata = fields.Dict(attribute="metadata_", metadata=says("Free metadata.", {"replicas": 3}))
    log_url = fields.String(allow_none=True, metadata=says("Where its log is."))
    deployed_by = fields.String(metadata=says("The name of the key that recorded it.", "ci"))
    deployed_at = Time(metadata=says("When it was recorded.", EXAMPLE_TIME))
    updated_at = Time(metadata=says("When it last changed.", EXAMPLE_TIME))
    live_from = Time(allow_none=True, metadata=says("Start of the time it was live, inclusive.", EXAMPLE_TIME))
    ended_at = Time(allow_none=True, metadata=says("End of the time it was live, exclusive.", EXAMPLE_TIME))
    superseded_by = fields.UUID(allow_none=True, metadata=says("The deployment that replaced it."))
    decision_id = fields.UUID(
        allow_none=True, metadata=says("The decision that made it live, before that the one that let it begin.")
    )
    override = fields.Boolean(metadata=says("Whether that decision overrode a gate.", False))
    rollback_of = fields.UUID(allow_none=True, metadata=says("The deployment that it rolled back."))
