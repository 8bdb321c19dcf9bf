"""Made, or there already with the same content: what a training job that starts again needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from .errors import Conflict
from .plain import differences, plain, same
from .records import RecordT


def ensured(
    what: str, create: Callable[[], RecordT], find: Callable[[], RecordT | None], content: Mapping[str, Any]
) -> RecordT:
    """The record that `create` makes or, where it is taken, the one that `find` finds, if that holds the content.

    Made first and looked up second, so that of two jobs at once one makes it and the other finds it. Only the fields
    of `content` that are not None are compared. Raises Conflict, with `difference`, where they differ.
    """
    try:
        return create()
    except Conflict as fault:
        taken = fault
    there = find()
    if there is None:  # taken by something else, or deleted in between
        raise taken
    sent = {name: plain(value, name) for name, value in content.items() if value is not None}
    difference = {name: (getattr(there, name), value) for name, value in sent.items() if not _holds(there, name, value)}
    if not difference:
        return there
    raise _conflict(what, difference, taken)


def _holds(there: object, name: str, sent: Any) -> bool:
    value = getattr(there, name)
    if name == "tags" and isinstance(sent, list):  # labels: in no order, and each once
        return set(map(str, value)) == set(map(str, sent))
    return same(value, sent)


def _conflict(what: str, difference: dict[str, tuple[Any, Any]], taken: Conflict) -> Conflict:
    places = [place for name, (there, sent) in difference.items() for place in differences(there, sent, name)]
    more = f" (and {len(places) - 10} more)" if len(places) > 10 else ""
    fault = Conflict(
        f"{what} is there already, with other content: {'; '.join(places[:10])}{more}.",
        type=taken.type,
        title=taken.title,
        status=taken.status,
        detail=taken.detail,
        request_id=taken.request_id,
        problem=taken.problem,
    )
    fault.difference = difference
    return fault
