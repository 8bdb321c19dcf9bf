"""`/environments`: a board with a column an environment; what was live in each one and when, its freeze and its settings."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, zip_longest
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for

from catapult.actions import environments as actions
from catapult.contract.control import EnvironmentPut
from catapult.contract.fields import Minute, Query
from catapult.contract.schemas import environment_name
from catapult.errors import Conflict
from catapult.pages.parts import forms, fragments, lists
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import asked, by_htmx, current_address, page
from catapult.queries import audit_logs, deployments, environments, gates, history, live, rollbacks
from catapult.tables import Role

blp = Blueprint("environments", __name__)
AT = "/environments/<name>"
BOARD, SHOW = "environments/index.html", "environments/show.html"
NEW, FREEZE, SETTINGS, DELETE = (f"environments/{form}.html" for form in ("new", "freeze", "settings", "delete"))
COLUMNS = 50
"""Environments on a board; the others are on the next one."""

CARDS, ON_THE_BOARD, FEWEST = 40, 400, 3
"""Cards in a column at most, in all of them together, and in a column at least where they have room."""

ROOM = 250_000
"""Characters of HTML for all columns."""

HEAD, LOCK, FREEZE_NOTE, CARD = 800, 400, 600, 1_000
"""What a column's head, its lock, its freeze and a card take beside their texts."""

REASON = 200
"""So much of a reason is shown."""

UNSET = {"rank": "", "protected": "false", "description": ""}
"""What the form for a new environment shows."""


class At(Query):
    """When something was live."""

    at = Minute()


class EnvironmentForm(EnvironmentPut):
    """A new environment."""

    name = environment_name(required=True)


@blp.get("/environments")
@page()
def index() -> Response:
    """What is live, a column an environment in order of rank."""
    return fragments.whole_or(asked("board"), BOARD, **board())


@blp.get(AT)
@page()
def show(name: str) -> Response:
    """All that is live in one environment, or was at the time that the address names."""
    place = environments.ever(name)
    form, found = lists.filters(At)
    at = found.get("at")
    if form.errors:
        return _tab(place, "live", 422, form=form, part=lists.Part([], None), at=None)
    part = lists.part(history.live(name, at) if at else live.listing(name))
    return _tab(place, "live", form=form, part=part, at=at, gone=rollbacks.gone(part.rows) if at else set())


@blp.get(f"{AT}/-/history")
@page()
def show_history(name: str) -> Response:
    """Every deployment to one environment, newest first."""
    return _tab(environments.ever(name), "history", part=lists.part(deployments.listing(environment=name)))


@blp.get("/new/environment")
@page(Role.ADMIN)
def new() -> Response:
    """The form for a new environment."""
    return _form(NEW, Form(), 200)


@blp.post("/new/environment")
@page(Role.ADMIN)
def create() -> Response:
    """There is that environment."""

    def act() -> Response:
        sent = forms.read(EnvironmentForm)
        name = sent.pop("name")
        actions.put(name, sent, actor=g.actor, new=True)
        return done(f"{name} is made.")

    return forms.submit(act, lambda form, status: _form(NEW, form, status))


@blp.get(f"{AT}/-/freeze")
@page(Role.ADMIN)
def confirm_freeze(name: str) -> Response:
    """The form that asks why it is frozen, and until when."""
    return _form(FREEZE, Form(), 200, environments.named(name))


@blp.post(f"{AT}/-/freeze")
@page(Role.ADMIN)
def freeze(name: str) -> Response:
    """It takes no deployments."""
    place = environments.named(name)

    def act() -> Response:
        sent = {"frozen_reason": None, "frozen_until": None, **forms.read(EnvironmentPut), "frozen": True}
        actions.put(place.name, sent, actor=g.actor, expected=forms.counter())
        return done(f"{place.name} is frozen.")

    return forms.submit(act, lambda form, status: _form(FREEZE, form, status, place))


@blp.post(f"{AT}/-/thaw")
@page(Role.ADMIN)
def thaw(name: str) -> Response:
    """It takes deployments again."""
    place, _ = actions.put(environments.named(name).name, {"frozen": False}, actor=g.actor)
    return done(f"{place.name} takes deployments again.")


@blp.get(f"{AT}/-/settings")
@page(Role.ADMIN)
def settings(name: str) -> Response:
    """The form for its rank, its protection and its description."""
    return _form(SETTINGS, Form(), 200, environments.named(name))


@blp.post(f"{AT}/-/settings")
@page(Role.ADMIN)
def save(name: str) -> Response:
    """Its rank, its protection or its description is changed."""
    place = environments.named(name)

    def act() -> Response:
        sent = forms.read(EnvironmentPut, shown=_stored(place))
        actions.put(place.name, sent, actor=g.actor, expected=forms.counter())
        return done(f"{place.name} is changed.")

    return forms.submit(act, lambda form, status: _form(SETTINGS, form, status, place))


@blp.get(f"{AT}/-/delete")
@page(Role.ADMIN)
def confirm_deletion(name: str) -> Response:
    """What deleting would end, and the name to type."""
    place = environments.named(name)
    try:
        gates.check_unnamed(place.place)
    except Conflict as named:
        return _deletion(place, Form(refusal=named), held=True)
    return _deletion(place, Form())


@blp.post(f"{AT}/-/delete")
@page(Role.ADMIN)
def delete(name: str) -> Response:
    """The environment is deleted, if its name was typed."""
    place = environments.named(name)

    def act() -> Response:
        forms.check_typed(place.name)
        actions.delete(place.name, actor=g.actor, force="force" in request.form, expected=forms.counter())
        return done(f"{place.name} is deleted.", gone=True)

    return forms.submit(act, lambda form, status: _deletion(place, form, status))


def done(said: str, *, gone: bool = False) -> Response:
    """The board as it is now, where that was open; else on to the page that was, or to the board if that is `gone`."""
    home = url_for("pages.environments.index")
    here = current_address(query=True)
    if by_htmx() and here == home:
        return _board_again(said)
    is_open = by_htmx() and not gone and current_address() != request.path  # and no form on a page of its own
    return fragments.go(here if is_open else home, said)


def _board_again(said: str) -> Response:
    response = fragments.part(BOARD, "board", fragments.toast(said), **board())
    response.headers["HX-Retarget"], response.headers["HX-Reswap"] = "#board", "morph:outerHTML"
    response.headers["HX-Trigger"] = "close-dialog"
    return response


def board() -> dict[str, Any]:
    """The columns, and the address of those that come after them."""
    part = lists.part(environments.listing(), COLUMNS, letters=_head)
    return {"columns": list(columns(part.rows)) if part.rows else [], "more": part.more}


def columns(places: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Of each environment the newest cards, as many as have room, and the environment that a version goes to from there."""
    way = live.way(places)
    most = max(FEWEST, min(CARDS, ON_THE_BOARD // len(places)))
    found = live.board([place.place for place in places], most)
    shown = _shown({name: rows[:most] for name, rows in found.items()}, ROOM - sum(map(_head, places)))
    cards = list(chain.from_iterable(shown.values()))
    there = live.places_of([card.release_id for card in cards])
    told = rollbacks.told(cards)
    for place, following in zip_longest(places, way[1:]):
        yield {
            "place": place,
            "cards": shown[place.place],
            "more": len(found[place.place]) > len(shown[place.place]),
            "next": following,
            "is_end_next": following is way[-1],
            "there": {release_id for name, release_id in there if following and name == following.place},
            "told": told,
        }


def _shown(found: Mapping[str, Sequence[Any]], room: int) -> dict[str, list[Any]]:
    """The cards that have room: whole lines of them; of the first line as many as may be."""
    lines = [[card for card in line if card] for line in zip_longest(*found.values())]
    count = len(list(lists.within(lines, room, lambda line: sum(map(_letters, line)))))
    if count or not lines:
        return {name: list(cards[:count]) for name, cards in found.items()}
    fitting = {card.id for card in lists.within(lines[0], room, _letters)}
    return {name: [card for card in cards[:1] if card.id in fitting] for name, cards in found.items()}


def _head(place: Any) -> int:
    """What a column's head takes: the name stands in it many times."""
    frozen = FREEZE_NOTE + lists.text_letters(place.frozen_reason[:REASON]) if place.frozen else 0
    return HEAD + 16 * len(place.name) + (LOCK if place.protected else 0) + frozen


def _letters(card: Any) -> int:
    """What a card takes: the model stands in seven places, the version in four, environments in eight."""
    names = 7 * len(card.model_name) + 8 * len(card.environment)
    texts = 4 * lists.text_letters(card.version) + lists.text_letters(card.deployed_by)
    told = 6 * REASON + lists.text_letters(card.version) if card.rollback_of else 0  # a quote takes five characters
    return CARD + names + texts + told


def _tab(place: Any, tab: str, status: int = 200, **context: Any) -> Response:
    block = asked("tab", "more") if tab == "history" else asked("tab")
    context |= {"told": rollbacks.told(context["part"].rows), "now": datetime.now(UTC)}
    return fragments.whole_or(block, SHOW, status, place=place, tab=tab, **context)


def _form(template: str, form: Form, status: int, place: Any = None, **context: Any) -> Response:
    said = {"place": place, "stored": _stored(place) if place else UNSET, "changed_by": ""}
    if status == 412:
        said["changed_by"] = audit_logs.last_actor(UUID(place.id))
    block = asked("dialog-body", "form") and "form"
    return fragments.whole_or(block, template, status, form=form, **said, **context)


def _deletion(place: Any, form: Form, status: int = 200, *, held: bool = False) -> Response:
    return _form(DELETE, form, status, place, bound=environments.bound_to(place.place), held=held)


def _stored(place: Any) -> dict[str, str]:
    """What the forms show of the environment."""
    return {
        "rank": str(place.rank),
        "protected": "true" if place.protected else "false",
        "description": place.description or "",
        "frozen_reason": place.frozen_reason or "" if place.frozen else "",
        "frozen_until": f"{place.frozen_until.astimezone(UTC):%Y-%m-%dT%H:%M}"
        if place.frozen and place.frozen_until
        else "",
    }
