"""Releases under control: what goes in and out of environments, gates, approvals and rollbacks."""

import math
from typing import Any

from marshmallow import ValidationError, fields, validate, validates

from catapult.contract.fields import (
    Computed,
    Create,
    Flag,
    Id,
    In,
    Out,
    Time,
    Whole,
    choice,
    link,
    matching,
    says,
    text,
)
from catapult.contract.schemas import EXAMPLE_ID, EXAMPLE_TIME, environment_name, metadata_field, never_changes
from catapult.contract.schemas import model_name as name_of_a_model
from catapult.tables import (
    MAX_RANK,
    METRIC_PATH_LENGTH,
    NAME_LENGTH,
    PATTERN,
    PLACE_LENGTH,
    TEXT_LENGTH,
    DeploymentStatus,
    Direction,
    GateKind,
    Operator,
    Role,
)

MAX_INT = 2**31 - 1
MAX_SECONDS = 10 * 365 * 86_400


class Number(fields.Float):
    """A number that float64 holds; no text and no true."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValidationError("Has to be a number.")
        try:
            found = float(value)
        except OverflowError as error:
            raise ValidationError("Is beyond what a number can be here.") from error
        if not math.isfinite(found):
            raise ValidationError("Is beyond what a number can be here.")
        return found


class ComputedObject(Computed, fields.Dict):
    pass


class ComputedList(Computed, fields.List[Any]):
    def __init__(self, function: Any, *sources: str, **kwargs: Any) -> None:
        self.inner = fields.Dict()
        Computed.__init__(self, function, *sources, cls_or_instance=self.inner, **kwargs)


# --- environments -----------------------------------------------------------------------------------------------------


class EnvironmentPut(In):
    """What an environment is; only the fields sent change."""

    rank = Whole(
        validate=validate.Range(0, MAX_RANK, error=f"Has to be 0 to {MAX_RANK}."),
        metadata=says("Where it stands on a version's way; the last when not sent.", 3),
    )
    protected = Flag(metadata=says("Deploying to it takes the role releaser.", True))
    frozen = Flag(metadata=says("It takes no deployments; needs frozen_reason.", True))
    frozen_reason = text(
        PLACE_LENGTH, allow_none=True, metadata=says("Why, for whoever is refused.", "Sale until Monday")
    )
    frozen_until = Time(
        allow_none=True, metadata=says("When the freeze ends by itself; never when null.", EXAMPLE_TIME)
    )
    description = text(TEXT_LENGTH, shortest=0, allow_none=True, metadata=says("For people; null clears it."))


class EnvironmentOut(Out):
    """A place that versions are deployed to."""

    name = fields.String(metadata=says("Its name.", "production"))
    rank = fields.Integer(metadata=says("Where it stands on a version's way.", 3))
    protected = fields.Boolean(metadata=says("Whether deploying to it takes the role releaser.", True))
    frozen = fields.Boolean(metadata=says("Whether it takes no deployments now.", False))
    frozen_reason = fields.String(allow_none=True, metadata=says("Why it was frozen."))
    frozen_until = Time(allow_none=True, metadata=says("When the freeze ends by itself."))
    description = fields.String(allow_none=True, metadata=says("For people."))
    created_by = fields.String(metadata=says("The name of the key that made it.", "ci"))
    created_at = Time(metadata=says("When it was made.", EXAMPLE_TIME))
    updated_at = Time(metadata=says("When it last changed.", EXAMPLE_TIME))


class Rollback(Create):
    """Which model goes back, and why."""

    model_name = name_of_a_model(required=True, metadata=says("The model's name, case ignored.", "myorg/bert"))
    reason = text(TEXT_LENGTH, required=True, metadata=says("Why; it stands in the audit log.", "Latency doubled"))
    to = Id(
        metadata=says("The earlier deployment to go back to; by default the newest with another version.", EXAMPLE_ID)
    )


class LiveOut(Out):
    """What is live of a model, an environment at a time."""

    model_id = fields.UUID(metadata=says("The model's id.", EXAMPLE_ID))
    model_name = fields.String(metadata=says("The model's name.", "myorg/bert"))
    latest_version = fields.String(allow_none=True, metadata=says("The newest version that is not archived.", "1.2.0"))
    environments = fields.Dict(
        metadata=says(
            "By environment: the deployment that is live there, its version, since when, and how many versions were registered "
            "after that one (archived ones left out).",
            {
                "production": {
                    "deployment_id": EXAMPLE_ID,
                    "version_id": EXAMPLE_ID,
                    "version": "1.0.0",
                    "is_release": True,
                    "live_from": EXAMPLE_TIME,
                    "deployed_by": "ci",
                    "behind": 2,
                }
            },
        ),
    )


# --- deployments ------------------------------------------------------------------------------------------------------


class DeploymentEdit(In):
    """How far a deployment came, and what belongs to it; only the fields sent change."""

    status = choice(DeploymentStatus, metadata=says("Only ever moves on.", "running"))
    metadata = metadata_field(attribute="metadata_")
    endpoint_url = link(PLACE_LENGTH, allow_none=True, metadata=says("Where it answers; null clears it."))
    log_url = link(PLACE_LENGTH, allow_none=True, metadata=says("Where its log can be read; null clears it."))


# --- gates ------------------------------------------------------------------------------------------------------------


def _path(**kwargs: Any) -> fields.String:
    return text(METRIC_PATH_LENGTH, metadata=says("Within metadata, dotted.", "eval.f1"), **kwargs)


class _GateFields(In):
    path = _path()
    op = choice(Operator, metadata=says("How the number is compared.", ">="))
    value = Number(metadata=says("What it is compared with.", 0.9))
    direction = choice(Direction, metadata=says("Which numbers are better.", "higher"))
    tolerance = Number(
        validate=validate.Range(0, error="Has to be 0 or more."),
        metadata=says("How much worse it may be; 0 when not sent.", 0.01),
    )
    paths = fields.List(
        _path(),
        validate=validate.Length(1, 50, error="Has to have 1 to 50 paths."),
        metadata=says("What metadata has to hold.", ["data.sha256"]),
    )
    environment = environment_name(metadata=says("Where it has to be live.", "staging"))
    seconds = Whole(
        validate=validate.Range(1, MAX_SECONDS, error=f"Has to be 1 to {MAX_SECONDS}."),
        metadata=says("For how long without break.", 86_400),
    )
    count = Whole(
        validate=validate.Range(1, 20, error="Has to be 1 to 20."), metadata=says("So many keys; 1 when not sent.", 2)
    )
    role = choice(Role, metadata=says("Of this role or a higher one; releaser when not sent.", "releaser"))


def _models(**kwargs: Any) -> fields.String:
    return matching(
        PATTERN.strip("^$"),
        NAME_LENGTH,
        "Has to be a model's name, in which * stands for any text, or * alone.",
        metadata=says("A name, or a pattern, in which * stands for any text.", "myorg/*"),
        **kwargs,
    )


def _target(**kwargs: Any) -> fields.String:
    return environment_name(metadata=says("release, or an environment.", "production"), **kwargs)


class GateIn(_GateFields, Create):
    """A rule on becoming a release or on reaching an environment, with the fields of its kind."""

    model = _models(required=True)
    target = _target(required=True)
    kind = choice(GateKind, required=True, metadata=says("What it looks at.", "metric"))


class GateEdit(_GateFields):
    """What changes of a gate."""

    model = _models()
    target = _target()
    kind = never_changes()

    @validates("kind")
    def refuse(self, value: Any, **_: Any) -> None:
        raise ValidationError("Never changes. Make another gate instead.")


class GateOut(Out):
    """A rule on becoming a release or on reaching an environment. Fields of other kinds than its own are null."""

    id = fields.UUID(metadata=says("UUID version 7.", EXAMPLE_ID))
    model = fields.String(metadata=says("Which models it is for.", "myorg/*"))
    target = fields.String(metadata=says("release, or an environment.", "production"))
    kind = choice(GateKind, attribute="kind_", metadata=says("What it looks at.", "metric"))
    path = fields.String(allow_none=True, metadata=says("Within metadata, dotted.", "eval.f1"))
    op = fields.String(allow_none=True, metadata=says("How the number is compared.", ">="))
    value = fields.Float(allow_none=True, metadata=says("What it is compared with.", 0.9))
    direction = fields.String(allow_none=True, metadata=says("Which numbers are better."))
    tolerance = fields.Float(allow_none=True, metadata=says("How much worse it may be."))
    paths = fields.List(fields.String(), allow_none=True, metadata=says("What metadata has to hold."))
    environment = fields.String(allow_none=True, metadata=says("Where it has to be live."))
    seconds = fields.Integer(allow_none=True, metadata=says("For how long without break."))
    count = fields.Integer(allow_none=True, attribute="count_", metadata=says("So many keys."))
    role = fields.String(allow_none=True, metadata=says("Of this role or a higher one."))
    created_by = fields.String(metadata=says("The name of the key that wrote it.", "admin"))
    created_at = Time(metadata=says("When it was written.", EXAMPLE_TIME))
    updated_at = Time(metadata=says("When it last changed.", EXAMPLE_TIME))


def gate_told(gate: Any) -> dict[str, Any]:
    """The gate as a verdict names it: with the fields of its own kind."""
    own = ("path", "op", "value", "direction", "tolerance", "paths", "environment", "seconds", "count_", "role")
    told = {name.rstrip("_"): getattr(gate, name) for name in own if getattr(gate, name) is not None}
    return {"id": str(gate.id), "model": gate.model, "target": gate.target, "kind": gate.kind_, **told}


def words_told(words: Any) -> list[dict[str, Any]]:
    """The approvals that a verdict names, each with why it does not count, or null."""
    return [
        {
            "id": word.id,
            "approved_by": word.approved_by,
            "comment": word.comment,
            "created_at": word.created_at,
            "void": word.void,
        }
        for word in words
    ]


class VerdictOut(Out):
    """What a gate says of a version."""

    gate = ComputedObject(
        gate_told, "gate", metadata=says("The gate.", {"id": EXAMPLE_ID, "kind": "metric", "path": "accuracy"})
    )
    passed = fields.Boolean(metadata=says("Whether it lets the version through.", False))
    detail = fields.String(metadata=says("Why, with both numbers.", "accuracy is 0.89; it must be >= 0.9"))
    approvals = ComputedList(
        words_told,
        "approvals",
        metadata=says(
            "Of a gate that asks for approvals: those there are, each with why it does not count, or null.", []
        ),
    )


class ApprovalIn(Create):
    """That a version may reach a target."""

    target = _target(required=True)
    comment = text(TEXT_LENGTH, metadata=says("For people.", "Checked on last week's tickets"))


class ApprovalOut(Out):
    """A key's word that a version may reach a target."""

    id = fields.UUID(metadata=says("UUID version 7.", EXAMPLE_ID))
    version_id = fields.UUID(metadata=says("The version's id.", EXAMPLE_ID))
    target = fields.String(metadata=says("release, or an environment.", "production"))
    comment = fields.String(allow_none=True, metadata=says("For people."))
    approved_by = fields.String(metadata=says("The name of the key that gave it.", "releaser"))
    created_at = Time(metadata=says("When it was given.", EXAMPLE_TIME))
