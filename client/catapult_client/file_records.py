"""What the registry tells about files."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .record import Record


@dataclass(frozen=True)
class Artifact(Record):
    """A file of a version. `path` is relative, with / between its segments; `sha256` is in hex.

    `state` is `ready`; `pending` while a file on the mount, at `mount_path`, is read for the first time, of which
    `hashed_bytes` are done; `missing` or `changed` if it was so when it was last looked at.

    `facts` are what is in a file of weights: its `format`, `tensors`, `parameters`, `dtypes`, or a `problem` or `warning`.
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
