"""Image references: valid OCI digests, and the repository that an image is pulled from.

Source: the OCI image and distribution specifications, and the reference grammar of `distribution/reference`.
"""

import re
from functools import lru_cache

_HEX = {"sha256": 64, "sha384": 96, "sha512": 128}
_REGISTERED = {name: re.compile(rf"[a-f0-9]{{{length}}}") for name, length in _HEX.items()}
_OCI_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]+")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*")  # nothing that a shell would split or expand
_HOST_AND_PATH = re.compile(r"(?P<host>[A-Za-z0-9.-]+(?::\d+)?)/[a-z0-9]+(?:(?:[._]|__|-+|/)[a-z0-9]+)*")


def is_oci_digest(digest: str) -> bool:
    """Return whether the digest is valid for OCI: hex digits of the right length for a registered algorithm, else the grammar."""
    algorithm, _, encoded = digest.partition(":")
    registered = _REGISTERED.get(algorithm)
    if registered:
        return registered.fullmatch(encoded) is not None
    return _OCI_DIGEST.fullmatch(digest) is not None


def digest_status(digest: str) -> str:
    """Return `malformed` if the digest is not valid for OCI, else `unverified`: the image registry was not asked."""
    return "unverified" if is_oci_digest(digest) else "malformed"


@lru_cache(maxsize=4096)
def pull_from(repository: str | None, storage_path: str) -> str | None:
    """Return `repository`, or `storage_path` if it has the form `host[:port]/path`, else None.

    A host has a dot or a port, which is how container tools distinguish it from a Docker Hub user.
    """
    if repository:
        return repository if _REPOSITORY.fullmatch(repository) else None
    match = _HOST_AND_PATH.fullmatch(storage_path)
    return storage_path if match and ("." in match["host"] or ":" in match["host"]) else None


def image(repository: str | None, storage_path: str, digest: str) -> str | None:
    """Return `repository@digest`, ready to pull, or None without a repository or with a malformed digest."""
    source = pull_from(repository, storage_path)
    return f"{source}@{digest}" if source and is_oci_digest(digest) else None
