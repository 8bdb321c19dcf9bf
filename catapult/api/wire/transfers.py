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
ADDRESS_SECONDS = 60
"""How long a presigned address at S3 is valid."""
BY_NGINX = "/-/files/"
"""nginx's internal location of the storage's folder `blobs`."""
SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""The policy of downloaded files, so that an uploaded page never runs as this site."""


def receive(most: int, refusal: Refusal) -> Received:
    """Store the request's body, or nothing after an error.

    Raises Invalid if its hash is not the one in `Content-Digest`, and `refusal` for more than `most` bytes.
    """
    announced = _announced_digest()
    received = incoming.store(incoming.body(most, refusal), most, refusal)
    try:
        _check_length(received.size)
        _check_digest(announced, received.sha256)
    except BaseException:
        received.drop()
        raise
    return received


def _check_length(size: int) -> None:
    """Raise BadRequest if the client disconnected before the end of the body: gunicorn reports that as a normal end."""
    if request.content_length not in (None, size):
        raise BadRequest(f"The body ended after {size} of {request.content_length} bytes. Send it again.")


def _check_digest(announced: str | None, arrived: str) -> None:
    if announced not in (None, arrived):
        message = f"The body that arrived has the SHA-256 {arrived}. Send it again."
        raise Invalid("The file was changed on its way.", errors={"Content-Digest": [message]})


def _announced_digest() -> str | None:
    """Return the SHA-256 in hex of the header Content-Digest (RFC 9530), or None. Raises Invalid if it has another form."""
    header = request.headers.get("Content-Digest")
    if header is None:
        return None
    match = DIGEST.search(header)
    if match is None:
        message = "Must have sha-256, as in sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:."
        raise Invalid("The file was not added.", errors={"Content-Digest": [message]})
    return b64decode(match[1]).hex()


class Seekable:
    """A file for Werkzeug to read, which may seek before the first piece. `read` opens the file at that position."""

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
    """Return the answer with the file, or with the requested range of it. Raises what `file_bytes.reader` raises."""
    db.session.remove()
    read = file_bytes.reader(artifact)
    if artifact.mount_path:
        return _response(artifact, read)
    storage = current_storage()
    if address := _s3_address(storage, artifact.sha256, _name(artifact), artifact.media_type):
        return redirect(address, 307)
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


def _s3_address(storage: Storage, sha256: str, name: str, media_type: str) -> str | None:
    """Return a presigned address if the file is in S3 and may be fetched from there, or None.

    The policy of the pages forbids images from other sites.
    """
    if current_settings().s3_proxy or request.headers.get("Sec-Fetch-Dest") == "image":
        return None
    return storage.address(sha256, ADDRESS_SECONDS, name, media_type)


def _by_nginx(response: Response, name: str) -> Response:
    """Return the answer without the bytes: nginx reads them, and answers `Range` and `If-Range` itself."""
    response.direct_passthrough, response.status_code = False, 200
    response.set_data(b"")
    for header in ("Content-Range", "Content-Length"):
        response.headers.pop(header, None)
    response.headers["X-Accel-Redirect"] = f"{BY_NGINX}{name}"
    return response
