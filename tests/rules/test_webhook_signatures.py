"""Signatures, read by the reference implementation of Standard Webhooks."""

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from catapult.rules import webhook_signatures

ID = "019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11"


def test_a_secret_is_32_random_bytes():
    secrets = {webhook_signatures.new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert {(secret[:6], len(base64.b64decode(secret[6:], validate=True))) for secret in secrets} == {("whsec_", 32)}


@given(st.dictionaries(st.text(), st.text()))
def test_a_receiver_with_any_of_the_secrets_accepts_the_message(content):
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    secrets = [webhook_signatures.new_secret() for _ in range(2)]
    headers = webhook_signatures.headers(ID, int(time.time()), body, secrets)
    for secret in secrets:
        assert Webhook(secret).verify(body, headers) == json.loads(body)
    assert len(headers["webhook-signature"].split()) == 2


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp", "body", "secret"])
def test_a_message_that_was_changed_is_refused(changed):
    secret, body, now = webhook_signatures.new_secret(), b'{"a": 1}', int(time.time())
    headers = webhook_signatures.headers(ID, now, body, [secret])
    others = {"webhook-id": "other", "webhook-timestamp": str(now - 1)}
    headers |= {name: value for name, value in others.items() if name == changed}
    with pytest.raises(WebhookVerificationError):
        Webhook(webhook_signatures.new_secret() if changed == "secret" else secret).verify(
            b'{"a": 2}' if changed == "body" else body, headers
        )
