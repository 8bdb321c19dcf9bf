"""Logs: one line an event on standard error, as JSON unless it is a terminal. No secrets, bodies or query strings."""

import logging
import re
import sys
import threading
import time
from contextlib import suppress
from typing import Any, TextIO, cast
from urllib.parse import quote

import structlog
from flask import Response, g, has_request_context, request
from structlog import processors

from catapult.web import auth, traceparent

log = structlog.get_logger("catapult")
LONGEST = 512
KEY = re.compile(r"(cat_[A-Za-z0-9]{8})_[A-Za-z0-9]+")
"""An API key, even a mistyped one; the part before its second underscore may be shown."""


class LossyStream:
    """A stream that drops what it cannot write, so that requests go on when the disk is full or the reader is gone."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self.stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self.stream.flush()


def traced(_: Any, __: str, event: Any) -> Any:
    """Add the trace of the current request to the event."""
    if has_request_context():
        trace = traceparent.current()
        event |= {"trace_id": trace.trace_id, "span_id": trace.span_id}
    return event


STAMP = processors.TimeStamper(fmt="iso", utc=True)
SHARED: list[Any] = [traced, processors.add_log_level, STAMP, processors.format_exc_info]


def configure(level: str) -> None:
    """Make structlog and the standard library's loggers (gunicorn, alembic) write the same kind of line."""
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else processors.JSONRenderer()
    stream = cast(TextIO, LossyStream(sys.stderr))
    structlog.configure(
        processors=[*SHARED, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[remove, renderer], foreign_pre_chain=SHARED))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)


def log_what_nobody_catches() -> None:
    """Make warnings, and exceptions that end a thread or come from a destructor, lines of the log as well."""

    def write(caught: Any) -> None:
        log.error("fault", exc_info=(caught.exc_type, caught.exc_value, caught.exc_traceback))

    logging.captureWarnings(True)
    threading.excepthook = sys.unraisablehook = write


def start_clock() -> None:
    """For `before_request`: start the request's clock."""
    g.started = time.perf_counter()


def line(response: Response) -> Response:
    """For `after_request`: write the request's line."""
    actor = g.get("actor")
    rule = request.url_rule
    log.info(
        "request",
        request_id=auth.request_id(),
        key=actor.name if actor else None,
        client=request.remote_addr,
        method=request.method,
        path=_path(),
        route=rule.rule if rule else None,
        status=response.status_code,
        ms=round((time.perf_counter() - g.get("started", time.perf_counter())) * 1000, 2),
    )
    return response


def _path() -> str:
    """Return the path without its query, percent-encoded, with API keys masked, cut to `LONGEST` characters."""
    return KEY.sub(r"\1_***", quote(request.path, safe="/:@!$&'()*+,;=~"))[:LONGEST]
