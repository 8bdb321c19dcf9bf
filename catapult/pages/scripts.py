"""The scripts of the pages as one file: a browser loads six files of a host at once, and each takes it longer than its bytes.

Their parts are static files, which nginx reads from the disk; what is joined is not.
"""

import hashlib
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, request, url_for

FOLDER = Path(__file__).parent.parent / "static"
FILES = ("catapult.js", "presses.js", "live.js", "files.js", "charts.js", "completions.js")
"""In the order in which they run. Each of the others uses what the first one gives to all."""
YEAR = 365 * 86_400
blp = Blueprint("scripts", __name__)


@blp.get("/scripts.js")
def all_scripts() -> Response:
    """All scripts. Their address changes with the content, so that browsers may keep them for a year."""
    response = Response(_joined(), mimetype="text/javascript")
    is_known = request.args.get("v") == _fingerprint()
    response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable" if is_known else "no-cache"
    response.set_etag(_fingerprint())
    return response


def address() -> str:
    """Return where a page loads its scripts from."""
    return url_for("pages.scripts.all_scripts", v=_fingerprint())


@cache
def _joined() -> str:
    return "\n".join((FOLDER / name).read_text() for name in FILES)


@cache
def _fingerprint() -> str:
    return hashlib.sha256(_joined().encode()).hexdigest()[:10]
