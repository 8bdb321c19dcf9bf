"""Signatures of images by a key, in the two layouts that cosign writes: where they are, and what they sign.

"simple" is a manifest with the tag `sha256-<hex>.sig`: each layer is a claim about one image, as JSON, with the signature as an
annotation. "bundle" is a Sigstore bundle that refers to the image: its statement has the image's digest. A signature that
is copied to another image still names the first, so a claim counts only for the digest that it names.
"""

from base64 import b64decode
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from catapult.rules import public_keys, sigstore_bundle
from catapult.rules.image_manifests import EMPTY, Descriptor, Manifest
from catapult.rules.sigstore_bundle import MALFORMED, parsed

SIMPLE, BUNDLE = "simple", "bundle"
ANNOTATION = "dev.cosignproject.cosign/signature"
SIMPLE_TYPES = ("cosign container image signature", "atomic container signature")
PREDICATE_TYPE = "https://sigstore.dev/cosign/sign/v1"
"""Of the statement that an image was signed. Statements of other types, such as that it has flaws, are signed too."""
PREDICATE_ANNOTATION = "dev.sigstore.bundle.predicateType"
LONGEST_TAG = 128
_LONGEST_HEX = 64


class Claim(Protocol):
    """A claim about an image that somebody signed."""

    @property
    def payload(self) -> bytes: ...
    def is_signed_by(self, pem: str) -> bool: ...


class SimpleClaim(NamedTuple):
    """A layer of the layout "simple"."""

    payload: bytes
    signature: bytes

    def is_signed_by(self, pem: str) -> bool:
        """Return whether the signature verifies with the key."""
        return public_keys.has_signed(pem, self.signature, self.payload)


def signature_tag(digest: str) -> str | None:
    """Return the tag of the image's signatures in the layout "simple". None for SHA-512, whose tag would be too long."""
    tag = f"{digest.replace(':', '-')}.sig"
    return tag if len(tag) <= LONGEST_TAG else None


def referrers_tag(digest: str) -> str:
    """Return the tag of the index of what refers to the image, at registries without the API for it.

    Source: the OCI distribution specification 1.1, "Referrers Tag Schema", which cuts the digest after 64 characters.
    """
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm}-{encoded[:_LONGEST_HEX]}"


def simple_layers(manifest: Manifest) -> Iterator[tuple[Descriptor, bytes]]:
    """Yield the layers that have a signature, with it; the newest first, as cosign adds at the end."""
    for layer in reversed(manifest.layers):
        try:
            yield layer, b64decode(layer.annotations[ANNOTATION], validate=True)
        except (KeyError, ValueError):
            continue


def may_be_bundle(referrer: Descriptor) -> bool:
    """Return whether the referrer may be a bundle. Some registries and clients omit `artifactType` or leave it empty."""
    predicate_type = referrer.annotations.get(PREDICATE_ANNOTATION, PREDICATE_TYPE)
    return referrer.artifact_type in (*sigstore_bundle.MEDIA_TYPES, EMPTY, "") and predicate_type == PREDICATE_TYPE


def bundle_layer(manifest: Manifest) -> Descriptor | None:
    """Return the layer that is the bundle, or None."""
    return next((layer for layer in manifest.layers if layer.media_type in sigstore_bundle.MEDIA_TYPES), None)


def is_of(layout: str, payload: bytes, digest: str) -> bool:
    """Return whether the payload claims that this digest is signed, not another claim or image."""
    try:
        return (_is_simple_of if layout == SIMPLE else _is_statement_of)(parsed(payload), digest)
    except MALFORMED:
        return False


def _is_simple_of(claim: Any, digest: str) -> bool:
    critical = claim["critical"]
    return critical["type"] in SIMPLE_TYPES and critical["image"]["docker-manifest-digest"] == digest


def _is_statement_of(statement: Any, digest: str) -> bool:
    algorithm, _, encoded = digest.partition(":")
    if (statement["_type"], statement["predicateType"]) != (sigstore_bundle.STATEMENT_TYPE, PREDICATE_TYPE):
        return False
    return any(subject["digest"].get(algorithm) == encoded for subject in statement["subject"])
