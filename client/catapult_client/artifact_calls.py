"""Files of versions: `/api/v1/versions/{id}/artifacts` and `/api/v1/artifacts`, uploaded and downloaded completely and verified."""

from __future__ import annotations

import functools
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, TypeVar, cast
from urllib.parse import urlencode

import requests

from .calls import Calls, Failed, call, checked_key, identity, listing, warned
from .errors import ConnectionFailed, InvalidArgument, RegistryError
from .file_records import Artifact, MountFile
from .model_records import Version
from .progress import Position, shown
from .transport import Ask, Deadline, decoded
from .uploading import DAY, PIECE, TRIES, Uploader, sha256_of

PART = 1000  # entries of a folder at a time

Function = TypeVar("Function", bound=Callable[..., Any])


def transfer(method: Function) -> Function:
    """Decorate a method that sends or receives files: it has no time limit, and with `on_error="warn"` returns None."""

    @functools.wraps(method)
    def run(self: Calls[Any], *args: Any, **kwargs: Any) -> Any:
        if not self._warns:
            return method(self, *args, **kwargs)
        try:
            return method(self, *args, **kwargs)
        except Exception as fault:
            warned(method.__name__, fault)
            return None

    return cast(Function, run)


class ArtifactCalls(Calls[Failed]):
    """The methods of a Registry for the files of versions."""

    @listing
    def artifacts(
        self, version_id: str | uuid.UUID | Version | Failed, *, limit: int | None = None
    ) -> Iterator[Artifact]:
        """Return an iterator over the files of a version, by their paths. It raises NotFound (no such version)."""
        return self._pages(Artifact, _of(version_id), {"limit": limit})

    @call
    def get_artifact(self, artifact_id: str | uuid.UUID | Artifact | Failed) -> Artifact | Failed:
        """Return a file's facts. Raises NotFound."""
        return self._get(Artifact, _at(artifact_id))

    @call
    def delete_artifact(self, artifact_id: str | uuid.UUID | Artifact | Failed) -> None:
        """Remove a file from its version. Raises NotFound, Forbidden, Conflict (it is released or live)."""
        self._delete(_at(artifact_id), {}, None)

    @call
    def register_files(
        self, version_id: str | uuid.UUID | Version | Failed, mount_path: str, *, to: str = ""
    ) -> list[Artifact] | Failed:
        """Add a file on the registry's mount, or all files of a folder there, without copying them. Return the files.

        `mount_path` is relative to the mount, `to` the file's path in the version, or the one above a folder's files. They are
        `pending` until the registry has read them once. Raises NotFound, Validation (paths), Conflict.
        """
        key = {"Idempotency-Key": checked_key(None)}
        ask = Ask("POST", _of(version_id), {"mount_path": mount_path, "path": to}, key)
        rows = decoded(ask, self._send(ask))
        return [Artifact.from_json(row) for row in rows]

    @listing
    def mount_files(self, path: str = "") -> Iterator[MountFile]:
        """Return an iterator over the entries of a folder of the registry's mount, by name. It raises NotFound, Forbidden."""
        after = ""
        while True:
            ask = Ask("GET", f"/v1/storage/files?{urlencode({'path': path, 'after': after, 'limit': PART})}")
            rows = decoded(ask, self._send(ask))
            yield from map(MountFile.from_json, rows)
            if len(rows) < PART:
                return
            after = rows[-1]["path"].rpartition("/")[2]

    @transfer
    def upload(
        self,
        version_id: str | uuid.UUID | Version | Failed,
        path: str | os.PathLike[str],
        *,
        to: str | None = None,
        progress: bool = False,
    ) -> list[Artifact] | Failed:
        """Add a file, or all files of a folder, to a version, and return them. Existing equal files are not sent again.

        `to` is the file's path in the version, or the one above a folder's files; by default the file's name, or nothing.
        `progress` shows the progress on a terminal. Four files of a folder are sent at once. Files of 8 MiB or more resume after a
        broken connection, and for 24 hours after their process was ended. After a failure no other file is begun.
        Raises InvalidArgument (no such file), NotFound, Validation (path), Conflict (other content at that path, or a version
        that is released or live).
        """
        version, files = identity(version_id, "version_id"), _files(Path(path), to)

        def existing() -> dict[str, Artifact]:
            return {artifact.path: artifact for artifact in self.artifacts(version)}

        with shown(progress, _title("Uploading", len(files)), sum(file.stat().st_size for file, _ in files)) as tell:
            return Uploader(self._transport, self._time_limit, version, existing).send_all(files, tell)

    @transfer
    def download(
        self,
        version_id: str | uuid.UUID | Version | Failed,
        *,
        to: str | os.PathLike[str] = ".",
        progress: bool = False,
    ) -> list[Path] | Failed:
        """Download all files of a version into a folder, which is created, and return their paths.

        Each is received under another name, resumes after a broken connection, and gets its own name once its SHA-256 is correct.
        A file that exists with the same content is not loaded again. `progress` shows the progress on a terminal.
        Raises NotFound, Conflict (its bytes are gone).
        """
        artifacts = list(self.artifacts(version_id))
        total = sum(artifact.size_bytes or 0 for artifact in artifacts)
        with shown(progress, _title("Downloading", len(artifacts)), total) as tell:
            return [self._download(artifact, Path(to), Position(tell)) for artifact in artifacts]

    @transfer
    def download_artifact(
        self, artifact: str | uuid.UUID | Artifact | Failed, *, to: str | os.PathLike[str] = "."
    ) -> Path | Failed:
        """Download one file into a folder, as `download` does, and return its path. Raises NotFound, Conflict."""
        known = artifact if isinstance(artifact, Artifact) else self.get_artifact(artifact)
        return self._download(cast(Artifact, known), Path(to), Position(lambda count: None))

    def _download(self, artifact: Artifact, folder: Path, position: Position) -> Path:
        if artifact.sha256 is None:
            raise RegistryError(
                f"{artifact.path} is {artifact.state}: the registry has not read it yet. Try again later."
            )
        goal = folder.joinpath(*_segments(artifact.path))
        if goal.is_file() and goal.stat().st_size == artifact.size_bytes and sha256_of(goal).hex() == artifact.sha256:
            position.at(artifact.size_bytes)
            return goal
        goal.parent.mkdir(parents=True, exist_ok=True)
        part = goal.with_name(f".{goal.name[:200]}.{artifact.sha256[:12]}.part")
        failures = 0
        while True:
            before = part.stat().st_size if part.exists() else 0
            try:
                self._receive(artifact, part, position)
                break
            except (ConnectionFailed, requests.RequestException) as fault:
                failures = 0 if part.exists() and part.stat().st_size > before else failures + 1
                if failures >= TRIES:
                    raise _as_registry_error(artifact, fault) from None
        if sha256_of(part).hex() != artifact.sha256:
            part.unlink()
            raise RegistryError(
                f"{artifact.path} is not what the registry has: its SHA-256 differs. Download it again."
            )
        os.replace(part, goal)
        return goal

    def _receive(self, artifact: Artifact, part: Path, position: Position) -> None:
        """Receive the missing bytes of the file. Raises the errors of requests if the connection breaks."""
        size = part.stat().st_size if part.exists() else 0
        if size > 0 and size >= (artifact.size_bytes or 0):
            return
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if size:
            headers.update({"Range": f"bytes={size}-", "If-Range": f'"{artifact.sha256}"'})
        response = self._transport.send(
            Ask("GET", f"{_at(artifact)}/content", headers=headers, stream=True), Deadline(DAY)
        )
        if response.status_code == 307:  # the bytes are at S3, which has another ETag
            response.close()
            headers.pop("If-Range", None)
            response = self._transport.fetch(response.headers["Location"], headers)
        with response, part.open("ab" if response.status_code == 206 else "wb") as file:
            for piece in response.iter_content(PIECE):
                file.write(piece)
                position.at(file.tell())
            file.flush()
            os.fsync(file.fileno())


def _files(source: Path, to: str | None) -> list[tuple[Path, str]]:
    """Return the file, or the files of the folder, each with its path in the version. Raises InvalidArgument."""
    if source.is_dir():
        inside = sorted(file for file in source.rglob("*") if file.is_file())
        return [(file, "/".join([*([to] if to else []), *file.relative_to(source).parts])) for file in inside]
    if not source.is_file():
        raise InvalidArgument(f"There is no file or folder {source}.")
    return [(source, to or source.name)]


def _title(doing: str, count: int) -> str:
    return f"{doing} {count} {'file' if count == 1 else 'files'}"


def _as_registry_error(artifact: Artifact, fault: Exception) -> RegistryError:
    if isinstance(fault, RegistryError):
        return fault
    return ConnectionFailed(
        f"{artifact.path}: the connection broke {TRIES} times without progress ({type(fault).__name__})."
    )


def _segments(path: str) -> list[str]:
    """Return the parts of a file's path. Raises RegistryError for one that would leave the folder."""
    segments = path.split("/")
    if any(segment in ("", ".", "..") or "\\" in segment or ":" in segment for segment in segments):
        raise RegistryError("The registry has a file whose path leads out of the folder; nothing of it was written.")
    return segments


def _of(version_id: object) -> str:
    return f"/v1/versions/{identity(version_id, 'version_id')}/artifacts"


def _at(artifact_id: object) -> str:
    return f"/v1/artifacts/{identity(artifact_id, 'artifact_id')}"
