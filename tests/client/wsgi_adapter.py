"""The real application behind requests, without a socket: what is sent and what comes back is HTTP all the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse
from werkzeug.test import Client


class WSGIAdapter(BaseAdapter):
    """Mounted on a session, hands its requests to a WSGI application. `asked` holds them, oldest first."""

    def __init__(self, app: Callable[..., Any]) -> None:
        super().__init__()
        self._app = app
        self._build = HTTPAdapter().build_response  # requests' own way from urllib3's answer to a Response
        self.asked: list[requests.PreparedRequest] = []

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        self.asked.append(request)
        parts = urlsplit(str(request.url))
        with Client(self._app, use_cookies=False).open(
            parts.path,
            base_url=f"{parts.scheme}://{parts.netloc}/",
            query_string=parts.query,
            method=request.method,
            headers=list(request.headers.items()),
            data=request.body,
        ) as answer:
            raw = HTTPResponse(
                body=BytesIO(answer.get_data()),
                headers=HTTPHeaderDict(answer.headers.items()),
                status=answer.status_code,
                reason=answer.status.partition(" ")[2],
                preload_content=False,
            )
        return self._build(request, raw)

    def close(self) -> None:
        """Holds nothing open."""
