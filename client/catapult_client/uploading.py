"""Upload files to the registry: small ones whole, large ones in parts by tus, which resume after a failure.

A begun upload is remembered in the user's cache folder, so that a restarted process resumes it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Callable, TypeVar
from urllib.parse import quote

import requests

from .errors import Conflict, NotFound, RegistryError, UnexpectedAnswer
from .file_part import FilePart
from .file_records import Artifact
from .progress import Position, Tell
from .transport import Ask, Deadline, Transport, decoded, pause

PIECE = 1024 * 1024
SMALL = 8 * 1024 * 1024  # files of fewer bytes are sent whole
PART = 64 * 1024 * 1024
PROBE = 64 * 1024  # a small part after one that failed, in case the registry refuses it, too
AT_ONCE = 4  # files of a folder; the registry transfers as many at once
DAY = 86_400.0  # seconds of one file, with all its tries
TRIES = 8  # without a byte of progress in between
LOCKED = 423
TUS = {"Tus-Resumable": "1.0.0"}
T = TypeVar("T")


class Stopped(RegistryError):
    """Another file failed, so this upload was stopped."""


class Uploader:
    """Sends files to one version. `existing` returns the files that it has, by their paths."""

    def __init__(
        self, transport: Transport, time_limit: float, version_id: str, existing: Callable[[], Mapping[str, Artifact]]
    ) -> None:
        self._transport, self._time_limit = transport, time_limit
        self._version_id, self._existing = version_id, existing
        self._stop = threading.Event()

    def send_all(self, files: Sequence[tuple[Path, str]], tell: Tell) -> list[Artifact]:
        """Return the files' artifacts, in the same order. After a failure no other file is begun, and the error is raised."""
        has_large = any(file.stat().st_size >= SMALL for file, _ in files)
        existing = self._existing() if has_large else {}

        def send(file: Path, name: str) -> Artifact:
            return self._send(file, name, existing, Position(self._stoppable(tell)))

        with ThreadPoolExecutor(AT_ONCE, "catapult-upload") as pool:
            running = [pool.submit(send, *each) for each in files]
            try:
                done, _ = wait(running, return_when=FIRST_EXCEPTION)
            finally:
                self._stop.set()
                for each in running:
                    each.cancel()
        return [each.result() for each in running if each in done]

    def _stoppable(self, tell: Tell) -> Tell:
        def checked(count: int) -> None:
            self._wait(0)
            tell(count)

        return checked

    def _wait(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped("Given up, as another file failed.")

    def _send(self, file: Path, name: str, existing: Mapping[str, Artifact], position: Position) -> Artifact:
        size, digest = file.stat().st_size, sha256_of(file)
        if size < SMALL:
            return self._send_whole(file, name, size, digest, position)
        return _same(existing, name, digest, size, position) or self._send_in_parts(file, name, size, digest, position)

    def _send_whole(self, file: Path, name: str, size: int, digest: bytes, position: Position) -> Artifact:
        headers = {
            "Content-Digest": f"sha-256=:{_base64(digest)}:",
            "Content-Type": "application/octet-stream",
        }
        path = f"/v1/versions/{self._version_id}/artifacts/{quote(name, safe='/')}"
        ask = Ask("PUT", path, headers=headers, file=FilePart(file, 0, size, position.at))
        return Artifact.from_json(decoded(ask, self._transport.send(ask, Deadline(DAY))))

    def _send_in_parts(self, file: Path, name: str, size: int, digest: bytes, position: Position) -> Artifact:
        begun = BegunUpload(self._transport.root, self._version_id, name, size, digest.hex())
        for is_last in (False, True):
            upload = begun.read() or self._begin(name, size, digest)
            begun.write(upload)
            try:
                artifact_id = self._resume(upload, file, size, position)
            except NotFound:  # it has ended, perhaps because the answer to its last part was lost
                begun.forget()
                same = _same(self._existing(), name, digest, size, position)
                if same:
                    return same
                if is_last:
                    raise
            else:
                begun.forget()
                ask = Ask("GET", f"/v1/artifacts/{artifact_id}")
                return Artifact.from_json(decoded(ask, self._transport.send(ask, Deadline(self._time_limit))))
        raise AssertionError("unreachable")

    def _begin(self, name: str, size: int, digest: bytes) -> str:
        fields = {"version_id": self._version_id, "path": name, "sha256": digest.hex()}
        metadata = ",".join(f"{key} {_base64(value.encode())}" for key, value in fields.items())
        headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": metadata}
        ask = Ask("POST", "/v1/uploads", headers=headers)
        return _id_in(ask, self._transport.send(ask, Deadline(self._time_limit)))

    def _resume(self, upload: str, file: Path, size: int, position: Position) -> str:
        """Send the missing bytes and return the id of the new artifact. Raises NotFound if the upload has ended."""
        offset: int | None = None
        furthest, failures, longest = -1, 0, PART
        while True:
            try:
                if offset is None:
                    offset = self._offset(upload)
                if offset > furthest:
                    furthest, failures = offset, 0
                position.at(offset)
                length = min(size - offset, longest)
                ask, response = self._patch(upload, FilePart(file, offset, length, position.at))
            except RegistryError as fault:
                failures += fault.status != LOCKED
                if failures >= TRIES or not self._may_resume(fault, upload, offset):
                    raise
                self._wait(pause(max(failures, 1), fault.retry_after))
                offset, longest = None, PROBE
            else:
                longest = PART
                if "Location" in response.headers:
                    return _id_in(ask, response)
                offset = _offset_in(ask, response)

    def _may_resume(self, fault: RegistryError, upload: str, offset: int | None) -> bool:
        if isinstance(fault, Conflict):  # of the offset, or of the file that the upload would become
            return self._offset(upload) != offset
        return fault.transient or fault.status == LOCKED

    def _offset(self, upload: str) -> int:
        ask = Ask("HEAD", f"/v1/uploads/{upload}", headers=TUS)
        return _offset_in(ask, self._transport.send(ask, Deadline(self._time_limit)))

    def _patch(self, upload: str, part: FilePart) -> tuple[Ask, requests.Response]:
        headers = {**TUS, "Upload-Offset": str(part.start), "Content-Type": "application/offset+octet-stream"}
        ask = Ask("PATCH", f"/v1/uploads/{upload}", headers=headers, file=part)
        return ask, self._transport.send(ask, Deadline(DAY), retries=0)


class BegunUpload:
    """The id of a begun upload, in a file whose name is the hash of its content and target. It has no secret.

    A folder that cannot be written to is not an error: a later process then begins again.
    """

    def __init__(self, *of: object) -> None:
        self._name = hashlib.sha256("\n".join(map(str, of)).encode()).hexdigest()

    def read(self) -> str | None:
        """Return the id, or None."""
        with suppress(OSError, ValueError, RuntimeError):
            upload = self._file().read_text("ascii")
            return upload if re.fullmatch(r"[0-9a-f-]{36}", upload) else None
        return None

    def write(self, upload: str) -> None:
        """Save the id."""
        with suppress(OSError, ValueError, RuntimeError):
            file = self._file()
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as text:
                text.write(upload)

    def forget(self) -> None:
        """Remove the file."""
        with suppress(OSError, ValueError, RuntimeError):
            self._file().unlink()

    def _file(self) -> Path:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        return cache / "catapult" / "uploads" / self._name


def sha256_of(file: Path) -> bytes:
    """Return the SHA-256 of the file."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while piece := content.read(PIECE):
            digest.update(piece)
    return digest.digest()


def _same(existing: Mapping[str, Artifact], name: str, digest: bytes, size: int, position: Position) -> Artifact | None:
    """Return the file if the version has it undamaged with that content. Sending a damaged one again repairs it."""
    artifact = existing.get(name)
    if artifact is None or artifact.sha256 != digest.hex() or artifact.state != "ready":
        return None
    position.at(size)
    return artifact


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _id_in(ask: Ask, response: requests.Response) -> str:
    """Return the id at the end of the answer's Location."""
    resource_id = response.headers.get("Location", "").rpartition("/")[2]
    if not re.fullmatch(r"[0-9a-f-]{36}", resource_id):
        raise UnexpectedAnswer(f"{ask}: the answer has no Location of the registry's.", status=response.status_code)
    return resource_id


def _offset_in(ask: Ask, response: requests.Response) -> int:
    text = response.headers.get("Upload-Offset", "")
    if not re.fullmatch("[0-9]{1,18}", text):
        raise UnexpectedAnswer(f"{ask}: the answer has no Upload-Offset.", status=response.status_code)
    return int(text)
