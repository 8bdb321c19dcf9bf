"""What an action can refuse. A door turns a refusal into its own kind of answer; Flask is not known here.

Refusal
├── BadRequest                 400
├── Unauthenticated            401
├── Forbidden                  403
├── NotFound                   404
├── Conflict                   409
│   ├── Blocked                409   a gate did not pass
│   ├── Frozen                 409   the environment accepts no deployments now
│   └── InProgress             409   the first request with this Idempotency-Key is still running
├── PreconditionFailed         412
├── TooLarge                   413
├── UnsupportedMediaType       415
├── RangeNotSatisfiable        416
├── Invalid                    422
│   ├── IdempotencyMismatch    422
│   └── RegistryUnreachable    422   this server has no way to the image registry
├── RateLimited                429
├── RegistryFailed             502   the image registry answered with an error or with rubbish
├── Unavailable                503
└── InsufficientStorage        507
"""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

Fields = dict[str, Any]
"""`{field: [message, …]}`; a nested field is a nested object."""


class Refusal(Exception):
    """Why something was not done. `detail` says what to do, in a sentence or two."""

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong here"
    status: ClassVar[int] = 500
    advice: ClassVar[str] = (
        "The fault is in Catapult. Send the request_id to whoever runs this registry: the log has the cause. "
        "This request changed nothing unless an earlier answer said so."
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
        "revoked gets this same answer; an administrator can create a new one with `flask keys create`."
    )


class Forbidden(Refusal):
    code, title, status = "forbidden", "The key's role does not allow this", 403
    advice = "Use a key with the role that the answer names, or ask an administrator for one."


class NotFound(Refusal):
    code, title, status = "not-found", "There is nothing here", 404
    advice = "Check the address and the id or name in it. Deleted things are not found either."


class MethodNotAllowed(Refusal):
    code, title, status = "method-not-allowed", "This address does not support that method", 405
    advice = "Use one of the methods in the `Allow` header."


class Conflict(Refusal):
    code, title, status = "conflict", "It conflicts with the current state", 409
    advice = "Read it again and decide: choose another name, or first undo what is in the way."


class Blocked(Conflict):
    """A gate did not pass. `gates` has the verdicts of all gates, those that passed too."""

    code, title = "blocked", "A gate blocks this"
    advice = (
        "The answer's `gates` say what is missing. An administrator can override them with `force` and a `reason`, which the "
        "audit log keeps."
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
    code, title, status = "precondition-failed", "It has changed meanwhile", 412
    advice = "Read it again, look at what changed, and send your change with the new ETag in `If-Match`."


class Locked(Refusal):
    code, title, status = "locked", "Somebody else writes to it", 423
    advice = "Try again after the number of seconds in `Retry-After`: the other request ends, or is given up."


class ChecksumMismatch(Refusal):
    code, title, status = "checksum-mismatch", "It was changed on its way", 460
    advice = "Ask for the upload's offset, and send from there on again. 460 is the status that tus has for it."


class TooLarge(Refusal):
    code, title, status = "too-large", "The body is too large", 413
    advice = "A body may have 1 MiB, metadata 256 KiB. Store larger content elsewhere and register its address."


class UnsupportedMediaType(Refusal):
    code, title, status = "unsupported-media-type", "The body must be JSON", 415
    advice = "Send `Content-Type: application/json`, in UTF-8 and uncompressed."


class RangeNotSatisfiable(Refusal):
    code, title, status = "range-not-satisfiable", "The file has no such part", 416
    advice = "`Content-Range` has the size of the file. Ask for a part that begins before its end."


class Invalid(Refusal):
    code, title, status = "validation", "Some fields are not valid", 422
    advice = "The answer's `errors` name every invalid field and what is valid."


class IdempotencyMismatch(Invalid):
    code, title = "idempotency-mismatch", "This Idempotency-Key was used for another request"
    advice = "Use a new key for each new request, and the same key only to repeat the same request."


class RegistryUnreachable(Invalid):
    code, title = "registry-unreachable", "This server cannot reach the image registry"
    advice = (
        "Resolve the tag yourself, and send `image` with the digest and `resolved_by_client`, as the SDK does; or let whoever "
        "runs this registry open the way."
    )


class RateLimited(Refusal):
    code, title, status = "rate-limited", "Too many requests", 429
    advice = "Wait for the number of seconds in `Retry-After`."


class Internal(Refusal):
    code, title, status = "internal", Refusal.title, 500


class RegistryFailed(Refusal):
    code, title, status = "registry-failed", "The image registry failed", 502
    advice = "The fault is in the image registry, or in what stands before it. Try again, or ask whoever runs it."


class Unavailable(Refusal):
    code, title, status = "unavailable", "The registry can't answer right now", 503
    advice = "The database cannot be reached or is overloaded. Try again after the number of seconds in `Retry-After`."


class InsufficientStorage(Refusal):
    code, title, status = "insufficient-storage", "There is no space left", 507
    advice = "Whoever runs this registry must free or add disk space."


def _kinds(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for child in kind.__subclasses__():
        yield child
        yield from _kinds(child)


KINDS: dict[str, type[Refusal]] = {kind.code: kind for kind in _kinds(Refusal)}
"""Every kind of refusal by its code."""
