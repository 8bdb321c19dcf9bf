"""What a query string may hold, one class a list. They make the OpenAPI document, as `schemas.py` does."""

import re
from typing import Any, ClassVar
from uuid import UUID

from marshmallow import ValidationError, fields, validate

from catapult.contract.fields import Query, QueryFlag, QueryNumber, Time, choice, says
from catapult.contract.filters import AuditFilters, DeploymentFilters
from catapult.tables import VersionStatus

MAX_LIMIT, MAX_OFFSET = 1_000, 10_000


class PageQuery(Query):
    """Which part of a list."""

    PAGING: ClassVar[tuple[str, ...]] = ("limit", "size", "cursor", "offset", "page", "count")

    limit = QueryNumber(
        validate=validate.Range(1, MAX_LIMIT, error=f"Has to be 1 to {MAX_LIMIT}."),
        metadata=says("How many at most; 100 when not sent.", 100),
    )
    size = QueryNumber(
        validate=validate.Range(1, MAX_LIMIT, error=f"Has to be 1 to {MAX_LIMIT}."), metadata=says("The same as limit.")
    )
    cursor = fields.String(metadata=says("From a Link header; opaque."))
    offset = QueryNumber(
        validate=validate.Range(0, MAX_OFFSET, error=f"Has to be 0 to {MAX_OFFSET}; page deeper by the Link header."),
        metadata=says("How many to skip."),
    )
    page = QueryNumber(validate=validate.Range(1, MAX_OFFSET), metadata=says("Which page, from 1."))
    count = QueryFlag(metadata=says("Send X-Total-Count with the number of all rows."))


SORT = "Fields, the first one first, - before one for the greatest first; what has no value comes last."


class ModelQuery(PageQuery):
    search = fields.String(metadata=says("Anywhere in name or description, case ignored."))
    name = fields.String(metadata=says("The exact name, case ignored."))
    tag = fields.String(metadata=says("Those with this label."))
    filter = fields.String(metadata=says("What they hold.", 'tags = "nlp" and version_count > 3'))
    sort = fields.String(metadata=says(SORT, "name"))


class VersionQuery(PageQuery):
    model_name = fields.String(metadata=says("Of this model, case ignored."))
    model_id = fields.UUID(metadata=says("Of this model."))
    version = fields.String(metadata=says("This version string."))
    tag = fields.String(metadata=says("This image tag."))
    digest = fields.String(metadata=says("This digest."))
    is_release = QueryFlag(metadata=says("Releases, or what is none."))
    status = choice(VersionStatus, metadata=says("active or archived."))
    environment = fields.String(metadata=says("Live in this environment, case ignored."))
    created_after = Time(metadata=says("Registered after this moment."))
    created_before = Time(metadata=says("Registered before this moment."))
    filter = fields.String(metadata=says("What they hold.", 'metadata.accuracy >= 0.9 and tag = "gpu"'))
    sort = fields.String(metadata=says(SORT, "-metadata.accuracy,created_at"))


class Ids(fields.String):
    """Two to six ids with commas between them."""

    FEWEST, MOST = 2, 6
    ONE = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    SHOWN: ClassVar[dict[str, str]] = {"pattern": f"^{ONE}(,{ONE}){{{FEWEST - 1},{MOST - 1}}}$"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        ids = value.split(",")
        if not self.FEWEST <= len(ids) <= self.MOST:
            raise ValidationError(f"Has to be {self.FEWEST} to {self.MOST} ids with commas between them.")
        for wrong in (one for one in ids if not re.fullmatch(self.ONE, one)):
            raise ValidationError(f"{wrong[:80]!r} is no id; ids are UUIDs.")
        return [UUID(one) for one in ids]


class CompareQuery(Query):
    ids = Ids(required=True, metadata=says("Versions; the others are measured by the first.") | Ids.SHOWN)


class LatestQuery(Query):
    model_name = fields.String(required=True, metadata=says("Of this model, case ignored.", "myorg/bert"))
    environment = fields.String(metadata=says("The one live in this environment."))
    is_release = QueryFlag(metadata=says("Among releases, or among what is none."))
    order = fields.String(
        validate=validate.OneOf(["created", "semver"], error="Has to be one of created, semver."),
        metadata=says("The newest (created) or the highest (semver)."),
    )


class DeploymentQuery(PageQuery, DeploymentFilters):
    pass


class AuditQuery(PageQuery, AuditFilters):
    pass


class DeleteModelQuery(Query):
    force = QueryFlag(metadata=says("End what is live with it."))


class LiveQuery(PageQuery):
    at = Time(metadata=says("What was live at this moment; now when not sent."))


class TargetQuery(Query):
    target = fields.String(required=True, metadata=says("release, or an environment.", "release"))


class NoQuery(Query):
    """An endpoint without parameters: any is a typo."""
