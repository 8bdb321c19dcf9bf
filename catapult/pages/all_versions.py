"""`/versions`: the versions of all models, and completions for their filter."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, jsonify, request, url_for

from catapult.filters import completion, conditions, nouns
from catapult.filters.parsing import quoted
from catapult.pages.parts import filter_box, fragments, lists, version_files
from catapult.pages.parts.page_request import page, requested_block
from catapult.queries import known_values, metrics, registered_models, versions
from catapult.queries.lists.paging import Listing

blp = Blueprint("all_versions", __name__)
LIST = "all_versions/index.html"
COLUMNS = 4
"""The most numbers shown beside a version: those that the filter and the order name."""


@blp.get("/versions")
@page()
def index() -> Response:
    """The versions of all models that match the filter, newest first or in the order of the address."""
    part, mistake = lists.part_of(_versions)
    paths = [] if mistake else _paths()
    context: dict[str, Any] = {
        "part": part,
        "mistake": mistake,
        "guess": filter_box.guess(
            mistake, nouns.versions(), [] if part.rows else metrics.recent_paths(), not part.rows
        ),
        "chips": filter_box.chips(),
        "filter": lists.typed("filter"),
        "sort": lists.typed("sort"),
        "here": lists.here,
        "columns": paths,
        "fields": {path: filter_box.field(path) for path in paths},
        "numbers": metrics.of_versions([row.id for row in part.rows], paths),
        "file": lists.with_parameters(url_for(".export")),
    }
    return fragments.whole_or(requested_block("versions", "more"), LIST, 422 if mistake else 200, **context)


@blp.get("/versions.csv")
@page()
def export() -> Response:
    """The same versions as a file."""
    return version_files.file("versions", _versions(), _paths(), of_models=True)


@blp.get("/versions/-/completions")
@page()
def completions() -> Response:
    """What may follow a filter that is being typed: `{start, texts}`, where a text replaces what is typed from `start` on."""
    text, name = lists.typed("filter"), request.args.get("model_name", "").replace("\x00", "")
    text += " " if request.args.get("filter", "").endswith(" ") else ""
    paths = metrics.paths(UUID(registered_models.called(name).id)) if name else metrics.recent_paths()
    offer = completion.offer(nouns.versions(), text, map(filter_box.field, paths))
    values = known_values.beginning(offer.values_of, text[offer.start :].strip("\"'"), completion.MOST)
    texts = [*offer.texts, *map(quoted, values)]
    response: Response = jsonify(start=offer.start, texts=texts[: completion.MOST])
    response.headers["Cache-Control"] = "no-store"
    return response


def _versions() -> Listing:
    """Return the versions that match the address, in its order. Raises Misread."""
    return versions.listing(whole=False, **{name: lists.typed(name) or None for name in ("filter", "sort")})


def _paths() -> list[str]:
    """Return the paths of metadata that the filter and the order in the address name. Raises Misread."""
    return conditions.metadata_paths(lists.typed("filter"), lists.typed("sort"))[:COLUMNS]
