"""Schemas of API keys, the audit log, problems and the service itself."""

import re
from typing import Any

from marshmallow import fields, validate

from catapult.contract.fields import (
    OPTIONAL,
    ComputedObject,
    Create,
    Flag,
    Id,
    Immutable,
    In,
    Out,
    Time,
    Whole,
    between,
    choice,
    matching,
    says,
)
from catapult.contract.schemas import EXAMPLE_ID, EXAMPLE_TIME, RowOut, environment_name
from catapult.rules import key_format
from catapult.rules.subscriptions import SUBSCRIBED
from catapult.tables import (
    EMAIL_LENGTH,
    NAME_LENGTH,
    PATTERN,
    VIEW_ADDRESS,
    VIEW_ADDRESS_LENGTH,
    VIEW_NAME_LENGTH,
    Role,
)

MOST_BOUNDS = 100
"""Patterns of models, and environments, of one key."""


def _name(**kwargs: Any) -> fields.String:
    about = says("For people; need not be unique.", "training")
    return matching(key_format.NAME, NAME_LENGTH, "Must be text on one line.", metadata=about, **kwargs)


def _email(**kwargs: Any) -> fields.String:
    about = says("Unique; shown to admins and to the person.", "dana@example.com")
    # PostgreSQL, Python and ECMA-262 differ in what a blank is. An address has none by any of them, and no control character.
    part = r"[^@\s\u0000-\u001f\u007f-\u009f\ufeff]+"
    return matching(f"{part}@{part}", EMAIL_LENGTH, "Must be an email address.", re.UNICODE, metadata=about, **kwargs)


def _models(**kwargs: Any) -> fields.List[Any]:
    pattern = matching(PATTERN[1:-1], NAME_LENGTH, "Must be a model's name, in which * matches any text.")
    about = says("Patterns of the models it may change; null is no bound, [] is nothing.", ["nlp/*"])
    return fields.List(pattern, validate=validate.Length(max=MOST_BOUNDS), metadata=about, **kwargs)


def _environments(**kwargs: Any) -> fields.List[Any]:
    about = says("The environments it may change; null is no bound, [] is nothing.", ["staging"])
    return fields.List(environment_name(), validate=validate.Length(max=MOST_BOUNDS), metadata=about, **kwargs)


def _person(person_id: Any, name: str | None) -> dict[str, str] | None:
    return None if person_id is None else {"id": str(person_id), "name": name or ""}


class OwnKeyIn(Create):
    """A new key of your own. Omitted fields are taken from the key that sends the request."""

    name = _name(required=True)
    role = choice(Role, metadata=says("At most the role of the key that asks.", "publisher"))
    expires_at = Time(metadata=says("At most when the key that asks expires.", EXAMPLE_TIME))
    models = _models()
    environments = _environments()


class KeyIn(OwnKeyIn):
    """A new API key."""

    role = choice(Role, metadata=says("Default: publisher.", "publisher"))
    expires_at = Time(metadata=says("When it expires. Default: never, or required with KEY_MAX_AGE.", EXAMPLE_TIME))
    person_id = Id(metadata=says("The person it belongs to. Default: nobody, a service's key.", EXAMPLE_ID))


class KeyEdit(In):
    """The fields to change; the others stay as they are."""

    name = _name()
    role = choice(Role, metadata=says("At most its person's.", "publisher"))
    expires_at = Time(allow_none=True, metadata=says("When it expires; null: never.", EXAMPLE_TIME))
    models = _models(allow_none=True)
    environments = _environments(allow_none=True)
    person_id = Immutable("Never changes. Make another key instead.")


class Rotation(Create):
    """How long the old key still works."""

    overlap_seconds = Whole(
        validate=between(0, 604_800),
        metadata=says("Seconds for which the old key still works. Default: 86400.", 86_400),
    )


class PersonIn(Create):
    """A new person."""

    name = _name(required=True)
    email = _email()
    role = choice(Role, metadata=says("The highest role of their keys. Default: viewer.", "releaser"))


class PersonEdit(In):
    """The fields to change; the others stay as they are. People may change their own name and email address."""

    name = _name()
    email = _email(allow_none=True)
    role = choice(Role, metadata=says("A lower role lowers their keys at once.", "publisher"))
    active = Flag(metadata=says("false revokes all their keys and ends their sessions.", False))
    notices = fields.List(
        choice(SUBSCRIBED),
        validate=validate.Length(max=MOST_BOUNDS),
        metadata=says("The events that are sent to them by mail.", ["approval.wanted"]),
    )


class PersonOut(RowOut):
    """A person."""

    name = fields.String(metadata=says("For people.", "Dana Ortiz"))
    email = fields.String(
        allow_none=True, metadata=says("Null unless you are an admin or this is you.", "dana@example.com")
    )
    role = choice(Role, metadata=says("The highest role of their keys.", "releaser"))
    active = fields.Boolean(metadata=says("Whether they may have keys that work.", True))
    notices = fields.List(
        fields.String(), metadata=says("The events that are sent to them by mail.", ["approval.wanted"])
    )
    created_by = fields.String(metadata=says("Who added them.", "cli"))
    created_at = Time(metadata=says("When they were added.", EXAMPLE_TIME))
    updated_at = Time(metadata=says("When they last changed.", EXAMPLE_TIME))


class PersonRefOut(Out):
    """A person, in short."""

    id = fields.UUID(metadata=says("The person's id.", EXAMPLE_ID))
    name = fields.String(metadata=says("The person's name.", "Dana Ortiz"))


class KeyOut(RowOut):
    """An API key, without the key itself."""

    name = fields.String(metadata=says("For people.", "training"))
    role = choice(Role, metadata=says("What it may do.", "publisher"))
    prefix = fields.String(metadata=says("The start of the key.", "cat_8fK2mQ9x"))
    is_active = fields.Boolean(metadata=says("Neither revoked nor expired.", True))
    created_at = Time(metadata=says("When it was created.", EXAMPLE_TIME))
    created_by = fields.String(metadata=says("Who created it: a person, a service's key, or cli.", "cli"))
    person = ComputedObject(
        _person,
        "person_id",
        "person_name",
        allow_none=True,
        metadata=says("Whose key it is; null for a service's.", {"id": EXAMPLE_ID, "name": "Dana Ortiz"}),
    )
    models = fields.List(
        fields.String(), allow_none=True, metadata=says("The models it may change; null is no bound.", ["nlp/*"])
    )
    environments = fields.List(
        fields.String(),
        allow_none=True,
        metadata=says("The environments it may change; null is no bound.", ["staging"]),
    )
    replaces_id = fields.UUID(allow_none=True, metadata=says("The key that it was rotated from."))
    last_used_at = Time(allow_none=True, metadata=says("Its last use, to the minute.", EXAMPLE_TIME))
    last_used_from = fields.String(allow_none=True, metadata=says("The address of its last use.", "192.0.2.7"))
    expires_at = Time(allow_none=True, metadata=says("When it expires."))
    revoked_at = Time(allow_none=True, metadata=says("When it was revoked."))


class BoundsOut(Out):
    """What a key may change."""

    models = fields.List(
        fields.String(), allow_none=True, metadata=says("Patterns of models; null is no bound.", ["nlp/*"])
    )
    environments = fields.List(fields.String(), allow_none=True, metadata=says("Null is no bound.", ["staging"]))


class MeOut(Out):
    """Who sends this request."""

    name = fields.String(metadata=says("The person's name, or the key's.", "Dana Ortiz"))
    role = choice(Role, metadata=says("What the key may do.", "releaser"))
    person = fields.Nested(PersonRefOut, allow_none=True, metadata=says("Null for a service's key."))
    email = fields.String(allow_none=True, metadata=says("The person's email address."))
    key_id = fields.UUID(metadata=says("The key's id.", EXAMPLE_ID))
    key_name = fields.String(metadata=says("The key's name.", "laptop"))
    expires_at = Time(allow_none=True, metadata=says("When the key expires."))
    bounds = fields.Nested(BoundsOut, metadata=says("What the key may change."))


class ViewIn(Create):
    """A view to save: a name for the address of a list."""

    name = matching(
        key_format.NAME,
        VIEW_NAME_LENGTH,
        "Must be text on one line.",
        required=True,
        metadata=says("Unique among your own; case is ignored.", "Failing gates"),
    )
    address = matching(
        VIEW_ADDRESS,
        VIEW_ADDRESS_LENGTH,
        "Must be the path and query of models, versions, deployments or audit, without a host.",
        required=True,
        metadata=says("Path and query of a list, without a proxy's path.", "/versions?filter=not+is_release"),
    )


class ViewOut(RowOut):
    """A view that somebody saved. Only its holder sees it."""

    name = fields.String(metadata=says("Unique among your own.", "Failing gates"))
    address = fields.String(metadata=says("Path and query.", "/versions?filter=not+is_release"))
    created_at = Time(metadata=says("When it was saved.", EXAMPLE_TIME))


class NewKeyOut(KeyOut):
    """An API key with the key itself, which is shown only once."""

    key = fields.String(
        metadata=says("Save it: it is shown only once, and not in a replayed answer.", "cat_8fK2mQ9x_…") | OPTIONAL
    )


class RotatedKeyOut(NewKeyOut):
    """The new key, and the time when the old one stops working."""

    old_expires_at = Time(metadata=says("When the key that it replaces expires.", EXAMPLE_TIME))


class AuditOut(RowOut):
    """One entry of the audit log."""

    action = fields.String(metadata=says("What happened.", "version.promote"))
    resource_type = fields.String(metadata=says("The kind of resource.", "version"))
    resource_id = fields.UUID(allow_none=True, metadata=says("The resource's id.", EXAMPLE_ID))
    api_key_name = fields.String(allow_none=True, metadata=says("The key's name, or cli.", "alice"))
    person = ComputedObject(
        _person,
        "person_id",
        "person_name",
        allow_none=True,
        metadata=says("Who held the key, by the name of that time; null for a service's.", {"name": "Dana Ortiz"}),
    )
    details = fields.Dict(metadata=says("Details; for an update each field's old and new value.", {}))
    ip_address = fields.String(allow_none=True, metadata=says("The client's address.", "192.0.2.7"))
    request_id = fields.String(allow_none=True, metadata=says("The request's X-Request-ID.", EXAMPLE_ID))
    created_at = Time(metadata=says("When it happened.", EXAMPLE_TIME))


class ExportedOut(AuditOut):
    """One entry of the audit log, as `flask audit export` writes it."""

    api_key_id = fields.UUID(allow_none=True)
    seq = fields.Integer(allow_none=True)
    leaf = fields.String(allow_none=True)
    text = fields.String(allow_none=True)


_LEAF = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


class CheckpointOut(Out):
    """The newest checkpoint of the sealed audit log."""

    size = fields.Integer(metadata=says("The sealed entries.", 1_024))
    root = fields.String(metadata=says("The root of their Merkle tree (RFC 9162), in hex.", _LEAF))
    note = fields.String(metadata=says("The signed checkpoint (C2SP tlog-checkpoint). Keep it elsewhere."))
    created_at = Time(metadata=says("When it was signed.", EXAMPLE_TIME))


class SigningKeyOut(Out):
    """The public key that the newest checkpoint was signed with."""

    origin = fields.String(metadata=says("The log's name in its checkpoints.", f"catapult/{EXAMPLE_ID}"))
    public_key = fields.String(metadata=says("Ed25519, in base64.", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="))
    verifier = fields.String(metadata=says("The key as tools for signed notes take it: name+mark+key."))


class ProofOut(RowOut):
    """That the newest checkpoint contains an entry (RFC 9162, 2.1.3)."""

    seq = fields.Integer(metadata=says("The entry's number, from 0.", 17))
    leaf = fields.String(metadata=says("The SHA-256 of a zero byte and the entry's text, in hex.", _LEAF))
    size = fields.Integer(metadata=says("The checkpoint's sealed entries.", 1_024))
    hashes = fields.List(fields.String(), metadata=says("The proof, from the leaf up.", [_LEAF]))
    root = fields.String(metadata=says("The checkpoint's root.", _LEAF))


class ConsistencyOut(Out):
    """That one state of the sealed audit log begins with an earlier one (RFC 9162, 2.1.4)."""

    first = fields.Integer(metadata=says("The earlier one's sealed entries.", 512))
    last = fields.Integer(metadata=says("The later one's.", 1_024))
    hashes = fields.List(fields.String(), metadata=says("The proof.", [_LEAF]))
    root = fields.String(metadata=says("The later one's root.", _LEAF))


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
