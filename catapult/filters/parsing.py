"""Reads a filter or an order into its tree. Raises Mistake, with the column, for whatever it cannot read."""

import math
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args

from catapult.filters.mistakes import Mistake
from catapult.filters.tree import AllOf, AnyOf, Comparison, Exists, Flag, Literal, Node, Not, Order, Path, Time

LONGEST, DEEPEST, MOST_COMPARISONS, MOST_ORDERS = 2_000, 20, 50, 5
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "~", "in", "exists")

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
    | EXISTS PATH -> existing
    | EXISTS "(" PATH ")" -> existing
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
PATH: /[A-Za-z_][A-Za-z0-9_]*(?:\.(?:[\w-]+|"(?:[^"\\]|\\["'\\])*"))*/
STRING: /"(?:[^"\\]|\\["'\\])*"|'(?:[^'\\]|\\["'\\])*'/
TIME.2: /[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt][0-9:.]+(?:[Zz]|[+-][0-9:]+)?)?(?![\w.:+-])/
NUMBER: /-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.])/
MINUS: "-"
%ignore /[ \t\r\n]+/
"""

EXPECTED = {
    "a field": {"PATH"},
    "not": {"NOT"},
    "(": {"LPAR"},
    "one of = != < <= > >= ~": {"OPERATOR"},
    "in (…)": {"IN"},
    "exists": {"EXISTS"},
    'a value: text in quotes as "gpu", a number, true, false, or a time as 2026-11-23T10:15:30Z': {"STRING"},
    "and": {"AND"},
    "or": {"OR"},
    "a comma": {"COMMA"},
    ")": {"RPAR"},
    "the end": {"$END"},
}
"""What may come next, in words, by the terminals that say so."""

UNUSABLE = re.compile("[\x00\ud800-\udfff]")
SEGMENT = re.compile(r'\.([\w-]+|"(?:[^"\\]|\\.)*")')
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2}))?", re.ASCII)


def condition(text: str) -> Node:
    """The tree of a filter. Raises Mistake."""
    found: Node = _read(text, "filter")
    for place, (leaf, depth) in enumerate(_leaves(found)):
        if depth > DEEPEST:
            raise Mistake(leaf.path.column, "Too deep", f"parts may lie within each other {DEEPEST} deep.")
        if place == MOST_COMPARISONS:
            raise Mistake(leaf.path.column, "Too many comparisons", f"at most {MOST_COMPARISONS} are taken.")
    return found


def orders(text: str) -> tuple[Order, ...]:
    """The fields to sort by, the first one first. Raises Mistake."""
    found: tuple[Order, ...] = _read(text, "sort")
    if len(found) > MOST_ORDERS:
        raise Mistake(found[MOST_ORDERS].path.column, "Too many fields", f"at most {MOST_ORDERS} are taken.")
    return found


def moment(text: str, column: int) -> datetime:
    """The time that the text says, a date alone being its beginning in UTC. Raises Mistake."""
    try:
        if MOMENT.fullmatch(text):
            found = datetime.fromisoformat(text.upper())
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        pass
    raise Mistake(column, "No time", "a time has its zone, as 2026-11-23T10:15:30Z, or is a date, as 2026-11-23.")


class Builder(Transformer[Token, Any]):
    """Makes the tree from the bottom up while the text is read."""

    @v_args(inline=True)
    def filter(self, node: Node) -> Node:
        return node

    def any(self, parts: list[Any]) -> Node:
        return AnyOf(tuple(parts[::2]))

    def all(self, parts: list[Any]) -> Node:
        return AllOf(tuple(parts[::2]))

    @v_args(inline=True)
    def negated(self, word: Token, part: Node) -> Node:
        return Not(part, _column(word))

    @v_args(inline=True)
    def comparison(self, path: Token, operator: Token, value: Literal) -> Node:
        return Comparison(_path(path), str(operator), (value,), _column(operator))

    def membership(self, parts: list[Any]) -> Node:
        path, word, *_ = parts
        values = tuple(part for part in parts if isinstance(part, Literal))
        found = Comparison(_path(path), "in", values, _column(word))
        return Not(found, _column(word)) if word.type == "NOT" else found

    @v_args(inline=True)
    def exists(self, path: Token, _: Token) -> Node:
        return Exists(_path(path))

    @v_args(inline=True)
    def existing(self, _: Token, path: Token) -> Node:
        return Exists(_path(path))

    @v_args(inline=True)
    def flag(self, path: Token) -> Node:
        return Flag(_path(path))

    @v_args(inline=True)
    def value(self, token: Token) -> Literal:
        return Literal(READ[token.type](token), _column(token))

    def sort(self, parts: list[Order]) -> tuple[Order, ...]:
        return tuple(parts)

    def order(self, parts: list[Token]) -> Order:
        return Order(_path(parts[-1]), falling=len(parts) > 1)


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, start=["filter", "sort"], parser="lalr", transformer=Builder())


def _read(text: str, start: str) -> Any:
    if len(text) > LONGEST:
        raise Mistake(LONGEST + 1, "Too long", f"at most {LONGEST} characters are taken.")
    if unusable := UNUSABLE.search(text):
        raise Mistake(unusable.start() + 1, "No character", "U+0000 and halves of surrogate pairs are in no field.")
    try:
        return _parser().parse(text, start=start)
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
    return Mistake(1, "Unreadable", 'write a condition, as tag = "gpu".')


def _unreadable(text: str, at: int, allowed: Iterable[str]) -> Mistake:
    character, expected = text[at], _listed(allowed)
    if character in "\"'" and "STRING" in allowed:
        return Mistake(
            at + 1, "A text without its end", r"it ends in the same quote; \ stands only before a quote or \."
        )
    if character == ".":
        return Mistake(at + 1, "No key", 'a key follows the dot, in quotes where it is odd: metadata."top.1".')
    return Mistake(at + 1, f"Unexpected {_shown(character)}", f"expected {expected}.")


def _hint(token: Token, expected: str) -> str:
    if token.type == "PATH" and "a value" in expected:
        if token.lower() in ("null", "none"):
            return "there is no null; write exists, or not … exists."
        return f'text stands in quotes, as "{_shown(token)}"; other values are numbers, true, false and times.'
    return f"expected {expected}."


def _listed(terminals: Iterable[str]) -> str:
    words = [word for word, names in EXPECTED.items() if names & set(terminals)]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words) or "nothing more"


def _shown(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"


def _leaves(root: Node) -> Iterator[tuple[Comparison | Exists | Flag, int]]:
    """Every comparison as it is written, and how deep it lies; without recursion, since depth is the writer's choice."""
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


def _path(token: Token) -> Path:
    name = str(token).partition(".")[0]
    keys = tuple(_unquoted(key) if key[0] == '"' else key for key in SEGMENT.findall(token[len(name) :]))
    return Path(name, keys, _column(token))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _number(token: Token) -> int | float:
    """Raises Mistake for what no 64-bit float holds."""
    if math.isinf(found := float(token)):
        raise Mistake(_column(token), "Too large a number", "it is beyond what a 64-bit float holds.")
    return int(token) if token.lstrip("-").isdigit() else found


READ: dict[str, Any] = {
    "STRING": _unquoted,
    "NUMBER": _number,
    "TIME": lambda token: Time(moment(str(token), _column(token)), str(token)),
    "TRUE": lambda _: True,
    "FALSE": lambda _: False,
}
