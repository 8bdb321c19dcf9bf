"""Records of models, versions, aliases and comments."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .record import Record


@dataclass(frozen=True)
class Model(Record):
    """A registered ML model. `latest_version` is a version string. Its `former_names` still lead to it.

    `register_tags` is a pattern of image tags that become versions when they are pushed; None is none.
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
    """A renamed model, with the gates and the bounds of keys that no longer apply to it, or newly do.

    Gates have `id model target kind`, keys `id name prefix models`.
    """

    gates_lost: list[dict[str, Any]] = field(default_factory=list, hash=False)
    gates_gained: list[dict[str, Any]] = field(default_factory=list, hash=False)
    keys_lost: list[dict[str, Any]] = field(default_factory=list, hash=False)
    keys_gained: list[dict[str, Any]] = field(default_factory=list, hash=False)


@dataclass(frozen=True)
class Version(Record):
    """An immutable image, or source, of a model. `is_release` is True after a promotion. `number` counts 1, 2, 3 … in the model.

    `image` can be pulled; without one it is None, and `image_fault` says why. A version with only a `source`, a URI
    or path, also has no `tag`, `digest` and `digest_status`. `live_in` has names of environments, `aliases` the names that point
    at it.
    `digest_status` and `tag_status` are from the last answer of the image registry: `verified`, `missing`, `mismatch`,
    `unreachable`, `unverified` or `malformed`, and `current`, `moved` or `gone`. `verification` has `detail checked_at
    verified_at tag_digest`, each of `signatures` `key layout verified_at` of a trusted key with a verified signature.
    A release has the `decision_id` of its promotion; `override` is whether it overrode a gate.
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
    """A name that points at a version: from `since` until just before `until`, which is None if it still does.

    `decision_id` is the decision that pointed it there, if gates guard it; `override` is whether it overrode one.
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
class Comment(Record):
    """A comment on a version. It blocks nothing, even if it asks for changes."""

    id: str = ""
    version_id: str = ""
    text: str = ""
    asks_for_changes: bool = False
    created_by: str | None = None
    created_at: datetime | None = None
