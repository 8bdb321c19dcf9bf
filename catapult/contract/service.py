"""Schemas of API keys, the audit log, problems and the service itself."""

from marshmallow import fields, validate

from catapult.contract.fields import OPTIONAL, Create, Out, Time, choice, matching, says
from catapult.contract.schemas import EXAMPLE_ID, EXAMPLE_TIME, RowOut
from catapult.rules import key_format
from catapult.tables import NAME_LENGTH, Role


class KeyIn(Create):
    """A new API key."""

    name = matching(
        key_format.NAME,
        NAME_LENGTH,
        "Must be text on one line.",
        required=True,
        metadata=says("For people; need not be unique.", "training"),
    )
    role = choice(Role, metadata=says("Default: publisher.", "publisher"))
    expires_at = Time(metadata=says("When it expires. Default: never.", EXAMPLE_TIME))


class KeyOut(RowOut):
    """An API key, without the key itself."""

    name = fields.String(metadata=says("For people.", "training"))
    role = choice(Role, metadata=says("What it may do.", "publisher"))
    prefix = fields.String(metadata=says("The start of the key.", "cat_8fK2mQ9x"))
    is_active = fields.Boolean(metadata=says("Neither revoked nor expired.", True))
    created_at = Time(metadata=says("When it was created.", EXAMPLE_TIME))
    created_by = fields.String(metadata=says("The name of the key that created it, or cli.", "cli"))
    last_used_at = Time(allow_none=True, metadata=says("Its last use, to the minute.", EXAMPLE_TIME))
    expires_at = Time(allow_none=True, metadata=says("When it expires."))
    revoked_at = Time(allow_none=True, metadata=says("When it was revoked."))


class NewKeyOut(KeyOut):
    """An API key with the key itself, which is shown only once."""

    key = fields.String(
        metadata=says("Save it: it is shown only once, and not in a replayed answer.", "cat_8fK2mQ9x_…") | OPTIONAL
    )


class AuditOut(RowOut):
    """One entry of the audit log."""

    action = fields.String(metadata=says("What happened.", "version.promote"))
    resource_type = fields.String(metadata=says("The kind of resource.", "version"))
    resource_id = fields.UUID(allow_none=True, metadata=says("The resource's id.", EXAMPLE_ID))
    api_key_name = fields.String(allow_none=True, metadata=says("The key's name, or cli.", "alice"))
    details = fields.Dict(metadata=says("Details; for an update each field's old and new value.", {}))
    ip_address = fields.String(allow_none=True, metadata=says("The client's address.", "192.0.2.7"))
    request_id = fields.String(allow_none=True, metadata=says("The request's X-Request-ID.", EXAMPLE_ID))
    created_at = Time(metadata=says("When it happened.", EXAMPLE_TIME))


class ExportedOut(AuditOut):
    """One entry of the audit log, as `flask audit export` writes it."""

    api_key_id = fields.UUID(allow_none=True)


class HealthOut(Out):
    """Whether the registry works."""

    status = fields.String(validate=validate.OneOf(["healthy", "unhealthy"]), metadata=says("The result.", "healthy"))
    database = fields.String(metadata=says("ok, or what is wrong.", "ok"))
    version = fields.String(metadata=says("Catapult's version.", "0.1.0"))


class CountsOut(Out):
    """The size of the registry; estimated above 10,000."""

    models = fields.Integer(metadata=says("Number of models.", 24))
    versions = fields.Integer(metadata=says("Number of versions.", 480))
    deployments = fields.Integer(metadata=says("Number of deployments.", 112))


class InfoOut(Out):
    """What runs here."""

    name = fields.String(metadata=says("The product.", "catapult"))
    version = fields.String(metadata=says("Its version.", "0.1.0"))
    api_version = fields.String(metadata=says("The version of this API.", "v1"))
    database = fields.String(metadata=says("PostgreSQL's version.", "18.4"))
    migration = fields.String(metadata=says("The schema's migration.", "0001"))
    python = fields.String(metadata=says("Python's version.", "3.11.7"))
    time = Time(metadata=says("The database's clock.", EXAMPLE_TIME))
    counts = fields.Nested(CountsOut, metadata=says("The size of the registry."))


class ProblemOut(Out):
    """An error in the form of RFC 9457."""

    type = fields.String(metadata=says("A page that explains it.", "/docs/errors/not-found"))
    title = fields.String(metadata=says("The kind of problem.", "There is nothing here"))
    status = fields.Integer(metadata=says("The HTTP status.", 404))
    detail = fields.String(metadata=says("What happened and what to do.", "There is no such model."))
    instance = fields.String(metadata=says("The path of the request.", "/api/v1/models/…"))
    request_id = fields.String(metadata=says("Finds the request in the server's log.", EXAMPLE_ID))
    errors = fields.Dict(
        metadata=says("`{field: [message, …]}`, nested fields as nested objects.", {"tag": ["…"]}) | OPTIONAL
    )
