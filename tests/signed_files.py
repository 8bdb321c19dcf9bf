"""Signatures of files as OpenSSF Model Signing writes them, by keys of every kind, and what is wrong with others."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

FILES = {"config.json": b'{"a": 1}', "weights/model.bin": b"weights"}
PAYLOAD_TYPE = "application/vnd.in-toto+json"


def new_key(kind: str = "P-256") -> Any:
    """A private key."""
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind.startswith("RSA"):
        return rsa.generate_private_key(65_537, int(kind.partition(" ")[2] or 2048))
    return ec.generate_private_key({"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "K-256": ec.SECP256K1()}[kind])


def pem_of(key: Any) -> str:
    """The public key, as `openssl pkey -pubout` prints it."""
    text: str = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return text


def fingerprint_of(key: Any) -> str:
    """The SHA-256 of the public key in DER."""
    return sha256(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def signed(key: Any, message: bytes) -> bytes:
    """The signature of the message."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), SHA256())
    signature: bytes = key.sign(message, ec.ECDSA(SHA256()))
    return signature


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def statement(files: Mapping[str, bytes] = FILES, ignored: tuple[str, ...] = ("model.sig",)) -> dict[str, Any]:
    """What is signed of these files."""
    resources = [{"name": path, "algorithm": "sha256", "digest": sha256(files[path])} for path in sorted(files)]
    whole = sha256(b"".join(bytes.fromhex(resource["digest"]) for resource in resources))
    how = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": list(ignored)}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model", "digest": {"sha256": whole}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {"serialization": how, "resources": resources},
    }


def bundle(key: Any, payload: bytes | dict[str, Any]) -> dict[str, Any]:
    """A Sigstore bundle with a signature of the payload."""
    if isinstance(payload, dict):
        payload = json.dumps(payload).encode()
    message = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode() + payload
    signature = {"sig": b64encode(signed(key, message)).decode(), "keyid": ""}
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "any"}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [signature],
        },
    }


def signature_of(key: Any, files: Mapping[str, bytes] = FILES, **kwargs: Any) -> bytes:
    """A `model.sig` for these files."""
    return json.dumps(bundle(key, statement(files, **kwargs))).encode()
