"""The grammar of filters and sort orders. Raises Mistake, with the column, for what it does not accept."""

import math
import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args

from catapult.filters.mistakes import Mistake
from catapult.filters.tree import AllOf, AnyOf, Comparison, Exists, Flag, Literal, Node, Not, Order, Path, Time

LONGEST, DEEPEST, MOST_COMPARISONS, MOST_ORDERS = 2_000, 20, 50, 5
MOST_CONTAINS = 8
"""The most `~` in a filter. No index helps them: each reads the text of every row."""

GRAMMAR = r"""
filter: any
?any: all (OR all)*
?all: not (AND not)*
?not: NOT not -> negated
    | test
?test: "(" any ")"
    | PATH OPERATOR value -> comparison
    | PATH NOT? IN "(" value ("," value)* ")" -> membership
    | PATH EXISTS -> exists
    | EXISTS PATH -> exists
    | EXISTS "(" PATH ")" -> exists
    | PATH -> flag
value: STRING | NUMBER | TIME | TRUE | FALSE

sort: order ("," order)*
order: MINUS? PATH

AND.2: /and(?![\w.-])/i
OR.2: /or(?![\w.-])/i
NOT.2: /not(?![\w.-])/i
IN.2: /in(?![\w.-])/i
EXISTS.2: /exists(?![\w.-])/i
TRUE.2: /true(?![\w.-])/i
FALSE.2: /false(?![\w.-])/i
OPERATOR: "!=" | "<=" | ">=" | "=" | "<" | ">" | "~"
PATH: /[A-Za-z_][A-Za-z0-9_]*(?:\.(?:[\w-]+|"(?:[^"\\]|\\["'\\])*")(?:\[[0-9]{1,4}\])*)*/
STRING: /"(?:[^"\\]|\\["'\\])*"|'(?:[^'\\]|\\["'\\])*'/
TIME.2: /[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt][0-9:.]+(?:[Zz]|[+-][0-9:]+)?)?(?![\w.:+-])/
NUMBER: /-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.])/
MINUS: "-"
%ignore /[ \t\r\n]+/
"""

EXPECTED = {
    "a field": "PATH",
    "not": "NOT",
    "(": "LPAR",
    "one of = != < <= > >= ~": "OPERATOR",
    "in (…)": "IN",
    "exists": "EXISTS",
    'a value: text in quotes such as "gpu", a number, true, false, or a time such as 2026-11-23T10:15:30Z': "STRING",
    "and": "AND",
    "or": "OR",
    "a comma": "COMMA",
    ")": "RPAR",
    "the end": "$END",
}
"""Terminals of the grammar, by their names in messages."""

UNUSABLE = re.compile("[\x00\ud800-\udfff]")
SEGMENT = re.compile(r'\.([\w-]+|"(?:[^"\\]|\\.)*")|\[([0-9]+)\]')
TIME = re.compile(r"\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2}))?", re.ASCII)


def parse_filter(text: str) -> Node:
    """Return the tree of a filter. Raises Mistake."""
    root: Node = _parse(text, "filter")
    contains = 0
    for number, (leaf, depth) in enumerate(_leaves(root), 1):
        if depth > DEEPEST:
            raise Mistake(leaf.path.column, "Nested too deeply", f"at most {DEEPEST} levels are allowed.")
        if number > MOST_COMPARISONS:
            raise Mistake(leaf.path.column, "Too many comparisons", f"at most {MOST_COMPARISONS} are allowed.")
        contains += isinstance(leaf, Comparison) and leaf.operator == "~"
        if contains > MOST_CONTAINS:
            raise Mistake(leaf.path.column, "Too many ~", f"at most {MOST_CONTAINS} are allowed; compare whole values.")
    return root


def parse_sort(text: str) -> tuple[Order, ...]:
    """Return the fields to sort by, the most important first. Raises Mistake."""
    orders: tuple[Order, ...] = _parse(text, "sort")
    if len(orders) > MOST_ORDERS:
        raise Mistake(orders[MOST_ORDERS].path.column, "Too many fields", f"at most {MOST_ORDERS} are allowed.")
    return orders


def parse_time(text: str, column: int) -> datetime:
    """Return the time in UTC; a date alone means its beginning in UTC. Raises Mistake."""
    try:
        if TIME.fullmatch(text):
            time = datetime.fromisoformat(text.upper())
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        pass
    advice = "write a time with its zone, such as 2026-11-23T10:15:30Z, or a date, such as 2026-11-23."
    raise Mistake(column, "Not a valid time", advice)


class Builder(Transformer[Token, Any]):
    """Builds the tree from the bottom up during parsing."""

    @v_args(inline=True)
    def filter(self, node: Node) -> Node:
        return node

    def any(self, parts: list[Any]) -> Node:
        return AnyOf(tuple(parts[::2]))

    def all(self, parts: list[Any]) -> Node:
        return AllOf(tuple(parts[::2]))

    @v_args(inline=True)
    def negated(self, _: Token, part: Node) -> Node:
        return Not(part)

    @v_args(inline=True)
    def comparison(self, path: Token, operator: Token, value: Literal) -> Node:
        return Comparison(_path(path), str(operator), (value,), _column(operator))

    def membership(self, parts: list[Any]) -> Node:
        path, operator, *_ = parts
        values = tuple(part for part in parts if isinstance(part, Literal))
        comparison = Comparison(_path(path), "in", values, _column(operator))
        return Not(comparison) if operator.type == "NOT" else comparison

    def exists(self, parts: list[Token]) -> Node:
        return Exists(next(_path(token) for token in parts if token.type == "PATH"))

    @v_args(inline=True)
    def flag(self, path: Token) -> Node:
        return Flag(_path(path))

    @v_args(inline=True)
    def value(self, token: Token) -> Literal:
        return Literal(VALUES[token.type](token), _column(token))

    def sort(self, parts: list[Order]) -> tuple[Order, ...]:
        return tuple(parts)

    def order(self, parts: list[Token]) -> Order:
        return Order(_path(parts[-1]), descending=len(parts) > 1)


@cache
def parser() -> Lark:
    """Return the parser of filters and of sort orders."""
    return Lark(GRAMMAR, start=["filter", "sort"], parser="lalr", transformer=Builder())


def _parse(text: str, start: str) -> Any:
    if len(text) > LONGEST:
        raise Mistake(LONGEST + 1, "Too long", f"at most {LONGEST} characters are allowed.")
    if unusable := UNUSABLE.search(text):
        raise Mistake(unusable.start() + 1, "Unusable character", "no field contains U+0000 or half a surrogate pair.")
    try:
        return parser().parse(text, start=start)
    except UnexpectedInput as error:
        raise _mistake(text, error) from error


def _mistake(text: str, error: UnexpectedInput) -> Mistake:
    if isinstance(error, UnexpectedCharacters):
        return _unreadable(text, error.pos_in_stream or 0, error.allowed or ())
    if isinstance(error, UnexpectedToken):
        expected = _listed(error.accepts or error.expected)
        if error.token.type == "$END":
            return Mistake(len(text) + 1, "Unexpected end", f"expected {expected}.")
        return Mistake(_column(error.token), f"Unexpected {_shown(error.token)}", _hint(error.token, expected))
    return Mistake(1, "Not a filter", 'write a condition, such as tag = "gpu".')


def _unreadable(text: str, at: int, allowed: Collection[str]) -> Mistake:
    character, expected = text[at], _listed(allowed)
    if character in "\"'" and "STRING" in allowed:
        return Mistake(at + 1, "Unterminated text", r"end it with the same quote; write \ only before a quote or \.")
    if character == ".":
        return Mistake(at + 1, "Missing key", 'write one after the dot, quoted if it is unusual: metadata."top.1".')
    if character == "[":
        return Mistake(at + 1, "Not a position", "write it right after its list: metadata.results[0].metrics[0].value.")
    return Mistake(at + 1, f"Unexpected {_shown(character)}", f"expected {expected}.")


def _hint(token: Token, expected: str) -> str:
    if token.type == "PATH" and "a value" in expected:
        if token.lower() in ("null", "none"):
            return "there is no null; use exists, or not … exists."
        return f'text needs quotes, such as "{_shown(token)}"; other values are numbers, true, false and times.'
    return f"expected {expected}."


def _listed(terminals: Collection[str]) -> str:
    names = [name for name, terminal in EXPECTED.items() if terminal in terminals]
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "nothing more"


def _shown(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"


def _leaves(root: Node) -> Iterator[tuple[Comparison | Exists | Flag, int]]:
    """Yield each comparison, in the order of the text, with its depth. Not recursive: users choose the depth."""
    pending = [(root, 0)]
    while pending:
        node, depth = pending.pop()
        if isinstance(node, Comparison | Exists | Flag):
            yield node, depth
        else:
            parts = (node.part,) if isinstance(node, Not) else node.parts
            pending.extend((part, depth + 1) for part in reversed(parts))


def _column(token: Token) -> int:
    return (token.start_pos or 0) + 1


def path_of(text: str) -> Path | None:
    """Return the text as a path at column 1; None if it is not a path."""
    try:
        (leaf, _), *others = _leaves(_parse(text, "filter"))
    except Mistake:
        return None
    return leaf.path if isinstance(leaf, Flag) and not others else None


def paths(text: str) -> list[Path]:
    """Return the paths in a filter, in its order. Raises Mistake."""
    return [leaf.path for leaf, _ in _leaves(_parse(text, "filter"))]


def _path(token: Token) -> Path:
    name = str(token).partition(".")[0]
    keys = tuple(_key(key, position) for key, position in SEGMENT.findall(token[len(name) :]))
    return Path(name, keys, _column(token))


def _key(key: str, position: str) -> str | int:
    """Return a key of an object, or a position in a list."""
    if position:
        return int(position)
    return _unquoted(key) if key[0] == '"' else key


def quoted(text: str) -> str:
    """Return the text in quotes, as a filter writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _number(token: Token) -> int | float:
    """Return the number. Raises Mistake if no 64-bit float can hold it."""
    if math.isinf(number := float(token)):
        raise Mistake(_column(token), "Number out of range", "it has to fit into a 64-bit float.")
    return int(token) if token.lstrip("-").isdigit() else number


VALUES: dict[str, Any] = {
    "STRING": _unquoted,
    "NUMBER": _number,
    "TIME": lambda token: Time(parse_time(str(token), _column(token)), str(token)),
    "TRUE": lambda _: True,
    "FALSE": lambda _: False,
}
