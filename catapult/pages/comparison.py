"""`/models/<name>/compare?v=…&base=…`: two to six versions of one model side by side, compared with one of them."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from flask import Blueprint, Response, request, url_for

from catapult.contract.versions import VersionIn
from catapult.pages.parts import changes, fragments, lists, values, verdicts
from catapult.pages.parts.dot_plot import plot
from catapult.pages.parts.page_request import page, requested_block
from catapult.queries import gates, versions
from catapult.queries import registered_models as models
from catapult.queries.lists.paging import Page
from catapult.rules.comparison import Comparison, Row, compare, parsed
from catapult.rules.normal_text import normal
from catapult.rules.text_changes import Piece, beginning, text_changes

blp = Blueprint("comparison", __name__)
SHOW = "comparison/show.html"
FEWEST, MOST = 2, 6
VERSION = VersionIn()

OFFERED, ROWS = 200, 60
"""The newest versions that a list to choose from offers, and the rows on a page."""

LABEL = 32
"""Characters of a version's name beside its values on a narrow screen."""


class Compared(NamedTuple):
    """A row of the table: its values, its numbers in one notation, and the changes below them."""

    line: values.Line
    numbers: list[str | None]
    changes: list[changes.Change | None]


class Notes(NamedTuple):
    """The beginning of a version's notes, with what is new or gone against the base's."""

    pieces: list[Piece]
    is_same: bool
    is_cut: bool


@blp.get("/models/<model:name>/compare")
@page()
def show(name: str) -> Response:
    """The versions side by side. The page names unknown versions and those beyond the first six."""
    model = models.called(name)
    context = _context(model, request.args.getlist("v"))
    status = 422 if context["left_out"] else 200
    if not requested_block("comparison"):
        return fragments.whole(SHOW, status, **context)
    chooser = fragments.out_of_band(SHOW, "chooser", oob=True, **context)
    response = fragments.part(SHOW, "table", chooser, status=status, **context)
    response.headers["HX-Push-Url"] = context["address"]  # a form sends its empty fields too
    return response


def _context(model: Any, given: Sequence[str]) -> dict[str, Any]:
    """Return everything that the page shows; `given` are the names in the address, empty where none is chosen."""
    counts = Counter(name for name in map(str.strip, given) if name)
    names, left_out = list(counts)[:MOST], list(counts)[MOST : 2 * MOST]
    valid = [name for name in names if "version" not in VERSION.validate({"version": name})]
    rows = versions.compared(model.name, valid)
    existing = [row.version for row in rows]
    base = request.args.get("base", "").strip()
    chosen = base if base in existing else None
    columns = _base_first(rows, chosen)
    return {
        "model": model,
        "only": _only(),
        "left_out": left_out,
        "unknown": [name for name in names if name not in existing],
        "repeated": [name for name in existing if counts[name] > 1],
        "other_base": base if base and not chosen else None,
        "base": chosen,
        "versions": columns,
        "pages": [url_for("pages.versions.show", name=model.name, version=row.version) for row in columns],
        "labels": [values.short(row.version, LABEL) for row in columns],
        **_chooser(model, existing, chosen),
        **(_table(model, columns) if len(rows) >= FEWEST else {}),
    }


def _only() -> bool:
    """Return whether only the keys that differ are requested."""
    return request.args.get("only") == "1"


def _base_first(rows: Sequence[Any], chosen: str | None) -> list[Any]:
    """Return the base and then the others, oldest first. The base is the chosen one, else the newest release, else the oldest."""
    by_age = sorted(rows, key=lambda row: (row.created_at, row.id))
    bases = [row for row in by_age if row.version == chosen] or [row for row in by_age if row.is_release] or by_age[:1]
    return [*bases[-1:], *(row for row in by_age if row not in bases[-1:])]


def _chooser(model: Any, existing: list[str], base: str | None) -> dict[str, Any]:
    """Return the versions to choose from, and the addresses that remove a version or make it the base."""
    newest = versions.listing(whole=False, model_id=UUID(model.id)).page(Page(OFFERED))
    names = (row.version for row in newest if row.version not in existing)
    return {
        "blanks": max(FEWEST - len(existing), 1) if len(existing) < MOST else 0,
        "offered": list(names)[:OFFERED],
        "version_count": model.version_count,
        "address": _address(model, existing, base),
        "fewer": {name: _address(model, [other for other in existing if other != name], base) for name in existing},
        "as_base": {name: _address(model, existing, name) for name in existing},
    }


def _address(model: Any, names: list[str], base: str | None) -> str:
    base = base if base in names else None
    return url_for("pages.comparison.show", name=model.name, v=names, base=base, only=1 if _only() else None)


def _table(model: Any, versions: Sequence[Any]) -> dict[str, Any]:
    """Return the plot, the rows that fit on one page, the addresses of the others, and the changes of the notes."""
    columns = [parsed(row.metadata_) for row in versions]
    directions = verdicts.directions_of(gates.directed(model.name))
    compared, sizes = compare(columns), _sizes(versions)
    rows = changes.by_size(compared.different if _only() else compared.rows, directions)
    names = [values.short(row.version, LABEL) for row in versions]
    return {
        "plot": plot(changes.by_size([*compared.different, *sizes.different], directions), directions, names),
        "sizes": changes.changes(sizes.rows[0], 0) if sizes.rows else [],
        "notes": [_notes(versions[0], row) for row in versions],
        **_part(rows, columns, directions),
        "key_count": len(compared.rows),
        "different_count": len(compared.different),
    }


def _sizes(versions: Sequence[Any]) -> Comparison:
    """Return the comparison of the images' sizes, as if they were metadata."""
    return compare([{} if row.size_bytes is None else {"image size": row.size_bytes} for row in versions])


def _notes(base: Any, row: Any) -> Notes:
    old, new = normal(base.release_notes or ""), normal(row.release_notes or "")
    is_cut = len(beginning(new)) < len(new)
    if row is base or not old or not new:
        return Notes([Piece("same", beginning(new))] if new else [], False, is_cut)
    return Notes(list(text_changes(old, new)), old == new, is_cut)


def _part(rows: Sequence[Row], columns: Sequence[dict[str, Any]], directions: dict[str, int]) -> dict[str, Any]:
    """Return the rows of one page, and the addresses of the others."""
    start = min(_start(), len(rows))
    shown = rows[start : start + ROWS]
    end = start + len(shown)
    return {
        "lines": [
            Compared(line, changes.numbers(row), changes.changes(row, directions.get(row.key, 0)))
            for line, row in zip(values.lines(shown, columns), shown, strict=True)
        ],
        "before": start,
        "rest": len(rows) - end,
        "next": lists.here(**{"from": str(end)}) if end < len(rows) else None,
        "first": lists.here(**{"from": None}) if start else None,
    }


def _start() -> int:
    text = request.args.get("from", "")
    return int(text) if re.fullmatch(r"\d{1,6}", text) else 0
