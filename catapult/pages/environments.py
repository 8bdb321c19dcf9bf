"""`/environments`: the board with one column an environment, an environment's page with its history, and its forms."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain, zip_longest
from typing import Any

from flask import Blueprint, Response, g, request, url_for

from catapult.actions import environments as actions
from catapult.contract.control import EnvironmentPut
from catapult.contract.fields import Minute, Query
from catapult.contract.schemas import environment_name
from catapult.errors import Conflict
from catapult.pages.parts import evidence, forms, fragments, lists
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import current_address, is_htmx, page, requested_block
from catapult.queries import deployments, environments, gates, history, live, rollbacks
from catapult.tables import Role

blp = Blueprint("environments", __name__)
AT = "/environments/<name>"
BOARD, SHOW = "environments/index.html", "environments/show.html"
NEW, FREEZE, SETTINGS, DELETE = (f"environments/{form}.html" for form in ("new", "freeze", "settings", "delete"))
COLUMNS = 50
"""Environments on a board; the others are on the next one."""

CARDS, ON_THE_BOARD, FEWEST = 40, 400, 3
"""Cards in one column at most, in all columns together, and in one column at least where they fit."""

ROOM = 250_000
"""Characters of HTML for all columns."""

HEAD, LOCK, FREEZE_NOTE, CARD = 800, 400, 600, 1_150
"""Characters of HTML for a column's head, its lock, its freeze and a card, without their texts."""

EVIDENCE = 1_200
"""Characters of HTML for who let a deployment through."""

REASON = 200
"""Shown characters of a reason."""

DEFAULTS = {"rank": "", "protected": "false", "description": "", "deploy_within": ""}
"""The values in the form for a new environment."""


class At(Query):
    """The moment in the address."""

    at = Minute()


class EnvironmentForm(EnvironmentPut):
    """A new environment."""

    name = environment_name(required=True)


@blp.get("/environments")
@page()
def index() -> Response:
    """The live deployments, one column an environment, in order of rank."""
    return fragments.whole_or(requested_block("board"), BOARD, **board())


@blp.get(AT)
@page()
def show(name: str) -> Response:
    """Everything that is live in one environment, or was at the time in the address."""
    environment = environments.get_including_deleted(name)
    form, filters = lists.filters(At)
    at = filters.get("at")
    if form.errors:
        return _tab(environment, "live", 422, form=form, part=lists.Part([], None), at=None)
    if at is None:
        return _tab(environment, "live", form=form, part=lists.part(live.listing(name)), at=None)
    part = lists.part(history.live(name, at), length=_length_then)
    gone = rollbacks.with_deleted_version(part.rows)
    kept = {row.id: evidence.of(row.decision) for row in part.rows}
    return _tab(environment, "live", form=form, part=part, at=at, gone=gone, kept=kept)


@blp.get(f"{AT}/-/history")
@page()
def show_history(name: str) -> Response:
    """Every deployment to one environment, newest first."""
    environment = environments.get_including_deleted(name)
    return _tab(environment, "history", part=lists.part(deployments.listing(environment=name)))


@blp.route("/new/environment", methods=forms.METHODS)
@page(Role.ADMIN)
def create() -> Response:
    """The form to create an environment."""

    def act() -> Response:
        sent = forms.read(EnvironmentForm)
        name = sent.pop("name")
        actions.put(name, sent, actor=g.actor, new=True)
        return done(f"{name} is created.")

    return forms.answer(act, partial(_form, NEW))


@blp.route(f"{AT}/-/freeze", methods=forms.METHODS)
@page(Role.ADMIN)
def freeze(name: str) -> Response:
    """The form to freeze an environment, with a reason and an end. A frozen environment accepts no deployments."""
    environment = environments.named(name)

    def act() -> Response:
        sent = {"frozen_reason": None, "frozen_until": None, **forms.read(EnvironmentPut), "frozen": True}
        actions.put(environment.name, sent, actor=g.actor, expected=forms.counter())
        return done(f"{environment.name} is frozen.")

    return forms.answer(act, partial(_form, FREEZE, environment=environment))


@blp.post(f"{AT}/-/thaw")
@page(Role.ADMIN)
def thaw(name: str) -> Response:
    """End the freeze."""
    environment, _ = actions.put(environments.named(name).name, {"frozen": False}, actor=g.actor)
    return done(f"{environment.name} accepts deployments again.")


@blp.route(f"{AT}/-/settings", methods=forms.METHODS)
@page(Role.ADMIN)
def settings(name: str) -> Response:
    """The form that changes the rank, the protection or the description."""
    environment = environments.named(name)

    def act() -> Response:
        sent = forms.read(EnvironmentPut, shown=_stored(environment))
        actions.put(environment.name, sent, actor=g.actor, expected=forms.counter())
        return done(f"{environment.name} is changed.")

    return forms.answer(act, partial(_form, SETTINGS, environment=environment))


@blp.route(f"{AT}/-/delete", methods=forms.METHODS)
@page(Role.ADMIN)
def delete(name: str) -> Response:
    """What deleting the environment ends, and the field to type its name in; the gates that name it prevent it."""
    environment = environments.named(name)

    def act() -> Response:
        forms.check_typed(environment.name)
        actions.delete(environment.name, actor=g.actor, force="force" in request.form, expected=forms.counter())
        return done(f"{environment.name} is deleted.", gone=True)

    return forms.answer(act, lambda form, status: _deletion(environment, form, status))


def done(message: str, *, gone: bool = False) -> Response:
    """Show the message on the page behind the dialog, or on the board. Set `gone` if that page no longer exists."""
    home, here = url_for("pages.environments.index"), current_address(query=True)
    if is_htmx() and here == home:
        response = fragments.part(BOARD, "board", fragments.toast(message), **board())
        return fragments.closing_dialog(response, "#board", "morph:outerHTML")
    in_dialog = is_htmx() and not gone and current_address() != request.path  # otherwise the form has its own page
    return fragments.go(here if in_dialog else home, message)


def board() -> dict[str, Any]:
    """Return the columns, and the address of the columns after them."""
    part = lists.part(environments.listing(), COLUMNS, length=_head)
    return {"columns": list(columns(part.rows)) if part.rows else [], "more": part.more, "now": datetime.now(UTC)}


def columns(stages: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Yield each environment with its newest cards, as many as fit, and the environment that comes after it."""
    path = live.promotion_path(stages)
    most = max(FEWEST, min(CARDS, ON_THE_BOARD // len(stages)))
    found = live.board([stage.place for stage in stages], most)
    shown = _shown({name: rows[:most] for name, rows in found.items()}, ROOM - sum(map(_head, stages)))
    cards = list(chain.from_iterable(shown.values()))
    live_in = live.places_of([card.release_id for card in cards])
    reasons = rollbacks.details(cards)
    late = _overdue(stages)
    for environment, following in zip_longest(stages, path[1:]):
        yield {
            "environment": environment,
            "cards": shown[environment.place],
            "more": len(found[environment.place]) > len(shown[environment.place]),
            "next": following,
            "next_is_last": following is path[-1],
            "there": {release_id for name, release_id in live_in if following and name == following.place},
            "rollbacks": reasons,
            "overdue": [row for row in late if row.place == environment.place],
        }


def _overdue(stages: Sequence[Any]) -> list[Any]:
    """Return the overdue deployments to these environments. Sends no statement if none of them says when that is."""
    places = [stage.place for stage in stages if stage.deploy_within is not None]
    return deployments.overdue(places) if places else []


def _shown(found: Mapping[str, Sequence[Any]], room: int) -> dict[str, list[Any]]:
    """Return the cards that fit: the first rows across all columns, or the part of the first row that fits."""
    rows = [[card for card in row if card] for row in zip_longest(*found.values())]
    count = len(list(lists.take_fitting(rows, room, lambda row: sum(map(_html_length, row)))))
    if count or not rows:
        return {name: list(cards[:count]) for name, cards in found.items()}
    fitting = {card.id for card in lists.take_fitting(rows[0], room, _html_length)}
    return {name: [card for card in cards[:1] if card.id in fitting] for name, cards in found.items()}


def _head(environment: Any) -> int:
    """Return the characters of HTML of a column's head, which repeats the name many times."""
    frozen = FREEZE_NOTE + lists.html_length(environment.frozen_reason[:REASON]) if environment.frozen else 0
    return HEAD + 16 * len(environment.name) + (LOCK if environment.protected else 0) + frozen


def _html_length(card: Any) -> int:
    """Return the characters of HTML of a card: the model's name is in it eleven times, the environment's ten times."""
    names = 11 * len(card.model_name) + 10 * len(card.environment)
    texts = 4 * lists.html_length(card.version) + lists.html_length(card.deployed_by)
    rollback = 6 * REASON + lists.html_length(card.version) if card.rollback_of else 0  # a quote takes five characters
    return CARD + names + texts + rollback


def _length_then(row: Any) -> int:
    """Return the characters of HTML of a row of what was live, in which only the names of the decision are shown."""
    return EVIDENCE + lists.row_html_length([value for name, value in row._mapping.items() if name != "decision"])


def _tab(environment: Any, tab: str, status: int = 200, **context: Any) -> Response:
    block = requested_block("tab", "more") if tab == "history" else requested_block("tab")
    context |= {"rollbacks": rollbacks.details(context["part"].rows), "now": datetime.now(UTC)}
    return fragments.whole_or(block, SHOW, status, environment=environment, tab=tab, **context)


def _form(template: str, form: Form, status: int, environment: Any = None, **context: Any) -> Response:
    context |= {"stored": _stored(environment) if environment else DEFAULTS, "environment": environment}
    return fragments.form(template, form, status, changed_by=forms.changed_by(environment, status), **context)


def _deletion(environment: Any, form: Form, status: int) -> Response:
    blocked = False
    if status == 200:
        try:
            gates.check_unnamed(environment.place)
        except Conflict as conflict:
            form, blocked = Form(refusal=conflict), True
    bound = environments.live_and_unfinished_counts(environment.place)
    return _form(DELETE, form, status, environment, bound=bound, blocked=blocked)


def _stored(environment: Any) -> dict[str, str]:
    """Return the environment's values as its forms show them."""
    until = environment.frozen_until.astimezone(UTC) if environment.frozen and environment.frozen_until else None
    return {
        "rank": str(environment.rank),
        "protected": "true" if environment.protected else "false",
        "description": environment.description or "",
        "deploy_within": "" if environment.deploy_within is None else str(environment.deploy_within),
        "frozen_reason": environment.frozen_reason or "" if environment.frozen else "",
        "frozen_until": f"{until:%Y-%m-%dT%H:%M}" if until else "",
    }
