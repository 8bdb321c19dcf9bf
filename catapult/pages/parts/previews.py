"""What a page shows of a file's content. It reads the storage, so only the process for files calls it."""

from typing import Any, NamedTuple

from markupsafe import Markup

from catapult.extensions import autocommit, db
from catapult.pages.parts import model_card
from catapult.rules import file_text
from catapult.rules.file_text import Kind
from catapult.web import file_bytes

NO_IMAGE = "Its content is not an image of a kind that is shown: PNG, JPEG, GIF or WebP."


class Preview(NamedTuple):
    """How a file is shown. `note` says what is missing, or why nothing is shown; without a kind there is only that."""

    kind: Kind | None
    note: str = ""
    text: str = ""
    rows: list[list[str]] | None = None
    fields: list[model_card.Field] | None = None
    html: Markup | str = ""


def of(file: Any) -> Preview:
    """Return what is shown of the file. Raises Conflict if its bytes are gone."""
    kind = file_text.kind(file.path, file.media_type)
    if kind is None:
        return Preview(None, "Files of this kind are not shown. Download it.")
    if kind == Kind.IMAGE and file.size_bytes > file_text.LARGEST_IMAGE:
        return Preview(None, "The image is larger than 20 MB, which is too large to show. Download it.")
    content = _beginning(file)
    if kind == Kind.IMAGE:
        return Preview(kind) if file_text.IMAGE.match(content) else Preview(None, f"{NO_IMAGE} Download it.")
    is_cut = len(content) < file.size_bytes
    text = file_text.decoded(content, is_cut=is_cut)
    if text is None:
        return Preview(None, "It is not text: its content is not UTF-8. Download it.")
    return _text(kind, text, file, is_cut=is_cut)


def _beginning(file: Any) -> bytes:
    """Return the first 256 KiB. No connection to the database is held while they are read."""
    db.session.remove()
    try:
        return b"".join(file_bytes.reader(file)(0, min(file.size_bytes, file_text.LARGEST)))
    finally:
        autocommit()


def _text(kind: Kind, text: str, file: Any, *, is_cut: bool) -> Preview:
    note = "These are the first 256 KiB. Download it for the rest." if is_cut else ""
    if kind == Kind.TABLE and (rows := file_text.rows(text, is_cut=is_cut)) is not None:
        shown = rows[: file_text.MOST_ROWS + 1]
        more = f"These are the first {file_text.MOST_ROWS} rows. Download it for the rest."
        return Preview(kind, more if is_cut or len(rows) > len(shown) else "", rows=shown)
    if kind == Kind.MARKDOWN and not is_cut:
        fields, problem, body = model_card.split(text)
        return Preview(kind, problem, fields=fields, html=model_card.to_html(body, file.path, file.version_id))
    return Preview(kind, note, text=file_text.laid_out(text) if kind == Kind.JSON else text)
