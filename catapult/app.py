"""`create_app`: settings, extensions and doors, in the order they are needed."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import structlog
from flask import Flask, Request, Response, g, request
from flask.sessions import NullSession, SessionInterface
from flask_cors import CORS
from sqlalchemy.exc import SQLAlchemyError

from catapult import api, commands, config, mlflow, pages
from catapult.api import registered_models
from catapult.api.wire import problems
from catapult.config import Settings
from catapult.errors import Refusal
from catapult.extensions import FILES, check_connections, db, engine_options, migrate
from catapult.mlflow.wire import refusals
from catapult.pages.parts import error_pages as page_errors
from catapult.queries import schema_version
from catapult.queries.lists import prepared
from catapult.storage.file_client import Files, over_tcp
from catapult.web import (
    auth,
    compression,
    environment_name,
    error_handlers,
    forwarded,
    metrics,
    origin,
    rate_limit,
    request_log,
    responses,
)

log = structlog.get_logger("catapult")
MAX_BODY = 1024 * 1024

EXPOSED = [
    *("Link", "ETag", "Location", "Retry-After", "X-Request-ID", "traceparent", "X-Total-Count", "X-Set-Aside"),
    *("Tus-Resumable", "Tus-Version", "Tus-Extension", "Upload-Offset", "Upload-Length", "Upload-Expires"),
    *("Idempotency-Replayed", "Deprecation", responses.KEY_EXPIRES),
]


def create_app(settings: Settings | None = None) -> Flask:
    """Return the application, not yet connected to anything. Raises ConfigError, naming every setting that is wrong."""
    settings = settings or config.load()
    app = Application("catapult")
    app.session_interface = NoSessions()
    app.extensions["catapult"] = settings
    if settings.files_url:
        address = urlsplit(settings.files_url)
        app.extensions[FILES] = Files(over_tcp(str(address.hostname), int(address.port or 80)), settings.secret_key)
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=MAX_BODY,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.database_url),
    )
    request_log.configure(settings.log_level)
    db.init_app(app)
    with app.app_context():
        check_connections(db.engine)
        prepared.listen(db.engine)
        metrics.init_app(app, db.engine)
    migrate.init_app(app, db, directory=str(schema_version.FOLDER))
    app.wsgi_app = forwarded.Proxies(  # type: ignore[method-assign]
        app.wsgi_app, settings.trusted_proxies, settings.public_url
    )
    app.before_request(request_log.start_clock)
    app.before_request(origin.check_host)
    rate_limit.init_app(app, settings)
    app.after_request(request_log.line)  # after_request runs last to first: the line sees the final answer
    app.after_request(_finish)
    compression.init_app(app)
    error_handlers.init_app(app, _answer)
    environment_name.init_app(app)
    api.init_app(app)
    mlflow.init_app(app)
    pages.init_app(app)
    commands.init_app(app)
    if settings.cors_origins:
        CORS(app, origins=list(settings.cors_origins), expose_headers=EXPOSED, max_age=600)
    return app


def _answer(refusal: Refusal) -> Response:
    """Return a page for people, a problem document for programs, and what clients of MLflow understand for these."""
    if refusals.is_mlflow_request():
        return refusals.answer(refusal)
    return page_errors.answer(refusal) if pages.answers_here() else problems.answer(refusal)


class Application(Flask):
    """Flask that does not look, at each call, whether a function is asynchronous: none is."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


class NoSessions(SessionInterface):
    """Turns Flask's cookie sessions off; sessions are rows of the database."""

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return NullSession()

    def is_null_session(self, obj: object) -> bool:
        return True


def _finish(response: Response) -> Response:
    """For `after_request`: add common headers, then do the bookkeeping that waits for the end of the transaction."""
    responses.add_headers(response)
    if request.path.startswith(registered_models.OLD_PREFIX):
        registered_models.deprecated(response)
    if "actor" in g:
        rate_limit.remember()
    if response.status_code < 500:
        _keep_books()
    return response


def _keep_books() -> None:
    """Record the use of keys and sessions. A failure is logged and does not fail the request."""
    try:
        if "actor" in g:
            auth.touch()
    except SQLAlchemyError as error:
        db.session.rollback()
        log.warning("bookkeeping failed", error=type(error).__name__, request_id=auth.request_id())
