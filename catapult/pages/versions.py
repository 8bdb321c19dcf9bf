"""`/models/<name>/versions/<version>`: one version, and what can be done with it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for
from sqlalchemy.exc import SQLAlchemyError

from catapult.actions import versions as actions
from catapult.contract.versions import Reason, VersionEdit, VersionIn
from catapult.errors import Blocked, Conflict, NotFound, PreconditionFailed, Refusal
from catapult.extensions import db
from catapult.pages import overview, registered_models
from catapult.pages.parts import (
    evidence,
    file_list,
    formats,
    forms,
    fragments,
    metadata_groups,
    model_card,
    samples,
    verdicts,
)
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import is_htmx, page, requested_block
from catapult.pages.parts.stepper import Step, Way
from catapult.queries import artifacts, audit_logs, comments, deployments, file_signatures, gates, versions
from catapult.queries import registered_models as models
from catapult.rules import image_reference
from catapult.rules.comparison import compare, parsed
from catapult.rules.file_signatures import PATH as SIGNATURE
from catapult.tables import RELEASE, DeploymentStatus, GateKind, Role, VersionStatus
from catapult.web import error_handlers, mount
from catapult.web.requested_images import resolved

blp = Blueprint("versions", __name__)
AT = "/models/<model:name>/versions/<version>"
VERSION, MODEL = "versions/show.html", "registered_models/show.html"
NEW, EDIT, DELETE = "versions/new.html", "versions/edit.html", "versions/delete.html"
OVERRIDE = "versions/override.html"
SHOWN, LIVE, COMMENTS = 10, 5, 20
"""Shown deployments and audit entries, live deployments whose evidence is shown, and shown comments."""

SHOWN_BESIDE = ("c", "metric", "filter", "show")
"""The parameters of a model's page that its rows and its chart depend on."""

UNFINISHED = (DeploymentStatus.PENDING, DeploymentStatus.RUNNING)
KEYS, FILES = 150, 50
"""Shown keys of metadata, and shown files."""


class Verb(NamedTuple):
    """A button: its action, whether it is done already, the resulting state, what it did, and the verb that reverts it."""

    act: Callable[..., Any]
    is_done: Callable[[Any], bool]
    state: str
    past: str
    undo: str


ARCHIVE = partial(actions.edit, fields={"status": VersionStatus.ARCHIVED.value})
ACTIVATE = partial(actions.edit, fields={"status": VersionStatus.ACTIVE.value})
VERBS = {
    "promote": Verb(actions.promote, lambda row: row.is_release, "a release", "Promoted", "demote"),
    "demote": Verb(actions.demote, lambda row: not row.is_release, "not a release", "Demoted", "promote"),
    "archive": Verb(ARCHIVE, lambda row: row.status == "archived", "archived", "Archived", "activate"),
    "activate": Verb(ACTIVATE, lambda row: row.status == "active", "active", "Made active", "archive"),
}


@blp.get(AT)
@page()
def show(name: str, version: str) -> Response:
    """The version: its image, its metadata beside the release's, its deployments and its activity."""
    return fragments.whole(VERSION, **_details(versions.named(name, version)))


@blp.post(f"{AT}/-/<any({','.join(VERBS)}):verb>")
@page()
def change(name: str, version: str, verb: str) -> Response:
    """Promote, demote, archive or activate the version: the action checks the role, and gates may block a promotion."""
    try:
        return _in_place(name, version, VERBS[verb])
    except Blocked as blocked:
        error_handlers.record(blocked)
        return _blocked(versions.named(name, version), blocked)


@blp.route(f"{AT}/-/override", methods=forms.METHODS)
@page(Role.ADMIN)
def override(name: str, version: str) -> Response:
    """The gates that block a promotion, and the form that promotes all the same and records the reason."""
    row = versions.named(name, version)

    def act() -> Response:
        actions.promote(UUID(row.id), actor=g.actor, force=True, **forms.read(Reason))
        return fragments.go(address(row), f"{row.model_name} {row.version} is a release now.")

    return forms.answer(act, partial(_override, row))


@blp.route(f"{AT}/-/edit", methods=forms.METHODS)
@page(Role.PUBLISHER)
def edit(name: str, version: str) -> Response:
    """The form that changes the notes, the metadata, the quantization or the path in shared storage."""
    row = versions.named(name, version)

    def act() -> Response:
        fields = forms.read(VersionEdit, shown=_stored(row))
        reason = fields.pop("reason", None)
        actions.edit(UUID(row.id), fields, actor=g.actor, reason=reason, expected=forms.counter())
        return fragments.go(address(row), f"{row.version} is changed.")

    return forms.answer(act, partial(_edit, row))


@blp.route(f"{AT}/-/tags", methods=forms.METHODS)
@page(Role.PUBLISHER)
def edit_tags(name: str, version: str) -> Response:
    """The version's page; tags that are sent here replace those it has."""
    row = versions.named(name, version)

    def act() -> Response:
        fields = {"tags": forms.read(VersionEdit, shown={"tags": "\n".join(row.tags)}).get("tags", row.tags)}
        actions.edit(UUID(row.id), fields, actor=g.actor, expected=forms.counter())
        if not is_htmx():
            return fragments.go(address(row))
        toast = fragments.toast(f"The tags of {row.model_name} {row.version} are changed.")
        return fragments.part(VERSION, "tags", toast, version=versions.named(name, version), tags_form=Form())

    def show(form: Form, status: int) -> Response:
        if is_htmx():
            return fragments.part(VERSION, "tags", status=status, version=row, tags_form=form)
        return fragments.whole(VERSION, status, **{**_details(row), "tags_form": form})

    return forms.answer(act, show)


@blp.route("/new/version", methods=forms.METHODS)
@page(Role.PUBLISHER)
def create() -> Response:
    """The form to register a version; then the version's page."""

    def act() -> Response:
        try:
            body = forms.read(VersionIn)
            row = actions.create(actor=g.actor, resolved=resolved(body), **body)
        except NotFound as missing:
            raise Conflict(missing.detail, errors={"model_name": ["There is no such model."]}) from missing
        return fragments.go(address(row), f"{row.version} is registered.")

    return forms.answer(act, partial(fragments.form, NEW), Form(request.args.to_dict()))


@blp.route(f"{AT}/-/delete", methods=forms.METHODS)
@page(Role.ADMIN)
def delete(name: str, version: str) -> Response:
    """What deleting the version does, and the field to type it in."""
    row = versions.named(name, version)

    def act() -> Response:
        forms.check_typed(row.version)
        actions.delete(UUID(row.id), actor=g.actor)
        return fragments.go(url_for("pages.registered_models.show", name=name), f"{row.version} is deleted.")

    return forms.answer(act, partial(fragments.form, DELETE, version=row))


def _in_place(name: str, version: str, verb: Verb) -> Response:
    """Do what the button says, and show the updated part of the page it was pressed on."""
    target = request.headers.get("HX-Target", "")
    try:
        before = versions.identify(name, version)
        row = verb.act(before.id, actor=g.actor, expected=_to_undo())
    except PreconditionFailed:
        return _not_undone(versions.named(name, version), target)
    except NotFound:
        if is_htmx() and target.startswith("version-"):
            return fragments.whole("registered_models/_gone.html", 404, row_id=target, version=version)
        raise
    if not is_htmx():
        return fragments.back(address(row))
    was_done = verb.is_done(before)
    toast = _toast(row, verb, target, was_done=was_done)
    done = None if was_done or "undo" in request.form else verb
    try:
        return _updated(row, toast, target, done)
    except (NotFound, SQLAlchemyError):  # the change is saved, whatever happened since: never report it as failed
        db.session.rollback()
        return fragments.toast_only(toast)


def _to_undo() -> set[int] | None:
    """Return the counter that the version must still have: the one after the change that the button reverts."""
    counter = request.form.get("undo", "")
    return {int(counter)} if re.fullmatch(r"[0-9]{1,18}", counter) else None


def _not_undone(row: Any, target: str) -> Response:
    """Show the version with somebody else's later change, and who made it: Undo reverts only your own change."""
    db.session.rollback()
    if not is_htmx():
        return fragments.back(address(row))
    by = audit_logs.last_actor(UUID(row.id))
    toast = fragments.toast(f"{row.model_name} {row.version} was changed since, by {by}. Nothing was undone.", bad=True)
    return _updated(row, toast, target, None)


def _updated(row: Any, toast: str, target: str, done: Verb | None) -> Response:
    """Return the part of the page that the button is in; with Undo at the button's place if `done`."""
    if target.startswith("version-"):
        return _in_model("row", row, toast, done)
    if target == "standing":
        return _in_model("standing", row, toast, done)
    if target.startswith("ready-act-"):
        return fragments.part("overview/index.html", "act", toast, row=row, done=done)
    if target == "ready":
        return fragments.part("overview/index.html", "ready", toast, **overview.ready())
    return again(versions.named(row.model_name, row.version), toast, done=done)


def _toast(row: Any, verb: Verb, target: str, *, was_done: bool) -> str:
    """Return a toast with Undo; if somebody had done it before, with their name and without Undo."""
    if was_done:
        by = f", promoted by {row.released_by}" if row.is_release else ""
        return fragments.toast(f"{row.model_name} {row.version} was {verb.state} already{by}.")
    shown: dict[str, Any] = {key: request.values.getlist(key) for key in SHOWN_BESIDE if key in request.values}
    address = url_for(".change", name=row.model_name, version=row.version, verb=verb.undo, **shown)
    part = "ready" if target.startswith("ready-act-") else target  # the row may be gone by then
    undo = {"action": address, "target": f"#{part}", "swap": "innerHTML" if part == "main" else "outerHTML"}
    undo["counter"] = str(row.counter)
    return fragments.toast(f"{row.model_name} {row.version} is {verb.state} now.", undo=undo)


def _in_model(block: str, row: Any, toast: str, done: Verb | None) -> Response:
    """Return the version's row or the head of its model's page; out of band the other one, the count of releases, the chart."""
    model = models.called(row.model_name)
    context = {"model": model, "version": row, **registered_models.version_row(model, row)}
    beside = ["releases", "line", "standing" if block == "row" else "row", *(["drawing"] if context["drawn"] else [])]
    parts = [fragments.out_of_band(MODEL, name, oob=True, **context) for name in beside]
    return fragments.part(MODEL, block, toast, *parts, done=done, **context)


def again(row: Any, toast: str, refused: Refusal | None = None, **shown: Any) -> Response:
    """Return the version's page, or its main part with the toast; with the refusal if there is one."""
    status = refused.status if refused else 200
    context = {"refused": refused, **shown, **_details(row)}
    if not is_htmx():
        return fragments.whole(VERSION, status, **context)
    return fragments.part(VERSION, "main", toast, status=status, **context)


def whole(row: Any, status: int = 200, form: Form | None = None) -> Response:
    """Return the version's page, with the form of a comment as it was sent."""
    return fragments.whole(VERSION, status, **_details(row, form))


def with_files(row: Any, *more: str, status: int = 200, form: Form | None = None) -> Response:
    """Return the card with the version's files, or the whole page; with the form that adds a file as it was sent."""
    context = {**_details(row), "file_form": form or Form()}
    if is_htmx():
        return fragments.part(VERSION, "files", *more, status=status, **context)
    return fragments.whole(VERSION, status, **context)


def talk(row: Any, form: Form | None = None) -> dict[str, Any]:
    """Return what the card with the version's comments shows."""
    newest = comments.with_voices(UUID(row.id), COMMENTS + 1)
    return {
        "version": row,
        "comments": newest[:COMMENTS],
        "more_comments": len(newest) > COMMENTS,
        "comment_form": form or Form(),
        "latest_ask": next((comment for comment in newest if comment.asks_for_changes), None),
    }


def _blocked(row: Any, blocked: Blocked) -> Response:
    """Return the version's page with its gates; in a list only a toast, and the list stays unchanged."""
    toast = verdicts.toast(blocked, url_for(".override", name=row.model_name, version=row.version))
    if is_htmx() and not requested_block("main"):
        return fragments.toast_only(toast, blocked.status)
    return again(row, toast, blocked)


def address(row: Any) -> str:
    """Return the address of the version's page."""
    return url_for("pages.versions.show", name=row.model_name, version=row.version)


def _details(row: Any, form: Form | None = None) -> dict[str, Any]:
    """Return everything that a version's page shows."""
    reference = (row.model_repository, row.model_storage_path, row.digest)
    image = image_reference.image(*reference)
    release = versions.released(UUID(row.model_id))
    base = release if release is not None and release.id != row.id else None
    metadata = parsed(row.metadata_)
    columns = [metadata, parsed(base.metadata_)] if base else [metadata]
    files = artifacts.read(row.files)
    is_signed = any(file.path == SIGNATURE for file in files)
    signature = file_signatures.of([UUID(row.id)])[UUID(row.id)] if is_signed else None
    signed = {UUID(row.id): signature} if signature else None
    panels = verdicts.panels(gates.verdicts_everywhere([row.id], g.actor.voice, signed)[UUID(row.id)])
    rows = compare(columns, base=len(columns) - 1).rows
    read = [verdict.gate.path for panel in panels for verdict in panel.verdicts if verdict.gate.path]
    mine = deployments.of_version(UUID(row.id), SHOWN, LIVE)
    let_through = evidence.of_ids([row.decision_id, *(it.decision_id for it in (*mine.live, *mine.first.values()))])
    return {
        "steps": _steps(row, panels, mine, let_through, base),
        "decision": let_through.get(row.decision_id),
        "live": [(deployment, let_through.get(deployment.decision_id)) for deployment in mine.live],
        **talk(row, form),
        "tags_form": Form(),
        "image": image,
        "image_fault": image_reference.image_fault(*reference),
        "samples": samples.of(row, image, f"{request.root_url}api"),
        "base": base,
        "promotion": next((panel for panel in panels if panel.target == RELEASE), None),
        "directions": verdicts.directions(verdict for panel in panels for verdict in panel.verdicts),
        "changes": _changes(row, panels),
        "elsewhere": [panel for panel in panels if panel.target != RELEASE],
        "metadata": metadata_groups.of(rows, columns, read, KEYS),
        "commit": str(metadata.get("git_commit") or "")[: formats.LONGEST_COMMIT],
        "commit_address": formats.commit_address(metadata),
        "run": formats.run_of(metadata),
        "deployments": mine.newest,
        "signature": signature,
        "files": file_list.shown(files[: FILES + 1]),
        "files_shown": FILES,
        "file_form": Form(),
        "has_mount": mount.is_likely(),
        "cards": model_card.of_files(row.id, files),
        "on_their_way": [deployment for deployment in mine.newest if deployment.status in UNFINISHED],
        "frozen": formats.frozen_environments()[:SHOWN],
        "now": datetime.now(UTC),
        "entries": audit_logs.about_version(UUID(row.id), SHOWN),
    }


def _changes(row: Any, panels: list[verdicts.Panel]) -> list[str]:
    """Return what has changed in the content since registration, where approvals are asked for."""
    ahead = [panel for panel in panels if panel.target != RELEASE or not row.is_release]
    asked = any(verdict.gate.kind_ == GateKind.APPROVED for panel in ahead for verdict in panel.verdicts)
    if not asked or row.status == VersionStatus.ARCHIVED:
        return []
    return evidence.content_changes_of([row.id]).get(UUID(row.id), [])


def _steps(row: Any, panels: list[verdicts.Panel], mine: Any, let_through: dict[str, Any], base: Any) -> list[Step]:
    """Return the version's way to the last environment, with the decisions that let it through, by id."""
    through = {place: let_through.get(deployment.decision_id) for place, deployment in mine.first.items()}
    through[RELEASE] = let_through.get(row.decision_id)
    unfinished = {it.place: it for it in reversed(mine.newest) if it.status in UNFINISHED}
    stages = list(formats.stages_by_name().values())
    return Way(row, panels, through, mine.first, unfinished, stages, base).steps()


def _stored(row: Any) -> dict[str, str]:
    """Return the version's values as its form shows them."""
    return {
        "release_notes": row.release_notes or "",
        "quantization": row.quantization or "",
        "ceph_path": row.ceph_path or "",
        "metadata": registered_models.indented(row.metadata_),
    }


def _edit(row: Any, form: Form, status: int) -> Response:
    changed_by = forms.changed_by(row, status)
    return fragments.form(EDIT, form, status, version=row, stored=_stored(row), changed_by=changed_by)


def _override(row: Any, form: Form, status: int) -> Response:
    judged = gates.verdicts([row.id], RELEASE, g.actor.voice)[UUID(row.id)]
    panel = verdicts.panel(RELEASE, [verdict for verdict in judged if not verdict.passed])
    return fragments.form(OVERRIDE, form, status, version=row, panel=panel)
