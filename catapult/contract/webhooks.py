"""Schemas of webhooks, their deliveries, and the worker's jobs."""

from typing import Any

from marshmallow import fields, validate

from catapult.contract.fields import OPTIONAL, Create, Flag, In, Out, Time, choice, matching, says
from catapult.contract.schemas import EXAMPLE_ID, EXAMPLE_TIME, RowOut, environment_name
from catapult.rules.subscriptions import SUBSCRIBED
from catapult.tables import NAME_LENGTH, PATTERN, DeliveryState, EventType, JobState, WebhookFormat

MOST = 100
URL_LENGTH = 2_000


def _url(**kwargs: Any) -> fields.String:
    about = says(
        "Where to send; https, or mailto: for the format email. Shown to nobody again.", "https://ml.example.com/x"
    )
    return matching(r"\S+", URL_LENGTH, "Must be an address without blanks.", metadata=about, **kwargs)


def _events(**kwargs: Any) -> fields.List[Any]:
    about = says("The events that are sent to it; null is every event.", ["version.promoted", "approval.wanted"])
    return fields.List(
        choice(SUBSCRIBED), validate=validate.Length(min=1, max=MOST), allow_none=True, metadata=about, **kwargs
    )


def _models(**kwargs: Any) -> fields.List[Any]:
    pattern = matching(PATTERN[1:-1], NAME_LENGTH, "Must be a model's name, in which * matches any text.")
    about = says("Patterns of models; null is every model. Events without a model are not affected.", ["nlp/*"])
    return fields.List(pattern, validate=validate.Length(min=1, max=MOST), allow_none=True, metadata=about, **kwargs)


def _environments(**kwargs: Any) -> fields.List[Any]:
    about = says("Environments; null is every one. Events without an environment are not affected.", ["production"])
    return fields.List(
        environment_name(), validate=validate.Length(min=1, max=MOST), allow_none=True, metadata=about, **kwargs
    )


def _format(**kwargs: Any) -> fields.String:
    return choice(WebhookFormat, metadata=says("What its messages look like. Default: standard.", "standard"), **kwargs)


class WebhookIn(Create):
    """A new webhook."""

    url = _url(required=True)
    format = _format()
    events = _events()
    models = _models()
    environments = _environments()


class NoFields(Create):
    """An empty object, or no body."""


class WebhookEdit(In):
    """The fields to change; the others stay as they are."""

    url = _url()
    format = _format()
    events = _events()
    models = _models()
    environments = _environments()
    active = Flag(metadata=says("true sends again to one that has ended; false ends it.", True))


class WebhookOut(RowOut):
    """A webhook, without its address and its secret."""

    host = fields.String(metadata=says("The host of its address.", "ml.example.com"))
    url_end = fields.String(metadata=says("The last characters of its address.", "x9Qz"))
    format = choice(WebhookFormat, metadata=says("What its messages look like.", "standard"))
    events = fields.List(fields.String(), allow_none=True, metadata=says("Null is every event.", ["version.promoted"]))
    models = fields.List(fields.String(), allow_none=True, metadata=says("Null is every model.", ["nlp/*"]))
    environments = fields.List(fields.String(), allow_none=True, metadata=says("Null is every one.", ["production"]))
    state = fields.String(
        validate=validate.OneOf(["active", "failing", "ended"]), metadata=says("Whether messages arrive.", "active")
    )
    failing_since = Time(allow_none=True, metadata=says("The first failure since the last success."))
    ended_at = Time(allow_none=True, metadata=says("When it ended: nothing is sent any more."))
    ended_because = fields.String(allow_none=True, metadata=says("Why it ended.", "Its receiver answered 410 Gone."))
    old_secret_until = Time(allow_none=True, metadata=says("Until when the secret before the rotation signs too."))
    created_by = fields.String(metadata=says("Who created it.", "Dana Ortiz"))
    created_at = Time(metadata=says("When it was created.", EXAMPLE_TIME))
    updated_at = Time(metadata=says("When it last changed.", EXAMPLE_TIME))


class NewWebhookOut(WebhookOut):
    """A webhook with its secret, which is shown only once."""

    secret = fields.String(metadata=says("Save it: receivers verify signatures with it.", "whsec_…") | OPTIONAL)


class DeliveryOut(RowOut):
    """An event on its way to a webhook."""

    webhook_id = fields.UUID(metadata=says("The webhook.", EXAMPLE_ID))
    event_id = fields.UUID(metadata=says("The event.", EXAMPLE_ID))
    type = fields.String(metadata=says("What happened.", "version.promoted"))
    data = fields.Dict(metadata=says("What the event carries.", {"model": "org/bert", "version": "1.0.0"}))
    state = choice(DeliveryState, metadata=says("Whether it arrived.", "delivered"))
    tries = fields.Integer(metadata=says("How often it was tried.", 1))
    next_try_at = Time(allow_none=True, metadata=says("When it is tried next."))
    created_at = Time(metadata=says("When it happened.", EXAMPLE_TIME))
    log = fields.List(
        fields.Dict(),
        metadata=says(
            "The tries, the newest first: `at milliseconds status answer error`. `answer` is the first KiB; without an answer, "
            "`error` says why.",
            [{"at": EXAMPLE_TIME, "milliseconds": 31, "status": 204, "answer": "", "error": None}],
        ),
    )


class MessageOut(Out):
    """What a webhook of the format standard receives."""

    type = choice(EventType, metadata=says("What happened.", "version.promoted"))
    timestamp = Time(metadata=says("When it happened.", EXAMPLE_TIME))
    data = fields.Dict(
        metadata=says(
            "What it is about, as far as there is that: `model version version_id environment deployment_id target status tag "
            "digest image source alias from_version override decision_id by reason comment until webhook url`.",
            {"model": "org/bert", "version": "1.0.0", "target": "release", "by": "Dana Ortiz"},
        )
    )


class JobOut(RowOut):
    """A job of the worker."""

    kind = fields.String(attribute="kind_", metadata=says("What it does.", "deliver"))
    key = fields.String(metadata=says("What it is about.", EXAMPLE_ID))
    state = choice(JobState, metadata=says("failed: nobody tries it again by itself.", "open"))
    attempts = fields.Integer(metadata=says("Attempts in a row without success.", 0))
    run_at = Time(metadata=says("When it is due.", EXAMPLE_TIME))
    leased_until = Time(allow_none=True, metadata=says("A worker holds it until then."))
    last_run_at = Time(allow_none=True, metadata=says("When a worker took it last.", EXAMPLE_TIME))
    last_error = fields.String(allow_none=True, metadata=says("Why the last attempt failed."))
    created_at = Time(metadata=says("When it was added.", EXAMPLE_TIME))
