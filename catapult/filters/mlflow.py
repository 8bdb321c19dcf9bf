"""The filters and orders of MLflow's searches: `name LIKE 'fraud%' AND tags.task = 'nlp'`, and `version_number DESC`.

User input reaches PostgreSQL only as bound parameters.
"""

import operator
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from sqlalchemy import ColumnElement

from catapult.errors import Invalid

GRAMMAR = r"""
filter: [comparison (AND comparison)*]
comparison: FIELD OPERATOR (STRING | NUMBER)
    | FIELD IN "(" (STRING | NUMBER) ("," (STRING | NUMBER))* ")"

AND.2: /and\b/i
IN.2: /in\b/i
OPERATOR.2: "=" | "!=" | "<" | "<=" | ">" | ">=" | /like\b/i | /ilike\b/i
FIELD: /(tags?\.|attributes?\.)?(`[^`]+`|[A-Za-z_][\w.\/-]*)/ | /tags?\."[^"]+"/
STRING: /'(?:[^']|'')*'/ | /"[^"]*"/
NUMBER: /-?[0-9]{1,18}\b/
%ignore /[ \t\r\n]+/
"""
ORDER = re.compile(r"\s*(?:attributes?\.)?`?([a-z_]+)`?(?:\s+(asc|desc))?\s*", re.IGNORECASE)
UNFINISHED = re.compile(r"(?<!\\)(?:\\\\)*\\\Z")
"""A pattern that ends in an escape without a character after it."""
LONGEST, MOST_COMPARISONS = 10_000, 50
ANY_ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
OF_TEXT: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "LIKE": lambda column, pattern: column.like(pattern),
    "ILIKE": lambda column, pattern: column.ilike(pattern),
}


class Comparison(NamedTuple):
    """A comparison of a field, or of a tag, with values: several for `IN`, else one."""

    field: str
    tag: str | None
    operator: str
    values: list[str | int]
    text: str
    """The operator, for messages."""

    def on(self, column: Any, is_number: bool = False) -> ColumnElement[bool]:
        """Return the condition on that column. NULL is neither equal to a text nor different from it. Raises Invalid."""
        expected = int if is_number else str
        if wrong := [value for value in self.values if not isinstance(value, expected)]:
            kind = "a number" if is_number else "text in quotes"
            raise Invalid(f"Invalid filter: {self.named} is compared with {kind}, not with {wrong[0]!r}.")
        if self.operator == "IN":
            chosen: ColumnElement[bool] = column.in_(self.values)
            return chosen
        compare = (ANY_ORDER if is_number else OF_TEXT).get(self.operator)
        if compare is None:
            raise Invalid(f"Invalid filter: {self.named} is not compared with {self.text!r}.")
        if self.operator.endswith("LIKE") and UNFINISHED.search(str(self.values[0])):
            raise Invalid(
                f"Invalid filter: the pattern {self.values[0]!r} ends in \\, which escapes the character after it."
            )
        condition: ColumnElement[bool] = compare(column, self.values[0])
        return condition

    @property
    def named(self) -> str:
        return self.field if self.tag is None else f"the tag {self.tag!r}"


class Builder(Transformer[Token, Any]):
    """Builds the comparisons during parsing."""

    def filter(self, parts: list[Any]) -> list[Comparison]:
        return [part for part in parts if isinstance(part, Comparison)]

    def comparison(self, parts: list[Token]) -> Comparison:
        field, compared, *values = parts
        before, dot, name = str(field).partition(".")
        is_tag = bool(dot) and before in ("tag", "tags")
        name = name if dot and (is_tag or before in ("attribute", "attributes")) else str(field)
        name = name[1:-1] if name.startswith(("`", '"')) else name
        plain = [int(value) if value.type == "NUMBER" else _unquoted(str(value)) for value in values]
        return Comparison("tags" if is_tag else name, name if is_tag else None, compared.upper(), plain, str(compared))


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'") if text[0] == "'" else text[1:-1]


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, start="filter", parser="lalr", transformer=Builder())


def parse(text: str) -> list[Comparison]:
    """Return the comparisons, all of which a row must pass. Raises Invalid, naming the unexpected token."""
    if len(text) > LONGEST:
        raise Invalid(f"Invalid filter: it has more than {LONGEST} characters.")
    try:
        comparisons: list[Comparison] = _parser().parse(text)  # type: ignore[assignment]
    except UnexpectedInput as error:
        raise Invalid(f"Invalid filter: {_problem(text, error)}") from error
    if len(comparisons) > MOST_COMPARISONS:
        raise Invalid(f"Invalid filter: it has more than {MOST_COMPARISONS} comparisons.")
    return comparisons


def _problem(text: str, error: UnexpectedInput) -> str:
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        return f"{text!r} ends too early."
    if isinstance(error, UnexpectedCharacters | UnexpectedToken):
        at = error.pos_in_stream or 0
        token = re.match(r"[\w.`]+|['\"].*|[^\w\s]+", text[at:])
        return (
            f"unexpected {token[0] if token else text[at]!r} at column {at + 1}. Comparisons with =, !=, LIKE, ILIKE and IN are "
            "joined by AND; text is in quotes."
        )
    return f"{text!r} cannot be read."


def orders(texts: list[str], fields: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """Return the fields to sort by, each with whether it descends. Raises Invalid, naming the text that cannot be read."""
    order: list[tuple[str, bool]] = []
    for text in texts:
        match = ORDER.fullmatch(text)
        name = match[1].lower() if match else ""
        if match is None or name not in fields:
            raise Invalid(f"Invalid order_by {text!r}. Sort by {', '.join(fields)}, with ASC or DESC.")
        if name in dict(order):
            raise Invalid(f"Invalid order_by: {name} is there twice.")
        order.append((name, (match[2] or "asc").lower() == "desc"))
    return order
