"""Records of the registry's health, versions and contents."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from .record import Record


@dataclass(frozen=True)
class Health(Record):
    """The registry's health: `status` is `healthy` or `unhealthy`."""

    status: str = ""
    database: str | None = None
    version: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it is healthy."""
        return self.status == "healthy"


@dataclass(frozen=True)
class Info(Record):
    """The registry's versions and contents.

    `database` is PostgreSQL's version, `time` its clock, `counts` the number of `models`, `versions`, `deployments`.
    """

    name: str = ""
    version: str = ""
    api_version: str = ""
    database: str | None = None
    migration: str | None = None
    python: str | None = None
    time: datetime | None = None
    counts: dict[str, int] = field(default_factory=dict, hash=False)
