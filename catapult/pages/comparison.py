"""`/models/<name>/compare?v=…`: two to six versions of one model side by side."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request, url_for
from markupsafe import escape

from catapult.contract.schemas import VersionIn
from catapult.pages.parts import fragments, lists, values
from catapult.pages.parts.charts import Range, range_dots
from catapult.pages.parts.formats import commit_address
from catapult.pages.parts.page_request import page, requested_block
from catapult.pages.parts.values import Line
from catapult.queries import metrics, versions
from catapult.queries import registered_models as models
from catapult.queries.lists.paging import Page
from catapult.rules.comparison import Row, compare, parsed

blp = Blueprint("comparison", __name__)
SHOW = "comparison/show.html"
FEWEST, MOST = 2, 6
VERSION = VersionIn()

OFFERED, OFFERED_CHARS = 200, 8_000
"""The newest versions that each column's list offers, and the characters of HTML for one list."""

TABLE_CHARS = 150_000
"""Characters of HTML for the rows on a page, whatever metadata holds; the other rows are on the next pages."""

DOTS, DOT = 160, 45
"""Of those, for a row's picture without its dots, and for each dot."""

LABEL = 32
"""Characters of a version's name beside its values on a narrow screen."""


@blp.get("/models/<model:name>/compare")
@page()
def show(name: str) -> Response:
    """The versions side by side. The page names unknown versions and those beyond the first six."""
    model = models.called(name)
    context = _context(model, request.args.getlist("v"))
    status = 422 if context["left_out"] else 200
    if not requested_block("comparison"):
        return fragments.whole(SHOW, status, **context)
    added = request.headers.get("HX-Trigger") == "add-version"
    chooser = fragments.out_of_band(SHOW, "chooser", oob=True, added=added, **context)
    return fragments.part(SHOW, "table", chooser, status=status, **context)


def _context(model: Any, given: Sequence[str]) -> dict[str, Any]:
    """Return everything that the page shows; `given` are the names in the address, empty where none is chosen."""
    counts = Counter(name for name in map(str.strip, given) if name)
    names, left_out = list(counts)[:MOST], list(counts)[MOST : 2 * MOST]
    valid = [name for name in names if "version" not in VERSION.validate({"version": name})]
    rows = versions.compared(model.name, valid)
    found = [row.version for row in rows]
    return {
        "model": model,
        "only": _only(),
        "left_out": left_out,
        "unknown": [name for name in names if name not in found],
        "repeated": [name for name in found if counts[name] > 1],
        "versions": rows,
        "labels": _labels(rows),
        **_chooser(model, names, found, blank=sum(not name.strip() for name in given)),
        **(_table(rows) if len(rows) >= FEWEST else {}),
    }


def _only() -> bool:
    """Return whether only the keys that differ are requested."""
    return request.args.get("only") == "1"


def _chooser(model: Any, names: list[str], found: list[str], blank: int) -> dict[str, Any]:
    """Return the version selector of each column, and the URLs that add or remove a column."""
    blank = max(min(blank, MOST - len(found)), FEWEST - len(found), 0)
    newest = [row.version for row in versions.listing(whole=False, model_id=UUID(model.id)).page(Page(OFFERED))]
    return {
        "lists": [*found, *[""] * blank],
        "offered": list(lists.take_fitting(newest[:OFFERED], OFFERED_CHARS, lambda name: len(escape(name)))),
        "version_count": model.version_count,
        "fewer": {name: _address(model, [other for other in names if other != name]) for name in found},
        "more": _address(model, [*found, ""]) if len(found) + blank < MOST else None,
    }


def _address(model: Any, names: list[str]) -> str:
    return url_for("pages.comparison.show", name=model.name, v=names, only=1 if _only() else None)


def _table(versions: Sequence[Any]) -> dict[str, Any]:
    """Return the rows that fit on one page, and the addresses of the others."""
    columns = [parsed(row.metadata_) for row in versions]
    compared = compare(columns, first=metrics.MAIN)
    rows = compared.different if _only() else compared.rows
    start = min(_start(), len(rows))
    lines = _lines(rows[start:], columns, sum(len(escape(label)) for label in _labels(versions)))
    end = start + len(lines)
    return {
        "lines": lines,
        "ranges": any(dots for _, dots in lines),
        "key_count": len(compared.rows),
        "different_count": len(compared.different),
        "before": start,
        "rest": len(rows) - end,
        "next": lists.here(**{"from": str(end)}) if end < len(rows) else None,
        "first": lists.here(**{"from": None}) if start else None,
    }


def _start() -> int:
    text = request.args.get("from", "")
    return int(text) if re.fullmatch(r"\d{1,6}", text) else 0


def _lines(rows: Sequence[Row], columns: Sequence[dict[str, Any]], labels: int) -> list[tuple[Line, Range | None]]:
    """Return the first rows that fit, at least one, each with its dots; a row repeats `labels` characters of HTML."""
    commits = [commit_address(column) for column in columns]
    lines = ((values.line(row, commits), range_dots([cell.number for cell in row.cells])) for row in rows)
    picture = DOTS + DOT * len(columns)
    return lists.take_fitting_at_least_one(
        lines, TABLE_CHARS, lambda it: it[0].html_length + labels + (picture if it[1] else 0)
    )


def _labels(versions: Sequence[Any]) -> list[str]:
    return [values.short(row.version, LABEL) for row in versions]
