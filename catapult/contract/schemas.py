"""What goes in and out, one class each way. They make the OpenAPI document, so each field says what it is."""

from typing import Any

from marshmallow import ValidationError, fields, validate, validates, validates_schema

from catapult.contract.fields import (
    OPTIONAL,
    ComputedString,
    Create,
    Flag,
    Id,
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
from catapult.rules import image_reference, key_format
from catapult.tables import (
    DIGEST_LENGTH,
    ENVIRONMENT_LENGTH,
    NAME_LENGTH,
    PLACE_LENGTH,
    TAG_LENGTH,
    TEXT_LENGTH,
    VERSION_LENGTH,
    DeploymentStatus,
    Role,
    VersionStatus,
)

SEGMENT = r"[A-Za-z0-9][A-Za-z0-9._-]*"
MAX_BIGINT = 2**63 - 1

EXAMPLE_ID = "019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11"
EXAMPLE_TIME = "2026-11-23T10:15:30.123456Z"
EXAMPLE_DIGEST = "sha256:" + "9f86d081884c7d659a2feaa0c55ad015" * 2


def model_name(**kwargs: Any) -> fields.String:
    return matching(
        rf"{SEGMENT}(?:/{SEGMENT})*",
        NAME_LENGTH,
        "Has to be segments of letters, digits and ._- joined by /, each beginning with a letter or digit.",
        **kwargs,
    )


def environment_name(**kwargs: Any) -> fields.String:
    error = "Has to begin with a letter or digit and hold letters, digits and ._- only."
    return matching(SEGMENT, ENVIRONMENT_LENGTH, error, **kwargs)


def metadata_field(**kwargs: Any) -> Metadata:
    return Metadata(metadata=says("Any JSON object: at most 64 KiB, 512 keys, depth 32.", {"accuracy": 0.95}), **kwargs)


def never_changes() -> fields.Raw:
    """A field that a `PUT` refuses by name, whatever it holds, null too."""
    said = says("Never changes: 422.") | {"deprecated": True, "not": {}}
    return fields.Raw(load_only=True, allow_none=True, metadata=said)


def tags_field(**kwargs: Any) -> Labels:
    tag = matching(r"[!-~]+(?: [!-~]+)*", 128, "Has to be visible ASCII characters, single spaces between them.")
    rules = validate.Length(max=50, error="Has to have at most 50 tags.")
    return Labels(tag, validate=rules, metadata=says("Labels; null is none.", ["nlp", "gpu"]), **kwargs)


# --- models ---------------------------------------------------------------------------------------------------------


class ModelIn(Create):
    """A new model. It needs `storage_path` or `repository`."""

    name = model_name(required=True, metadata=says("Unique, with case ignored; it never changes.", "myorg/bert"))
    storage_path = text(PLACE_LENGTH, metadata=says("Where its images are stored.", "docker.io/myorg/bert"))
    repository = text(PLACE_LENGTH, metadata=says("The repository to pull from.", "ghcr.io/myorg/bert"))
    description = text(TEXT_LENGTH, shortest=0, metadata=says("For people.", "Sentiment of reviews"))
    tags = tags_field()
    metadata = metadata_field()

    @validates("name")
    def check_segments(self, value: str, **_: Any) -> None:
        if {"versions", "compare"} & set(value.lower().split("/")):
            raise ValidationError("A segment may not be versions or compare: they are part of the pages' addresses.")

    @validates_schema(skip_on_field_errors=False)
    def check_place(self, data: dict[str, Any], **_: Any) -> None:
        if not (data.get("storage_path") or data.get("repository")):
            raise ValidationError("Needed where there is no repository.", "storage_path")


class ModelEdit(In):
    """The fields to change; the others stay as they are."""

    storage_path = text(PLACE_LENGTH, metadata=says("Where its images are stored.", "docker.io/myorg/bert"))
    repository = text(PLACE_LENGTH, allow_none=True, metadata=says("The repository to pull from; null clears it."))
    description = text(TEXT_LENGTH, shortest=0, allow_none=True, metadata=says("For people; null clears it."))
    tags = tags_field()
    metadata = metadata_field(attribute="metadata_")
    name = never_changes()

    @validates("name")
    def refuse_name(self, value: Any, **_: Any) -> None:
        raise ValidationError("A model's name never changes. Register a new model instead.")


class ModelOut(Out):
    """A registered model."""

    id = fields.UUID(metadata=says("UUID version 7.", EXAMPLE_ID))
    name = fields.String(metadata=says("Unique, with case ignored.", "myorg/bert"))
    storage_path = fields.String(metadata=says("Where its images are stored.", "docker.io/myorg/bert"))
    repository = fields.String(allow_none=True, metadata=says("The repository to pull from."))
    description = fields.String(allow_none=True, metadata=says("For people."))
    tags = fields.List(fields.String(), metadata=says("Labels.", ["nlp"]))
    metadata = fields.Dict(attribute="metadata_", metadata=says("Free metadata.", {}))
    version_count = fields.Integer(metadata=says("How many versions it has, archived ones too.", 3))
    latest_version = fields.String(allow_none=True, metadata=says("The newest that is not archived.", "1.2.0"))
    created_at = Time(metadata=says("When it was registered.", EXAMPLE_TIME))
    updated_at = Time(metadata=says("When its own fields last changed.", EXAMPLE_TIME))


# --- versions -------------------------------------------------------------------------------------------------------

IMMUTABLE = ("version", "tag", "digest", "size_bytes", "platform")


class VersionIn(Create):
    """A new version of the model that `model_id` or `model_name` names."""

    model_id = Id(metadata=says("The model's id.", EXAMPLE_ID))
    model_name = fields.String(metadata=says("The model's name, case ignored.", "myorg/bert"))
    version = matching(
        r"[!-.0-~]+",
        VERSION_LENGTH,
        "Has to be visible ASCII characters without /.",
        required=True,
        metadata=says("Unique within the model; SemVer sorts best.", "1.0.0"),
    )
    tag = matching(
        r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}",
        TAG_LENGTH,
        "Has to be an OCI tag: letters, digits and ._-, not beginning with . or -.",
        required=True,
        metadata=says("The image's tag.", "v1.0.0"),
    )
    digest = matching(
        r"[A-Za-z0-9+._-]+:[!-~]{1,200}",
        DIGEST_LENGTH,
        "Has to be algorithm:encoded, as sha256: and 64 hex digits.",
        required=True,
        metadata=says("The image's digest.", EXAMPLE_DIGEST),
    )
    size_bytes = Whole(
        validate=validate.Range(0, MAX_BIGINT, error="Has to be 0 to 2^63-1."),
        metadata=says("The image's size in bytes.", 4_831_838_208),
    )
    platform = text(VERSION_LENGTH, metadata=says("linux/amd64 when not sent.", "linux/arm64"))
    quantization = text(VERSION_LENGTH, metadata=says("How the weights are stored.", "int8"))
    release_notes = text(TEXT_LENGTH, shortest=0, metadata=says("For people.", "Retrained on October's data"))
    ceph_path = text(PLACE_LENGTH, metadata=says("Where the weights lie in shared storage.", "models/bert/1.0.0"))
    metadata = metadata_field()
    is_release = Flag(metadata=says("Promote it at once; takes the role releaser.", False))
    auto_build = Flag(
        load_only=True, metadata=says("From older clients; only false.") | {"deprecated": True, "enum": [False]}
    )
    build_config = fields.Raw(
        allow_none=True,
        load_only=True,
        metadata=says("From older clients; only null.") | {"deprecated": True, "enum": [None]},
    )

    @validates("version")
    def check_version(self, value: str, **_: Any) -> None:
        if value in (".", ".."):
            raise ValidationError("May not be . or ..: it is part of an address.")

    @validates("auto_build")
    def check_auto_build(self, value: bool, **_: Any) -> None:
        if value:
            raise ValidationError("Catapult builds no images. Leave it out or send false.")

    @validates("build_config")
    def check_build_config(self, value: Any, **_: Any) -> None:
        raise ValidationError("Catapult builds no images. Leave it out or send null.")

    @validates_schema(skip_on_field_errors=False)
    def check_model(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("model_id") is None and data.get("model_name") is None:
            raise ValidationError("Needed where there is no model_id.", "model_name")


class VersionEdit(In):
    """The fields to change; the others stay as they are. `version`, `tag`, `digest`, `size_bytes`, `platform` never do."""

    release_notes = text(TEXT_LENGTH, shortest=0, allow_none=True, metadata=says("For people; null clears it."))
    metadata = metadata_field(attribute="metadata_")
    status = choice(VersionStatus, metadata=says("An archived version can't be promoted or deployed.", "archived"))
    quantization = text(VERSION_LENGTH, allow_none=True, metadata=says("How the weights are stored; null clears it."))
    ceph_path = text(PLACE_LENGTH, allow_none=True, metadata=says("Where the weights lie; null clears it."))
    is_release = Flag(metadata=says("Promote or demote; takes the role releaser.", True))
    version = never_changes()
    tag = never_changes()
    digest = never_changes()
    size_bytes = never_changes()
    platform = never_changes()

    @validates(*IMMUTABLE)
    def refuse(self, value: Any, **_: Any) -> None:
        raise ValidationError("Never changes. Register a new version instead.")


class Reason(In):
    """Why; it stands in the audit log."""

    reason = text(TEXT_LENGTH, allow_none=True, metadata=says("Why.", "Best recall so far"))


class Promotion(Reason):
    """Why, and whether gates are passed by force."""

    force = Flag(metadata=says("Pass the gates; takes the role admin and a reason.", False))


class VersionOut(Out):
    """A version of a model; a release if somebody promoted it."""

    id = fields.UUID(metadata=says("UUID version 7.", EXAMPLE_ID))
    model_id = fields.UUID(metadata=says("The model's id.", EXAMPLE_ID))
    model_name = fields.String(metadata=says("The model's name.", "myorg/bert"))
    version = fields.String(metadata=says("Unique within the model.", "1.0.0"))
    tag = fields.String(metadata=says("The image's tag.", "v1.0.0"))
    digest = fields.String(metadata=says("The image's digest, as it was sent.", EXAMPLE_DIGEST))
    digest_status = ComputedString(
        image_reference.digest_status,
        "digest",
        validate=validate.OneOf(["unverified", "malformed"]),
        metadata=says("malformed: OCI would not take it.", "unverified"),
    )
    image = ComputedString(
        image_reference.image,
        "model_repository",
        "model_storage_path",
        "digest",
        allow_none=True,
        metadata=says("Ready to pull; null where it can't be.", f"ghcr.io/myorg/bert@{EXAMPLE_DIGEST}"),
    )
    size_bytes = fields.Integer(allow_none=True, metadata=says("The image's size in bytes."))
    platform = fields.String(metadata=says("Operating system and architecture.", "linux/amd64"))
    quantization = fields.String(allow_none=True, metadata=says("How the weights are stored."))
    release_notes = fields.String(allow_none=True, metadata=says("For people."))
    ceph_path = fields.String(allow_none=True, metadata=says("Where the weights lie in shared storage."))
    metadata = fields.Dict(attribute="metadata_", metadata=says("Free metadata.", {"accuracy": 0.95}))
    status = choice(VersionStatus, metadata=says("active or archived.", "active"))
    is_release = fields.Boolean(metadata=says("Whether it is a release.", True))
    released_at = Time(allow_none=True, metadata=says("When it was promoted."))
    released_by = fields.String(allow_none=True, metadata=says("The name of the key that promoted it."))
    live_in = fields.List(fields.String(), metadata=says("The environments it is live in.", ["production"]))
    created_by = fields.String(metadata=says("The name of the key that registered it.", "training"))
    created_at = Time(metadata=says("When it was registered.", EXAMPLE_TIME))
    updated_at = Time(metadata=says("When it last changed.", EXAMPLE_TIME))


class ComparedOut(Out):
    """One of the versions that are compared."""

    id = fields.UUID(metadata=says("UUID version 7.", EXAMPLE_ID))
    model_name = fields.String(metadata=says("The model's name.", "myorg/bert"))
    version = fields.String(metadata=says("Unique within the model.", "1.0.0"))


class CellOut(Out):
    """What a version has under a key, beside what the first one has."""

    state = fields.String(
        validate=validate.OneOf(["base", "same", "changed", "new", "gone", "none"]),
        metadata=says("base is the first version's; new is what it has not, gone what only it has.", "changed"),
    )
    value = fields.Raw(allow_none=True, metadata=says("Left out where there is none.", 0.95) | OPTIONAL)
    difference = fields.Float(metadata=says("Of two numbers that differ.", 0.05) | OPTIONAL)
    percent = fields.Float(metadata=says("The same in per cent of the first; of 0 there is none.", 5.5) | OPTIONAL)


class ComparedKeyOut(Out):
    """One key of the metadata in all versions."""

    path = fields.List(fields.String(), metadata=says("The keys that lead to it.", ["eval", "f1"]))
    key = fields.String(metadata=says("The same as it reads.", "eval.f1"))
    differs = fields.Boolean(metadata=says("Whether any version has another value.", True))
    cells = fields.List(fields.Nested(CellOut), metadata=says("One a version, in their order."))


class ComparisonOut(Out):
    """Versions side by side, each measured by the first."""

    versions = fields.List(fields.Nested(ComparedOut), metadata=says("In the order they were asked for."))
    keys = fields.List(fields.Nested(ComparedKeyOut), metadata=says("Every key that any of them has, by name."))


# --- deployments ----------------------------------------------------------------------------------------------------


class DeploymentIn(Create):
    """The record that a version went to an environment."""

    release_id = Id(required=True, metadata=says("The version's id.", EXAMPLE_ID))
    environment = environment_name(required=True, metadata=says("Where to, case ignored.", "production"))
    status = choice(
        [status for status in DeploymentStatus if status != DeploymentStatus.CANCELLED],
        metadata=says("success when not sent, which makes it live.", "success"),
    )
    metadata = metadata_field()
    endpoint_url = link(PLACE_LENGTH, metadata=says("Where it answers.", "https://bert.example.com"))
    log_url = link(PLACE_LENGTH, metadata=says("Where its log can be read.", "https://ci.example.com/runs/42"))
    force = Flag(metadata=says("Pass the gates; takes the role admin and a reason.", False))
    reason = text(TEXT_LENGTH, metadata=says("Why; it stands in the audit log.", "Customers wait for the fix"))

    @validates("environment")
    def check_environment(self, value: str, **_: Any) -> None:
        if value.lower() == "release":
            raise ValidationError("May not be release: that is what promoting leads to.")


class DeploymentOut(Out):
    """The record that a version went to an environment."""

    id = fields.UUID(metadata=says("UUID version 7.", EXAMPLE_ID))
    release_id = fields.UUID(metadata=says("The version's id.", EXAMPLE_ID))
    model_name = fields.String(metadata=says("The model's name.", "myorg/bert"))
    version = fields.String(metadata=says("The version string.", "1.0.0"))
    environment = fields.String(metadata=says("Where to.", "production"))
    status = choice(DeploymentStatus, metadata=says("How far it came.", "success"))
    live = fields.Boolean(metadata=says("Whether it runs there now: at most one a model and environment does.", True))
    endpoint_url = fields.String(allow_none=True, metadata=says("Where it answers."))
    metadata = fields.Dict(attribute="metadata_", metadata=says("Free metadata.", {"replicas": 3}))
    log_url = fields.String(allow_none=True, metadata=says("Where its log can be read."))
    deployed_by = fields.String(metadata=says("The name of the key that recorded it.", "ci"))
    deployed_at = Time(metadata=says("When it was recorded.", EXAMPLE_TIME))
    updated_at = Time(metadata=says("When it last changed.", EXAMPLE_TIME))
    live_from = Time(allow_none=True, metadata=says("Since when it is or was live.", EXAMPLE_TIME))
    ended_at = Time(allow_none=True, metadata=says("Until just before when it was live.", EXAMPLE_TIME))
    superseded_by = fields.UUID(allow_none=True, metadata=says("The deployment that took its place."))
    rollback_of = fields.UUID(allow_none=True, metadata=says("The deployment that it rolled back from."))


# --- keys, audit, the service ---------------------------------------------------------------------------------------


class KeyIn(Create):
    """A new API key."""

    name = matching(
        key_format.NAME,
        NAME_LENGTH,
        "Has to be text on one line.",
        required=True,
        metadata=says("For people; need not be unique.", "training"),
    )
    role = choice(Role, metadata=says("publisher when not sent.", "publisher"))
    expires_at = Time(metadata=says("When it stops working; never when not sent.", EXAMPLE_TIME))


class KeyOut(Out):
    """An API key, without the key."""

    id = fields.UUID(metadata=says("UUID version 7.", EXAMPLE_ID))
    name = fields.String(metadata=says("For people.", "training"))
    role = choice(Role, metadata=says("What it may do.", "publisher"))
    prefix = fields.String(metadata=says("How the key begins.", "cat_8fK2mQ9x"))
    is_active = fields.Boolean(metadata=says("Neither revoked nor expired.", True))
    created_at = Time(metadata=says("When it was made.", EXAMPLE_TIME))
    created_by = fields.String(metadata=says("The name of the key that made it, or cli.", "cli"))
    last_used_at = Time(allow_none=True, metadata=says("Right to the minute.", EXAMPLE_TIME))
    expires_at = Time(allow_none=True, metadata=says("When it stops working."))
    revoked_at = Time(allow_none=True, metadata=says("When it was revoked."))


class NewKeyOut(KeyOut):
    """An API key with the key itself, shown this once."""

    key = fields.String(
        metadata=says("Keep it: it is shown this once. Not in a replayed answer.", "cat_8fK2mQ9x_…") | OPTIONAL
    )


class AuditOut(Out):
    """One entry of the audit log."""

    id = fields.UUID(metadata=says("UUID version 7.", EXAMPLE_ID))
    action = fields.String(metadata=says("What happened.", "version.promote"))
    resource_type = fields.String(metadata=says("To what kind of thing.", "version"))
    resource_id = fields.UUID(allow_none=True, metadata=says("To which one.", EXAMPLE_ID))
    api_key_name = fields.String(allow_none=True, metadata=says("The key's name, or cli.", "alice"))
    details = fields.Dict(metadata=says("More of it; for an update each field's old and new value.", {}))
    ip_address = fields.String(allow_none=True, metadata=says("From where.", "192.0.2.7"))
    request_id = fields.String(allow_none=True, metadata=says("The request's X-Request-ID.", EXAMPLE_ID))
    created_at = Time(metadata=says("When.", EXAMPLE_TIME))


class ExportedOut(AuditOut):
    """One entry of the audit log, as `flask audit export` writes it."""

    api_key_id = fields.UUID(allow_none=True)


class HealthOut(Out):
    """Whether the registry can work."""

    status = fields.String(validate=validate.OneOf(["healthy", "unhealthy"]), metadata=says("In a word.", "healthy"))
    database = fields.String(metadata=says("ok, or what is wrong.", "ok"))
    version = fields.String(metadata=says("Catapult's version.", "0.1.0"))


class CountsOut(Out):
    """How many there are; above 10,000 an estimate."""

    models = fields.Integer(metadata=says("Models.", 24))
    versions = fields.Integer(metadata=says("Versions.", 480))
    deployments = fields.Integer(metadata=says("Deployments.", 112))


class InfoOut(Out):
    """What runs here."""

    name = fields.String(metadata=says("The product.", "catapult"))
    version = fields.String(metadata=says("Its version.", "0.1.0"))
    api_version = fields.String(metadata=says("The version of this contract.", "v1"))
    database = fields.String(metadata=says("PostgreSQL's version.", "18.4"))
    migration = fields.String(metadata=says("The schema's migration.", "0001"))
    python = fields.String(metadata=says("Python's version.", "3.11.7"))
    time = Time(metadata=says("The database's clock.", EXAMPLE_TIME))
    counts = fields.Nested(CountsOut, metadata=says("How much it holds."))


class ProblemOut(Out):
    """An error as RFC 9457 has it."""

    type = fields.String(metadata=says("A page that explains it.", "/docs/errors/not-found"))
    title = fields.String(metadata=says("What kind of problem.", "There is nothing here"))
    status = fields.Integer(metadata=says("The HTTP status.", 404))
    detail = fields.String(metadata=says("What to do, in a sentence.", "There is no such model."))
    instance = fields.String(metadata=says("The path that was asked for.", "/api/v1/models/…"))
    request_id = fields.String(metadata=says("Stands in the server's log.", EXAMPLE_ID))
    errors = fields.Dict(
        metadata=says("`{field: [message, …]}`, nested fields as nested objects.", {"tag": ["…"]}) | OPTIONAL
    )
