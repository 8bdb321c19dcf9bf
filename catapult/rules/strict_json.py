"""JSON that is parsed in place, as strictly as `serde_json` does it, which is what safetensors' own reader uses.

Objects for all values of a hostile text would take 25 times its size, so only requested values become objects. No pattern goes
back over what it matched, or remembers more than `_STEPS` steps to do so: quantifiers of characters are possessive (`*+`), groups
are atomic (`(?>…)`) or short. A possessive group matches wrongly in the Python of Debian 12, 3.11.2 (CPython's issue 100061).

Source: RFC 8259. `serde_json` also refuses half a surrogate pair, a number that a double cannot hold, and more than 127 levels.
"""

import json
import math
import re
from codecs import getincrementaldecoder
from collections.abc import Iterator

from catapult.rules.file_head import LONGEST_NAME, LONGEST_TEXT, Unreadable, storable

MOST_NUMBERS = 64
"""The most numbers in an array: as many dimensions as NumPy and PyTorch have."""

LONGEST_SKIPPED = 4_096
"""The most bytes of a value that is skipped: it is parsed as objects."""

MOST_SKIPPED = 1_000_000
"""The most bytes that are skipped in all. A value counts as ten at least, so there are at most 100,000."""

_PART = 65_536

_STEPS = 1_000
"""The most escapes, and runs of characters between them, that one match goes past: the matcher remembers each."""

DEEPEST = 127
"""The most arrays and objects within each other: `serde_json` goes no deeper."""

_WS = rb"[ \t\n\r]*+"
_LOW = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HIGH = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_ESCAPE = rb'\\["\\/bfnrt]|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|' + _HIGH + _LOW
_INSIDE = re.compile(rb'(?:[^"\\\x00-\x1f]++|%b){1,%d}' % (_ESCAPE, _STEPS))
_WHOLE = rb"(?:0|[1-9][0-9]{0,19}+)"
_OPEN = re.compile(_WS + rb"\{" + _WS + rb"(\}?)")
_SPACE = re.compile(_WS)
_COLON = re.compile(_WS + rb":" + _WS)
_NEXT = re.compile(_WS + rb"([,}])")
_NULL = re.compile(rb"null")
_NUMBER = _WS + _WHOLE + _WS
_WHOLES = re.compile(rb"\[%b(?>(?:%b(?>(?:,%b){0,%d}))?)\]" % (_WS, _NUMBER, _NUMBER, MOST_NUMBERS - 1))
_DIGITS = re.compile(rb"[0-9]+")
_END = re.compile(_WS + rb"\Z")
_NESTING = re.compile(rb'"(?>(?:[^"\\]++|\\.)*)"|[^\[\]{}"]++', re.DOTALL)
_FIRST = re.compile(rb"(?:[^\\\x80-\xff]|[\xc0-\xff][\x80-\xbf]++|%b){0,%d}" % (_ESCAPE, LONGEST_TEXT))


class StrictJson:
    """JSON that is parsed from its first byte on. It is valid UTF-8, so that only strings have bytes beyond ASCII."""

    def __init__(self, text: bytes) -> None:
        self._text, self._index, self._skipped = text, 0, 0

    def take(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        """Return the match at the next byte, and go past it. Raise Unreadable, which says what is missing, if there is none."""
        match = pattern.match(self._text, self._index)
        if match is None:
            raise Unreadable(f"its header has no {what} at byte {8 + self._index}")
        self._index = match.end()
        return match

    def fields(self) -> Iterator[bytes]:
        """Yield the name of each field of an object, unescaped. The value has to be taken before the next."""
        if self.take(_OPEN, "object")[1]:
            return
        more = True
        while more:
            self.take(_SPACE, "space")
            name = self._string("name and colon")
            self.take(_COLON, "name and colon")
            yield _name(name)
            more = self.take(_NEXT, "comma or closing brace")[1] == b","

    def end(self) -> None:
        """Raise Unreadable if more than white space follows."""
        self.take(_END, "end")

    def is_null(self) -> bool:
        """Return whether the next value is null, and go past it if so."""
        match = _NULL.match(self._text, self._index)
        self._index = match.end() if match else self._index
        return match is not None

    def text(self, what: str) -> str:
        """Return the next value, a string, cut as it is stored."""
        return _cut(self._string(what))

    def _string(self, what: str) -> bytes:
        """Return the next value, a string, with its quotes and escapes, and go past it. Raise Unreadable as `take` does."""
        start, end = self._index, self._index + 1
        while inside := _INSIDE.match(self._text, end):
            end = inside.end()
        if self._text[start : start + 1] != b'"' or self._text[end : end + 1] != b'"':
            raise Unreadable(f"its header has no {what} at byte {8 + start}")
        self._index = end + 1
        return self._text[start : self._index]

    def numbers(self, what: str) -> list[int]:
        """Return the next value, an array of whole numbers that are not negative and have at most 64 bits."""
        numbers = [int(digits) for digits in _DIGITS.findall(self.take(_WHOLES, what)[0])]
        if max(numbers, default=0) >= 1 << 64:
            raise Unreadable(f"its header has a number of more than 64 bits before byte {8 + self._index}")
        return numbers

    def skip(self) -> None:
        """Go past the next value, whatever it is. As Latin-1, each byte is a character."""
        window = self._text[self._index : self._index + LONGEST_SKIPPED]
        try:
            value, length = _DECODER.raw_decode(window.decode("latin-1"))
            json.dumps(value, ensure_ascii=False).encode()
            self._skipped += max(length, 10)
            valid = _depth(window[:length]) <= DEEPEST - 2 and self._skipped <= MOST_SKIPPED
        except (ValueError, RecursionError):
            valid = False
        if not valid:
            raise Unreadable(f"its header has an unknown field that is not valid or too long at byte {8 + self._index}")
        self._index += length


def _finite(digits: str) -> float:
    """Return the number. Raise ValueError if a double cannot hold it, as `serde_json` refuses it."""
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits[:60])
    return number


_DECODER = json.JSONDecoder(parse_int=_finite, parse_float=_finite, parse_constant=_finite)


def _depth(value: bytes) -> int:
    """Return how many arrays and objects of the JSON lie within each other."""
    depth = deepest = 0
    for byte in _NESTING.sub(b"", value):
        depth += 1 if byte in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _name(string: bytes) -> bytes:
    """Return the text of a JSON string, unescaped, as UTF-8. Raise Unreadable if it is too long for a name."""
    if len(string) > LONGEST_NAME:
        raise Unreadable(f"its header has a name of more than {LONGEST_NAME:,} bytes")
    return json.loads(string).encode() if b"\\" in string else string[1:-1]


def _cut(string: bytes) -> str:
    """Return a JSON string, cut as it is stored, without decoding the rest."""
    if len(string) <= LONGEST_TEXT:
        return storable(_name(string).decode())
    first = _FIRST.match(string, 1, len(string) - 1)
    return storable(json.loads(b'"' + (first[0] if first else b"") + b'"'))


def check_utf8(text: bytes) -> None:
    """Raise Unreadable if the text is not valid UTF-8. It is decoded in parts, as it may take four times the memory."""
    decoder = getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(text), _PART):
            decoder.decode(text[start : start + _PART])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise Unreadable("its header is not valid UTF-8") from None
