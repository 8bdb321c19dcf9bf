"""`/models/<name>/versions/<version>`: one version, and what can be done with it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for
from sqlalchemy.exc import SQLAlchemyError

from catapult.actions import versions as actions
from catapult.contract.schemas import Reason, VersionEdit, VersionIn
from catapult.errors import Blocked, Conflict, NotFound, Refusal
from catapult.extensions import db
from catapult.pages import overview, registered_models
from catapult.pages.parts import formats, forms, fragments, lists, values, verdicts
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import asked, by_htmx, page
from catapult.pages.parts.values import Line
from catapult.queries import audit_logs, deployments, gates, metrics, versions
from catapult.queries import registered_models as models
from catapult.queries.lists.paging import Page
from catapult.rules import image_reference
from catapult.rules.comparison import Row, compare, parsed
from catapult.tables import RELEASE, Role, VersionStatus

blp = Blueprint("versions", __name__)
AT = "/models/<model:name>/versions/<version>"
VERSION, MODEL = "versions/show.html", "registered_models/show.html"
NEW, EDIT, DELETE = "versions/new.html", "versions/edit.html", "versions/delete.html"
OVERRIDE = "versions/override.html"
SHOWN = 10
KEYS, ROOM = 150, 100_000
"""Keys that are shown, and about so many characters of HTML for them."""
COMMIT = 200


class Verb(NamedTuple):
    """What a button does: the action, how to tell that it was done before, what is said of it, and which verb takes it back."""

    act: Callable[..., Any]
    was: Callable[[Any], bool]
    done: str
    undo: str


def _with_status(status: VersionStatus) -> Callable[..., Any]:
    return lambda version_id, *, actor: actions.edit(version_id, {"status": status.value}, actor=actor)


PROMOTE = Verb(actions.promote, lambda row: row.is_release, "a release", "demote")
DEMOTE = Verb(actions.demote, lambda row: not row.is_release, "no release", "promote")
ARCHIVE = Verb(_with_status(VersionStatus.ARCHIVED), lambda row: row.status == "archived", "archived", "activate")
ACTIVATE = Verb(_with_status(VersionStatus.ACTIVE), lambda row: row.status == "active", "active", "archive")


@blp.get(AT)
@page()
def show(name: str, version: str) -> Response:
    """The version: its image, its metadata beside the release's, where it went, what happened to it."""
    return fragments.whole(VERSION, **_version(versions.named(name, version)))


@blp.post(f"{AT}/-/promote")
@page(Role.RELEASER)
def promote(name: str, version: str) -> Response:
    """The version is a release, if its gates let it."""
    try:
        return _in_place(name, version, PROMOTE)
    except Blocked as blocked:
        db.session.rollback()
        return _blocked(versions.named(name, version), blocked)


@blp.get(f"{AT}/-/override")
@page(Role.ADMIN)
def override(name: str, version: str) -> Response:
    """The gates that stand in the way of a release, and the reason to pass them all the same."""
    return _override(versions.named(name, version), Form())


@blp.post(f"{AT}/-/override")
@page(Role.ADMIN)
def force(name: str, version: str) -> Response:
    """The version is a release whatever its gates say, and the reason is kept."""
    row = versions.named(name, version)

    def act() -> Response:
        actions.promote(UUID(row.id), actor=g.actor, force=True, **forms.read(Reason))
        return fragments.go(address(row), f"{row.model_name} {row.version} is a release now.")

    return forms.submit(act, lambda form, status: _override(row, form, status))


@blp.post(f"{AT}/-/demote")
@page(Role.RELEASER)
def demote(name: str, version: str) -> Response:
    """The version is no release any more."""
    return _in_place(name, version, DEMOTE)


@blp.post(f"{AT}/-/archive")
@page(Role.PUBLISHER)
def archive(name: str, version: str) -> Response:
    """The version is archived."""
    return _in_place(name, version, ARCHIVE)


@blp.post(f"{AT}/-/activate")
@page(Role.PUBLISHER)
def activate(name: str, version: str) -> Response:
    """The version is active again."""
    return _in_place(name, version, ACTIVATE)


@blp.get(f"{AT}/-/edit")
@page(Role.PUBLISHER)
def edit(name: str, version: str) -> Response:
    """The form for what may change of a version."""
    return _edit(versions.named(name, version), Form())


@blp.post(f"{AT}/-/edit")
@page(Role.PUBLISHER)
def save(name: str, version: str) -> Response:
    """Notes, metadata and places are changed."""
    row = versions.named(name, version)

    def act() -> Response:
        fields = forms.read(VersionEdit, shown=_stored(row))
        actions.edit(UUID(row.id), fields, actor=g.actor, expected=forms.counter())
        return fragments.go(address(row), f"{row.version} is changed.")

    return forms.submit(act, lambda form, status: _edit(row, form, status))


@blp.get("/new/version")
@page(Role.PUBLISHER)
def new() -> Response:
    """The form to register a version."""
    return _new(Form(request.args.to_dict()))


@blp.post("/new/version")
@page(Role.PUBLISHER)
def create() -> Response:
    """A version is registered; on to its page."""

    def act() -> Response:
        try:
            row = actions.create(actor=g.actor, **forms.read(VersionIn))
        except NotFound as missing:
            raise Conflict(missing.detail, errors={"model_name": ["There is no such model."]}) from missing
        return fragments.go(address(row), f"{row.version} is registered.")

    return forms.submit(act, _new)


@blp.get(f"{AT}/-/delete")
@page(Role.ADMIN)
def confirm_deletion(name: str, version: str) -> Response:
    """What deleting would do, and the name to type."""
    return _deletion(versions.named(name, version), Form())


@blp.post(f"{AT}/-/delete")
@page(Role.ADMIN)
def delete(name: str, version: str) -> Response:
    """The version is deleted, if its name was typed."""
    row = versions.named(name, version)

    def act() -> Response:
        forms.check_typed(row.version)
        actions.delete(UUID(row.id), actor=g.actor)
        return fragments.go(url_for("pages.registered_models.show", name=name), f"{row.version} is deleted.")

    return forms.submit(act, lambda form, status: _deletion(row, form, status))


def _in_place(name: str, version: str, verb: Verb) -> Response:
    """The verb is done, and the part of the page it was asked from shows what is true now."""
    target = request.headers.get("HX-Target", "")
    try:
        before = versions.identify(name, version)
        row = verb.act(before.id, actor=g.actor)
    except NotFound:
        if by_htmx() and target.startswith("version-"):
            return fragments.whole("registered_models/_gone.html", 404, row_id=target, version=version)
        raise
    if not by_htmx():
        return fragments.back(address(row))
    toast = _told(row, verb, target, again=verb.was(before))
    try:
        return _shown(row, toast, target)
    except (NotFound, SQLAlchemyError):  # the verb is done, whatever has happened since: never say that it is not
        db.session.rollback()
        return fragments.alone(toast)


def _shown(row: Any, toast: str, target: str) -> Response:
    """The part of the page that the verb was asked from."""
    if target.startswith("version-"):
        return _row(row, toast)
    if target == "ready":
        return fragments.part("overview/index.html", "ready", toast, **overview.ready())
    return fragments.part(VERSION, "main", toast, **_version(versions.named(row.model_name, row.version)))


def _told(row: Any, verb: Verb, target: str, *, again: bool) -> str:
    """The toast: with Undo for what was done just now, and with whose doing it was for what was so before."""
    if again:
        by = f", promoted by {row.released_by}" if row.is_release else ""
        return fragments.toast(f"{row.model_name} {row.version} was {verb.done} already{by}.")
    place = {"name": row.model_name, "version": row.version, **_columns()}
    swap = "innerHTML" if target == "main" else "outerHTML"
    undo = {"action": url_for(f".{verb.undo}", **place), "target": f"#{target}", "swap": swap}
    return fragments.toast(f"{row.model_name} {row.version} is {verb.done} now.", undo=undo)


def _row(row: Any, toast: str) -> Response:
    """The row, and out of band what counts releases or draws them."""
    model = models.called(row.model_name)
    listed = registered_models.version_list_beside(model, row)
    listed |= {"model": model, "release_count": versions.release_count(UUID(model.id))}
    counted = fragments.out_of_band(MODEL, "releases", oob=True, **listed)
    drawn = fragments.out_of_band(MODEL, "drawing", oob=True, **listed) if listed["drawn"] else ""
    return fragments.part(MODEL, "row", toast, counted, drawn, version=row, **listed)


def _columns() -> dict[str, Any]:
    """What the model's page shows beside its versions, which the answer has to show too."""
    return {name: request.values.getlist(name) for name in ("c", "metric") if name in request.values}


def again(row: Any, toast: str, refused: Refusal | None = None) -> Response:
    """The version's page as it is now, or its main part with that toast; with what was refused."""
    status = refused.status if refused else 200
    if not by_htmx():
        return fragments.whole(VERSION, status, refused=refused, **_version(row))
    return fragments.part(VERSION, "main", toast, status=status, refused=refused, **_version(row))


def _blocked(row: Any, blocked: Blocked) -> Response:
    """In a list nothing changes but that a toast says why; the version's page shows its gates again."""
    toast = verdicts.toast(blocked, url_for(".override", name=row.model_name, version=row.version))
    if by_htmx() and request.headers.get("HX-Target") != "main":
        return fragments.alone(toast, blocked.status)
    return again(row, toast, blocked)


def address(row: Any) -> str:
    """Where the version's page is."""
    return url_for("pages.versions.show", name=row.model_name, version=row.version)


def _version(row: Any) -> dict[str, Any]:
    """Everything that a version's page shows."""
    release = versions.released(UUID(row.model_id))
    base = versions.named(row.model_name, release.version) if release is not None and release.id != row.id else None
    metadata = parsed(row.metadata_)
    columns = [metadata, parsed(base.metadata_)] if base else [metadata]
    panels = verdicts.panels(gates.verdicts_everywhere([row.id], g.actor.key_id)[UUID(row.id)])
    rows = compare(columns, base=len(columns) - 1, first=metrics.MAIN).rows
    return {
        "version": row,
        "image": image_reference.image(row.model_repository, row.model_storage_path, row.digest),
        "malformed": image_reference.digest_status(row.digest) == "malformed",
        "base": base,
        "promotion": next((panel for panel in panels if panel.target == RELEASE), None),
        "directions": verdicts.directions(verdict for panel in panels for verdict in panel.verdicts),
        "elsewhere": [panel for panel in panels if panel.target != RELEASE],
        "rows": (shown := _lines(rows, columns)),
        "more_keys": len(rows) - len(shown),
        "commit": str(metadata.get("git_commit") or "")[:COMMIT],
        "commit_address": formats.commit_address(metadata),
        "deployments": list(deployments.listing(release_id=UUID(row.id)).page(Page(SHOWN)))[:SHOWN],
        "entries": list(audit_logs.listing(resource_id=UUID(row.id)).page(Page(SHOWN)))[:SHOWN],
    }


def _lines(rows: Sequence[Row], columns: Sequence[dict[str, Any]]) -> list[Line]:
    """The first of these rows, as many as there is room for."""
    commits = [formats.commit_address(column) for column in columns]
    lines = (values.line(row, commits) for row in rows[:KEYS])
    return list(lists.within(lines, ROOM, lambda line: line.letters))


def _stored(row: Any) -> dict[str, str]:
    """What the form shows of the version."""
    return {
        "release_notes": row.release_notes or "",
        "quantization": row.quantization or "",
        "ceph_path": row.ceph_path or "",
        "metadata": registered_models.indented(row.metadata_),
    }


def _edit(row: Any, form: Form, status: int = 200) -> Response:
    stored = _stored(row)
    changed_by = audit_logs.last_actor(UUID(row.id)) if status == 412 else ""
    block = asked("dialog-body", "form") and "form"
    return fragments.whole_or(block, EDIT, status, form=form, version=row, stored=stored, changed_by=changed_by)


def _override(row: Any, form: Form, status: int = 200) -> Response:
    said = gates.verdicts([row.id], RELEASE, g.actor.key_id)[UUID(row.id)]
    panel = verdicts.panel(RELEASE, [verdict for verdict in said if not verdict.passed])
    block = asked("dialog-body", "form") and "form"
    return fragments.whole_or(block, OVERRIDE, status, form=form, version=row, panel=panel)


def _new(form: Form, status: int = 200) -> Response:
    return fragments.whole_or(asked("dialog-body", "form") and "form", NEW, status, form=form)


def _deletion(row: Any, form: Form, status: int = 200) -> Response:
    return fragments.whole_or(asked("dialog-body", "form") and "form", DELETE, status, form=form, version=row)
