"""Schemas of renaming a model."""

from marshmallow import fields

from catapult.contract.fields import Create, says
from catapult.contract.schemas import ModelOut, new_model_name


class Rename(Create):
    """Another name for the model. The old one goes on to lead to it."""

    name = new_model_name("Its new name, which no other model has or had.")


class RenamedOut(ModelOut):
    """A model, and what is for it no more, or is for it now, by its new name."""

    gates_lost = fields.List(fields.Dict(), metadata=says("Gates, `id model target kind`, that applied to it.", []))
    gates_gained = fields.List(fields.Dict(), metadata=says("Gates that apply to it now.", []))
    keys_lost = fields.List(
        fields.Dict(), metadata=says("Keys, `id name prefix models`, whose bounds it was within.", [])
    )
    keys_gained = fields.List(fields.Dict(), metadata=says("Keys whose bounds it is within now.", []))
