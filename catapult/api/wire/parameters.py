"""Query parameters, one class a list. They are in the OpenAPI document, as the schemas are."""

import re
from typing import Any, ClassVar
from uuid import UUID

from marshmallow import ValidationError, fields

from catapult.contract.fields import Query, QueryFlag, QueryNumber, Time, between, choice, says, unbroken
from catapult.contract.filters import AuditFilters, DeploymentFilters
from catapult.tables import VersionStatus

MAX_LIMIT, MAX_OFFSET = 1_000, 10_000


class PageQuery(Query):
    """The part of a list to return."""

    PAGING: ClassVar[tuple[str, ...]] = ("limit", "size", "cursor", "offset", "page", "count")

    limit = QueryNumber(validate=between(1, MAX_LIMIT), metadata=says("The most rows to return. Default: 100.", 100))
    size = QueryNumber(validate=between(1, MAX_LIMIT), metadata=says("The same as limit."))
    cursor = fields.String(metadata=says("From a Link header; opaque."))
    offset = QueryNumber(
        validate=between(0, MAX_OFFSET, "; for later rows follow the Link header"), metadata=says("The rows to skip.")
    )
    page = QueryNumber(validate=between(1, MAX_OFFSET), metadata=says("The page, from 1."))
    count = QueryFlag(metadata=says("Send X-Total-Count, the number of all rows."))


SORT = "Fields to sort by; - before a field sorts it in descending order. Rows without a value come last."


class ModelQuery(PageQuery):
    search = fields.String(metadata=says("Text anywhere in the name or description, ignoring case."))
    name = fields.String(metadata=says("The exact name, present or former, ignoring case."))
    tag = fields.String(metadata=says("A label."))
    filter = fields.String(metadata=says("A filter expression.", 'tags = "nlp" and version_count > 3'))
    sort = fields.String(metadata=says(SORT, "name"))


class VersionQuery(PageQuery):
    model_name = fields.String(metadata=says("The model's name, ignoring case."))
    model_id = fields.UUID(metadata=says("The model's id."))
    version = unbroken("The version string.")
    tag = unbroken("The image's tag.")
    tags = fields.String(metadata=says("A label: one of its `tags`."))
    digest = unbroken("The image's digest.")
    is_release = QueryFlag(metadata=says("Whether it is a release."))
    status = choice(VersionStatus, metadata=says("active or archived."))
    environment = unbroken("An environment it is live in, ignoring case.")
    created_after = Time(metadata=says("Registered after this time."))
    created_before = Time(metadata=says("Registered before this time."))
    filter = fields.String(metadata=says("A filter expression.", 'metadata.accuracy >= 0.9 and tag = "gpu"'))
    sort = fields.String(metadata=says(SORT, "-metadata.accuracy,created_at"))


class Ids(fields.String):
    """Two to six ids, separated by commas."""

    FEWEST, MOST = 2, 6
    ONE = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    SHOWN: ClassVar[dict[str, str]] = {"pattern": f"^{ONE}(,{ONE}){{{FEWEST - 1},{MOST - 1}}}$"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        ids = value.split(",")
        if not self.FEWEST <= len(ids) <= self.MOST:
            raise ValidationError(f"Must be {self.FEWEST} to {self.MOST} ids, separated by commas.")
        for wrong in (text for text in ids if not re.fullmatch(self.ONE, text)):
            raise ValidationError(f"{wrong[:80]!r} is not an id. Ids are UUIDs.")
        return [UUID(text) for text in ids]


class CompareQuery(Query):
    ids = Ids(required=True, metadata=says("Versions; the others are compared with the first.") | Ids.SHOWN)


class LatestQuery(Query):
    model_name = fields.String(required=True, metadata=says("The model's name, ignoring case.", "myorg/bert"))
    environment = unbroken("Only the one live in this environment.")
    alias = unbroken("Only the one that this alias points at, ignoring case.", "champion")
    is_release = QueryFlag(metadata=says("Whether it is a release."))
    order = choice(
        ["created", "semver"],
        metadata=says(
            "The newest (created, the default) or the highest by number (semver): SemVer and dotted numbers."
        ),
    )


class DeploymentQuery(PageQuery, DeploymentFilters):
    pass


class AuditQuery(PageQuery, AuditFilters):
    pass


_ENTRIES = between(1, 10**9)
ConsistencyQuery = Query.from_dict(
    {
        "from": QueryNumber(
            required=True, validate=_ENTRIES, metadata=says("Sealed entries of the earlier state.", 512)
        ),
        "to": QueryNumber(required=True, validate=_ENTRIES, metadata=says("Sealed entries of the later state.", 1_024)),
    },
    name="ConsistencyQuery",
)
"""Created by a call, since `from` is a keyword of Python."""


class DeleteModelQuery(Query):
    force = QueryFlag(metadata=says("End its live deployments too."))


class LiveQuery(PageQuery):
    at = Time(metadata=says("What was live at this time. Default: now."))


class AliasQuery(PageQuery):
    at = Time(metadata=says("What they pointed at at this time. Default: now."))


class TargetQuery(Query):
    target = fields.String(required=True, metadata=says("release, an environment, or an alias.", "@champion"))
