"""Refusals as RFC 9457 problem documents."""

import json
from typing import Any

from flask import Response, request

from catapult.contract.control import VerdictOut
from catapult.errors import Blocked, Refusal
from catapult.web import addresses, auth

MEDIA_TYPE = "application/problem+json"


def answer(refusal: Refusal) -> Response:
    """Return the problem document."""
    body: dict[str, Any] = {
        "type": addresses.mounted(f"/docs/errors/{refusal.code}"),
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "instance": addresses.mounted(request.path),
        "request_id": auth.request_id(),
    }
    if refusal.errors:
        body["errors"] = refusal.errors
    if isinstance(refusal, Blocked):
        body["gates"] = [json.loads(VerdictOut.encode(verdict)) for verdict in refusal.gates]
    response = Response(json.dumps(body), refusal.status, content_type=MEDIA_TYPE)
    if refusal.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="catapult"'
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response
