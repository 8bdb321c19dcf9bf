"""Records of deployments, environments and live versions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .gate_records import Decision
from .record import PARSE, Record, each


@dataclass(frozen=True)
class Deployment(Record):
    """A record that a version went to an environment. `release_id` is the version's id.

    It was live from `live_from` until just before `ended_at`. `superseded_by` is the id of the deployment that replaced
    it, `rollback_of` of the one that it rolled back. Each may be None.

    `decision_id` is the decision that made it live or, until then, that let it start; None before decisions were
    recorded. `override` is whether it overrode a gate. `decision` is the decision itself: records from `list_deployments`
    and `list_version_deployments` have None.
    """

    id: str = ""
    release_id: str = ""
    model_name: str = ""
    version: str = ""
    environment: str = ""
    status: str = ""
    live: bool = False
    endpoint_url: str | None = None
    log_url: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict, hash=False)
    deployed_by: str | None = None
    deployed_at: datetime | None = None
    live_from: datetime | None = None
    ended_at: datetime | None = None
    superseded_by: str | None = None
    decision_id: str | None = None
    override: bool = False
    decision: Decision | None = field(default=None, compare=False, repr=False)
    rollback_of: str | None = None
    updated_at: datetime | None = None
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Environment(Record):
    """An environment that versions are deployed to.

    `rank` orders environments from the first that a version reaches. Deploying to a `protected` one needs the role
    `releaser`. A `frozen` one takes no deployments, until `frozen_until` if that is set. An unfinished deployment is
    overdue after `deploy_within` seconds.
    """

    name: str = ""
    rank: int = 0
    protected: bool = False
    frozen: bool = False
    frozen_reason: str | None = None
    frozen_until: datetime | None = None
    description: str | None = None
    deploy_within: int | None = None
    created_by: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class LiveVersion(Record):
    """The live version of a model in an environment. `behind` is the number of newer versions, without archived ones."""

    deployment_id: str = ""
    version_id: str = ""
    version: str = ""
    is_release: bool = False
    live_from: datetime | None = None
    deployed_by: str | None = None
    behind: int = 0


@dataclass(frozen=True)
class LiveModel(Record):
    """The live versions of a model by environment. `latest_version` is a version string."""

    model_id: str = ""
    model_name: str = ""
    latest_version: str | None = None
    environments: dict[str, LiveVersion] = field(default_factory=dict, hash=False)


PARSE["dict[str, LiveVersion]"] = each(LiveVersion)
