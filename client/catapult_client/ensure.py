"""Create a record unless it exists with the same content, for jobs that are run again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable

from .errors import Conflict, InvalidArgument
from .plain import differences, same
from .record import RecordT

EDITABLE = ("release_notes", "description", "tags")
"""Fields that people edit later: a job that runs again must not fail because of them."""


def ensured(
    what: str,
    create: Callable[[], RecordT],
    find: Callable[[], RecordT | None],
    content: Mapping[str, Any],
    compare: Iterable[str] | None,
) -> RecordT:
    """Return what `create` returns or, after a Conflict, what `find` returns if it has the same content.

    `create` comes first, so that of two jobs at the same time one creates the record and the other gets it. `content`
    has plain JSON values. The fields in `compare` are compared; by default all except `EDITABLE`.
    Raises InvalidArgument for a field that cannot be compared, and Conflict, with `difference`, if they differ.
    """
    compared = _compared(content, compare)
    try:
        return create()
    except Conflict as error:
        conflict = error
    record = find()
    if record is None:  # another record has the name, or the record was deleted meanwhile
        raise conflict
    conflict.difference = {
        name: (getattr(record, name), value) for name, value in compared.items() if not _has(record, name, value)
    }
    if not conflict.difference:
        return record
    differing = [text for name, values in conflict.difference.items() for text in differences(*values, name)]
    more = f" (and {len(differing) - 10} more)" if len(differing) > 10 else ""
    conflict.args = (f"{what} exists with different content: {'; '.join(differing[:10])}{more}.",)
    raise conflict


def _compared(content: Mapping[str, Any], compare: Iterable[str] | None) -> dict[str, Any]:
    if compare is None:
        return {name: value for name, value in content.items() if name not in EDITABLE}
    names = [compare] if isinstance(compare, str) else list(compare)
    if unsent := [name for name in names if name not in content]:
        raise InvalidArgument(f"compare names {', '.join(map(repr, unsent))}, which is not among what is sent.")
    return {name: content[name] for name in names}


def _has(record: object, name: str, sent: Any) -> bool:
    value = getattr(record, name)
    if name == "tags" and isinstance(sent, list):  # tags have no order and no duplicates
        return set(map(str, value)) == set(map(str, sent))
    return same(value, sent)
