"""Schemas of image registries, and of their notifications of pushed images."""

from typing import Any

from marshmallow import EXCLUDE, ValidationError, fields, validate, validates, validates_schema

from catapult.contract.fields import Create, Flag, In, Out, Time, matching, says
from catapult.contract.schemas import EXAMPLE_TIME, RowOut
from catapult.tables import NAME_LENGTH, SECRET_NAME, SECRET_NAME_LENGTH

MOST_PATTERNS, MOST_EVENTS = 50, 100
HOST = r"[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,5})?"
REPOSITORIES = r"[a-z0-9*][a-z0-9._/*-]*"
HUB = ("index.docker.io", "registry-1.docker.io", "hub.docker.com")
_PUSH = {
    "action": "push",
    "target": {"repository": "team/bert", "tag": "v3"},
    "request": {"host": "registry.corp:5000"},
}
DOCKER = "application/vnd.docker.distribution.events.v1+json"


def _host(**kwargs: Any) -> fields.String:
    error = "Must be a host, with a port or without, such as ghcr.io or registry.corp:5000; docker.io for Docker Hub."
    return matching(
        HOST, NAME_LENGTH, error, metadata=says("As images are named; case is ignored.", "ghcr.io"), **kwargs
    )


def _repositories(**kwargs: Any) -> fields.List[Any]:
    error = "Must be a repository in lower case, in which * stands for any text, such as team/*."
    about = says("The repositories it is for, without the host; * stands for any text.", ["team/*"])
    rules = validate.Length(1, MOST_PATTERNS, error=f"Must have 1 to {MOST_PATTERNS} patterns.")
    return fields.List(matching(REPOSITORIES, NAME_LENGTH, error), validate=rules, metadata=about, **kwargs)


def _secret(what: str, example: str) -> fields.String:
    error = "Must be letters, digits and ._-, and begin with none of .-: the name of a secret, never the secret itself."
    about = says(f"The name of the secret with {what}: a file in REGISTRY_SECRETS, or a REGISTRY_SECRET_….", example)
    return matching(SECRET_NAME[1:-1], SECRET_NAME_LENGTH, error, allow_none=True, metadata=about)


def _ca() -> fields.String:
    return _secret("the certificates of its authority, in PEM", "corp-ca")


def _password() -> fields.String:
    return _secret("the password or token", "ghcr")


def _username() -> fields.String:
    about = says("The user that the secret is of; null where a token is enough.", "robot$catapult")
    return matching(
        r"[!-9;-~]+", NAME_LENGTH, "Must be visible ASCII characters without a colon.", allow_none=True, metadata=about
    )


def _allow_http(**kwargs: Any) -> Flag:
    return Flag(metadata=says("Whether it is asked without encryption.", False), **kwargs)


class _Host:
    """The check of `host`, for new registries and for changes."""

    @validates("host")
    def check_host(self, value: str, **_: Any) -> None:
        if value.lower() in HUB:
            raise ValidationError("Must be docker.io for Docker Hub, as images of it are named.")


class RegistryIn(_Host, Create):
    """A new image registry: how it is called, and for which of its repositories."""

    host = _host(required=True)
    repositories = _repositories(required=True)
    allow_http = _allow_http()
    ca = _ca()
    username = _username()
    secret = _password()

    @validates_schema(skip_on_field_errors=False)
    def check_secret(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("username") and not data.get("secret"):
            raise ValidationError("Required with a username.", "secret")


class RegistryEdit(_Host, In):
    """The fields to change; the others stay as they are."""

    host = _host()
    repositories = _repositories()
    allow_http = _allow_http()
    ca = _ca()
    username = _username()
    secret = _password()


class RegistryOut(RowOut):
    """An image registry. Secrets are named, and never shown."""

    host = fields.String(metadata=says("As images are named.", "ghcr.io"))
    repositories = fields.List(fields.String(), metadata=says("The repositories it is for.", ["team/*"]))
    allow_http = fields.Boolean(metadata=says("Whether it is asked without encryption.", False))
    ca = fields.String(allow_none=True, metadata=says("The name of the secret with its authority.", "corp-ca"))
    username = fields.String(allow_none=True, metadata=says("The user that the secret is of.", "robot$catapult"))
    secret = fields.String(allow_none=True, metadata=says("The name of the secret.", "ghcr"))
    created_by = fields.String(metadata=says("Who added it.", "Dana Ortiz"))
    created_at = Time(metadata=says("When it was added.", EXAMPLE_TIME))
    updated_at = Time(metadata=says("When it last changed.", EXAMPLE_TIME))


class RegistryNotification(In):
    """A notification of docker-registry or Harbor. The format is theirs, so unknown fields are ignored."""

    class Meta:
        unknown = EXCLUDE

    media_types = (*In.media_types, DOCKER)
    events = fields.List(
        fields.Dict(),
        validate=validate.Length(max=MOST_EVENTS, error=f"Must have at most {MOST_EVENTS} events."),
        metadata=says("docker-registry's events.", [_PUSH]),
    )
    type = fields.String(metadata=says("Harbor's kind of event.", "PUSH_ARTIFACT"))
    event_data = fields.Dict(metadata=says("What Harbor tells about it: `resources` and `repository`."))

    @validates_schema
    def check_form(self, data: dict[str, Any], **_: Any) -> None:
        if not data.keys() & {"events", "type"}:
            raise ValidationError("Required, unless it is Harbor's notification, which has a type.", "events")


class AcceptedOut(Out):
    """How many of the images will be looked up."""

    accepted = fields.Integer(metadata=says("Images that a model asks for and the key may register.", 1))
