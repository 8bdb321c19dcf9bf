"""Blobs in a bucket of S3: Ceph's gateway, AWS or any other that speaks it. Needs the extra `s3`.

An upload is one key, `uploads/{upload}`, and one multipart upload of that key:

- The parts have its first bytes. S3 cannot read parts before they are joined, and allows only the last to be below 5 MiB.
  Two are sent at once, but a part's last bytes only when the bucket has the part before it: the parts never have a gap, not
  even after a kill. A part beyond a gap would count as the next one when the upload goes on with smaller parts.
- The object at the key has the bytes after them. Its metadata `after` is the offset of its first byte in the upload.

A new part may overlap the object; the upload ends where the longer of the two ends. Reading or finishing joins the parts and the
rest into one object at the same key, whose `after` is 0. Finishing copies that to the blob's name, which becomes visible only when
it is complete, and then removes it. So a process may be killed between any two calls.

Ceph ignores conditions and SHA-256 for joined parts and returns no ETag. So a blob may be overwritten, with the same bytes; every
body has a Content-MD5; and the size of every joined object is checked.
"""

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from urllib.parse import quote
from uuid import uuid4

from catapult.storage import BlobMissing, StorageError
from catapult.storage.s3_bucket import Bucket, md5_checksum

MIB = 1024 * 1024
SMALL_PARTS = 1000
"""The number of small parts. Later parts are larger, so that the 10,000 parts of S3 are enough for at least 290 GB."""

COPY_WHOLE, COPY_PART = 5 * 1024 * MIB, 256 * MIB
"""The most bytes that S3 copies in one call, and the bytes of a part of a larger copy, which must end before the timeout."""

SENDERS, COPIES = 2, 4
"""Parts that are sent at once, each of them in memory, and parts that are copied at once."""


class _Part:
    """The bytes of a part as botocore reads them: the last ones when the part `before` is in the bucket, or its error."""

    def __init__(self, body: bytearray, before: Future[str] | None) -> None:
        self._bytes, self._before, self._at = memoryview(body), before, 0

    def read(self, size: int) -> memoryview:
        piece = self._bytes[self._at : self._at + size]
        self._at += len(piece)
        if self._before and (self._at == len(self._bytes) or self._before.done()):
            self._before.result()
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self._bytes)}[whence]
        return self._at

    def tell(self) -> int:
        return self._at


@dataclass
class _Staged:
    """An upload in the bucket: `etags` of its parts, their bytes `sent`, and an object of `size` bytes at the offset `after`."""

    key: str
    multipart: str | None
    etags: list[str]
    sent: int
    after: int
    size: int

    @property
    def rest(self) -> int:
        """How many bytes the object has beyond the parts."""
        return max(0, self.after + self.size - self.sent)

    @property
    def length(self) -> int:
        return self.sent + self.rest


@dataclass(frozen=True)
class S3(Bucket):
    """A storage in a bucket. Each upload is parts and an object, as above."""

    def write(self, upload: str, offset: int, pieces: Iterable[bytes]) -> int:
        """Send parts as they fill up, some while the next is received; the rest is on the disk when this returns or raises."""
        key, raised = self._upload(upload), list[BaseException]()
        staged = self._staged(key) or _Staged(key, None, [], 0, 0, 0)
        if staged.length != offset:
            raise BlobMissing(self._place(key), f"is not {offset} bytes long")
        source: Iterable[bytes | bytearray] = chain([self._rest(staged)], _until_error(pieces, raised))
        self._store(staged, source)
        if raised:
            raise raised[0]
        return staged.length

    def length(self, upload: str) -> int:
        """Return the bytes of the parts and of the rest."""
        return self._existing(upload).length

    def written(self, upload: str) -> Iterator[bytes]:
        """Join the parts, and yield the bytes of the upload. Writing more is still possible, and copies them."""
        self._join(upload)
        return self._pieces(self._upload(upload), 0, None)

    def cut(self, upload: str, length: int) -> None:
        """Drop all of it: parts cannot be shortened."""
        self.discard(upload)

    def finish(self, upload: str, sha256: str, over: bool = False) -> bool:
        """Copy the upload to the blob's key, also over an existing blob, and remove it. Return False: it is not asked for one."""
        try:
            size = self._join(upload)
        except BlobMissing:
            self.size(sha256)  # raises BlobMissing, unless an earlier call succeeded
        else:
            self._copy(self._upload(upload), self._blob(sha256), size)
            self.discard(upload)
        return False

    def discard(self, upload: str) -> None:
        """Abort the parts and delete the object."""
        key = self._upload(upload)
        for multipart in self._multiparts(key):
            self._abort(key, multipart["UploadId"])
        self._call("delete_object", Key=key)

    def size(self, sha256: str) -> int:
        """Return the size of the object."""
        return self._size(self._blob(sha256))

    def stored_at(self, sha256: str) -> float:
        """Return when the object was written last."""
        return float(self._head(self._blob(sha256))["LastModified"].timestamp())

    def read(self, sha256: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of the object."""
        return self._pieces(self._blob(sha256), start, stop)

    def remove(self, sha256: str) -> None:
        """Delete the object."""
        self._call("delete_object", Key=self._blob(sha256))

    def blobs(self) -> Iterator[tuple[str, float]]:
        """List the bucket, a thousand blobs at a time, in the order of their names."""
        for item in self._pages("list_objects_v2", "Contents", Prefix=self._key("blobs/")):
            yield item["Key"].rpartition("/")[2], item["LastModified"].timestamp()

    def uploads(self) -> Iterator[tuple[str, float]]:
        """List the objects and the multipart uploads, with their times."""
        prefix = self._key("uploads/")
        for item in self._pages("list_objects_v2", "Contents", Prefix=prefix):
            yield item["Key"].removeprefix(prefix), item["LastModified"].timestamp()
        for item in self._pages("list_multipart_uploads", "Uploads", Prefix=prefix):
            yield item["Key"].removeprefix(prefix), item["Initiated"].timestamp()

    def probe(self) -> None:
        """Put a small object and delete it."""
        key = self._key(f".probe-{uuid4().hex}")
        self._put(key, b"probe", md5_checksum(b"probe"))
        self._call("delete_object", Key=key)

    def address(self, sha256: str, seconds: int, filename: str, media_type: str) -> str:
        """Return a URL that anybody may GET for so long, at most 7 days, and that saves a file of that name. Sends no request."""
        plain = re.sub(r"[^A-Za-z0-9._+-]", "_", filename)
        parameters = {
            "Bucket": self.bucket,
            "Key": self._blob(sha256),
            "ResponseContentDisposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}",
            "ResponseContentType": media_type,
        }
        with self._errors(parameters["Key"]):
            return str(self._client().generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds))

    # --- names

    def _upload(self, upload: str) -> str:
        return self._key(f"uploads/{upload}")

    def _blob(self, sha256: str) -> str:
        return self._key(f"blobs/{sha256[:2]}/{sha256[2:4]}/{sha256}")

    # --- an upload

    def _staged(self, key: str) -> _Staged | None:
        """Return the upload as it is in the bucket; None if it does not exist."""
        staged = _Staged(key, None, [], 0, 0, 0)
        for multipart in self._multiparts(key):  # several if an answer was lost: the one with parts is in use
            parts = list(self._pages("list_parts", "Parts", Key=key, UploadId=multipart["UploadId"]))
            sent = sum(part["Size"] for part in parts)
            if sent >= staged.sent:
                staged = _Staged(key, multipart["UploadId"], [part["ETag"] for part in parts], sent, 0, 0)
        with suppress(BlobMissing):
            head = self._head(key)
            after = int(head["Metadata"].get("after", 0))
            if after <= staged.sent:  # otherwise it is being discarded
                staged.after, staged.size = after, head["ContentLength"]
                return staged
        return staged if staged.sent else None

    def _existing(self, upload: str) -> _Staged:
        key = self._upload(upload)
        if staged := self._staged(key):
            return staged
        raise BlobMissing(self._place(key), "is not there")

    def _store(self, staged: _Staged, source: Iterable[bytes | bytearray]) -> None:
        """Send the bytes as parts, and those that are too few for a part as the object, when the bucket has all parts."""
        first = len(staged.etags) + 1
        sending = deque[Future[str]]()
        with ThreadPoolExecutor(SENDERS) as senders:
            for number, body in enumerate(_bodies(source, first), first):
                checksum = md5_checksum(body)  # computed while other parts are being sent
                if len(sending) == SENDERS:
                    staged.etags.append(sending.popleft().result())
                if len(body) >= _smallest_part(number):
                    self._begin(staged)
                    part = _Part(body, sending[-1] if sending else None)
                    sending.append(senders.submit(self._send, staged, number, part, checksum))
                    staged.sent += len(body)
            staged.etags += [future.result() for future in sending]
        if len(body) < _smallest_part(number):
            self._put(staged.key, body, checksum, Metadata={"after": str(staged.sent)})
            staged.after, staged.size = staged.sent, len(body)

    def _send(self, staged: _Staged, number: int, body: bytearray | _Part, checksum: str) -> str:
        """Send a part and return its ETag. The bucket has it then."""
        answer = self._call(
            "upload_part",
            Key=staged.key,
            UploadId=staged.multipart,
            PartNumber=number,
            Body=body,
            ContentMD5=checksum,
        )
        return str(answer["ETag"])

    def _begin(self, staged: _Staged) -> None:
        if staged.multipart is None:
            staged.multipart = self._call("create_multipart_upload", Key=staged.key)["UploadId"]

    def _rest(self, staged: _Staged) -> bytearray:
        """Return the object's bytes after the parts. A large object is first copied to parts within the bucket."""
        while staged.rest > _largest_part(SMALL_PARTS + 1):
            self._begin(staged)
            start = staged.sent - staged.after
            number = len(staged.etags) + 1
            staged.etags.append(self._copy_part(staged.key, staged.key, staged.multipart, staged.size, start, number))
            staged.sent += min(COPY_PART, staged.rest)
        if not staged.rest:
            return bytearray()
        return bytearray().join(self._pieces(staged.key, staged.sent - staged.after, staged.size))

    def _join(self, upload: str) -> int:
        """Join all bytes in the object at the upload's key, and return its size. Raises BlobMissing."""
        staged = self._existing(upload)
        if staged.after == 0 and staged.size >= staged.sent:
            return staged.size
        if rest := self._rest(staged):
            staged.etags.append(self._send(staged, len(staged.etags) + 1, rest, md5_checksum(rest)))
            staged.sent += len(rest)
        self._complete(staged.key, staged.multipart, staged.etags, staged.sent)
        return staged.sent

    def _copy(self, source: str, target: str, size: int) -> None:
        """Copy within the bucket. The target becomes visible only when it is complete."""
        if size <= COPY_WHOLE:
            copied = {"Bucket": self.bucket, "Key": source}
            self._call("copy_object", Key=target, CopySource=copied, MetadataDirective="REPLACE")
            self._check(target, size)
            return
        for multipart in self._multiparts(target):  # of a process that was killed, not one that may still run
            if multipart["Initiated"] < datetime.now(UTC) - timedelta(days=1):
                self._abort(target, multipart["UploadId"])
        multipart = self._call("create_multipart_upload", Key=target)["UploadId"]
        try:
            with ThreadPoolExecutor(COPIES) as copiers:
                etags = list(
                    copiers.map(partial(self._copy_part, source, target, multipart, size), range(0, size, COPY_PART))
                )
            self._complete(target, multipart, etags, size)
        except StorageError:
            with suppress(StorageError):
                self._abort(target, multipart)
            raise

    def _copy_part(
        self, source: str, target: str, multipart: str | None, size: int, start: int, number: int = 0
    ) -> str:
        """Copy the bytes from `start` on as the part `number`, or as the part that they are in a copy of all `size` bytes."""
        answer = self._call(
            "upload_part_copy",
            Key=target,
            UploadId=multipart,
            PartNumber=number or start // COPY_PART + 1,
            CopySource={"Bucket": self.bucket, "Key": source},
            CopySourceRange=f"bytes={start}-{min(start + COPY_PART, size) - 1}",
        )
        return str(answer["CopyPartResult"]["ETag"])


def _largest_part(number: int) -> int:
    """Return the most bytes of the part of that number."""
    return 16 * MIB if number <= SMALL_PARTS else 32 * MIB


def _smallest_part(number: int) -> int:
    return 5 * MIB if number <= SMALL_PARTS else _largest_part(number)


def _bodies(pieces: Iterable[bytes | bytearray], number: int) -> Iterator[bytearray]:
    """Yield the bytes in parts from that number on, and last the rest, which may be empty."""
    body = bytearray()
    for piece in pieces:
        view = memoryview(piece)
        while view:
            fitting = _largest_part(number) - len(body)
            body += view[:fitting]
            view = view[fitting:]
            if len(body) == _largest_part(number):
                yield body
                body, number = bytearray(), number + 1
    yield body


def _until_error(pieces: Iterable[bytes], raised: list[BaseException]) -> Iterator[bytes]:
    """Yield the pieces until they raise, and add the error to `raised`, so that the pieces before it are stored first."""
    try:
        yield from pieces
    except BaseException as error:  # the caller raises it again
        raised.append(error)
