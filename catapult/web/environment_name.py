"""The name of an environment in the addresses of the API and of the pages."""

from flask import Flask
from werkzeug.routing import BaseConverter

from catapult.tables import RESERVED_SEGMENTS


class EnvironmentName(BaseConverter):
    """An environment's name in an address, of one or more segments; the words after a name are none of them.

    It is not checked any further: whoever sends a wrong one is told what is wrong with it.
    """

    part_isolating = False
    regex = rf"[^/]+(?:/(?!(?i:{'|'.join([*RESERVED_SEGMENTS, '-'])})(?:/|$))[^/]+)*"


def init_app(app: Flask) -> None:
    """Let routes have `<environment:name>`."""
    app.url_map.converters["environment"] = EnvironmentName
