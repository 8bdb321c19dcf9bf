"""Turn every exception into a refusal: errors of the database, of Flask, and bugs.

`app.py` decides how a refusal looks: as a page or as a problem document.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import structlog
from flask import Flask, Response, current_app, request
from sqlalchemy import exc
from werkzeug.exceptions import HTTPException

from catapult import audit, errors
from catapult.errors import Refusal, Unavailable
from catapult.extensions import READ_ONLY, db
from catapult.queries.lists import prepared
from catapult.storage import StorageError, StorageFull
from catapult.web import auth, refusal_log

EXTENSION = "catapult-answer"
TOO_LARGE = "The body is larger than 1 MiB. Store large data elsewhere and register its address."
TRIES = 3
COLLISIONS = ("40001", "40P01")
log = structlog.get_logger("catapult")

BY_STATUS = {kind.status: kind for kind in reversed(errors.KINDS.values())}
"""The kind of refusal for each status: the first in `KINDS`, which is the general one."""

LOCK_TIMEOUT = "55P03"
INSUFFICIENT_PRIVILEGE = "42501"
BUSY = Unavailable("The database is busy with other changes. Try again in a second.", retry_after=1)
DOWN = Unavailable("The database cannot be reached. Try again in two seconds.", retry_after=2)
BAD_CHARACTER = errors.Invalid("The body contains a character that PostgreSQL cannot store. Remove it.")

BY_SQLSTATE: dict[str, Refusal] = {
    "40001": BUSY,  # serialization failure
    "40P01": BUSY,  # deadlock
    LOCK_TIMEOUT: BUSY,
    READ_ONLY: Unavailable("The database is read-only at the moment. Try again in two seconds.", retry_after=2),
    "57014": Unavailable("The database took too long. Narrow the request or try again.", retry_after=1),
    "53100": Unavailable(
        "The database's disk is full. Ask the operator of this registry to free space.", retry_after=60
    ),
    "22P05": BAD_CHARACTER,
    "22021": BAD_CHARACTER,
    "22003": errors.Invalid("A number is out of the range of its field."),
    "22P02": errors.NotFound("Nothing has this id. Ids are UUIDs."),
    "54000": errors.Invalid("A text is too long for its field."),
    "54001": errors.Invalid("The JSON is nested too deeply."),
}
"""Refusals by SQLSTATE, for what schemas and constraints do not catch."""


def init_app(app: Flask, answer: Callable[[Refusal], Response]) -> None:
    """Answer every exception of this application with `answer(refusal)`."""
    app.extensions[EXTENSION] = answer
    app.register_error_handler(Refusal, refused)
    app.register_error_handler(HTTPException, http)
    app.register_error_handler(exc.SQLAlchemyError, database)
    app.register_error_handler(StorageError, storage)
    app.register_error_handler(Exception, crashed)


def try_again(view: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return what the view returns.

    It is called up to three times if its transaction collided with another one, lost its prepared statement, or met a read-only
    connection, perhaps left over from a failover. The same connection is not used twice.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return view(*args, **kwargs)
        except exc.DBAPIError as error:
            if attempt == TRIES or not (sqlstate(error) in (*COLLISIONS, READ_ONLY) or prepared.is_lost(error)):
                raise
            db.session.rollback()
    raise AssertionError("unreachable")


def refused(refusal: Refusal) -> Response:
    """Answer a refusal by an action."""
    record(refusal)
    return _answer(refusal)


def record(refusal: Refusal) -> None:
    """Roll back, and record refused sign-ins and roles in the audit log."""
    db.session.rollback()
    if isinstance(refusal, errors.Unauthenticated | errors.Forbidden | errors.RateLimited):
        drain()
    try:
        refusal_log.record(refusal)
    except exc.SQLAlchemyError as error:  # the answer stays the same
        db.session.rollback()
        log.warning("refusal not recorded", error=type(error).__name__, request_id=auth.request_id())


def http(error: HTTPException) -> Response:
    """Answer an error of Flask or Werkzeug: unknown address, wrong method, body too large."""
    if error.response is not None or (error.code or 500) < 400:
        return error.get_response()  # type: ignore[return-value]
    code = error.code or 500
    kind = BY_STATUS.get(code, errors.BadRequest if code < 500 else errors.Internal)
    response = _answer(kind(_detail(error, kind)))
    response.headers.extend(
        [pair for pair in error.get_headers() if pair[0] in ("Allow", "Retry-After", "Content-Range")]
    )
    return response


def database(error: exc.SQLAlchemyError) -> Response:
    """Answer a database error: 503 if it is down or busy, another refusal if one is known, otherwise 500."""
    db.session.rollback()
    refusal = of_database(error)
    if refusal is None:
        return crashed(error)
    if isinstance(refusal, Unavailable):
        cause = {"error": type(error).__name__, "sqlstate": sqlstate(error)}
        log.warning("database", reason=refusal.detail, request_id=auth.request_id(), **cause)
    return _answer(refusal)


def storage(error: StorageError) -> Response:
    """Answer an error of the storage of files: 507 if it is full, else 503, with its location and the reason."""
    db.session.rollback()
    log.warning("storage", place=error.place, reason=error.reason, request_id=auth.request_id())
    if isinstance(error, StorageFull):
        return _answer(errors.InsufficientStorage(f"There is no room for files at {error.place} ({error.reason})."))
    detail = f"The storage of files cannot be used: {error.place}: {error.reason}. Try again in a few seconds."
    return _answer(Unavailable(detail, retry_after=5))


def of_database(error: exc.SQLAlchemyError) -> Refusal | None:
    """Return the refusal for a database error, or None for a bug."""
    if isinstance(error, exc.TimeoutError):
        return Unavailable("Every database connection is in use. Try again in a second.", retry_after=1)
    if isinstance(error, exc.IntegrityError):
        return _of_integrity(error)
    known = BY_SQLSTATE.get(sqlstate(error) or "")
    lost = isinstance(error, exc.OperationalError | exc.InterfaceError)
    return known or (DOWN if lost or getattr(error, "connection_invalidated", False) else None)


def _of_integrity(error: exc.IntegrityError) -> Refusal | None:
    try:
        return audit.refusal(error)
    except exc.IntegrityError:
        return errors.Invalid("A field is not valid.") if sqlstate(error) == "23514" else None


def sqlstate(error: BaseException) -> str | None:
    """Return the database's code for the error, or None."""
    return cast(str | None, getattr(getattr(error, "orig", None), "pgcode", None))


def crashed(error: Exception) -> Response:
    """Log a bug and answer 500 with the request id."""
    log.error("fault", exc_info=error, request_id=auth.request_id(), path=request.path)
    return _answer(errors.Internal("Something went wrong here. Send the request_id to the operator of this registry."))


def drain() -> None:
    """Read what the client still sends, within the limit: answering earlier would cut its connection."""
    with suppress(Exception):
        request.get_data(cache=False)


def _answer(refusal: Refusal) -> Response:
    return cast(Response, current_app.extensions[EXTENSION](refusal))


def _detail(error: HTTPException, kind: type[Refusal]) -> str:
    if kind is errors.NotFound:
        return "There is nothing at this address. /docs lists every address."
    if kind is errors.MethodNotAllowed:
        return f"This address does not support {request.method}. The Allow header lists the methods it supports."
    if kind is errors.TooLarge:
        return TOO_LARGE
    return error.description or kind.advice
