"""The registry's answers as frozen records.

A record ignores fields of an answer that it does not know, and has the default below for those that are missing or
null, so that older and newer servers work. Times are aware datetimes in UTC. Records can be hashed; their dicts and
lists are left out of the hash. `etag` is for `if_match=`: records from a list have None.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from . import merkle
from .record import PARSE, Record, each


@dataclass(frozen=True)
class Model(Record):
    """A registered ML model. `latest_version` is a version string. Its `former_names` lead to it as well.

    `register_tags` is a pattern of image tags that become versions when they are pushed; None is no tag.
    """

    id: str = ""
    name: str = ""
    former_names: list[str] = field(default_factory=list, hash=False)
    storage_path: str | None = None
    repository: str | None = None
    description: str | None = None
    register_tags: str | None = None
    tags: list[str] = field(default_factory=list, hash=False)
    metadata: dict[str, Any] = field(default_factory=dict, hash=False)
    version_count: int = 0
    latest_version: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Renamed(Model):
    """A model after a new name, with the gates and the bounds of keys that are for it no more, or are now.

    Gates have `id model target kind`, keys `id name prefix models`.
    """

    gates_lost: list[dict[str, Any]] = field(default_factory=list, hash=False)
    gates_gained: list[dict[str, Any]] = field(default_factory=list, hash=False)
    keys_lost: list[dict[str, Any]] = field(default_factory=list, hash=False)
    keys_gained: list[dict[str, Any]] = field(default_factory=list, hash=False)


@dataclass(frozen=True)
class Version(Record):
    """An immutable image, or source, of a model. `is_release` is True after a promotion. `number` counts 1, 2, 3 … in the model.

    `image` can be pulled; without one it is None, and `image_fault` says why. A version that has only a `source`, a URI
    or path, has no `tag`, `digest` and `digest_status` either. `live_in` has names of environments, `aliases` those that point
    at it.
    `digest_status` and `tag_status` are what the image registry answered last: `verified`, `missing`, `mismatch`,
    `unreachable`, `unverified` or `malformed`, and `current`, `moved` or `gone`. `verification` has `detail checked_at
    verified_at tag_digest`, each of `signatures` `key layout verified_at` of a trusted key whose signature verified.
    A release has the `decision_id` of its promotion; `override` is whether that overrode a gate.
    """

    id: str = ""
    model_id: str = ""
    model_name: str = ""
    version: str = ""
    number: int = 0
    tag: str | None = None
    digest: str | None = None
    digest_status: str | None = None
    tag_status: str | None = None
    verification: dict[str, Any] | None = field(default=None, hash=False)
    manifest: dict[str, Any] | None = field(default=None, hash=False)
    signatures: list[dict[str, Any]] = field(default_factory=list, hash=False)
    image: str | None = None
    image_fault: str | None = None
    source: str | None = None
    size_bytes: int | None = None
    platform: str | None = None
    quantization: str | None = None
    release_notes: str | None = None
    tags: list[str] = field(default_factory=list, hash=False)
    ceph_path: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict, hash=False)
    status: str = ""
    is_release: bool = False
    released_at: datetime | None = None
    released_by: str | None = None
    decision_id: str | None = None
    override: bool = False
    live_in: list[str] = field(default_factory=list, hash=False)
    aliases: list[str] = field(default_factory=list, hash=False)
    created_by: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Alias(Record):
    """A name that points at a version: from `since` until just before `until`, which is None for now.

    `decision_id` is the decision that let it point there where gates guard it; `override` is whether that overrode one.
    """

    id: str = ""
    model_id: str = ""
    model_name: str = ""
    name: str = ""
    version_id: str = ""
    version: str = ""
    since: datetime | None = None
    until: datetime | None = None
    set_by: str = ""
    reason: str | None = None
    override: bool = False
    decision_id: str | None = None


@dataclass(frozen=True)
class Decision(Record):
    """A promotion, demotion, deployment, rollback or retirement, or a change of an alias that gates guard, with everything
    that let it through. It never changes.

    `kind` is `promote`, `demote`, `deploy`, `rollback`, `retire`, `move` or `remove` (of an alias); `target` is `release`,
    an environment or `@` and an alias. `content` has the version's `tag digest image source hash numbers` of that moment,
    each of `verdicts` `gate_id kind rule passed detail`, each of `approvals` `by at comment`. `freeze` is the reason of a
    freeze that did not stop it. The audit entry has the same `sha256`.
    """

    id: str = ""
    kind: str = ""
    at: datetime | None = None
    by: str = ""
    by_key_id: str | None = None
    by_person_id: str | None = None
    version_id: str = ""
    model_name: str = ""
    version: str = ""
    target: str = ""
    content: dict[str, Any] = field(default_factory=dict, hash=False)
    reason: str | None = None
    override: bool = False
    override_by_registrant: bool = False
    verdicts: list[dict[str, Any]] = field(default_factory=list, hash=False)
    approvals: list[dict[str, Any]] = field(default_factory=list, hash=False)
    freeze: str | None = None
    sha256: str = ""


@dataclass(frozen=True)
class Deployment(Record):
    """A record that a version went to an environment. `release_id` is the version's id.

    It was live from `live_from` until just before `ended_at`. `superseded_by` is the id of the deployment that replaced
    it, `rollback_of` of the one that it rolled back. Each may be None.

    `decision_id` is the decision that made it live, before that the one that let it begin; None if no evidence was kept
    then. `override` is whether that overrode a gate. `decision` is the decision itself: records from `list_deployments`
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


@dataclass(frozen=True)
class Gate(Record):
    """A rule for promotions (`target` is `release`), for deployments to an environment, or for an alias (`@champion`).

    `model` is a name or a pattern such as `myorg/*`. The other fields depend on the kind, and are None for the rest:
    `metric` has `path op value`, `no_regression` `path direction tolerance`, `metadata_present` `paths`,
    `soaked` `environment seconds`, `approved` `count role`, `digest_verified` `max_age tag`, `signed` `count`, and `released`,
    `files_signed` and `files_intact` none.
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
    max_age: int | None = None
    tag: bool | None = None
    role: str | None = None
    created_by: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Approval(Record):
    """An approval of a version for a target. `void` says why it does not count; None if it does.

    `note` says whether whoever registered the version or asks made its key. Within a verdict `version_id` and `target` are empty.
    """

    id: str = ""
    version_id: str = ""
    target: str = ""
    comment: str | None = None
    approved_by: str | None = None
    created_at: datetime | None = None
    void: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Comment(Record):
    """A comment on a version. It holds nothing back, also if it asks for changes."""

    id: str = ""
    version_id: str = ""
    text: str = ""
    asks_for_changes: bool = False
    created_by: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True)
class Verdict(Record):
    """The result of a gate for a version. `detail` says why in a sentence, with the numbers."""

    gate: Gate = field(default_factory=Gate)
    passed: bool = False
    detail: str = ""
    approvals: list[Approval] = field(default_factory=list, hash=False)


@dataclass(frozen=True)
class Person(Record):
    """A person, who may hold keys. `role` is the highest role of their keys.

    `email` is None unless the key that asks is an admin's or the person's own. `notices` are the events that they are told of
    by mail.
    """

    id: str = ""
    name: str = ""
    email: str | None = None
    role: str = ""
    active: bool = False
    notices: list[str] = field(default_factory=list, hash=False)
    created_by: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class PersonRef(Record):
    """The id and name of a person. Methods that take a person's id take it, too."""

    id: str = ""
    name: str = ""


@dataclass(frozen=True)
class Bounds(Record):
    """What a key may change: models by name or pattern, and environments. None is no bound, `[]` is nothing."""

    models: list[str] | None = field(default=None, hash=False)
    environments: list[str] | None = field(default=None, hash=False)


@dataclass(frozen=True)
class Me(Record):
    """The key that asks, and its person. `name` is the person's, or the key's if it is a service's (`person` is None)."""

    name: str = ""
    role: str = ""
    person: PersonRef | None = None
    email: str | None = None
    key_id: str = ""
    key_name: str = ""
    expires_at: datetime | None = None
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True)
class SavedView(Record):
    """A name for the address of a list on the pages, path and query. Only its holder sees it."""

    id: str = ""
    name: str = ""
    address: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True)
class ApiKey(Record):
    """An API key. `person` holds it; None if it is a service's. `models` and `environments` are what it may change.

    Only `create_api_key`, `create_my_key` and `rotate_api_key` return `key`, the secret. It is never in the repr.
    `old_expires_at`, of `rotate_api_key`, is when the old key, `replaces_id`, stops working.
    """

    id: str = ""
    name: str = ""
    role: str = ""
    prefix: str = ""
    is_active: bool = False
    created_at: datetime | None = None
    created_by: str | None = None
    person: PersonRef | None = None
    models: list[str] | None = field(default=None, hash=False)
    environments: list[str] | None = field(default=None, hash=False)
    replaces_id: str | None = None
    last_used_at: datetime | None = None
    last_used_from: str | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    old_expires_at: datetime | None = None
    key: str | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Webhook(Record):
    """Where events are sent, and which. Of the address only `host` and `url_end`, its last characters, are ever shown.

    `state` is active, failing or ended. Only `create_webhook` and `rotate_webhook` return `secret`. It is never in the repr.
    """

    id: str = ""
    host: str = ""
    url_end: str = ""
    format: str = ""
    events: list[str] | None = field(default=None, hash=False)
    models: list[str] | None = field(default=None, hash=False)
    environments: list[str] | None = field(default=None, hash=False)
    state: str = ""
    failing_since: datetime | None = None
    ended_at: datetime | None = None
    ended_because: str | None = None
    old_secret_until: datetime | None = None
    created_by: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    secret: str | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Delivery(Record):
    """An event on its way to a webhook. `state` is waiting, delivered or failed; `id` is the message's `webhook-id`.

    `log` has the tries, the newest first: `at milliseconds status answer error`.
    """

    id: str = ""
    webhook_id: str = ""
    event_id: str = ""
    type: str = ""
    data: dict[str, Any] = field(default_factory=dict, hash=False)
    state: str = ""
    tries: int = 0
    next_try_at: datetime | None = None
    created_at: datetime | None = None
    log: list[Any] = field(default_factory=list, hash=False)


@dataclass(frozen=True)
class Job(Record):
    """Work for the registry's worker. `state` is open, or failed: then nobody tries it again by itself."""

    id: str = ""
    kind: str = ""
    key: str = ""
    state: str = ""
    attempts: int = 0
    run_at: datetime | None = None
    leased_until: datetime | None = None
    last_run_at: datetime | None = None
    last_error: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True)
class AuditEntry(Record):
    """An entry of the audit log: who did what, when and from where.

    `person` held the key, by the name of that time; None for a service's key.
    """

    id: str = ""
    action: str = ""
    resource_type: str = ""
    resource_id: str | None = None
    api_key_id: str | None = None
    api_key_name: str | None = None
    person: PersonRef | None = None
    details: dict[str, Any] = field(default_factory=dict, hash=False)
    ip_address: str | None = None
    request_id: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True)
class Checkpoint(Record):
    """The signed root of the first `size` sealed audit entries. `note` is what to keep elsewhere."""

    size: int = 0
    root: str = ""
    note: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True)
class AuditKey(Record):
    """The public key that checkpoints are signed with, in base64, and as tools for signed notes take it."""

    origin: str = ""
    public_key: str = ""
    verifier: str = ""


@dataclass(frozen=True)
class Proof(Record):
    """The proof that a checkpoint contains an audit entry: the entry's number, its leaf, and the hashes up to the root."""

    id: str = ""
    seq: int = 0
    leaf: str = ""
    size: int = 0
    hashes: list[str] = field(default_factory=list, hash=False)
    root: str = ""

    def leads_to_root(self) -> bool:
        """Return whether the hashes lead from the leaf to the root. Compare `root` and `size` with a note that you hold."""
        root = merkle.root_of(bytes.fromhex(self.leaf), self.seq, self.size, [*map(bytes.fromhex, self.hashes)])
        return root == bytes.fromhex(self.root)


@dataclass(frozen=True)
class Consistency(Record):
    """The proof that the log of `last` sealed entries, with this root, begins with that of `first` entries."""

    first: int = 0
    last: int = 0
    hashes: list[str] = field(default_factory=list, hash=False)
    root: str = ""

    def continues(self, root: str) -> bool:
        """Return whether the log continues the one of `first` entries that had this root, in hex."""
        hashes = [*map(bytes.fromhex, self.hashes)]
        return merkle.begins_with(self.first, bytes.fromhex(root), self.last, bytes.fromhex(self.root), hashes)


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


PARSE.update(
    {
        "Gate": Gate.from_json,
        "Bounds": Bounds.from_json,
        "PersonRef | None": PersonRef.from_json,
        "Decision | None": Decision.from_json,
        "list[Approval]": each(Approval),
        "dict[str, LiveVersion]": each(LiveVersion),
    }
)
