"""The addresses that `flask files` answers: files and probes. nginx sends it nothing else, but others may."""

import re

from flask import Flask, request

from catapult.errors import NotFound
from catapult.web.origin import PROBES

FILES = re.compile(
    r"/api/v1/(versions/[^/]+/artifacts/.+|artifacts/[^/]+/content|uploads(/[^/]*)?)|/artifacts/[^/]+/preview"
    r"|/models/.+/versions/[^/]+/-/files"
)


def init_app(app: Flask) -> None:
    app.before_request(_refuse_the_rest)


def _refuse_the_rest() -> None:
    if request.path not in PROBES and not FILES.fullmatch(request.path):
        raise NotFound("This server serves the files of versions alone. Ask the registry.")
