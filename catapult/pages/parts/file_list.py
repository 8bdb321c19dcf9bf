"""The files of a version, as its page lists them."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from catapult.rules import file_text
from catapult.tables import ArtifactState


class File(NamedTuple):
    """A file, and what is inside it in a line. `is_odd` says that the line is a warning, `has_preview` that pages show it."""

    id: str
    path: str
    size_bytes: int
    sha256: str | None
    created_by: str
    created_at: Any
    inside: str
    is_odd: bool
    has_preview: bool


SENTENCES = {
    ArtifactState.PENDING: "on the mount, being read: {percent} %",
    ArtifactState.MISSING: "missing: it is not where it was",
    ArtifactState.CHANGED: "changed: its content is not what was hashed",
}


def shown(rows: Iterable[Any]) -> list[File]:
    """Return these files of `queries.artifacts.read`."""
    return [_file(row, row.facts) for row in rows]


def _file(row: Any, facts: dict[str, Any]) -> File:
    own = (row.id, row.path, row.size_bytes, row.sha256, row.created_by, row.created_at)
    if row.state in SENTENCES:
        percent = 100 * row.hashed_bytes // max(row.size_bytes, 1)
        return File(*own, SENTENCES[row.state].format(percent=percent), True, False)
    odd = facts.get("problem") or facts.get("warning")
    inside = f"{facts['format']}, {odd}" if odd else ", ".join(_lines(facts))
    has_preview = file_text.kind(row.path, row.media_type) is not None
    return File(*own, inside[:300], odd is not None, has_preview)


def _lines(facts: dict[str, Any]) -> Iterable[str]:
    if "format" in facts:
        yield str(facts["format"])
    if "architecture" in facts:
        yield str(facts["architecture"])
    if "parameters" in facts:
        number = facts["parameters"]
        yield f"{_count(number)} parameter{'' if number == 1 else 's'}"
    if "quantization" in facts:
        yield str(facts["quantization"])
    elif facts.get("dtypes"):
        yield " and ".join(sorted(facts["dtypes"], key=facts["dtypes"].get, reverse=True)[:3])
    if "context_length" in facts:
        yield f"a context of {facts['context_length']:,} tokens"


def _count(number: int) -> str:
    """Return `124.4 M`, as model cards write it."""
    value, units = float(number), ["", " thousand", " M", " B", " T"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{number}" if units[0] == "" else f"{value:.1f}{units[0]}"
