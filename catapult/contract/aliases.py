"""Schemas of aliases."""

from marshmallow import fields

from catapult.contract.fields import Id, Query, QueryFlag, Time, says, text
from catapult.contract.schemas import EXAMPLE_ID, EXAMPLE_TIME, RowOut
from catapult.contract.versions import Promotion
from catapult.tables import TEXT_LENGTH


class AliasPut(Promotion):
    """The version that an alias points at from now on."""

    version_id = Id(required=True, metadata=says("A version of the model.", EXAMPLE_ID))


class AliasRemoval(Query):
    """Why an alias is removed."""

    reason = text(TEXT_LENGTH, metadata=says("Why.", "The model is retired"))
    force = QueryFlag(metadata=says("Override the gates; needs the role admin and a reason."))


class AliasOut(RowOut):
    """An alias, and the version that it points at."""

    model_id = fields.UUID(metadata=says("The model's id.", EXAMPLE_ID))
    model_name = fields.String(metadata=says("The model's name.", "myorg/bert"))
    name = fields.String(metadata=says("Unique within the model, ignoring case.", "champion"))
    version_id = fields.UUID(metadata=says("The version's id.", EXAMPLE_ID))
    version = fields.String(metadata=says("The version string.", "1.0.0"))
    since = Time(metadata=says("Since when it points there, inclusive.", EXAMPLE_TIME))
    until = Time(allow_none=True, metadata=says("Until when it pointed there, exclusive; null if it does now."))
    set_by = fields.String(metadata=says("Who pointed it there.", "Dana Ortiz"))
    reason = fields.String(allow_none=True, metadata=says("Why.", "Best recall so far"))
    override = fields.Boolean(metadata=says("Whether a gate was overridden for that.", False))
    decision_id = fields.UUID(allow_none=True, metadata=says("The decision, where gates guard the alias."))
