"""The SDK's errors, as one tree. Each prints as a sentence and holds the registry's answer.

RegistryError
├── InvalidArgument (also a ValueError)    refused by the SDK, nothing was sent
├── ConnectionFailed                       no answer
│   └── TimedOut
├── UnexpectedAnswer                       an answer that is not the registry's
│   └── Redirected
├── SecretLost                             a key was created, and its secret was lost
├── InvalidSignature                       a webhook that the registry did not send, or not just now
├── BadRequest, Unauthenticated, Forbidden, NotFound, MethodNotAllowed
├── Conflict
│   ├── Blocked
│   └── Frozen
├── IdempotencyInProgress, IdempotencyMismatch
├── PreconditionFailed, TooLarge, UnsupportedMediaType, RangeNotSatisfiable, RateLimited
├── Validation
│   └── RegistryUnreachable
└── ServerError
    ├── Internal
    ├── Unavailable
    └── InsufficientStorage
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .gate_records import Verdict


class RegistryError(Exception):
    """The base of all errors of the SDK.

    `type` is the problem's short name (`conflict`). `title`, `status`, `detail`, `errors` (`{field: [message, …]}`,
    nested fields as nested objects) and `request_id` are from the registry's answer, and `problem` is all of it. They
    are None or empty without an answer. `retry_after` is in seconds. `transient` means that trying again later may
    help; `maybe_applied` that the change may have been made, because the answer to one of the tries was lost.
    """

    def __init__(
        self,
        message: str = "",
        *,
        type: str | None = None,
        title: str | None = None,
        status: int | None = None,
        detail: str | None = None,
        errors: Mapping[str, Any] | None = None,
        request_id: str | None = None,
        problem: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
        transient: bool = False,
        maybe_applied: bool = False,
    ) -> None:
        super().__init__(message)  # the only positional argument, so that errors can be pickled
        self.type = type
        self.title = title
        self.status = status
        self.detail = detail
        self.errors: dict[str, Any] = dict(errors or {})
        self.request_id = request_id
        self.problem: dict[str, Any] = dict(problem or {})
        self.retry_after = retry_after
        self.transient = transient
        self.maybe_applied = maybe_applied


class InvalidArgument(RegistryError, ValueError):
    """An argument or setting that cannot be sent. The message names it and says what to pass."""


class ConnectionFailed(RegistryError):
    """No answer: connection refused or reset, unknown host, invalid certificate."""


class TimedOut(ConnectionFailed):
    """No answer in time."""


class UnexpectedAnswer(RegistryError):
    """An answer that does not come from the registry: an HTML page, or JSON of an unknown shape."""


class Redirected(UnexpectedAnswer):
    """A redirect. It is not followed: the key would be sent to the target, and a POST would become a GET."""


class SecretLost(RegistryError):
    """A key was created, but the answer with its secret was lost. `api_key_id` is the key to revoke."""

    api_key_id: str = ""


class InvalidSignature(RegistryError):
    """A webhook with a wrong signature or time. The registry did not send it, or sent it earlier: do not act on it."""


class BadRequest(RegistryError):
    """400"""


class Unauthenticated(RegistryError):
    """401: no key, or one that is wrong, expired or revoked."""


class Forbidden(RegistryError):
    """403: the key's role does not allow this. `detail` names the role that does."""


class NotFound(RegistryError):
    """404"""


class MethodNotAllowed(RegistryError):
    """405"""


class Conflict(RegistryError):
    """409. `difference` is `{field: (current, sent)}` from `ensure_…`, else empty."""

    def __init__(self, message: str = "", **fields: Any) -> None:
        super().__init__(message, **fields)
        self.difference: dict[str, tuple[Any, Any]] = {}


class Blocked(Conflict):
    """409: a gate does not pass. Nothing was changed."""

    @property
    def gates(self) -> list[Verdict]:
        """The verdict of every gate, also of those that pass; `[]` from a server that does not send them."""
        from .gate_records import Verdict  # here, because `record` needs this module

        verdicts = self.problem.get("gates")
        return [Verdict.from_json(verdict) for verdict in verdicts] if isinstance(verdicts, list) else []


class Frozen(Conflict):
    """409: the environment is frozen, so it takes no deployments."""


class IdempotencyInProgress(RegistryError):
    """409: the first try of the same call is still running."""


class IdempotencyMismatch(RegistryError):
    """422: this idempotency key was used before with different content."""


class PreconditionFailed(RegistryError):
    """412: somebody else changed it since it was read."""


class TooLarge(RegistryError):
    """413: more than 1 MiB."""


class UnsupportedMediaType(RegistryError):
    """415"""


class RangeNotSatisfiable(RegistryError):
    """416: the file has no such part."""


class Validation(RegistryError):
    """422: `errors` names every bad field."""


class RegistryUnreachable(Validation):
    """422: the server has no way to the image registry."""


class RateLimited(RegistryError):
    """429"""


class ServerError(RegistryError):
    """5xx"""


class Internal(ServerError):
    """500"""


class Unavailable(ServerError):
    """502, 503, 504: the registry, its database or a proxy is down; or the image registry failed, which 502 may mean too."""


class InsufficientStorage(ServerError):
    """507"""


_PROBLEMS: list[tuple[str, int, type[RegistryError]]] = [
    ("bad-request", 400, BadRequest),
    ("unauthenticated", 401, Unauthenticated),
    ("forbidden", 403, Forbidden),
    ("not-found", 404, NotFound),
    ("method-not-allowed", 405, MethodNotAllowed),
    ("conflict", 409, Conflict),
    ("blocked", 409, Blocked),
    ("frozen", 409, Frozen),
    ("idempotency-in-progress", 409, IdempotencyInProgress),
    ("precondition-failed", 412, PreconditionFailed),
    ("too-large", 413, TooLarge),
    ("unsupported-media-type", 415, UnsupportedMediaType),
    ("range-not-satisfiable", 416, RangeNotSatisfiable),
    ("validation", 422, Validation),
    ("idempotency-mismatch", 422, IdempotencyMismatch),
    ("registry-unreachable", 422, RegistryUnreachable),
    ("rate-limited", 429, RateLimited),
    ("internal", 500, Internal),
    ("unavailable", 503, Unavailable),
    ("registry-failed", 502, Unavailable),
    ("insufficient-storage", 507, InsufficientStorage),
]
BY_TYPE: dict[str, type[RegistryError]] = {name: kind for name, _, kind in _PROBLEMS}
# Of several types with one status the first is the general one. 502 and 504 come from a proxy.
BY_STATUS: dict[int, type[RegistryError]] = {
    502: Unavailable,
    504: Unavailable,
    **{status: kind for _, status, kind in reversed(_PROBLEMS)},
}

TRANSIENT = frozenset({429, 500, 502, 503, 504})


def refusal(what: str, status: int, body: Any, headers: Mapping[str, str]) -> RegistryError:
    """Return the error for an answer that is not 2xx.

    `what` is the request (`POST /api/v1/versions`). `body` is the decoded JSON; None means that something in front of
    the registry answered, and the message does not repeat its page.
    """
    problem = body if isinstance(body, Mapping) else {}
    name = _text(problem.get("type"))
    name = name and name.rstrip("/").rpartition("/")[2]
    kind = BY_TYPE.get(name or "") or BY_STATUS.get(status) or (ServerError if status >= 500 else RegistryError)
    errors = problem.get("errors")
    request_id = _text(problem.get("request_id")) or headers.get("X-Request-ID")
    return kind(
        _sentence(what, status, problem, errors, request_id, headers),
        type=name,
        title=_text(problem.get("title")),
        status=status,
        detail=_text(problem.get("detail")),
        errors=errors if isinstance(errors, Mapping) else None,
        request_id=request_id,
        problem=problem,
        retry_after=seconds_until(headers.get("Retry-After")),
        transient=status in TRANSIENT or kind is IdempotencyInProgress,
        maybe_applied=status >= 500,
    )


def _sentence(
    what: str, status: int, problem: Mapping[str, Any], errors: Any, request_id: str | None, headers: Mapping[str, str]
) -> str:
    title = _text(problem.get("title")) or _phrase(status)
    if problem:
        detail = _text(problem.get("detail")) or ""
    else:
        content_type = headers.get("Content-Type", "").partition(";")[0].strip() or "an empty answer"
        detail = f"expected JSON but got {content_type}, so something in front of the registry answered."
    fields = "; ".join(f"{path}: {message}" for path, message in _flat(errors))
    request = f"({what}, request {request_id})" if request_id else f"({what})"
    return " ".join(part for part in (f"{status} {title}:", detail, f"[{fields}]" if fields else "", request) if part)


def _flat(errors: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(errors, Mapping):
        for key, inner in errors.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(errors, list):
        for inner in errors:
            yield from _flat(inner, path)
    elif errors is not None:
        yield path, str(errors)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def seconds_until(retry_after: str | None) -> float | None:
    """Return `Retry-After`, sent as seconds or as a date, in seconds from now; None for anything else."""
    text = (retry_after or "").strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):  # TypeError until Python 3.9
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())
