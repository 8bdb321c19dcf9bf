"""SQL of parsed filters and sort orders.

    node = conditions.parse('metadata.accuracy >= 0.9 and not is_release')
    condition = conditions.condition(nouns.versions(), node)
    keys = conditions.sort_keys(nouns.versions(), "-metadata.accuracy,created_at")

A condition is true or false, never NULL: a comparison with a missing value, or with a value of another type, is false.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, true

from catapult.filters import parsing
from catapult.filters.fields import Field, SortKey
from catapult.filters.metric_index import Passing
from catapult.filters.mistakes import Misread, Mistake, Parameter
from catapult.filters.nouns import Noun, model_named
from catapult.filters.operators import ORDERED
from catapult.filters.tree import AllOf, AnyOf, Comparison, Exists, Flag, Node, Not
from catapult.rules import metadata_limits


def parse(text: str) -> Node:
    """Return the tree of a filter. Raises Misread."""
    with _misread("filter"):
        return parsing.parse_filter(text)


def condition(noun: Noun, node: Node) -> ColumnElement[bool]:
    """Return the filter's condition. Raises Misread."""
    with _misread("filter"):
        return _condition(noun, node)


def sort_keys(noun: Noun, text: str) -> tuple[SortKey, ...]:
    """Return the keys of a sort order, ending in time (newest first) and id: no two rows are equal. Raises Misread."""
    with _misread("sort"):
        orders = parsing.parse_sort(text)
        keys = [key for order in orders for key in _keys(noun, order.path, order.descending)]
    by_time = next((order for order in orders if order.path.name == "created_at"), None)
    newest_first = [] if by_time else [SortKey(noun.created_at, descending=True)]
    return (*keys, *newest_first, SortKey(noun.id, descending=by_time.descending if by_time else True))


def metadata_paths(filter_text: str, sort_text: str) -> list[str]:
    """Return the paths of metadata in a filter and in a sort order, each once; either may be empty. Raises Misread."""
    with _misread("filter"):
        paths = parsing.paths(filter_text) if filter_text else []
    with _misread("sort"):
        paths += [order.path for order in parsing.parse_sort(sort_text)] if sort_text else []
    return list(dict.fromkeys(metadata_limits.path(path.keys) for path in paths if path.name == "metadata"))


def candidates(noun: Noun, node: Node) -> tuple[Passing, ...]:
    """Return the comparisons that every chosen version passes and that the index of `metrics` answers."""
    comparisons = (part for part in _required(node) if isinstance(part, Comparison))
    passing = (noun.field(part.path).passing(part.operator, part.values) for part in comparisons)
    return tuple(filter(None, passing))


def named_model(node: Node) -> Any:
    """Return a subquery for the id of the model in `model_name = "…"`; None if the filter names no model."""
    for part in _required(node):
        if isinstance(part, Comparison) and (part.path.name, part.operator) == ("model_name", "="):
            name = part.values[0].value
            return model_named(name.lower()) if isinstance(name, str) else None
    return None


@contextmanager
def _misread(parameter: Parameter) -> Iterator[None]:
    try:
        yield
    except Mistake as mistake:
        raise Misread(parameter, mistake) from mistake


def _required(node: Node) -> tuple[Node, ...]:
    """Return the parts of the filter that all have to hold."""
    return node.parts if isinstance(node, AllOf) else (node,)


def _condition(noun: Noun, node: Node) -> ColumnElement[bool]:
    if isinstance(node, AllOf):
        return and_(*(_condition(noun, part) for part in node.parts))
    if isinstance(node, AnyOf):
        return or_(*(_condition(noun, part) for part in node.parts))
    if isinstance(node, Not):
        return _not(_condition(noun, node.part))
    field = noun.field(node.path)
    if isinstance(node, Exists):
        return field.exists()
    return _flag(field, node) if isinstance(node, Flag) else _comparison(field, node)


def _comparison(field: Field, node: Comparison) -> ColumnElement[bool]:
    if node.operator not in field.operators:
        raise Mistake(node.column, f"{node.path.name} does not support {node.operator}", _use_one_of(field))
    if node.operator in ORDERED:
        return field.ordered(node.operator, node.values[0])
    if node.operator == "~":
        return field.contains(node.values[0])
    equal = field.among(node.values)
    return field.exists() & _not(equal) if node.operator == "!=" else equal


def _flag(field: Field, node: Flag) -> ColumnElement[bool]:
    flag = field.flag()
    if flag is None:
        end = node.path.column + len(node.path.name)
        raise Mistake(end, f"Missing operator after {node.path.name}", _use_one_of(field))
    return flag


def _use_one_of(field: Field) -> str:
    return f"use one of {' '.join([*field.operators, 'exists'])}."


def _not(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return whether the condition is false or NULL."""
    negated: ColumnElement[bool] = condition.self_group().is_not(true())
    return negated


def _keys(noun: Noun, path: Any, descending: bool) -> tuple[SortKey, ...]:
    keys = noun.field(path).sort_keys(descending)
    if not keys:
        raise Mistake(path.column, f"{path.name} has no order", "sort by another field.")
    return keys
