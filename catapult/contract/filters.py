"""What lists can be narrowed by, for query strings and for the pages' filters."""

from marshmallow import fields

from catapult.contract.fields import Query, QueryFlag, Time, choice, says
from catapult.tables import DeploymentStatus


class DeploymentFilters(Query):
    environment = fields.String(metadata=says("To this environment, case ignored."))
    release_id = fields.UUID(metadata=says("Of this version."))
    model_name = fields.String(metadata=says("Of this model, case ignored."))
    status = choice(DeploymentStatus, metadata=says("With this status."))
    live = QueryFlag(metadata=says("What is live now, or what is not."))


class AuditFilters(Query):
    action = fields.String(metadata=says("This action.", "version.promote"))
    resource_type = fields.String(metadata=says("On this kind of thing.", "version"))
    resource_id = fields.UUID(metadata=says("On this one."))
    api_key_name = fields.String(metadata=says("By the key of this name."))
    since = Time(metadata=says("From this moment on."))
    until = Time(metadata=says("Before this moment."))
