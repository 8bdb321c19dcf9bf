"""Answers of the process for files to the registry's own processes (`storage/file_client.py`), which have its token."""

import hmac
import json
from collections.abc import Callable
from typing import Any

from catapult.server.file_hashing import FileHashing
from catapult.server.file_watch import FileWatch
from catapult.storage import Storage, StorageError
from catapult.storage.file_client import Refused
from catapult.storage.mount import Mount

ADDRESS = b"/internal/files/"
Answer = tuple[int, dict[str, Any]]


class FileQuestions:
    """The questions by their names. Each gets the values of the request and returns the answer."""

    def __init__(self, token: str, watch: FileWatch, storage: Storage, mount: Mount | None) -> None:
        self._token, self.watch, self.storage, self.mount = token, watch, storage, mount
        hashing = FileHashing(storage, mount)
        self.questions: dict[str, Callable[..., dict[str, Any]]] = {
            "state": watch.state,
            "discard": self.discard,
            "folder": self.folder,
            "files": self.files,
            "hash-blob": hashing.blob,
            "hash-file": hashing.file,
        }

    def discard(self, upload: str) -> dict[str, Any]:
        """Remove the bytes of an upload."""
        self.storage.discard(upload)
        return {}

    def folder(self, path: str, after: str, most: int) -> dict[str, Any]:
        """Return the entries of a folder of the mount."""
        return {"entries": self._mount().entries(path, after, most)}

    def files(self, path: str) -> dict[str, Any]:
        """Return the file, or all files below the folder."""
        return {"files": self._mount().files(path)}

    def _mount(self) -> Mount:
        if self.mount is None:
            raise Refused("No mount is set here (CEPH_MOUNT_PATH), from which files could be registered.")
        return self.mount

    def answer(self, path: str, authorization: str, body: bytes) -> Answer:
        """Return the status and the answer: 403 without the token, 503 for a storage that fails, 422 for what is not allowed."""
        if not hmac.compare_digest(authorization.encode(), f"Bearer {self._token}".encode()):
            return 403, {}
        name = path.rpartition("/")[2]
        question = self.questions.get(name)
        if question is None:
            return 404, {}
        if name != "state" and self.watch.hangs():
            return 503, {"place": "the storage of files", "reason": str(self.watch.state()["reason"])}
        try:
            return 200, question(**json.loads(body))
        except StorageError as error:
            return 503, {"place": error.place, "reason": error.reason}
        except Refused as refusal:
            return 422, {"refused": str(refusal)}


def is_question(received: bytes) -> bool:
    """Return whether the request, whose head has arrived, is one of the registry's own."""
    return received.startswith(b"POST " + ADDRESS)


def response(status: int, answer: dict[str, Any]) -> bytes:
    """Return the answer as it is sent."""
    body = json.dumps(answer).encode()
    return b"HTTP/1.1 %d -\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (
        status,
        len(body),
        body,
    )
