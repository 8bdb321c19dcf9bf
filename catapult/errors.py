"""What an action can refuse. No Flask and no HTTP here: a door turns a refusal into its own kind of answer.

Refusal
├── BadRequest                 400
├── Unauthenticated            401
├── Forbidden                  403
├── NotFound                   404
├── Conflict                   409
│   ├── Blocked                409   a gate said no
│   ├── Frozen                 409   the environment takes no deployments now
│   └── InProgress             409   the first request with this Idempotency-Key is still running
├── PreconditionFailed         412
├── TooLarge                   413
├── UnsupportedMediaType       415
├── Invalid                    422
│   └── IdempotencyMismatch    422
├── RateLimited                429
├── Unavailable                503
└── InsufficientStorage        507
"""

from collections.abc import Sequence
from typing import Any, ClassVar

Fields = dict[str, Any]
"""`{field: [message, …]}`; a nested field is a nested object."""


class Refusal(Exception):
    """Why something was not done. `detail` is one sentence that says what to do."""

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong here"
    status: ClassVar[int] = 500
    advice: ClassVar[str] = (
        "The fault is ours. Send the request_id to whoever runs this registry; the log holds the cause. "
        "Nothing was changed by this request unless an earlier answer said so."
    )

    def __init__(self, detail: str, *, errors: Fields | None = None, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors or {}
        self.retry_after = retry_after


class BadRequest(Refusal):
    code, title, status = "bad-request", "The request could not be read", 400
    advice = "Send a body that is valid JSON (RFC 8259, no NaN or Infinity) in UTF-8."


class Unauthenticated(Refusal):
    code, title, status = "unauthenticated", "A valid API key is needed", 401
    advice = (
        "Send the key as `X-API-Key: <key>` or `Authorization: Bearer <key>`. A key that is unknown, mistyped, expired or "
        "revoked gets this same answer; an administrator can make a new one with `flask keys create`."
    )


class Forbidden(Refusal):
    code, title, status = "forbidden", "The key's role does not allow this", 403
    advice = "Use a key with the role that the answer names, or ask an administrator for one."


class NotFound(Refusal):
    code, title, status = "not-found", "There is nothing here", 404
    advice = "Check the address and the id or name in it; what was deleted is not found either."


class MethodNotAllowed(Refusal):
    code, title, status = "method-not-allowed", "This address does not take that method", 405
    advice = "Use one of the methods in the `Allow` header."


class Conflict(Refusal):
    code, title, status = "conflict", "It conflicts with what is there", 409
    advice = "Read the thing again and decide: take another name, or undo what stands in the way first."


class Blocked(Conflict):
    """`gates` are the verdicts of all of them, those that let it through too."""

    code, title = "blocked", "A gate blocks this"
    advice = (
        "The answer's `gates` say what is missing. An administrator can pass them with `force` and a `reason`, which the audit "
        "log keeps."
    )

    def __init__(self, detail: str, *, gates: Sequence[Any] = ()) -> None:
        super().__init__(detail)
        self.gates = gates


class Frozen(Conflict):
    code, title = "frozen", "The environment is frozen"
    advice = "Wait until the freeze ends, or ask whoever froze it."


class InProgress(Conflict):
    code, title = "idempotency-in-progress", "The first request with this Idempotency-Key is still running"
    advice = "Send the same request again in a moment; it will get the first one's answer."


class PreconditionFailed(Refusal):
    code, title, status = "precondition-failed", "It was changed meanwhile", 412
    advice = "Read it again, look at what changed, and send your change with the new ETag in `If-Match`."


class TooLarge(Refusal):
    code, title, status = "too-large", "The body is too large", 413
    advice = "A body may have 1 MiB, metadata 64 KiB. Store large things elsewhere and register their address."


class UnsupportedMediaType(Refusal):
    code, title, status = "unsupported-media-type", "The body must be JSON", 415
    advice = "Send `Content-Type: application/json`, in UTF-8 and uncompressed."


class Invalid(Refusal):
    code, title, status = "validation", "Some fields are not valid", 422
    advice = "The answer's `errors` name every field at fault and what it takes."


class IdempotencyMismatch(Invalid):
    code, title = "idempotency-mismatch", "This Idempotency-Key was used for another request"
    advice = "Make a new key for each new request; use the same one only to send the same request again."


class RateLimited(Refusal):
    code, title, status = "rate-limited", "Too many requests", 429
    advice = "Wait as many seconds as `Retry-After` says."


class Internal(Refusal):
    code, title, status = "internal", Refusal.title, 500


class Unavailable(Refusal):
    code, title, status = "unavailable", "The registry can't answer right now", 503
    advice = "The database cannot be reached or is overloaded. Try again after as many seconds as `Retry-After` says."


class InsufficientStorage(Refusal):
    code, title, status = "insufficient-storage", "There is no space left", 507
    advice = "Whoever runs this registry must free or add disk space."


KINDS: dict[str, type[Refusal]] = {
    kind.code: kind
    for kind in (
        BadRequest,
        Unauthenticated,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        Conflict,
        Blocked,
        Frozen,
        InProgress,
        PreconditionFailed,
        TooLarge,
        UnsupportedMediaType,
        Invalid,
        IdempotencyMismatch,
        RateLimited,
        Internal,
        Unavailable,
        InsufficientStorage,
    )
}
