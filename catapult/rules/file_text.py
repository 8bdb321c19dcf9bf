"""Previews of files: their kind, text, the rows of a table, and JSON with a line for each value."""

import csv
import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from enum import StrEnum
from io import StringIO
from itertools import islice

LARGEST = 256 * 1024
"""The most bytes of a text that are shown, and of a model card."""

LARGEST_IMAGE = 20_000_000
MOST_ROWS, MOST_COLUMNS, LONGEST_CELL = 200, 50, 500
RASTER = {
    "image/png": rb"\x89PNG\r\n\x1a\n",
    "image/jpeg": rb"\xff\xd8\xff",
    "image/gif": rb"GIF8[79]a",
    "image/webp": rb"RIFF.{4}WEBP",
}
"""The media types of images that are shown, and what such a file begins with. No script runs in any of them."""

IMAGE = re.compile(b"|".join(RASTER.values()), re.DOTALL)
DELIMITERS = ",;\t"
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)
BETWEEN = frozenset("[]{},:")
DEEPEST = 40
"""The levels of JSON that have an indent of their own."""


class Kind(StrEnum):
    """How a file is shown."""

    IMAGE = "image"
    JSON = "JSON"
    TABLE = "CSV"
    MARKDOWN = "Markdown"
    TEXT = "text"


BY_TYPE = {
    **dict.fromkeys(RASTER, Kind.IMAGE),
    "application/json": Kind.JSON,
    "text/csv": Kind.TABLE,
    "text/tab-separated-values": Kind.TABLE,
    "text/markdown": Kind.MARKDOWN,
    "application/yaml": Kind.TEXT,
    "application/x-yaml": Kind.TEXT,
    "application/toml": Kind.TEXT,
}
BY_ENDING = {
    **dict.fromkeys(("json", "ipynb"), Kind.JSON),
    **dict.fromkeys(("csv", "tsv"), Kind.TABLE),
    **dict.fromkeys(("md", "markdown"), Kind.MARKDOWN),
    **dict.fromkeys(("txt", "log", "yaml", "yml", "toml", "ini", "cfg", "jsonl", "py", "sh", "jinja"), Kind.TEXT),
    **dict.fromkeys(("license", "mlmodel", "dockerfile", "gitattributes"), Kind.TEXT),
}
"""By what comes after the last dot of a file's name, or by the name itself."""


def kind(path: str, media_type: str) -> Kind | None:
    """Return how a file is shown, by its media type, or else by its name; None if it is only downloaded."""
    ending = path.rpartition("/")[2].rpartition(".")[2].lower()
    text = Kind.TEXT if media_type.startswith("text/") else None
    return BY_TYPE.get(media_type) or BY_ENDING.get(ending) or text


def decoded(content: bytes, *, is_cut: bool = False) -> str | None:
    """Return the text, or None if it is not UTF-8 without NUL. If it `is_cut`, its last character may be incomplete."""
    try:
        text = getincrementaldecoder("utf-8-sig")().decode(content, final=not is_cut)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def rows(text: str, *, is_cut: bool = False) -> list[list[str]] | None:
    """Return the first rows of CSV, the heads first and one more than are shown; None if it cannot be read as that.

    The delimiter is the most frequent one of the first line. If the text `is_cut`, the last row may be incomplete and is left out.
    """
    first = text.partition("\n")[0]
    reader = csv.reader(StringIO(text, newline=""), delimiter=max(DELIMITERS, key=first.count))
    try:
        read = [[_cut(cell) for cell in row[:MOST_COLUMNS]] for row in islice(reader, MOST_ROWS + 2)]
    except csv.Error:
        return None
    return read[:-1] if is_cut and len(read) < MOST_ROWS + 2 else read


def _cut(cell: str) -> str:
    return cell if len(cell) <= LONGEST_CELL else f"{cell[:LONGEST_CELL]}…"


def laid_out(text: str) -> str:
    """Return JSON of a single line with a line for each value, every value as it is written, and at most `LARGEST` characters.

    The text is not parsed, so that invalid JSON stays readable and deep JSON costs nothing.
    """
    if "\n" in text.strip():
        return text
    pieces, length = [], 0
    for piece in _pieces(text):
        pieces.append(piece)
        length += len(piece)
        if length > LARGEST:
            break
    return "".join(pieces)[:LARGEST]


def _pieces(text: str) -> Iterator[str]:
    depth, before = 0, ","
    for match in TOKEN.finditer(text.strip()):
        part = match[0]
        opens, closes = part in ("[", "{"), part in ("]", "}")
        depth -= closes
        is_empty = closes and before in ("[", "{")
        if match.start() and not is_empty and (closes or before in ("[", "{", ",")):
            yield "\n" + "  " * min(max(depth, 0), DEEPEST)
        elif before not in BETWEEN and part not in BETWEEN:
            yield " "
        yield ": " if part == ":" else part
        depth += opens
        before = part
