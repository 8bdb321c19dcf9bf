"""Schemas of models, versions and deployments, one class each way. They make the OpenAPI document."""

from typing import Any

from marshmallow import ValidationError, fields, validate, validates, validates_schema

from catapult.contract.fields import (
    ComputedString,
    Create,
    Flag,
    Id,
    Immutable,
    In,
    Labels,
    Metadata,
    Out,
    Time,
    Whole,
    choice,
    link,
    matching,
    says,
    text,
)
from catapult.rules import environment_names, image_reference, version_content
from catapult.tables import (
    DIGEST_LENGTH,
    ENVIRONMENT_LENGTH,
    MODEL_SEGMENT,
    NAME_LENGTH,
    NOTES_LENGTH,
    PLACE_LENGTH,
    SOURCE,
    SOURCE_LENGTH,
    TAG_LENGTH,
    TEXT_LENGTH,
    VERSION_LENGTH,
    DeploymentStatus,
    VersionStatus,
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
    """Raise ValidationError if a segment after the first is a word of the addresses."""
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


# --- models -----------------------------------------------------------------------------------------------------------


class ModelIn(Create):
    """A new model. It needs `storage_path` or `repository`."""

    name = new_model_name("Unique, ignoring case.")
    storage_path = text(PLACE_LENGTH, metadata=says("Where its images are stored.", "docker.io/myorg/bert"))
    repository = text(
        image_reference.LONGEST, metadata={**says("The repository to pull from.", "ghcr.io/myorg/bert"), **REPOSITORY}
    )
    description = text(TEXT_LENGTH, shortest=0, metadata=says("For people.", "Sentiment of reviews"))
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
    tags = fields.List(fields.String(), metadata=says("Labels.", ["nlp"]))
    metadata = fields.Dict(attribute="metadata_", metadata=says("Free metadata.", {}))
    version_count = fields.Integer(metadata=says("Number of versions, including archived ones.", 3))
    latest_version = fields.String(allow_none=True, metadata=says("The newest version that is not archived.", "1.2.0"))
    created_at = Time(metadata=says("When it was registered.", EXAMPLE_TIME))
    updated_at = Time(metadata=says("When its own fields last changed.", EXAMPLE_TIME))


# --- versions ---------------------------------------------------------------------------------------------------------


class VersionIn(Create):
    """A new version of the model given by `model_id` or `model_name`."""

    model_id = Id(metadata=says("The model's id.", EXAMPLE_ID))
    model_name = fields.String(metadata=says("The model's name, ignoring case.", "myorg/bert"))
    version = matching(
        r"[!-.0-~]+",
        VERSION_LENGTH,
        "Must be visible ASCII characters without /.",
        required=True,
        metadata=says(
            "Unique within the model; SemVer and dotted numbers such as 2026.01.15 are ordered by number.", "1.0.0"
        ),
    )
    tag = matching(
        r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}",
        TAG_LENGTH,
        "Must be an OCI tag: letters, digits and ._-, not starting with . or -.",
        metadata=says("The image's tag; needed with a digest.", "v1.0.0"),
    )
    digest = matching(
        r"[A-Za-z0-9+._-]+:[!-~]{1,200}",
        DIGEST_LENGTH,
        "Must be algorithm:encoded, such as sha256: and 64 hex digits.",
        metadata=says("The image's digest; needed unless there is a source.", EXAMPLE_DIGEST),
    )
    source = matching(
        SOURCE,
        SOURCE_LENGTH,
        "Must be visible characters, with blanks only between them.",
        metadata=says("A URI or path where there is no image, or as well; never opened.", "s3://models/bert/7"),
    )
    size_bytes = Whole(
        validate=validate.Range(0, MAX_BIGINT, error="Must be 0 to 2^63-1."),
        metadata=says("The image's size in bytes.", 4_831_838_208),
    )
    platform = text(VERSION_LENGTH, metadata=says("Default: linux/amd64.", "linux/arm64"))
    quantization = text(VERSION_LENGTH, metadata=says("How the weights are stored.", "int8"))
    release_notes = text(NOTES_LENGTH, shortest=0, metadata=says("For people.", "Retrained on October's data"))
    tags = tags_field()
    ceph_path = text(PLACE_LENGTH, metadata=says("Where the weights are in shared storage.", "models/bert/1.0.0"))
    metadata = metadata_field()
    is_release = Flag(metadata=says("Promote it at once; needs the role releaser.", False))
    auto_build = Flag(
        load_only=True, metadata=says("Sent by older clients; only false.") | {"deprecated": True, "enum": [False]}
    )
    build_config = fields.Raw(
        allow_none=True,
        load_only=True,
        metadata=says("Sent by older clients; only null.") | {"deprecated": True, "enum": [None]},
    )

    @validates("version")
    def check_version(self, value: str, **_: Any) -> None:
        if value in (".", ".."):
            raise ValidationError("Must not be . or ..: it is part of an address.")

    @validates("auto_build", "build_config")
    def check_no_build(self, value: Any, data_key: str) -> None:
        if value is not False or data_key == "build_config":
            raise ValidationError("Catapult builds no images. Leave it out.")

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def check_content(self, data: dict[str, Any], sent: dict[str, Any], **_: Any) -> None:
        if missing := version_content.missing(*map(sent.get, ("tag", "digest", "source"))):
            raise ValidationError(missing)

    @validates_schema(skip_on_field_errors=False)
    def check_model(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("model_id") is None and data.get("model_name") is None:
            raise ValidationError("Required unless model_id is given.", "model_name")


class VersionEdit(In):
    """The fields to change; the others stay as they are."""

    release_notes = description_field(NOTES_LENGTH)
    tags = tags_field()
    metadata = metadata_field(attribute="metadata_")
    status = choice(VersionStatus, metadata=says("An archived version can't be promoted or deployed.", "archived"))
    quantization = text(VERSION_LENGTH, allow_none=True, metadata=says("How the weights are stored; null clears it."))
    ceph_path = text(PLACE_LENGTH, allow_none=True, metadata=says("Where the weights are; null clears it."))
    is_release = Flag(metadata=says("Promote or demote; needs the role releaser.", True))
    reason = text(
        TEXT_LENGTH,
        metadata=says("Why; required where the content of a release or a live version changes.", "Typo in f1"),
    )
    version = tag = digest = source = size_bytes = platform = Immutable(
        "Never changes. Register a new version instead."
    )


class Reason(In):
    """The reason, for the audit log."""

    reason = text(TEXT_LENGTH, allow_none=True, metadata=says("Why.", "Best recall so far"))


class Promotion(Reason):
    """The reason, and whether to override gates."""

    force = Flag(metadata=says("Override the gates; needs the role admin and a reason.", False))


class VersionOut(RowOut):
    """A version of a model; a release if it was promoted."""

    model_id = fields.UUID(metadata=says("The model's id.", EXAMPLE_ID))
    model_name = fields.String(metadata=says("The model's name.", "myorg/bert"))
    version = fields.String(metadata=says("Unique within the model.", "1.0.0"))
    number = fields.Integer(
        metadata=says("1, 2, 3 … within the model; that of a deleted version is not used again.", 7)
    )
    tag = fields.String(allow_none=True, metadata=says("The image's tag; null without an image.", "v1.0.0"))
    digest = fields.String(
        allow_none=True, metadata=says("The image's digest, as sent; null without an image.", EXAMPLE_DIGEST)
    )
    digest_status = ComputedString(
        image_reference.digest_status,
        "digest",
        allow_none=True,
        validate=validate.OneOf(["unverified", "malformed"]),
        metadata=says("malformed: not a valid OCI digest; null without one.", "unverified"),
    )
    image = ComputedString(
        image_reference.image,
        "model_repository",
        "model_storage_path",
        "digest",
        allow_none=True,
        metadata=says("The image to pull; null if it can't be told.", f"ghcr.io/myorg/bert@{EXAMPLE_DIGEST}"),
    )
    image_fault = ComputedString(
        image_reference.image_fault,
        "model_repository",
        "model_storage_path",
        "digest",
        allow_none=True,
        metadata=says("Why there is no image to pull, and what to do; null if there is one.", None),
    )
    source = fields.String(allow_none=True, metadata=says("A URI or path, as sent; null if there is only an image."))
    size_bytes = fields.Integer(allow_none=True, metadata=says("The image's size in bytes."))
    platform = fields.String(metadata=says("Operating system and architecture.", "linux/amd64"))
    quantization = fields.String(allow_none=True, metadata=says("How the weights are stored."))
    release_notes = fields.String(allow_none=True, metadata=says("For people."))
    tags = fields.List(fields.String(), metadata=says("Labels; the image's tag is `tag`.", ["candidate"]))
    ceph_path = fields.String(allow_none=True, metadata=says("Where the weights are in shared storage."))
    metadata = fields.Dict(attribute="metadata_", metadata=says("Free metadata.", {"accuracy": 0.95}))
    status = choice(VersionStatus, metadata=says("active or archived.", "active"))
    is_release = fields.Boolean(metadata=says("Whether it is a release.", True))
    released_at = Time(allow_none=True, metadata=says("When it was promoted."))
    released_by = fields.String(allow_none=True, metadata=says("The name of the key that promoted it."))
    decision_id = fields.UUID(allow_none=True, metadata=says("The decision that made it a release."))
    override = fields.Boolean(metadata=says("Whether that decision overrode a gate.", False))
    live_in = fields.List(fields.String(), metadata=says("The environments it is live in.", ["production"]))
    aliases = fields.List(fields.String(), metadata=says("The aliases that point at it.", ["champion"]))
    created_by = fields.String(metadata=says("The name of the key that registered it.", "training"))
    created_at = Time(metadata=says("When it was registered.", EXAMPLE_TIME))
    updated_at = Time(metadata=says("When it last changed.", EXAMPLE_TIME))


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
