"""A full disk: the home is a small file system of its own, and a large file takes the rest of it."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from test_resumable_uploads import begun, offset_of, patch
from up import Caller, Start, Up, a_model, problem, statuses, until

from catapult.embedded import Embedded

pytestmark = [pytest.mark.live, pytest.mark.skipif(sys.platform != "linux", reason="a tmpfs is Linux's")]
SEGMENT = 16 * 1024 * 1024
"""Size of a file of PostgreSQL's write-ahead log."""


class Disk:
    """A file system in memory, mounted at that folder."""

    def __init__(self, folder: Path, size: str = "200m") -> None:
        self.folder, self.large = folder, folder / "large"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "catapult-disk", folder]
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
        if mounted.returncode and not os.environ.get("CI"):
            pytest.skip(f"needs to be root, and allowed to mount: {mounted.stderr.strip()}")
        assert mounted.returncode == 0, f"CI has to run this as root that may mount: {mounted.stderr}"

    def free(self) -> int:
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize

    def fill(self, leave: int = 0) -> None:
        with self.large.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, self.free() - leave)
        assert self.free() <= leave

    def make_room(self) -> None:
        self.large.unlink()


@pytest.fixture(scope="module")
def mounted(make_folder: Callable[[], Path]) -> Iterator[Disk]:
    disk = Disk(make_folder() / "disk")
    yield disk
    subprocess.run(["umount", "--lazy", disk.folder], check=True)


@pytest.fixture
def disk(mounted: Disk) -> Iterator[Disk]:
    """That disk. After the test there is room on it."""
    yield mounted
    mounted.large.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def server(mounted: Disk, make_folder: Callable[[], Path]) -> Iterator[Up]:
    """A server with its home on that disk and its log elsewhere. At the end it is the same process, without a logged fault."""
    home = mounted.folder / "home"
    server = Up(make_folder(), CATAPULT_HOME=str(home), WEB_CONCURRENCY="1")
    try:
        yield server.ready()
        assert server.process.poll() is None
        assert server.lines("fault") == []
        assert server.end() == 0
    finally:
        server.close()
        Embedded(home).stop()


class Writer:
    """Registers models until it is refused; each is large and cannot be compressed."""

    def __init__(self, admin: Caller) -> None:
        self.admin, self.acknowledged = admin, set[str]()

    def once(self) -> requests.Response:
        metadata = {f"key-{n}": secrets.token_hex(1000) for n in range(30)}
        answer = self.admin.post("/api/v1/models", json=a_model(f"disk/{secrets.token_hex(8)}", metadata=metadata))
        if answer.status_code == 201:
            self.acknowledged.add(answer.json()["id"])
        return answer

    def until_refused(self) -> requests.Response:
        """Return the refusal, a 503 that says when to come again."""
        answers = (self.once() for _ in range(1000))
        refused = next(answer for answer in answers if answer.status_code != 201)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
        problem(refused, "unavailable")
        return refused


@contextmanager
def writing(server: Up) -> Iterator[Writer]:
    """Write with the same worker throughout. At the end a write succeeds, and each acknowledged one has its one entry."""
    workers = server.workers()
    with server.caller(server.key) as admin:
        writer = Writer(admin)
        writer.once()
        yield writer
        until(lambda: writer.once().status_code == 201)
    rows = server.sql(
        "SELECT m.id::text, a.entries FROM models m FULL JOIN (SELECT resource_id, count(*) AS entries FROM audit_logs"
        " WHERE action = 'model.create' GROUP BY resource_id) a ON a.resource_id = m.id"
    )
    assert {entries for _, entries in rows} == {1}
    assert {identity for identity, _ in rows} >= writer.acknowledged
    assert None not in {identity for identity, _ in rows}
    until(lambda: server.workers() == workers)


def test_on_a_full_disk_writes_are_refused_reads_go_on_and_room_is_enough_to_recover(server: Up, disk: Disk) -> None:
    with writing(server) as writer:
        disk.fill()
        refused = writer.until_refused()
        assert refused.headers["Retry-After"] == "60"
        assert refused.json()["detail"].startswith("The database's disk is full.")
        reads = ["/api/v1/models", "/api/v1/info", "/api/v1/audit-logs", "/livez", "/readyz", "/api/health", "/metrics"]
        assert statuses([writer.admin.get(path) for path in reads]) == {200: len(reads)}
        reasons = [line["reason"] for line in server.lines("database")]
        assert any(reason.startswith("The database's disk is full.") for reason in reasons)
        disk.make_room()


def test_a_worker_that_starts_on_a_full_disk_serves_without_metrics_until_there_is_room(server: Up, disk: Disk) -> None:
    with server.caller(server.key) as admin:
        disk.fill()
        (before,) = server.workers()
        before.kill()
        until(lambda: server.workers() not in ([], [before]))
        until(lambda: admin.get("/livez").status_code == 200)
        workers = server.workers()
        assert [admin.get(path).status_code for path in ("/api/v1/models", "/readyz", "/nowhere")] == [200, 200, 404]
        problem(admin.get("/metrics"), "insufficient-storage")
        (line,) = server.lines("no metrics: their disk is full")
        assert line["reason"] == "No space left on device"
        disk.make_room()
        until(lambda: "catapult_requests_total{" in admin.get("/metrics").text)
        assert server.workers() == workers


def test_a_postgresql_that_cannot_log_a_change_ends_and_is_back_once_there_is_room(server: Up, disk: Disk) -> None:
    with writing(server) as writer:
        disk.fill(leave=SEGMENT - 2 * 1024 * 1024)
        writer.until_refused()
        failed = "the embedded PostgreSQL did not start; trying again"
        until(lambda: server.lines(failed), 40)
        assert f"The disk of {server.home} is full" in server.lines(failed)[0]["reason"]
        assert writer.admin.get("/livez").status_code == 200
        assert writer.admin.get("/api/v1/models").status_code == 503
        disk.make_room()


def test_a_storage_of_files_that_is_full_keeps_nothing_by_half_and_takes_what_has_room(
    start: Start, make_folder: Callable[[], Path]
) -> None:
    disk = Disk(make_folder() / "storage", "1m")
    try:
        server = start(STORAGE_URL=f"file://{disk.folder}").ready()
        with server.caller(server.key) as admin:
            version = admin.version(admin.model("disk/files"), "1.0.0")
            files = f"/api/v1/versions/{version['id']}/artifacts"
            refused = admin.put(f"{files}/large", data=os.urandom(2_000_000))
            assert refused.status_code == 507
            assert str(disk.folder) in refused.json()["detail"]
            assert admin.get(files).json() == []
            assert admin.put(f"{files}/small", data=os.urandom(500_000)).status_code == 201
            admin.headers["Tus-Resumable"] = "1.0.0"
            upload = begun(admin, version, 900_000)
            content = os.urandom(900_000)
            assert patch(admin, upload, 0, content).status_code == 507
            offset = offset_of(admin, upload)
            assert 0 < offset < len(content)  # what had room is kept, and goes on once there is more
            admin.delete(f"/api/v1/artifacts/{admin.get(files).json()[0]['id']}").raise_for_status()
            next((disk.folder / "blobs").rglob("[0-9a-f]" * 64)).unlink()
            assert patch(admin, upload, offset, content[offset:]).status_code == 204
            (file,) = admin.get(files).json()
            assert admin.get(f"/api/v1/artifacts/{file['id']}/content").content == content
    finally:
        subprocess.run(["umount", "--lazy", disk.folder], check=True)
