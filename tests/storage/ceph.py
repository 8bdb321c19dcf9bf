"""A real Ceph of one disk: its gateway that speaks S3, and its CephFS. One is shared by all processes of a run of pytest."""

import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config

from catapult.storage import StorageError
from catapult.storage.s3 import S3

PROGRAMS = ("ceph-mon", "ceph-mgr", "ceph-osd", "radosgw", "ceph")
KEY, SECRET = "AKCATAPULTTESTS", "a-secret-of-the-tests-of-catapult"


@dataclass(frozen=True)
class Ceph:
    """One that runs, with all of its files in `folder`. Its gateway is at the port of this machine."""

    folder: Path
    port: int

    @property
    def mount(self) -> Path:
        """Where the CephFS is, unless the machine cannot mount it."""
        return self.folder / "mount"

    def why_unmounted(self) -> str:
        return "" if self.mount.is_mount() else (self.folder / "unmounted").read_text()

    def run(self, *command: str) -> str:
        """Run a command of Ceph's as its administrator, and return what it prints."""
        environment = {**os.environ, "CEPH_CONF": str(self.folder / "ceph.conf")}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout

    def bucket(self, port: int | None = None, user: Callable[[S3], S3] = lambda storage: storage) -> S3:
        """Make a bucket of that user, and return it as a storage."""
        storage = user(S3(f"tests-{uuid4().hex}", "some/prefix", f"http://127.0.0.1:{port or self.port}", KEY, SECRET))
        client(storage).create_bucket(Bucket=storage.bucket)
        return storage

    def user(self, name: str) -> Callable[[S3], S3]:
        """Make a user, and return a function that returns a storage as that user reaches it."""
        key, secret = secrets.token_hex(10), secrets.token_hex(20)
        create = ["radosgw-admin", "user", "create", f"--uid={name}", f"--display-name={name}"]
        try:
            self.run(*create, f"--access-key={key}", f"--secret-key={secret}")
        except subprocess.CalledProcessError as error:
            if error.returncode != -signal.SIGSEGV:  # it may crash when it has done its work
                raise
            self.run("radosgw-admin", "user", "info", f"--uid={name}")
        return lambda storage: replace(storage, access_key=key, secret=secret)

    def stop_disk(self) -> None:
        """Kill the daemon of the disk with SIGKILL, and wait until the last of its threads has let go of the disk."""
        process = Path("/proc", (self.folder / "run" / "osd.0.pid").read_text().strip())
        os.kill(int(process.name), signal.SIGKILL)
        wait_until(lambda: _has_ended(process))

    def start_disk(self) -> None:
        """Start the daemon of the disk, and wait until it serves."""
        self.run("ceph-osd", "-i", "0")
        wait_until(self._serves_disk)

    def _serves_disk(self) -> bool:
        with suppress(subprocess.CalledProcessError):
            return bool(json.loads(self.run("ceph", "daemon", "osd.0", "status"))["state"] == "active")
        return False

    @contextmanager
    def hung_disk(self) -> Iterator[None]:
        """Stop the daemon of the disk during the block, so that what is written waits for it."""
        pid = int((self.folder / "run" / "osd.0.pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


class Gateway:
    """Another gateway to the same Ceph, for a test that stops it."""

    def __init__(self, ceph: Ceph) -> None:
        self.ceph, self.port = ceph, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        name = f"gateway-{self.port}"
        settings = [
            f"--rgw-frontends=beast endpoint=127.0.0.1:{self.port} tcp_nodelay=1",
            *(f"--pid-file={self.ceph.folder}/run/{name}.pid", f"--log-file={self.ceph.folder}/log/{name}.log"),
            f"--admin-socket={self.ceph.folder}/run/{name}.asok",
        ]
        command = ["radosgw", "-f", "-c", str(self.ceph.folder / "ceph.conf"), "-n", "client.rgw.a", *settings]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_until(lambda: self.process is None or self.process.poll() is not None or is_open(self.port))
        assert self.process.poll() is None, "the gateway ended"

    def stop(self) -> None:
        """Kill it with SIGKILL."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def gateway(ceph: Ceph) -> Iterator[Gateway]:
    gateway = Gateway(ceph)
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.stop()


def shared(folder: Path, owner: int) -> Ceph:
    """Return the Ceph of this run, of which `folder` tells the other processes. It is started once and stops when `owner` ends."""
    record = folder / "ceph.json"
    with (folder / "ceph.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            record.write_text(json.dumps(_started(owner)))
    running: dict[str, Any] = json.loads(record.read_text())
    return Ceph(Path(running["folder"]), running["port"])


def stop(folder: Path) -> None:
    """Stop it before its owner ends, and wait for that."""
    with suppress(FileNotFoundError):
        running = json.loads((folder / "ceph.json").read_text())
        with suppress(ProcessLookupError):
            os.kill(running["pid"], signal.SIGTERM)
        wait_until(lambda: not Path(running["folder"]).exists())


def _started(owner: int) -> dict[str, Any]:
    # The names of its sockets have to be short, and pytest removes old folders of its own, with what is mounted there.
    folder, port = Path(tempfile.mkdtemp(prefix="catapult-ceph-")), free_port()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [Path(__file__).with_name("ceph_up.sh"), folder, str(port), str(free_port()), str(owner)],
            env={**os.environ, "KEY": KEY, "SECRET": SECRET},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl+C is for pytest, which ends, and then this does
        )
        wait_until(lambda: process.poll() is not None or (folder / "ready").exists(), seconds=120)
        output.seek(0)
        assert process.poll() is None, output.read()
    process.returncode = 0  # it outlives the test that started it, on purpose
    return {"folder": str(folder), "port": port, "pid": process.pid}


def client(storage: S3) -> Any:
    """Return boto3's own client of the same bucket, to look at what is there."""
    return boto3.session.Session(storage.access_key, storage.secret, region_name=storage.region).client(
        "s3", endpoint_url=storage.endpoint_url, config=Config(s3={"addressing_style": "path"})
    )


def answers(storage: S3) -> bool:
    try:
        storage.probe()
    except StorageError:
        return False
    return True


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a condition outside of this process, which it gets no event from."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def _has_ended(process: Path) -> bool:
    """Return whether all threads have ended. The first one may be a zombie long before the others, which hold locks of files."""
    try:
        threads = list((process / "task").iterdir())
        return threads == [process / "task" / process.name] and " Z " in (process / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def is_open(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
