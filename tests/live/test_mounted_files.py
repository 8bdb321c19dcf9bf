"""Files that lie on the mount: registered where they lie, read by the process for files, looked at again, and sent."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from test_file_transfers import file_process
from up import ROOT, Caller, Start, Up, environment, flask, run, until

pytestmark = pytest.mark.live
WEIGHTS = os.urandom(3_000_000)


@pytest.fixture(scope="module")
def mount(make_folder: Callable[[], Path]) -> Path:
    mount = make_folder()
    (mount / "runs" / "17").mkdir(parents=True)
    (mount / "runs" / "17" / "model.bin").write_bytes(WEIGHTS)
    (mount / "runs" / "17" / "eval.json").write_text('{"accuracy": 0.9}')
    (mount / "private").mkdir()
    (mount / "private" / "key").write_text("secret")
    return mount


@pytest.fixture(scope="module")
def server(start: Start, mount: Path) -> Up:
    server = start(CEPH_MOUNT_PATH=str(mount), MOUNT_FOLDERS="runs, scratch").ready()
    server.make_keys()
    return server


@pytest.fixture
def publisher(server: Up) -> Iterator[Caller]:
    with server.by("publisher") as caller:
        yield caller


@pytest.fixture
def version(publisher: Caller, request: pytest.FixtureRequest) -> dict[str, Any]:
    return publisher.version(publisher.model(f"mount/m{abs(hash(request.node.name))}"), "1.0.0")


def address(version: dict[str, Any]) -> str:
    return f"/api/v1/versions/{version['id']}/artifacts"


def registered(caller: Caller, version: dict[str, Any], mount_path: str, path: str = "") -> Any:
    answer = caller.post(address(version), json={"mount_path": mount_path, "path": path})
    assert answer.status_code == 201, answer.text
    until(lambda: all(file["state"] != "pending" for file in caller.get(address(version)).json()))
    return caller.get(address(version)).json()


def memory_of(process: psutil.Process) -> int:
    return int(process.memory_info().rss)


def content(caller: Caller, file: dict[str, Any]) -> Any:
    return caller.get(f"/api/v1/artifacts/{file['id']}/content")


def test_a_folder_is_browsed_and_registered_where_it_lies(
    server: Up, publisher: Caller, version: dict[str, Any]
) -> None:
    browsed = publisher.get("/api/v1/storage/files?path=runs/17&limit=1").json()
    assert [(entry["path"], entry["kind"]) for entry in browsed] == [("runs/17/eval.json", "file")]
    after = publisher.get("/api/v1/storage/files?path=runs/17&after=eval.json").json()
    assert [(entry["path"], entry["size_bytes"]) for entry in after] == [("runs/17/model.bin", len(WEIGHTS))]
    first = publisher.post(address(version), json={"mount_path": "runs/17", "path": "weights"}).json()
    assert {(file["path"], file["state"], file["sha256"]) for file in first} == {
        ("weights/eval.json", "pending", None),
        ("weights/model.bin", "pending", None),
    }
    until(lambda: {file["state"] for file in publisher.get(address(version)).json()} == {"ready"})
    _, model = publisher.get(address(version)).json()
    assert model["sha256"] == hashlib.sha256(WEIGHTS).hexdigest()
    assert content(publisher, model).content == WEIGHTS
    part = publisher.get(f"/api/v1/artifacts/{model['id']}/content", headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, WEIGHTS[5:10])
    assert not list((server.home / "files").rglob("*.bin"))
    assert server.entries("artifact.ready", model["id"]) == 1
    assert publisher.post(address(version), json={"mount_path": "runs/17", "path": "weights"}).status_code == 409


def test_what_was_changed_on_the_mount_is_not_sent_and_says_so(
    publisher: Caller, version: dict[str, Any], mount: Path
) -> None:
    place = mount / "runs" / "other.txt"
    place.write_text("as hashed")
    (file,) = registered(publisher, version, "runs/other.txt")
    assert file["path"] == "other.txt"
    place.write_text("another")
    assert content(publisher, file).status_code == 409
    assert publisher.get(f"/api/v1/artifacts/{file['id']}").json()["state"] == "changed"
    place.unlink()
    assert content(publisher, file).status_code == 409
    assert publisher.get(f"/api/v1/artifacts/{file['id']}").json()["state"] == "missing"


@pytest.mark.parametrize(
    "path", ["private/key", "..", "runs/../private", "private", "runs/none", "runs/17/../../private/key"]
)
def test_nothing_else_is_registered_or_seen(publisher: Caller, version: dict[str, Any], path: str) -> None:
    refused = publisher.post(address(version), json={"mount_path": path})
    assert (refused.status_code, set(refused.json()["errors"])) == (422, {"mount_path"})
    assert publisher.get("/api/v1/storage/files", params={"path": path}).status_code == 404
    assert publisher.get(address(version)).json() == []


def test_who_may(server: Up, publisher: Caller, version: dict[str, Any]) -> None:
    with server.by("viewer") as viewer:
        assert viewer.get("/api/v1/storage/files").status_code == 403
        assert viewer.post(address(version), json={"mount_path": "runs/17"}).status_code == 403
    assert [entry["path"] for entry in publisher.get("/api/v1/storage/files").json()] == ["runs", "scratch"]
    with server.by("releaser") as releaser:
        releaser.post(f"/api/v1/versions/{version['id']}/promote", json={}).raise_for_status()
        assert releaser.post(address(version), json={"mount_path": "runs/17"}).status_code == 409


def test_scrub_finds_a_flipped_bit_a_lost_blob_and_a_changed_file(
    server: Up, publisher: Caller, version: dict[str, Any], mount: Path
) -> None:
    (mount / "runs" / "soon").write_text("as hashed")
    files = {file["path"]: file for file in registered(publisher, version, "runs/soon")}
    contents = {name: os.urandom(100_000) for name in ("flipped", "lost", "whole")}
    for name, data in contents.items():
        files[name] = publisher.put(f"{address(version)}/{name}", data=data).json()
    blobs = {name: next((server.home / "files" / "blobs").rglob(files[name]["sha256"])) for name in ("flipped", "lost")}
    bits = bytearray(blobs["flipped"].read_bytes())
    bits[70_000] ^= 1
    blobs["flipped"].write_bytes(bits)
    blobs["lost"].unlink()
    stat = (mount / "runs" / "soon").stat()
    (mount / "runs" / "soon").write_text("AS HASHED")  # the same size, and the same time: only its content tells
    os.utime(mount / "runs" / "soon", ns=(stat.st_atime_ns, stat.st_mtime_ns))

    def states() -> dict[str, str]:
        return {file["path"]: file["state"] for file in publisher.get(address(version)).json()}

    assert set(states().values()) == {"ready"}
    settings = {name: server.settings[name] for name in ("CATAPULT_HOME", "CEPH_MOUNT_PATH", "MOUNT_FOLDERS")}
    done = flask("storage", "scrub", "--rate", "100MiB/s", "--hours", "0", **settings)
    assert done.returncode == 1, done.stderr
    assert states() == {"flipped": "changed", "lost": "missing", "soon": "changed", "whole": "ready"}
    assert [
        server.entries(f"artifact.{state}", files[name]["id"])
        for name, state in (("flipped", "changed"), ("lost", "missing"), ("soon", "changed"), ("whole", "ready"))
    ] == [1, 1, 1, 0]
    with server.by("admin") as admin:
        figures = admin.get("/metrics").text
    damaged = server.sql("SELECT state, count(*) FROM artifacts WHERE state <> 'ready' GROUP BY state")
    assert {state for state, _ in damaged} == {"changed", "missing"}  # other tests' files are among them
    for state, count in damaged:
        assert f'catapult_files_damaged{{state="{state}"}} {count}.0' in figures
    for name in ("flipped", "lost"):  # the same bytes again repair it
        assert publisher.put(f"{address(version)}/{name}", data=contents[name]).status_code == 200
        assert (states()[name], content(publisher, files[name]).content) == ("ready", contents[name])
    again = flask("storage", "scrub", **settings)
    assert (again.returncode, "Read 0, of which 0 are" in again.stdout) == (0, True)


def test_five_gigabytes_are_read_and_sent_in_little_memory(
    server: Up, publisher: Caller, version: dict[str, Any], mount: Path
) -> None:
    with (mount / "runs" / "sparse.bin").open("wb") as file:
        file.truncate(5 * 1024**3)
    process, before = file_process(server), memory_of(file_process(server))
    answer = publisher.post(address(version), json={"mount_path": "runs/sparse.bin"})
    assert answer.status_code == 201
    most = before

    def is_read() -> bool:
        nonlocal most
        most = max(most, memory_of(process))
        return all(file["state"] == "ready" for file in publisher.get(address(version)).json())

    until(is_read, 120)
    (file,) = publisher.get(address(version)).json()
    assert file["sha256"] == "7f06c62352aebd8125b2a1841e2b9e1ffcbed602f381c3dcb3200200e383d1d5"
    with publisher.get(f"/api/v1/artifacts/{file['id']}/content", stream=True) as sent:
        size = 0
        for piece in sent.iter_content(16 * 1024 * 1024):
            size, most = size + len(piece), max(most, memory_of(process))
    assert size == 5 * 1024**3
    assert most - before < 64 * 1024**2
    assert file_process(server).pid == process.pid


def test_a_backup_lists_files_on_the_mount_by_their_paths_there(
    server: Up, publisher: Caller, version: dict[str, Any], mount: Path, tmp_path: Path
) -> None:
    name = "runs/a\\N  ü.bin"
    (mount / name).write_bytes(WEIGHTS)
    (file,) = registered(publisher, version, "runs/a\\N  ü.bin", "ü.bin")
    settings = {name: server.settings[name] for name in ("CATAPULT_HOME", "CEPH_MOUNT_PATH", "MOUNT_FOLDERS")}
    done = run(["bash", ROOT / "scripts" / "backup.sh", tmp_path], environment(**settings))
    assert done.returncode == 0, done.stderr
    (manifest,) = tmp_path.glob("*.manifest")
    assert f"{file['sha256']}  {len(WEIGHTS)}  {name}\n" in manifest.read_text()
    assert f"{name}  " not in flask("storage", "verify", str(manifest), **settings).stdout
    (mount / name).unlink()
    assert f"{name}  missing\n" in flask("storage", "verify", str(manifest), **settings).stdout


def test_the_worker_has_old_files_read_again(server: Up, publisher: Caller, version: dict[str, Any]) -> None:
    file = publisher.put(f"{address(version)}/old", data=os.urandom(100_000)).json()
    (blob,) = (server.home / "files" / "blobs").rglob(file["sha256"])
    blob.unlink()
    server.sql(
        "UPDATE blobs SET checked_at = now() - interval '8 days' WHERE sha256 = %s", bytes.fromhex(file["sha256"])
    )
    server.sql("UPDATE jobs SET run_at = now() WHERE kind = 'scrub'")
    until(lambda: publisher.get(f"/api/v1/artifacts/{file['id']}").json()["state"] == "missing")
