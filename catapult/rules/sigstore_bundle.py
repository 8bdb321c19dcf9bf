"""Sigstore bundles of version 0.3 that are signed with a key: a DSSE envelope with an in-toto statement."""

import json
from base64 import b64decode
from typing import Any, NamedTuple

from catapult.rules import public_keys

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MEDIA_TYPES = (MEDIA_TYPE, "application/vnd.dev.sigstore.bundle+json;version=0.3")
"""Both spellings of version 0.3."""

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
BY_CERTIFICATE = {"certificate", "x509CertificateChain"}
MALFORMED = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
"""The exceptions of reading parsed JSON that has an unexpected form."""


class Unopened(Exception):
    """Why the text has no statement that a key signed. The message completes "its model.sig "."""


class Envelope(NamedTuple):
    """What was signed, and the one signature. `payload` is a statement, for `parsed`, not yet verified."""

    payload: bytes
    signature: bytes

    def is_signed_by(self, pem: str) -> bool:
        """Return whether the signature verifies with the key. The bundle's own hint of the key proves nothing and is ignored."""
        message = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(self.payload), self.payload)
        return public_keys.has_signed(pem, self.signature, message)


def opened(bundle: str | bytes) -> Envelope:
    """Return the envelope of the bundle. Raises Unopened."""
    try:
        content = parsed(bundle)
        if content["mediaType"] not in MEDIA_TYPES:
            raise Unopened("is not a Sigstore bundle of version 0.3")
        if BY_CERTIFICATE & set(content["verificationMaterial"]):
            raise Unopened("is signed with a certificate (keyless), which no key here verifies; sign with a key")
        envelope = content["dsseEnvelope"]
        [signature] = envelope["signatures"]
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise Unopened("has no in-toto statement")
        return Envelope(b64decode(envelope["payload"], validate=True), b64decode(signature["sig"], validate=True))
    except MALFORMED as error:
        raise Unopened("is not a Sigstore bundle with one signature") from error


def parsed(text: str | bytes) -> Any:
    """Return the value of JSON. Raises ValueError, also for an object that has a name twice, and RecursionError."""
    text = text.decode() if isinstance(text, bytes) else text
    return json.loads(text, object_pairs_hook=_without_duplicates)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError
    return fields
