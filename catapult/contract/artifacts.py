"""Files of versions, as the API shows them."""

from marshmallow import fields

from catapult.contract.fields import Out, Time, says
from catapult.contract.schemas import EXAMPLE_ID, EXAMPLE_TIME, RowOut

_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class ArtifactOut(RowOut):
    """A file of a version."""

    version_id = fields.UUID(metadata=says("The version's id.", EXAMPLE_ID))
    path = fields.String(metadata=says("Relative, with / between its segments.", "weights/model.safetensors"))
    media_type = fields.String(
        metadata=says("As it was sent, or else by the path's ending.", "application/octet-stream")
    )
    size_bytes = fields.Integer(metadata=says("Its size in bytes.", 437_951_328))
    sha256 = fields.String(metadata=says("The SHA-256 of its content, in hex.", _SHA256))
    facts = fields.Dict(
        metadata=says(
            "What is in a file of weights: `format`, `parameters`, `tensors`, `dtypes`, and more of safetensors and GGUF; "
            "`warning` of a pickle; `problem` if it could not be read. Empty for other files.",
            {"format": "safetensors", "tensors": 148, "parameters": 124_439_808, "dtypes": {"F32": 148}},
        )
    )
    created_by = fields.String(metadata=says("Who added it.", "training"))
    created_at = Time(metadata=says("When it was added.", EXAMPLE_TIME))


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
