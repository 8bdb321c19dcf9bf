"""Images, indexes and artifacts as bytes, made without a container engine."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INDEX, MANIFEST = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
CONFIG, LAYER = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar"
EMPTY, MODEL = "application/vnd.oci.empty.v1+json", "application/vnd.cncf.model.manifest.v1+json"
DOCKER = {
    INDEX: "application/vnd.docker.distribution.manifest.list.v2+json",
    MANIFEST: "application/vnd.docker.distribution.manifest.v2+json",
    CONFIG: "application/vnd.docker.container.image.v1+json",
    LAYER: "application/vnd.docker.image.rootfs.diff.tar.gzip",
}
"""Docker's names of the types."""


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def descriptor(content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    """What a manifest says of this content."""
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **more}


@dataclass(frozen=True)
class Content:
    """A manifest or an index, and all that it names."""

    manifest: bytes
    media_type: str
    blobs: tuple[bytes, ...] = ()
    children: tuple["Content", ...] = ()
    platform: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def manifest(config: tuple[bytes, str], layers: Iterable[tuple[bytes, str]], **more: Any) -> Content:
    """A manifest of a configuration and layers, each with its type."""
    layers = list(layers)
    media_type = more.pop("media_type", MANIFEST)
    fields = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": descriptor(*config),
        "layers": [descriptor(*layer) for layer in layers],
        **more,
    }
    return Content(json.dumps(fields).encode(), media_type, (config[0], *(content for content, _ in layers)))


def image(
    architecture: str = "amd64", labels: Mapping[str, str] | None = None, docker: bool = False, **more: Any
) -> Content:
    """An image with one layer, of 10 KiB."""
    layer = f"layer of {architecture} {sorted((labels or {}).items())}".encode().ljust(10_240, b"\0")
    platform = {"architecture": architecture, "os": "linux"}
    config = {
        "created": "2026-11-30T10:15:30.123456789Z",
        **platform,
        "config": {"Labels": dict(labels or {})},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
    }
    names = DOCKER if docker else {name: name for name in DOCKER}
    made = manifest(
        (json.dumps(config).encode(), names[CONFIG]), [(layer, names[LAYER])], media_type=names[MANIFEST], **more
    )
    return Content(made.manifest, made.media_type, made.blobs, platform=platform)


def index(*children: Content, media_type: str = INDEX, **more: Any) -> Content:
    """An index of these."""
    manifests = [
        descriptor(child.manifest, child.media_type, **({"platform": child.platform} if child.platform else {}))
        for child in children
    ]
    fields = {"schemaVersion": 2, "mediaType": media_type, "manifests": manifests, **more}
    return Content(json.dumps(fields).encode(), media_type, children=children)


def model_pack(weights: bytes = b"weights") -> Content:
    """A model, as ModelPack of CNCF packs it."""
    described = {"createdAt": "2026-11-30T10:15:30Z", "revision": "abc123", "sourceURL": "https://git.example.com/bert"}
    config = {
        "descriptor": {**described, "name": "bert"},
        "modelfs": {"type": "layers", "diffIds": [digest_of(weights)]},
    }
    layer = (weights, "application/vnd.cncf.model.weight.v1.raw")
    types = ("application/vnd.cncf.model.config.v1+json", MODEL)
    return manifest((json.dumps(config).encode(), types[0]), [layer], artifactType=types[1])


def write(folder: Path, content: Content, name: str) -> None:
    """Write it as an OCI image layout, which skopeo reads as `oci:folder:name`."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def add(each: Content) -> None:
        for blob in (each.manifest, *each.blobs):
            (blobs / digest_of(blob).partition(":")[2]).write_bytes(blob)
        for child in each.children:
            add(child)

    add(content)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    named = descriptor(content.manifest, content.media_type, annotations={"org.opencontainers.image.ref.name": name})
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
