"""The files of versions: one in place, the form that adds one, and the dialog that registers what lies on the mount.

A preview and an upload are answered by the process for files, and by every other one with 503.
"""

from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for

from catapult.actions import artifacts as actions
from catapult.actions import mounted_files, uploads
from catapult.contract.artifacts import MountedIn
from catapult.errors import Conflict, InsufficientStorage, Invalid, NotFound, Refusal
from catapult.extensions import current_settings
from catapult.pages import versions as version_pages
from catapult.pages.parts import forms, fragments, previews
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import is_htmx, page, requested_block
from catapult.queries import artifacts, versions
from catapult.tables import Role
from catapult.web import added_files, auth, error_handlers, file_form, incoming, mount
from catapult.web.error_handlers import try_again

blp = Blueprint("artifacts", __name__)
SHOW, MOUNT = "artifacts/show.html", "artifacts/mount.html"
ENTRIES = 100
"""Entries of a folder that are shown at once."""


@blp.get("/artifacts/<uuid:artifact_id>/preview")
@page()
def show(artifact_id: UUID) -> Response:
    """The file: its image, its table, or the beginning of its text."""
    file = artifacts.get(artifact_id)
    version = versions.get(UUID(file.version_id))
    block = requested_block("dialog-body") and "preview"
    return fragments.whole_or(block, SHOW, file=file, version=version, preview=previews.of(file))


# --- add a file


@blp.post(f"{version_pages.AT}/-/files")
@page(Role.PUBLISHER, streams=True)
def add(name: str, version: str) -> Response:
    """The version's page, with the file that is sent here. The form is read as it arrives, its texts before its file."""
    row, texts = try_again(versions.named, name, version), dict[str, str]()
    try:
        path = _added(UUID(row.id), texts)
    except (Invalid, Conflict, InsufficientStorage) as refusal:
        return _not_added(try_again(versions.named, name, version), texts, refusal)
    if not is_htmx():
        return fragments.go(f"{version_pages.address(row)}#files")
    return version_pages.with_files(try_again(versions.named, name, version), fragments.toast(f"Added {path}."))


def _added(version_id: UUID, texts: dict[str, str]) -> str:
    """Add the file of the form, and return its path. `texts` gets what was typed."""
    # Whoever may not is refused before anything is read: a refused role lets the rest of a small body be read into memory.
    try_again(mounted_files.check_may_register, version_id, actor=g.actor)
    most, refusal = uploads.quota_left(current_settings().storage_quota)
    form = file_form.read(incoming.body(most, refusal, file_form.BESIDE))
    texts |= form.texts
    path = form.texts.get("to", "").strip() or form.filename
    try_again(actions.check_may_add, version_id, path, actor=g.actor)
    received = incoming.store(form.pieces, most, refusal)
    added_files.add_or_drop(version_id, path, form.media_type.partition(";")[0], received, auth.signed_in)
    return path


def _not_added(row: Any, texts: dict[str, str], refusal: Refusal) -> Response:
    error_handlers.record(refusal)
    errors = {"to" if field == "path" else field: messages for field, messages in refusal.errors.items()}
    errors = errors or {"file": [refusal.detail]}
    return version_pages.with_files(row, status=refusal.status, form=Form(texts, errors, refusal))


# --- register what lies on the mount


class Entry(NamedTuple):
    """A file or a folder on the mount, as the dialog lists it. A folder that is open by a setting has no time."""

    path: str
    is_folder: bool
    size: int
    changed_at: datetime | None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@blp.route(f"{version_pages.AT}/-/mount", methods=forms.METHODS)
@page(Role.PUBLISHER)
def register(name: str, version: str) -> Response:
    """A folder of the mount, and the form that registers a file in it or all of it, where it lies."""
    row = versions.named(name, version)

    def act() -> Response:
        if not request.form.get("mount_path"):
            raise Invalid("Nothing was added.", errors={"mount_path": ["Pick a file or the folder."]})
        files = mount.register(UUID(row.id), actor=g.actor, **forms.read(MountedIn))
        what = files[0].path if len(files) == 1 else f"{len(files)} files"
        return fragments.go(f"{version_pages.address(row)}#files", f"Added {what}, to be read once.")

    return forms.answer(act, partial(_folder, row))


def _folder(row: Any, form: Form, status: int) -> Response:
    """Show the folder that the address names, from the entry after `after` on; or why it cannot be shown."""
    path, after = request.args.get("path", "").strip("/"), request.args.get("after", "")
    entries, refused = [], None
    try:
        entries = [_entry(*each) for each in mount.entries(path, after, ENTRIES + 1)]
    except NotFound as refusal:
        refused, status = refusal, refusal.status
    shown = sorted(entries[:ENTRIES], key=lambda entry: not entry.is_folder)
    following = entries[ENTRIES - 1].name if len(entries) > ENTRIES else ""
    more = following and url_for(
        ".register", name=row.model_name, version=row.version, path=path or None, after=following
    )
    context = {"version": row, "path": path, "after": after, "entries": shown, "refused": refused, "more": more}
    if requested_block("more"):
        return fragments.part(MOUNT, "rows", form=form, **context)
    return fragments.form(MOUNT, form, status, **context)


def _entry(path: str, is_folder: bool, size: int, changed: int) -> Entry:
    return Entry(path, is_folder, size, datetime.fromtimestamp(changed / 1e9, UTC) if changed else None)
