"""What the page of all environments shows: the matrix now or at a time, and the timeline above it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import request

from catapult.contract.fields import Minute, Query
from catapult.pages.parts import evidence, lists, matrix
from catapult.pages.parts import timeline as drawing
from catapult.queries import environments, history, live, rollbacks, stages, timeline
from catapult.queries.lists.paging import Page

COLUMNS, MODELS = 8, 40
"""Environments that the matrix has as columns, the others are listed below it; and models on a page of it."""

DAYS, FIRST_LANES = 30, 10
"""The days and the lanes of the timeline, unless the address says something else."""


class At(Query):
    """The moment in the address."""

    at = Minute()


def board() -> dict[str, Any]:
    """Return the matrix of what is live now."""
    every, columns, chosen = _stages()
    part = lists.part(stages.models(), MODELS)
    is_first = "cursor" not in request.args and any(row.unfinished for row in every)
    listed = [*(stages.first_on_their_way() if is_first else []), *part.rows]
    cells = stages.cells([row.model_id for row in listed], [column.place for column in columns])
    return {
        **_shown(every, columns, chosen),
        "rows": matrix.rows(listed, columns, cells),
        "listed": listed,
        "more": part.more,
        "at": None,
    }


def board_then(at: datetime) -> dict[str, Any]:
    """Return the matrix of what was live at that time in the chosen environment, and of these models in the others."""
    every, columns, chosen = _stages()
    if chosen is None:
        return {**_shown(every, columns, chosen), "rows": [], "listed": [], "more": None, "at": at, "differ": 0}
    part = lists.part(history.live(chosen.place, at), MODELS)
    ids, places = [row.model_id for row in part.rows], [column.place for column in columns]
    now = stages.cells_then(ids, [chosen.place], datetime.now(UTC))
    now_live = {it: [row.version for row in now[it][chosen.place]] for it in ids}
    gone = rollbacks.with_deleted_version(part.rows)
    listed = list(stages.models().page(Page(MODELS)))[:MODELS]
    drawn = {row.model_id for row in listed}
    return {
        **_shown(every, columns, chosen),
        "rows": matrix.rows(part.rows, columns, stages.cells_then(ids, places, at)),
        "decisions": {row.model_id: evidence.of(row.decision) for row in part.rows},
        "now_live": now_live,
        "differ": sum(now_live[row.model_id] != [row.version] for row in part.rows),
        "gone": {row.model_id for row in part.rows if row.id in gone},
        "listed": [*listed, *(row for row in part.rows if row.model_id not in drawn)][:MODELS],
        "more": part.more,
        "at": at,
    }


def line(shown: dict[str, Any]) -> dict[str, Any]:
    """Return the timeline of the chosen environment, for the models of the matrix."""
    if shown["chosen"] is None or not shown["listed"]:
        return {"line": None}
    environment, now, days = shown["chosen"], shown["now"], _days()
    start = drawing.since(now, days)
    rows = timeline.lanes([row.model_id for row in shown["listed"]], environment.place, start)
    freezes = timeline.freezes(environment, start, now)
    most = MODELS if "lanes" in request.args else FIRST_LANES
    window = {"days": days, "now": now, "at": shown["at"], "most": most}
    drawn = drawing.timeline(environment, shown["listed"], rows, freezes, **window)
    return {"line": drawn}


def _days() -> int:
    return next((days for days in drawing.DAYS if str(days) == request.args.get("days")), DAYS)


def _stages() -> tuple[list[Any], list[Any], Any | None]:
    """Return every environment, the columns, and the chosen one: if none is named, the last that a version reaches."""
    every = stages.all_environments()
    name = environments.lookup_name(request.args.get("environment", ""))
    named = [row for row in every if row.place == name]
    hidden = [row for row in named if row in every[COLUMNS:]]
    columns = [*every[: COLUMNS - len(hidden)], *hidden]
    return every, columns, (named or [None, *live.promotion_path(columns)])[-1]


def _shown(every: Sequence[Any], columns: Sequence[Any], chosen: Any) -> dict[str, Any]:
    return {
        "columns": columns,
        "others": [row for row in every if row not in columns],
        "chosen": chosen,
        "now": datetime.now(UTC),
        "here": {name: value for name, value in request.args.items() if value},
        "hours": lambda count: timedelta(hours=count),
    }
