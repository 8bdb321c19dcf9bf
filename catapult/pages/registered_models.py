"""`/models`: the list, a model with its tabs, and the forms that register, change and delete a model."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, redirect, request, url_for

from catapult.actions import registered_models as actions
from catapult.contract.renaming import Rename
from catapult.contract.schemas import ModelEdit, ModelIn
from catapult.filters import nouns
from catapult.filters.mistakes import Misread
from catapult.pages.parts import (
    charts,
    columns,
    csv_files,
    filter_box,
    formats,
    forms,
    fragments,
    lists,
    model_card,
    verdicts,
    version_files,
)
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import page, requested_block
from catapult.queries import artifacts, audit_logs, deployments, gates, metrics, model_head, registered_models, versions
from catapult.queries.lists.paging import Listing, Page
from catapult.queries.model_head import Candidate, Head
from catapult.rules.numbers import Number
from catapult.tables import RELEASE, Role, VersionStatus

blp = Blueprint("registered_models", __name__)
LIST, MODEL = "registered_models/index.html", "registered_models/show.html"
NEW, DELETE = "registered_models/new.html", "registered_models/delete.html"
RENAME = "registered_models/rename.html"
COLUMNS, MOST_COLUMNS = 2, 6
"""Metrics shown beside a version by default, and at most."""

EDITABLE, INDENTING = 160_000, json.JSONEncoder(indent=2, ensure_ascii=False)
OFFERED = 100

CSV = (
    *("name", "latest_version", "latest_release", "live_in", "metric", "value", "tags", "version_count"),
    *("created_at", "updated_at"),
)
MOST_LIMITS = 4
"""The most thresholds of gates in a chart."""

SHOWN: dict[str, dict[str, Any]] = {"releases": {"is_release": True}, "archived": {"status": "archived"}}
"""The filters of a model's versions, by their name in the address."""


@blp.get("/models")
@page()
def index() -> Response:
    """The models that match the search, the tag and the filter in the address."""
    filters, sort = {name: lists.typed(name) for name in ("search", "tag", "filter")}, lists.typed("sort")
    part, mistake = lists.part_of(_cards)
    series = metrics.sparks([row.id for row in part.rows])
    sparks = {model_id: (path, charts.spark(values), values[-1]) for model_id, (path, values) in series.items()}
    context: dict[str, Any] = {
        "part": part,
        "sparks": sparks,
        "mistake": mistake,
        "guess": filter_box.guess(mistake, nouns.MODELS),
        "sort": sort,
        "here": lists.here,
        **filters,
    }
    context["file"] = lists.with_parameters(url_for(".export"))
    return fragments.whole_or(requested_block("list", "more"), LIST, 422 if mistake else 200, **context)


@blp.get("/models.csv")
@page()
def export() -> Response:
    """The same models as a file."""

    def cells(rows: list[Any]) -> Iterator[Any]:
        series = metrics.sparks([row.id for row in rows])
        for row in rows:
            path, values = series.get(row.id, ("", [None]))
            live_in, tags = " ".join(formats.staged(row.live_in)), " ".join(row.tags)
            yield row.name, row.latest_version, row.latest_release, live_in, path, values[-1], tags, *_counted(row)

    return csv_files.table("models", CSV, _cards(), cells)


def _counted(row: Any) -> tuple[Any, ...]:
    return row.version_count, row.created_at, row.updated_at


def _cards() -> Listing:
    """Return the models that match the address, in its order. Raises Misread."""
    sort = lists.typed("sort")
    filters = {name: lists.typed(name) or None for name in ("search", "tag", "filter")}
    return registered_models.cards(**filters, sort=sort if sort in registered_models.SORTS else "newest")


@blp.get("/models/<model:name>/-/versions.csv")
@page()
def export_versions(name: str) -> Response:
    """The same versions as the model's page, with the same columns, as a file."""
    model = registered_models.called(name)
    _, _, paths = _columns(model)
    return version_files.file(model.name.replace("/", "-"), _versions(model), paths)


@blp.get("/models/<model:name>")
@page()
def show(name: str) -> Response:
    """The model's versions, with a chart of one metric by version."""
    model = registered_models.called(name)
    context = version_list(model)
    if "columns" in request.args and not context["left_out"]:
        return columns.remembered(redirect(lists.here(columns=None), 303), model.name, _paths("c"))
    return _tab(model, "versions", 422 if context["mistake"] or context["left_out"] else 200, **context)


@blp.get("/models/<model:name>/-/deployments")
@page()
def show_deployments(name: str) -> Response:
    """The model's deployments, newest first."""
    model = registered_models.called(name)
    return _tab(model, "deployments", part=lists.part(deployments.listing(model_name=name)))


@blp.get("/models/<model:name>/-/gates")
@page()
def show_gates(name: str) -> Response:
    """The gates that apply to the model, by its name or by a pattern."""
    model = registered_models.called(name)
    return _tab(model, "gates", part=lists.part(gates.of_model(model.name)))


@blp.get("/models/<model:name>/-/card")
@page()
def show_card(name: str) -> Response:
    """The model card of the model's release."""
    model = registered_models.called(name)
    release = model_head.read(UUID(model.id)).release
    row = versions.named(model.name, release.version) if release else None
    cards = model_card.of_files(row.id, artifacts.read(row.files)) if row else []
    return _tab(model, "card", release=release, cards=cards)


@blp.get("/models/<model:name>/-/activity")
@page()
def show_activity(name: str) -> Response:
    """The model's audit entries, newest first."""
    model = registered_models.called(name)
    return _tab(model, "activity", part=lists.part(audit_logs.about(UUID(model.id), [model.name, *model.former_names])))


@blp.get("/models/<model:name>/-/settings")
@page()
def show_settings(name: str) -> Response:
    """The form with the model's own fields."""
    return _settings(registered_models.called(name), Form())


@blp.post("/models/<model:name>/-/settings")
@page(Role.PUBLISHER)
def edit(name: str) -> Response:
    """Change the model's own fields."""
    model = registered_models.called(name)

    def act() -> Response:
        fields = forms.read(ModelEdit, shown=_stored(model))
        reason = fields.pop("reason", None)
        actions.edit(UUID(model.id), fields, actor=g.actor, reason=reason, expected=forms.counter())
        return fragments.go(url_for(".show_settings", name=model.name), f"{model.name} is changed.")

    return forms.answer(act, partial(_settings, model))


@blp.route("/new/model", methods=forms.METHODS)
@page(Role.PUBLISHER)
def create() -> Response:
    """The form to register a model; then the model's page."""

    def act() -> Response:
        model = actions.create(actor=g.actor, **forms.read(ModelIn))
        return fragments.go(url_for(".show", name=model.name), f"{model.name} is registered.")

    return forms.answer(act, partial(fragments.form, NEW))


@blp.route("/models/<model:name>/-/rename", methods=forms.METHODS)
@page(Role.ADMIN)
def rename(name: str) -> Response:
    """The form to rename the model; then its page, with the gates and keys that no longer match its name."""
    model = registered_models.called(name)

    def act() -> Response:
        renamed = actions.rename(UUID(model.id), actor=g.actor, **forms.read(Rename))
        return fragments.go(
            url_for(".show_settings", name=renamed.name), f"{model.name} is {renamed.name} now.{_moved(renamed)}"
        )

    return forms.answer(act, partial(fragments.form, RENAME, model=model))


def _moved(renamed: Any) -> str:
    """Return how many gates and bounded keys no longer match the model, or match now, as sentences after a space."""
    counts = {
        "Gates that no longer apply": len(renamed.gates_lost),
        "Gates that apply now": len(renamed.gates_gained),
        "Bounded keys that may no longer change it": len(renamed.keys_lost),
        "Bounded keys that may change it now": len(renamed.keys_gained),
    }
    return "".join(f" {what}: {count}." for what, count in counts.items() if count)


@blp.route("/models/<model:name>/-/delete", methods=forms.METHODS)
@page(Role.ADMIN)
def delete(name: str) -> Response:
    """What deleting the model does, and the field to type its name in."""
    model = registered_models.called(name)

    def act() -> Response:
        forms.check_typed(model.name)
        actions.delete(UUID(model.id), actor=g.actor, force="force" in request.form)
        return fragments.go(url_for(".index"), f"{model.name} is deleted.")

    return forms.answer(act, partial(fragments.form, DELETE, model=model))


def version_list(model: Any) -> dict[str, Any]:
    """Return what the versions' tab shows: the chart of one metric, and a page of versions with the chosen metrics."""
    asked, paths, beside = _columns(model)
    metric = next((path for path in (*_paths("metric"), *paths) if path in paths), None)
    part, mistake = lists.part_of(lambda: _versions(model))
    head = model_head.read(UUID(model.id))
    return {
        "part": part,
        "mistake": mistake,
        "guess": filter_box.guess(mistake, nouns.versions(), paths, is_empty=not part.rows),
        "chips": filter_box.chips(_directed(model.name)),
        "filter": lists.typed("filter"),
        "sort": lists.typed("sort"),
        "here": lists.here,
        "file": lists.with_parameters(url_for("pages.registered_models.export_versions", name=model.name)),
        "paths": paths,
        "offered": paths[:OFFERED],
        "left_out": asked[MOST_COLUMNS:],
        "ticked": asked or beside,
        "fields": {path: filter_box.field(path) for path in beside},
        "shown": _shown(),
        **_beside(model, head, part.rows, beside, metric),
    }


def _columns(model: Any) -> tuple[list[str], list[str], list[str]]:
    """Return the paths that are asked for or remembered, all paths of the model, and those shown beside its versions."""
    asked = _paths("c") or columns.remembered_paths()
    paths = metrics.paths(UUID(model.id), [*asked[:MOST_COLUMNS], *_paths("metric")[:MOST_COLUMNS]])
    return asked, paths, [path for path in asked[:MOST_COLUMNS] if path in paths] or paths[:COLUMNS]


def _versions(model: Any) -> Listing:
    """Return the model's versions that match the address, in its order. Raises Misread."""
    filters = {name: lists.typed(name) or None for name in ("filter", "sort")}
    return versions.listing(whole=False, model_id=UUID(model.id), **filters, **SHOWN.get(_shown(), {}))


def _shown() -> str:
    return request.values.get("show", "")


def version_row(model: Any, row: Any) -> dict[str, Any]:
    """Return what one row of the list and the chart show, with the metrics that the submitted form names."""
    head = model_head.read(UUID(model.id))
    return _beside(model, head, [row], _paths("c")[:MOST_COLUMNS], next(iter(_paths("metric")), None))


def _beside(model: Any, head: Head, rows: list[Any], paths: list[str], metric: str | None) -> dict[str, Any]:
    drawn = _drawn_versions(model) if metric else None
    ids = dict.fromkeys(row.id for row in (*rows, *(drawn or [])))
    numbers = metrics.of_versions(ids, list(dict.fromkeys([*paths, *([metric] if drawn and metric else [])])))
    return {
        "head": head,
        "columns": paths,
        "numbers": numbers,
        "panels": _panels(rows, head.candidate),
        "candidate": model.latest_version,
        "metric": metric,
        "drawn": _chart(model, metric, _readings(model, metric, drawn, numbers)),
    }


def _panels(rows: list[Any], candidate: Candidate | None) -> dict[str, verdicts.Panel]:
    """Return the verdicts on each version that may still become a release, and on the model's candidate, by their ids."""
    ids = {row.id for row in rows if not row.is_release and row.status == VersionStatus.ACTIVE}
    ids |= {candidate.id} if candidate else set()
    judged = gates.verdicts(ids, RELEASE, g.actor.voice) if ids else {}
    return {str(version_id): verdicts.panel(RELEASE, of_version) for version_id, of_version in judged.items()}


def _paths(name: str) -> list[str]:
    """Return the metadata paths in this parameter of the request, each once."""
    return [path for path in dict.fromkeys(request.values.getlist(name)) if path and "\x00" not in path]


def _chart(model: Any, metric: str | None, points: list[metrics.Reading]) -> charts.Chart | None:
    """Return the chart of the metric."""
    directed = [row for row in _directed(model.name) if row.path == metric] if points else []
    return charts.chart(points, _limits(directed), next(iter(verdicts.directions_of(directed).values()), None))


def _directed(name: str) -> list[Any]:
    """Return `gates.directed` of the model, read once a request."""
    if "directed" not in g:
        g.directed = gates.directed(name)
    rows: list[Any] = g.directed
    return rows


def _drawn_versions(model: Any) -> list[Any] | None:
    """Return the newest versions of a list that is narrowed; None for all versions, also if the filter cannot be read."""
    narrowed = {"filter": lists.typed("filter"), **SHOWN.get(_shown(), {})}
    if not any(narrowed.values()):
        return None
    try:
        listing = versions.listing(
            whole=False, model_id=UUID(model.id), **{**narrowed, "filter": narrowed["filter"] or None}
        )
    except Misread:
        return None
    return lists.rows_of(listing, Page(metrics.NEWEST))[: metrics.NEWEST]


def _readings(model: Any, metric: str | None, drawn: list[Any] | None, numbers: Any) -> list[metrics.Reading]:
    """Return the metric of the versions in the chart, oldest first."""
    if metric is None:
        return []
    return metrics.series(UUID(model.id), metric) if drawn is None else metrics.series_of(drawn, numbers, metric)


def _limits(directed: list[Any]) -> list[tuple[Number, str]]:
    """Return the values that these gates compare their number with, each with its sign."""
    asked = {(row.value, row.op) for row in directed if row.value is not None}
    signs = {">=": "≥", "<=": "≤", "==": "="}
    return [(value, f"{signs.get(op, op)} {formats.number(value)}") for value, op in sorted(asked)[:MOST_LIMITS]]


def _tab(model: Any, tab: str, status: int = 200, **context: Any) -> Response:
    block = requested_block("tab", "versions", "more") if tab == "versions" else requested_block("tab")
    beside = {} if tab == "versions" else _head(model, is_whole=block is None)
    return fragments.whole_or(block, MODEL, status, **{"model": model, "tab": tab, **beside, **context})


def _head(model: Any, *, is_whole: bool) -> dict[str, Any]:
    """Return what the head of the model's page shows; the verdicts on the candidate only for a whole page."""
    head = model_head.read(UUID(model.id))
    return {"head": head, "panels": _panels([], head.candidate) if is_whole else {}}


def _settings(model: Any, form: Form, status: int = 200) -> Response:
    return _tab(model, "settings", status, form=form, stored=_stored(model), changed_by=forms.changed_by(model, status))


def _stored(model: Any) -> dict[str, str]:
    """Return the model's values as its form shows them."""
    return {
        "storage_path": model.storage_path,
        "repository": model.repository or "",
        "description": model.description or "",
        "register_tags": model.register_tags or "",
        "tags": "\n".join(model.tags),
        "metadata": indented(model.metadata_),
    }


def indented(metadata: str) -> str:
    """Return stored JSON indented for editing; an empty text for an empty object."""
    if metadata == "{}":
        return ""
    text = formats.beginning(INDENTING.iterencode(json.loads(metadata)), EDITABLE + 1)
    return text if len(text) <= EDITABLE else metadata  # the indents of deep lists would exceed what a form may send
