"""`/audit`: the audit log with its filters, and its export as a file."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from flask import Blueprint, Response, request, url_for
from marshmallow import fields

from catapult.contract.fields import Minute
from catapult.contract.filters import AuditFilters
from catapult.contract.service import ExportedOut
from catapult.pages.parts import csv_files, lists
from catapult.pages.parts.day_bars import day_bars
from catapult.pages.parts.days import by_day
from catapult.pages.parts.page_request import is_htmx, page
from catapult.queries import audit_export, audit_logs, audit_seals
from catapult.tables import Action, Kind

blp = Blueprint("audit_logs", __name__)
LIST = "audit_logs/index.html"
COLUMNS = (
    *("id", "created_at", "api_key_name", "action", "resource_type", "resource_id"),
    *("ip_address", "request_id", "details", "person_name", "seq", "leaf", "text"),
)
FOLDED = 1_000
"""Shown characters of a value."""


class Filters(AuditFilters):
    """The filters of the API, with times as browsers send them."""

    resource_id = fields.UUID(error_messages={"invalid_uuid": "Is not an id; ids are UUIDs."})
    since = Minute()
    until = Minute()


@blp.get("/audit")
@page()
def index() -> Response:
    """The entries that match the filters in the address, newest first."""
    form, part = lists.filtered_part(Filters, audit_logs.listing)
    values: dict[str, Any] = {**form.values}
    seals = audit_seals.of([row.id for row in part.rows])
    context = {
        "days": by_day(entry(row, seals.get(row.id)) for row in part.rows),
        "sealed": None if is_htmx() else audit_seals.newest(),
        "after": request.headers.get("X-After-Day"),  # the head above a next page
        "files": {kind: url_for(f".export_{kind}", **values) for kind in ("csv", "jsonl")},
        "bars": [] if is_htmx() else day_bars(audit_logs.counts_by_day(), audit_logs.MOST_A_DAY),
    }
    return lists.filtered(LIST, form, part=part, actions=list(Action), kinds=list(Kind), **context)


@blp.get("/audit/export.csv")
@page()
def export_csv() -> Response:
    """The matching entries as a table for spreadsheets, oldest first."""
    rows = ([getattr(row, column) for column in COLUMNS] for row in _exported())
    return csv_files.sheet("catapult-audit", COLUMNS, rows)


@blp.get("/audit/export.jsonl")
@page()
def export_jsonl() -> Response:
    """The matching entries as JSON lines, oldest first, as `flask audit export` writes them."""
    lines = (f"{ExportedOut.encode(row)}\n" for row in _exported())
    return csv_files.file("catapult-audit.jsonl", "application/jsonl; charset=utf-8", lines)


def entry(row: Any, seal: Any = None) -> SimpleNamespace:
    """Return the row with its `seal`, `parsed` details, `facts` as text by name, and `changes` as texts (field, old, new)."""
    details = json.loads(row.details)
    changes = details.get("changes", {})
    return SimpleNamespace(
        **row._mapping,
        seal=seal,
        parsed=details,
        facts={name: as_text(value) for name, value in details.items() if name != "changes"},
        changes=[(name, as_text(change["old"]), as_text(change["new"])) for name, change in changes.items()],
    )


def as_text(value: Any) -> str:
    """Return text unchanged and other values as JSON, cut to `FOLDED` characters.

    Numbers keep their digits, so that two different ones never look alike. Exported files have all of it.
    """
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, indent=2)
    return text if len(text) <= FOLDED else f"{text[:FOLDED]}…"


def _exported() -> Iterator[Any]:
    """Return every entry that matches the filters in the address. Raises Invalid."""
    form, filters = lists.filters(Filters)
    if form.refusal:
        raise form.refusal
    return audit_export.rows(**filters)
