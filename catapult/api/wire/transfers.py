"""The bytes of files in requests and answers. They flow in pieces, and no transaction is open meanwhile."""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from flask import Response, redirect, request

from catapult.errors import BadRequest, Invalid, Refusal
from catapult.extensions import current_settings, current_storage, db
from catapult.storage import Storage
from catapult.storage.folder import Folder
from catapult.web import file_bytes, incoming
from catapult.web.incoming import Received

DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):")
SECONDS = 60
"""For which an address at S3 may be used."""
BY_NGINX = "/-/files/"
"""nginx's own location of the storage's folder `blobs`."""
SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""What people uploaded never runs as this site."""


def receive(most: int, refusal: Refusal) -> Received:
    """Store the request's body. Raises Invalid if it is not what `Content-Digest` says, and `refusal` for more bytes than `most`.

    Nothing is stored then.
    """
    wanted = _wanted()
    received = incoming.store(incoming.body(most, refusal), most, refusal)
    try:
        _check_length(received.size)
        _check_digest(wanted, received.sha256)
    except BaseException:
        received.drop()
        raise
    return received


def _check_length(size: int) -> None:
    """Raise BadRequest if the client left before the end: gunicorn then ends the body as if it were whole."""
    if request.content_length not in (None, size):
        raise BadRequest(f"The body ended after {size} of {request.content_length} bytes. Send it again.")


def _check_digest(wanted: str | None, arrived: str) -> None:
    if wanted not in (None, arrived):
        message = f"The body that arrived has the SHA-256 {arrived}. Send it again."
        raise Invalid("The file was changed on its way.", errors={"Content-Digest": [message]})


def _wanted() -> str | None:
    """Return the SHA-256 in hex of the header Content-Digest (RFC 9530), or None. Raises Invalid for another form of it."""
    header = request.headers.get("Content-Digest")
    if header is None:
        return None
    match = DIGEST.search(header)
    if match is None:
        message = "Must have sha-256, as in sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:."
        raise Invalid("The file was not added.", errors={"Content-Digest": [message]})
    return b64decode(match[1]).hex()


class Seekable:
    """Bytes as Werkzeug reads a file: it may seek once, before the first piece. `read` gets the position, and opens them."""

    def __init__(self, read: Callable[[int], Iterator[bytes]]) -> None:
        self.read, self.position = read, 0
        self.pieces: Iterator[bytes] | None = None

    def seekable(self) -> bool:
        return True

    def seek(self, position: int) -> None:
        self.position = position

    def tell(self) -> int:
        return self.position

    def __iter__(self) -> "Seekable":
        return self

    def __next__(self) -> bytes:
        if self.pieces is None:
            self.pieces = self.read(self.position)
        return next(self.pieces)


def send(artifact: Any) -> Any:
    """Return the answer with the file, or with the part of it that was asked for. Raises what `file_bytes.reader` raises."""
    db.session.remove()
    read = file_bytes.reader(artifact)
    if artifact.mount_path:
        return _response(artifact, read)
    storage = current_storage()
    if elsewhere := _elsewhere(storage, artifact.sha256, _name(artifact), artifact.media_type):
        return redirect(elsewhere, 307)
    response = _response(artifact, read)
    if isinstance(storage, Folder) and current_settings().files_by_nginx and response.status_code in (200, 206):
        return _by_nginx(response, storage.name_of(artifact.sha256))
    return response


def _name(artifact: Any) -> str:
    return str(artifact.path.rpartition("/")[2])


def _response(artifact: Any, read: file_bytes.Read) -> Response:
    response = Response(
        Seekable(lambda start: read(start, None)), content_type=artifact.media_type, direct_passthrough=True
    )
    response.content_length = artifact.size_bytes
    response.set_etag(artifact.sha256)
    response.headers["Repr-Digest"] = f"sha-256=:{b64encode(bytes.fromhex(artifact.sha256)).decode()}:"
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(_name(artifact), safe='')}"
    response.headers["Content-Security-Policy"] = SANDBOX
    response.headers["Cache-Control"] = "private, no-cache, no-transform"
    response.make_conditional(request, accept_ranges=True, complete_length=artifact.size_bytes)
    return response


def _elsewhere(storage: Storage, sha256: str, name: str, media_type: str) -> str | None:
    """Return the address at S3 that the file is fetched from, if it is there; a page's images come from this site alone."""
    if current_settings().s3_proxy or request.headers.get("Sec-Fetch-Dest") == "image":
        return None
    return storage.address(sha256, SECONDS, name, media_type)


def _by_nginx(response: Response, name: str) -> Response:
    """Return the answer without the bytes: nginx reads them, and answers `Range` and `If-Range` itself."""
    response.direct_passthrough, response.status_code = False, 200
    response.set_data(b"")
    for header in ("Content-Range", "Content-Length"):
        response.headers.pop(header, None)
    response.headers["X-Accel-Redirect"] = f"{BY_NGINX}{name}"
    return response
