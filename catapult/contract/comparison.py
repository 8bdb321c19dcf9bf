"""Schemas of versions side by side."""

from marshmallow import fields, validate

from catapult.contract.fields import OPTIONAL, Out, says
from catapult.contract.schemas import RowOut


class ComparedOut(RowOut):
    """One of the compared versions."""

    model_name = fields.String(metadata=says("The model's name.", "myorg/bert"))
    version = fields.String(metadata=says("Unique within the model.", "1.0.0"))


class CellOut(Out):
    """A version's value of a key, compared with the first version's."""

    state = fields.String(
        validate=validate.OneOf(["base", "same", "changed", "new", "gone", "none"]),
        metadata=says("base: the first version; new: only this one has it; gone: only the first has it.", "changed"),
    )
    value = fields.Raw(allow_none=True, metadata=says("Left out if there is none.", 0.95) | OPTIONAL)
    difference = fields.Float(metadata=says("Between two numbers that differ.", 0.05) | OPTIONAL)
    percent = fields.Float(metadata=says("The difference in per cent of the first; not if that is 0.", 5.5) | OPTIONAL)


class ComparedKeyOut(Out):
    """One key of the metadata in all versions."""

    path = fields.List(fields.String(), metadata=says("The keys that lead to it.", ["eval", "f1"]))
    key = fields.String(metadata=says("The path as text.", "eval.f1"))
    differs = fields.Boolean(metadata=says("Whether any version has another value.", True))
    cells = fields.List(fields.Nested(CellOut), metadata=says("One for each version, in the same order."))


class ComparisonOut(Out):
    """Versions side by side, each compared with the first."""

    versions = fields.List(fields.Nested(ComparedOut), metadata=says("In the order requested."))
    keys = fields.List(fields.Nested(ComparedKeyOut), metadata=says("Every key that any of them has, by name."))
