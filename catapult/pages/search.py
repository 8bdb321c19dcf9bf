"""`/search`: the results while typing, and the same as a page. A single hit is opened at once."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from flask import Blueprint, Response, g, redirect, request, url_for

from catapult.pages.parts import fragments, framed
from catapult.pages.parts.page_request import is_htmx, page, requested_block
from catapult.queries import search
from catapult.queries.search import Hits
from catapult.rules.normal_text import normal
from catapult.tables import Role

blp = Blueprint("search", __name__)
LONGEST = 300
DESCRIBED, CUT = 80, 80
"""Shown characters of a description, and of a digest."""


class Hit(NamedTuple):
    """A link: `name` is a model's or another noun's, `code` a version, and `detail` why it matches."""

    address: str
    name: str
    code: str = ""
    detail: str = ""
    is_release: bool = False


class Group(NamedTuple):
    """Hits of one kind. A single hit is opened at once if it is stored, and not a page or an action."""

    label: str
    hits: list[Hit]
    is_stored: bool = True


PAGES = (
    ("overview.show", "Overview", Role.VIEWER),
    ("inbox.index", "Inbox", Role.PUBLISHER),
    ("registered_models.index", "Models", Role.VIEWER),
    ("all_versions.index", "Versions", Role.VIEWER),
    ("deployments.index", "Deployments", Role.VIEWER),
    ("environments.index", "Environments", Role.VIEWER),
    ("gates.index", "Gates", Role.VIEWER),
    ("audit_logs.index", "Audit log", Role.VIEWER),
    ("api_keys.index", "API keys", Role.ADMIN),
    ("people.index", "People", Role.ADMIN),
    ("me.show", "Me and my keys", Role.VIEWER),
)
ACTIONS = (
    ("registered_models.create", "New model", Role.PUBLISHER),
    ("versions.create", "New version", Role.PUBLISHER),
    ("deployments.create", "Deploy a version", Role.PUBLISHER),
    ("environments.create", "New environment", Role.ADMIN),
    ("gates.create", "Create gate", Role.ADMIN),
    ("api_keys.create", "Create API key", Role.ADMIN),
    ("people.create", "New person", Role.ADMIN),
)


@blp.get("/search")
@page()
def show() -> Response:
    """What matches, in groups. As a page, the only hit is opened instead."""
    words = request.args.get("q", "").strip().replace("\x00", "")[:LONGEST]
    hits = search.search(words, with_keys=g.actor.role.holds(Role.ADMIN))
    groups = [group for group in _groups(words, hits) if group.hits]
    addresses = {hit.address for group in groups for hit in group.hits if group.is_stored}
    if len(addresses) == 1 and not is_htmx():
        return redirect(addresses.pop(), 302)  # type: ignore[return-value]
    context = {"words": words, "groups": groups, "only": len(addresses) == 1}
    return fragments.whole_or(requested_block("hits"), "search/show.html", **context)


def _groups(words: str, hits: Hits) -> Iterator[Group]:
    models = [Hit(_model(row.name), row.name, detail=_short(row.description, DESCRIBED)) for row in hits.models]
    yield Group("Models", models)
    yield Group("Your views", _views(words))
    yield Group("Versions", [_version(row) for row in hits.versions])
    yield Group("Tags", [_version(row, row.tag) for row in hits.tags])
    yield Group("Digests", [_version(row, _short(row.digest, CUT)) for row in hits.digests])
    yield Group("Environments", [Hit(_environment(row.name), row.name) for row in hits.environments])
    keys = [Hit(url_for("pages.api_keys.edit", key_id=row.id), row.name, row.prefix, row.role) for row in hits.keys]
    yield Group("API keys", keys)
    if len({row.model_name for row in hits.versions}) == 1:
        yield Group(f"Do with {hits.versions[0].version}", list(_acts(hits.versions[0])), is_stored=False)
    yield Group("Pages", _named(PAGES, words), is_stored=False)
    yield Group("Actions", _named(ACTIONS, words), is_stored=False)


def _acts(row: Any) -> Iterator[Hit]:
    """Yield what may be done with a version."""
    route = {"name": row.model_name, "version": row.version}
    if g.actor.role.holds(Role.PUBLISHER):
        yield Hit(url_for("pages.deployments.create", model=row.model_name, version=row.version), "Deploy…")
        yield Hit(url_for("pages.versions.edit", **route), "Edit…")
    yield Hit(url_for("pages.comparison.show", name=row.model_name, v=row.version), "Compare…")


def _named(offered: tuple[tuple[str, str, Role], ...], words: str) -> list[Hit]:
    """Return those that this person may open and whose name has a word that begins with `words`."""
    sought = f" {words.lower()}"
    return [
        Hit(url_for(f"pages.{endpoint}"), label)
        for endpoint, label, role in offered
        if words and sought in f" {label.lower()}" and g.actor.role.holds(role)
    ]


def _views(words: str) -> list[Hit]:
    """Return the saved views whose name has the words in it."""
    rows = framed.views() if words else []
    return [Hit(row.address, row.name) for row in rows if normal(words).lower() in normal(row.name).lower()]


def _version(row: Any, detail: str = "") -> Hit:
    address = url_for("pages.versions.show", name=row.model_name, version=row.version)
    return Hit(address, row.model_name, row.version, detail, row.is_release)


def _model(name: str) -> str:
    return url_for("pages.registered_models.show", name=name)


def _environment(name: str) -> str:
    return url_for("pages.environments.show", name=name)


def _short(text: str | None, most: int) -> str:
    text = text or ""
    return text if len(text) <= most else f"{text[: most - 1]}…"
