"""The name of an environment in the addresses of the API and of the pages."""

from flask import Flask
from werkzeug.routing import BaseConverter

from catapult.tables import RESERVED_SEGMENTS


class EnvironmentName(BaseConverter):
    """An environment's name in a URL: one or more segments, without the reserved ones that follow a name.

    It is not checked further here, so that an invalid name gets an error that explains it.
    """

    part_isolating = False
    regex = rf"[^/]+(?:/(?!(?i:{'|'.join([*RESERVED_SEGMENTS, '-'])})(?:/|$))[^/]+)*"


def init_app(app: Flask) -> None:
    """Let routes have `<environment:name>`."""
    app.url_map.converters["environment"] = EnvironmentName
