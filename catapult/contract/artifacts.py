"""Files of versions, as the API shows them."""

from marshmallow import fields, validate

from catapult.contract.fields import In, Out, Query, Time, says
from catapult.contract.schemas import EXAMPLE_ID, EXAMPLE_TIME, RowOut
from catapult.tables import ARTIFACT_PATH_LENGTH, MOUNT_PATH_LENGTH, ArtifactState

_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class ArtifactOut(RowOut):
    """A file of a version."""

    version_id = fields.UUID(metadata=says("The version's id.", EXAMPLE_ID))
    path = fields.String(metadata=says("Relative, with / between its segments.", "weights/model.safetensors"))
    media_type = fields.String(
        metadata=says("As it was sent, or else by the path's ending.", "application/octet-stream")
    )
    size_bytes = fields.Integer(metadata=says("Its size in bytes.", 437_951_328))
    sha256 = fields.String(
        allow_none=True, metadata=says("The SHA-256 of its content, in hex; null until it was read.", _SHA256)
    )
    state = fields.String(
        validate=validate.OneOf(list(ArtifactState)),
        metadata=says(
            "`pending`: it lies on the mount, and is read for the first time. `missing`, `changed`: it was gone, or other, when "
            "it was last looked at.",
            "ready",
        ),
    )
    mount_path = fields.String(
        allow_none=True,
        metadata=says("Where it lies on the mount; null for what was uploaded.", "runs/17/model.safetensors"),
    )
    hashed_bytes = fields.Integer(metadata=says("While it is pending, how much of it was read.", 0))
    facts = fields.Dict(
        metadata=says(
            "What is in a file of weights: `format`, `parameters`, `tensors`, `dtypes`, and more of safetensors and GGUF; "
            "`warning` of a pickle; `problem` if it could not be read. Empty for other files.",
            {"format": "safetensors", "tensors": 148, "parameters": 124_439_808, "dtypes": {"F32": 148}},
        )
    )
    created_by = fields.String(metadata=says("Who added it.", "training"))
    created_at = Time(metadata=says("When it was added.", EXAMPLE_TIME))


class MountedIn(In):
    """Files on the mount, to be registered where they lie."""

    mount_path = fields.String(
        required=True,
        validate=validate.Length(1, MOUNT_PATH_LENGTH),
        metadata=says("The file or folder, relative to the mount.", "runs/17/model.safetensors"),
    )
    path = fields.String(
        load_default="",
        validate=validate.Length(max=ARTIFACT_PATH_LENGTH),
        metadata=says(
            "The file's path in the version, or the one above a folder's files. By default the file's name.", "weights"
        ),
    )


class MountQuery(Query):
    """A folder of the mount."""

    path = fields.String(load_default="", metadata=says("The folder, relative to the mount.", "runs/17"))
    after = fields.String(load_default="", metadata=says("The last name that was shown.", "eval.json"))
    limit = fields.Integer(
        load_default=100, validate=validate.Range(1, 1000), metadata=says("How many are shown at most.", 100)
    )


class MountEntryOut(Out):
    """A file or folder on the mount."""

    path = fields.String(metadata=says("Relative to the mount.", "runs/17/model.safetensors"))
    kind = fields.String(validate=validate.OneOf(["file", "folder"]), metadata=says("`file` or `folder`.", "file"))
    size_bytes = fields.Integer(allow_none=True, metadata=says("A file's size in bytes.", 437_951_328))
    changed_at = Time(metadata=says("When it was changed last.", EXAMPLE_TIME))


class SignatureOut(Out):
    """Whether a trusted key has signed the files of a version, as they are now."""

    verified = fields.Boolean(metadata=says("Whether a signature counts and all files are signed.", True))
    key = fields.Dict(
        allow_none=True,
        metadata=says(
            "`id name fingerprint` of the trusted key; null if nothing is verified.", {"name": "release-2026"}
        ),
    )
    detail = fields.String(
        metadata=says("The same in words, or what is wrong.", f"its files are signed by release-2026, key {_SHA256}")
    )
