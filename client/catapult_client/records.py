"""What the registry answers with, as frozen records.

A record takes from an answer the fields it knows and ignores the others; one that is missing or null has the default
below, so an older or newer server does no harm. Times are aware datetimes, UTC. Dicts and lists are left out of the
hash, since they have none: a record works as a key and in sets. `etag` is for `if_match=`: only a record that was
fetched or changed alone has one, those of a list have None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timezone
from typing import Any, Callable, TypeVar

from .errors import UnexpectedAnswer

RecordT = TypeVar("RecordT", bound="Record")

_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))?(?P<zone>[Zz]|[+-]\d\d:\d\d)?"
)


def moment(text: str) -> datetime:
    """An RFC 3339 time as an aware datetime in UTC. One without a zone is taken as UTC. Raises ValueError.

    `datetime.fromisoformat` takes neither `Z` nor a fraction of other than 3 or 6 digits before Python 3.11.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no RFC 3339 time")
    fraction = (match["fraction"] or "0")[:6].ljust(6, "0")
    zone = match["zone"] if match["zone"] and match["zone"] not in "Zz" else "+00:00"
    return datetime.fromisoformat(f"{match['date']}T{match['clock']}.{fraction}{zone}").astimezone(timezone.utc)


def _records(kind: Callable[[], type[Record]]) -> Callable[[Any], Any]:
    """What makes a list, or a dict of any keys, of JSON objects one of records. Asked late: the class may stand below."""

    def parse(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: kind().from_json(one) for name, one in value.items()}
        return [kind().from_json(one) for one in value]

    return parse


# How a value becomes what its field's annotation says; with the annotations kept as text, that text is the key.
PARSE: dict[Any, Callable[[Any], Any]] = {
    "datetime | None": moment,
    "dict[str, Any]": dict,
    "dict[str, int]": dict,
    "list[str]": list,
    "list[str] | None": list,
    "Gate": lambda value: Gate.from_json(value),
    "list[Approval]": _records(lambda: Approval),
    "dict[str, LiveVersion]": _records(lambda: LiveVersion),
    "list[ComparedVersion]": _records(lambda: ComparedVersion),
    "list[ComparedKey]": _records(lambda: ComparedKey),
    "list[ComparedCell]": _records(lambda: ComparedCell),
}


class Record:
    """One JSON object of an answer."""

    @classmethod
    def from_json(cls: type[RecordT], body: Any, etag: str | None = None) -> RecordT:
        """The record of a decoded JSON object. Raises UnexpectedAnswer if it is none."""
        if not isinstance(body, Mapping):
            raise UnexpectedAnswer(f"The answer is no {cls.__name__}: it is no JSON object.")
        known = {f.name: f for f in fields(cls) if f.name != "etag"}  # type: ignore[arg-type]
        values: dict[str, Any] = {}
        for name, value in body.items():
            if name in known and value is not None:
                values[name] = _parsed(cls.__name__, name, value, PARSE.get(known[name].type))
        record = cls(**values)
        return record if etag is None else replace(record, etag=etag)  # type: ignore[type-var]


def _parsed(kind: str, name: str, value: Any, parse: Any) -> Any:
    try:
        return parse(value) if parse else value
    except (TypeError, ValueError):
        raise UnexpectedAnswer(f"{kind}.{name} is {value!r:.80}, which is not what the contract says.") from None


@dataclass(frozen=True)
class Model(Record):
    """An ML model that somebody registered. `latest_version` is its version string."""

    id: str = ""
    name: str = ""
    storage_path: str | None = None
    repository: str | None = None
    description: str | None = None
    tags: list[str] = field(default_factory=list, hash=False)
    metadata: dict[str, Any] = field(default_factory=dict, hash=False)
    version_count: int = 0
    latest_version: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Version(Record):
    """One immutable image of a model; `is_release` once somebody promoted it.

    `image` is ready to pull, None where the digest or the path is not one; `live_in` names environments.
    """

    id: str = ""
    model_id: str = ""
    model_name: str = ""
    version: str = ""
    tag: str = ""
    digest: str = ""
    digest_status: str | None = None
    image: str | None = None
    size_bytes: int | None = None
    platform: str | None = None
    quantization: str | None = None
    release_notes: str | None = None
    ceph_path: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict, hash=False)
    status: str = ""
    is_release: bool = False
    released_at: datetime | None = None
    released_by: str | None = None
    live_in: list[str] = field(default_factory=list, hash=False)
    created_by: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class ComparedVersion(Record):
    """One of the versions that are compared."""

    id: str = ""
    model_name: str = ""
    version: str = ""


@dataclass(frozen=True)
class ComparedCell(Record):
    """What a version has under a key, beside what the first one has.

    `state` is `base` (the first one's), `same`, `changed`, `new` (only this one has it), `gone` (only the first has
    it) or `none`; in the last two `value` is None. Of two numbers that differ there is their `difference`, and the same
    in `percent` of the first.
    """

    state: str = ""
    value: Any = field(default=None, hash=False)
    difference: float | None = None
    percent: float | None = None


@dataclass(frozen=True)
class ComparedKey(Record):
    """One key of the metadata: `path` are the keys that lead to it, `key` is how that reads; a cell a version."""

    path: list[str] = field(default_factory=list, hash=False)
    key: str = ""
    differs: bool = False
    cells: list[ComparedCell] = field(default_factory=list, hash=False)


@dataclass(frozen=True)
class Comparison(Record):
    """Versions side by side, each measured by the first; `keys` are all that any of them has, by name."""

    versions: list[ComparedVersion] = field(default_factory=list, hash=False)
    keys: list[ComparedKey] = field(default_factory=list, hash=False)


@dataclass(frozen=True)
class Deployment(Record):
    """The record that a version went to an environment. `release_id` is the version's id.

    It was live there from `live_from` until just before `ended_at`, when the deployment `superseded_by` took its place;
    `rollback_of` is the deployment that it led back from. All four are None as long as there is none.
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
    rollback_of: str | None = None
    updated_at: datetime | None = None
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Environment(Record):
    """A place that versions are deployed to.

    `rank` is its place in order, from the first that a version reaches; deploying to a `protected` one takes the role
    `releaser`. While it is `frozen` it takes no deployments, until `frozen_until` if that is set.
    """

    name: str = ""
    rank: int = 0
    protected: bool = False
    frozen: bool = False
    frozen_reason: str | None = None
    frozen_until: datetime | None = None
    description: str | None = None
    created_by: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class LiveVersion(Record):
    """What is live of a model in one environment; `behind` versions were registered after it, archived ones left out."""

    deployment_id: str = ""
    version_id: str = ""
    version: str = ""
    is_release: bool = False
    live_from: datetime | None = None
    deployed_by: str | None = None
    behind: int = 0


@dataclass(frozen=True)
class LiveModel(Record):
    """What is live of a model, by environment; `latest_version` is a version string."""

    model_id: str = ""
    model_name: str = ""
    latest_version: str | None = None
    environments: dict[str, LiveVersion] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Gate(Record):
    """A rule on becoming a release (`target` is `release`) or on reaching an environment.

    `model` is a name, or a pattern as `myorg/*`. The fields below `kind` are those of one kind or another, None in the
    others: `metric` has `path op value`, `no_regression` `path direction tolerance`, `metadata_present` `paths`,
    `soaked` `environment seconds`, `approved` `count role`, and `released` none.
    """

    id: str = ""
    model: str = ""
    target: str = ""
    kind: str = ""
    path: str | None = None
    op: str | None = None
    value: float | None = None
    direction: str | None = None
    tolerance: float | None = None
    paths: list[str] | None = field(default=None, hash=False)
    environment: str | None = None
    seconds: int | None = None
    count: int | None = None
    role: str | None = None
    created_by: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Approval(Record):
    """A key's word that a version may reach a target. `void` says why it does not count; None where it does.

    Within a verdict `version_id` and `target` are empty: they are what was asked about.
    """

    id: str = ""
    version_id: str = ""
    target: str = ""
    comment: str | None = None
    approved_by: str | None = None
    created_at: datetime | None = None
    void: str | None = None


@dataclass(frozen=True)
class Verdict(Record):
    """What a gate says of a version: whether it lets it through, and why, in a sentence with both numbers."""

    gate: Gate = field(default_factory=Gate)
    passed: bool = False
    detail: str = ""
    approvals: list[Approval] = field(default_factory=list, hash=False)


@dataclass(frozen=True)
class ApiKey(Record):
    """A key. `key`, the secret, is there only in what `create_api_key` gives, and never in the repr."""

    id: str = ""
    name: str = ""
    role: str = ""
    prefix: str = ""
    is_active: bool = False
    created_at: datetime | None = None
    created_by: str | None = None
    last_used_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    key: str | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class AuditEntry(Record):
    """Who did what, when, from where."""

    id: str = ""
    action: str = ""
    resource_type: str = ""
    resource_id: str | None = None
    api_key_id: str | None = None
    api_key_name: str | None = None
    details: dict[str, Any] = field(default_factory=dict, hash=False)
    ip_address: str | None = None
    request_id: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True)
class Health(Record):
    """Whether the registry works: `status` is `healthy` or `unhealthy`."""

    status: str = ""
    database: str | None = None
    version: str | None = None

    @property
    def ok(self) -> bool:
        """True when it is healthy."""
        return self.status == "healthy"


@dataclass(frozen=True)
class Info(Record):
    """What runs there, and how much it holds.

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
