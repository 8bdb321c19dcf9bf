"""A token server for docker-registry: it gives whoever knows the password, or everybody, a token for what they ask."""

import json
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from hostile import Got, Hostile, hostile

SERVICE, ISSUER = "images", "tokens"


@contextmanager
def token_server(
    certificate: Path, basic: str = "", seconds: int | None = 300, name: str = "token"
) -> Iterator[Hostile]:
    """Run one with the key of this certificate. `basic` is the `Authorization` that it wants; `name` that of the token's field."""

    def answer(got: Got) -> tuple[int, dict[str, str], bytes]:
        if got.authorization != basic:
            return 401, {}, json.dumps({"errors": [{"code": "UNAUTHORIZED"}]}).encode()
        asked = parse_qs(urlsplit(got.path).query)
        assert asked["service"] == [SERVICE]
        fields = {name: issued(certificate, asked["scope"][0]), **({"expires_in": seconds} if seconds else {})}
        return 200, {"Content-Type": "application/json"}, json.dumps(fields).encode()

    with hostile(answer) as server:
        yield server


def issued(certificate: Path, scope: str) -> str:
    """A token for the scope."""
    kind, name, actions = scope.split(":")
    now = int(time.time())
    chain = load_pem_x509_certificate((certificate / "fullchain.pem").read_bytes()).public_bytes(Encoding.DER)
    header = {"typ": "JWT", "alg": "ES256", "x5c": [b64encode(chain).decode()]}
    times = {"exp": now + 300, "nbf": now - 60, "iat": now}
    access = [{"type": kind, "name": name, "actions": actions.split(",")}]
    claims = {"iss": ISSUER, "sub": "", "aud": SERVICE, "jti": str(now), "access": access, **times}
    text = f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"
    key: Any = load_pem_private_key((certificate / "privkey.pem").read_bytes(), None)
    r, s = utils.decode_dss_signature(key.sign(text.encode(), ec.ECDSA(SHA256())))
    return f"{text}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")
