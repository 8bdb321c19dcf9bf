"""Columns for responses: ids and JSON stay the text that PostgreSQL sends, so that every number is exact."""

from typing import Any

from sqlalchemy import ColumnElement, Text, TypeDecorator, Uuid, cast, type_coerce
from sqlalchemy.dialects.postgresql import JSONB

from catapult.rules.json_text import JsonText


class _Raw(TypeDecorator[str]):
    impl = Text
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Any) -> JsonText | None:
        return None if value is None else JsonText(value)


def shown(table: Any, names: str) -> tuple[ColumnElement[Any], ...]:
    """Return these columns of a table, given as names with spaces between them, as responses show them."""
    return tuple(_shown(table[name]) for name in names.split())


def as_text(column: Any) -> ColumnElement[Any]:
    """Return an id as text, under its own name."""
    return cast(column, Text).label(column.name)


def as_json(value: Any) -> ColumnElement[Any]:
    """Return JSON as `JsonText`."""
    return type_coerce(cast(value, Text), _Raw())


def _shown(column: Any) -> ColumnElement[Any]:
    if isinstance(column.type, Uuid):
        return as_text(column)
    if isinstance(column.type, JSONB):
        return as_json(column).label("metadata_" if column.name == "metadata" else column.name)
    plain: ColumnElement[Any] = column
    return plain
