"""`/environments`: a board with a column an environment."""

from typing import Any

from flask import Blueprint, Response

from catapult.pages import fragments, lists
from catapult.pages.door import asked, page
from catapult.queries import live
from catapult.queries.paging import Page

blp = Blueprint("environments", __name__)
CARDS = 40


@blp.get("/environments")
@page()
def index() -> Response:
    """What is live, a column an environment in the order in which versions pass them."""
    names = live.environments()
    columns = [column(name, names) for name in names]
    return fragments.whole_or(asked("board"), "environments/index.html", columns=columns)


@blp.get("/environments/<name>")
@page()
def show(name: str) -> Response:
    """All that is live in one environment."""
    part = lists.part(live.listing(name))
    return fragments.whole_or(asked("cards", "more"), "environments/show.html", name=name, part=part)


def column(name: str, names: list[str]) -> dict[str, Any]:
    """One column: its newest cards, and the environment that a version goes to from there."""
    rows = list(live.listing(name).page(Page(CARDS)))
    following = next(iter(names[names.index(name) + 1 :]), None)
    there = live.among(following, [row.release_id for row in rows]) if following else set()
    return {"name": name, "rows": rows[:CARDS], "more": len(rows) > CARDS, "next": following, "there": there}
