"""`/audit`: who did what, when, on what and from where; the same as a file."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from itertools import chain, islice
from typing import Any

from flask import Blueprint, Response, stream_with_context, url_for
from marshmallow import fields

from catapult.contract.fields import Minute, rfc3339
from catapult.contract.filters import AuditFilters
from catapult.contract.service import ExportedOut
from catapult.pages.parts import lists
from catapult.pages.parts.page_request import page
from catapult.queries import audit_logs
from catapult.queries.lists.paging import CHUNK
from catapult.tables import ApiKey, Deployment, RegisteredModel, Session, Version

blp = Blueprint("audit_logs", __name__)
LIST = "audit_logs/index.html"
ACTIONS = (
    *audit_logs.TOLD,
    "api_key.create",
    "api_key.revoke",
    "api_key.rotate",
    "auth.refused",
    "auth.forbidden",
    "session.create",
    "session.delete",
)
KINDS = tuple(table.kind for table in (RegisteredModel, Version, Deployment, ApiKey, Session))
COLUMNS = (
    "id",
    "created_at",
    "api_key_name",
    "action",
    "resource_type",
    "resource_id",
    "ip_address",
    "request_id",
    "details",
)
FOLDED, AROUND = 4_000, 1_300
"""Characters of a value that are shown, and of HTML around an entry's texts."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a cell begins that a spreadsheet would run. The wide ones are the same to some of them."""


class Filters(AuditFilters):
    """What the log can be narrowed by, with times as browsers send them."""

    resource_id = fields.UUID(error_messages={"invalid_uuid": "Is no id; ids are UUIDs."})
    since = Minute()
    until = Minute()


@blp.get("/audit")
@page()
def index() -> Response:
    """The entries that the address asks for, newest first."""
    form, found = lists.filters(Filters)
    part = lists.Part([], None) if form.errors else lists.part(audit_logs.listing(**found), letters=_letters)
    told = part._replace(rows=[entry(row) for row in part.rows])
    narrowed: dict[str, Any] = {**form.values}
    files = {kind: url_for(f".export_{kind}", **narrowed) for kind in ("csv", "jsonl")}
    return lists.filtered(LIST, form, part=told, files=files, actions=ACTIONS, kinds=KINDS)


@blp.get("/audit/export.csv")
@page()
def export_csv() -> Response:
    """What the address asks for as a table for spreadsheets, oldest first."""
    rows = ([getattr(row, column) for column in COLUMNS] for row in _exported())
    return _file("catapult-audit.csv", "text/csv; charset=utf-8", map(csv_line, chain([COLUMNS], rows)))


@blp.get("/audit/export.jsonl")
@page()
def export_jsonl() -> Response:
    """What the address asks for as JSON lines, oldest first, as `flask audit export` writes them."""
    lines = (f"{ExportedOut.encode(row)}\n" for row in _exported())
    return _file("catapult-audit.jsonl", "application/jsonl; charset=utf-8", lines)


def csv_line(cells: Any) -> str:
    """The cells as RFC 4180 has them, times as the API writes them."""
    line = io.StringIO()
    csv.writer(line).writerow([cell(value) for value in cells])
    return line.getvalue()


def cell(value: Any) -> str:
    """The value as text that no spreadsheet takes for a formula: a leading apostrophe says that it is none.

    Source: OWASP, CSV Injection.
    """
    text = "" if value is None else rfc3339(value) if isinstance(value, datetime) else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def entry(row: Any) -> dict[str, Any]:
    """The row with its details read: `details` whole, `facts` as text by name, `changes` as (field, old, new) in text."""
    details = json.loads(row.details)
    changes = details.get("changes", {})
    return {
        **row._mapping,
        "details": details,
        "facts": {name: said(value) for name, value in details.items() if name != "changes"},
        "changes": [(name, said(change["old"]), said(change["new"])) for name, change in changes.items()],
    }


def said(value: Any) -> str:
    """Text as it is, anything else as JSON. Numbers keep their digits: two that differ never look alike.

    Of more than `FOLDED` characters the beginning; files have all of it.
    """
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, indent=2)
    return text if len(text) <= FOLDED else f"{text[:FOLDED]}…"


def _letters(row: Any) -> int:
    """What an entry takes, with names in links."""
    return AROUND + lists.text_letters(row.details[: 4 * FOLDED]) + lists.text_letters(row.api_key_name or "")


def _exported() -> Iterator[Any]:
    """Raises Invalid."""
    form, found = lists.filters(Filters)
    if form.refusal:
        raise form.refusal
    return audit_logs.export(audit_logs.listing(**found))


def _file(name: str, kind: str, lines: Iterator[str]) -> Response:
    """The lines as a file that is sent while they are read: memory holds one portion of them."""
    portions = iter(lambda: "".join(islice(lines, CHUNK)), "")
    first = next(
        portions, ""
    )  # before the answer begins: a database that is down is a 503, and no file that breaks off
    response = Response(stream_with_context(chain([first], portions)), content_type=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
