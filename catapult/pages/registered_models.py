"""`/models`: the list, a model with its tabs, and the forms that register, change and delete one."""

import json
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for

from catapult.actions import registered_models as actions
from catapult.contract.schemas import ModelEdit, ModelIn
from catapult.pages.parts import charts, formats, forms, fragments, lists
from catapult.pages.parts.forms import Form
from catapult.pages.parts.page_request import asked, page
from catapult.queries import audit_logs, deployments, gates, metrics, registered_models, versions
from catapult.tables import Role

blp = Blueprint("registered_models", __name__)
LIST, MODEL = "registered_models/index.html", "registered_models/show.html"
NEW, DELETE = "registered_models/new.html", "registered_models/delete.html"
COLUMNS, MOST_COLUMNS = 2, 6
"""Numbers shown beside a version unless others are chosen, and how many may be."""

EDITABLE, INDENTING = 80_000, json.JSONEncoder(indent=2, ensure_ascii=False)
OFFERED, OFFERED_LETTERS = 100, 12_000
CHART, POINT = 95_000, 330
"""Characters of HTML for a chart's points, and for one beside its texts: 200 of them, but where names are very long."""

SHOWN: dict[str, dict[str, Any]] = {"releases": {"is_release": True}, "archived": {"status": "archived"}}
"""The filters of a model's versions, by their name in the address."""


@blp.get("/models")
@page()
def index() -> Response:
    """Every model, as the search, the tag and the order in the address have it."""
    search, tag, sort, chosen = (lists.typed(name) for name in ("search", "tag", "sort", "filter"))
    part, mistake = lists.part_of(
        lambda: registered_models.cards(
            search=search or None,
            tag=tag or None,
            filter=chosen or None,
            sort=sort if sort in registered_models.SORTS else "newest",
        )
    )
    sparks = {
        model_id: (path, charts.spark(values))
        for model_id, (path, values) in metrics.sparks([row.id for row in part.rows]).items()
    }
    said = {
        "part": part,
        "sparks": sparks,
        "search": search,
        "tag": tag,
        "filter": chosen,
        "mistake": mistake,
        "sort": sort,
        "sorts": registered_models.SORTS,
    }
    return fragments.whole_or(asked("list", "more"), LIST, 422 if mistake else 200, **said)


@blp.get("/models/<model:name>")
@page()
def show(name: str) -> Response:
    """The model's versions, with a number by version as a chart."""
    model = registered_models.called(name)
    said = version_list(model)
    return _tab(model, "versions", 422 if said["mistake"] else 200, **said)


@blp.get("/models/<model:name>/-/deployments")
@page()
def show_deployments(name: str) -> Response:
    """Where the model went, newest first."""
    model = registered_models.called(name)
    return _tab(model, "deployments", part=lists.part(deployments.listing(model_name=name)))


@blp.get("/models/<model:name>/-/gates")
@page()
def show_gates(name: str) -> Response:
    """The gates that are for the model, by its name or by a pattern."""
    model = registered_models.called(name)
    return _tab(model, "gates", part=lists.part(gates.of_model(model.name)))


@blp.get("/models/<model:name>/-/activity")
@page()
def show_activity(name: str) -> Response:
    """What happened to the model, newest first."""
    model = registered_models.called(name)
    return _tab(model, "activity", part=lists.part(audit_logs.about(UUID(model.id))))


@blp.get("/models/<model:name>/-/settings")
@page()
def show_settings(name: str) -> Response:
    """What the model says of itself, and the form to change it."""
    return _settings(registered_models.called(name), Form())


@blp.post("/models/<model:name>/-/settings")
@page(Role.PUBLISHER)
def edit(name: str) -> Response:
    """The model's own fields are changed."""
    model = registered_models.called(name)

    def act() -> Response:
        fields = forms.read(ModelEdit, shown=_stored(model))
        actions.edit(UUID(model.id), fields, actor=g.actor, expected=forms.counter())
        return fragments.go(url_for(".show_settings", name=model.name), f"{model.name} is changed.")

    return forms.submit(act, lambda form, status: _settings(model, form, status))


@blp.get("/new/model")
@page(Role.PUBLISHER)
def new() -> Response:
    """The form to register a model."""
    return _new(Form())


@blp.post("/new/model")
@page(Role.PUBLISHER)
def create() -> Response:
    """A model is registered; on to its page."""

    def act() -> Response:
        model = actions.create(actor=g.actor, **forms.read(ModelIn))
        return fragments.go(url_for(".show", name=model.name), f"{model.name} is registered.")

    return forms.submit(act, _new)


@blp.get("/models/<model:name>/-/delete")
@page(Role.ADMIN)
def confirm_deletion(name: str) -> Response:
    """What deleting would do, and the name to type."""
    return _deletion(registered_models.called(name), Form())


@blp.post("/models/<model:name>/-/delete")
@page(Role.ADMIN)
def delete(name: str) -> Response:
    """The model is deleted, if its name was typed."""
    model = registered_models.called(name)

    def act() -> Response:
        forms.check_typed(model.name)
        actions.delete(UUID(model.id), actor=g.actor, force="force" in request.form)
        return fragments.go(url_for(".index"), f"{model.name} is deleted.")

    return forms.submit(act, lambda form, status: _deletion(model, form, status))


def version_list(model: Any) -> dict[str, Any]:
    """What the versions' tab shows: the chart of one number, and a page of versions with the chosen ones."""
    paths = metrics.paths(UUID(model.id), [*_asked("c"), *_asked("metric")])
    shown = request.args.get("show", "")
    columns = [path for path in _asked("c") if path in paths] or paths[:COLUMNS]
    metric = next((path for path in (*_asked("metric"), *paths) if path in paths), None)
    chosen, sort = lists.typed("filter"), lists.typed("sort")
    narrowed = {"model_id": UUID(model.id), "filter": chosen or None, "sort": sort or None, **SHOWN.get(shown, {})}
    part, mistake = lists.part_of(lambda: versions.listing(whole=False, **narrowed))
    return {
        "part": part,
        "mistake": mistake,
        "filter": chosen,
        "sort": sort,
        "paths": paths,
        "offered": offered(paths),
        "columns": columns,
        "numbers": metrics.of_versions([row.id for row in part.rows], columns),
        "shown": shown,
        "candidate": model.latest_version,
        "release_count": versions.release_count(UUID(model.id)),
        "metric": metric,
        "drawn": drawn(model, metric),
    }


def version_list_beside(model: Any, row: Any) -> dict[str, Any]:
    """What one row of that list shows, and the chart, as the form that changed it says that they are shown."""
    columns, metric = _asked("c"), next(iter(_asked("metric")), None)
    return {
        "columns": columns,
        "numbers": metrics.of_versions([row.id], columns),
        "candidate": model.latest_version,
        "metric": metric,
        "drawn": drawn(model, metric),
    }


def _asked(name: str) -> list[str]:
    """The keys that the request names so."""
    return [path for path in request.values.getlist(name) if "\x00" not in path][:MOST_COLUMNS]


def offered(paths: list[str]) -> list[str]:
    """The first of them that have room in a list to choose from."""
    return list(lists.within(paths[:OFFERED], OFFERED_LETTERS, lists.text_letters))


def drawn(model: Any, metric: str | None) -> charts.Chart | None:
    """The chart of that number; of the newest versions where names are very long."""
    points = metrics.series(UUID(model.id), metric) if metric else []
    newest = lists.within(reversed(points), CHART, lambda point: POINT + len(model.name) + 3 * len(point.version))
    points = list(newest)[::-1]
    return charts.chart(points) if points else None


def _tab(model: Any, tab: str, status: int = 200, **context: Any) -> Response:
    block = asked("tab", "versions", "more") if tab == "versions" else asked("tab")
    counts = {} if block in ("versions", "more") else {"deployment_count": deployments.count_of(UUID(model.id))}
    return fragments.whole_or(block, MODEL, status, model=model, tab=tab, **counts, **context)


def _settings(model: Any, form: Form, status: int = 200) -> Response:
    changed_by = audit_logs.last_actor(UUID(model.id)) if form.refusal and form.refusal.status == 412 else ""
    return _tab(model, "settings", status, form=form, stored=_stored(model), changed_by=changed_by)


def _stored(model: Any) -> dict[str, str]:
    """What the form shows of the model."""
    return {
        "storage_path": model.storage_path,
        "repository": model.repository or "",
        "description": model.description or "",
        "tags": "\n".join(model.tags),
        "metadata": indented(model.metadata_),
    }


def indented(metadata: str) -> str:
    """Stored JSON as people edit it; nothing for an empty object."""
    if metadata == "{}":
        return ""
    text = formats.beginning(INDENTING.iterencode(json.loads(metadata)), EDITABLE + 1)
    return text if len(text) <= EDITABLE else metadata  # deep lists would take more in blanks than a form may send


def _new(form: Form, status: int = 200) -> Response:
    return fragments.whole_or(asked("dialog-body", "form") and "form", NEW, status, form=form)


def _deletion(model: Any, form: Form, status: int = 200) -> Response:
    return fragments.whole_or(asked("dialog-body", "form") and "form", DELETE, status, form=form, model=model)
