"""The columns that a person chose for a model's versions, kept in a cookie of the model's address.

The address of a page has the choice too, so that it can be shared; it is lost with the next visit. A cookie needs no table and
no request of its own, and the browser sends it with the pages of that model alone. What it names is looked up as an address's
`c` is.
"""

from urllib.parse import parse_qs, quote, urlencode

from flask import Response, request
from werkzeug.wrappers import Response as WerkzeugResponse

from catapult.web import addresses

COOKIE = "columns"
YEAR = 365 * 86_400
LONGEST = 3_500
"""Browsers keep 4,096 bytes of a cookie, its attributes included."""


def remembered_paths() -> list[str]:
    """Return the paths of metadata that were chosen for the model of this page."""
    text = request.cookies.get(COOKIE, "")
    try:
        return [path for path in parse_qs(text, max_num_fields=6).get("c", []) if "\x00" not in path]
    except ValueError:
        return []


def remembered(response: WerkzeugResponse, model_name: str, paths: list[str]) -> Response:
    """Return the response with the cookie that keeps these paths; without any, the default columns are back."""
    text = urlencode([("c", path) for path in paths])
    where = addresses.mounted(f"/models/{quote(model_name)}")
    if paths and len(text) <= LONGEST:
        response.set_cookie(COOKIE, text, YEAR, path=where, samesite="Lax", httponly=True, secure=request.is_secure)
    else:
        response.delete_cookie(COOKIE, path=where)
    return response  # type: ignore[return-value]
