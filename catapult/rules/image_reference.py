"""Image references: valid OCI digests, the repository that an image is pulled from, and the parts of an image's name.

Source: the OCI image and distribution specifications, and the reference grammar of `distribution/reference`, which docker,
podman and skopeo share. It knows the digest algorithms of `go-digest` alone, and counts Docker Hub's host with a name.
"""

import re
from functools import lru_cache
from typing import NamedTuple

_HEX = {"sha256": 64, "sha384": 96, "sha512": 128}
_REGISTERED = {name: re.compile(rf"[a-f0-9]{{{length}}}") for name, length in _HEX.items()}
_OCI_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*(?::(?P<port>\d{{1,5}}))?")
_PART = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")
LONGEST = 255
HUB = ("", "docker.io", "index.docker.io")
_PORT = "[1-9][0-9]{0,3}|[1-5][0-9]{4}"
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_UNDOTTED = r"[a-z0-9]+(?:(?:_|__|-+)[a-z0-9]+)*"
PATTERN = (
    rf"^(?:(?:{_LABEL}(?:\.{_LABEL})+(?::(?:{_PORT}))?|{_LABEL}:(?:{_PORT}))/{_PART.pattern}(?:/{_PART.pattern})*"
    rf"|{_UNDOTTED}(?:/{_PART.pattern})*|{_PART.pattern})$"
)
"""A pattern of ECMA-262 for what `repository_fault` accepts; ports above 59999 are left out."""


class ImageName(NamedTuple):
    """The parts of an image's name. `tag` or `digest` is None where the name has none; it has one of them."""

    host: str
    """In lower case, `docker.io` by default."""
    repository: str
    """As its registry knows it: `library/redis` of `redis`."""
    tag: str | None
    digest: str | None

    @property
    def name(self) -> str:
        """The repository with its host, without tag and digest."""
        return f"{self.host}/{self.repository}"

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse(image: str) -> ImageName:
    """Return the parts of `repository:tag`, `repository@digest`, or both in one. Raises ValueError, with what to write."""
    if scheme := _SCHEME.match(image):
        raise ValueError(f"Must have no scheme, as {image[scheme.end() :][:300] or 'ghcr.io/acme/bert:v1'} has none.")
    repository, at, digest = image.partition("@")
    path, colon, tag = repository.rpartition(":")
    if not colon or "/" in tag:
        path, tag = repository, ""
    if not path or ":" in path.rpartition("/")[2]:
        raise ValueError("Must be a repository with a tag or a digest, such as ghcr.io/acme/bert:v1.")
    if fault := repository_fault(path):
        raise ValueError(fault)
    if at and not is_pullable_digest(digest):
        raise ValueError(
            "Must have a digest of sha256, sha384 or sha512 after the @, such as sha256: and 64 hex digits."
        )
    if tag and not is_tag(tag):
        raise ValueError(
            "Must have a tag of at most 128 letters, digits and _ . - after the colon, not begun by . or -."
        )
    if not tag and not at:
        raise ValueError(f"Must have a tag or a digest, such as {path}:v1 or {path}@sha256:….")
    first, _, rest = path.partition("/")
    host, rest = (first.lower(), rest) if _is_host(first, path) else ("", path)
    if host in HUB:
        host, rest = HUB[1], rest if "/" in rest else f"library/{rest}"
    return ImageName(host, rest, tag or None, digest or None)


def is_tag(tag: str) -> bool:
    """Return whether the tag is valid for OCI."""
    return _TAG.fullmatch(tag) is not None


@lru_cache(maxsize=4096)
def is_oci_digest(digest: str) -> bool:
    """Return whether the digest is valid for OCI: hex digits of the right length for a registered algorithm, else the grammar."""
    algorithm, _, encoded = digest.partition(":")
    registered = _REGISTERED.get(algorithm)
    if registered:
        return registered.fullmatch(encoded) is not None
    return _OCI_DIGEST.fullmatch(digest) is not None


@lru_cache(maxsize=4096)
def is_pullable_digest(digest: str) -> bool:
    """Return whether container tools pull by this digest: they know no other than the registered algorithms."""
    algorithm, _, encoded = digest.partition(":")
    registered = _REGISTERED.get(algorithm)
    return registered is not None and registered.fullmatch(encoded) is not None


def digest_status(digest: str | None) -> str | None:
    """Return `malformed` if the digest is not valid for OCI, else `unverified`: the image registry was not asked. None for none."""
    if digest is None:
        return None
    return "unverified" if is_oci_digest(digest) else "malformed"


@lru_cache(maxsize=4096)
def pull_from(repository: str | None, storage_path: str) -> str | None:
    """Return `repository`, or `storage_path` if it has the form `host[:port]/path`; None if it cannot be pulled from."""
    if repository:
        return repository if repository_fault(repository) is None else None
    first = storage_path.partition("/")[0]  # `localhost/bert` is rather a folder
    has_host = first != "localhost" and _is_host(first, storage_path)
    return storage_path if has_host and repository_fault(storage_path) is None else None


def repository_fault(repository: str) -> str | None:
    """Return what keeps container tools from pulling from this repository, and what to write; None if nothing does."""
    if scheme := _SCHEME.match(repository):
        bare = repository[scheme.end() :].strip("/").lower()
        return (
            f"Must have no scheme, as {bare or 'ghcr.io/acme/bert'} has none. "
            "What is not a container registry belongs in storage_path."
        )
    first, _, rest = repository.partition("/")
    host, path = (first, rest) if _is_host(first, repository) else ("", repository)
    parts = path.split("/")
    match = _HOST.fullmatch(host)
    if host and (match is None or not 0 < int(match["port"] or 443) < 65_536):
        return f"Must begin with a host or host:port, which {host[:60]!r} is not."
    if "" in parts:
        return "Must have a name after each slash, and none at the end."
    if "@" in path or ":" in path:
        return "Must have no tag and no digest: they belong to each version."
    if path != path.lower():
        return f"Must be in lower case after the host: {'/'.join([*([host] if host else []), path.lower()])}."
    if bad := next((part for part in parts if not _PART.fullmatch(part)), None):
        return f"Must be made of letters, digits and single . _ - between them, which {bad[:60]!r} is not."
    full = len("docker.io/" if len(parts) > 1 else "docker.io/library/") + len(path) if host in HUB else len(repository)
    return f"Must be at most {LONGEST + len(repository) - full} characters." if full > LONGEST else None


def _is_host(first: str, reference: str) -> bool:
    """Return whether container tools read the first part of the reference as a host and not as a user of Docker Hub."""
    return "/" in reference and (first == "localhost" or "." in first or ":" in first)


def image(repository: str | None, storage_path: str, digest: str | None) -> str | None:
    """Return `repository@digest`, ready to pull, or None if `image_fault` says why there is none."""
    if digest is None:
        return None
    source = pull_from(repository, storage_path)
    return f"{source}@{digest}" if source and is_pullable_digest(digest) else None


def image_fault(repository: str | None, storage_path: str, digest: str | None) -> str | None:
    """Return why there is no image to pull, and what to do; None if there is one."""
    if digest is None:
        return "The version was registered without an image: use its source."
    if not is_oci_digest(digest):
        return f"No container registry accepts the digest {digest[:80]}; one is sha256: and 64 hex digits."
    if not is_pullable_digest(digest):
        algorithm = digest.partition(":")[0]
        return f"Container tools do not know the digest algorithm {algorithm[:60]}, only {', '.join(_HEX)}."
    if pull_from(repository, storage_path):
        return None
    fault = repository_fault(repository) if repository else None
    if fault:
        return f"Correct the model's repository, {repository}: it {fault[0].lower()}{fault[1:]}"
    return "The model's storage path is not an address to pull from. Set the model's repository."
