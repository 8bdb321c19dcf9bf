"""The lines to paste on the page of a version, each run as it stands."""

import os
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
import requests
from up import Caller, Up

pytestmark = pytest.mark.live
DIGEST = "sha256:" + "b" * 64
IMAGE = f"docker.io/use/it@{DIGEST}"


@pytest.fixture(scope="module")
def page(live: Up, admin: Caller) -> str:
    """The page of a version that is live in production, as a viewer sees it."""
    version = admin.version(admin.model("use/it"), "1.0.0+a", tag="v1", digest=DIGEST)
    admin.made("/api/v1/deployments", {"release_id": version["id"], "environment": "production"})
    with requests.Session() as browser:
        headers = {"Sec-Fetch-Site": "same-origin"}
        browser.post(f"{live.url}/login", data={"key": live.keys["viewer"]}, headers=headers).raise_for_status()
        return browser.get(f"{live.url}/models/use/it/versions/1.0.0+a").text


@pytest.mark.parametrize(
    ("sample", "command", "prints"),
    [
        ("python", [sys.executable, "-c"], IMAGE),
        ("curl", ["bash", "-ec"], '"version": "1.0.0+a"'),
        ("cli", ["bash", "-ec"], IMAGE),
    ],
)
def test_a_sample_runs_as_pasted(live: Up, page: str, sample: str, command: list[str], prints: str) -> None:
    (lines,) = (part.split("</pre>")[0].partition(">")[2] for part in page.split(f'<pre id="use-{sample}"')[1:])
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "REGISTRY_API_KEY": live.keys["viewer"]}
    result = subprocess.run([*command, unescape(lines)], env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert prints.replace(" ", "") in result.stdout.replace(" ", "")
