"""Logs: one line an event on standard error, JSON unless that is a terminal. Never a secret, never a body."""

import logging
import sys
import time
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog
from flask import Response, g, has_request_context, request

from catapult.web import auth, traceparent

log = structlog.get_logger("catapult")


class Losing:
    """A stream on which what cannot be written is lost: whoever read it is gone, or its disk is full, and requests go on."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self.stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self.stream.flush()


def traced(_: Any, __: str, event: Any) -> Any:
    """What is logged within a request says in which trace."""
    if has_request_context():
        trace = traceparent.current()
        event |= {"trace_id": trace.trace_id, "span_id": trace.span_id}
    return event


SHARED: list[Any] = [
    traced,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def configure(level: str) -> None:
    """structlog and the standard library's loggers (gunicorn, alembic) write the same kind of line."""
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    stream = cast(TextIO, Losing(sys.stderr))
    structlog.configure(
        processors=[*SHARED, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=[remove, renderer], foreign_pre_chain=SHARED),
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)


def start_clock() -> None:
    """For `before_request`: the request's time begins."""
    g.started = time.perf_counter()


def line(response: Response) -> Response:
    """For `after_request`: the request's one line."""
    actor = g.get("actor")
    rule = request.url_rule
    log.info(
        "request",
        request_id=auth.request_id(),
        key=actor.name if actor else None,
        method=request.method,
        route=rule.rule if rule else None,
        status=response.status_code,
        ms=round((time.perf_counter() - g.get("started", time.perf_counter())) * 1000, 2),
    )
    return response
