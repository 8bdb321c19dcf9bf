"""`/gates`: the rules on becoming a release and on reaching an environment; their form, with a dry run."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for

from catapult.actions import gates as actions
from catapult.contract.control import MAX_SECONDS, GateIn
from catapult.errors import Invalid
from catapult.pages.parts import forms, fragments, lists
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import asked, page
from catapult.queries import audit_logs, environments, gates
from catapult.queries.lists.paging import Page
from catapult.rules.gates import OWN_FIELDS, number
from catapult.tables import RELEASE, Direction, GateKind, Operator, Role

blp = Blueprint("gates", __name__)
LIST, FORM, DELETE = "gates/index.html", "gates/form.html", "gates/delete.html"
KINDS = {
    GateKind.METRIC: "A number in its metadata",
    GateKind.NO_REGRESSION: "No worse than what is there",
    GateKind.METADATA_PRESENT: "Metadata that has to be there",
    GateKind.RELEASED: "Releases only",
    GateKind.SOAKED: "Live elsewhere for a time",
    GateKind.APPROVED: "Approved by others",
}
UNITS = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
OFFERED, TRIED = 50, 20
"""Environments that the form offers, and versions that a gate is tried on."""


@blp.get("/gates")
@page()
def index() -> Response:
    """Every gate, the newest first."""
    return fragments.whole_or(asked("list", "more"), LIST, part=lists.part(gates.listing()))


@blp.get("/new/gate")
@page(Role.ADMIN)
def new() -> Response:
    """The form to write a gate, with the fields of the kind that the address names."""
    return _form(Form(request.args.to_dict()))


@blp.post("/new/gate")
@page(Role.ADMIN)
def create() -> Response:
    """The gate holds from now on, or what it would say is shown."""

    def act() -> Response:
        fields = _fields()
        if _only_tried():
            return _form(Form(forms.typed()), tried=_tried(fields))
        made = actions.create(actor=g.actor, **fields)
        return fragments.go(url_for(".index"), f"The gate for {made.model} holds from now on.")

    return forms.submit(act, _form)


@blp.get("/gates/<uuid:gate_id>/edit")
@page(Role.ADMIN)
def edit(gate_id: UUID) -> Response:
    """The form to change a gate."""
    gate = gates.get(gate_id)
    return _form(Form(_stored(gate)), gate=gate)


@blp.post("/gates/<uuid:gate_id>/edit")
@page(Role.ADMIN)
def save(gate_id: UUID) -> Response:
    """The gate is changed, or what it would say then is shown."""
    gate = gates.get(gate_id)

    def act() -> Response:
        fields = _fields()
        if _only_tried():
            return _form(Form(forms.typed()), gate=gate, tried=_tried(fields, gate))
        actions.edit(gate_id, fields, actor=g.actor, expected=forms.counter())
        return fragments.go(url_for(".index"), f"The gate for {fields['model']} is changed.")

    return forms.submit(act, lambda form, status: _form(form, status, gate=gate))


@blp.get("/gates/<uuid:gate_id>/delete")
@page(Role.ADMIN)
def confirm_deletion(gate_id: UUID) -> Response:
    """What deleting the gate would do."""
    return _deletion(gates.get(gate_id), Form())


@blp.post("/gates/<uuid:gate_id>/delete")
@page(Role.ADMIN)
def delete(gate_id: UUID) -> Response:
    """The gate holds no more."""
    gate = gates.get(gate_id)

    def act() -> Response:
        actions.delete(gate_id, actor=g.actor, expected=forms.counter())
        return fragments.go(url_for(".index"), f"The gate for {gate.model} is deleted.")

    return forms.submit(act, lambda form, status: _deletion(gate, form, status))


def _fields() -> dict[str, Any]:
    """The gate's fields as they were typed. Raises Invalid."""
    fields = forms.read(GateIn)
    if "seconds" in fields:
        fields["seconds"] = _seconds(fields["seconds"])
    return actions.checked(**fields)


def _seconds(count: int) -> int:
    """So many of the unit that was chosen. Raises Invalid."""
    seconds = count * UNITS.get(request.form.get("unit", ""), 1)
    if seconds > MAX_SECONDS:
        raise Invalid("That is too long.", errors={"seconds": ["May be ten years at most."]})
    return seconds


def _only_tried() -> bool:
    return request.form.get("do") == "try"


def _tried(fields: dict[str, Any], before: Any = None) -> dict[str, Any]:
    """What the gate would say of the newest versions that it is for, and how many approvals would count no more."""
    newest = gates.newest_for(fields["model"], TRIED)
    said = gates.tried([row.id for row in newest], fields)
    rows = [(row, said[row.id]) for row in newest if row.id in said]
    meant = {(fields["model"], fields["target"]), *([(before.model, before.target)] if before else [])}
    passing = sum(verdict.passed for _, verdict in rows)
    return {"rows": rows, "passing": passing, "void": gates.approval_count(*meant), "kind": fields["kind"]}


def _form(form: Form, status: int = 200, *, gate: Any = None, tried: dict[str, Any] | None = None) -> Response:
    kind = gate.kind_ if gate else form.values.get("kind", "")
    said = {
        "gate": gate,
        "kind": kind if kind in OWN_FIELDS else GateKind.METRIC.value,
        "kinds": KINDS,
        "tried": tried,
        "targets": [(RELEASE, ""), *(places := _places())],
        "environments": places,
        "operators": list(Operator),
        "directions": list(Direction),
        "roles": [role for role in Role if role.holds(Role.PUBLISHER)],
        "units": list(UNITS),
        "changed_by": audit_logs.last_actor(UUID(gate.id)) if status == 412 else "",
    }
    return fragments.whole_or(asked("dialog-body", "form") and "form", FORM, status, form=form, **said)


def _places() -> list[tuple[str, str]]:
    """The environments, as a field offers them."""
    return [(row.place, row.description or "") for row in environments.listing().page(Page(OFFERED))][:OFFERED]


def _deletion(gate: Any, form: Form, status: int = 200) -> Response:
    said = {"gate": gate, "void": gates.approval_count((gate.model, gate.target))}
    said["changed_by"] = audit_logs.last_actor(UUID(gate.id)) if status == 412 else ""
    return fragments.whole_or(asked("dialog-body", "form") and "form", DELETE, status, form=form, **said)


def _stored(gate: Any) -> dict[str, str]:
    """The gate as its form shows it."""
    own = {name: getattr(gate, "count_" if name == "count" else name) for name in OWN_FIELDS[gate.kind_]}
    shown = {name: _text(value) for name, value in own.items()}
    if "seconds" in own:
        unit = next(unit for unit, size in UNITS.items() if own["seconds"] % size == 0)
        shown |= {"seconds": str(own["seconds"] // UNITS[unit]), "unit": unit}
    return {"model": gate.model, "target": gate.target, "kind": gate.kind_, **shown}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(value)
    return number(value) if isinstance(value, float) else str(value)
