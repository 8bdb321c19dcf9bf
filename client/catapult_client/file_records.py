"""Records of files, their signatures and the keys that signed them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .record import Record


@dataclass(frozen=True)
class Artifact(Record):
    """A file of a version. `path` is relative, with / between its segments; `sha256` is in hex.

    `state` is `ready`; `pending` while a file on the mount, at `mount_path`, is read for the first time, of which
    `hashed_bytes` are done; `missing` or `changed` if the last check found that.

    `facts` describe a file of weights: its `format`, `tensors`, `parameters`, `dtypes`, or a `problem` or `warning`.
    """

    id: str = ""
    version_id: str = ""
    path: str = ""
    media_type: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    state: str = "ready"
    mount_path: str | None = None
    hashed_bytes: int | None = None
    facts: dict[str, Any] = field(default_factory=dict, hash=False)
    created_by: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True)
class MountFile(Record):
    """A file or folder on the registry's mount. `path` is relative to the mount, `kind` is `file` or `folder`."""

    path: str = ""
    kind: str = ""
    size_bytes: int | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True)
class FileSignature(Record):
    """Whether a trusted key has signed the files of a version, as they are now. `detail` explains it in a sentence.

    `key` has the `id`, `name` and `fingerprint` of the trusted key; it is None if nothing is verified.
    """

    verified: bool = False
    key: dict[str, Any] | None = field(default=None, hash=False)
    detail: str = ""


@dataclass(frozen=True)
class TrustedKey(Record):
    """A public key that files may be signed for: `public_key` is PEM, `fingerprint` the SHA-256 of the same in DER.

    `model` is a pattern of models, None is all. Signatures with this key do not count after `not_after`.
    """

    id: str = ""
    name: str = ""
    public_key: str = ""
    fingerprint: str = ""
    model: str | None = None
    not_after: datetime | None = None
    created_by: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str | None = field(default=None, compare=False, repr=False)
