"""Debian's Redis as an ordinary process, which can die and come back at the same port."""

import subprocess
from contextlib import suppress
from pathlib import Path

import redis
from up import free_port, until


class Redis:
    def __init__(self, program: str, folder: Path) -> None:
        self.port = free_port()
        self.command = [program, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--dir", str(folder)]
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """It answers, and holds nothing."""
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._answers)

    def _answers(self) -> bool:
        assert self.process.poll() is None, "redis-server ended"
        with redis.Redis(port=self.port) as client, suppress(redis.ConnectionError):
            return bool(client.ping())
        return False

    def die(self) -> None:
        self.process.kill()
        self.process.wait(10)
