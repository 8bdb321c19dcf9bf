"""nginx as a company has it in front of everything: it shows what is at a local port below a path, and strips that path."""

import signal
import socket
import subprocess
from contextlib import closing
from pathlib import Path

from up import free_port, until

MOUNT = "/catapult"
PROXY = "127.0.0.2"
"""The address that this nginx connects from, as a proxy on a machine of its own would."""

CONFIGURATION = """
worker_processes 1;
error_log stderr crit;
pid {folder}/pid;
daemon off;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/client;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location {mount}/ {{
            proxy_pass http://127.0.0.1:{behind}/;
            proxy_bind {proxy};
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            {headers}
        }}
    }}
}}
"""
TOLD = {"Host": "$http_host", "X-Forwarded-Prefix": MOUNT}
"""The headers of a proxy that says where it shows the application."""


class Stripping:
    """The proxy. `url` is where it shows what is at the port `behind`."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder, self.port = folder, port or free_port()
        self.url = f"http://127.0.0.1:{self.port}{MOUNT}"

    def start(self, behind: int, headers: dict[str, str]) -> "Stripping":
        sent = "\n".join(f"proxy_set_header {name} {value};" for name, value in headers.items())
        values = {"folder": self.folder, "port": self.port, "mount": MOUNT, "behind": behind, "proxy": PROXY}
        (self.folder / "nginx.conf").write_text(CONFIGURATION.format(headers=sent, **values))
        with (self.folder / "output").open("w") as output:
            self.process = subprocess.Popen(
                ["nginx", "-c", self.folder / "nginx.conf", "-p", self.folder], stdout=output, stderr=output
            )
        until(self._listens)
        return self

    def _listens(self) -> bool:
        assert self.process.poll() is None, (self.folder / "output").read_text()
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
