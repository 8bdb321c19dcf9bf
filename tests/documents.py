"""README.md and docs/ as data: their blocks of code; and the server that a document tells its reader to start."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import requests

sys.path.insert(0, str(Path(__file__).parent / "live"))

from up import ROOT, until
from up import environment as clean_environment

README = ROOT / "README.md"
GUIDES = sorted((ROOT / "docs").glob("*.md"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CHECKOUT_COMMAND = "make serve"
WHEEL_COMMAND = "flask --app catapult.wsgi up"
ADDRESS = "http://127.0.0.1:8000"


class Block(NamedTuple):
    """A fenced block: its language, its text, and `README.md:12`, where it begins."""

    language: str
    text: str
    position: str


def blocks(document: Path) -> list[Block]:
    """Return the fenced blocks of a document, in order."""
    content = document.read_text()
    return [
        Block(match[1], match[2], f"{document.relative_to(ROOT)}:{content.count(chr(10), 0, match.start()) + 1}")
        for match in FENCE.finditer(content)
    ]


class Terminal(NamedTuple):
    """A running server: its address, the first key, and everything it wrote until it was ready."""

    url: str
    key: str
    output: str


@contextmanager
def served(command: str, folder: Path, path: Path, port: int, **settings: str) -> Iterator[Terminal]:
    """Run a command that serves, with the programs in `path` first, and end it as Ctrl-C does."""
    environment = clean_environment(PORT=str(port), **settings)
    environment["PATH"] = f"{path}:{environment['PATH']}"
    url, log = f"http://127.0.0.1:{port}", folder / "terminal"
    with log.open("w") as terminal:
        streams = {"stdin": subprocess.DEVNULL, "stdout": terminal, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=folder, env=environment, start_new_session=True, **streams
        )
    try:
        until(lambda: f"at {url}\n" in log.read_text() or process.poll() is not None, 90)
        output = log.read_text()
        assert process.poll() is None, output
        (key,) = re.findall(r"^Key: (\S+)$", output, re.MULTILINE)
        yield Terminal(url, key, output)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(90)


def get(url: str, key: str = "") -> requests.Response:
    """Send a GET past every proxy."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, headers={"X-API-Key": key} if key else {}, timeout=20)
