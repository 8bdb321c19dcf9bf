"""Values that are only passed on, as PostgreSQL writes them: neither parsed nor written again, and every number exact."""

from typing import Any

from sqlalchemy import ColumnElement, Text, TypeDecorator, cast, type_coerce

from catapult.rules.json_text import JsonText


class _Raw(TypeDecorator[str]):
    impl = Text
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Any) -> JsonText | None:
        return None if value is None else JsonText(value)


def as_text(column: Any) -> ColumnElement[Any]:
    """That id as text, under its own name: an answer shows it and computes nothing with it."""
    return cast(column, Text).label(column.name)


def as_json(value: Any) -> ColumnElement[Any]:
    """That JSON as `JsonText`."""
    return type_coerce(cast(value, Text), _Raw())


def raw(column: Any) -> ColumnElement[Any]:
    """That JSONB column as `JsonText`, under its attribute's name."""
    return type_coerce(cast(column, Text), _Raw()).label("metadata_" if column.name == "metadata" else column.name)
