"""A filter as a condition, an order as columns. Two-valued: what is not true is false, whatever has no value.

conditions.of(VERSIONS, 'metadata.accuracy >= 0.9 and not is_release')
conditions.order(VERSIONS, "-metadata.accuracy,created_at")
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, true

from catapult.filters import parsing
from catapult.filters.kinds import ORDERED, Kind
from catapult.filters.mistakes import Misread, Mistake
from catapult.filters.nouns import Noun, model_called, versions_of
from catapult.filters.numbers import Passing
from catapult.filters.sorting import Column
from catapult.filters.tree import AllOf, AnyOf, Comparison, Exists, Flag, Node, Not, Order


def of(noun: Noun, text: str) -> ColumnElement[bool]:
    """The condition that the filter says. Raises Misread."""
    try:
        return _condition(noun, parsing.condition(text))
    except Mistake as mistake:
        raise Misread("filter", mistake) from mistake


@dataclass(frozen=True)
class Choice:
    """A filter of versions for a page of them: its condition, and what of it might choose so few that they are read first."""

    condition: ColumnElement[bool]
    few: tuple[Passing, ...] = ()


def choice(text: str, model: Any = None) -> Choice:
    """What the filter says, for versions of the model with that id, of the one that the filter names, or of any. Raises Misread."""
    try:
        node = parsing.condition(text)
        model = _named_model(node) if model is None else model
        return _choice(versions_of() if model is None else versions_of(model), node)
    except Mistake as mistake:
        raise Misread("filter", mistake) from mistake


def order(noun: Noun, text: str) -> tuple[Column, ...]:
    """The columns that the order says, and those that decide between equals: the newest first, and the id. Raises Misread."""
    try:
        return _columns(noun, parsing.orders(text))
    except Mistake as mistake:
        raise Misread("sort", mistake) from mistake


def _choice(noun: Noun, node: Node) -> Choice:
    several, conditions = [], []
    for part in _parts(node):
        passing = None
        if isinstance(part, Comparison):
            passing = noun.field(part.path).passing(part.operator, part.values)
        conditions.append(passing.condition if passing else _condition(noun, part))
        several += [passing] if passing else []
    return Choice(and_(*conditions), tuple(several))


def _parts(node: Node) -> tuple[Node, ...]:
    return node.parts if isinstance(node, AllOf) else (node,)


def _named_model(node: Node) -> Any:
    """The id of the one model whose versions the filter chooses; None where it does not say."""
    for part in _parts(node):
        if isinstance(part, Comparison) and (part.path.name, part.operator) == ("model_name", "="):
            name = part.values[0].value
            return model_called(name.lower()) if isinstance(name, str) else None
    return None


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


def _comparison(field: Kind, node: Comparison) -> ColumnElement[bool]:
    if node.operator not in field.operators:
        listed = " ".join([*field.operators, "exists"])
        raise Mistake(node.column, f"No {node.operator} with {node.path.name}", f"it takes {listed}.")
    if node.operator in ORDERED:
        return field.ordered(node.operator, node.values[0])
    if node.operator == "~":
        return field.contains(node.values[0])
    equal = field.among(node.values)
    return field.exists() & _not(equal) if node.operator == "!=" else equal


def _flag(field: Kind, node: Flag) -> ColumnElement[bool]:
    found = field.flag()
    if found is None:
        after = node.path.column + len(node.path.name)
        raise Mistake(
            after, f"No operator after {node.path.name}", f"it takes {' '.join([*field.operators, 'exists'])}."
        )
    return found


def _not(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Where the condition is false, or NULL because there is nothing to compare."""
    found: ColumnElement[bool] = condition.self_group().is_not(true())
    return found


def _columns(noun: Noun, orders: tuple[Order, ...]) -> tuple[Column, ...]:
    columns = [column for order in orders for column in _sorted_by(noun, order)]
    by_time = [order for order in orders if order.path.name == "created_at"]
    last = () if by_time else (Column(noun.created_at, falling=True),)
    return (*columns, *last, Column(noun.id, falling=by_time[0].falling if by_time else True))


def _sorted_by(noun: Noun, order: Order) -> tuple[Column, ...]:
    found = noun.field(order.path).columns(order.falling)
    if not found:
        raise Mistake(order.path.column, f"{order.path.name} has no order", "sort by another field.")
    return found
