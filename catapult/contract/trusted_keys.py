"""Schemas of the keys that files may be signed for."""

from typing import Any

from marshmallow import fields

from catapult.contract.fields import Create, Immutable, In, Time, matching, says, text
from catapult.contract.schemas import EXAMPLE_TIME, RowOut
from catapult.tables import KEY_LENGTH, NAME_LENGTH, PATTERN

_PEM = "-----BEGIN PUBLIC KEY-----\n…\n-----END PUBLIC KEY-----\n"
_FINGERPRINT = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def _name(**kwargs: Any) -> fields.String:
    about = says("What verdicts and decisions call it; unique, ignoring case.", "release-2026")
    return text(NAME_LENGTH, metadata=about, **kwargs)


def _model() -> fields.String:
    about = says("A model's name, or a pattern in which * stands for any text; null is every model.", "myorg/*")
    error = "Must be a model's name, in which * stands for any text."
    return matching(PATTERN.strip("^$"), NAME_LENGTH, error, allow_none=True, metadata=about)


def _not_after() -> Time:
    about = says("After this no signature of it counts, whenever it was made; null: never.", EXAMPLE_TIME)
    return Time(allow_none=True, metadata=about)


class TrustedKeyIn(Create):
    """A public key that files may be signed for."""

    name = _name(required=True)
    public_key = text(
        KEY_LENGTH,
        required=True,
        metadata=says("PEM of a SubjectPublicKeyInfo: P-256, Ed25519, or RSA of 2048 to 8192 bits.", _PEM),
    )
    model = _model()
    not_after = _not_after()


class TrustedKeyEdit(In):
    """The fields to change; the others stay as they are."""

    name = _name()
    model = _model()
    not_after = _not_after()
    public_key = Immutable("Never changes. Add another trusted key instead.")


class TrustedKeyOut(RowOut):
    """A public key that files may be signed for."""

    name = fields.String(metadata=says("What verdicts and decisions call it.", "release-2026"))
    public_key = fields.String(metadata=says("PEM of its SubjectPublicKeyInfo.", _PEM))
    fingerprint = fields.String(metadata=says("The SHA-256 of the same in DER, in hex.", _FINGERPRINT))
    model = fields.String(
        allow_none=True, metadata=says("The models it is trusted for; null is every model.", "myorg/*")
    )
    not_after = Time(allow_none=True, metadata=says("After this no signature of it counts; null: never.", EXAMPLE_TIME))
    created_by = fields.String(metadata=says("Who added it.", "Dana Ortiz"))
    created_at = Time(metadata=says("When it was added.", EXAMPLE_TIME))
    updated_at = Time(metadata=says("When it last changed.", EXAMPLE_TIME))
