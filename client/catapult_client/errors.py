"""What can go wrong, as one tree. Each error prints as a sentence and carries what the registry said.

RegistryError
├── InvalidArgument (also a ValueError)    refused here, nothing was sent
├── ConnectionFailed                       no answer
│   └── TimedOut
├── UnexpectedAnswer                       an answer, but not the registry's
│   └── Redirected
├── SecretLost                             a key was made, and its secret never arrived
├── BadRequest, Unauthenticated, Forbidden, NotFound, MethodNotAllowed
├── Conflict
│   ├── Blocked
│   └── Frozen
├── IdempotencyInProgress, IdempotencyMismatch
├── PreconditionFailed, TooLarge, UnsupportedMediaType, Validation, RateLimited
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
    from .records import Verdict


class RegistryError(Exception):
    """The root: `except RegistryError` catches whatever the SDK raises.

    `type` is the problem's short name (`conflict`); `title`, `status`, `detail`, `errors` (`{field: [message, …]}`,
    nested fields as nested objects) and `request_id` are as the registry sent them; `problem` is its whole answer.
    All are None or empty where there was none. `retry_after` is in seconds. `transient`: trying again later may help.
    `maybe_applied`: the change may have taken effect all the same, because the answer to one of the tries was lost.
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
        super().__init__(message)  # the only positional argument, so that an error pickles across processes
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
    """A setting or an argument that cannot be sent; the message names it and the remedy."""


class ConnectionFailed(RegistryError):
    """No answer: refused, reset, no such host, a certificate that does not hold."""


class TimedOut(ConnectionFailed):
    """No answer in time."""


class UnexpectedAnswer(RegistryError):
    """An answer that is not the registry's: a page of HTML, a shape that the contract does not have."""


class Redirected(UnexpectedAnswer):
    """The address sends elsewhere. It is not followed: the key would go along, and a POST would become a GET."""


class SecretLost(RegistryError):
    """A key was made, but the answer that held its secret was lost on the way. `api_key_id` is what to revoke."""

    api_key_id: str = ""


class BadRequest(RegistryError):
    """400"""


class Unauthenticated(RegistryError):
    """401: no key, or one that is wrong, expired or revoked."""


class Forbidden(RegistryError):
    """403: the key's role does not allow this; the detail names the role that does."""


class NotFound(RegistryError):
    """404"""


class MethodNotAllowed(RegistryError):
    """405"""


class Conflict(RegistryError):
    """409. From `ensure_…`, `difference` is `{field: (there, sent)}`; else it is empty."""

    def __init__(self, message: str = "", **fields: Any) -> None:
        super().__init__(message, **fields)
        self.difference: dict[str, tuple[Any, Any]] = {}


class Blocked(Conflict):
    """409: a gate is not passed; nothing was changed."""

    @property
    def gates(self) -> list[Verdict]:
        """What every gate says, those that are passed too; `[]` from a server that does not tell."""
        from .records import Verdict  # not above: records raise these errors

        told = self.problem.get("gates")
        return [Verdict.from_json(one) for one in told] if isinstance(told, list) else []


class Frozen(Conflict):
    """409: the environment takes no deployments for now."""


class IdempotencyInProgress(RegistryError):
    """409: the first try of the same call is still running."""


class IdempotencyMismatch(RegistryError):
    """422: this idempotency key was used before, with other content."""


class PreconditionFailed(RegistryError):
    """412: somebody changed it since it was read."""


class TooLarge(RegistryError):
    """413: more than 1 MiB."""


class UnsupportedMediaType(RegistryError):
    """415"""


class Validation(RegistryError):
    """422: `errors` names every bad field."""


class RateLimited(RegistryError):
    """429"""


class ServerError(RegistryError):
    """5xx"""


class Internal(ServerError):
    """500"""


class Unavailable(ServerError):
    """502, 503, 504: the registry, its database or the way there is down."""


class InsufficientStorage(ServerError):
    """507"""


BY_TYPE: dict[str, type[RegistryError]] = {
    "bad-request": BadRequest,
    "unauthenticated": Unauthenticated,
    "forbidden": Forbidden,
    "not-found": NotFound,
    "method-not-allowed": MethodNotAllowed,
    "conflict": Conflict,
    "blocked": Blocked,
    "frozen": Frozen,
    "idempotency-in-progress": IdempotencyInProgress,
    "idempotency-mismatch": IdempotencyMismatch,
    "precondition-failed": PreconditionFailed,
    "too-large": TooLarge,
    "unsupported-media-type": UnsupportedMediaType,
    "validation": Validation,
    "rate-limited": RateLimited,
    "internal": Internal,
    "unavailable": Unavailable,
    "insufficient-storage": InsufficientStorage,
}

BY_STATUS: dict[int, type[RegistryError]] = {
    400: BadRequest,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    409: Conflict,
    412: PreconditionFailed,
    413: TooLarge,
    415: UnsupportedMediaType,
    422: Validation,
    429: RateLimited,
    500: Internal,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
    507: InsufficientStorage,
}

TRANSIENT = frozenset({429, 500, 502, 503, 504})


def refusal(what: str, status: int, body: Any, headers: Mapping[str, str]) -> RegistryError:
    """The error that an answer outside 2xx stands for.

    `what` is the request in words (`POST /api/v1/versions`), `body` the decoded JSON, or None where it was none: then
    something in front of the registry answered, and its page is not repeated here.
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
        said = _text(problem.get("detail")) or ""
    else:
        sort = headers.get("Content-Type", "").partition(";")[0].strip() or "nothing"
        said = f"the answer is no JSON but {sort}, so it comes from something in front of the registry."
    faults = "; ".join(f"{path}: {message}" for path, message in _flat(errors))
    asked = f"({what}, request {request_id})" if request_id else f"({what})"
    return " ".join(part for part in (f"{status} {title}:", said, f"[{faults}]" if faults else "", asked) if part)


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
    """`Retry-After` in seconds from now, whether it was sent as seconds or as a date; None for anything else."""
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
