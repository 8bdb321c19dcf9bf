"""Exceptions as refusals, for both web doors: what the database said, what Flask refused, a fault of ours.

The one place where an exception becomes an answer. How a refusal looks is the door's: `app.py` chooses by the address.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from flask import Flask, Response, current_app, request
from sqlalchemy import exc
from werkzeug.exceptions import HTTPException

from catapult import audit, errors
from catapult.errors import Refusal, Unavailable
from catapult.extensions import db
from catapult.web import auth

EXTENSION = "catapult-answer"
TRIES = 3
COLLISIONS = ("40001", "40P01")
log = structlog.get_logger("catapult")

BY_STATUS: dict[int, type[Refusal]] = {
    400: errors.BadRequest,
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    409: errors.Conflict,
    412: errors.PreconditionFailed,
    413: errors.TooLarge,
    415: errors.UnsupportedMediaType,
    422: errors.Invalid,
    429: errors.RateLimited,
    503: errors.Unavailable,
    507: errors.InsufficientStorage,
}

LOCK_TIMEOUT = "55P03"
BUSY = Unavailable("The database is busy with other changes. Try again in a second.", retry_after=1)
DOWN = Unavailable("The database cannot be reached. Try again in two seconds.", retry_after=2)

BY_SQLSTATE: dict[str, Refusal] = {
    "40001": BUSY,  # serialization failure
    "40P01": BUSY,  # deadlock
    LOCK_TIMEOUT: BUSY,
    "25006": Unavailable("The database takes no changes now. Try again in two seconds.", retry_after=2),  # a standby
    "57014": Unavailable("The database took too long. Narrow the request, or try again.", retry_after=1),
    "53100": Unavailable("The database's disk is full. Whoever runs the registry must free space.", retry_after=60),
    "22P05": errors.Invalid("The body holds a character that PostgreSQL cannot store. Leave it out."),
    "22021": errors.Invalid("The body holds a character that PostgreSQL cannot store. Leave it out."),
    "22003": errors.Invalid("A number is out of the range that its field takes."),
    "22P02": errors.NotFound("There is nothing with this id; ids are UUIDs."),
    "54000": errors.Invalid("A text is longer than its field takes."),
    "54001": errors.Invalid("The JSON is nested too deep."),
}
"""What the database says by SQLSTATE, for what the schemas and constraints did not say before."""


def init_app(app: Flask, answer: Callable[[Refusal], Response]) -> None:
    """Every exception of this application becomes what `answer` makes of a refusal."""
    app.extensions[EXTENSION] = answer
    app.register_error_handler(Refusal, refused)
    app.register_error_handler(HTTPException, http)
    app.register_error_handler(exc.SQLAlchemyError, database)
    app.register_error_handler(Exception, crashed)


def try_again(view: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What the view gives. A transaction that PostgreSQL ended because of another one is tried three times in all."""
    for attempt in range(1, TRIES + 1):
        try:
            return view(*args, **kwargs)
        except exc.OperationalError as error:
            if sqlstate(error) not in COLLISIONS or attempt == TRIES:
                raise
            db.session.rollback()
    raise AssertionError("unreachable")


def refused(refusal: Refusal) -> Response:
    """What an action refused."""
    record(refusal)
    return _answer(refusal)


def record(refusal: Refusal) -> None:
    """The request's transaction is undone; sign-ins and roles that were refused are in the audit log."""
    db.session.rollback()
    if isinstance(refusal, errors.Unauthenticated | errors.Forbidden | errors.RateLimited):
        drain()
    try:
        auth.record_refusal(refusal)
    except exc.SQLAlchemyError as error:  # a refusal stays one, though it could not be recorded
        db.session.rollback()
        log.warning("refusal not recorded", error=type(error).__name__, request_id=auth.request_id())


def http(error: HTTPException) -> Response:
    """What Flask or Werkzeug refused: no such address, no such method, a body too large."""
    if error.response is not None or (error.code or 500) < 400:
        return error.get_response()  # type: ignore[return-value]
    kind = BY_STATUS.get(error.code or 500, errors.BadRequest if (error.code or 500) < 500 else errors.Internal)
    response = _answer(kind(_detail(error, kind)))
    response.headers.extend([pair for pair in error.get_headers() if pair[0] in ("Allow", "Retry-After")])
    return response


def database(error: exc.SQLAlchemyError) -> Response:
    """What the database said: down and busy are 503, the rest a refusal where one is known, else a fault of ours."""
    db.session.rollback()
    refusal = of_database(error)
    if refusal is None:
        return crashed(error)
    if isinstance(refusal, Unavailable):
        log.warning(
            "database",
            reason=refusal.detail,
            error=type(error).__name__,
            sqlstate=sqlstate(error),
            request_id=auth.request_id(),
        )
    return _answer(refusal)


def of_database(error: exc.SQLAlchemyError) -> Refusal | None:
    """The refusal that a database error means; None for a fault of ours."""
    if isinstance(error, exc.TimeoutError):
        return Unavailable("Every database connection is in use. Try again in a second.", retry_after=1)
    if isinstance(error, exc.IntegrityError):
        return _of_integrity(error)
    known = BY_SQLSTATE.get(sqlstate(error) or "")
    gone = isinstance(error, exc.OperationalError | exc.InterfaceError) or getattr(
        error, "connection_invalidated", False
    )
    return known or (DOWN if gone else None)


def _of_integrity(error: exc.IntegrityError) -> Refusal | None:
    try:
        return audit.refusal(error)
    except exc.IntegrityError:
        return errors.Invalid("A field is not valid.") if sqlstate(error) == "23514" else None


def sqlstate(error: BaseException) -> str | None:
    """The database's own code for the error, None where it gave none."""
    code: str | None = getattr(getattr(error, "orig", None), "pgcode", None)
    return code


def crashed(error: Exception) -> Response:
    """A fault of ours: the log has the cause, the client the request id to name it by."""
    log.error("fault", exc_info=error, request_id=auth.request_id(), path=request.path)
    return _answer(errors.Internal("Something went wrong here. Send the request_id to whoever runs this registry."))


def drain() -> None:
    """What the client still sends is read, within the limit: an answer before that would cut its connection."""
    with suppress(Exception):
        request.get_data(cache=False)


def _answer(refusal: Refusal) -> Response:
    made: Response = current_app.extensions[EXTENSION](refusal)
    return made


def _detail(error: HTTPException, kind: type[Refusal]) -> str:
    if kind is errors.NotFound:
        return "There is nothing at this address. /docs lists every address there is."
    if kind is errors.MethodNotAllowed:
        return f"{request.method} is not possible here. The Allow header names what is."
    if kind is errors.TooLarge:
        return "The body has more than 1 MiB. Store large things elsewhere and register their address."
    return error.description or kind.advice
