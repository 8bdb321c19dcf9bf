"""Schemas of versions, separate classes for requests and answers."""

from typing import Any

from marshmallow import ValidationError, fields, validate, validates, validates_schema

from catapult.contract.fields import (
    ComputedList,
    ComputedObject,
    ComputedString,
    Create,
    Flag,
    Id,
    Immutable,
    In,
    Time,
    Whole,
    choice,
    matching,
    says,
    text,
)
from catapult.contract.schemas import (
    EXAMPLE_DIGEST,
    EXAMPLE_ID,
    EXAMPLE_TIME,
    MAX_BIGINT,
    RowOut,
    description_field,
    metadata_field,
    tags_field,
)
from catapult.rules import image_checks, image_reference, version_content
from catapult.tables import (
    DIGEST_LENGTH,
    NOTES_LENGTH,
    PLACE_LENGTH,
    SOURCE,
    SOURCE_LENGTH,
    TAG_LENGTH,
    TEXT_LENGTH,
    VERSION_LENGTH,
    DigestStatus,
    TagStatus,
    VersionStatus,
)

CHECK = ("image_check", "model_repository", "model_storage_path")


def source_field(**kwargs: Any) -> fields.String:
    return matching(SOURCE, SOURCE_LENGTH, "Must be visible characters, with blanks only between them.", **kwargs)


def notes_field(**kwargs: Any) -> fields.String:
    return text(NOTES_LENGTH, shortest=0, **kwargs)


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
    image = text(
        PLACE_LENGTH,
        load_only=True,
        metadata=says(
            "The image, instead of tag and digest: host/repository with :tag, @digest or both. The registry is asked for it.",
            "ghcr.io/myorg/bert:v1.0.0",
        ),
    )
    resolved_by_client = Flag(
        load_only=True,
        metadata=says(
            "The client looked up the digest in `image`, because this server cannot reach the registry.", False
        ),
    )
    source = source_field(
        metadata=says("A URI or path where there is no image, or as well; never opened.", "s3://models/bert/7")
    )
    size_bytes = Whole(
        validate=validate.Range(0, MAX_BIGINT, error="Must be 0 to 2^63-1."),
        metadata=says("The image's size in bytes.", 4_831_838_208),
    )
    platform = text(VERSION_LENGTH, metadata=says("Default: linux/amd64.", "linux/arm64"))
    quantization = text(VERSION_LENGTH, metadata=says("How the weights are stored.", "int8"))
    release_notes = notes_field(metadata=says("For people.", "Retrained on October's data"))
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
        if sent.get("image") is None:
            missing = version_content.missing(*map(sent.get, ("tag", "digest", "source")))
            if sent.get("resolved_by_client"):
                missing["image"] = ["Required with resolved_by_client."]
        else:
            missing = {name: ["Leave it out: image says it."] for name in ("tag", "digest") if name in sent}
        if missing:
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
        image_checks.status,
        "digest",
        *CHECK,
        allow_none=True,
        validate=validate.OneOf([*DigestStatus, image_checks.UNREACHABLE, "malformed"]),
        metadata=says(
            "What the image registry last answered about it; malformed: not a valid OCI digest; null without one.",
            "verified",
        ),
    )
    tag_status = ComputedString(
        image_checks.tag_status,
        *CHECK,
        allow_none=True,
        validate=validate.OneOf([*TagStatus]),
        metadata=says("Whether the tag led to the digest when the registry was last reached.", "current"),
    )
    verification = ComputedObject(
        image_checks.verification,
        *CHECK,
        allow_none=True,
        metadata=says(
            "When the image registry was asked last, in `detail` what it answered, and the digest that a tag was moved to.",
            {"detail": "ghcr.io has it.", "checked_at": EXAMPLE_TIME, "verified_at": EXAMPLE_TIME, "tag_digest": None},
        ),
    )
    manifest = ComputedObject(
        image_checks.manifest,
        "image_check",
        allow_none=True,
        metadata=says("What the image's manifest says; null if it was never read.", None),
    )
    signatures = ComputedList(
        image_checks.signatures,
        "image_check",
        metadata=says(
            "The trusted keys whose signatures of the digest verified.",
            [{"key": "release-2026", "layout": "bundle", "verified_at": EXAMPLE_TIME}],
        ),
    )
    image = ComputedString(
        image_reference.image,
        "model_repository",
        "model_storage_path",
        "digest",
        allow_none=True,
        metadata=says("The image to pull; null if there is none to pull.", f"ghcr.io/myorg/bert@{EXAMPLE_DIGEST}"),
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
