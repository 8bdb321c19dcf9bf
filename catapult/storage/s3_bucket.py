"""A bucket of S3 and the calls that it answers. Errors of boto3 become errors of the storage here."""

import os
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import md5
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)

from catapult.storage import PIECE, BlobMissing, StorageDown, StorageError, StorageFull

CONNECT_SECONDS, READ_SECONDS = 5, 20
"""How long to wait for a connection, and for the next bytes of an answer. Each call is tried three times."""

MISSING = {"NoSuchKey", "NoSuchUpload", "NotFound", "404"}
FULL = {"QuotaExceeded", "InsufficientCapacity", "InsufficientStorage", "507"}
REASONS = {
    "NoSuchBucket": "the bucket is not there",
    "InvalidAccessKeyId": "it does not know the access key",
    "SignatureDoesNotMatch": "it refuses the secret of the access key",
    "AccessDenied": "it refuses access",
    "403": "it refuses access",
    "RequestTimeTooSkewed": "the clock here and there differ by more than 15 minutes",
}


@dataclass(frozen=True)
class Bucket:
    """An existing bucket. Without a key and secret, boto3 searches for credentials, such as the machine's role."""

    bucket: str
    prefix: str = ""
    endpoint_url: str = ""
    access_key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    region: str = "us-east-1"

    def _key(self, name: str) -> str:
        return "/".join(filter(None, [self.prefix.strip("/"), name]))

    def _place(self, key: str = "") -> str:
        """Return the location of that key or of the storage, without a password that the endpoint's address may have."""
        url = urlsplit(self.endpoint_url)
        endpoint = f"{url.scheme}://{url.netloc.rpartition('@')[2]}" if self.endpoint_url else f"AWS in {self.region}"
        return f"s3://{'/'.join(filter(None, [self.bucket, key or self.prefix.strip('/')]))} at {endpoint}"

    def _client(self) -> Any:
        """Return a client of this process: a connection must not be shared with the process that it was forked from."""
        return _client(self.endpoint_url, self.region, self.access_key, self.secret, os.getpid())

    def _call(self, name: str, **parameters: Any) -> Any:
        with self._errors(parameters["Key"]):
            return getattr(self._client(), name)(Bucket=self.bucket, **parameters)

    def _pages(self, name: str, items: str, **parameters: Any) -> Iterator[Any]:
        with self._errors(parameters.get("Key", "")):
            for page in self._client().get_paginator(name).paginate(Bucket=self.bucket, **parameters):
                yield from page.get(items, ())

    def _multiparts(self, key: str) -> Iterator[Any]:
        pages = self._pages("list_multipart_uploads", "Uploads", Prefix=key)
        return (multipart for multipart in pages if multipart["Key"] == key)

    def _put(self, key: str, body: bytes | bytearray, checksum: str, **parameters: Any) -> None:
        self._call("put_object", Key=key, Body=body, ContentMD5=checksum, **parameters)

    def _head(self, key: str) -> Any:
        """Return the headers of the object. Raises BlobMissing, also if the bucket is missing: the answer has no body to tell."""
        return self._call("head_object", Key=key)

    def _size(self, key: str) -> int:
        try:
            return int(self._head(key)["ContentLength"])
        except BlobMissing:
            with suppress(StopIteration):  # raises StorageDown if the bucket is missing
                next(self._pages("list_objects_v2", "Contents", Prefix=key, PaginationConfig={"MaxItems": 1}))
            raise

    def _complete(self, key: str, multipart: str | None, etags: list[str], size: int) -> None:
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        with suppress(BlobMissing):  # a retry after a lost answer: the size shows whether the first try succeeded
            self._call("complete_multipart_upload", Key=key, UploadId=multipart, MultipartUpload={"Parts": parts})
        self._check(key, size)

    def _abort(self, key: str, multipart: str) -> None:
        with suppress(BlobMissing):
            self._call("abort_multipart_upload", Key=key, UploadId=multipart)

    def _check(self, key: str, size: int) -> None:
        stored = self._head(key)["ContentLength"]
        if stored != size:
            raise StorageDown(self._place(key), f"has {stored} bytes, and {size} were written")

    def _pieces(self, key: str, start: int, stop: int | None) -> Iterator[bytes]:
        """Request the object now, so that a missing one raises before the first byte."""
        size = self._size(key)
        if start >= min(size, size if stop is None else stop):
            return iter(())  # S3 has no empty ranges
        range_ = {"Range": f"bytes={start}-{'' if stop is None else stop - 1}"} if start or stop is not None else {}
        body = self._call("get_object", Key=key, **range_)["Body"]

        def pieces() -> Iterator[bytes]:
            try:
                with self._errors(key):
                    yield from body.iter_chunks(PIECE)
            finally:
                body.close()

        return pieces()

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise self._error(error, key) from None
        except BotoCoreError as error:
            raise StorageDown(self._place(), _fault(error)) from None

    def _error(self, error: ClientError, key: str) -> StorageError:
        code, status = (
            str(error.response["Error"].get("Code")),
            error.response["ResponseMetadata"].get("HTTPStatusCode"),
        )
        if code in FULL or status == 507:
            return StorageFull(self._place(), "it has no room, or its quota is used up")
        if code in MISSING:
            return BlobMissing(self._place(key), "is not there")
        plain = code if re.fullmatch(r"[A-Za-z0-9]{1,60}", code) else "no reason"  # other texts may repeat secrets
        return StorageDown(self._place(), REASONS.get(code, f"it answered {status} ({plain})"))


def _fault(error: BotoCoreError) -> str:
    """Return why there was no answer, without the texts of botocore, which may repeat secrets."""
    match error:
        case EndpointConnectionError():
            return "it accepts no connection"
        case ConnectTimeoutError() | ReadTimeoutError():
            return "it did not answer in time"
        case SSLError():
            return "its certificate was refused, or it speaks no TLS; AWS_CA_BUNDLE can name a private authority"
        case _:
            return f"the connection failed ({type(error).__name__})"


@lru_cache(maxsize=8)
def _client(endpoint_url: str, region: str, access_key: str, secret: str, _process: int) -> Any:
    config = Config(  # a body's Content-MD5 is signed, and the body itself is not: that would be one more SHA-256 here and there
        signature_version="s3v4",
        s3={"addressing_style": "path", "payload_signing_enabled": False},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=32,
    )
    session = boto3.session.Session(access_key or None, secret or None, region_name=region)
    client = session.client("s3", endpoint_url=endpoint_url or None, config=config)
    client.meta.events.register_last("before-call.s3", _expect_nothing)
    return client


def _expect_nothing(params: dict[str, Any], **_: Any) -> None:
    """Send a body at once. With `Expect: 100-continue` botocore sends it after a second without an answer, and a gateway of

    Ceph that has refused the request by then takes the body for the next request of that connection.
    """
    params["headers"].pop("Expect", None)


def md5_checksum(body: bytes | bytearray) -> str:
    return b64encode(md5(body, usedforsecurity=False).digest()).decode()
