"""Filters of lists, for query strings and for the pages."""

from marshmallow import fields

from catapult.contract.fields import Query, QueryFlag, Time, choice, says, unbroken
from catapult.tables import Action, DeploymentStatus, Kind


class DeploymentFilters(Query):
    environment = unbroken("The environment, ignoring case.")
    release_id = fields.UUID(metadata=says("The version's id."))
    model_name = fields.String(metadata=says("The model's name, ignoring case."))
    status = choice(DeploymentStatus, metadata=says("The status."))
    live = QueryFlag(metadata=says("Whether it is live now."))


class AuditFilters(Query):
    action = fields.String(metadata=says(f"The action, one of {', '.join(Action)}.", "version.promote"))
    resource_type = fields.String(metadata=says(f"The kind of resource, one of {', '.join(Kind)}.", "version"))
    resource_id = fields.UUID(metadata=says("The resource's id."))
    api_key_name = fields.String(metadata=says("The key's name."))
    since = Time(metadata=says("At this time or later."))
    until = Time(metadata=says("Before this time."))
