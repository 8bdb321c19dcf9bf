"""`/gates`: the rules for a release and for reaching an environment, and the form of a gate with its dry run."""

from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for

from catapult.actions import gates as actions
from catapult.contract.control import MAX_SECONDS, GateIn
from catapult.errors import Invalid
from catapult.pages.parts import csv_files, formats, forms, fragments, lists
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import page, requested_block
from catapult.queries import environments, gates
from catapult.queries.lists.paging import Listing, Page
from catapult.rules.gates import OWN_FIELDS
from catapult.rules.numbers import written
from catapult.tables import RELEASE, Direction, GateKind, Operator, Role

blp = Blueprint("gates", __name__)
LIST, FORM, DELETE = "gates/index.html", "gates/form.html", "gates/delete.html"
KINDS = {
    GateKind.METRIC: "A number in the metadata",
    GateKind.NO_REGRESSION: "No worse than the current version",
    GateKind.METADATA_PRESENT: "Required metadata",
    GateKind.RELEASED: "Releases only",
    GateKind.SOAKED: "Time live in another environment",
    GateKind.FILES_SIGNED: "Files signed by a trusted key",
    GateKind.FILES_INTACT: "Files as they were added",
    GateKind.DIGEST_VERIFIED: "Digest verified at the image registry",
    GateKind.SIGNED: "Image signed by trusted keys",
    GateKind.APPROVED: "Approval by others",
}
UNITS = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
LENGTHS = {"seconds", "max_age"}
"""Fields that are a length of time, typed with a unit."""
OFFERED, TRIED = 50, 20
"""Environments that the form offers, and versions that a dry run judges."""


@blp.get("/gates")
@page()
def index() -> Response:
    """The gates that contain the text or apply to the model in the address, newest first."""
    part = lists.part(_listing())
    context = {
        "search": lists.typed("search"),
        "applies_to": lists.typed("model"),
        "refused": gates.refusals(row.id for row in part.rows),
        "file": lists.with_parameters(url_for(".export")),
    }
    return fragments.whole_or(requested_block("list", "more"), LIST, part=part, **context)


@blp.get("/gates.csv")
@page()
def export() -> Response:
    """The gates that match the address as a file, with what each asks in words."""

    def cells(rows: list[Any]) -> Iterator[Any]:
        for row in rows:
            yield row.id, row.model, row.target, row.kind_, formats.rule(row), row.created_by, row.created_at

    heads = ("id", "model", "target", "kind", "rule", "created_by", "created_at")
    return csv_files.table("gates", heads, _listing(), cells)


def _listing() -> Listing:
    """Return the gates that contain the text and apply to the model in the address."""
    search, model = lists.typed("search"), lists.typed("model")
    listing = gates.of_model(model) if model else gates.listing()
    return listing.where(gates.contains(search)) if search else listing


@blp.route("/new/gate", methods=forms.METHODS)
@page(Role.ADMIN)
def create() -> Response:
    """The form to create a gate, with the fields of the kind in the address, and its dry run."""

    def act() -> Response:
        fields = _fields()
        if _is_dry_run():
            return _form(Form(forms.typed()), tried=_dry_run(fields))
        created = actions.create(actor=g.actor, **fields)
        return fragments.go(url_for(".index"), f"The gate for {created.model} is active.")

    return forms.answer(act, _form, Form(request.args.to_dict()))


@blp.route("/gates/<uuid:gate_id>/edit", methods=forms.METHODS)
@page(Role.ADMIN)
def edit(gate_id: UUID) -> Response:
    """The form to change the gate, and the dry run of the change."""
    gate = gates.get(gate_id)

    def act() -> Response:
        fields = _fields()
        if _is_dry_run():
            return _form(Form(forms.typed()), gate=gate, tried=_dry_run(fields, gate))
        actions.edit(gate_id, fields, actor=g.actor, expected=forms.counter())
        return fragments.go(url_for(".index"), f"The gate for {fields['model']} is changed.")

    return forms.answer(act, partial(_form, gate=gate), Form(_stored(gate)))


@blp.route("/gates/<uuid:gate_id>/delete", methods=forms.METHODS)
@page(Role.ADMIN)
def delete(gate_id: UUID) -> Response:
    """What deleting the gate does, and the button that deletes it."""
    gate = gates.get(gate_id)

    def act() -> Response:
        actions.delete(gate_id, actor=g.actor, expected=forms.counter())
        return fragments.go(url_for(".index"), f"The gate for {gate.model} is deleted.")

    return forms.answer(act, partial(_deletion, gate))


def _fields() -> dict[str, Any]:
    """Return the gate's fields as they were typed. Raises Invalid."""
    fields = forms.read(GateIn)
    for name in LENGTHS & fields.keys():
        fields[name] *= UNITS.get(request.form.get("unit", ""), 1)
        if fields[name] > MAX_SECONDS:
            raise Invalid("That is too long.", errors={name: ["May be ten years at most."]})
    return actions.checked(**fields)


def _is_dry_run() -> bool:
    return request.form.get("do") == "try"


def _dry_run(fields: dict[str, Any], stored: Any = None) -> dict[str, Any]:
    """Return the gate's verdicts on the newest versions that it applies to, and how many approvals it would void."""
    newest = gates.newest_for(fields["model"], TRIED)
    verdicts = gates.tried([row.id for row in newest], fields)
    rows = [(row, verdicts[row.id]) for row in newest if row.id in verdicts]
    affected = {(fields["model"], fields["target"]), *([(stored.model, stored.target)] if stored else [])}
    passing = sum(verdict.passed for _, verdict in rows)
    return {"rows": rows, "passing": passing, "void": gates.approval_count(*affected), "kind": fields["kind"]}


def _form(form: Form, status: int = 200, *, gate: Any = None, tried: dict[str, Any] | None = None) -> Response:
    kind = gate.kind_ if gate else form.values.get("kind", "")
    names = [(row.place, row.description or "") for row in environments.listing().page(Page(OFFERED))][:OFFERED]
    return fragments.form(
        FORM,
        form,
        status,
        gate=gate,
        kind=kind if kind in OWN_FIELDS else GateKind.METRIC.value,
        kinds=KINDS,
        tried=tried,
        targets=[(RELEASE, ""), *names],
        environments=names,
        operators=list(Operator),
        directions=list(Direction),
        roles=[role for role in Role if role.holds(Role.PUBLISHER)],
        units=list(UNITS),
        changed_by=forms.changed_by(gate, status),
    )


def _deletion(gate: Any, form: Form, status: int) -> Response:
    void = gates.approval_count((gate.model, gate.target))
    return fragments.form(DELETE, form, status, gate=gate, void=void, changed_by=forms.changed_by(gate, status))


def _stored(gate: Any) -> dict[str, str]:
    """Return the gate's values as its form shows them."""
    own = {name: getattr(gate, "count_" if name == "count" else name) for name in OWN_FIELDS[gate.kind_]}
    shown = {name: _text(value) for name, value in own.items()}
    for name in LENGTHS & own.keys():
        unit = next(unit for unit, size in UNITS.items() if own[name] % size == 0)
        shown |= {name: str(own[name] // UNITS[unit]), "unit": unit}
    return {"model": gate.model, "target": gate.target, "kind": gate.kind_, **shown}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return written(value) if isinstance(value, int | float) else str(value)
