"""Public keys that files are signed for: P-256, Ed25519 and RSA, in PEM."""

import re

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

RSA_BITS = range(2048, 8192 + 1)
WHAT_TO_SEND = (
    "Must be one public key in PEM (-----BEGIN PUBLIC KEY-----): P-256, Ed25519, or RSA of 2048 to 8192 bits. "
    "`openssl pkey -in key.pem -pubout` prints it; a private key, a certificate or another curve is not taken."
)
_PEM = re.compile(r"\s*-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----\s*")

PublicKey = ec.EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey


def parsed(pem: str) -> PublicKey:
    """Return the key. Raises ValueError, with what to send, for everything else."""
    if _PEM.fullmatch(pem):
        try:
            key = load_pem_public_key(pem.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ValueError(WHAT_TO_SEND) from error
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            return key
        if isinstance(key, Ed25519PublicKey) or (isinstance(key, RSAPublicKey) and key.key_size in RSA_BITS):
            return key
    raise ValueError(WHAT_TO_SEND)


def as_pem(key: PublicKey) -> str:
    """Return the key as it is stored, however it was sent: PEM of its SubjectPublicKeyInfo."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def fingerprint(key: PublicKey) -> str:
    """Return the SHA-256 of the key's SubjectPublicKeyInfo in DER: 64 hex digits."""
    digest = Hash(SHA256())
    digest.update(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize().hex()


def has_signed(pem: str, signature: bytes, message: bytes) -> bool:
    """Return whether the signature verifies with the stored key: ECDSA and RSA (PKCS #1 v1.5) with SHA-256, or Ed25519."""
    key = parsed(pem)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(SHA256()))
        elif isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        else:
            key.verify(signature, message, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
