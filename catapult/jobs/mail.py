"""Send mail by the server that the settings name."""

import smtplib
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import unquote, urlsplit

from catapult.egress.tls import client_context
from catapult.extensions import current_settings

SECONDS = 15
DEFAULT_PORTS = {"smtp": 25, "smtps": 465}


def send(message: EmailMessage, to: str, message_id: str) -> str | None:
    """Send the message. Return None, or why it failed.

    SMTP_URL is `smtp://user:password@host:587`, which begins TLS if the server has it and must have it for a password, or
    `smtps://` for TLS from the first byte.
    """
    settings = current_settings()
    if not settings.smtp_url:
        return "This server sends no mail: SMTP_URL is not set."
    message["From"], message["To"], message["Date"] = settings.mail_from, to, formatdate()
    message["Message-ID"] = f"<{message_id}@{settings.mail_from.rpartition('@')[2]}>"
    try:
        _send(settings.smtp_url, message)
    except smtplib.SMTPException as error:
        code = getattr(error, "smtp_code", None)
        return f"The mail server refused: {type(error).__name__}{f' {code}' if code else ''}."
    except (OSError, ValueError) as error:
        return f"The mail server could not be reached: {type(error).__name__}."
    return None


def _send(address: str, message: EmailMessage) -> None:
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
    context = client_context()
    if parts.scheme == "smtps":
        client: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=context)
    else:
        client = smtplib.SMTP(host, port, timeout=SECONDS)
    with client:
        client.ehlo()
        if parts.scheme == "smtp" and (parts.username or client.has_extn("starttls")):
            client.starttls(context=context)
            client.ehlo()
        if parts.username:
            client.login(unquote(parts.username), unquote(parts.password or ""))
        client.send_message(message)
