"""An event as a message: HTTP in four formats, and mail. Each escapes and cuts what people typed."""

import json
import re
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any, NamedTuple, TypeVar

from catapult.rules import cdevents
from catapult.rules.event_sentences import Event, cut, headline, one_line, sentence
from catapult.tables import WebhookFormat

Content = TypeVar("Content")
LIMIT = 20_000
LENGTHS = (1_000, 250, 60)
"""Lengths at which texts are cut: the first with which the body has less than `LIMIT` bytes."""
CHAT_LENGTH = 800
"""The most characters of a sentence in chats. Discord takes 2,000, including escapes and the link."""
OPEN = "Open in Catapult"


class Message(NamedTuple):
    """An HTTP message, without its signature."""

    headers: dict[str, str]
    body: bytes


def http_message(format: WebhookFormat, event: Event, source: str = cdevents.SOURCE) -> Message:
    """Return the event in one of the formats that are sent by HTTP. `source` is the registry's address, for CDEvents."""
    return _within_limit(lambda short: _FORMATS[format](short, source), event, lambda message: len(message.body))


def email_message(event: Event) -> EmailMessage:
    """Return the event as a mail, without its sender and recipients."""
    return _within_limit(_email, event, lambda mail: len(bytes(mail)))


def _within_limit(create: Callable[[Event], Content], event: Event, size: Callable[[Content], int]) -> Content:
    """Return the content for the event with the longest texts that fit."""
    content = create(_shortened(event, LENGTHS[0]))
    for length in LENGTHS[1:]:
        if size(content) >= LIMIT:
            content = create(_shortened(event, length))
    return content


def _shortened(event: Event, length: int) -> dict[str, Any]:
    """Return the event with its texts cut, and without a link that would lead elsewhere if it were cut."""
    data = {key: cut(value, length) if isinstance(value, str) else value for key, value in event["data"].items()}
    if len(event["data"].get("url") or "") > length:
        data["url"] = None
    return {**event, "data": data}


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _standard(event: Event, source: str) -> Message:
    body = {"type": event["type"], "timestamp": event["timestamp"], "data": event["data"]}
    return Message({"Content-Type": "application/json"}, _json(body))


def _cdevents(event: Event, source: str) -> Message:
    content = cdevents.of(event, source)
    return Message(cdevents.headers(content), _json(content))


def _slack(event: Event, source: str) -> Message:
    """Return a text in Slack's mrkdwn, which Mattermost, Rocket.Chat and Discord take too."""
    text = _for_slack(cut(sentence(event), CHAT_LENGTH))
    if url := event["data"].get("url"):
        text += f"\n<{url.translate(_ENTITIES).replace('|', '%7C')}|{OPEN}>"
    return Message({"Content-Type": "application/json"}, _json({"text": text}))


_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_LOOKALIKES = str.maketrans({"*": "∗", "`": "ˋ", "~": "∼", "@": "@\u200b"})


def _for_slack(text: str) -> str:
    """Return the text so that nothing in it is a mention, a link or a format.

    Slack knows no escapes but those of & < >. Other chats read `@channel`, `**` and `[name](address)`: an invisible space comes
    into some of these, and the rest are replaced by characters that look like them. Names such as `my_model` stay as they are.
    """
    text = text.translate(_LOOKALIKES).translate(_ENTITIES).replace("](", "]\u200b(")
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", "ˍ", text)


def _teams(event: Event, source: str) -> Message:
    """Return an Adaptive Card for the Workflows of Teams. Its runs of text are not read as Markdown."""
    inline = {"type": "TextRun", "text": cut(sentence(event), CHAT_LENGTH)}
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "RichTextBlock", "inlines": [inline]}],
    }
    if url := event["data"].get("url"):
        card["actions"] = [{"type": "Action.OpenUrl", "title": OPEN, "url": url}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return Message({"Content-Type": "application/json"}, _json({"type": "message", "attachments": [attachment]}))


_FORMATS: dict[WebhookFormat, Callable[[Event, str], Message]] = {
    WebhookFormat.STANDARD: _standard,
    WebhookFormat.CDEVENTS: _cdevents,
    WebhookFormat.SLACK: _slack,
    WebhookFormat.TEAMS: _teams,
}


def _email(event: Event) -> EmailMessage:
    data = event["data"]
    typed = [f"{name}: {text}" for name in ("Reason", "Comment") if (text := one_line(data.get(name.lower())))]
    mail = EmailMessage()
    mail["Subject"] = cut(headline(event), 150)
    mail["Auto-Submitted"] = "auto-generated"
    links = [data["url"]] if data.get("url") else []
    mail.set_content("\n\n".join([f"{headline(event)}.", *typed, *links]))
    return mail
