"""Shared code of all calls: the time limit, `on_error="warn"`, ids, paging, and retried changes."""

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
from .record import Record, RecordT
from .transport import Ask, Deadline, Transport, decoded, log

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault  # type checkers know it even if it is not installed

    # The return type of a failed call: NoReturn because it raises, or None with on_error="warn".
    Failed = TypeVarWithDefault("Failed", default=NoReturn)
else:
    Failed = TypeVar("Failed")

Function = TypeVar("Function", bound=Callable[..., Any])
T = TypeVar("T")


class Unset(Enum):
    """The default of a field in an update: the field is left as it is, while None clears it."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Literal[Unset.UNSET] = Unset.UNSET

NOT_STORED = frozenset({"force", "reason"})  # fields of a change that the changed record does not have

# The deadline of the current call; a call made within another one shares its deadline.
_underway: contextvars.ContextVar[Deadline | None] = contextvars.ContextVar("catapult_deadline", default=None)


def call(method: Function) -> Function:
    """Decorate an API method: apply one time limit to the whole call. With `on_error="warn"`, log errors and return None.

    Python's own TypeError for a wrong keyword is raised in either mode: it is a mistake in the program.
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
    """Decorate a method that returns an iterator: with `on_error="warn"` bad arguments give an empty one."""
    signature = inspect.signature(method)

    @functools.wraps(method)
    def run(self: Calls[Any], *args: Any, **kwargs: Any) -> Any:
        signature.bind(self, *args, **kwargs)
        if not self._warns:
            return method(self, *args, **kwargs)
        try:
            return method(self, *args, **kwargs)
        except Exception as fault:
            warned(method.__name__, fault)
            return iter(())

    return cast(Function, run)


def warned(name: str, fault: Exception) -> None:
    """Log that a call failed, and go on."""
    # Not warnings.warn: it raises under `python -W error`, and shows a repeated message only once.
    log.warning("%s failed; continuing without it: %s", name.lstrip("_"), fault or type(fault).__name__)
    log.debug("%s", name, exc_info=fault)


class Calls(Generic[Failed]):
    """The base of the classes that hold the endpoints of a Registry."""

    _transport: Transport
    _time_limit: float
    _warns: bool

    def _run(self, name: str, work: Callable[[], T]) -> T | None:
        if not self._warns:
            return self._limited(work)
        try:
            return run_with_time_limit(self._time_limit, lambda: self._limited(work))
        except Exception as fault:
            warned(name, fault)
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
        ask = Ask("GET", path + query_string(query or {}))
        response = self._send(ask)
        aside = response.headers.get("X-Set-Aside", "0")
        if aside != "0":
            log.warning("Set aside, as their names are not numbers such as 1.10.0 or 2026.01.15: %s.", aside)
        return _record(kind, ask, response)

    def _post(self, kind: type[RecordT], path: str, body: Mapping[str, Any], idempotency_key: str | None) -> RecordT:
        """Return the created record. Fields that are None are not sent, which means the same to the registry."""
        sent = self._plain(body, None)
        ask = Ask("POST", path, sent, {"Idempotency-Key": checked_key(idempotency_key)})
        return _record(kind, ask, self._send(ask))

    def _plain(self, fields: Mapping[str, Any], left_out: Any) -> dict[str, Any]:
        """Return the fields as plain JSON values, without those that are `left_out`.

        With `on_error="warn"`, a number of the metadata that is not finite is registered as null, with a warning.
        """
        dropped: list[str] = []
        sent = {
            name: plain(value, name, dropped if self._warns and name == "metadata" else None)
            for name, value in fields.items()
            if value is not left_out
        }
        if dropped:
            log.warning("%s: not finite, which JSON cannot hold; null is registered instead.", ", ".join(dropped))
        return sent

    def _put(
        self, kind: type[RecordT], path: str, changes: Mapping[str, Any], if_match: str | Record | None
    ) -> RecordT:
        """Return the changed record. Fields that are UNSET are not sent.

        If the response to an attempt is lost, the change may have been made, and the retry then gets 412. In that case
        read the current state: if it has the requested values, the change was made.
        """
        sent = self._plain(changes, UNSET)
        ask = Ask("PUT", path, sent, _precondition(if_match))
        try:
            return _record(kind, ask, self._send(ask))
        except PreconditionFailed as fault:
            if not fault.maybe_applied or not self._is_applied(path, sent):
                raise
        return self._get(kind, path)

    def _is_applied(self, path: str, sent: Mapping[str, Any]) -> bool:
        ask = Ask("GET", path)
        try:
            current = decoded(ask, self._send(ask))
        except MethodNotAllowed:  # gates can only be listed
            return False
        stored = {name: value for name, value in sent.items() if name not in NOT_STORED}
        return isinstance(current, dict) and all(
            name in current and same(current[name], value) for name, value in stored.items()
        )

    def _delete(self, path: str, query: Mapping[str, Any], if_match: str | Record | None) -> None:
        """Delete it. A 404 is an error only if no earlier try can have deleted it."""
        ask = Ask("DELETE", path + query_string(query), headers=_precondition(if_match))
        try:
            response = self._send(ask)
        except NotFound as fault:
            if not fault.maybe_applied:
                raise
            return
        if response.content:  # a 204 has none; an HTML page with status 200 is a proxy's, and nothing was deleted
            decoded(ask, response)

    def _all(self, kind: type[RecordT], path: str, query: Mapping[str, Any]) -> list[RecordT]:
        """Return the records of a list that is not paged."""
        ask = Ask("GET", path + query_string(query))
        return _records(kind, ask, self._send(ask))

    def _pages(self, kind: type[RecordT], path: str, query: Mapping[str, Any]) -> Iterator[RecordT]:
        """Return an iterator over the records of all pages. The query is checked now; pages are fetched on demand."""
        return self._walk(kind, path, query_string(query))

    def _walk(self, kind: type[RecordT], path: str, query: str | None) -> Iterator[RecordT]:
        while query is not None:
            page = self._page(kind, path, query)
            if page is None:
                return
            records, query = page
            yield from records

    @call
    def _page(self, kind: type[RecordT], path: str, query: str) -> tuple[list[RecordT], str | None] | None:
        """Return a page and the next page's query, None after the last; None if it failed with `on_error="warn"`."""
        ask = Ask("GET", path + query)
        response = self._send(ask)
        return _records(kind, ask, response), _next_query(ask, query, response)


def _next_query(ask: Ask, query: str, response: requests.Response) -> str | None:
    """Return the query of the `Link` to the next page.

    The rest of the link is ignored, because the next page is at the same address. So the key goes to no other host,
    and a proxy that knows the registry by another host, scheme or prefix does no harm.
    """
    link = response.links.get("next", {}).get("url")
    if link is None:
        return None
    following = "?" + urlsplit(link).query
    if following in ("?", query):
        raise UnexpectedAnswer(f"{ask}: the link to the next page points to this page.")
    return following


def _record(kind: type[RecordT], ask: Ask, response: requests.Response) -> RecordT:
    etag = response.headers.get("ETag")
    known = etag is not None and "etag" in getattr(kind, "__dataclass_fields__", {})
    # A proxy that compresses makes the tag weak, which If-Match never matches.
    return kind.from_json(decoded(ask, response), etag.removeprefix("W/") if etag and known else None)


def _records(kind: type[RecordT], ask: Ask, response: requests.Response) -> list[RecordT]:
    body = decoded(ask, response)
    if not isinstance(body, list):
        raise UnexpectedAnswer(f"{ask}: expected a list in the answer.")
    return [kind.from_json(item) for item in body]


def _precondition(if_match: str | Record | None) -> dict[str, str]:
    if if_match is None:
        return {}
    etag = getattr(if_match, "etag", None) if isinstance(if_match, Record) else if_match
    if not isinstance(etag, str) or not re.fullmatch(r"[\x21-\x7e]+", etag):
        raise InvalidArgument("if_match has no etag: records of a list have none. Fetch the record by its id first.")
    return {"If-Match": etag}


def arguments(of_method: Mapping[str, Any], *without: str) -> dict[str, Any]:
    """Return a method's arguments (`locals()` in its first statement) without `self` and `without`."""
    return {name: value for name, value in of_method.items() if name not in ("self", *without)}


def given(value: T | None) -> T | Unset:
    """Return the value, or UNSET for None: a reason of a change is left out, not cleared."""
    return UNSET if value is None else value


def query_string(query: Mapping[str, Any]) -> str:
    """Return `?name=value&…` without the values that are None. Raises InvalidArgument for a time without a zone."""
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
    """Return the id of a record, or the id itself. Raises InvalidArgument for anything else."""
    if thing is None:
        raise InvalidArgument(f"{name} is None: the call that should have returned it failed.")
    text = str(getattr(thing, "id", "") if isinstance(thing, Record) else thing)
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        raise InvalidArgument(f"{name} is {text!r:.80}, which is not an id. Pass a record or its id.")
    return text


def environment_name(environment: Any, name: str) -> str:
    """Return an environment's name, which becomes part of an address. Raises InvalidArgument for anything else."""
    segments = environment.split("/") if isinstance(environment, str) and len(environment) <= 63 else [""]
    is_reserved = {segment.lower() for segment in segments[1:]} & {"live", "rollback", "retire"}
    if is_reserved or not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", segment) for segment in segments):
        raise InvalidArgument(
            f"{name} is {environment!r:.80}, which is not an environment's name: 1 to 63 letters, digits and ._-, in segments "
            "joined by /, of which those after the first are not live, rollback or retire."
        )
    return str(environment)


def alias_name(alias: Any) -> str:
    """Return the name of an alias, which becomes part of an address. Raises InvalidArgument for anything else."""
    if not isinstance(alias, str) or not re.fullmatch("[A-Za-z0-9_-]{1,62}", alias):
        raise InvalidArgument(
            f"alias is {alias!r:.80}, which is not an alias: 1 to 62 letters, digits, _ and -, without @."
        )
    return alias


def target_name(target: Any) -> str:
    """Return a target: `release`, an environment's name or `@` and an alias. Raises InvalidArgument for anything else."""
    if isinstance(target, str) and target.startswith("@"):
        return f"@{alias_name(target[1:])}"
    return environment_name(target, "target")


def checked_key(idempotency_key: str | None) -> str:
    """Return the caller's idempotency key, or a new one. Raises InvalidArgument."""
    if idempotency_key is None:
        return str(uuid.uuid4())
    if not isinstance(idempotency_key, str) or not re.fullmatch(r"[\x21-\x7e]{1,255}", idempotency_key):
        raise InvalidArgument("idempotency_key must be 1 to 255 visible ASCII characters.")
    return idempotency_key


def run_with_time_limit(seconds: float, work: Callable[[], T]) -> T:
    """Return the work's result, or raise its error; raise TimedOut if it takes longer than `seconds`.

    Socket time-outs cannot guarantee that: a name look-up has none, and each byte that arrives restarts them. So the
    work runs on a daemon thread, which then ends by itself.
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
