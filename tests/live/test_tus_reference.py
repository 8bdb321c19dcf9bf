"""The SDK's uploads against the reference server of tus, so that both are held to the protocol and not to each other."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from catapult_client import Registry

pytestmark = pytest.mark.live
REFERENCE = Path(__file__).parent / "tus_reference"
MIB = 1024 * 1024
LARGE = os.urandom(20 * MIB + 13)
VERSION = "01a23000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def installed(make_folder: Callable[[], Path]) -> Path:
    """A folder with the reference server."""
    folder = make_folder() / "tus"
    shutil.copytree(REFERENCE, folder)
    if not shutil.which("npm") and not os.environ.get("CI"):
        pytest.skip("npm is not installed")
    install = ["npm", "ci", "--omit=optional", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@contextmanager
def reference(installed: Path, uploads: Path, cut_after: int) -> Iterator[str]:
    """The server's address. The first connection breaks off after so many bytes; 0 breaks none."""
    uploads.mkdir()
    command = ["node", "server.mjs", str(uploads), str(cut_after)]
    with subprocess.Popen(command, cwd=installed, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()
        assert process.stdout.read() == ("broken off\n" if cut_after else "")


@pytest.mark.parametrize("cut_after", [0, 7 * MIB], ids=["whole", "after the connection broke"])
def test_the_reference_server_has_every_byte(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut_after: int
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file, uploads = tmp_path / "model.bin", tmp_path / "uploads"
    file.write_bytes(LARGE)
    with reference(installed, uploads, cut_after) as url, Registry(url, "cat_any") as sdk:
        (artifact,) = sdk.upload(VERSION, file)
    assert (artifact.path, artifact.size_bytes) == ("model.bin", len(LARGE))
    assert artifact.sha256 == hashlib.sha256(LARGE).hexdigest()
    (stored,) = [path for path in uploads.iterdir() if path.suffix != ".json"]
    assert stored.read_bytes() == LARGE
