"""Large files and folders by the SDK: in parts, going on after whatever broke, and seen on a terminal."""

import hashlib
import os
import pty
import select
import socket
import stat
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from catapult_client import Conflict, Registry
from catapult_client.file_part import Body
from catapult_client.uploading import BegunUpload
from test_file_transfers import address, file_process
from test_resumable_uploads import TYPE, begun
from up import ROOT, Caller, Start, Up, environment, until

pytestmark = pytest.mark.live
MIB = 1024 * 1024
LARGE = os.urandom(20 * MIB + 13)
SLOW = """
import sys, time
from catapult_client import Registry
from catapult_client.file_part import Body
read = Body.read
def slowly(self, size=-1):
    time.sleep(0.005)
    return read(self, size)
Body.read = slowly
Registry.from_env().upload(*sys.argv[1:])
"""


@pytest.fixture(scope="module")
def server(start: Start) -> Up:
    server = start().ready()
    server.make_keys()
    return server


@pytest.fixture
def publisher(server: Up) -> Iterator[Caller]:
    with server.by("publisher") as caller:
        caller.headers["Tus-Resumable"] = "1.0.0"
        yield caller


@pytest.fixture
def version(publisher: Caller, request: pytest.FixtureRequest) -> dict[str, Any]:
    return publisher.version(publisher.model(f"sdk/m{abs(hash(request.node.name))}"), "1.0.0")


@pytest.fixture
def sdk(server: Up) -> Iterator[Registry[Any]]:
    with Registry(server.url, server.keys["publisher"]) as registry:
        yield registry


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which uploads are remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "catapult" / "uploads"


@pytest.fixture
def large(tmp_path: Path) -> Path:
    file = tmp_path / "model.bin"
    file.write_bytes(LARGE)
    return file


class Sent:
    """What the SDK has sent of files, counted, and each piece no sooner than `pause` after the one before."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes, self.pause, read = 0, 0.0, Body.read

        def counted(body: Body, size: int = -1) -> bytes:
            time.sleep(self.pause)
            piece = read(body, size)
            self.bytes += len(piece)
            return piece

        monkeypatch.setattr(Body, "read", counted)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    return Sent(monkeypatch)


def arrived(server: Up) -> int:
    """How many bytes of uploads are there that are no files yet."""
    folder = server.home / "files" / "uploads"
    return sum(file.stat().st_size for file in folder.iterdir()) if folder.exists() else 0


def sha256_in_hex(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def content(caller: Caller, artifact: Any) -> bytes:
    return caller.get(f"/api/v1/artifacts/{artifact.id}/content").content


def test_an_upload_goes_on_after_the_process_for_files_was_killed(
    server: Up, publisher: Caller, sdk: Registry[Any], version: dict[str, Any], large: Path, cache: Path, sent: Sent
) -> None:
    before, sent.pause = arrived(server), 0.003
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(sdk.upload, version["id"], large)
        until(lambda: arrived(server) - before > 2 * MIB)
        file_process(server).kill()
        # What it held stays held for up to 30 seconds.
        server.sql("UPDATE uploads SET written_until = now() + interval '3 seconds'")
        sent.pause = 0
        (artifact,) = running.result(60)
    assert content(publisher, artifact) == LARGE
    assert sent.bytes < 1.5 * len(LARGE)
    assert list(cache.iterdir()) == []


def test_a_process_that_was_killed_goes_on_where_it_was(
    server: Up, publisher: Caller, sdk: Registry[Any], version: dict[str, Any], large: Path, cache: Path, sent: Sent
) -> None:
    before, key = arrived(server), server.keys["publisher"]
    env = environment(REGISTRY_URL=server.url, REGISTRY_API_KEY=key, PYTHONPATH=str(ROOT / "client"))
    process = subprocess.Popen([sys.executable, "-c", SLOW, version["id"], large], env=env)
    try:
        until(lambda: arrived(server) - before > 4 * MIB)
    finally:
        process.kill()
        process.wait(10)
    (remembered,) = cache.iterdir()
    assert stat.S_IMODE(remembered.stat().st_mode) == 0o600
    assert key not in remembered.read_text() + remembered.name
    upload = f"/api/v1/uploads/{remembered.read_text()}"
    until(lambda: server.sql("SELECT 1 FROM uploads WHERE writer IS NOT NULL") == [])
    there = int(publisher.head(upload).headers["Upload-Offset"])
    assert there > 4 * MIB
    (artifact,) = sdk.upload(version["id"], large)
    assert (content(publisher, artifact), sent.bytes) == (LARGE, len(LARGE) - there)
    assert list(cache.iterdir()) == []
    assert (sdk.upload(version["id"], large), sent.bytes) == ([artifact], len(LARGE) - there)  # nothing is sent again


def test_what_another_writes_to_is_waited_for(
    server: Up, publisher: Caller, sdk: Registry[Any], version: dict[str, Any], large: Path, sent: Sent
) -> None:
    upload = begun(publisher, version, len(LARGE))
    BegunUpload(f"{server.url}/api", version["id"], large.name, len(LARGE), sha256_in_hex(LARGE)).write(upload[-36:])
    head = (
        f"PATCH {upload} HTTP/1.1\r\nHost: x\r\nX-API-Key: {server.keys['publisher']}\r\nTus-Resumable: 1.0.0\r\n"
        f"Content-Type: {TYPE['Content-Type']}\r\nUpload-Offset: 0\r\nContent-Length: {len(LARGE)}\r\n\r\n"
    )
    with ThreadPoolExecutor(1) as pool:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
            raw.sendall(head.encode() + LARGE[: 3 * MIB])
            until(lambda: publisher.head(upload).headers.get("Upload-Offset") == str(3 * MIB))
            running = pool.submit(sdk.upload, version["id"], large)
            time.sleep(2)
            assert not running.done()
        (artifact,) = running.result(60)
    assert content(publisher, artifact) == LARGE


def test_an_upload_that_is_over_is_begun_again(
    server: Up, publisher: Caller, sdk: Registry[Any], version: dict[str, Any], large: Path
) -> None:
    BegunUpload(f"{server.url}/api", version["id"], large.name, len(LARGE), sha256_in_hex(LARGE)).write(str(uuid4()))
    (artifact,) = sdk.upload(version["id"], large)
    assert content(publisher, artifact) == LARGE


def test_a_cache_that_cannot_be_written_to_is_no_error(
    sdk: Registry[Any], version: dict[str, Any], large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    (artifact,) = sdk.upload(version["id"], large)
    assert artifact.sha256 == sha256_in_hex(LARGE)


def test_a_large_file_at_a_path_that_is_taken_is_refused(
    publisher: Caller, sdk: Registry[Any], version: dict[str, Any], large: Path
) -> None:
    publisher.put(address(version, large.name), data=b"other").raise_for_status()
    with pytest.raises(Conflict, match="other content"):
        sdk.upload(version["id"], large)


def test_one_refused_file_of_a_folder_ends_the_upload_and_the_rest_goes_on_later(
    publisher: Caller, sdk: Registry[Any], version: dict[str, Any], large: Path, tmp_path: Path, sent: Sent
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    large.rename(folder / "00")
    names = [f"{number:02}" for number in range(12)]
    for name in names[1:]:
        (folder / name).write_text(name)
    refused = publisher.put(address(version, "05"), data=b"other")
    sent.pause = 0.02  # the large file takes half a minute
    threads = threading.active_count()
    began = time.monotonic()
    with pytest.raises(Conflict, match="05 has other content"):
        sdk.upload(version["id"], folder)
    assert time.monotonic() - began < 15
    assert threading.active_count() <= threads
    assert {artifact.path for artifact in sdk.artifacts(version["id"])} <= set(names) - {"00"}
    publisher.delete(refused.headers["Location"]).raise_for_status()
    sent.pause = 0
    added = sdk.upload(version["id"], folder)
    assert [artifact.path for artifact in added] == names
    assert content(publisher, added[0]) == LARGE


@pytest.mark.parametrize(
    ("terminal", "tqdm", "line"), [(True, False, "of 20.0 MiB, 100 %"), (True, True, "100%|"), (False, False, "")]
)
def test_progress_is_seen_on_a_terminal_alone(
    server: Up, version: dict[str, Any], large: Path, tmp_path: Path, terminal: bool, tqdm: bool, line: str
) -> None:
    model = server.sql("SELECT name FROM models WHERE id = %s", version["model_id"])[0][0]
    for command, title in (
        (["upload", model, "1.0.0", str(large)], "Uploading 1 file"),
        (["download", model, "1.0.0", "--to", str(tmp_path / "in")], "Downloading 1 file"),
    ):
        status, out, shown = run_on_terminal(server, command, terminal, tqdm)
        assert (status, "model.bin" in out) == (0, True), shown
        assert (title in shown, line in shown, bool(shown)) == (terminal, True, terminal)
    assert (tmp_path / "in" / "model.bin").read_bytes() == LARGE


def run_on_terminal(server: Up, command: list[str], terminal: bool, tqdm: bool) -> tuple[int, str, str]:
    """Run `catapult`. Return its status, its output, and what is seen on its standard error."""
    hidden = "" if tqdm else "sys.modules['tqdm'] = None;"
    code = f"import sys; {hidden} from catapult_client.cli import main; sys.exit(main(sys.argv[1:]))"
    key = server.keys["publisher"]
    env = environment(REGISTRY_URL=server.url, REGISTRY_API_KEY=key, PYTHONPATH=str(ROOT / "client"))
    ours, theirs = pty.openpty() if terminal else os.pipe()
    if terminal:
        termios.tcsetwinsize(ours, (24, 100))
    process = subprocess.Popen(
        [sys.executable, "-c", code, *command], env=env, stdout=subprocess.PIPE, stderr=theirs, text=True
    )
    os.close(theirs)
    shown = b""
    try:
        while select.select([ours], [], [], 60)[0] and (piece := os.read(ours, 65_536)):
            shown += piece
    except OSError:  # a terminal that nobody has open any more
        pass
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    return process.returncode, out, shown.decode()
