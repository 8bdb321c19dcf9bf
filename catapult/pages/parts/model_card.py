"""A model card as pages show it: the fields of its YAML, and its Markdown with images and links of the version's own files."""

import json
from collections.abc import Iterator, Sequence
from posixpath import dirname, join, normpath
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from flask import url_for
from markupsafe import Markup

from catapult.pages.parts import formats
from catapult.queries import artifacts
from catapult.queries.artifacts import File
from catapult.rules import front_matter, model_cards
from catapult.rules.file_head import Unreadable
from catapult.rules.file_text import LARGEST_IMAGE, RASTER
from catapult.rules.markdown import Files, file_to_html, links

MOST_FIELDS, MOST_VALUES, LONGEST_VALUE, LONGEST_FOLDED, MOST_LINKS = 40, 50, 1_000, 20_000, 200
LABELS = {
    "license": "License",
    "license_name": "License name",
    "license_link": "License text",
    "pipeline_tag": "Task",
    "library_name": "Library",
    "language": "Language",
    "base_model": "Base model",
    "base_model_relation": "Relation to it",
    "datasets": "Datasets",
    "metrics": "Metrics",
    "tags": "Tags",
    "model-index": "Results",
    "flavors": "Flavors",
    "signature": "Signature",
    "run_id": "Run",
    "model_uuid": "Model UUID",
    "model_id": "Model",
    "mlflow_version": "MLflow",
    "utc_time_created": "Created (UTC)",
    "artifact_path": "Path in the run",
    "model_size_bytes": "Size in bytes",
}
"""The fields that come first, in this order, and what they are called. All others have the name that they are written with."""


class Field(NamedTuple):
    """A field of a card: short values, or a value that folds. `more` counts values that are not shown."""

    name: str
    values: list[str]
    folded: str = ""
    more: int = 0


class Card(NamedTuple):
    """What is shown of a card. `problem` says why it has less than that; `is_cut` that its file has more."""

    id: str
    path: str
    size_bytes: int
    fields: list[Field]
    html: Markup | str = ""
    problem: str = ""
    is_cut: bool = False


def of_files(version_id: str, files: list[File]) -> list[Card]:
    """Return the cards among these files of the version: of a long one the beginning."""
    cards = [file for file in files if file.path.lower() in model_cards.FORMATS]
    return [_card(file, version_id, files) for file in sorted(cards, key=lambda file: file.path.lower(), reverse=True)]


def _card(file: File, version_id: str, files: list[File]) -> Card:
    card = Card(file.id, file.path, file.size_bytes, [])
    if file.card is None:  # it was added before texts were kept, or is not shown
        problem = file.facts.get("problem", "")
        return card._replace(problem=f"{file.path} is {problem}." if problem else "")
    if file.path.lower() == model_cards.MLMODEL:
        fields, problem = _fields(file.card, file.path)
        return card._replace(fields=fields, problem=problem)
    is_cut = len(file.card) == artifacts.BEGINNING
    fields, problem, body = split(file.card, is_cut=is_cut)
    end = formats.end_of_markdown(body)
    html = to_html(body[:end], file.path, version_id, files)
    return card._replace(fields=fields, html=html, problem=problem, is_cut=is_cut or end < len(body))


def split(text: str, *, is_cut: bool = False) -> tuple[list[Field], str, str]:
    """Return the fields of the front matter, what is wrong with it, and the text below it."""
    yaml, body = front_matter.split(text)
    if is_cut and not yaml and body.startswith("---"):
        yaml, body = body, ""
    fields, problem = _fields(yaml, "The YAML at its beginning") if yaml else ([], "")
    return fields, problem, body


def _fields(yaml: str, what: str) -> tuple[list[Field], str]:
    try:
        values = front_matter.fields(yaml)
    except Unreadable as problem:
        return [], f"{what} could not be read: {problem}."
    names = [*(name for name in LABELS if name in values), *(name for name in values if name not in LABELS)]
    fields = [_field(name, values[name]) for name in names[:MOST_FIELDS]]
    return fields, f"It has {len(names) - MOST_FIELDS} fields more." if len(names) > MOST_FIELDS else ""


def _field(name: str, value: Any) -> Field:
    label = LABELS.get(name, name[:100])
    shown = SHAPES.get(name, _values)(value)
    if shown is None:
        return Field(label, [], json.dumps(value, indent=2, ensure_ascii=False)[:LONGEST_FOLDED])
    return Field(label, [text[:LONGEST_VALUE] for text in shown[:MOST_VALUES]], more=len(shown[MOST_VALUES:]))


def _values(value: Any) -> list[str] | None:
    """Return a text, or the texts of a list; None for what folds."""
    values = value if isinstance(value, list) else [value]
    return [text for text in values if text] if all(isinstance(text, str) for text in values) else None


def _flavors(value: Any) -> list[str] | None:
    """Return the names of MLflow's flavors with the versions of their libraries."""
    if not isinstance(value, dict) or not all(isinstance(flavor, dict) for flavor in value.values()):
        return _values(value)
    return [" ".join([name, *_texts(flavor.get(f"{name}_version"))]) for name, flavor in value.items()]


def _signature(value: Any) -> list[str] | None:
    """Return what MLflow says of a model's inputs and outputs, which is JSON in YAML."""
    if not isinstance(value, dict):
        return _values(value)
    try:
        sides = {side: json.loads(text) for side, text in value.items() if isinstance(text, str) and text != "null"}
    except (ValueError, RecursionError):
        return None
    columns = [
        (side, column) for side, listed in sides.items() for column in (listed if _is_list(listed) else [listed])
    ]
    if not all(isinstance(column, dict) for _, column in columns):
        return None
    return [f"{side.removesuffix('s')} {_column(column)}" for side, column in columns]


def _column(column: dict[str, Any]) -> str:
    """Return a column or a tensor with its type."""
    tensor = column.get("tensor-spec")
    kind = f"{tensor.get('dtype')} {tensor.get('shape')}" if isinstance(tensor, dict) else column.get("type")
    return " ".join([*_texts(column.get("name")), str(kind)])


def _results(value: Any) -> list[str] | None:
    """Return the measurements of `model-index`, as Hugging Face has it: each metric with its value and the data set."""
    results = []
    for model in _dicts(value):
        for result in _dicts(model.get("results")):
            data = next(_dicts([result.get("dataset")]), {})
            for metric in _dicts(result.get("metrics")):
                name, of = metric.get("name") or metric.get("type"), _texts(data.get("name"))
                results.append(" ".join([*_texts(name), *_texts(metric.get("value")), *(f"on {data}" for data in of)]))
    return results or None


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) and value else []


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


SHAPES: dict[str, Any] = {"flavors": _flavors, "signature": _signature, "model-index": _results}


def to_html(text: str, path: str, version_id: str, files: Sequence[File] = ()) -> Markup:
    """Return the Markdown of the version's file at this path as HTML. Its images are raster images of this version alone.

    `files` are those of its files that were read already: all, if they are no more than `artifacts.MOST_OF_PAGE`.
    """
    wanted = {link: target for link in links(text)[:MOST_LINKS] if (target := _path(link, path))}
    rows: dict[str, Any] = {file.path: file for file in files}
    if not 0 < len(files) < artifacts.MOST_OF_PAGE:
        rows |= artifacts.at_paths(version_id, set(wanted.values()) - rows.keys())
    rows_by_link = [(link, rows[target]) for link, target in wanted.items() if target in rows]
    addresses = [
        (link, url_for("artifacts.get_artifact_content", artifact_id=row.id), row) for link, row in rows_by_link
    ]
    images = tuple(
        (link, at) for link, at, row in addresses if row.media_type in RASTER and row.size_bytes <= LARGEST_IMAGE
    )
    return Markup(file_to_html(text, 3, Files(tuple((link, at) for link, at, _ in addresses), images)))  # noqa: S704 - sanitized


def _path(link: str, path: str) -> str | None:
    """Return the path in the version that a link of the file at `path` leads to, or None for another address."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    target = normpath(join(dirname(path), unquote(parts.path)))
    is_elsewhere = parts.scheme or parts.netloc or not parts.path or link.startswith("/")
    return None if is_elsewhere or "\0" in target else target
