"""Debian's nginx as an ordinary process, with the shipped files."""

import json
import os
import signal
import socket
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import requests
from up import ROOT, free_port, until

FILES = ROOT / "infrastructure" / "nginx"
STATIC = ROOT / "catapult" / "static"


def render(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The configuration for those variables and nothing of the machine's, in `folder/conf`."""
    kept = {name: value for name, value in os.environ.items() if name == "PATH"}
    return subprocess.run(
        ["sh", FILES / "render.sh", folder / "conf"],
        env={**kept, "NGINX_SSL": str(folder / "ssl"), "NGINX_STATIC": str(STATIC), **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


class Nginx:
    """One nginx before backends at these ports of this machine, its files in that folder."""

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
        made = render(folder, **self.variables)
        assert made.returncode == 0, made.stderr
        self.said = folder / "said"
        with self.said.open("w") as said:
            self.process = subprocess.Popen(
                ["nginx", "-c", folder / "conf" / "nginx.conf", "-g", f"pid {folder}/pid; daemon off;"],
                stdout=said,
                stderr=said,
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
        assert self.process.poll() is None, self.said.read_text()
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        return self.ask("GET", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> requests.Response:
        return self.ask("POST", path, **kwargs)

    def ask(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        verify = Path(self.variables["NGINX_SSL"], "fullchain.pem") if self.tls else None
        kwargs = {"timeout": 20, "allow_redirects": False, "verify": verify and str(verify), **kwargs}
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.url + path, **kwargs)

    def raw(self, text: bytes) -> bytes:
        """What comes back to these bytes, until nginx closes or is silent for two seconds."""
        got = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
            connection.sendall(text)
            try:
                while more := connection.recv(65536):
                    got += more
            except TimeoutError:
                pass
        return got

    def lines(self) -> list[dict[str, Any]]:
        """The access log; the last line may still be on its way."""
        text = self.log.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def logged(self, **fields: str) -> dict[str, Any]:
        """The line with these fields. It is written after the answer was sent."""
        until(lambda: self._found(fields))
        (line,) = self._found(fields)
        return line

    def _found(self, fields: dict[str, str]) -> list[dict[str, Any]]:
        return [line for line in self.lines() if fields.items() <= line.items()]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
