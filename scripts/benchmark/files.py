"""Files up and down, each beside what the machine itself does with the same bytes, by turns: ratios of one run."""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import requests

from catapult.embedded import Embedded

from .asking import UNIQUE, Asked, Client
from .servers import SALT, free_port, pss

ROOT = Path(__file__).parent.parent.parent
SMALL, CONNECTIONS = 10_000, 8
MIB = 1024 * 1024
VERSION = {"model_name": "bench/files", "tag": "v1", "digest": "sha256:" + "a" * 64}


class Deployed:
    """`flask up` with nginx and `flask files` beside it, all in that folder, and a version to add files to."""

    def __init__(self, folder: Path, database: Embedded, storage_url: str) -> None:
        self.folder, self.ports = folder, {name: free_port() for name in ("registry", "files", "nginx", "static")}
        (folder / "storage").mkdir()
        self.settings = {
            "DATABASE_URL": database.url,
            "API_KEY_SALT": SALT,
            "SECRET_KEY": SALT,
            "TRUSTED_PROXIES": "127.0.0.1",
            "WEB_CONCURRENCY": "2",
            "LOG_LEVEL": "ERROR",
        }
        self.processes: list[subprocess.Popen[str]] = []
        at = f"http://127.0.0.1:{self.ports['files']}"
        self.key = self._start("up", "registry", FILES_URL=at)
        storage = {"STORAGE_URL": storage_url or f"file://{folder}/storage"}
        self._start("files", "files", **storage, FILES_BY_NGINX="false" if storage_url else "true")
        self._nginx()
        self.version = self._version()

    def _start(self, command: str, name: str, **settings: str) -> str:
        """Start it, wait until it says where it runs, and return the key that it prints, if it does."""
        process = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi", command],
            cwd=ROOT,
            env={**os.environ, **self.settings, **settings, "PORT": str(self.ports[name])},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.processes.append(process)
        key = ""
        for line in process.stdout or ():
            key = key or "".join(re.findall(r"Key: (cat_\S+)", line))
            if "is running at" in line:
                return key
        raise SystemExit(f"flask {command} ended")

    def _nginx(self) -> None:
        variables = {
            "NGINX_HTTP_PORT": str(self.ports["nginx"]),
            "NGINX_BACKENDS": f"127.0.0.1:{self.ports['registry']}",
            "NGINX_FILES": f"127.0.0.1:{self.ports['files']}",
            "NGINX_BLOBS": f"{self.folder}/storage/blobs",
            "NGINX_TEMP": str(self.folder),
            "NGINX_ACCESS_LOG": "off",
            "NGINX_RATE": "10000r/s",
            "NGINX_BURST": "10000",
            "NGINX_CONNECTIONS": "1000",
        }
        environment = {**os.environ, **variables}
        render = [ROOT / "infrastructure/nginx/render.sh", self.folder / "conf"]
        subprocess.run([str(shutil.which("sh")), *render], env=environment, check=True)
        static = self.folder / "static.conf"
        static.write_text(
            f"events {{}} http {{ access_log off; sendfile on; server {{ listen {self.ports['static']}; root {self.folder}; }} }}"
        )
        for name, conf in (("nginx", self.folder / "conf" / "nginx.conf"), ("static", static)):
            command = [str(shutil.which("nginx")), "-c", str(conf), "-g", f"pid {self.folder}/{name}.pid; daemon off;"]
            self.processes.append(subprocess.Popen(command, text=True, stderr=subprocess.DEVNULL))
            _until_open(self.ports[name])

    def _version(self) -> str:
        headers, url = {"X-API-Key": self.key}, f"http://127.0.0.1:{self.ports['registry']}/api/v1"
        model = {"name": VERSION["model_name"], "storage_path": "docker.io/bench/files"}
        requests.post(f"{url}/models", json=model, headers=headers, timeout=10).raise_for_status()
        fields = {**VERSION, "version": "1.0.0"}
        return str(requests.post(f"{url}/versions", json=fields, headers=headers, timeout=10).json()["id"])

    def path(self, name: str) -> str:
        return f"/api/v1/versions/{self.version}/artifacts/{name}"

    def close(self) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                process.terminate()
            process.wait(40)


@contextmanager
def deployed(database: Embedded, storage_url: str = "") -> Iterator[Deployed]:
    with tempfile.TemporaryDirectory(prefix="catapult-bench-files-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)  # nginx reads as another user
        there = Deployed(Path(name), database, storage_url)
        try:
            yield there
        finally:
            there.close()


def measure(database: Embedded, size: int, rounds: int) -> None:
    """Print the ratios of a file of that size, the rate of small ones, and the memory of the process for files."""
    with deployed(database) as there:
        source = _source(there, size)
        copy, up, down = (
            f"{there.folder}/copy",
            f"http://127.0.0.1:{there.ports['nginx']}",
            "curl -sS --fail -o /dev/null",
        )
        key = f"-H X-API-Key:{there.key}"
        local = f"cp {source} {copy} && sync {copy} && openssl dgst -sha256 {source}"
        figures: dict[str, list[float]] = {"local": [], "up": [], "static": [], "down": []}
        for number in range(rounds):
            figures["local"].append(_timed(local))
            figures["up"].append(_timed(f"{down} {key} -T {source} {up}{there.path(f'large{number}')}"))
            listed = requests.get(
                f"{up}{there.path('')}".rstrip("/"), headers={"X-API-Key": there.key}, timeout=10
            ).json()
            figures["static"].append(_timed(f"{down} http://127.0.0.1:{there.ports['static']}/source"))
            figures["down"].append(_timed(f"{down} {key} {up}/api/v1/artifacts/{listed[0]['id']}/content"))
        middle = {name: statistics.median(seconds) for name, seconds in figures.items()}
        print(
            f"up   {size // MIB} MiB: {middle['up']:.2f} s, {middle['local'] / middle['up']:.2f} of cp, sync and openssl dgst"
        )
        print(
            f"down {size // MIB} MiB: {middle['down']:.2f} s, {middle['static'] / middle['down']:.2f} of nginx's static files"
        )
        content = UNIQUE.ljust(SMALL, "x")
        small = _rate(there, Asked([there.path(f"small/{UNIQUE}")], [content], puts=True))
        versions = _rate(there, Asked(["/api/v1/versions"], [json.dumps({**VERSION, "version": UNIQUE})]))
        print(
            f"up   {SMALL} bytes, {CONNECTIONS} connections: {small:.0f}/s, {small / versions:.2f} of registering versions"
        )
        print(f"memory of the process for files: {_memory(there) // 1024} MiB")


def measure_bucket(database: Embedded, size: int, rounds: int) -> None:
    """Print how fast a file of that size is sent to the bucket of STORAGE_URL, beside boto3's own upload to it."""
    import boto3

    bucket, _, prefix = os.environ["STORAGE_URL"].removeprefix("s3://").partition("/")
    client = boto3.client("s3", endpoint_url=os.environ.get("S3_ENDPOINT_URL"))
    with deployed(database, os.environ["STORAGE_URL"]) as there:
        source, up, alone = _source(there, size), [], []
        address = f"http://127.0.0.1:{there.ports['nginx']}"
        for number in range(rounds):
            began = time.monotonic()
            client.upload_file(str(source), bucket, f"{prefix}/alone{number}".lstrip("/"))
            alone.append(time.monotonic() - began)
            command = f"curl -sS --fail -o /dev/null -H X-API-Key:{there.key} -T {source} {address}"
            up.append(_timed(f"{command}{there.path(f'large{number}')}"))
        middle = statistics.median(up)
        print(f"up   {size // MIB} MiB: {middle:.2f} s, {statistics.median(alone) / middle:.2f} of boto3's upload_file")


def _source(there: Deployed, size: int) -> Path:
    source = there.folder / "source"
    with source.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
    return source


def _timed(command: str) -> float:
    began = time.monotonic()
    subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL)  # noqa: S602 - our own words
    return time.monotonic() - began


def _rate(there: Deployed, asked: Asked) -> float:
    """Return how often a second it is answered with success, once connections and plans are there."""
    client = Client(there.ports["nginx"], there.key)
    client.ask(asked, 2, CONNECTIONS)
    figures = client.ask(asked, 5, CONNECTIONS)
    if figures.faults:
        raise SystemExit(f"{figures.faults} of {figures.requests} requests to {asked.paths[0]} failed")
    return figures.rate


def _memory(there: Deployed) -> int:
    """Return the memory of the process for files in kB, shared pages divided among those that share them."""
    arbiter = there.processes[1].pid
    children = Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text().split()
    return sum(pss(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text().strip() == "catapult-files")


def _until_open(port: int) -> None:
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        with suppress(OSError):
            HTTPConnection("127.0.0.1", port, timeout=1).connect()
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens at port {port}")
