"""The whole database on one page: tables, enums, constraints, indexes.

Whatever PostgreSQL can enforce is enforced here, so that no door and no bug gets around it. Only the migrations have the
triggers that refuse UPDATE, DELETE and TRUNCATE on `audit_logs`, `decisions`, `sealed_entries`, `audit_nodes` and
`audit_keys`, the triggers that write `deployment_states` and `unsealed_entries`, the functions `catapult_grams`,
`catapult_trigrams`, `catapult_entry_model` and `catapult_archive_audit_logs`, and the type `catapult_place`.
No row is deleted: `deleted_at` removes it from every list and frees its name. Times are UTC.
"""

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    Computed,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Numeric,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, declared_attr, mapped_column, relationship
from uuid_utils.compat import uuid7

from catapult.extensions import Row

ARTIFACT_PATH_LENGTH = 1_024
MOUNT_PATH_LENGTH = 4_096
NAME_LENGTH, EMAIL_LENGTH, VERSION_LENGTH, TAG_LENGTH, DIGEST_LENGTH, ENVIRONMENT_LENGTH = 255, 254, 128, 128, 300, 63
TEXT_LENGTH, NOTES_LENGTH, COMMENT_LENGTH = 10_000, 65_536, 2_000
MAX_RANK = 2**31 - 1
PLACE_LENGTH = 1_024  # storage paths, repositories, URLs
SOURCE_LENGTH = 2_000
METRIC_PATH_LENGTH = 255
KEY_LENGTH = 4_096  # of a public key in PEM; RSA of 8192 bits has some 1,400
PULL_FROM = "lower(coalesce(nullif(repository, ''), storage_path))"
"""SQL for where a model's images are, as `ix_models_register_tags` has it."""
TAG_PATTERN = "^[A-Za-z0-9_*][A-Za-z0-9._*-]*$"
"""The pattern of a pattern of image tags."""
SECRET_NAME_LENGTH = 128
SECRET_NAME = "^[A-Za-z0-9_][A-Za-z0-9._-]*$"  # noqa: S105 - a pattern
"""The pattern of the name of a secret, of a file or a variable: it leads out of no folder."""
VIEW_NAME_LENGTH, VIEW_ADDRESS_LENGTH = 80, 3_000

VIEW_ADDRESS = r"/(models|versions|deployments|audit)(/[0-9A-Za-z_][!$-.0->@-\[\]-~]*)*(\?[!$-\[\]-~]*)?"
"""Path and query of a list of the pages, or of something below it.

It begins with one slash and a word of ours, so that it names no other host; no blank, quote, #, backslash or line end. A
segment begins with a letter, a digit or _: none leads up, and none to a form, which is below `/-/`.
"""
DEFAULT_PLATFORM = "linux/amd64"

VISIBLE = r"[^\u0001-\u0020\u007f-\u00a0\u00ad\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]"
"""A character that is seen: neither a blank nor a control or formatting character."""
SOURCE = f"{VISIBLE}+( +{VISIBLE}+)*"
"""The pattern of a version's source."""

# The clock for all times of a row: when PostgreSQL received the statement that writes it, which is after the locks.
NOW = func.statement_timestamp()
NOT_DELETED, DELETED = text("deleted_at IS NULL"), text("deleted_at IS NOT NULL")
ACTIVE_VERSIONS, ARCHIVED = (text(f"deleted_at IS NULL AND status = '{status}'") for status in ("active", "archived"))
TAGGED = text("deleted_at IS NULL AND tags <> '{}'")
OF_RUN = text("deleted_at IS NULL AND ((metadata -> 'mlflow') ->> 'run_id') IS NOT NULL")
RELEASES = text("deleted_at IS NULL AND released_at IS NOT NULL")
ACTIVE_RELEASES = text("deleted_at IS NULL AND status = 'active' AND released_at IS NOT NULL")
LIVE = "live_from IS NOT NULL AND ended_at IS NULL"
UNSOUND_IMAGE = "digest_status IN ('missing', 'mismatch') OR tag_status IN ('moved', 'gone')"
OPEN = "status IN ('pending', 'running') AND deleted_at IS NULL"

RELEASE = "release"
"""The target of gates and approvals that means becoming a release. Others are environments, and aliases: `@champion`."""

RESERVED_SEGMENTS = ("live", "rollback", "retire")
"""What no segment of an environment's name after the first is: addresses have these words after a name, and `-`."""

_RESERVED = ", ".join(f"'{word}'" for word in RESERVED_SEGMENTS)
ENVIRONMENT_RULE = (
    "{0} ~ '^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$'"
    f" AND NOT (string_to_array(lower({{0}}), '/'))[2:] && ARRAY[{_RESERVED}]"
)
ALIAS_LENGTH = ENVIRONMENT_LENGTH - 1  # with its @ it is a target
ALIAS = "(?!(?:[Ll][Aa][Tt][Ee][Ss][Tt]|[Vv][0-9]+)$)[A-Za-z0-9_-]+"
"""The pattern of an alias. `latest` and `v7` mean something else to those who load models."""

PLACE_RULE = f"{ENVIRONMENT_RULE} AND {{0}} = lower({{0}})"
TARGET_RULE = f"({ENVIRONMENT_RULE} OR {{0}} ~ '^@{ALIAS}$') AND {{0}} = lower({{0}})"
"""The rules of an environment's name, of one in lower case, and of a target, which may also be an alias."""

MODEL_SEGMENT = "[A-Za-z0-9][A-Za-z0-9._-]*(?: [A-Za-z0-9._-]+)*"
"""A segment of a model's name. Single spaces may be inside."""
_PART = "[A-Za-z0-9*][A-Za-z0-9._*-]*( [A-Za-z0-9._*-]+)*"
PATTERN = f"^{_PART}(/{_PART})*$"
"""The pattern of a gate's model: a name in which each `*` matches any text, with slashes."""


class Role(enum.StrEnum):
    """What a key may do. Each role includes those before it."""

    VIEWER = "viewer"
    PUBLISHER = "publisher"
    RELEASER = "releaser"
    ADMIN = "admin"

    def holds(self, needed: "Role") -> bool:
        """Return whether this role may do what `needed` may."""
        return _RANK[self] >= _RANK[needed]


_RANK = {role: rank for rank, role in enumerate(Role)}


class DecisionKind(enum.StrEnum):
    """What was decided about a version."""

    PROMOTE = "promote"
    DEMOTE = "demote"
    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    RETIRE = "retire"
    MOVE = "move"
    REMOVE = "remove"


class VersionStatus(enum.StrEnum):
    ACTIVE = "active"
    ARCHIVED = "archived"


class DeploymentStatus(enum.StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"


class GateKind(enum.StrEnum):
    """What a gate checks."""

    METRIC = "metric"
    NO_REGRESSION = "no_regression"
    METADATA_PRESENT = "metadata_present"
    RELEASED = "released"
    SOAKED = "soaked"
    FILES_SIGNED = "files_signed"
    FILES_INTACT = "files_intact"
    DIGEST_VERIFIED = "digest_verified"
    SIGNED = "signed"
    APPROVED = "approved"


class Operator(enum.StrEnum):
    """How a gate of kind `metric` compares the number."""

    AT_LEAST = ">="
    ABOVE = ">"
    AT_MOST = "<="
    BELOW = "<"
    EQUAL = "=="


class Direction(enum.StrEnum):
    """Whether higher or lower numbers are better."""

    HIGHER = "higher"
    LOWER = "lower"


class Kind(enum.StrEnum):
    """The kinds of resources that audit entries are about."""

    MODEL = "model"
    VERSION = "version"
    DEPLOYMENT = "deployment"
    ENVIRONMENT = "environment"
    GATE = "gate"
    APPROVAL = "approval"
    COMMENT = "comment"
    PERSON = "person"
    API_KEY = "api_key"
    SESSION = "session"
    SAVED_VIEW = "saved_view"
    WEBHOOK = "webhook"
    DELIVERY = "delivery"
    JOB = "job"
    ARTIFACT = "artifact"
    TRUSTED_KEY = "trusted_key"
    REGISTRY = "registry"
    AUDIT_KEY = "audit_key"
    AUDIT_LOG = "audit_log"


class Action(enum.StrEnum):
    """Every action that the audit log records. Queries, filters and pages read this list; `audit.entry` refuses others."""

    MODEL_CREATE = "model.create"
    MODEL_UPDATE = "model.update"
    MODEL_RENAME = "model.rename"
    MODEL_DELETE = "model.delete"
    VERSION_CREATE = "version.create"
    VERSION_UPDATE = "version.update"
    VERSION_PROMOTE = "version.promote"
    VERSION_DEMOTE = "version.demote"
    VERSION_DELETE = "version.delete"
    VERSION_VERIFY = "version.verify"
    ALIAS_MOVE = "alias.move"
    ALIAS_REMOVE = "alias.remove"
    DEPLOYMENT_CREATE = "deployment.create"
    DEPLOYMENT_UPDATE = "deployment.update"
    DEPLOYMENT_ROLLBACK = "deployment.rollback"
    DEPLOYMENT_RETIRE = "deployment.retire"
    DEPLOYMENT_IMPORT = "deployment.import"
    ENVIRONMENT_CREATE = "environment.create"
    ENVIRONMENT_UPDATE = "environment.update"
    ENVIRONMENT_DELETE = "environment.delete"
    GATE_CREATE = "gate.create"
    GATE_UPDATE = "gate.update"
    GATE_DELETE = "gate.delete"
    GATE_OVERRIDE = "gate.override"
    APPROVAL_CREATE = "approval.create"
    APPROVAL_WITHDRAW = "approval.withdraw"
    COMMENT_CREATE = "comment.create"
    COMMENT_DELETE = "comment.delete"
    ARTIFACT_CREATE = "artifact.create"
    ARTIFACT_DELETE = "artifact.delete"
    ARTIFACT_READY = "artifact.ready"
    ARTIFACT_MISSING = "artifact.missing"
    ARTIFACT_CHANGED = "artifact.changed"
    TRUSTED_KEY_CREATE = "trusted_key.create"
    TRUSTED_KEY_UPDATE = "trusted_key.update"
    TRUSTED_KEY_DELETE = "trusted_key.delete"
    REGISTRY_CREATE = "registry.create"
    REGISTRY_UPDATE = "registry.update"
    REGISTRY_DELETE = "registry.delete"
    PERSON_CREATE = "person.create"
    PERSON_UPDATE = "person.update"
    API_KEY_CREATE = "api_key.create"
    API_KEY_UPDATE = "api_key.update"
    API_KEY_ROTATE = "api_key.rotate"
    API_KEY_REVOKE = "api_key.revoke"
    SESSION_CREATE = "session.create"
    SESSION_DELETE = "session.delete"
    SAVED_VIEW_CREATE = "saved_view.create"
    SAVED_VIEW_DELETE = "saved_view.delete"
    WEBHOOK_CREATE = "webhook.create"
    WEBHOOK_UPDATE = "webhook.update"
    WEBHOOK_ROTATE = "webhook.rotate"
    WEBHOOK_TEST = "webhook.test"
    WEBHOOK_END = "webhook.end"
    WEBHOOK_DELETE = "webhook.delete"
    DELIVERY_REPLAY = "delivery.replay"
    JOB_RETRY = "job.retry"
    AUDIT_KEY_CREATE = "audit_key.create"
    AUDIT_LOG_ARCHIVE = "audit_log.archive"
    AUTH_REFUSED = "auth.refused"
    AUTH_FORBIDDEN = "auth.forbidden"
    DEMO_FILL = "demo.fill"


class EventType(enum.StrEnum):
    """Every event that is sent to receivers. Subscriptions, formats and pages read this list; `rules.events` makes them."""

    VERSION_CREATED = "version.created"
    VERSION_PROMOTED = "version.promoted"
    VERSION_DEMOTED = "version.demoted"
    IMAGE_MOVED = "image.moved"
    ALIAS_MOVED = "alias.moved"
    ALIAS_REMOVED = "alias.removed"
    DEPLOYMENT_PENDING = "deployment.pending"
    DEPLOYMENT_RUNNING = "deployment.running"
    DEPLOYMENT_SUCCESS = "deployment.success"
    DEPLOYMENT_FAILED = "deployment.failed"
    DEPLOYMENT_CANCELLED = "deployment.cancelled"
    DEPLOYMENT_ROLLED_BACK = "deployment.rolled_back"
    DEPLOYMENT_RETIRED = "deployment.retired"
    GATE_OVERRIDDEN = "gate.overridden"
    APPROVAL_WANTED = "approval.wanted"
    APPROVAL_GIVEN = "approval.given"
    APPROVAL_WITHDRAWN = "approval.withdrawn"
    ENVIRONMENT_FROZEN = "environment.frozen"
    ENVIRONMENT_THAWED = "environment.thawed"
    WEBHOOK_TEST = "webhook.test"
    WEBHOOK_ENDED = "webhook.ended"
    AUDIT_CHECKPOINT = "audit.checkpoint"


class WebhookFormat(enum.StrEnum):
    """What a webhook's messages look like."""

    STANDARD = "standard"
    CDEVENTS = "cdevents"
    SLACK = "slack"
    TEAMS = "teams"
    EMAIL = "email"


class DeliveryState(enum.StrEnum):
    """Where a delivery is: on its way, arrived, or given up."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class ArtifactState(enum.StrEnum):
    """A file is ready, unless it lies on the mount and was not read yet, or was gone or other when it was last looked at."""

    PENDING = "pending"
    READY = "ready"
    MISSING = "missing"
    CHANGED = "changed"


class DigestStatus(enum.StrEnum):
    """What the image registry answered about a version's digest when it was last reached."""

    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    MISSING = "missing"
    MISMATCH = "mismatch"


class TagStatus(enum.StrEnum):
    """Whether a version's tag still leads to its digest at the image registry."""

    CURRENT = "current"
    MOVED = "moved"
    GONE = "gone"


class JobState(enum.StrEnum):
    """A job is open until it is done, and then deleted; one that failed too often stays until somebody tries it again."""

    OPEN = "open"
    FAILED = "failed"


def plain_number(value: Decimal) -> int | float:
    """Return the number as an int if it is whole, otherwise as a float."""
    return int(value) if value == value.to_integral_value() else float(value)


class ExactNumber(TypeDecorator[int | float]):
    """A number with all its digits, read by `plain_number`."""

    impl, cache_ok = Numeric, True

    def process_result_value(self, value: Any, dialect: Any) -> int | float | None:
        return None if value is None else plain_number(value)


def one_of(column: str, values: type[enum.StrEnum]) -> CheckConstraint:
    """Return a constraint: the column has one of the enum's values."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def at_most(length: int, *columns: str) -> list[CheckConstraint]:
    """Return a constraint for each text column: at most `length` characters, or NULL."""
    return [CheckConstraint(f"char_length({column}) <= {length}", name=f"{column}_length") for column in columns]


def _gin_index(name: str, expression: Any) -> Index:
    return Index(name, expression, postgresql_using="gin", postgresql_where=NOT_DELETED)


def _prefix_index(name: str, column: Mapped[Any], *rest: Mapped[Any]) -> Index:
    """Return an index that finds equal texts and, in any collation of the database, texts with the same prefix."""
    ops = {name: "varchar_pattern_ops"}
    return Index(f"ix_versions_{name}", column, *rest, postgresql_where=NOT_DELETED, postgresql_ops=ops)


def primary_key() -> Mapped[UUID]:
    return mapped_column(primary_key=True, default=uuid7)


class Editable:
    """Columns of a row that is edited. `counter` counts the changes of its own fields; `If-Match` compares it."""

    updated_at: Mapped[datetime] = mapped_column(server_default=NOW, onupdate=NOW)
    deleted_at: Mapped[datetime | None]
    counter: Mapped[int] = mapped_column(default=1, server_default="1")

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.counter, "eager_defaults": True}


class RegisteredModel(Editable, Row):
    """A registered ML model."""

    __tablename__ = "models"
    kind = Kind.MODEL

    id: Mapped[UUID] = primary_key()
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    # Names that it had before, oldest first. They lead to it while it is not deleted.
    former_names: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    storage_path: Mapped[str] = mapped_column(Text)
    repository: Mapped[str | None] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    # A pattern of image tags: one that is pushed to the repository is registered as a version. NULL registers none.
    register_tags: Mapped[str | None] = mapped_column(String(TAG_LENGTH))
    tags: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB, default=dict, server_default="{}")
    # Updated with every version, so that a page of models counts nothing.
    version_count: Mapped[int] = mapped_column(default=0, server_default="0")
    latest_version: Mapped[str | None] = mapped_column(String(VERSION_LENGTH))
    # The highest `number` that one of its versions was given. Deleted versions keep theirs, so that none is used again.
    last_number: Mapped[int] = mapped_column(default=0, server_default="0")
    # When its newest version was registered. The next one is later, even if the clock was set back.
    newest_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        CheckConstraint(
            f"name ~ '^{MODEL_SEGMENT}(/{MODEL_SEGMENT})*$' AND NOT"
            " (string_to_array(lower(name), '/') && ARRAY['versions', 'compare'])",
            name="name",
        ),
        CheckConstraint("version_count >= 0", name="version_count"),
        CheckConstraint("last_number >= 0", name="last_number"),
        CheckConstraint(f"register_tags ~ '{TAG_PATTERN}'", name="register_tags"),
        CheckConstraint("jsonb_typeof(metadata) = 'object'", name="metadata"),
        CheckConstraint("cardinality(tags) <= 50", name="tags"),
        *at_most(PLACE_LENGTH, "storage_path", "repository"),
        *at_most(TEXT_LENGTH, "description"),
        Index("uq_models_name", text("lower(name)"), unique=True, postgresql_where=NOT_DELETED),
        _gin_index("ix_models_search_name", text("catapult_grams(name, NULL)")),
        # Finds names that begin alike, whatever the database's collation.
        Index(
            "ix_models_name_prefix",
            literal_column("lower(name)").label("prefix"),
            postgresql_where=NOT_DELETED,
            postgresql_ops={"prefix": "text_pattern_ops"},
        ),
        Index("ix_models_newest", created_at, id, postgresql_where=NOT_DELETED),
        Index("ix_models_updated", "updated_at", id, postgresql_where=NOT_DELETED),
        _gin_index("ix_models_tags", tags),
        _gin_index("ix_models_search", text("catapult_grams(name, description)")),
        # Where the images are that are registered when they are pushed. A hash, as the text may be long.
        Index(
            "ix_models_register_tags",
            text(PULL_FROM),
            postgresql_using="hash",
            postgresql_where=text("register_tags IS NOT NULL AND deleted_at IS NULL"),
        ),
        # Every new version updates its model's count. With free space in the page no index has to change.
        {"postgresql_with": {"fillfactor": 70}},
    )


class ModelName(Row):
    """A name that leads to a model, in lower case: its own, or one that it had. A trigger on `models` keeps the rows."""

    __tablename__ = "model_names"

    name: Mapped[str] = mapped_column(String(NAME_LENGTH), primary_key=True)
    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id"))

    __table_args__ = (
        CheckConstraint("name = lower(name)", name="name"),
        Index("ix_model_names_model", model_id),
    )


class Version(Editable, Row):
    """One immutable image, or source, of a model. A release is a version that somebody promoted."""

    __tablename__ = "versions"
    kind = Kind.VERSION

    id: Mapped[UUID] = primary_key()
    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id"))
    version: Mapped[str] = mapped_column(String(VERSION_LENGTH))
    # 1, 2, 3 … in its model, by registration.
    number: Mapped[int]
    # The sort key of rules/semver.py; NULL if the version is neither SemVer nor dotted numbers.
    semver_key: Mapped[str | None] = mapped_column(Text(collation="C"))
    # The image; both are NULL if there is only a source, and the tag is if it was named by its digest alone.
    tag: Mapped[str | None] = mapped_column(String(TAG_LENGTH))
    digest: Mapped[str | None] = mapped_column(String(DIGEST_LENGTH))
    # A URI or path, as whoever registered the version wrote it. It is shown, and never opened.
    source: Mapped[str | None] = mapped_column(Text)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    platform: Mapped[str] = mapped_column(String(VERSION_LENGTH), default=DEFAULT_PLATFORM)
    quantization: Mapped[str | None] = mapped_column(String(VERSION_LENGTH))
    release_notes: Mapped[str | None] = mapped_column(Text)
    # Not the image's tag, and no content: labels change without a reason, and approvals stay.
    tags: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    ceph_path: Mapped[str | None] = mapped_column(Text)
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB, default=dict, server_default="{}")
    status: Mapped[str] = mapped_column(String(16), default=VersionStatus.ACTIVE)
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    created_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
    # Not the name, which keys may share: an approval by the voice that registered the version does not count.
    created_by_key: Mapped[UUID | None] = mapped_column(ForeignKey("api_keys.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    # The decision that made it a release, and whether that one overrode a gate. NULL before decisions were kept.
    decision_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("decisions.id", use_alter=True, deferrable=True, initially="DEFERRED")
    )
    override: Mapped[bool] = mapped_column(default=False, server_default="false")

    model: Mapped[RegisteredModel] = relationship(lazy="raise")
    if (
        TYPE_CHECKING
    ):  # not columns: set by whoever reads the row (`OF_VERSION` of queries/aliases.py and image_checks.py)
        live_in: list[str]
        aliases: list[str]
        image_check: dict[str, Any] | None

    __table_args__ = (
        CheckConstraint(r"version ~ '^[!-.0-~]+$' AND version NOT IN ('.', '..')", name="version"),
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint(r"tag ~ '^[A-Za-z0-9_][A-Za-z0-9._-]*$'", name="tag"),
        CheckConstraint(r"digest ~ '^[A-Za-z0-9+._-]+:[!-~]{1,200}$'", name="digest"),
        CheckConstraint(f"source ~ '^{SOURCE}$'", name="source"),
        CheckConstraint("tag IS NULL OR digest IS NOT NULL", name="image"),
        CheckConstraint("digest IS NOT NULL OR source IS NOT NULL", name="content"),
        CheckConstraint("size_bytes >= 0", name="size_bytes"),
        CheckConstraint("jsonb_typeof(metadata) = 'object'", name="metadata"),
        CheckConstraint("(released_at IS NULL) = (released_by IS NULL)", name="released"),
        CheckConstraint("released_at IS NOT NULL OR (decision_id IS NULL AND NOT override)", name="decision"),
        one_of("status", VersionStatus),
        CheckConstraint("cardinality(tags) <= 50", name="tags"),
        *at_most(NOTES_LENGTH, "release_notes"),
        *at_most(SOURCE_LENGTH, "source"),
        *at_most(PLACE_LENGTH, "ceph_path"),
        # Deployments and metrics refer to both, so that neither can combine a version with another model's id.
        UniqueConstraint("id", "model_id"),
        UniqueConstraint("model_id", "number"),
        Index("uq_versions_model_id_version", model_id, version, unique=True, postgresql_where=NOT_DELETED),
        Index("ix_versions_newest", created_at, id, postgresql_where=NOT_DELETED),
        Index("ix_versions_model", model_id, created_at, id, postgresql_where=NOT_DELETED),
        # Counts the versions of a model after a given one without reading a row.
        Index("ix_versions_active", model_id, created_at, postgresql_where=ACTIVE_VERSIONS),
        # Most versions have no tags: then registering one writes nothing here.
        Index("ix_versions_tags", tags, postgresql_using="gin", postgresql_where=TAGGED),
        _prefix_index("version", version, created_at, id),
        _prefix_index("tag", tag, created_at, id),
        _prefix_index("digest", digest, created_at, id),
        Index(
            "ix_versions_semver",
            model_id,
            semver_key.desc().nulls_last(),
            created_at.desc(),
            id.desc(),
            postgresql_where=ACTIVE_VERSIONS,
        ),
        Index(
            "ix_versions_semver_releases",
            model_id,
            semver_key.desc().nulls_last(),
            created_at.desc(),
            id.desc(),
            postgresql_where=ACTIVE_RELEASES,
        ),
        Index("ix_versions_releases", created_at, id, postgresql_where=RELEASES),
        Index("ix_versions_model_releases", model_id, created_at, id, postgresql_where=RELEASES),
        Index("ix_versions_archived", created_at, id, postgresql_where=ARCHIVED),
        Index("ix_versions_model_archived", model_id, created_at, id, postgresql_where=ARCHIVED),
        # Searches of MLflow's clients: newest change first, in all models or in one, and by the run.
        Index("ix_versions_updated", "updated_at", id, postgresql_where=NOT_DELETED),
        Index("ix_versions_model_updated", model_id, "updated_at", id, postgresql_where=NOT_DELETED),
        Index(
            "ix_versions_run",
            text("((metadata -> 'mlflow') ->> 'run_id')"),
            postgresql_using="hash",
            postgresql_where=OF_RUN,
        ),
        Index("ix_versions_gone", model_id, created_at, id, postgresql_where=DELETED),
    )

    @property
    def model_name(self) -> str:
        return self.model.name

    @property
    def model_repository(self) -> str | None:
        return self.model.repository

    @property
    def model_storage_path(self) -> str:
        return self.model.storage_path

    @property
    def is_release(self) -> bool:
        return self.released_at is not None


class Metric(Row):
    """A number in a version's metadata with its dotted path. Charts, gates, filters and sorting read it."""

    __tablename__ = "metrics"

    version_id: Mapped[UUID] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(String(METRIC_PATH_LENGTH), primary_key=True)
    model_id: Mapped[UUID] = mapped_column()
    value: Mapped[float] = mapped_column(Double)
    # The number itself from 2^53 on, where several whole numbers have the same `value`.
    exact: Mapped[int | None] = mapped_column(ExactNumber)

    __table_args__ = (
        ForeignKeyConstraint([version_id, model_id], [Version.id, Version.model_id], name="fk_metrics_version_id"),
        CheckConstraint("(exact IS NULL) = (abs(value) < 9007199254740992)", name="exact"),
        Index("ix_metrics_model", model_id, path, value),
    )


class Environment(Editable, Row):
    """A named place that versions are deployed to. Deploying to a deleted one creates it again in the same row."""

    __tablename__ = "environments"
    kind = Kind.ENVIRONMENT

    id: Mapped[UUID] = primary_key()
    name: Mapped[str] = mapped_column(String(ENVIRONMENT_LENGTH))
    # The name in lower case: the key for look-ups and for deployments.
    place: Mapped[str] = mapped_column(String(ENVIRONMENT_LENGTH), Computed("lower(name)", persisted=True))
    rank: Mapped[int]
    protected: Mapped[bool] = mapped_column(default=False, server_default="false")
    frozen: Mapped[bool] = mapped_column(default=False, server_default="false")
    frozen_reason: Mapped[str | None] = mapped_column(Text)
    frozen_until: Mapped[datetime | None]
    description: Mapped[str | None] = mapped_column(Text)
    # Seconds after which an unfinished deployment counts as overdue; NULL for never.
    deploy_within: Mapped[int | None]
    created_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        UniqueConstraint("place"),
        CheckConstraint(f"{ENVIRONMENT_RULE.format('name')} AND lower(name) <> 'release'", name="name"),
        CheckConstraint("rank >= 0", name="rank"),
        CheckConstraint("deploy_within > 0", name="deploy_within"),
        CheckConstraint("frozen = (frozen_reason IS NOT NULL) AND frozen_reason <> ''", name="frozen"),
        CheckConstraint("frozen OR frozen_until IS NULL", name="frozen_until"),
        *at_most(PLACE_LENGTH, "frozen_reason"),
        *at_most(TEXT_LENGTH, "description"),
    )


class Deployment(Editable, Row):
    """The record that a version went to an environment.

    It is live from `live_from` until just before `ended_at`. At most one deployment of a model is live in an environment, and
    each begins when or after the one before has ended.
    """

    __tablename__ = "deployments"
    kind = Kind.DEPLOYMENT

    id: Mapped[UUID] = primary_key()
    release_id: Mapped[UUID] = mapped_column()
    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id"))
    environment: Mapped[str] = mapped_column(String(ENVIRONMENT_LENGTH))
    place: Mapped[str] = mapped_column(
        String(ENVIRONMENT_LENGTH), Computed("lower(environment)", persisted=True), ForeignKey(Environment.place)
    )
    status: Mapped[str] = mapped_column(String(16))
    endpoint_url: Mapped[str | None] = mapped_column(Text)
    log_url: Mapped[str | None] = mapped_column(Text)
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB, default=dict, server_default="{}")
    deployed_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
    deployed_at: Mapped[datetime] = mapped_column(server_default=NOW)
    live_from: Mapped[datetime | None] = mapped_column()
    ended_at: Mapped[datetime | None]
    # The deployment that replaced it; NULL if it ended for another reason.
    superseded_by: Mapped[UUID | None] = mapped_column(
        ForeignKey("deployments.id", deferrable=True, initially="DEFERRED")  # it ends before the other is inserted
    )
    # The decision that made it live, before that the one that let it begin, and whether that one overrode a gate.
    decision_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("decisions.id", deferrable=True, initially="DEFERRED")  # both are written in one transaction
    )
    override: Mapped[bool] = mapped_column(default=False, server_default="false")
    # The deployment that was live and was rolled back from.
    rollback_of: Mapped[UUID | None] = mapped_column(ForeignKey("deployments.id"))

    if TYPE_CHECKING:  # not a column: the decision as JSON, set by whoever reads the row
        decision: str | None

    release: Mapped[Version] = relationship(lazy="raise", viewonly=True)
    model: Mapped[RegisteredModel] = relationship(lazy="raise", viewonly=True)

    __table_args__ = (
        ForeignKeyConstraint([release_id, model_id], [Version.id, Version.model_id], name="fk_deployments_release_id"),
        CheckConstraint(
            f"{ENVIRONMENT_RULE.format('environment')} AND lower(environment) <> 'release'", name="environment"
        ),
        CheckConstraint("endpoint_url ~* '^https?://'", name="endpoint_url"),
        CheckConstraint("log_url ~* '^https?://'", name="log_url"),
        CheckConstraint("jsonb_typeof(metadata) = 'object'", name="metadata"),
        CheckConstraint("live_from IS NULL OR status = 'success'", name="live_from"),
        CheckConstraint("ended_at >= live_from", name="ended_at"),
        CheckConstraint("ended_at IS NULL OR live_from IS NOT NULL", name="ended"),
        CheckConstraint("superseded_by IS NULL OR ended_at IS NOT NULL", name="superseded"),
        CheckConstraint("rollback_of IS NULL OR status = 'success'", name="rollback_of"),
        CheckConstraint("deleted_at IS NULL OR NOT (live_from IS NOT NULL AND ended_at IS NULL)", name="deleted"),
        one_of("status", DeploymentStatus),
        *at_most(PLACE_LENGTH, "endpoint_url", "log_url"),
        Index("uq_deployments_live", place, model_id, unique=True, postgresql_where=text(LIVE)),
        Index("ix_deployments_live_release", release_id, postgresql_where=text(LIVE)),
        Index("ix_deployments_live_model", model_id, postgresql_where=text(LIVE)),
        Index("ix_deployments_live_newest", deployed_at, id, postgresql_where=text(LIVE)),
        Index("ix_deployments_newest", deployed_at, id, postgresql_where=NOT_DELETED),
        Index("ix_deployments_environment", place, deployed_at, id, postgresql_where=NOT_DELETED),
        Index("ix_deployments_release", release_id, deployed_at, id, postgresql_where=NOT_DELETED),
        Index("ix_deployments_model", model_id, deployed_at, id, postgresql_where=NOT_DELETED),
        Index("ix_deployments_status", status, deployed_at, id, postgresql_where=NOT_DELETED),
        Index("ix_deployments_gone", model_id, deployed_at, id, postgresql_where=DELETED),
        Index("ix_deployments_open", model_id, postgresql_where=text(OPEN)),
        # The history of a model in an environment; and what was live in an environment at a time. GiST has operators for ranges
        # and not for text, so the environment is a range of one value.
        Index("ix_deployments_history", model_id, place, live_from, postgresql_where=text("live_from IS NOT NULL")),
        Index(
            "ix_deployments_when",
            text("catapult_place(place, place, '[]')"),
            text("tstzrange(live_from, ended_at)"),
            postgresql_using="gist",
            postgresql_where=text("live_from IS NOT NULL"),
        ),
        Index("ix_deployments_superseded_by", superseded_by, postgresql_where=text("superseded_by IS NOT NULL")),
    )

    @property
    def model_name(self) -> str:
        return self.model.name

    @property
    def version(self) -> str:
        return self.release.version

    @property
    def live(self) -> bool:
        return self.live_from is not None and self.ended_at is None


class DeploymentState(Row):
    """When a deployment reached a state. It reaches each at most once. A trigger writes the row, so that none is missing."""

    __tablename__ = "deployment_states"

    deployment_id: Mapped[UUID] = mapped_column(ForeignKey("deployments.id"), primary_key=True)
    status: Mapped[str] = mapped_column(String(16), primary_key=True)
    at: Mapped[datetime] = mapped_column()

    __table_args__ = (one_of("status", DeploymentStatus),)


class WeekFigures(Row):
    """What was counted of a week's deployments once the week was over (queries/week_figures.py). Written once, never changed."""

    __tablename__ = "week_figures"

    # The Monday on which it begins, in UTC.
    week: Mapped[date] = mapped_column(primary_key=True)
    # The environment that `lead_seconds` is the way to. Another one is counted anew.
    place: Mapped[str] = mapped_column(String(ENVIRONMENT_LENGTH), primary_key=True)
    deployments: Mapped[int]
    failures: Mapped[int]
    # Medians; NULL if the week had none.
    lead_seconds: Mapped[float | None] = mapped_column(Double)
    restore_seconds: Mapped[float | None] = mapped_column(Double)

    __table_args__ = (
        CheckConstraint("extract(isodow FROM week) = 1", name="week"),
        CheckConstraint("failures BETWEEN 0 AND deployments", name="failures"),
    )


class Gate(Editable, Row):
    """A rule on the way to a target: a release, an environment or an alias. Its kind decides which fields are set."""

    __tablename__ = "gates"
    kind = Kind.GATE

    id: Mapped[UUID] = primary_key()
    model: Mapped[str] = mapped_column(String(NAME_LENGTH))
    target: Mapped[str] = mapped_column(String(ENVIRONMENT_LENGTH))
    kind_: Mapped[str] = mapped_column("kind", String(32))
    path: Mapped[str | None] = mapped_column(String(METRIC_PATH_LENGTH))
    op: Mapped[str | None] = mapped_column(String(2))
    value: Mapped[float | None] = mapped_column(ExactNumber)
    direction: Mapped[str | None] = mapped_column(String(8))
    tolerance: Mapped[float | None] = mapped_column(ExactNumber)
    paths: Mapped[list[str] | None]
    environment: Mapped[str | None] = mapped_column(String(ENVIRONMENT_LENGTH))
    seconds: Mapped[int | None] = mapped_column(BigInteger)
    count_: Mapped[int | None] = mapped_column("count")
    role: Mapped[str | None] = mapped_column(String(16))
    # Seconds since the image registry confirmed the digest, and whether the tag must still lead to it.
    max_age: Mapped[int | None] = mapped_column(BigInteger)
    tag: Mapped[bool | None]
    created_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        CheckConstraint(f"model ~ '{PATTERN}'", name="model"),
        CheckConstraint(TARGET_RULE.format("target"), name="target"),
        one_of("kind", GateKind),
        one_of("op", Operator),
        one_of("direction", Direction),
        one_of("role", Role),
        CheckConstraint("value > '-infinity' AND value < 'infinity'", name="value"),
        CheckConstraint("tolerance >= 0 AND tolerance < 'infinity'", name="tolerance"),
        CheckConstraint("cardinality(paths) BETWEEN 1 AND 50", name="paths"),
        CheckConstraint(
            f"{PLACE_RULE.format('environment')} AND environment NOT IN ('release', target)", name="environment"
        ),
        CheckConstraint("seconds > 0", name="seconds"),
        CheckConstraint("count BETWEEN 1 AND 20", name="count"),
        CheckConstraint("max_age > 0", name="max_age"),
        CheckConstraint("kind <> 'released' OR target <> 'release'", name="released"),
        CheckConstraint(
            "CASE kind WHEN 'metric' THEN num_nonnulls(path, op, value) = 3"
            " WHEN 'no_regression' THEN num_nonnulls(path, direction, tolerance) = 3"
            " WHEN 'metadata_present' THEN paths IS NOT NULL"
            " WHEN 'soaked' THEN num_nonnulls(environment, seconds) = 2"
            " WHEN 'approved' THEN num_nonnulls(count, role) = 2"
            " WHEN 'digest_verified' THEN num_nonnulls(max_age, tag) = 2"
            " WHEN 'signed' THEN count IS NOT NULL ELSE true END"
            " AND num_nonnulls(path, op, value, direction, tolerance, paths, environment, seconds, count, role, max_age, tag)"
            " = CASE kind WHEN 'metric' THEN 3 WHEN 'no_regression' THEN 3 WHEN 'metadata_present' THEN 1"
            " WHEN 'soaked' THEN 2 WHEN 'approved' THEN 2 WHEN 'digest_verified' THEN 2 WHEN 'signed' THEN 1 ELSE 0 END",
            name="fields",
        ),
        Index("ix_gates_newest", created_at, id, postgresql_where=NOT_DELETED),
        Index("ix_gates_target", target, text("lower(model)"), postgresql_where=NOT_DELETED),
    )


class GateRefusal(Row):
    """How often a gate refused on a day, in UTC. Bookkeeping, written after the refused request."""

    __tablename__ = "gate_refusals"

    gate_id: Mapped[UUID] = mapped_column(ForeignKey("gates.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    refusals: Mapped[int]

    __table_args__ = (CheckConstraint("refusals > 0", name="refusals"),)


class Decision(Row):
    """A promotion, demotion, deployment, rollback or retirement, or a change of an alias that gates guard, with everything that
    let it through. Never changed."""

    __tablename__ = "decisions"

    id: Mapped[UUID] = primary_key()
    kind_: Mapped[str] = mapped_column("kind", String(16))
    at: Mapped[datetime] = mapped_column()
    by: Mapped[str] = mapped_column(String(NAME_LENGTH))
    by_key_id: Mapped[UUID | None] = mapped_column(ForeignKey("api_keys.id"))
    by_person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    version_id: Mapped[UUID] = mapped_column()
    model_id: Mapped[UUID] = mapped_column()
    model_name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    version: Mapped[str] = mapped_column(String(VERSION_LENGTH))
    target: Mapped[str] = mapped_column(String(ENVIRONMENT_LENGTH))
    # `{tag digest image source hash numbers}` at that moment; `numbers` are those in the metadata, by their dotted paths.
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason: Mapped[str | None] = mapped_column(Text)
    override: Mapped[bool]
    # Whether it was overridden by the voice that registered the version.
    override_by_registrant: Mapped[bool]
    verdicts: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    approvals: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    # The reason of the freeze that did not stop it.
    freeze: Mapped[str | None] = mapped_column("freeze_reason", Text)  # FREEZE is a keyword

    __table_args__ = (
        ForeignKeyConstraint([version_id, model_id], [Version.id, Version.model_id], name="fk_decisions_version_id"),
        CheckConstraint(TARGET_RULE.format("target"), name="target"),
        one_of("kind", DecisionKind),
        Index("ix_decisions_version", version_id, at, id),
        # Finds the last release of a model, or what was let into an environment last.
        Index("ix_decisions_model", model_id, target, at, id),
    )


class Alias(Row):
    """That an alias points, or pointed, at a version: from `since` until just before `until`, which is NULL for now."""

    __tablename__ = "aliases"

    id: Mapped[UUID] = primary_key()
    model_id: Mapped[UUID] = mapped_column()
    name: Mapped[str] = mapped_column(String(ALIAS_LENGTH))
    version_id: Mapped[UUID] = mapped_column()
    since: Mapped[datetime] = mapped_column()
    until: Mapped[datetime | None]
    set_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
    set_by_key: Mapped[UUID | None] = mapped_column(ForeignKey("api_keys.id"))
    reason: Mapped[str | None] = mapped_column(Text)
    # The decision that let it point there, where gates guard it, and whether that one overrode a gate.
    decision_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("decisions.id", deferrable=True, initially="DEFERRED")  # both are written in one transaction
    )
    override: Mapped[bool] = mapped_column(default=False, server_default="false")
    if TYPE_CHECKING:  # not columns: set by whoever reads the row
        model_name: str
        version: str

    __table_args__ = (
        ForeignKeyConstraint([version_id, model_id], [Version.id, Version.model_id], name="fk_aliases_version_id"),
        CheckConstraint(f"name ~ '^{ALIAS}$'", name="name"),
        CheckConstraint("until >= since", name="until"),
        CheckConstraint("decision_id IS NOT NULL OR NOT override", name="override"),
        *at_most(TEXT_LENGTH, "reason"),
        Index("uq_aliases_name", model_id, text("lower(name)"), unique=True, postgresql_where=text("until IS NULL")),
        Index("ix_aliases_version", version_id, postgresql_where=text("until IS NULL")),
        # What an alias points at now or pointed at last, and the aliases of a model at a time.
        Index("ix_aliases_history", model_id, text("lower(name)"), since),
    )


class Approval(Row):
    """A key's approval of a version for a target. It counts until the content or a gate of the target changes."""

    __tablename__ = "approvals"
    kind = Kind.APPROVAL

    id: Mapped[UUID] = primary_key()
    version_id: Mapped[UUID] = mapped_column(ForeignKey("versions.id"))
    target: Mapped[str] = mapped_column(String(ENVIRONMENT_LENGTH))
    comment: Mapped[str | None] = mapped_column(Text)
    # `catapult.rules.gates.gates_hash` of this version and target at the time.
    gates_hash: Mapped[str] = mapped_column(String(64))
    # `catapult.queries.content.HASH` at the time.
    content_hash: Mapped[str] = mapped_column(String(64))
    api_key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id"))
    approved_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    withdrawn_at: Mapped[datetime | None]
    # When the content changed, and how. It never counts again, also if the content is changed back.
    voided_at: Mapped[datetime | None]
    void_reason: Mapped[str | None] = mapped_column(Text)

    __mapper_args__ = {"eager_defaults": True}

    __table_args__ = (
        CheckConstraint(TARGET_RULE.format("target"), name="target"),
        CheckConstraint("(voided_at IS NULL) = (void_reason IS NULL)", name="voided"),
        Index("ix_approvals_version", version_id, target, postgresql_where=text("withdrawn_at IS NULL")),
        *at_most(TEXT_LENGTH, "comment"),
        Index(
            "uq_approvals_key",
            version_id,
            target,
            api_key_id,
            gates_hash,
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL AND voided_at IS NULL"),
        ),
    )


class Comment(Row):
    """What somebody says about a version. It holds nothing back, also if it asks for changes."""

    __tablename__ = "comments"
    kind = Kind.COMMENT

    id: Mapped[UUID] = primary_key()
    version_id: Mapped[UUID] = mapped_column(ForeignKey("versions.id"))
    text: Mapped[str] = mapped_column(Text)
    asks_for_changes: Mapped[bool] = mapped_column(default=False, server_default="false")
    api_key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id"))
    created_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    deleted_at: Mapped[datetime | None]

    __mapper_args__ = {"eager_defaults": True}

    __table_args__ = (
        CheckConstraint(f"char_length(text) BETWEEN 1 AND {COMMENT_LENGTH}", name="text"),
        Index("ix_comments_version", version_id, created_at, id, postgresql_where=NOT_DELETED),
    )


class Blob(Row):
    """The bytes of files, stored once, by their SHA-256. The storage has them before there is a row."""

    __tablename__ = "blobs"

    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    stored_at: Mapped[datetime] = mapped_column(server_default=NOW)
    # When its bytes were last read again and compared, or else stored.
    checked_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        CheckConstraint("octet_length(sha256) = 32", name="sha256"),
        CheckConstraint("size_bytes >= 0", name="size_bytes"),
        Index("ix_blobs_checked_at", checked_at),
    )


class Artifact(Row):
    """A named file of a version. Its bytes are a blob, or lie on the mount."""

    __tablename__ = "artifacts"
    kind = Kind.ARTIFACT

    id: Mapped[UUID] = primary_key()
    version_id: Mapped[UUID] = mapped_column(ForeignKey("versions.id"))
    path: Mapped[str] = mapped_column(String(ARTIFACT_PATH_LENGTH))
    media_type: Mapped[str] = mapped_column(String(NAME_LENGTH))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    # NULL while a file on the mount was not read yet.
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    blob: Mapped[bytes | None] = mapped_column(
        LargeBinary,
        ForeignKey("blobs.sha256"),
        Computed("CASE WHEN mount_path IS NULL THEN sha256 END", persisted=True),
    )
    # Relative to the mount, and the time in nanoseconds since 1970 that the file there has.
    mount_path: Mapped[str | None] = mapped_column(Text)
    mount_changed: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16), default=ArtifactState.READY, server_default="ready")
    # How much of a file on the mount was read while it is pending.
    hashed_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    checked_at: Mapped[datetime] = mapped_column(server_default=NOW)
    # What is in the file: its format, tensors, or why it could not be read (rules/model_files.py).
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    # The text of a model card, for pages (rules/model_cards.py). Lists leave it out: it may have 256 KiB.
    card: Mapped[str | None] = mapped_column(Text, deferred=True)
    created_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        CheckConstraint(r"path <> '' AND path !~ '(^|/)(\.{0,2})(/|$)'", name="path"),
        CheckConstraint("size_bytes >= 0", name="size_bytes"),
        CheckConstraint("jsonb_typeof(facts) = 'object'", name="facts"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256"),
        one_of("state", ArtifactState),
        CheckConstraint("(mount_path IS NULL) = (mount_changed IS NULL)", name="mount"),
        CheckConstraint("sha256 IS NOT NULL OR mount_path IS NOT NULL AND state <> 'ready'", name="hashed"),
        *at_most(MOUNT_PATH_LENGTH, "mount_path"),
        CheckConstraint("hashed_bytes >= 0", name="hashed_bytes"),
        CheckConstraint("octet_length(card) <= 262144", name="card"),
        # Names that differ in case alone would be one file on many disks.
        Index("uq_artifacts_path", version_id, text("lower(path)"), unique=True),
        Index("ix_artifacts_version", version_id, path, id),
        Index("ix_artifacts_blob", blob),
        Index("ix_artifacts_checked_at", checked_at, postgresql_where=text("mount_path IS NOT NULL")),
        Index("ix_artifacts_unsound", state, postgresql_where=text("state <> 'ready'")),
    )


class Upload(Row):
    """A file that is on its way in several requests. The storage has its bytes, under its id in hex."""

    __tablename__ = "uploads"

    id: Mapped[UUID] = primary_key()
    version_id: Mapped[UUID] = mapped_column(ForeignKey("versions.id"))
    path: Mapped[str] = mapped_column(String(ARTIFACT_PATH_LENGTH))
    media_type: Mapped[str] = mapped_column(String(NAME_LENGTH))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    # The SHA-256 that its maker declared; NULL if none was declared.
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    # The voice that created it. No other may continue it.
    voice: Mapped[UUID]
    # The request that writes to it now, and when that lock ends if its process dies.
    writer: Mapped[UUID | None]
    written_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    expires_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("size_bytes >= 0", name="size_bytes"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256"),
        CheckConstraint("(writer IS NULL) = (written_until IS NULL)", name="writer"),
        Index("ix_uploads_expires_at", "expires_at"),
        Index("ix_uploads_version_id", "version_id"),
    )


class FileSignature(Row):
    """The text of a `model.sig`, apart from its row of `artifacts`, which lists read. Empty if the file is no text.

    Whether it is valid is asked anew each time (rules/file_signatures.py): keys and files come and go.
    """

    __tablename__ = "file_signatures"

    artifact_id: Mapped[UUID] = mapped_column(ForeignKey("artifacts.id"), primary_key=True)
    bundle: Mapped[str] = mapped_column(Text)

    __table_args__ = (CheckConstraint("octet_length(bundle) <= 4194304", name="bundle"),)


class TrustedKey(Editable, Row):
    """A public key that files may be signed for. After `not_after` no signature of it counts."""

    __tablename__ = "trusted_keys"
    kind = Kind.TRUSTED_KEY

    id: Mapped[UUID] = primary_key()
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    # PEM of the SubjectPublicKeyInfo, and the SHA-256 of the same in DER.
    public_key: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(String(64))
    # A pattern of models as gates have them; NULL is every model.
    model: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    not_after: Mapped[datetime | None]
    created_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        CheckConstraint("char_length(name) >= 1", name="name"),
        CheckConstraint("public_key ~ '^-----BEGIN PUBLIC KEY-----'", name="public_key"),
        CheckConstraint("fingerprint ~ '^[0-9a-f]{64}$'", name="fingerprint"),
        CheckConstraint(f"model ~ '{PATTERN}'", name="model"),
        *at_most(KEY_LENGTH, "public_key"),
        Index("uq_trusted_keys_name", text("lower(name)"), unique=True, postgresql_where=NOT_DELETED),
        Index("ix_trusted_keys_newest", created_at, id, postgresql_where=NOT_DELETED),
    )


class ImageRegistry(Editable, Row):
    """How an image registry is asked about some of its repositories. A secret is named here, and never stored."""

    __tablename__ = "registries"
    kind = Kind.REGISTRY

    id: Mapped[UUID] = primary_key()
    host: Mapped[str] = mapped_column(String(NAME_LENGTH))
    # Patterns: `*` matches any text, with slashes. The first registry of a host by `created_at` that matches is used.
    repositories: Mapped[list[str]]
    allow_http: Mapped[bool] = mapped_column(default=False, server_default="false")
    # Names of files in REGISTRY_SECRETS, or of variables REGISTRY_SECRET_…: a certificate authority, and a password or token.
    ca: Mapped[str | None] = mapped_column(String(SECRET_NAME_LENGTH))
    username: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    secret: Mapped[str | None] = mapped_column(String(SECRET_NAME_LENGTH))
    created_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        CheckConstraint("host ~ '^[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?$'", name="host"),
        CheckConstraint("cardinality(repositories) BETWEEN 1 AND 50", name="repositories"),
        CheckConstraint(f"ca ~ '{SECRET_NAME}'", name="ca"),
        CheckConstraint(f"secret ~ '{SECRET_NAME}'", name="secret"),
        CheckConstraint("username IS NULL OR secret IS NOT NULL", name="username"),
        Index("ix_registries_newest", created_at, id, postgresql_where=NOT_DELETED),
        Index("ix_registries_host", host, postgresql_where=NOT_DELETED),
    )


class ImageCheck(Row):
    """What the image registry last answered about a version's image, and whose signatures of it verified.

    `repository` is where it was asked: an answer about another repository than the model's present one counts for nothing.
    """

    __tablename__ = "image_checks"

    version_id: Mapped[UUID] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    repository: Mapped[str] = mapped_column(Text)
    digest_status: Mapped[str] = mapped_column(String(16))
    # Whether it could not be asked the last time. All else but `detail` and `checked_at` is what it answered before then.
    unreachable: Mapped[bool] = mapped_column(default=False, server_default="false")
    # NULL while it is not known.
    tag_status: Mapped[str | None] = mapped_column(String(16))
    # The digest that the tag leads to, where it was moved.
    tag_digest: Mapped[str | None] = mapped_column(String(DIGEST_LENGTH))
    detail: Mapped[str] = mapped_column(Text)
    checked_at: Mapped[datetime]
    # When the registry last confirmed the digest; NULL if it never did.
    verified_at: Mapped[datetime | None]
    # `{media_type artifact_type size_bytes platforms created revision source labels}` of the manifest, NULL if it was never read.
    image: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    # `[{key_id key layout verified_at}]` of the trusted keys whose signatures of the digest verified.
    signatures: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list, server_default="[]")

    __table_args__ = (
        one_of("digest_status", DigestStatus),
        one_of("tag_status", TagStatus),
        CheckConstraint("digest_status <> 'verified' OR verified_at IS NOT NULL", name="verified"),
        CheckConstraint("jsonb_typeof(signatures) = 'array'", name="signatures"),
        CheckConstraint("jsonb_typeof(image) = 'object'", name="image"),
        *at_most(PLACE_LENGTH, "repository"),
        *at_most(SOURCE_LENGTH, "detail"),
        Index("ix_image_checks_unsound", version_id, postgresql_where=text(UNSOUND_IMAGE)),
    )


class Person(Editable, Row):
    """Somebody who signs in and may hold keys. No key may do more than its person."""

    __tablename__ = "people"
    kind = Kind.PERSON

    id: Mapped[UUID] = primary_key()
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    email: Mapped[str | None] = mapped_column(String(EMAIL_LENGTH))
    role: Mapped[str] = mapped_column(String(16))
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    # The events that are sent to this person by mail.
    notices: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    created_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 255", name="name"),
        CheckConstraint(r"email ~ '^[^@[:space:]]+@[^@[:space:]]+$'", name="email"),
        one_of("role", Role),
        Index("uq_people_email", text("lower(email)"), unique=True),
        Index("ix_people_newest", created_at, id),
    )


class ApiKey(Row):
    """A person's key, or a service's. Only its HMAC-SHA-256 under API_KEY_SALT is stored; `prefix` may be shown."""

    __tablename__ = "api_keys"
    kind = Kind.API_KEY

    id: Mapped[UUID] = primary_key()
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    role: Mapped[str] = mapped_column(String(16))
    # NULL for a service's key.
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    # The key that this one replaced by rotation, and the first key of that line. NULL if it replaced none.
    replaces_id: Mapped[UUID | None] = mapped_column(ForeignKey("api_keys.id"))
    line_id: Mapped[UUID | None] = mapped_column(ForeignKey("api_keys.id"))
    # What it may change: patterns of models as gates have them, and environments in lower case. NULL is no bound, {} is nothing.
    models: Mapped[list[str] | None]
    environments: Mapped[list[str] | None]
    prefix: Mapped[str] = mapped_column(String(12))
    key_hash: Mapped[bytes] = mapped_column(LargeBinary)
    # Identifies the salt, so that a wrong API_KEY_SALT ends the start and is not an endless 401.
    salt_mark: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    created_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
    created_by_key: Mapped[UUID | None] = mapped_column(ForeignKey("api_keys.id"))
    # The key that `flask up` made: whoever signs in with it first says their name, and it becomes that person's.
    asks_name: Mapped[bool] = mapped_column(default=False, server_default="false")
    last_used_at: Mapped[datetime | None]
    last_used_from: Mapped[str | None] = mapped_column(String(64))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    if TYPE_CHECKING:  # not columns: the key itself, on a row that was just created
        key: str
        is_active: bool
        person_name: str | None
        old_expires_at: datetime

    __mapper_args__ = {"eager_defaults": True}

    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 255", name="name"),
        CheckConstraint("octet_length(key_hash) = 32", name="key_hash"),
        CheckConstraint("prefix ~ '^cat_[A-Za-z0-9]{8}$'", name="prefix"),
        one_of("role", Role),
        Index("uq_api_keys_prefix", prefix, unique=True),
        Index("ix_api_keys_line", line_id, postgresql_where=text("line_id IS NOT NULL")),
        Index("ix_api_keys_person", person_id, postgresql_where=text("person_id IS NOT NULL")),
        Index("ix_api_keys_newest", created_at, id),
        Index("ix_api_keys_admins", id, postgresql_where=text("role = 'admin' AND revoked_at IS NULL")),
    )


class AuditLog(Row):
    """Who did what, when and from where. Written in the transaction of the change and never changed."""

    __tablename__ = "audit_logs"

    id: Mapped[UUID] = primary_key()
    action: Mapped[str] = mapped_column(String(64))
    resource_type: Mapped[str] = mapped_column(String(64))
    resource_id: Mapped[UUID | None] = mapped_column()
    api_key_id: Mapped[UUID | None] = mapped_column(ForeignKey("api_keys.id"))
    api_key_name: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    # The person who held the key, and their name, at that time.
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    person_name: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    details: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    ip_address: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        CheckConstraint("jsonb_typeof(details) = 'object'", name="details"),
        Index("ix_audit_logs_newest", created_at, id),
        # Other filters' columns are at the end, so that the index alone decides which entries match.
        Index("ix_audit_logs_action", action, created_at, id, "resource_type"),
        Index("ix_audit_logs_resource_type", "resource_type", created_at, id),
        Index("ix_audit_logs_resource", resource_id, created_at, id),
        # Finds the entries about a model, its versions, deployments, approvals and comments by the model's name, which never
        # changes. Not partial: PostgreSQL estimates by statistics of whole indexes alone.
        Index("ix_audit_logs_model", text("catapult_entry_model(resource_type, details)"), created_at, id),
        Index("ix_audit_logs_api_key_name", api_key_name, created_at, id, action, "resource_type"),
    )


class UnsealedEntry(Row):
    """An audit entry that has no seal yet. A trigger adds it in the transaction of the entry, the sealer removes it."""

    __tablename__ = "unsealed_entries"

    entry_id: Mapped[UUID] = mapped_column(primary_key=True)


class SealedEntry(Row):
    """The number of an audit entry, from 0 without a gap, and the SHA-256 of its text as it was then: a leaf of the tree.

    Not a foreign key: if somebody removes the entry, this says so.
    """

    __tablename__ = "sealed_entries"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry_id: Mapped[UUID] = mapped_column()
    leaf: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        CheckConstraint("octet_length(leaf) = 32", name="leaf"),
        Index("uq_sealed_entries_entry_id", entry_id, unique=True),
    )


class AuditNode(Row):
    """The root of a complete subtree of the leaves: of 256 at level 1, of 256 of those at level 2, and so on."""

    __tablename__ = "audit_nodes"

    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (CheckConstraint("octet_length(hash) = 32", name="hash"),)


class AuditKey(Row):
    """A public key that checkpoints were signed with."""

    __tablename__ = "audit_keys"
    kind = Kind.AUDIT_KEY

    id: Mapped[UUID] = primary_key()
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        CheckConstraint("octet_length(public_key) = 32", name="public_key"),
        Index("uq_audit_keys_public_key", public_key, unique=True),
    )


class AuditCheckpoint(Row):
    """The signed root of the first `size` sealed entries: the newest, and the newest of each day before."""

    __tablename__ = "audit_checkpoints"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str] = mapped_column(Text)
    key_id: Mapped[UUID] = mapped_column(ForeignKey("audit_keys.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (CheckConstraint("octet_length(root) = 32", name="root"),)


class AuditStream(Row):
    """How far the sealed entries were sent to a collector: `next_seq` is the first that was not."""

    __tablename__ = "audit_streams"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    next_seq: Mapped[int] = mapped_column(BigInteger)
    sent_at: Mapped[datetime | None]

    # Its one row is updated with each batch.
    __table_args__ = (CheckConstraint("next_seq >= 0", name="next_seq"), {"postgresql_with": {"fillfactor": 50}})


class IdempotentAnswer(Row):
    """The first answer to a POST with an Idempotency-Key, repeated for 24 hours."""

    __tablename__ = "idempotent_answers"

    caller: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int]
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (Index("ix_idempotent_answers_created_at", created_at),)


class Session(Row):
    """A browser session of a key. The cookie holds a token, of which only the SHA-256 is stored."""

    __tablename__ = "sessions"
    kind = Kind.SESSION

    id: Mapped[UUID] = primary_key()
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    api_key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    used_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __mapper_args__ = {"eager_defaults": True}

    __table_args__ = (
        CheckConstraint("octet_length(token_hash) = 32", name="token_hash"),
        Index("uq_sessions_token_hash", token_hash, unique=True),
        Index("ix_sessions_used_at", used_at),
    )


class SavedView(Row):
    """A name for the address of a list with its filters. Its holder is a person, or the first key of a service's line."""

    __tablename__ = "saved_views"
    kind = Kind.SAVED_VIEW

    id: Mapped[UUID] = primary_key()
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    key_id: Mapped[UUID | None] = mapped_column(ForeignKey("api_keys.id"))
    name: Mapped[str] = mapped_column(String(VIEW_NAME_LENGTH))
    address: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __mapper_args__ = {"eager_defaults": True}

    __table_args__ = (
        CheckConstraint("num_nonnulls(person_id, key_id) = 1", name="holder"),
        CheckConstraint("char_length(name) >= 1", name="name"),
        CheckConstraint(f"address ~ '^{VIEW_ADDRESS}$'", name="address"),
        *at_most(VIEW_ADDRESS_LENGTH, "address"),
        # Finds the views of a holder, too.
        Index("uq_saved_views_name", text("coalesce(person_id, key_id)"), text("lower(normalize(name))"), unique=True),
    )


class SignInCount(Row):
    """The attempts to sign in from an address within a minute, counted across all processes."""

    __tablename__ = "sign_in_counts"

    address: Mapped[str] = mapped_column(String(64), primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    attempts: Mapped[int]

    __table_args__ = (Index("ix_sign_in_counts_minute", minute),)


class Job(Row):
    """Work for the worker: due at `run_at`, or when the lease of a worker that was killed ends. A finished job is deleted."""

    __tablename__ = "jobs"
    kind = Kind.JOB

    id: Mapped[UUID] = primary_key()
    kind_: Mapped[str] = mapped_column("kind", String(32))
    # At most one open job of a kind has this key.
    key: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    state: Mapped[str] = mapped_column(String(16), default=JobState.OPEN, server_default="open")
    run_at: Mapped[datetime] = mapped_column(server_default=NOW)
    # Attempts in a row that did not succeed, with the present one.
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    leased_until: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text)
    last_run_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        one_of("state", JobState),
        CheckConstraint("attempts >= 0", name="attempts"),
        *at_most(PLACE_LENGTH, "last_error"),
        Index("uq_jobs_key", kind_, key, unique=True, postgresql_where=text("state = 'open'")),
        Index("ix_jobs_due", text("coalesce(leased_until, run_at)"), postgresql_where=text("state = 'open'")),
        # Each turn of each repeated job updates its row. With free space in the page, tables and indexes stay small.
        {"postgresql_with": {"fillfactor": 50}},
    )


class Event(Row):
    """Something that happened, for its receivers. Written with its audit entry, and kept for 30 days."""

    __tablename__ = "events"

    id: Mapped[UUID] = primary_key()
    type: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    # When the worker wrote the deliveries of this event; NULL until then.
    dispatched_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("jsonb_typeof(data) = 'object'", name="data"),
        Index("ix_events_waiting", created_at, id, postgresql_where=text("dispatched_at IS NULL")),
        Index("ix_events_created_at", created_at),
    )


class ApprovalRequest(Row):
    """A notice that a version waits for approvals for a target. It is sent once for the two, even if the gates change."""

    __tablename__ = "approval_requests"

    version_id: Mapped[UUID] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    target: Mapped[str] = mapped_column(String(ENVIRONMENT_LENGTH), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Webhook(Editable, Row):
    """Where events are sent, and which. The address and the secrets are stored encrypted under a key from SECRET_KEY."""

    __tablename__ = "webhooks"
    kind = Kind.WEBHOOK

    id: Mapped[UUID] = primary_key()
    url_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    # What may be shown of the address, which is a secret as a whole.
    host: Mapped[str] = mapped_column(String(NAME_LENGTH))
    url_end: Mapped[str] = mapped_column(String(4))
    secret_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    # After a rotation, the secret before, which signs too until then.
    old_secret_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    old_secret_until: Mapped[datetime | None]
    format: Mapped[str] = mapped_column(String(16))
    # NULL is everything. Patterns of models as gates have them, environments in lower case.
    events: Mapped[list[str] | None]
    models: Mapped[list[str] | None]
    environments: Mapped[list[str] | None]
    created_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    # The first failure since the last success.
    failing_since: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_because: Mapped[str | None] = mapped_column(Text)
    if TYPE_CHECKING:  # not a column: the secret itself, on a row that was just created or rotated
        secret: str

    __table_args__ = (
        one_of("format", WebhookFormat),
        CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name="ended"),
        CheckConstraint("(old_secret_sealed IS NULL) = (old_secret_until IS NULL)", name="old_secret"),
        *at_most(PLACE_LENGTH, "ended_because"),
        Index("ix_webhooks_newest", created_at, id, postgresql_where=NOT_DELETED),
    )

    @property
    def state(self) -> str:
        """Whether messages arrive: active, failing or ended."""
        return "ended" if self.ended_at else "failing" if self.failing_since else "active"


class Delivery(Row):
    """An event on its way to one webhook, or to one person by mail. Its id is the message's `webhook-id`."""

    __tablename__ = "deliveries"
    kind = Kind.DELIVERY

    id: Mapped[UUID] = primary_key()
    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id"))
    webhook_id: Mapped[UUID | None] = mapped_column(ForeignKey("webhooks.id"))
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    # Deliveries of one model are sent in order.
    model: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    state: Mapped[str] = mapped_column(String(16), default=DeliveryState.WAITING, server_default="waiting")
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    next_try_at: Mapped[datetime] = mapped_column(server_default=NOW)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    if TYPE_CHECKING:  # not columns: what the event is, and the tries, on a row that an action returns
        type: str
        data: Any
        log: Any

    __mapper_args__ = {"eager_defaults": True}

    __table_args__ = (
        one_of("state", DeliveryState),
        CheckConstraint("num_nonnulls(webhook_id, person_id) = 1", name="receiver"),
        CheckConstraint("tries >= 0", name="tries"),
        Index("ix_deliveries_event", event_id),
        Index("ix_deliveries_created_at", created_at),
        Index("ix_deliveries_webhook", webhook_id, created_at, id),
        Index(
            "ix_deliveries_waiting",
            text("coalesce(webhook_id, person_id)"),
            "id",
            next_try_at,
            postgresql_where=text("state = 'waiting'"),
        ),
    )


class DeliveryTry(Row):
    """One request to a receiver, and what came back."""

    __tablename__ = "delivery_tries"

    id: Mapped[UUID] = primary_key()
    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("deliveries.id"))
    at: Mapped[datetime] = mapped_column(server_default=NOW)
    milliseconds: Mapped[int]
    # The status of the answer and its first KiB, or why there was none.
    status: Mapped[int | None]
    answer: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("(status IS NULL) <> (error IS NULL)", name="outcome"),
        *at_most(PLACE_LENGTH, "answer", "error"),
        Index("ix_delivery_tries_delivery", delivery_id, at),
        Index("ix_delivery_tries_at", at),
    )


def is_live() -> ColumnElement[bool]:
    """Return the condition that a deployment is live now, as the partial unique index has it."""
    deployments: Any = Deployment.__table__.c
    condition: ColumnElement[bool] = deployments.live_from.is_not(None) & deployments.ended_at.is_(None)
    return condition
