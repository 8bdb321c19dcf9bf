"""`/models/<name>/compare?v=…`: two to six versions of one model side by side."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request, url_for
from markupsafe import escape

from catapult.contract.schemas import VersionIn
from catapult.pages.parts import fragments, lists, values
from catapult.pages.parts.charts import Range, range_dots
from catapult.pages.parts.formats import commit_address
from catapult.pages.parts.page_request import asked, page
from catapult.pages.parts.values import Line
from catapult.queries import metrics, versions
from catapult.queries import registered_models as models
from catapult.queries.lists.paging import Page
from catapult.rules.comparison import Row, compare, parsed

blp = Blueprint("comparison", __name__)
SHOW = "comparison/show.html"
FEWEST, MOST = 2, 6
VERSION = VersionIn()

OFFERED = 200
OFFERED_LETTERS = 8_000
"""So many of the newest versions can be chosen, and fewer where their names are long: each column has its own list of them."""

TABLE_LETTERS = 150_000
"""A page's rows have about so many characters of HTML, whatever metadata holds; the others are on the next ones."""

LABEL = 32
"""Of a version's name beside each of its values on a narrow screen, what is more is left out of the middle."""


@dataclass(frozen=True)
class Choice:
    """What the address asks for: versions by name, each once, and which were given again; lists that nothing is chosen from yet;
    what is too much."""

    names: list[str]
    again: list[str]
    open: int
    left_out: list[str]
    only: bool

    def without(self, name: str) -> list[str]:
        return [other for other in self.names if other != name]


@blp.get("/models/<model:name>/compare")
@page()
def show(name: str) -> Response:
    """Those versions side by side. Names that the model has no version for are told; of more than six the first six are shown."""
    model = models.called(name)
    choice = _choice(request.args.getlist("v"))
    context = _context(model, choice)
    status = 422 if choice.left_out else 200
    if not asked("comparison"):
        return fragments.whole(SHOW, status, **context)
    added = request.headers.get("HX-Trigger") == "add-version"
    chooser = fragments.out_of_band(SHOW, "chooser", oob=True, added=added, **context)
    return fragments.part(SHOW, "table", chooser, status=status, **context)


def _context(model: Any, choice: Choice) -> dict[str, Any]:
    """Everything that the page shows."""
    found = versions.compared(
        model.name, [name for name in choice.names if "version" not in VERSION.validate({"version": name})]
    )
    return {
        "model": model,
        "only": choice.only,
        "left_out": choice.left_out,
        "unknown": [name for name in choice.names if name not in {row.version for row in found}],
        "again": [row.version for row in found if row.version in choice.again],
        "versions": found,
        "labels": _labels(found),
        **_chooser(model, choice, found),
        **(_table(found, choice.only) if len(found) >= FEWEST else {}),
    }


def _choice(named: Sequence[str]) -> Choice:
    given = Counter(name for name in map(str.strip, named) if name)
    names = list(given)
    return Choice(
        names=names[:MOST],
        again=[name for name in names[:MOST] if given[name] > 1],
        open=sum(not name.strip() for name in named),
        left_out=names[MOST : 2 * MOST],
        only=request.args.get("only") == "1",
    )


def _chooser(model: Any, choice: Choice, found: Sequence[Any]) -> dict[str, Any]:
    """A list for each column to choose its version from, and the addresses with a column more or less."""
    chosen = [row.version for row in found]
    blank = max(min(choice.open, MOST - len(chosen)), FEWEST - len(chosen), 0)
    newest = [row.version for row in versions.listing(whole=False, model_id=UUID(model.id)).page(Page(OFFERED))]
    return {
        "lists": [*chosen, *[""] * blank],
        "offered": list(_within(newest[:OFFERED], OFFERED_LETTERS)),
        "version_count": model.version_count,
        "fewer": {name: _address(model, choice.without(name), choice) for name in chosen},
        "more": _address(model, [*chosen, ""], choice) if len(chosen) + blank < MOST else None,
    }


def _address(model: Any, names: list[str], choice: Choice) -> str:
    return url_for("pages.comparison.show", name=model.name, v=names, only=1 if choice.only else None)


def _within(names: Iterable[str], letters: int) -> Iterable[str]:
    """The first of these names, as long as they have no more letters than that."""
    for name in names:
        letters -= len(escape(name))
        if letters < 0:
            return
        yield name


def _table(found: Sequence[Any], only: bool) -> dict[str, Any]:
    """The rows that one page has room for, and where the others are."""
    columns = [parsed(row.metadata_) for row in found]
    compared = compare(columns, first=metrics.MAIN)
    rows = compared.different if only else compared.rows
    start = min(_start(), len(rows))
    lines = _filling(rows[start:], columns, sum(len(escape(label)) for label in _labels(found)))
    after = start + len(lines)
    return {
        "lines": lines,
        "ranges": any(dots for _, dots in lines),
        "key_count": len(compared.rows),
        "different_count": len(compared.different),
        "before": start,
        "rest": len(rows) - after,
        "next": lists.here(**{"from": str(after)}) if after < len(rows) else None,
        "first": lists.here(**{"from": None}) if start else None,
    }


def _start() -> int:
    text = request.args.get("from", "")
    return int(text) if re.fullmatch(r"\d{1,6}", text) else 0


def _filling(rows: Sequence[Row], columns: Sequence[dict[str, Any]], names: int) -> list[tuple[Line, Range | None]]:
    """The first of these rows, one at least, each with its dots, until the page is full; `names` are the letters of its labels."""
    commits = [commit_address(column) for column in columns]
    lines: list[tuple[Line, Range | None]] = []
    room = TABLE_LETTERS
    for row in rows:
        line = values.line(row, commits)
        room -= line.letters + names
        if lines and room < 0:
            break
        lines.append((line, range_dots([cell.number for cell in row.cells])))
    return lines


def _labels(found: Sequence[Any]) -> list[str]:
    return [values.short(row.version, LABEL) for row in found]
