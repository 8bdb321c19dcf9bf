"""`/environments`: a board with a column an environment."""

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from flask import Blueprint, Response

from catapult.pages import fragments, lists
from catapult.pages.door import asked, page
from catapult.queries import live

blp = Blueprint("environments", __name__)
CARDS, ON_THE_BOARD, FEWEST = 40, 400, 3
"""Cards in a column at most, in all of them together, and in a column at least where they have room."""

ROOM, CARD = 230_000, 800
"""Characters of HTML for all cards, and what a card takes beside its texts."""


@blp.get("/environments")
@page()
def index() -> Response:
    """What is live, a column an environment in the order in which versions pass them."""
    names = live.environments()
    columns = board(names)
    return fragments.whole_or(asked("board"), "environments/index.html", columns=columns)


@blp.get("/environments/<name>")
@page()
def show(name: str) -> Response:
    """All that is live in one environment."""
    part = lists.part(live.listing(name))
    return fragments.whole("environments/show.html", name=name, part=part)


def board(names: list[str]) -> list[dict[str, Any]]:
    """The columns: the newest cards of each, as many as have room, and the environment that a version goes to from there."""
    most = max(FEWEST, min(CARDS, ON_THE_BOARD // max(len(names), 1)))
    found = live.board(names, most)
    lines = zip_longest(*(rows[:most] for rows in found.values()))
    shown = max(1, len(list(lists.within(lines, ROOM, _letters))))
    there = live.places_of([row.release_id for rows in found.values() for row in rows[:shown]])
    return [
        {
            "name": name,
            "rows": found[name][:shown],
            "more": len(found[name]) > shown,
            "next": following,
            "there": {release_id for place, release_id in there if place == following},
        }
        for name, following in zip(names, [*names[1:], None], strict=bool(names))
    ]


def _letters(line: Iterable[Any]) -> int:
    """What the cards beside each other take: the model stands in five places, the version in four."""
    return sum(
        CARD + 5 * len(row.model_name) + 4 * lists.text_letters(row.version) + lists.text_letters(row.deployed_by)
        for row in line
        if row is not None
    )
