"""Uploads by tus, in several requests: as a stranger's client sends them, and whatever breaks on the way."""

import hashlib
import os
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
import requests
from tusclient.client import TusClient
from up import Caller, Start, Up, until

pytestmark = pytest.mark.live
LARGE = os.urandom(5 * 1024 * 1024 + 13)
TYPE = {"Content-Type": "application/offset+octet-stream"}


@pytest.fixture(scope="module")
def server(start: Start) -> Up:
    server = start(STORAGE_QUOTA="100MiB").ready()
    server.make_keys()
    return server


@pytest.fixture
def publisher(server: Up) -> Iterator[Caller]:
    with server.by("publisher") as caller:
        caller.headers["Tus-Resumable"] = "1.0.0"
        yield caller


@pytest.fixture
def version(publisher: Caller, request: pytest.FixtureRequest) -> dict[str, Any]:
    return publisher.version(publisher.model(f"tus/m{abs(hash(request.node.name))}"), "1.0.0")


def metadata(**values: str) -> dict[str, str]:
    return {
        "Upload-Metadata": ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in values.items())
    }


def begin(
    caller: Caller, version: dict[str, Any], size: int, path: str = "model.bin", **more: str
) -> requests.Response:
    told = metadata(version_id=version["id"], path=path, **more)
    return caller.post("/api/v1/uploads", headers={"Upload-Length": str(size), **told})


def begun(caller: Caller, version: dict[str, Any], size: int, path: str = "model.bin", **more: str) -> str:
    answer = begin(caller, version, size, path, **more)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


def patch(caller: Caller, upload: str, offset: int, data: bytes, **headers: str) -> requests.Response:
    return caller.patch(upload, data=data, headers={**TYPE, "Upload-Offset": str(offset), **headers})


def offset_of(caller: Caller, upload: str) -> int:
    return int(caller.head(upload).headers["Upload-Offset"])


def is_written(server: Up, upload: str) -> bool:
    """Whether a request is writing to the upload."""
    ((result,),) = server.sql("SELECT writer IS NOT NULL FROM uploads WHERE id = %s", upload.rpartition("/")[2])
    return bool(result)


def paths(caller: Caller, version: dict[str, Any]) -> list[str]:
    return [artifact["path"] for artifact in caller.get(f"/api/v1/versions/{version['id']}/artifacts").json()]


def content(caller: Caller, location: str) -> bytes:
    return caller.get(f"{location}/content").content


@pytest.mark.parametrize("chunk", [len(LARGE), 2_000_000])
def test_a_client_of_others_uploads(server: Up, publisher: Caller, version: dict[str, Any], chunk: int) -> None:
    client = TusClient(f"{server.url}/api/v1/uploads", headers={"X-API-Key": server.keys["publisher"]})
    uploader = client.uploader(
        file_stream=BytesIO(LARGE),
        chunk_size=chunk,
        metadata={"version_id": version["id"], "path": "weights/model.bin"},
        upload_checksum=True,
    )
    uploader.upload()
    (artifact,) = publisher.get(f"/api/v1/versions/{version['id']}/artifacts").json()
    assert (artifact["path"], artifact["sha256"]) == ("weights/model.bin", hashlib.sha256(LARGE).hexdigest())


def test_an_upload_goes_on_where_it_broke(server: Up, publisher: Caller, version: dict[str, Any]) -> None:
    upload = begun(publisher, version, len(LARGE), sha256=hashlib.sha256(LARGE).hexdigest())
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        head = (
            f"PATCH {upload} HTTP/1.1\r\nHost: x\r\nX-API-Key: {server.keys['publisher']}\r\nTus-Resumable: 1.0.0\r\n"
            f"Content-Type: {TYPE['Content-Type']}\r\nUpload-Offset: 0\r\nContent-Length: {len(LARGE)}\r\n\r\n"
        )
        raw.sendall(head.encode() + LARGE[:3_000_000])
        until(lambda: is_written(server, upload))  # a second request that came first would be the writer
        assert patch(publisher, upload, 0, b"").status_code == 423
    until(lambda: not is_written(server, upload))
    assert offset_of(publisher, upload) == 3_000_000
    assert paths(publisher, version) == []
    assert patch(publisher, upload, 0, LARGE).status_code == 409
    last = patch(publisher, upload, 3_000_000, LARGE[3_000_000:])
    assert (last.status_code, last.headers["Upload-Offset"]) == (204, str(len(LARGE)))
    assert content(publisher, last.headers["Location"]) == LARGE
    assert publisher.head(upload).status_code == 404


def test_an_upload_goes_on_after_the_process_for_files_was_killed(
    server: Up, publisher: Caller, version: dict[str, Any]
) -> None:
    upload = begun(publisher, version, len(LARGE))
    assert patch(publisher, upload, 0, LARGE[:4_000_000]).status_code == 204
    from test_file_transfers import kill_file_process

    kill_file_process(server)
    until(lambda: publisher.head(upload).status_code == 200)
    last = patch(publisher, upload, 4_000_000, LARGE[4_000_000:])
    assert content(publisher, last.headers["Location"]) == LARGE


def test_what_was_changed_on_its_way_is_not_there(publisher: Caller, version: dict[str, Any]) -> None:
    upload = begun(publisher, version, 10)
    assert patch(publisher, upload, 0, b"12345").status_code == 204
    wrong = {"Upload-Checksum": f"sha1 {b64encode(hashlib.sha1(b'other').digest()).decode()}"}
    assert patch(publisher, upload, 5, b"67890", **wrong).status_code == 460
    assert offset_of(publisher, upload) == 5
    assert patch(publisher, upload, 5, b"67890", **{"Upload-Checksum": "crc32 AAAA"}).status_code == 400
    assert patch(publisher, upload, 5, b"678901").status_code == 413
    right = {"Upload-Checksum": f"sha256 {b64encode(hashlib.sha256(b'67890').digest()).decode()}"}
    assert content(publisher, patch(publisher, upload, 5, b"67890", **right).headers["Location"]) == b"1234567890"
    other = begun(publisher, version, 3, "other", sha256="0" * 64)
    assert patch(publisher, other, 0, b"abc").status_code == 460
    assert (paths(publisher, version), offset_of(publisher, other)) == (["model.bin"], 0)


def test_a_file_without_bytes_is_there_when_it_is_begun(publisher: Caller, version: dict[str, Any]) -> None:
    begun(publisher, version, 0, "empty")
    assert paths(publisher, version) == ["empty"]


def test_the_same_again_is_the_same_file_and_another_is_a_conflict(publisher: Caller, version: dict[str, Any]) -> None:
    first = patch(publisher, begun(publisher, version, 3), 0, b"abc").headers["Location"]
    assert patch(publisher, begun(publisher, version, 3), 0, b"abc").headers["Location"] == first
    assert patch(publisher, begun(publisher, version, 3), 0, b"xyz").status_code == 409


def test_an_upload_is_its_makers_alone(server: Up, publisher: Caller, version: dict[str, Any]) -> None:
    upload = begun(publisher, version, 3)
    for role, status in (("admin", 404), ("viewer", 403)):
        with server.by(role) as other:
            other.headers["Tus-Resumable"] = "1.0.0"
            assert other.head(upload).status_code == status
            assert patch(other, upload, 0, b"abc").status_code == status
            assert other.delete(upload).status_code == status
    assert publisher.delete(upload).status_code == 204
    assert publisher.head(upload).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Tus-Resumable": "0.2.2"}, 412),
        ({"Upload-Length": "ten"}, 400),
        ({"Upload-Length": ""}, 400),
        ({"Upload-Metadata": "path YQ=="}, 422),
        ({"Upload-Metadata": "path !"}, 400),
        (metadata(version_id="0" * 32, path="a"), 404),
    ],
)
def test_what_cannot_be_begun_says_why(publisher: Caller, headers: dict[str, str], status: int) -> None:
    refused = publisher.post("/api/v1/uploads", headers={"Upload-Length": "1", **headers})
    assert (refused.status_code, bool(refused.json()["detail"])) == (status, True)


def test_options_need_no_key(server: Up) -> None:
    answer = requests.options(f"{server.url}/api/v1/uploads", timeout=10)
    assert (answer.status_code, answer.headers["Tus-Extension"]) == (204, "creation,termination,checksum,expiration")


def test_a_quota_is_kept_before_the_first_byte(publisher: Caller, version: dict[str, Any]) -> None:
    assert begin(publisher, version, 101 * 1024 * 1024).status_code == 507
    address = f"/api/v1/versions/{version['id']}/artifacts/big"
    assert publisher.put(address, data=iter([bytes(1024 * 1024)] * 101)).status_code == 507
    assert publisher.put(address, data=bytes(101 * 1024 * 1024)).status_code == 507
    assert paths(publisher, version) == []


def test_a_release_takes_no_upload(server: Up, publisher: Caller, version: dict[str, Any]) -> None:
    upload = begun(publisher, version, 3)
    with server.by("releaser") as releaser:
        releaser.post(f"/api/v1/versions/{version['id']}/promote", json={}).raise_for_status()
    assert patch(publisher, upload, 0, b"abc").status_code == 409
    assert begin(publisher, version, 3, "b").status_code == 409
    assert paths(publisher, version) == []


def test_two_writers_at_once_are_one(publisher: Caller, version: dict[str, Any]) -> None:
    upload = begun(publisher, version, len(LARGE))
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(patch(publisher, upload, 0, LARGE).status_code))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (statuses.count(204), set(statuses) <= {204, 404, 409, 423}) == (1, True)


def test_an_upload_whose_time_is_over_is_removed(server: Up, publisher: Caller, version: dict[str, Any]) -> None:
    upload = begun(publisher, version, 10)
    assert patch(publisher, upload, 0, b"12345").status_code == 204
    name = upload.rpartition("/")[2].replace("-", "")
    assert (server.home / "files" / "uploads" / name).exists()
    server.sql("UPDATE uploads SET expires_at = now() - interval '1 second' WHERE id = %s", upload.rpartition("/")[2])
    assert publisher.head(upload).status_code == 404
    until(lambda: not (server.home / "files" / "uploads" / name).exists())
    until(lambda: server.sql("SELECT count(*) FROM uploads WHERE expires_at < now()") == [(0,)])
