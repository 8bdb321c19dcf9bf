"""nginx as an ordinary process with the shipped files."""

import json
import os
import signal
import socket
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import requests
from malformed import speak
from up import ROOT, Caller, free_port, until

FILES = ROOT / "infrastructure" / "nginx"
STATIC = ROOT / "catapult" / "static"


def render(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Write the configuration for these variables, and none of this machine's, to `folder/conf`."""
    kept = {name: value for name, value in os.environ.items() if name == "PATH"}
    return subprocess.run(
        ["sh", FILES / "render.sh", folder / "conf"],
        env={**kept, "NGINX_SSL": str(folder / "ssl"), "NGINX_STATIC": str(STATIC), **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def rendered(folder: Path, name: str, version: str | None = None, **variables: str) -> str:
    """Return a rendered file as for nginx of this version."""
    if version:
        stand_in = folder / "bin" / "nginx"
        stand_in.parent.mkdir(exist_ok=True)
        stand_in.write_text(f"#!/bin/sh\necho nginx version: nginx/{version} >&2\n")
        stand_in.chmod(0o755)
        variables["PATH"] = f"{stand_in.parent}:{os.environ['PATH']}"
    done = render(folder, **variables)
    assert done.returncode == 0, done.stderr
    return (folder / "conf" / "conf.d" / name).read_text()


class Nginx:
    """nginx in front of backends at these local ports, with its files in the folder."""

    def __init__(self, folder: Path, *backends: int, **variables: str) -> None:
        self.folder, self.port, self.tls_port = folder, free_port(), free_port()
        self.log = folder / "access.log"
        self.variables = {
            "NGINX_HTTP_PORT": str(self.port),
            "NGINX_HTTPS_PORT": str(self.tls_port),
            "NGINX_BACKENDS": " ".join(f"127.0.0.1:{port}" for port in backends),
            "NGINX_TEMP": str(folder),
            "NGINX_ACCESS_LOG": str(self.log),
            **variables,
        }
        done = render(folder, **self.variables)
        assert done.returncode == 0, done.stderr
        self.output = folder / "output"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                ["nginx", "-c", folder / "conf" / "nginx.conf", "-g", f"pid {folder}/pid; daemon off;"],
                stdout=output,
                stderr=output,
            )

    @property
    def tls(self) -> bool:
        return Path(self.variables.get("NGINX_SSL", "none"), "privkey.pem").exists()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.tls_port}" if self.tls else f"http://127.0.0.1:{self.port}"

    def ready(self) -> "Nginx":
        until(self._listens)
        return self

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        return self.ask("GET", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> requests.Response:
        return self.ask("POST", path, **kwargs)

    def ask(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        verify = Path(self.variables["NGINX_SSL"], "fullchain.pem") if self.tls else None
        kwargs = {"allow_redirects": False, "verify": verify and str(verify), **kwargs}
        with Caller(self.url) as caller:
            return caller.request(method, path, **kwargs)

    def get_verbatim(self, path: str) -> bytes:
        """Return the response to a GET of this path, sent without any change."""
        return speak(self.port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()).text

    def lines(self) -> list[dict[str, Any]]:
        """Return the complete lines of the access log."""
        text = self.log.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def logged(self, **fields: str) -> dict[str, Any]:
        """Wait for the one line with these fields, which is written after the response was sent, and return it."""
        matching: list[dict[str, Any]] = []
        until(lambda: matching.extend(line for line in self.lines() if fields.items() <= line.items()) or matching)
        (line,) = matching
        return line

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
