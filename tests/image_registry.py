"""A real image registry, `docker-registry`, and what people do there: push, move a tag, delete, sign with a key."""

import json
import shutil
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from image_layouts import EMPTY, INDEX, Content, descriptor, digest_of, manifest
from signed_files import bundle, signed

sys.path.insert(0, str(Path(__file__).parent / "live"))

from up import free_port

from catapult import egress
from catapult.config import Allowed
from catapult.egress import Policy
from catapult.oci import Access, Registry

SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIGNED = "https://sigstore.dev/cosign/sign/v1"
ACCEPT = {
    "Accept": f"{INDEX}, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
}
USER, PASSWORD = "puller", "pa55word"
HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuur.ZxEKly2fYX6K.hrvYXsoEaKgtr95a\n"

LOCAL, OPEN = Policy((Allowed.of("localhost"), Allowed.of("127.0.0.1"))), Access(allow_http=True)


def asking(host: str, access: Access = OPEN, policy: Policy = LOCAL) -> Registry:
    """A conversation with a registry on this machine."""
    return Registry(policy, access, host)


@dataclass
class ImageRegistry:
    """A registry that runs. `repository` is always a name within it."""

    host: str
    folder: Path
    process: "subprocess.Popen[bytes]"
    scheme: str = "http"
    ca: str = ""

    def request(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send a request, which must succeed."""
        url = path if "://" in path else f"{self.scheme}://{self.host}/v2/{path}"
        answer = requests.request(method, url, timeout=30, verify=self.ca or True, **more)
        assert answer.ok, (method, url, answer.status_code, answer.text)
        return answer

    def put_blob(self, repository: str, content: bytes) -> str:
        """Store a blob and return its digest."""
        digest = digest_of(content)
        address = self.request("POST", f"{repository}/blobs/uploads/").headers["Location"]
        self.request(
            "PUT", f"{address}&digest={digest}" if "?" in address else f"{address}?digest={digest}", data=content
        )
        return digest

    def put_manifest(self, repository: str, reference: str, content: bytes, media_type: str) -> str:
        """Store a manifest under a tag, or under its digest, and return the digest."""
        self.request("PUT", f"{repository}/manifests/{reference}", data=content, headers={"Content-Type": media_type})
        return digest_of(content)

    def push(self, repository: str, content: Content, tag: str = "") -> str:
        """Store an image, an index or an artifact, with all that it names, and return its digest."""
        for blob in content.blobs:
            self.put_blob(repository, blob)
        for child in content.children:
            self.push(repository, child)
        return self.put_manifest(repository, tag or content.digest, content.manifest, content.media_type)

    def get_manifest(self, repository: str, reference: str) -> tuple[bytes, str]:
        """Return a manifest and its type."""
        answer = self.request("GET", f"{repository}/manifests/{reference}", headers=ACCEPT)
        return answer.content, answer.headers["Content-Type"]

    def retag(self, repository: str, reference: str, tag: str) -> str:
        """Move a tag to what the reference, a tag or a digest, leads to, and return its digest."""
        return self.put_manifest(repository, tag, *self.get_manifest(repository, reference))

    def delete(self, repository: str, digest: str) -> None:
        """Delete a manifest, and with it every tag that leads to it."""
        self.request("DELETE", f"{repository}/manifests/{digest}")

    def sign_simple(
        self, repository: str, digest: str, key: Any, *, payload: bytes = b"", signature: bytes = b""
    ) -> str:
        """Add a signature by this private key in the layout "simple", and return the tag."""
        payload = payload or claim(f"{self.host}/{repository}", digest)
        self.put_blob(repository, payload)
        encoded = b64encode(signature or signed(key, payload)).decode()
        layer = descriptor(payload, SIMPLE, annotations={"dev.cosignproject.cosign/signature": encoded})
        tag, layers = f"{digest.replace(':', '-')}.sig", []
        with suppress(AssertionError):
            layers = json.loads(self.get_manifest(repository, tag)[0])["layers"]
        made = json.loads(manifest((b"{}", EMPTY), []).manifest)
        self.put_blob(repository, b"{}")
        self.put_manifest(repository, tag, json.dumps({**made, "layers": [*layers, layer]}).encode(), made["mediaType"])
        return tag

    def sign_bundle(
        self, repository: str, digest: str, key: Any, *, payload: bytes | dict[str, Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        """Add a signature by this private key as a bundle that refers to the image, and return the bundle."""
        text = {**bundle(key, statement(digest) if payload is None else payload), **more}
        self.refer(repository, digest, json.dumps(text).encode(), text["mediaType"])
        return text

    def refer(self, repository: str, digest: str, content: bytes, media_type: str) -> str:
        """Attach an artifact with this content, as oras does where the registry knows no referrers; return its digest."""
        subject = {"mediaType": INDEX, "digest": digest, "size": 1}
        artifact = manifest((b"{}", EMPTY), [(content, media_type)], artifactType=media_type, subject=subject)
        self.push(repository, artifact)
        tag, others = digest.replace(":", "-"), []
        with suppress(AssertionError):
            others = json.loads(self.get_manifest(repository, tag)[0])["manifests"]
        referrer = descriptor(artifact.manifest, artifact.media_type, artifactType=media_type)
        every = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*others, referrer]}
        self.put_manifest(repository, tag, json.dumps(every).encode(), INDEX)
        return artifact.digest


def claim(reference: str, digest: str, kind: str = "cosign container image signature") -> bytes:
    """What is signed in the layout "simple"."""
    critical = {"identity": {"docker-reference": reference}, "image": {"docker-manifest-digest": digest}, "type": kind}
    return json.dumps({"critical": critical, "optional": None}).encode()


def statement(digest: str, predicate_type: str = SIGNED) -> dict[str, Any]:
    """What is signed of a bundle."""
    algorithm, _, encoded = digest.partition(":")
    subject = [{"digest": {algorithm: encoded}}]
    types = {"_type": "https://in-toto.io/Statement/v1", "predicateType": predicate_type}
    return {**types, "subject": subject, "predicate": {}}


@contextmanager
def image_registry(
    folder: Path, *, auth: Mapping[str, Any] | None = None, tls: Path | None = None, storage: Path | None = None
) -> Iterator[ImageRegistry]:
    """Run a registry. `auth` is that part of its configuration; `tls` a folder with `fullchain.pem` and `privkey.pem`.

    `storage` lets two registries serve the same images, one of them to whoever pushes.
    """
    if not shutil.which("docker-registry"):
        pytest.skip("docker-registry is not installed")
    host = f"localhost:{free_port()}"
    folder.mkdir(parents=True, exist_ok=True)
    http: dict[str, Any] = {"addr": host.replace("localhost", "127.0.0.1"), "secret": "any"}
    if tls:
        http["tls"] = {"certificate": str(tls / "fullchain.pem"), "key": str(tls / "privkey.pem")}
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage or folder / "storage")}, "delete": {"enabled": True}},
        "http": http,
        **({"auth": auth} if auth else {}),
    }
    (folder / "config.yml").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", folder / "config.yml"], stdout=log, stderr=log)
    scheme, ca = ("https", str(tls / "fullchain.pem")) if tls else ("http", "")
    registry = ImageRegistry(host, storage or folder / "storage", process, scheme, ca)
    try:
        _wait(registry, folder / "log")
        yield registry
    finally:
        egress._pool.close()
        process.terminate()
        process.wait(30)


def htpasswd(folder: Path) -> dict[str, Any]:
    """The configuration of a registry that lets USER in by PASSWORD."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "htpasswd").write_text(HTPASSWD)
    return {"htpasswd": {"realm": "images", "path": str(folder / "htpasswd")}}


def _wait(registry: ImageRegistry, log: Path) -> None:
    for _ in range(300):
        with suppress(requests.ConnectionError):
            requests.get(f"{registry.scheme}://{registry.host}/v2/", timeout=5, verify=registry.ca or True)
            return
        assert registry.process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())
