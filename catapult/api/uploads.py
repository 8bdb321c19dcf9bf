"""`/api/v1/uploads`: resumable uploads by tus 1.0: a file in several requests, which continue where a connection broke.

The process for files answers all of these requests. Source: https://tus.io/protocols/resumable-upload.
"""

import binascii
import hashlib
import re
import time
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import datetime
from threading import Lock
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request
from werkzeug.http import http_date

from catapult.actions import uploads as actions
from catapult.errors import (
    BadRequest,
    ChecksumMismatch,
    Conflict,
    Invalid,
    Locked,
    PreconditionFailed,
    TooLarge,
    UnsupportedMediaType,
)
from catapult.extensions import current_settings, current_storage, db
from catapult.queries import uploads
from catapult.storage import BlobMissing, Storage
from catapult.tables import Role
from catapult.web import added_files, addresses, auth, incoming
from catapult.web.error_handlers import try_again
from catapult.web.incoming import Incoming, Received

VERSION = "1.0.0"
CHECKSUMS = {"sha1": hashlib.sha1, "md5": hashlib.md5, "sha256": hashlib.sha256}
ABOUT = {
    "Tus-Version": VERSION,
    "Tus-Extension": "creation,termination,checksum,expiration",
    "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
}
RENEW = 10.0
"""Seconds between renewals of the lease."""
KNOWN = 64
NUMBER = re.compile(r"[0-9]{1,18}")
blp = Blueprint("uploads", __name__, url_prefix="/api/v1/uploads")


class Hashes:
    """Running SHA-256 of recent uploads, so that the last request need not read the whole upload again."""

    def __init__(self) -> None:
        self._hashes = OrderedDict[UUID, tuple[int, Any]]()
        self._lock = Lock()

    def take(self, upload_id: UUID, offset: int) -> Any:
        """Return the running hash of the first `offset` bytes, or None if it is not known."""
        with self._lock:
            size, digest = self._hashes.pop(upload_id, (0, hashlib.sha256()))
        return digest if size == offset else None

    def put(self, upload_id: UUID, offset: int, digest: Any) -> None:
        """Remember the hash; beyond `KNOWN` of them, forget the oldest."""
        with self._lock:
            self._hashes[upload_id] = offset, digest
            if len(self._hashes) > KNOWN:
                self._hashes.popitem(last=False)


HASHES = Hashes()


@blp.before_request
def check_client() -> None:
    """Check the protocol's version and the publisher's key, which every request but OPTIONS needs."""
    if request.method != "OPTIONS":
        if request.headers.get("Tus-Resumable") != VERSION:
            raise PreconditionFailed(f"Send Tus-Resumable: {VERSION}. No other version of tus is supported.")
        g.actor = auth.authenticate()
        g.actor.needs(Role.PUBLISHER)


@blp.after_request
def add_version(response: Response) -> Response:
    response.headers["Tus-Resumable"] = VERSION
    response.headers["Cache-Control"] = "no-store"
    return response


@blp.route("", methods=["OPTIONS"], provide_automatic_options=False)
@blp.route("/<uuid:upload_id>", methods=["OPTIONS"], provide_automatic_options=False)
def describe(upload_id: UUID | None = None) -> Response:
    """Answer with the supported version and extensions of tus."""
    return Response(status=204, headers=ABOUT)


@blp.post("", provide_automatic_options=False)
def create() -> Response:
    """Create an upload. `Upload-Metadata` has `version_id`, `path` and, if known, `sha256` in hex and `filetype`."""
    metadata = _metadata()
    fields = {
        "size_bytes": _number("Upload-Length"),
        "version_id": _version_id(metadata),
        "path": metadata.get("path", ""),
        "sha256": _sha256(metadata),
        "media_type": metadata.get("filetype", "")[:255],
        "quota": current_settings().storage_quota,
    }
    upload = try_again(actions.create, actor=g.actor, **fields)
    answer = _answer(201, upload.expires_at)
    answer.headers["Location"] = addresses.mounted(f"/api/v1/uploads/{upload.id}")
    if upload.size_bytes == 0:
        _finish(current_storage(), upload, hashlib.sha256())
    return answer


@blp.route("/<uuid:upload_id>", methods=["HEAD"], provide_automatic_options=False)
def show(upload_id: UUID) -> Response:
    """Answer with the upload's offset and length."""
    upload = uploads.get(upload_id, g.actor.voice)
    db.session.remove()
    answer = _answer(200, upload.expires_at)
    answer.headers["Upload-Offset"] = str(_length(current_storage(), upload_id))
    answer.headers["Upload-Length"] = str(upload.size_bytes)
    return answer


@blp.patch("/<uuid:upload_id>", provide_automatic_options=False)
def write(upload_id: UUID) -> Response:
    """Append the body at `Upload-Offset`. After the last byte, `Location` is the address of the file."""
    if request.mimetype != "application/offset+octet-stream":
        raise UnsupportedMediaType("Send Content-Type: application/offset+octet-stream.")
    offset, checksum = _number("Upload-Offset"), _checksum()
    upload, storage = uploads.get(upload_id, g.actor.voice), current_storage()
    writer = actions.lock(upload_id)
    if writer is None:
        raise Locked("Another request is writing to this upload.", retry_after=1)
    try:
        db.session.remove()
        offset, digest = _write_body(storage, upload, offset, writer, checksum)
        answer = _answer(204, upload.expires_at)
        if offset == upload.size_bytes:
            answer.headers["Location"] = _finish(storage, upload, digest or _hash(storage, upload_id, writer))
        else:
            actions.renew(writer)
        answer.headers["Upload-Offset"] = str(offset)
        return answer
    finally:
        actions.unlock(writer)


@blp.delete("/<uuid:upload_id>", provide_automatic_options=False)
def cancel(upload_id: UUID) -> Response:
    """Cancel the upload and remove its bytes."""
    uploads.get(upload_id, g.actor.voice)
    if actions.lock(upload_id) is None:
        raise Locked("Another request is writing to this upload.", retry_after=1)
    current_storage().discard(upload_id.hex)
    actions.delete_row(upload_id)
    return Response(status=204)


def _write_body(
    storage: Storage, upload: Any, offset: int, writer: UUID, checksum: tuple[Any, bytes] | None
) -> tuple[int, Any]:
    """Write the body, and return the upload's new length, and the hash of all its bytes if that is known."""
    length = _length(storage, upload.id)
    if length != offset:
        raise Conflict(f"The upload has {length} bytes; send from there on.")
    digest = HASHES.take(upload.id, offset)
    digests = [each for each in (digest, checksum and checksum[0]) if each]
    remaining = upload.size_bytes - offset
    refusal = TooLarge(f"The upload has {upload.size_bytes} bytes, of which {remaining} are left.")
    body = Incoming(incoming.body(remaining, refusal), remaining, refusal, *digests)
    length = storage.write(upload.id.hex, offset, _renewing(body, writer))
    if checksum and checksum[0].digest() != checksum[1]:
        storage.cut(upload.id.hex, offset)
        raise ChecksumMismatch("The bytes that arrived have another checksum, so they were discarded.")
    if digest:
        HASHES.put(upload.id, length, digest)
    return length, digest


def _renewing(pieces: Iterable[bytes], writer: UUID) -> Iterator[bytes]:
    """Yield the pieces, and renew the lease every `RENEW` seconds."""
    at = time.monotonic() + RENEW
    for piece in pieces:
        if time.monotonic() > at:
            actions.renew(writer)
            db.session.remove()
            at = time.monotonic() + RENEW
        yield piece


def _hash(storage: Storage, upload_id: UUID, writer: UUID) -> Any:
    """Return the hash of the whole upload, read again: this process no longer knows it, or another process wrote the beginning."""
    digest = hashlib.sha256()
    for piece in _renewing(storage.written(upload_id.hex), writer):
        digest.update(piece)
    return digest


def _finish(storage: Storage, upload: Any, digest: Any) -> str:
    """Turn the upload into a file of its version, and return the file's address."""
    if upload.size_bytes == 0:
        storage.write(upload.id.hex, 0, [])
    if upload.sha256 not in (None, digest.digest()):
        storage.cut(upload.id.hex, 0)
        message = f"The file has the SHA-256 {digest.hexdigest()}, not the announced one. Upload it again."
        raise ChecksumMismatch(message)
    received = Received(storage, upload.id.hex, digest.hexdigest(), upload.size_bytes)
    artifact, _ = added_files.add(upload.version_id, upload.path, upload.media_type, received)
    actions.delete_row(upload.id)
    return addresses.mounted(f"/api/v1/artifacts/{artifact.id}")


def _length(storage: Storage, upload_id: UUID) -> int:
    try:
        return storage.length(upload_id.hex)
    except BlobMissing:  # nothing has arrived yet
        return 0


def _answer(status: int, expires_at: datetime) -> Response:
    return Response(status=status, headers={"Upload-Expires": http_date(expires_at)})


def _metadata() -> dict[str, str]:
    """Return the header `Upload-Metadata`: names and values in Base64, separated by commas."""
    pairs: dict[str, str] = {}
    for part in filter(None, request.headers.get("Upload-Metadata", "").split(",")):
        name, _, value = part.strip().partition(" ")
        try:
            pairs[name] = b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise BadRequest(f"Upload-Metadata: {name[:64]} is not text in UTF-8, in Base64.") from None
    return pairs


def _version_id(metadata: dict[str, str]) -> UUID:
    try:
        return UUID(metadata.get("version_id", ""))
    except ValueError:
        problem = "Name the version by its id, in Upload-Metadata."
        raise Invalid("The upload was not created.", errors={"version_id": [problem]}) from None


def _sha256(metadata: dict[str, str]) -> bytes | None:
    sent = metadata.get("sha256")
    if sent is None:
        return None
    if not re.fullmatch("[0-9a-f]{64}", sent):
        raise Invalid("The upload was not created.", errors={"sha256": ["Must be 64 hex digits in lower case."]})
    return bytes.fromhex(sent)


def _number(header: str) -> int:
    sent = request.headers.get(header, "")
    if not NUMBER.fullmatch(sent):
        raise BadRequest(f"Send {header}, a number of bytes.")
    return int(sent)


def _checksum() -> tuple[Any, bytes] | None:
    """Return a new hash, and its expected value after the body, from `Upload-Checksum`."""
    sent = request.headers.get("Upload-Checksum")
    if sent is None:
        return None
    name, _, value = sent.partition(" ")
    try:
        return CHECKSUMS[name](), b64decode(value, validate=True)
    except (KeyError, binascii.Error):
        raise BadRequest(
            f"Upload-Checksum: send one of {', '.join(CHECKSUMS)}, a blank, and the checksum in Base64."
        ) from None
