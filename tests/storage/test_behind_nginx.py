"""`flask files` and the registry behind the shipped nginx, with the files on a CephFS: as deployed, and while Ceph hangs."""

import itertools
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from catapult_client import Registry
from ceph import Ceph
from front import Nginx
from up import Caller, Up, for_a_team, until

from catapult.storage.folder import Folder

pytestmark = pytest.mark.live
NUMBERS = itertools.count()
LARGE = os.urandom(3 * 1024 * 1024 + 13)


class Deployed(NamedTuple):
    registry: Up
    files: Up
    nginx: Nginx

    def by(self, role: str, server: Any = None) -> Caller:
        return Caller((server or self.nginx).url, self.registry.keys[role])

    def state(self) -> dict[str, Any]:
        """What readiness says of files."""
        state: dict[str, Any] = self.registry.caller().get("/readyz?verbose").json()["checks"]["files"]
        return state


@pytest.fixture(scope="module")
def deployed(
    ceph: Ceph, make_cephfs: Callable[[], Folder], make_database: Callable[[], str], needs: Callable[[str], str]
) -> Iterator[Deployed]:
    needs("nginx")
    cephfs = make_cephfs()
    ceph.folder.chmod(0o755)  # nginx reads as another user
    settings = {**for_a_team(make_database()), "TRUSTED_PROXIES": "127.0.0.1"}
    started: list[Any] = []
    with tempfile.TemporaryDirectory(prefix="catapult-files-", ignore_cleanup_errors=True) as name:
        folders = [Path(tempfile.mkdtemp(dir=name)) for _ in range(3)]
        for folder in (Path(name), *folders):
            folder.chmod(0o755)
        try:
            migrated = Up(folders[0], **settings)
            started.append(migrated)
            migrated.ready().make_keys()
            files = Up(
                folders[1], command="files", **settings, STORAGE_URL=f"file://{cephfs.root}", FILES_BY_NGINX="true"
            )
            started.append(files)
            migrated.end()
            registry = Up(folders[0], **settings, FILES_URL=files.url)
            registry.keys = migrated.keys
            started.append(registry)
            variables = {"NGINX_FILES": f"127.0.0.1:{files.port}", "NGINX_BLOBS": f"{cephfs.root}/blobs"}
            nginx = Nginx(folders[2], registry.ready().port, **variables, NGINX_RATE="1000r/s", NGINX_BURST="1000")
            started.append(nginx)
            yield Deployed(registry, files.ready(), nginx.ready())
        finally:
            for each in reversed(started):
                each.close()


def a_version(caller: Caller) -> dict[str, Any]:
    return caller.version(caller.model(f"files/behind-{next(NUMBERS)}"), "1.0.0")


def address(version: dict[str, Any], path: str = "model.bin") -> str:
    return f"/api/v1/versions/{version['id']}/artifacts/{path}"


def test_files_flow_through_nginx_as_without_it(deployed: Deployed, tmp_path: Path) -> None:
    with deployed.by("publisher") as front, deployed.by("publisher", deployed.files) as direct:
        version = a_version(front)
        added = front.put(address(version), data=LARGE)
        assert added.status_code == 201, added.text
        content = f"{added.headers['Location']}/content"
        tag = f'"{added.json()["sha256"]}"'
        for sent in (
            {},
            {"Range": "bytes=5-9"},
            {"Range": "bytes=-5", "If-Range": tag},
            {"Range": "bytes=5-", "If-Range": '"x"'},
        ):
            got = front.get(content, headers=sent)
            part = {"bytes=5-9": LARGE[5:10], "bytes=-5": LARGE[-5:]}.get(sent.get("Range", ""), LARGE)
            assert (got.status_code, got.content) == (200 if part is LARGE else 206, part), sent
            assert "X-Accel-Redirect" not in got.headers
            assert (got.headers["ETag"], "sandbox" in got.headers["Content-Security-Policy"]) == (tag, True)
            assert got.headers["X-Content-Type-Options"] == "nosniff"
            assert got.headers["Content-Disposition"] == "attachment; filename*=UTF-8''model.bin"
        assert front.get(content, headers={"If-None-Match": tag}).status_code == 304
        assert front.get(content, headers={"Range": f"bytes={len(LARGE)}-"}).status_code == 416
        assert direct.get(content).headers["X-Accel-Redirect"].endswith(added.json()["sha256"])
        with Registry(deployed.nginx.url, deployed.registry.keys["publisher"]) as sdk:
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "weights.bin").write_bytes(LARGE[::-1])
            sdk.upload(version["id"], tmp_path / "out")
            assert {file.read_bytes() for file in sdk.download(version["id"], to=tmp_path / "in")} == {
                LARGE,
                LARGE[::-1],
            }


def test_each_server_answers_what_is_its_own(deployed: Deployed) -> None:
    with deployed.by("admin", deployed.files) as files, deployed.by("publisher") as front:
        assert files.get("/api/v1/models").status_code == 404
        assert files.get("/livez").status_code == 200
        version = a_version(front)
        with deployed.by("publisher", deployed.registry) as registry:
            assert registry.put(address(version), data=b"x").status_code == 503
        for server in (deployed.nginx, deployed.registry, deployed.files):
            with deployed.by("admin", server) as caller:
                assert caller.post("/internal/files/state", json={}).status_code in (403, 404)
        assert deployed.nginx.get("/-/files/aa/bb/cc").status_code == 404
    until(lambda: deployed.state()["status"] == "ok")


def test_while_ceph_hangs_everything_else_goes_on_and_afterwards_so_do_files(ceph: Ceph, deployed: Deployed) -> None:
    with deployed.by("publisher") as front:
        version = a_version(front)
        content = f"{front.put(address(version), data=LARGE).headers['Location']}/content"
        until(lambda: deployed.state()["status"] == "ok")
        with ceph.hung_disk():
            under_way = [upload_under_way(deployed, version, number) for number in range(3)]
            until(lambda: deployed.state()["status"] == "hangs", seconds=10)
            assert deployed.state()["reason"].startswith("hangs since 20")
            refused = front.put(address(version, "late"), data=b"x")
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
            assert "hangs since" in refused.json()["detail"]
            assert front.get(content).status_code == 503
            waits = [front.get("/api/v1/versions?limit=1").elapsed.total_seconds() for _ in range(50)]
            assert max(waits) < 1
        for raw in under_way:
            raw.close()
        until(lambda: deployed.state()["status"] == "ok", seconds=60)
        assert front.put(address(version, "after"), data=b"x").status_code == 201
        assert front.get(content).content == LARGE


def upload_under_way(deployed: Deployed, version: dict[str, Any], number: int) -> socket.socket:
    """Send an upload, and do not wait for its end."""
    raw = socket.create_connection(("127.0.0.1", deployed.nginx.port), timeout=10)
    key = deployed.registry.keys["publisher"]
    head = f"PUT {address(version, f'slow{number}')} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Length: 100000\r\n\r\n"
    raw.sendall(head.encode() + bytes(100_000))
    return raw


def test_both_servers_end_in_time_while_ceph_hangs(ceph: Ceph, deployed: Deployed) -> None:
    with deployed.by("publisher") as front:
        version = a_version(front)
    with ceph.hung_disk(), upload_under_way(deployed, version, 0):
        until(lambda: deployed.state()["status"] == "hangs", seconds=10)
        began = time.monotonic()
        deployed.files.end(signal.SIGTERM, seconds=40)
        until(lambda: deployed.state()["reason"] == "the process for files: does not answer.")
        assert deployed.registry.end(signal.SIGTERM) == 0
        assert time.monotonic() - began < 35
