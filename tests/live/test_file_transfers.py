"""Files of versions through a real server: what is uploaded is what is downloaded, and nothing is half there."""

import hashlib
import os
import signal
import socket
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from catapult_client import Registry
from up import FILES, Caller, Start, Up, at_once, flask, until

from catapult.web.added_files import CHECKED_AGAIN_AFTER

pytestmark = pytest.mark.live
LARGE = os.urandom(8 * 1024 * 1024 + 13)


@pytest.fixture(scope="module")
def server(start: Start) -> Up:
    server = start().ready()
    server.make_keys()
    return server


@pytest.fixture
def publisher(server: Up) -> Iterator[Caller]:
    with server.by("publisher") as caller:
        yield caller


@pytest.fixture
def version(publisher: Caller, request: pytest.FixtureRequest) -> dict[str, Any]:
    return publisher.version(publisher.model(f"files/m{abs(hash(request.node.name))}"), "1.0.0")


@pytest.fixture
def sdk(server: Up) -> Iterator[Registry[Any]]:
    with Registry(server.url, server.keys["publisher"]) as registry:
        yield registry


def address(version: dict[str, Any], path: str = "") -> str:
    return f"/api/v1/versions/{version['id']}/artifacts" + (f"/{path}" if path else "")


def content_of(caller: Caller, artifact: dict[str, Any], **headers: str) -> requests.Response:
    return caller.get(f"/api/v1/artifacts/{artifact['id']}/content", headers=headers)


def stored(server: Up) -> set[str]:
    """The names of all files in the storage, but for those that the server writes to see whether it can."""
    return {path.name for path in (server.home / "files").rglob("[!.]*") if path.is_file()}


def file_process(server: Up) -> psutil.Process:
    """The process for files, which starts up to a second after the first answer of a worker."""

    def found() -> list[psutil.Process]:
        return [child for child in psutil.Process(server.process.pid).children() if child.name() == FILES]

    until(found)
    (process,) = found()
    return process


def kill_file_process(server: Up) -> psutil.Process:
    """Kill it and wait until it is dead: until then it may take one more request, which ends with it."""
    killed = file_process(server)
    killed.kill()
    killed.wait(10)
    return killed


def test_a_file_is_added_listed_downloaded_and_removed(publisher: Caller, version: dict[str, Any]) -> None:
    added = publisher.put(address(version, "weights/model.bin"), data=LARGE)
    assert added.status_code == 201
    artifact = added.json()
    assert (artifact["path"], artifact["size_bytes"]) == ("weights/model.bin", len(LARGE))
    assert artifact["sha256"] == hashlib.sha256(LARGE).hexdigest()
    assert publisher.get(address(version)).json() == [artifact]
    assert publisher.get(added.headers["Location"]).json() == artifact
    got = content_of(publisher, artifact)
    assert got.content == LARGE
    assert got.headers["ETag"] == f'"{artifact["sha256"]}"'
    assert got.headers["Content-Disposition"] == "attachment; filename*=UTF-8''model.bin"
    assert "sandbox" in got.headers["Content-Security-Policy"]
    assert publisher.delete(added.headers["Location"]).status_code == 204
    assert content_of(publisher, artifact).status_code == 404
    assert publisher.get(address(version)).json() == []


def test_the_same_again_is_200_and_other_content_409(publisher: Caller, version: dict[str, Any]) -> None:
    first = publisher.put(address(version, "eval.json"), data=b"{}")
    again = publisher.put(address(version, "eval.json"), data=b"{}")
    other = publisher.put(address(version, "eval.json"), data=b"[]")
    twin = publisher.put(address(version, "Eval.json"), data=b"{}")
    assert [answer.status_code for answer in (first, again, other, twin)] == [201, 200, 409, 409]
    assert first.json() == again.json()


def test_parts_of_a_file_and_what_the_client_has_already(publisher: Caller, version: dict[str, Any]) -> None:
    artifact = publisher.put(address(version, "a.bin"), data=LARGE).json()
    tag = f'"{artifact["sha256"]}"'
    part = content_of(publisher, artifact, Range="bytes=1000000-1000009")
    assert (part.status_code, part.content) == (206, LARGE[1_000_000:1_000_010])
    assert part.headers["Content-Range"] == f"bytes 1000000-1000009/{len(LARGE)}"
    assert content_of(publisher, artifact, Range="bytes=-5").content == LARGE[-5:]
    assert content_of(publisher, artifact, Range="bytes=5-", **{"If-Range": tag}).content == LARGE[5:]
    assert content_of(publisher, artifact, Range="bytes=5-", **{"If-Range": '"other"'}).content == LARGE
    assert content_of(publisher, artifact, Range=f"bytes={len(LARGE)}-").status_code == 416
    assert content_of(publisher, artifact, **{"If-None-Match": tag}).status_code == 304


def test_what_was_changed_on_its_way_is_not_there(server: Up, publisher: Caller, version: dict[str, Any]) -> None:
    before = stored(server)
    digest = b64encode(hashlib.sha256(b"whole").digest()).decode()
    answer = publisher.put(
        address(version, "a.bin"), data=b"changed", headers={"Content-Digest": f"sha-256=:{digest}:"}
    )
    assert (answer.status_code, set(answer.json()["errors"])) == (422, {"Content-Digest"})
    assert publisher.put(address(version, "a.bin"), data=b"x", headers={"Content-Digest": "md5=:x:"}).status_code == 422
    assert publisher.get(address(version)).json() == []
    assert stored(server) == before


@pytest.mark.parametrize(
    "path",
    [
        "%2e%2e/x",
        "a/%2e%2e/b",
        "a//b",
        "/a",
        "a/",
        "a%00b",
        "a%0Ab",
        "e%CC%81",
        "a:b",
        "C:%5Cx",
        "x" * 256,
        "a%20",
        "%2e",
    ],
)
def test_a_path_that_would_be_another_file_elsewhere_is_refused(server: Up, version: dict[str, Any], path: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:  # requests would tidy the path
        head = f"PUT {address(version)}/{path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {server.keys['publisher']}\r\n"
        raw.sendall(f"{head}Content-Length: 1\r\nConnection: close\r\n\r\nx".encode())
        status = int(raw.recv(4096).split()[1])
    assert status in (404, 422, 400, 308)
    with server.by("viewer") as viewer:
        assert viewer.get(address(version)).json() == []


def test_who_may(server: Up, publisher: Caller, version: dict[str, Any]) -> None:
    with server.by("viewer") as viewer, server.caller() as nobody:
        assert viewer.put(address(version, "a"), data=b"x").status_code == 403
        assert nobody.put(address(version, "a"), data=b"x").status_code == 401
        artifact = publisher.put(address(version, "a"), data=b"x").json()
        assert content_of(viewer, artifact).content == b"x"
        assert content_of(nobody, artifact).status_code == 401
        assert viewer.delete(f"/api/v1/artifacts/{artifact['id']}").status_code == 403


def test_a_release_takes_no_file_and_loses_none(server: Up, publisher: Caller, version: dict[str, Any]) -> None:
    artifact = publisher.put(address(version, "a"), data=b"x").json()
    with server.by("releaser") as releaser:
        releaser.post(f"/api/v1/versions/{version['id']}/promote", json={}).raise_for_status()
    assert publisher.put(address(version, "b"), data=b"y").status_code == 409
    assert publisher.put(address(version, "a"), data=b"x").status_code == 200  # the same again adds nothing
    refused = publisher.delete(f"/api/v1/artifacts/{artifact['id']}")
    assert (refused.status_code, "is a release" in refused.json()["detail"]) == (409, True)


def test_a_file_voids_the_approvals(server: Up, publisher: Caller, version: dict[str, Any]) -> None:
    with server.by("admin") as admin, server.by("releaser") as releaser:
        model = admin.get(f"/api/v1/models/{version['model_id']}").json()["name"]
        admin.made("/api/v1/gates", {"model": model, "target": "release", "kind": "approved"})
        approvals = f"/api/v1/versions/{version['id']}/approvals"
        for path in ("added", "removed"):
            releaser.made(approvals, {"target": "release"})
            if path == "added":
                publisher.put(address(version, "a"), data=b"x").raise_for_status()
            else:
                remove_all(publisher, version)
            voided = "SELECT void_reason FROM approvals WHERE version_id = %s ORDER BY created_at DESC LIMIT 1"
            assert server.sql(voided, version["id"]) == [(f"the file a was {path} by publisher-key",)]


def remove_all(publisher: Caller, version: dict[str, Any]) -> None:
    for artifact in publisher.get(address(version)).json():
        publisher.delete(f"/api/v1/artifacts/{artifact['id']}").raise_for_status()


def test_two_uploads_of_one_content_at_once_are_one_blob(
    server: Up, publisher: Caller, version: dict[str, Any]
) -> None:
    content = os.urandom(300_000)
    works = [lambda n=n: publisher.put(address(version, f"{n}.bin"), data=content) for n in range(3)]  # type: ignore[misc]
    assert {answer.status_code for answer in at_once(*works)} == {201}
    ((count,),) = server.sql("SELECT count(*) FROM blobs WHERE sha256 = %s", hashlib.sha256(content).digest())
    assert (count, hashlib.sha256(content).hexdigest() in stored(server)) == (1, True)


def test_one_path_is_given_once(publisher: Caller, version: dict[str, Any]) -> None:
    works = [lambda n=n: publisher.put(address(version, "same"), data=b"%d" % n) for n in range(4)]  # type: ignore[misc]
    assert sorted(answer.status_code for answer in at_once(*works)) == [201, 409, 409, 409]


def test_more_than_four_at_a_time_are_asked_to_come_again(
    server: Up, publisher: Caller, version: dict[str, Any]
) -> None:
    def slow(n: int) -> socket.socket:
        raw = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        head = f"PUT {address(version)}/slow{n} HTTP/1.1\r\nHost: x\r\nX-API-Key: {server.keys['publisher']}\r\n"
        raw.sendall(f"{head}Content-Length: 100000\r\n\r\nx".encode())
        return raw

    before = stored(server)
    held = [slow(n) for n in range(4)]
    try:
        until(lambda: len(stored(server) - before) == 4)
        refused = publisher.put(address(version, "fifth"), data=b"x" * 500_000)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert publisher.get("/api/v1/models").status_code == 200
    finally:
        for raw in held:
            raw.close()
    until(lambda: publisher.put(address(version, "fifth"), data=b"x").status_code in (200, 201))


@pytest.mark.parametrize("framing", ["Content-Length: 1000000", "Transfer-Encoding: chunked\r\n\r\nF4240"])
def test_a_client_that_leaves_amid_its_upload_leaves_nothing(server: Up, version: dict[str, Any], framing: str) -> None:
    before = stored(server)
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    head = f"PUT {address(version)}/half HTTP/1.1\r\nHost: x\r\nX-API-Key: {server.keys['publisher']}\r\n"
    end = "\r\n" if "chunked" in framing else "\r\n\r\n"
    raw.sendall(f"{head}{framing}{end}".encode() + bytes(500_000))
    until(lambda: stored(server) != before)
    raw.close()
    until(lambda: stored(server) == before)
    with server.by("viewer") as viewer:
        assert viewer.get(address(version)).json() == []


def test_a_killed_process_for_files_is_replaced_and_the_registry_goes_on(
    server: Up, publisher: Caller, version: dict[str, Any]
) -> None:
    before = kill_file_process(server)
    assert publisher.get("/api/v1/models").status_code == 200
    until(lambda: publisher.put(address(version, "after"), data=b"x").status_code in (200, 201))
    assert file_process(server).pid != before.pid


def test_a_process_for_files_that_hangs_holds_nobody_up(server: Up, publisher: Caller, version: dict[str, Any]) -> None:
    process = file_process(server)
    process.suspend()
    try:
        began = time.monotonic()
        waiting = threading.Thread(target=lambda: publisher.put(address(version, "late"), data=b"x"))
        waiting.start()
        assert {publisher.get("/api/v1/models").status_code for _ in range(30)} == {200}
        assert time.monotonic() - began < 5
    finally:
        process.resume()
    waiting.join(20)
    assert publisher.put(address(version, "late"), data=b"x").status_code == 200


# --- in place


def signed_in(server: Up, browser: Caller, role: str = "viewer", key: str = "") -> None:
    """Sign a browser in, with a key of that role or with that key."""
    browser.headers["Sec-Fetch-Site"] = "same-origin"
    browser.post("/login", data={"key": key or server.keys[role]}).raise_for_status()


def test_a_preview_comes_from_the_process_for_files(server: Up, publisher: Caller, version: dict[str, Any]) -> None:
    artifact = publisher.put(address(version, "eval.json"), data=b'{"accuracy":0.94}').json()
    at = f"/artifacts/{artifact['id']}/preview"
    process = file_process(server)
    with server.caller() as browser:
        assert browser.get(at, allow_redirects=False).status_code == 303
        signed_in(server, browser)
        assert "&#34;accuracy&#34;: 0.94" in browser.get(at).text
        assert browser.head(at).status_code == 200
        process.suspend()
        try:
            with pytest.raises(requests.Timeout):
                browser.get(at, timeout=2)
            model = publisher.get(f"/api/v1/models/{version['model_id']}").json()["name"]
            assert browser.get(f"/models/{model}/versions/1.0.0").status_code == 200
        finally:
            process.resume()


def test_many_images_of_a_card_are_served_at_once(server: Up, publisher: Caller, version: dict[str, Any]) -> None:
    """A browser asks for all of them, and four transfers run at a time."""
    images = [publisher.put(address(version, f"{n}.png"), data=b"%d" % n).json() for n in range(12)]
    with server.caller() as browser:
        signed_in(server, browser)
        works = [lambda one=one: content_of(browser, one).status_code for one in images]  # type: ignore[misc]
        assert at_once(*works) == [200] * 12


# --- by the form of a page

BOUNDARY = "a-form"


def form_of(server: Up, browser: Caller, model: str, length: int, first: bytes) -> socket.socket:
    """Begin to send a file by the form of the version's page, as a browser does, and return the connection."""
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
    head = (
        f"POST /models/{model}/versions/1.0.0/-/files HTTP/1.1\r\nHost: x\r\nCookie: {cookies}\r\n"
        f"Sec-Fetch-Site: same-origin\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
    )
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="form.bin"\r\n\r\n'.encode()
    whole = len(part) + length + len(f"\r\n--{BOUNDARY}--\r\n")
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    raw.sendall(f"{head}Content-Length: {whole}\r\n\r\n".encode() + part + first)
    return raw


def memory(server: Up) -> int:
    """The bytes that the server's processes have in memory, but for what they share with the database's."""
    server_process = psutil.Process(server.process.pid)
    own = [server_process, *(child for child in server_process.children() if child.name() != "postgres")]
    return max(process.memory_info().rss for process in own)


def test_a_form_streams_its_file_and_holds_neither_memory_nor_a_folder(
    server: Up, publisher: Caller, version: dict[str, Any]
) -> None:
    model = publisher.get(f"/api/v1/models/{version['model_id']}").json()["name"]
    size, piece = 60_000_000, os.urandom(1_000_000)
    with server.caller() as browser:
        signed_in(server, browser, "publisher")
        before, there = memory(server), set(os.listdir(tempfile.gettempdir()))
        with form_of(server, browser, model, size, b"") as raw:
            most = before
            for _ in range(size // len(piece)):
                raw.sendall(piece)
                most = max(most, memory(server))
            assert not [name for name in set(os.listdir(tempfile.gettempdir())) - there if name.startswith("tmp")]
            raw.sendall(f"\r\n--{BOUNDARY}--\r\n".encode())
            assert raw.recv(4096).split()[1] == b"303"
    assert most - before < 25_000_000
    (file,) = publisher.get(address(version)).json()
    assert (file["path"], file["size_bytes"]) == ("form.bin", size)
    assert file["sha256"] == hashlib.sha256(piece * (size // len(piece))).hexdigest()


@pytest.mark.parametrize("revoked", [False, True], ids=["the client leaves", "the key is revoked"])
def test_a_form_that_is_not_allowed_to_end_leaves_nothing(
    server: Up, publisher: Caller, version: dict[str, Any], revoked: bool
) -> None:
    before = stored(server)
    model = publisher.get(f"/api/v1/models/{version['model_id']}").json()["name"]
    with server.caller() as browser, server.by("admin") as admin:
        key = admin.made("/api/v1/api-keys", {"name": "leaver", "role": "publisher"})
        signed_in(server, browser, key=key["key"])
        with form_of(server, browser, model, 3_000_000, bytes(2_500_000)) as raw:
            until(lambda: stored(server) != before)
            if revoked:
                admin.delete(f"/api/v1/api-keys/{key['id']}").raise_for_status()
                time.sleep(CHECKED_AGAIN_AFTER)
                raw.sendall(bytes(500_000) + f"\r\n--{BOUNDARY}--\r\n".encode())
                answer = raw.recv(4096).decode()
                assert (answer.split()[1], "Location: /login?" in answer) == ("303", True)
        until(lambda: stored(server) == before)
        assert admin.get(address(version)).json() == []


# --- the SDK


def test_the_sdk_uploads_a_folder_and_downloads_it_whole(
    sdk: Registry[Any], version: dict[str, Any], tmp_path: Path
) -> None:
    source, goal = tmp_path / "out", tmp_path / "in"
    (source / "weights").mkdir(parents=True)
    (source / "weights" / "model.bin").write_bytes(LARGE)
    (source / "README.md").write_text("# Card\n")
    (source / "empty").write_bytes(b"")
    added = sdk.upload(version["id"], source)
    assert [artifact.path for artifact in added] == ["README.md", "empty", "weights/model.bin"]
    assert sdk.upload(version["id"], source) == added  # nothing is added twice
    files = sdk.download(version["id"], to=goal)
    assert {str(file.relative_to(goal)) for file in files} == {artifact.path for artifact in added}
    assert (goal / "weights" / "model.bin").read_bytes() == LARGE
    assert {path.name for path in goal.rglob("*") if path.is_file()} == {"README.md", "empty", "model.bin"}
    (one,) = sdk.upload(version["id"], source / "README.md", to="docs/card.md")
    assert one.path == "docs/card.md"


def test_a_download_goes_on_where_it_broke_and_a_wrong_part_is_not_taken(
    sdk: Registry[Any], version: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "model.bin").write_bytes(LARGE)
    (artifact,) = sdk.upload(version["id"], tmp_path / "model.bin")
    goal = tmp_path / "in"
    goal.mkdir()
    part = goal / f".model.bin.{artifact.sha256[:12]}.part"
    part.write_bytes(LARGE[:1_000_000])
    (file,) = sdk.download(version["id"], to=goal)
    assert file.read_bytes() == LARGE
    file.unlink()
    part.write_bytes(bytes(1_000_000))
    with pytest.raises(Exception, match="SHA-256 differs"):
        sdk.download(version["id"], to=goal)
    assert list(goal.iterdir()) == []
    assert sdk.download(version["id"], to=goal)[0].read_bytes() == LARGE


def test_sigterm_ends_a_server_amid_an_upload_in_time(start: Start, make_folder: Callable[[], Path]) -> None:
    server = start().ready()
    with server.caller(server.key) as caller:
        version = caller.version(caller.model("files/stop"), "1.0.0")
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    head = f"PUT {address(version)}/half HTTP/1.1\r\nHost: x\r\nX-API-Key: {server.key}\r\n"
    raw.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode() + bytes(100_000))
    until(lambda: stored(server))
    began = time.monotonic()
    server.end(signal.SIGTERM, seconds=40)
    raw.close()
    assert time.monotonic() - began < 20  # the client is given up after 10


def test_what_no_file_names_is_removed_from_the_command_line(
    server: Up, publisher: Caller, version: dict[str, Any]
) -> None:
    artifact = publisher.put(address(version, "old.bin"), data=b"nobody's").json()
    publisher.delete(f"/api/v1/artifacts/{artifact['id']}").raise_for_status()
    (blob,) = list((server.home / "files").rglob(artifact["sha256"]))
    then = time.time() - 2 * 86_400
    os.utime(blob, (then, then))
    command = ("storage", "gc")
    listed = flask(*command, CATAPULT_HOME=str(server.home))
    assert f"{artifact['sha256']}  8\n" in listed.stdout
    assert blob.exists()
    removed = flask(*command, "--delete", CATAPULT_HOME=str(server.home))
    assert (removed.returncode, "Removed 1 blobs, 8 bytes; 0 abandoned" in removed.stdout) == (0, True), removed.stderr
    assert not blob.exists()


def test_a_folder_that_is_not_mounted_answers_503_and_works_once_it_is(
    start: Start, make_folder: Callable[[], Path]
) -> None:
    folder = make_folder() / "mount"
    server = start(STORAGE_URL=f"file://{folder}").ready()
    with server.caller(server.key) as caller:
        version = caller.version(caller.model("files/mount"), "1.0.0")
        refused = caller.put(address(version, "a"), data=b"x")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert "is it mounted?" in refused.json()["detail"]
        assert caller.get(address(version)).json() == []
        folder.mkdir()
        artifact = caller.put(address(version, "a"), data=b"x").json()
        assert {path.name for path in folder.rglob("[!.]*") if path.is_file()} == {artifact["sha256"]}
        (folder / "blobs").rename(folder / "lost")
        gone = content_of(caller, artifact)
        assert (gone.status_code, "not in the storage" in gone.json()["detail"]) == (409, True)


def test_a_key_that_is_revoked_amid_its_upload_adds_nothing(server: Up, version: dict[str, Any]) -> None:
    before = stored(server)
    with server.by("admin") as admin:
        key = admin.made("/api/v1/api-keys", {"name": "leaver", "role": "publisher"})
        raw = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        head = f"PUT {address(version)}/late HTTP/1.1\r\nHost: x\r\nX-API-Key: {key['key']}\r\nContent-Length: 10\r\n\r\nhalf-"
        raw.sendall(head.encode())
        until(lambda: stored(server) != before)
        admin.delete(f"/api/v1/api-keys/{key['id']}").raise_for_status()
        time.sleep(CHECKED_AGAIN_AFTER)
        raw.sendall(b"whole")
        assert raw.recv(4096).split()[1] == b"401"
        raw.close()
        assert admin.get(address(version)).json() == []
        until(lambda: stored(server) == before)


def test_a_request_that_cannot_be_read_is_400_and_no_fault_of_ours(server: Up, version: dict[str, Any]) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(f"PUT {address(version)}/a HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n".encode())
        assert raw.recv(4096).split()[1] == b"400"
    assert [
        line for line in server.lines() if line["level"] == "error" and "failed in the server" in line["event"]
    ] == []
