"""Every event in every format: sentences, what people typed escaped and cut, and CDEvents by a schema."""

import email
import json
from email import policy
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from catapult.rules.event_sentences import cut, headline, sentence
from catapult.rules.webhook_formats import LIMIT, email_message, http_message
from catapult.tables import EventType, WebhookFormat

ID, TIME = "019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11", "2026-11-30T12:00:00.123456Z"
DIGEST = "sha256:" + "0123456789abcdef" * 4
KEYS = (
    *("model", "model_id", "version", "version_id", "environment", "deployment_id", "target", "status", "by", "reason"),
    *("comment", "override", "image", "digest", "from_version", "until", "url"),
)
DATA = {
    "model": "nlp/sentiment_model",
    "version": "2.5.0",
    "version_id": ID,
    "environment": "production",
    "deployment_id": ID,
    "target": "production",
    "by": "Dana Ortiz",
    "image": f"ghcr.io:5000/acme/sentiment-model@{DIGEST}",
    "digest": DIGEST,
    "url": "https://ml.example.com/models/nlp/sentiment_model/versions/2.5.0?a=1&b=2",
}
BY_HTTP = [format for format in WebhookFormat if format != WebhookFormat.EMAIL]


def event(kind=EventType.VERSION_PROMOTED, **data):
    return {"id": ID, "type": str(kind), "timestamp": TIME, "data": {**DATA, **data}}


def sent(format, **data):
    return json.loads(http_message(WebhookFormat(format), event(**data)).body)


def size(format, event):
    """Return the bytes of the event in that format, all of which can be read again."""
    if format == WebhookFormat.EMAIL:
        content = bytes(email_message(event))
        assert email.message_from_bytes(content, policy=policy.default)["Subject"]
        return len(content)
    message = http_message(format, event)
    assert json.loads(message.body)
    assert all(value.isascii() and value.isprintable() and name.isascii() for name, value in message.headers.items())
    return len(message.body)


@pytest.mark.parametrize("format", WebhookFormat)
@pytest.mark.parametrize("kind", EventType)
def test_every_event_can_be_sent_in_every_format(kind, format):
    assert 20 < size(format, event(kind)) < LIMIT
    assert 20 < size(format, {**event(kind), "data": {}}) < LIMIT
    assert 20 < size(format, {**event(kind), "data": dict.fromkeys(KEYS)}) < LIMIT


# --- sentences


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("version.created", {}, "Dana Ortiz registered 2.5.0 of nlp/sentiment_model"),
        ("version.promoted", {"reason": "Best\n F1"}, "Dana Ortiz promoted 2.5.0 of nlp/sentiment_model: Best F1"),
        (
            "version.promoted",
            {"override": True, "reason": "Launch"},
            "Dana Ortiz promoted 2.5.0 of nlp/sentiment_model (override): Launch",
        ),
        (
            "deployment.success",
            {"override": True},
            "Dana Ortiz deployed 2.5.0 of nlp/sentiment_model to production (override)",
        ),
        ("deployment.failed", {}, "The deployment of 2.5.0 of nlp/sentiment_model to production failed"),
        (
            "deployment.rolled_back",
            {"from_version": "3.0"},
            "Dana Ortiz rolled production back to 2.5.0 of nlp/sentiment_model from 3.0",
        ),
        ("approval.wanted", {"target": "release"}, "2.5.0 of nlp/sentiment_model waits for your approval"),
        ("approval.wanted", {}, "2.5.0 of nlp/sentiment_model waits for your approval for production"),
        (
            "approval.given",
            {"comment": "Fine"},
            "Dana Ortiz approved 2.5.0 of nlp/sentiment_model for production: Fine",
        ),
        (
            "gate.overridden",
            {"override": True, "reason": "Hotfix"},
            "Dana Ortiz overrode the gates of 2.5.0 of nlp/sentiment_model on its way to production: Hotfix",
        ),
        ("environment.frozen", {"until": TIME}, "Dana Ortiz froze production until 2026-11-30 12:00 UTC"),
        ("environment.frozen", {"until": "Monday"}, "Dana Ortiz froze production until Monday"),
        ("environment.thawed", {}, "Dana Ortiz ended the freeze of production"),
        ("environment.thawed", {"by": None}, "The freeze of production ended"),
        ("webhook.test", {}, "Dana Ortiz sent this as a test of a webhook"),
        (
            "alias.moved",
            {"alias": "champion", "from_version": "2.4.0", "override": True},
            "Dana Ortiz pointed @champion at 2.5.0 of nlp/sentiment_model from 2.4.0 (override)",
        ),
        ("alias.removed", {"alias": "champion"}, "Dana Ortiz removed @champion from 2.5.0 of nlp/sentiment_model"),
        ("version.demoted", {"by": None, "version": "{by}", "model": "{0}%s"}, "Catapult demoted {by} of {0}%s"),
    ],
)
def test_a_sentence_says_who_did_what_and_why(kind, data, expected):
    assert sentence(event(kind, **data)) == expected


@given(st.text())
def test_a_sentence_is_one_line_without_what_is_not_seen(text):
    made = sentence(event(by=text, reason=text))
    assert not set(made) & set("\r\n\t\x00\x0b\x85\u2028\u202e\u2066\ud800")
    assert made == made.strip()


@given(st.text(), st.integers(1, 20))
def test_a_cut_text_is_no_longer_than_its_length(text, length):
    made = cut(text, length)
    assert len(made) <= length
    assert made == text or made.endswith("…")


# --- what people type

HOSTILE = (*'😀\x00\x1f"\\&<*@`é\ud83d\n\u2028=%', "\r\n.\r\n")


@pytest.mark.parametrize("format", WebhookFormat)
@pytest.mark.parametrize("char", HOSTILE, ids=ascii)
@pytest.mark.parametrize("kind", [EventType.VERSION_CREATED, EventType.DEPLOYMENT_SUCCESS, EventType.APPROVAL_GIVEN])
def test_a_body_is_short_whatever_was_typed(format, char, kind):
    data = dict.fromkeys(KEYS, char * 30_000)
    assert size(format, {"id": ID, "type": kind, "timestamp": TIME, "data": data}) < LIMIT
    assert size(format, event(kind, reason=char * 30_000, comment=char * 30_000)) < LIMIT


@pytest.mark.parametrize("format", WebhookFormat)
@given(st.dictionaries(st.sampled_from(KEYS), st.text() | st.none()), st.sampled_from(EventType))
def test_any_text_can_be_sent(format, data, kind):
    assert size(format, {"id": ID, "type": kind, "timestamp": TIME, "data": data}) < LIMIT


def test_short_texts_arrive_as_they_are_and_long_ones_are_cut_visibly():
    assert sent("standard", reason="a\n<b> @channel \u202e😀")["data"]["reason"] == "a\n<b> @channel \u202e😀"
    long = sent("standard", reason="x" * 5_000)
    assert long["data"]["reason"] == "x" * 999 + "…"
    assert long["data"]["url"] == DATA["url"]
    assert sent("standard", url="https://ml.example.com/" + "x" * 5_000)["data"]["url"] is None


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("<!channel> & <@U1>", "&lt;!channel&gt; &amp; &lt;@\u200bU1&gt;"),
        ("@here @everyone @all", "@\u200bhere @\u200beveryone @\u200ball"),
        ("*bold* **b** `code` ~gone~", "∗bold∗ ∗∗b∗∗ ˋcodeˋ ∼gone∼"),
        ("_i_ my_model __init__ a_ _b", "ˍiˍ my_model ˍˍinitˍˍ aˍ ˍb"),
        ("[x](https://evil.example)", "[x]\u200b(https://evil.example)"),
        ("<https://evil.example|Open>", "&lt;https://evil.example|Open&gt;"),
        ("&amp;", "&amp;amp;"),
        ("a\n> quote\n```x```", "a &gt; quote ˋˋˋxˋˋˋ"),
    ],
)
def test_nothing_typed_is_a_mention_a_link_or_a_format_in_slack(typed, shown):
    text = sent("slack", reason=typed)["text"]
    assert text == (
        f"Dana Ortiz promoted 2.5.0 of nlp/sentiment_model: {shown}\n"
        "<https://ml.example.com/models/nlp/sentiment_model/versions/2.5.0?a=1&amp;b=2|Open in Catapult>"
    )


def test_a_message_in_slack_is_short_enough_for_discord():
    assert len(sent("slack", by="&" * 255, reason="*" * 10_000, model="m" * 255)["text"]) < 6 * 300 + 800


def test_without_a_public_url_there_is_no_link():
    assert set(sent("slack", url=None)) == {"text"}
    assert "\n" not in sent("slack", url=None)["text"]
    assert "actions" not in sent("teams", url=None)["attachments"][0]["content"]


def test_teams_gets_a_card_whose_text_is_not_markdown():
    (attachment,) = sent("teams", reason="**b** [x](https://evil.example) <at>all</at>")["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    ((block,), (button,)) = card["body"], card["actions"]
    assert block["type"] == "RichTextBlock"  # TextBlock would read Markdown
    ((run,),) = [block["inlines"]]
    assert run["type"] == "TextRun"
    assert run["text"].endswith(": **b** [x](https://evil.example) <at>all</at>")
    assert (button["type"], button["url"]) == ("Action.OpenUrl", DATA["url"])


def test_a_mail_has_the_sentence_as_its_subject_and_the_reason_below():
    made = email_message(event(reason="Best F1\r\nBcc: a@example.com", by="Dana\r\nBcc: b@example.com", comment="é"))
    mail = email.message_from_bytes(bytes(made), policy=policy.default)
    assert mail["Subject"] == "Dana Bcc: b@example.com promoted 2.5.0 of nlp/sentiment_model"
    assert {name for name in mail if not name.startswith(("Content-", "MIME-"))} == {"Subject", "Auto-Submitted"}
    assert mail.get_content() == (
        "Dana Bcc: b@example.com promoted 2.5.0 of nlp/sentiment_model.\n\nReason: Best F1 Bcc: a@example.com\n\n"
        f"Comment: é\n\n{DATA['url']}\n"
    )
    assert "Ünïted" in email_message(event(by="Ünïted 😀"))["Subject"]


# --- CDEvents

TEXT, OBJECT = {"type": "string", "minLength": 1}, {"type": "object", "additionalProperties": False}
PLACE = {**OBJECT, "properties": {"id": TEXT, "source": TEXT}, "required": ["id"]}
SERVICE = {"environment": PLACE, "artifactId": {"type": "string", "pattern": "^pkg:"}}
CUSTOM = r"^dev\.cdeventsx\.[a-zA-Z0-9]+-[a-zA-Z]+\.[a-zA-Z]+\.[0-9]\.[0-9]\.[0-9]$"
STANDARD = {
    "artifact.published": ({"user": TEXT}, []),
    "service.deployed": (None, ["environment", "artifactId"]),
    "service.upgraded": (None, ["environment", "artifactId"]),
    "service.rolledback": (None, ["environment", "artifactId"]),
    "service.removed": ({"environment": PLACE}, []),
}
"""The content that CDEvents 0.5 allows and requires, by type. None: as for all services."""


def schema(kind):
    """Return the schema of a CDEvent, written from the specification."""
    if kind in STANDARD:
        allowed, required = STANDARD[kind]
        content = {**OBJECT, "properties": SERVICE if allowed is None else allowed, "required": required}
        name = {"const": f"dev.cdevents.{kind}.0.3.0"}
    else:
        content = {"type": "object"}
        name = {"type": "string", "pattern": CUSTOM}
    context = {"specversion": {"const": "0.5.1"}, "id": TEXT, "source": TEXT, "type": name, "timestamp": TEXT}
    subject = {"id": TEXT, "source": TEXT, "content": content}
    parts = {
        "context": {**OBJECT, "properties": context, "required": list(context)},
        "subject": {**OBJECT, "properties": subject, "required": ["id", "content"]},
        "customData": {"type": "object"},
        "customDataContentType": TEXT,
    }
    return {**OBJECT, "properties": parts, "required": ["context", "subject"]}


@pytest.mark.parametrize("data", [DATA, {**DATA, "from_version": "2.4.0"}, {}, dict.fromkeys(KEYS)])
@pytest.mark.parametrize("kind", EventType)
def test_every_event_is_a_valid_cdevent(kind, data):
    message = http_message(WebhookFormat.CDEVENTS, {**event(kind), "data": data}, "https://ml.example.com/catapult")
    content = json.loads(message.body)
    context = content["context"]
    Draft202012Validator(schema(context["type"].removeprefix("dev.cdevents.").removesuffix(".0.3.0"))).validate(content)
    assert message.headers["Content-Type"] == "application/cdevents+json"
    assert message.headers["ce-specversion"] == "1.0"
    for name in ("id", "source", "type"):
        assert unquote(message.headers[f"ce-{name}"]) == context[name]
    assert unquote(message.headers["ce-subject"]) == content["subject"]["id"]
    assert message.headers["ce-time"] == context["timestamp"] == TIME


@pytest.mark.parametrize(
    ("kind", "data", "name", "subject"),
    [
        ("version.created", {}, "dev.cdevents.artifact.published.0.3.0", "pkg:oci/"),
        ("version.promoted", {}, "dev.cdeventsx.catapult-version.promoted.0.1.0", ID),
        ("deployment.running", {}, "dev.cdeventsx.catapult-deployment.running.0.1.0", ID),
        ("deployment.success", {}, "dev.cdevents.service.deployed.0.3.0", "nlp/sentiment_model"),
        ("deployment.success", {"from_version": "2.4"}, "dev.cdevents.service.upgraded.0.3.0", "nlp/sentiment_model"),
        ("deployment.rolled_back", {}, "dev.cdevents.service.rolledback.0.3.0", "nlp/sentiment_model"),
        ("deployment.retired", {}, "dev.cdevents.service.removed.0.3.0", "nlp/sentiment_model"),
        ("environment.frozen", {}, "dev.cdeventsx.catapult-environment.frozen.0.1.0", "production"),
        ("gate.overridden", {}, "dev.cdeventsx.catapult-gate.overridden.0.1.0", ID),
    ],
)
def test_an_event_has_the_type_of_cdevents_where_there_is_one(kind, data, name, subject):
    content = json.loads(http_message(WebhookFormat.CDEVENTS, event(kind, **data)).body)
    assert content["context"]["type"] == name
    assert content["subject"]["id"].startswith(subject)
    told = content["subject"]["content"] if "cdeventsx" in name else content["customData"]["catapult"]
    assert told == {**DATA, **data}


def test_an_artifact_is_its_image_or_the_name_of_the_version():
    def artifact(**data):
        made = http_message(WebhookFormat.CDEVENTS, event(EventType.DEPLOYMENT_SUCCESS, **data))
        return json.loads(made.body)["subject"]["content"]["artifactId"]

    digest = DIGEST.replace(":", "%3A")
    assert artifact() == f"pkg:oci/sentiment-model@{digest}?repository_url=ghcr.io%3A5000/acme/sentiment-model"
    assert artifact(image=None, version="1.0+b/x") == "pkg:generic/nlp/sentiment_model@1.0%2Bb%2Fx"


def test_what_cannot_stand_in_a_header_is_escaped_there():
    made = http_message(WebhookFormat.CDEVENTS, event("environment.frozen", environment='a"b%c é\r\nX: y'))
    assert made.headers["ce-subject"] == "a%22b%25c%20%C3%A9%0D%0AX:%20y"


def test_the_headline_has_no_reason():
    assert headline(event(reason="x")) == "Dana Ortiz promoted 2.5.0 of nlp/sentiment_model"
