"""`create_app`: settings, extensions, doors, in the order they are needed."""

import time

import structlog
from flask import Flask, Request, Response, g, request
from flask.sessions import NullSession, SessionInterface
from flask_cors import CORS
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from catapult import (
    access,
    api,
    audit,
    commands,
    config,
    faults,
    logs,
    migrations,
    observing,
    pages,
    proxies,
    rates,
    tracing,
)
from catapult.actions import sessions
from catapult.api import idempotency, problems, registered_models
from catapult.config import Settings
from catapult.errors import Refusal
from catapult.extensions import THREADS, db, migrate, tend
from catapult.pages import errors as page_errors
from catapult.queries import plans

log = structlog.get_logger("catapult")
MAX_BODY = 1024 * 1024
SWEEP_EVERY = 600.0
SIGN_IN = "pages.sign_in.sign_in"

# Kept by the server, so that nothing a client does holds a connection or a lock for long.
LIMITS = "-c statement_timeout=15s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s -c timezone=UTC"

EXPOSED = [
    "Link",
    "ETag",
    "Location",
    "Retry-After",
    "X-Request-ID",
    "traceparent",
    "X-Total-Count",
    "Idempotency-Replayed",
    "Deprecation",
]

SECURITY = [
    (
        "Content-Security-Policy",
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]


def create_app(settings: Settings | None = None) -> Flask:
    """The application. Connects to nothing yet. Raises ConfigError, naming every setting that is missing or wrong."""
    settings = settings or config.load()
    app = Flask("catapult")
    app.session_interface = NoSessions()
    app.extensions["catapult"] = settings
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=MAX_BODY,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.database_url),
    )
    logs.configure(settings.log_level)
    db.init_app(app)
    with app.app_context():
        tend(db.engine)
        plans.listen(db.engine)
        observing.init_app(app, db.engine)
    migrate.init_app(app, db, directory=str(migrations.FOLDER))
    app.wsgi_app = proxies.Proxies(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    app.before_request(logs.start_clock)
    app.before_request(access.check_host)
    rates.init_app(app, settings)
    app.after_request(logs.line)  # after_request runs from the last to the first: the line knows all the rest
    app.after_request(_finish)
    faults.init_app(app, _answer)
    api.init_app(app)
    pages.init_app(app)
    commands.init_app(app)
    if settings.cors_origins:
        CORS(app, origins=list(settings.cors_origins), expose_headers=EXPOSED, max_age=600)
    return app


def _answer(refusal: Refusal) -> Response:
    """A page for people, a problem document for programs."""
    return page_errors.answer(refusal) if pages.answers_here() else problems.answer(refusal)


class NoSessions(SessionInterface):
    """Flask's cookie sessions are off: nothing here is kept in a cookie."""

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return NullSession()

    def is_null_session(self, obj: object) -> bool:
        return True


def engine_options(url: str) -> dict[str, object]:
    """One connection a thread and none more; a database that is gone is noticed within three seconds.

    What the address itself says of the connection goes before what we say.
    """
    said = make_url(url).query
    ours = {"connect_timeout": 2, "tcp_user_timeout": 900, "application_name": "catapult"}
    return {
        "pool_size": THREADS,
        "max_overflow": 0,
        "pool_timeout": 5,
        "pool_recycle": 1800,
        "hide_parameters": True,  # they are what people sent, and errors are logged
        "connect_args": {
            **{name: value for name, value in ours.items() if name not in said},
            "options": f"{LIMITS} {said.get('options', '')}".strip(),
        },
    }


def _finish(response: Response) -> Response:
    """What every answer has, and the bookkeeping that waits until the request's transaction has ended."""
    response.headers.extend([("X-Request-ID", access.request_id()), ("traceparent", str(tracing.current())), *SECURITY])
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.path.startswith("/api/"):
        response.headers["Cache-Control"] = "no-cache"
    if request.path.startswith(registered_models.OLD_PREFIX):
        registered_models.deprecated(response)
    if "actor" in g:
        rates.remember()
    if "actor" in g and response.status_code < 500:
        _keep_books()
    return response


def _keep_books() -> None:
    """The request is done: that its bookkeeping fails must not fail it."""
    try:
        access.touch()
        if request.endpoint == SIGN_IN:
            sessions.sweep()
        _sweep()
    except SQLAlchemyError as error:
        db.session.rollback()
        log.warning("bookkeeping failed", error=type(error).__name__, request_id=access.request_id())


_swept = time.monotonic()


def _sweep() -> None:
    """Every ten minutes the process forgets idempotent answers older than a day."""
    global _swept
    due = time.monotonic() - _swept > SWEEP_EVERY
    if due and audit.note(idempotency.sweep()) < idempotency.SWEEP:  # after a full portion the next request goes on
        _swept = time.monotonic()
