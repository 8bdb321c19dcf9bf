"""Manifests of images, indexes and artifacts, and their configurations, as registries serve them.

Sources: the OCI image specification 1.1, Docker's manifests of version 2, and ModelPack, whose configuration describes a
model. What a registry sends is untrusted, and so is the content of a digest.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

from catapult.rules.file_head import storable
from catapult.rules.image_reference import is_pullable_digest
from catapult.rules.sigstore_bundle import MALFORMED, parsed

INDEX, MANIFEST = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPTED = (INDEX, MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST)
IMAGE_CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
MODEL_CONFIG = "application/vnd.cncf.model.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
FIRST_PLATFORM = "linux/amd64"
MOST_LABELS = 100
MOST_BYTES = 2**63
_MEDIA_TYPE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}(;[ -~]{1,100})?"
)
_PLATFORM = re.compile(r"[a-z0-9_]{1,40}(/[a-z0-9_.-]{1,40}){1,2}")
_ANNOTATION = "org.opencontainers.image."


class Malformed(ValueError):
    """What a registry sent is not of the form it should have. The message completes "The registry … sent "."""


class Descriptor(NamedTuple):
    """A manifest's reference to a blob or another manifest."""

    media_type: str
    digest: str
    size: int
    artifact_type: str
    annotations: dict[str, str]
    platform: str | None


class Manifest(NamedTuple):
    """What a manifest says. `manifests` is None unless it is an index; an index has neither `config` nor `layers`."""

    media_type: str
    artifact_type: str | None
    annotations: dict[str, str]
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    manifests: tuple[Descriptor, ...] | None

    @property
    def size_bytes(self) -> int:
        """The bytes of configuration and layers together, as they are transferred."""
        return sum(part.size for part in (self.config, *self.layers) if part)

    @property
    def has_known_config(self) -> bool:
        """Whether `described` reads its configuration."""
        return self.config is not None and self.config.media_type in (*IMAGE_CONFIGS, MODEL_CONFIG)


@dataclass(frozen=True)
class Image:
    """An image, an index or an artifact at a registry.

    `size_bytes` is what is transferred to pull it: configuration and layers, as compressed. For an index, it is that of the image
    for linux/amd64, or else of the first one; `created`, `revision`, `source` and `labels` are that image's too, unless the index
    says them itself. All texts can be stored.
    """

    digest: str
    media_type: str
    artifact_type: str | None
    size_bytes: int
    platforms: list[str] = field(default_factory=list)
    created: datetime | None = None
    revision: str | None = None
    source: str | None = None
    labels: dict[str, str] = field(default_factory=dict)


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    """Return the digest of the content, by `sha256`, `sha384` or `sha512`."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def is_content_of(digest: str, content: bytes) -> bool:
    """Return whether the digest, one that can be pulled, is that of the content."""
    return digest_of(content, digest.partition(":")[0]) == digest


def read(content: bytes, media_type: str) -> Manifest:
    """Return what the manifest says; `media_type` is the header's. Raises Malformed."""
    try:
        fields = parsed(content)
        manifests, parts = fields.get("manifests"), fields.get("layers", fields.get("blobs"))
        if (manifests is None) is (parts is None):  # with both, two readers could read two different things
            raise Malformed("something that is neither a manifest nor an index")
        config = _descriptor(fields["config"]) if fields.get("config") and manifests is None else None
        manifest = Manifest(
            _media_type(fields.get("mediaType") or media_type.partition(";")[0].strip()),
            _media_type(fields["artifactType"]) if fields.get("artifactType") else _type_of(config),
            _texts(fields.get("annotations")),
            config,
            tuple(_descriptor(part) for part in parts or ()),
            None if manifests is None else tuple(_descriptor(each) for each in manifests),
        )
    except MALFORMED as error:
        raise (error if isinstance(error, Malformed) else Malformed("a manifest that is malformed")) from None
    if manifest.size_bytes >= MOST_BYTES:
        raise Malformed("a manifest with impossible sizes")
    return manifest


def by_preference(index: Manifest) -> list[Descriptor]:
    """Return the images of the index, linux/amd64 first, the others in its order."""
    images = [each for each in index.manifests or () if each.platform]
    return sorted(images or index.manifests or (), key=lambda each: each.platform != FIRST_PLATFORM)


def described(digest: str, named: Manifest, image: Manifest | None, config: bytes | None) -> Image:
    """Return what is known of an image. Raises Malformed.

    `named` is what the digest names; `image` is the same, or the image chosen from an index; `config` is the content of that
    image's configuration, if `has_known_config`.
    """
    facts = _facts(image.config, config) if image and image.config and config is not None else _Facts()
    annotations = {**(image.annotations if image else {}), **named.annotations}
    if named.manifests is None:
        platforms = [facts.platform] if facts.platform else []
    else:
        platforms = list(dict.fromkeys(each.platform for each in named.manifests if each.platform))[:MOST_LABELS]
    return Image(
        digest,
        named.media_type,
        named.artifact_type,
        image.size_bytes if image else 0,
        platforms,
        facts.created or _time(annotations.get(f"{_ANNOTATION}created")),
        _clean(annotations.get(f"{_ANNOTATION}revision") or facts.revision or "") or None,
        _clean(annotations.get(f"{_ANNOTATION}source") or facts.source or "") or None,
        {_clean(name): _clean(text) for name, text in islice(facts.labels.items(), MOST_LABELS)},
    )


class _Facts(NamedTuple):
    """The facts in a configuration."""

    platform: str | None = None
    created: datetime | None = None
    revision: str | None = None
    source: str | None = None
    labels: dict[str, str] = {}  # noqa: RUF012 - it is never changed


def _facts(descriptor: Descriptor, content: bytes) -> _Facts:
    """Return what the configuration of an image or of a model says."""
    try:
        fields = parsed(content)
        if descriptor.media_type == MODEL_CONFIG:
            model = _texts(fields.get("descriptor"))
            created = _time(model.get("createdAt"))
            return _Facts(None, created, model.get("revision"), model.get("sourceURL"))
        labels = _texts((fields.get("config") or {}).get("Labels"))
        revision, source = (labels.get(f"{_ANNOTATION}{name}") for name in ("revision", "source"))
        return _Facts(_platform(fields), _time(fields.get("created")), revision, source, labels)
    except MALFORMED as error:
        raise Malformed("an image configuration that is malformed") from error


def _descriptor(value: Any) -> Descriptor:
    size, digest = value["size"], value["digest"]
    if type(size) is not int or not 0 <= size < MOST_BYTES or not is_pullable_digest(digest):
        raise ValueError
    artifact_type, platform = value.get("artifactType"), value.get("platform")
    return Descriptor(
        _media_type(value.get("mediaType") or MANIFEST),
        digest,
        size,
        _media_type(artifact_type) if artifact_type else "",
        _texts(value.get("annotations")),
        _platform(platform) if platform else None,
    )


def _media_type(value: Any) -> str:
    if not _MEDIA_TYPE.fullmatch(value):
        raise ValueError
    return str(value)


def _type_of(config: Descriptor | None) -> str | None:
    """Return the artifact type that the configuration's media type gives; None for an image."""
    known = config is None or config.media_type in (*IMAGE_CONFIGS, EMPTY)
    return None if known or config is None else config.media_type


def _platform(fields: Any) -> str | None:
    """Return `linux/arm64/v8`; None for none, such as BuildKit's `unknown/unknown` for what is no image."""
    parts: Iterable[Any] = (fields.get("os"), fields.get("architecture"), fields.get("variant"))
    platform = "/".join(str(part) for part in parts if part)
    return platform if _PLATFORM.fullmatch(platform) and not platform.startswith("unknown") else None


def _time(text: Any) -> datetime | None:
    """Return the time, or None for none, such as Go's zero."""
    try:
        time = datetime.fromisoformat(text)
        time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (OverflowError, TypeError, ValueError):
        return None
    return time if time.year > 1 else None


def _texts(value: Any) -> dict[str, str]:
    """Return the texts of an object. What is not a text is left out."""
    return {name: text for name, text in (value or {}).items() if isinstance(text, str)}


def _clean(text: str) -> str:
    """Return the text as it can be stored: cut, and without NUL and halves of surrogate pairs, which PostgreSQL refuses."""
    return storable(text.encode(errors="replace").decode())
