"""`webhooks.verify`: what the registry signed, and nothing else; and the receivers of docs/webhooks.md as pasted."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from catapult_client.errors import RegistryError
from standardwebhooks import Webhook

import catapult
from catapult import InvalidArgument, InvalidSignature, webhooks
from catapult.rules import webhook_signatures

ID = "019ab2f0-7c1e-7d52-a1f3-2b7c9d0e4f11"
SECRET, OTHER = (f"whsec_{base64.b64encode(bytes([number]) * 32).decode()}" for number in (1, 2))
EVENT = {
    "type": "version.promoted",
    "timestamp": "2026-11-30T12:00:00Z",
    "data": {"model": "myorg/bert", "version": "2.5.0", "by": "Dañá 😀"},
}
BODY = json.dumps(EVENT, ensure_ascii=False).encode()


def signed(body=BODY, secrets=(SECRET,), age=0):
    return webhook_signatures.headers(ID, int(time.time()) - age, body, secrets)


def test_what_the_registry_signed_is_returned():
    assert webhooks.verify(signed(), BODY, SECRET) == EVENT
    assert webhooks.verify(signed(), BODY.decode(), SECRET) == EVENT
    assert webhooks.verify(signed(), BODY, SECRET.removeprefix("whsec_").rstrip("=")) == EVENT
    for change in (str.upper, str.title):
        assert webhooks.verify({change(name): value for name, value in signed().items()}, BODY, SECRET) == EVENT


def test_what_another_implementation_signed_is_returned():
    now = datetime.now(UTC)
    signature = Webhook(SECRET).sign(ID, now, BODY.decode())
    headers = {"webhook-id": ID, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    assert webhooks.verify(headers, BODY, SECRET) == EVENT


def test_one_right_signature_of_several_is_enough():
    headers = signed(secrets=[OTHER, SECRET])
    assert webhooks.verify(headers, BODY, SECRET) == webhooks.verify(headers, BODY, OTHER) == EVENT
    headers["webhook-signature"] = f"v2,abc v1a,é {headers['webhook-signature']} v1, v1"
    assert webhooks.verify(headers, BODY, SECRET) == EVENT


@pytest.mark.parametrize(
    ("changes", "body", "secret"),
    [
        ({}, BODY, OTHER),
        ({}, BODY + b" ", SECRET),
        ({}, b"", SECRET),
        ({}, json.dumps(EVENT).encode(), SECRET),
        ({"webhook-id": "another"}, BODY, SECRET),
        ({"webhook-id": ""}, BODY, SECRET),
        ({"webhook-timestamp": "0"}, BODY, SECRET),
        ({"webhook-timestamp": "soon"}, BODY, SECRET),
        ({"webhook-signature": ""}, BODY, SECRET),
        ({"webhook-signature": "v1,"}, BODY, SECRET),
        ({"webhook-signature": "v1"}, BODY, SECRET),
        ({"webhook-signature": "é \x00 v1,é"}, BODY, SECRET),
    ],
)
def test_anything_else_is_refused(changes, body, secret):
    with pytest.raises(InvalidSignature) as error:
        webhooks.verify({**signed(), **changes}, body, secret)
    assert isinstance(error.value, RegistryError)
    assert SECRET[6:] not in str(error.value)
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        with pytest.raises(InvalidSignature, match=name):
            webhooks.verify({key: value for key, value in signed().items() if key != name}, BODY, SECRET)


@pytest.mark.parametrize("version", ["v2", "v1a", "V1", ""])
def test_a_signature_of_another_kind_does_not_count(version):
    headers = signed()
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", f"{version},")
    with pytest.raises(InvalidSignature, match="No signature"):
        webhooks.verify(headers, BODY, SECRET)


@pytest.mark.parametrize(("age", "words"), [(302, "30[23] s ago"), (-302, "30[12] s from now"), (10**9, "s ago")])
def test_a_message_of_another_time_is_refused(age, words):
    with pytest.raises(InvalidSignature, match=words):
        webhooks.verify(signed(age=age), BODY, SECRET)
    assert webhooks.verify(signed(age=age), BODY, SECRET, tolerance=2 * 10**9) == EVENT


@pytest.mark.parametrize("sent_at", ["1e9", "-1", "1.5", " 1", "²", "٣", "9" * 30, "0x1", "1_000"])
def test_a_time_that_is_no_number_is_refused_though_signed(sent_at):
    key = base64.b64decode(SECRET[6:])
    signature = base64.b64encode(hmac.digest(key, f"{ID}.{sent_at}.".encode() + BODY, hashlib.sha256)).decode()
    headers = {"webhook-id": ID, "webhook-timestamp": sent_at, "webhook-signature": f"v1,{signature}"}
    with pytest.raises(InvalidSignature, match="at no time"):
        webhooks.verify(headers, BODY, SECRET)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_***", "é", "a"])
def test_what_is_no_secret_is_named(secret):
    with pytest.raises(InvalidArgument, match="begins with whsec_"):
        webhooks.verify(signed(), BODY, secret)


def test_a_body_that_was_parsed_is_named():
    with pytest.raises(InvalidArgument, match="before JSON is parsed"):
        webhooks.verify(signed(), EVENT, SECRET)


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b"", b"{", b"\xff"])
def test_what_is_no_object_is_refused(body):
    with pytest.raises(InvalidSignature, match="not a JSON object"):
        webhooks.verify(signed(body), body, SECRET)


def test_the_sdk_has_it_by_one_name():
    assert catapult.webhooks is webhooks is sys.modules["catapult_client.webhooks"]
    assert "webhooks" in dir(catapult)


# --- the receivers of the guide

GUIDE = (Path(__file__).parent.parent.parent / "docs" / "webhooks.md").read_text()
FLASK, FASTAPI = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def pasted(monkeypatch):
    """A function that returns the names of a block of the guide, with the secret in the environment."""
    monkeypatch.setenv("CATAPULT_WEBHOOK_SECRET", SECRET)

    def run(block):
        names = {"__name__": "__main__"}
        exec(compile(block, "docs/webhooks.md", "exec", dont_inherit=True), names)
        return names

    return run


def test_the_guides_receiver_in_flask_accepts_what_is_signed_and_prints_it_once(pasted, capsys):
    client = pasted(FLASK)["app"].test_client()
    assert [client.post("/catapult", data=BODY, headers=signed()).status_code for _ in range(2)] == [204, 204]
    assert capsys.readouterr().out == "version.promoted myorg/bert 2.5.0\n"
    assert client.post("/catapult", data=BODY, headers=signed(secrets=[OTHER])).status_code == 401
    assert client.post("/catapult", data=BODY).status_code == 401


def test_the_guides_receiver_in_fastapi_accepts_what_is_signed(pasted, capsys):
    transport = httpx.ASGITransport(pasted(FASTAPI)["api"])

    async def post(**headers):
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            return (await client.post("/catapult", content=BODY, headers=headers)).status_code

    assert asyncio.run(post(**signed())) == 204
    assert capsys.readouterr().out == "version.promoted myorg/bert 2.5.0\n"
    assert asyncio.run(post(**signed(secrets=[OTHER]))) == 401
    assert asyncio.run(post()) == 401
