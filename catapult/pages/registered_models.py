"""`/models`: the list, a model with its tabs, and the forms that register, change and delete a model."""

import json
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for

from catapult.actions import registered_models as actions
from catapult.contract.schemas import ModelEdit, ModelIn
from catapult.pages.parts import charts, formats, forms, fragments, lists
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import page, requested_block
from catapult.queries import audit_logs, deployments, gates, metrics, registered_models, versions
from catapult.tables import Role

blp = Blueprint("registered_models", __name__)
LIST, MODEL = "registered_models/index.html", "registered_models/show.html"
NEW, DELETE = "registered_models/new.html", "registered_models/delete.html"
COLUMNS, MOST_COLUMNS = 2, 6
"""Metrics shown beside a version by default, and at most."""

EDITABLE, INDENTING = 80_000, json.JSONEncoder(indent=2, ensure_ascii=False)
OFFERED, OFFERED_CHARS = 100, 12_000
CHART, POINT = 95_000, 330
"""Characters of HTML for a chart's points, and for one point without its texts. 200 points fit unless names are very long."""

SHOWN: dict[str, dict[str, Any]] = {"releases": {"is_release": True}, "archived": {"status": "archived"}}
"""The filters of a model's versions, by their name in the address."""


@blp.get("/models")
@page()
def index() -> Response:
    """The models that match the search, the tag and the filter in the address."""
    filters = {name: lists.typed(name) for name in ("search", "tag", "filter")}
    sort = lists.typed("sort")
    order = sort if sort in registered_models.SORTS else "newest"
    sent = {name: text or None for name, text in filters.items()}
    part, mistake = lists.part_of(lambda: registered_models.cards(**sent, sort=order))
    series = metrics.sparks([row.id for row in part.rows])
    sparks = {model_id: (path, charts.spark(values)) for model_id, (path, values) in series.items()}
    context = {"part": part, "sparks": sparks, "mistake": mistake, "sort": sort, **filters}
    return fragments.whole_or(requested_block("list", "more"), LIST, 422 if mistake else 200, **context)


@blp.get("/models/<model:name>")
@page()
def show(name: str) -> Response:
    """The model's versions, with a chart of one metric by version."""
    model = registered_models.called(name)
    context = version_list(model)
    return _tab(model, "versions", 422 if context["mistake"] else 200, **context)


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


@blp.get("/models/<model:name>/-/activity")
@page()
def show_activity(name: str) -> Response:
    """The model's audit entries, newest first."""
    model = registered_models.called(name)
    return _tab(model, "activity", part=lists.part(audit_logs.about(UUID(model.id), model.name)))


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
    paths = metrics.paths(UUID(model.id), [*_paths("c"), *_paths("metric")])
    shown = request.args.get("show", "")
    columns = [path for path in _paths("c") if path in paths] or paths[:COLUMNS]
    metric = next((path for path in (*_paths("metric"), *paths) if path in paths), None)
    text, sort = lists.typed("filter"), lists.typed("sort")
    filters = {"model_id": UUID(model.id), "filter": text or None, "sort": sort or None, **SHOWN.get(shown, {})}
    part, mistake = lists.part_of(lambda: versions.listing(whole=False, **filters))
    return {
        "part": part,
        "mistake": mistake,
        "filter": text,
        "sort": sort,
        "paths": paths,
        "offered": list(lists.take_fitting(paths[:OFFERED], OFFERED_CHARS, lists.html_length)),
        "shown": shown,
        "release_count": versions.release_count(UUID(model.id)),
        **_beside(model, part.rows, columns, metric),
    }


def version_row(model: Any, row: Any) -> dict[str, Any]:
    """Return what one row of the list and the chart show, with the metrics that the submitted form names."""
    return _beside(model, [row], _paths("c"), next(iter(_paths("metric")), None))


def _beside(model: Any, rows: list[Any], columns: list[str], metric: str | None) -> dict[str, Any]:
    return {
        "columns": columns,
        "numbers": metrics.of_versions([row.id for row in rows], columns),
        "candidate": model.latest_version,
        "metric": metric,
        "drawn": _chart(model, metric),
    }


def _paths(name: str) -> list[str]:
    """Return the metadata paths in this parameter of the request."""
    return [path for path in request.values.getlist(name) if "\x00" not in path][:MOST_COLUMNS]


def _chart(model: Any, metric: str | None) -> charts.Chart | None:
    """Return the chart of the metric, of as many of the newest versions as fit."""
    points = metrics.series(UUID(model.id), metric) if metric else []
    newest = lists.take_fitting(reversed(points), CHART, lambda point: POINT + len(model.name) + 3 * len(point.version))
    return charts.chart(list(newest)[::-1])


def _tab(model: Any, tab: str, status: int = 200, **context: Any) -> Response:
    block = requested_block("tab", "versions", "more") if tab == "versions" else requested_block("tab")
    counts = {} if block in ("versions", "more") else {"deployment_count": deployments.count_of(UUID(model.id))}
    return fragments.whole_or(block, MODEL, status, model=model, tab=tab, **counts, **context)


def _settings(model: Any, form: Form, status: int = 200) -> Response:
    return _tab(model, "settings", status, form=form, stored=_stored(model), changed_by=forms.changed_by(model, status))


def _stored(model: Any) -> dict[str, str]:
    """Return the model's values as its form shows them."""
    return {
        "storage_path": model.storage_path,
        "repository": model.repository or "",
        "description": model.description or "",
        "tags": "\n".join(model.tags),
        "metadata": indented(model.metadata_),
    }


def indented(metadata: str) -> str:
    """Return stored JSON indented for editing; an empty text for an empty object."""
    if metadata == "{}":
        return ""
    text = formats.beginning(INDENTING.iterencode(json.loads(metadata)), EDITABLE + 1)
    return text if len(text) <= EDITABLE else metadata  # the indents of deep lists would exceed what a form may send
