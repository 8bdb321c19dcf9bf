"""Values that are only passed on, as PostgreSQL writes them: neither parsed nor written again, and every number exact."""

from typing import Any

from sqlalchemy import ColumnElement, Text, TypeDecorator, cast, type_coerce


class Json(str):
    """Text that is JSON already."""

    __slots__ = ()


class _Raw(TypeDecorator[str]):
    impl = Text
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Any) -> Json | None:
        return None if value is None else Json(value)


def as_text(column: Any) -> ColumnElement[Any]:
    """That id as text, under its own name: an answer shows it and computes nothing with it."""
    return cast(column, Text).label(column.name)


def as_json(value: Any) -> ColumnElement[Any]:
    """That JSON as `Json`."""
    return type_coerce(cast(value, Text), _Raw())


def raw(column: Any) -> ColumnElement[Any]:
    """That JSONB column as `Json`, under its attribute's name."""
    return type_coerce(cast(column, Text), _Raw()).label("metadata_" if column.name == "metadata" else column.name)
