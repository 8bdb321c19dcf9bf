"""What every call shares: the time limit, `on_error="warn"`, ids, lists that page, changes that are tried again."""

from __future__ import annotations

import contextvars
import functools
import inspect
import re
import threading
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDone
from enum import Enum
from typing import TYPE_CHECKING, Any, Callable, Generic, Literal, NoReturn, TypeVar, cast
from urllib.parse import urlencode, urlsplit

import requests

from .errors import InvalidArgument, MethodNotAllowed, NotFound, PreconditionFailed, TimedOut, UnexpectedAnswer
from .plain import plain, rfc3339, same
from .records import Record, RecordT
from .transport import Ask, Deadline, Transport, decoded, log

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault  # type checkers know it without it being installed

    # What a call gives beside its record: nothing else, or None with on_error="warn".
    Gone = TypeVarWithDefault("Gone", default=NoReturn)
else:
    Gone = TypeVar("Gone")

Function = TypeVar("Function", bound=Callable[..., Any])
T = TypeVar("T")


class Unset(Enum):
    """The default of a field in an update: leave it as it is, where None clears it."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Literal[Unset.UNSET] = Unset.UNSET

# The deadline of the call that is under way here; a call made within another shares the outer one's.
_underway: contextvars.ContextVar[Deadline | None] = contextvars.ContextVar("catapult_deadline", default=None)


def call(method: Function) -> Function:
    """Make a method one call: within the time limit as a whole and, with `on_error="warn"`, never raising.

    Python's own TypeError for a wrong keyword is raised in either case: that is the program, not the registry.
    """
    signature = inspect.signature(method)

    @functools.wraps(method)
    def run(self: Calls[Any], *args: Any, **kwargs: Any) -> Any:
        signature.bind(self, *args, **kwargs)
        if _underway.get() is not None:
            return method(self, *args, **kwargs)
        return self._run(method.__name__, lambda: method(self, *args, **kwargs))

    return cast(Function, run)


def listing(method: Function) -> Function:
    """Make a method that gives an iterator raise, or warn and give an empty one, for its arguments too."""
    signature = inspect.signature(method)

    @functools.wraps(method)
    def run(self: Calls[Any], *args: Any, **kwargs: Any) -> Any:
        signature.bind(self, *args, **kwargs)
        if not self._warns:
            return method(self, *args, **kwargs)
        try:
            return method(self, *args, **kwargs)
        except Exception as fault:
            _warn(method.__name__, fault)
            return iter(())

    return cast(Function, run)


def _warn(name: str, fault: Exception) -> None:
    # Logged, not warnings.warn: under `python -W error` a warning raises, and a second one like the first is not shown.
    log.warning("%s gave up, and the run goes on without it: %s", name.lstrip("_"), fault or type(fault).__name__)
    log.debug("%s", name, exc_info=fault)


class Calls(Generic[Gone]):
    """The part of a Registry that the groups of endpoints are built on."""

    _transport: Transport
    _time_limit: float
    _warns: bool

    def _run(self, name: str, work: Callable[[], T]) -> T | None:
        if not self._warns:
            return self._limited(work)
        try:
            return within(self._time_limit, lambda: self._limited(work))
        except Exception as fault:
            _warn(name, fault)
            return None

    def _limited(self, work: Callable[[], T]) -> T:
        token = _underway.set(Deadline(self._time_limit))
        try:
            return work()
        finally:
            _underway.reset(token)

    def _send(self, ask: Ask, retries: int | None = None) -> requests.Response:
        return self._transport.send(ask, _underway.get() or Deadline(self._time_limit), retries)

    def _get(self, kind: type[RecordT], path: str, query: Mapping[str, Any] | None = None) -> RecordT:
        ask = Ask("GET", path + question(query or {}))
        return _record(kind, ask, self._send(ask))

    def _post(self, kind: type[RecordT], path: str, body: Mapping[str, Any], idempotency_key: str | None) -> RecordT:
        """The record made. Fields that are None are left out, which is the same to the registry."""
        sent = {name: plain(value, name) for name, value in body.items() if value is not None}
        ask = Ask("POST", path, sent, {"Idempotency-Key": checked_key(idempotency_key)})
        return _record(kind, ask, self._send(ask))

    def _put(
        self, kind: type[RecordT], path: str, changes: Mapping[str, Any], if_match: str | Record | None
    ) -> RecordT:
        """The record as changed. Fields that are UNSET are left out.

        A try whose answer was lost may have made the change, and then the next one gets 412 because of it. So after
        such a loss the thing is looked at: if it is as asked for, the change was made.
        """
        sent = {name: plain(value, name) for name, value in changes.items() if value is not UNSET}
        ask = Ask("PUT", path, sent, _precondition(if_match))
        try:
            return _record(kind, ask, self._send(ask))
        except PreconditionFailed as fault:
            if not fault.maybe_applied or not self._holds(path, sent):
                raise
        return self._get(kind, path)

    def _holds(self, path: str, sent: Mapping[str, Any]) -> bool:
        ask = Ask("GET", path)
        try:
            there = decoded(ask, self._send(ask))
        except MethodNotAllowed:  # a thing that is only ever listed: nobody can tell
            return False
        return isinstance(there, dict) and all(name in there and same(there[name], sent[name]) for name in sent)

    def _delete(self, path: str, query: Mapping[str, Any], if_match: str | Record | None) -> None:
        """It is gone. 404 is a fault only if no earlier try can have been the one that deleted it."""
        ask = Ask("DELETE", path + question(query), headers=_precondition(if_match))
        try:
            response = self._send(ask)
        except NotFound as fault:
            if not fault.maybe_applied:
                raise
            return
        if response.content:  # 204 has none; a page of HTML under 200 is a proxy's, and nothing was deleted
            decoded(ask, response)

    def _all(self, kind: type[RecordT], path: str, query: Mapping[str, Any]) -> list[RecordT]:
        """The records of a list that is one page."""
        ask = Ask("GET", path + question(query))
        return _records(kind, ask, self._send(ask))

    def _pages(self, kind: type[RecordT], path: str, query: Mapping[str, Any]) -> Iterator[RecordT]:
        """Every record of a list, over all pages; the query is checked now, and the first page fetched when read."""
        return self._walk(kind, path, question(query))

    def _walk(self, kind: type[RecordT], path: str, query: str | None) -> Iterator[RecordT]:
        while query is not None:
            page = self._page(kind, path, query)
            if page is None:
                return
            records, query = page
            yield from records

    @call
    def _page(self, kind: type[RecordT], path: str, query: str) -> tuple[list[RecordT], str | None] | None:
        """One page and the next one's query, None after the last. With `on_error="warn"` None when it failed."""
        ask = Ask("GET", path + query)
        response = self._send(ask)
        return _records(kind, ask, response), _next_query(ask, query, response)


def _next_query(ask: Ask, query: str, response: requests.Response) -> str | None:
    """The query of the `Link` to the next page.

    Only its query counts: the next page is at this very address. So the key goes nowhere else, and a proxy that knows
    the registry under another host, scheme or prefix does no harm.
    """
    link = response.links.get("next", {}).get("url")
    if link is None:
        return None
    following = "?" + urlsplit(link).query
    if following in ("?", query):
        raise UnexpectedAnswer(f"{ask}: the link to the next page leads to the same one.")
    return following


def _record(kind: type[RecordT], ask: Ask, response: requests.Response) -> RecordT:
    etag = response.headers.get("ETag")
    known = etag is not None and "etag" in getattr(kind, "__dataclass_fields__", {})
    # A proxy that compresses makes the tag weak, which If-Match never matches; the registry compares its counter.
    return kind.from_json(decoded(ask, response), etag.removeprefix("W/") if etag and known else None)


def _records(kind: type[RecordT], ask: Ask, response: requests.Response) -> list[RecordT]:
    body = decoded(ask, response)
    if not isinstance(body, list):
        raise UnexpectedAnswer(f"{ask}: the answer is no list.")
    return [kind.from_json(item) for item in body]


def _precondition(if_match: str | Record | None) -> dict[str, str]:
    if if_match is None:
        return {}
    etag = getattr(if_match, "etag", None) if isinstance(if_match, Record) else if_match
    if not isinstance(etag, str) or not re.fullmatch(r"[\x21-\x7e]+", etag):
        raise InvalidArgument("if_match has no etag: a record out of a list has none, so get it alone first.")
    return {"If-Match": etag}


def question(query: Mapping[str, Any]) -> str:
    """`?name=value&…` of what is not None. Raises InvalidArgument for a time without a zone."""
    given = {name: _parameter(name, value) for name, value in query.items() if value is not None}
    return "?" + urlencode(given) if given else ""


TIMES = frozenset({"at", "created_after", "created_before", "since", "until"})


def _parameter(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if name in TIMES:
        return rfc3339(value, name)
    if isinstance(value, Record):
        return identity(value, name)
    if isinstance(value, uuid.UUID):
        return str(value)
    return str(plain(value, name))


def identity(thing: Any, name: str) -> str:
    """The id of a record, or the id itself. Raises InvalidArgument for what can be none."""
    if thing is None:
        raise InvalidArgument(f"{name} is None: the call that should have given it did not.")
    text = str(getattr(thing, "id", "") if isinstance(thing, Record) else thing)
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        raise InvalidArgument(f"{name} is {text!r:.80}, which is no id: send a record or its id; names go by name.")
    return text


def place(environment: Any, name: str) -> str:
    """An environment's name, which becomes part of an address. Raises InvalidArgument for what can be none."""
    if environment is None:
        raise InvalidArgument(f"{name} is None: the call that should have given it did not.")
    if not isinstance(environment, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", environment):
        raise InvalidArgument(
            f"{name} is {environment!r:.80}, which is no environment's name: letters, digits and ._- only, 63 at most."
        )
    return environment


def checked_key(idempotency_key: str | None) -> str:
    """The caller's key, or a new one. Raises InvalidArgument."""
    if idempotency_key is None:
        return str(uuid.uuid4())
    if not isinstance(idempotency_key, str) or not re.fullmatch(r"[\x21-\x7e]{1,255}", idempotency_key):
        raise InvalidArgument("idempotency_key must be 1 to 255 visible ASCII characters.")
    return idempotency_key


def within(seconds: float, work: Callable[[], T]) -> T:
    """What the work gives or raises, or TimedOut when that takes longer, whatever the work hangs on.

    Socket time-outs cannot promise that: looking up a name has none, and a server that sends a byte now and then starts
    them anew. So the work runs on a thread of its own, which is left behind; it is a daemon and ends by itself.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as fault:
            outcome.set_exception(fault)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="catapult-call", daemon=True).start()
    try:
        return outcome.result(seconds)
    except NotDone:
        pass
    raise TimedOut(f"No answer within {seconds:g} s.", transient=True, maybe_applied=True)
