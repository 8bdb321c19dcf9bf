"""Schemas of renaming a model."""

from marshmallow import fields

from catapult.contract.fields import Create, says
from catapult.contract.schemas import ModelOut, new_model_name


class Rename(Create):
    """A new name for the model. The old name still leads to it."""

    name = new_model_name("Its new name, which no other model has or had.")


class RenamedOut(ModelOut):
    """A renamed model, and the gates and keys that no longer apply to it, or apply to it now."""

    gates_lost = fields.List(fields.Dict(), metadata=says("Gates, `id model target kind`, that applied to it.", []))
    gates_gained = fields.List(fields.Dict(), metadata=says("Gates that apply to it now.", []))
    keys_lost = fields.List(
        fields.Dict(), metadata=says("Keys, `id name prefix models`, whose bounds it was within.", [])
    )
    keys_gained = fields.List(fields.Dict(), metadata=says("Keys whose bounds it is within now.", []))
