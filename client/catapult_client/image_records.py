"""Records of image registries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from .record import Record


@dataclass(frozen=True)
class ImageRegistry(Record):
    """The access to an image registry for the repositories that match a pattern of `repositories`.

    `secret` and `ca` are names of the server's secrets: of a password or token, and of certificates.
    """

    id: str = ""
    host: str = ""
    repositories: list[str] = field(default_factory=list, hash=False)
    allow_http: bool = False
    ca: str | None = None
    username: str | None = None
    secret: str | None = None
    created_by: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str | None = field(default=None, compare=False, repr=False)
