"""Schemas of environments, what is live, rollbacks, gates, approvals and comments."""

import math
from typing import Any

from marshmallow import ValidationError, fields, validate

from catapult.contract.fields import (
    ComputedList,
    ComputedObject,
    ComputedString,
    Create,
    Flag,
    Id,
    Immutable,
    In,
    Out,
    Time,
    Whole,
    between,
    choice,
    matching,
    says,
    text,
)
from catapult.contract.schemas import (
    EXAMPLE_ID,
    EXAMPLE_TIME,
    DeploymentOut,
    RowOut,
    check_not_reserved,
    description_field,
    environment_name,
)
from catapult.contract.schemas import model_name as name_of_a_model
from catapult.rules import decisions, environment_names, numbers, targets
from catapult.rules.gates import OWN_FIELDS
from catapult.tables import (
    ALIAS,
    COMMENT_LENGTH,
    ENVIRONMENT_LENGTH,
    MAX_RANK,
    METRIC_PATH_LENGTH,
    NAME_LENGTH,
    PATTERN,
    PLACE_LENGTH,
    TEXT_LENGTH,
    DecisionKind,
    Direction,
    GateKind,
    Operator,
    Role,
)

MAX_SECONDS = 10 * 365 * 86_400
TARGETS = "release, an environment, or an alias with @ before it."


class Number(fields.Float):
    """A number that fits a 64-bit float, with all its digits if it is whole; text and true are refused."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValidationError("Must be a number.")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise ValidationError("Is beyond the range of a 64-bit float.")
        return numbers.plain(value)


# --- environments -----------------------------------------------------------------------------------------------------


class EnvironmentPut(In):
    """An environment's fields; only those sent change."""

    rank = Whole(validate=between(0, MAX_RANK), metadata=says("Its position in the order; default: the last.", 3))
    protected = Flag(metadata=says("Deploying to it needs the role releaser.", True))
    frozen = Flag(metadata=says("It accepts no deployments; needs frozen_reason.", True))
    frozen_reason = text(
        PLACE_LENGTH, allow_none=True, metadata=says("The reason, shown to whoever is refused.", "Sale until Monday")
    )
    frozen_until = Time(allow_none=True, metadata=says("When the freeze ends by itself; null: never.", EXAMPLE_TIME))
    description = description_field()
    deploy_within = Whole(
        validate=between(1, MAX_SECONDS),
        allow_none=True,
        metadata=says("Seconds after which an unfinished deployment is overdue; null: never.", 1_800),
    )


class EnvironmentOut(Out):
    """An environment to deploy versions to."""

    name = fields.String(metadata=says("Its name.", "production"))
    rank = fields.Integer(metadata=says("Its position in the order.", 3))
    protected = fields.Boolean(metadata=says("Whether deploying to it needs the role releaser.", True))
    frozen = fields.Boolean(metadata=says("Whether it accepts no deployments now.", False))
    frozen_reason = fields.String(allow_none=True, metadata=says("Why it was frozen."))
    frozen_until = Time(allow_none=True, metadata=says("When the freeze ends by itself."))
    description = fields.String(allow_none=True, metadata=says("For people."))
    deploy_within = fields.Integer(
        allow_none=True, metadata=says("Seconds after which an unfinished deployment is overdue; null: never.", 1_800)
    )
    created_by = fields.String(metadata=says("The name of the key that created it.", "ci"))
    created_at = Time(metadata=says("When it was created.", EXAMPLE_TIME))
    updated_at = Time(metadata=says("When it last changed.", EXAMPLE_TIME))


class Rollback(Create):
    """The model to roll back, and why."""

    model_name = name_of_a_model(required=True, metadata=says("The model's name, ignoring case.", "myorg/bert"))
    reason = text(TEXT_LENGTH, required=True, metadata=says("Why; kept in the audit log.", "Latency doubled"))
    to = Id(metadata=says("The earlier deployment; default: the newest of another version.", EXAMPLE_ID))


class Retirement(Create):
    """The model to take out of service, and why."""

    model_name = name_of_a_model(required=True, metadata=says("The model's name, ignoring case.", "myorg/bert"))
    reason = text(TEXT_LENGTH, required=True, metadata=says("Why; kept in the audit log.", "Replaced by bert-2"))


class LiveOut(Out):
    """What is live of a model, by environment."""

    model_id = fields.UUID(metadata=says("The model's id.", EXAMPLE_ID))
    model_name = fields.String(metadata=says("The model's name.", "myorg/bert"))
    latest_version = fields.String(allow_none=True, metadata=says("The newest version that is not archived.", "1.2.0"))
    environments = fields.Dict(
        metadata=says(
            "By environment: the live deployment, its version, since when, and how many versions were registered after "
            "that one, archived ones left out.",
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


# --- gates ------------------------------------------------------------------------------------------------------------


def _path() -> fields.String:
    return text(
        METRIC_PATH_LENGTH, metadata=says("A path within metadata, such as eval.f1 or results[0].value.", "eval.f1")
    )


def _model(**kwargs: Any) -> fields.String:
    error = "Must be a model's name, in which * stands for any text, or * alone."
    about = says("A name, or a pattern in which * stands for any text.", "myorg/*")
    return matching(PATTERN.strip("^$"), NAME_LENGTH, error, metadata=about, **kwargs)


def _target(**kwargs: Any) -> fields.String:
    field = matching(
        f"{environment_names.PATTERN}|@{ALIAS}",
        ENVIRONMENT_LENGTH,
        f"{environment_names.RULE} An alias begins with @. {targets.ALIAS_RULE}",
        metadata=says(TARGETS, "production"),
        **kwargs,
    )
    field.validators.append(check_not_reserved)
    return field


class _GateFields(In):
    path = _path()
    op = choice(Operator, metadata=says("How the number is compared.", ">="))
    value = Number(metadata=says("The number it is compared with.", 0.9))
    direction = choice(Direction, metadata=says("Which numbers are better.", "higher"))
    tolerance = Number(
        validate=validate.Range(0, error="Must be 0 or more."),
        metadata=says("How much worse it may be. Default: 0.", 0.01),
    )
    paths = fields.List(
        _path(),
        validate=validate.Length(1, 50, error="Must have 1 to 50 paths."),
        metadata=says("What metadata must contain.", ["data.sha256"]),
    )
    environment = environment_name(metadata=says("Where it must be live.", "staging"))
    seconds = Whole(validate=between(1, MAX_SECONDS), metadata=says("For how long without interruption.", 86_400))
    count = Whole(validate=between(1, 20), metadata=says("The number of approvals, or of keys. Default: 1.", 2))
    role = choice(Role, metadata=says("The lowest role that may approve. Default: releaser.", "releaser"))
    max_age = Whole(
        validate=between(1, MAX_SECONDS),
        metadata=says("Seconds within which the image registry must have confirmed the digest. Default: a day.", 3_600),
    )
    tag = Flag(metadata=says("Whether the tag must still lead to the digest. Default: false.", True))


class GateIn(_GateFields, Create):
    """A rule on the way to a target, with the fields of its kind."""

    model = _model(required=True)
    target = _target(required=True)
    kind = choice(GateKind, required=True, metadata=says("What it checks.", "metric"))


class GateEdit(_GateFields):
    """The fields of a gate to change."""

    model = _model()
    target = _target()
    kind = Immutable("Never changes. Add another gate instead.")


class GateOut(RowOut):
    """A rule on the way to a target. Fields of other kinds are null."""

    model = fields.String(metadata=says("The models it applies to.", "myorg/*"))
    target = fields.String(metadata=says(TARGETS, "production"))
    kind = choice(GateKind, attribute="kind_", metadata=says("What it checks.", "metric"))
    path = fields.String(
        allow_none=True, metadata=says("A path within metadata, such as eval.f1 or results[0].value.", "eval.f1")
    )
    op = fields.String(allow_none=True, metadata=says("How the number is compared.", ">="))
    value = fields.Float(allow_none=True, metadata=says("The number it is compared with.", 0.9))
    direction = fields.String(allow_none=True, metadata=says("Which numbers are better."))
    tolerance = fields.Float(allow_none=True, metadata=says("How much worse it may be."))
    paths = fields.List(fields.String(), allow_none=True, metadata=says("What metadata must contain."))
    environment = fields.String(allow_none=True, metadata=says("Where it must be live."))
    seconds = fields.Integer(allow_none=True, metadata=says("For how long without interruption."))
    count = fields.Integer(allow_none=True, attribute="count_", metadata=says("The number of approvals, or of keys."))
    role = fields.String(allow_none=True, metadata=says("The lowest role that may approve."))
    max_age = fields.Integer(
        allow_none=True, metadata=says("Seconds within which the digest must have been confirmed.")
    )
    tag = fields.Boolean(allow_none=True, metadata=says("Whether the tag must still lead to the digest."))
    created_by = fields.String(metadata=says("The name of the key that created it.", "admin"))
    created_at = Time(metadata=says("When it was created.", EXAMPLE_TIME))
    updated_at = Time(metadata=says("When it last changed.", EXAMPLE_TIME))


def _gate(gate: Any) -> dict[str, Any]:
    """Return the gate as a verdict names it, with the fields of its own kind."""
    own = [f"{name}_" if name == "count" else name for name in OWN_FIELDS[gate.kind_]]
    values = {name.rstrip("_"): getattr(gate, name) for name in own}
    return {"id": str(gate.id), "model": gate.model, "target": gate.target, "kind": gate.kind_, **values}


def _approvals(approvals: Any) -> list[dict[str, Any]]:
    """Return the approvals that a verdict names."""
    shown = ("id", "approved_by", "comment", "created_at", "void", "note")
    return [{name: getattr(approval, name) for name in shown} for approval in approvals]


class VerdictOut(Out):
    """A gate's verdict on a version."""

    gate = ComputedObject(
        _gate, "gate", metadata=says("The gate.", {"id": EXAMPLE_ID, "kind": "metric", "path": "accuracy"})
    )
    passed = fields.Boolean(metadata=says("Whether the version passes.", False))
    detail = fields.String(metadata=says("Why, with both numbers.", "accuracy is 0.89; it must be >= 0.9"))
    approvals = ComputedList(
        _approvals,
        "approvals",
        metadata=says(
            "For a gate that needs approvals: each, in `void` why it does not count, in `note` who made its key.",
            [],
        ),
    )


class ApprovalIn(Create):
    """An approval of a version for a target."""

    target = _target(required=True)
    comment = text(TEXT_LENGTH, metadata=says("For people.", "Checked on last week's tickets"))


class ApprovalOut(RowOut):
    """An approval of a version for a target."""

    version_id = fields.UUID(metadata=says("The version's id.", EXAMPLE_ID))
    target = fields.String(metadata=says(TARGETS, "production"))
    comment = fields.String(allow_none=True, metadata=says("For people."))
    approved_by = fields.String(metadata=says("The name of the key that gave it.", "releaser"))
    created_at = Time(metadata=says("When it was given.", EXAMPLE_TIME))


class CommentIn(Create):
    """A comment on a version, for everybody to see. It blocks nothing."""

    text = text(COMMENT_LENGTH, required=True, metadata=says("Plain text.", "The German slice looks wrong"))
    asks_for_changes = Flag(metadata=says("Ask for changes; the inbox shows the latest such comment.", True))


class Ask(In):
    """The form beside Approve, sent by the button that asks for changes."""

    comment = text(COMMENT_LENGTH, required=True, error_messages={"required": "Say what should change."})


class CommentOut(RowOut):
    """A comment on a version."""

    version_id = fields.UUID(metadata=says("The version's id.", EXAMPLE_ID))
    text = fields.String(metadata=says("Plain text.", "The German slice looks wrong"))
    asks_for_changes = fields.Boolean(metadata=says("Whether it asks for changes. It holds nothing back.", True))
    created_by = fields.String(metadata=says("Who made it.", "Dana Ortiz"))
    created_at = Time(metadata=says("When it was made.", EXAMPLE_TIME))


class DecisionOut(RowOut):
    """A promotion, demotion, deployment, rollback or retirement, or a change of an alias that gates guard, with all the evidence
    that allowed it. It never changes."""

    kind = choice(DecisionKind, attribute="kind_", metadata=says("What was decided.", "promote"))
    at = Time(metadata=says("When.", EXAMPLE_TIME))
    by = fields.String(metadata=says("Who, by the name of that time.", "Dana Ortiz"))
    by_key_id = fields.UUID(allow_none=True, metadata=says("The key that asked."))
    by_person_id = fields.UUID(allow_none=True, metadata=says("The person who held it."))
    version_id = fields.UUID(metadata=says("The version's id.", EXAMPLE_ID))
    model_name = fields.String(metadata=says("The model's name.", "myorg/bert"))
    version = fields.String(metadata=says("The version string.", "1.0.0"))
    target = fields.String(metadata=says(TARGETS, "production"))
    content = fields.Dict(metadata=says("`tag digest image source hash numbers` of the version at that moment.", {}))
    reason = fields.String(allow_none=True, metadata=says("Why."))
    override = fields.Boolean(metadata=says("Whether a gate was overridden.", False))
    override_by_registrant = fields.Boolean(metadata=says("Whether by whoever registered the version.", False))
    verdicts = fields.List(fields.Dict(), metadata=says("`gate_id kind rule passed detail` of every gate.", []))
    approvals = fields.List(fields.Dict(), metadata=says("`by at comment` of every approval that counted.", []))
    freeze = fields.String(allow_none=True, metadata=says("The reason of the freeze that did not stop it."))
    sha256 = ComputedString(
        decisions.sha256,
        *decisions.ATTRIBUTES,
        metadata=says("The SHA-256 of all that, which the audit entry has in `details`.", "9f86d081884c7d65…"),
    )


class DecidedDeploymentOut(DeploymentOut):
    """A deployment, with the decision by which it began or went live."""

    decision = fields.Nested(
        DecisionOut, allow_none=True, metadata=says("Null if it did not get there, or no evidence was kept then.")
    )
