"""The end-to-end suite as a script, through nginx over plain http and TLS, and what it says without its variables."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from front import Nginx
from up import ROOT, Up

pytestmark = pytest.mark.live


def suite(**variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TEST_API", "HTTP", "REGISTRY"))}
    return subprocess.run(
        [sys.executable, ROOT / "tests" / "e2e_test.py"],
        cwd=ROOT,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_passes_through_nginx_and_leaves_nothing_behind(nginx: Callable[..., Nginx], behind: Up) -> None:
    front = nginx(behind.port)
    done = suite(TEST_API_URL=f"{front.url}/api", TEST_API_KEY=behind.keys["admin"])
    assert done.returncode == 0, done.stdout + done.stderr
    with behind.by("admin") as admin:
        assert admin.get("/api/v1/models?search=e2e-").json() == []
        assert not [key for key in admin.get("/api/v1/api-keys").json() if "e2e-" in key["name"] and key["is_active"]]


def test_it_passes_over_tls(nginx: Callable[..., Nginx], behind: Up, certificates: Path) -> None:
    front = nginx(behind.port, NGINX_SSL=str(certificates))
    done = suite(
        TEST_API_URL=front.url,
        TEST_API_KEY=behind.keys["admin"],
        REQUESTS_CA_BUNDLE=str(certificates / "fullchain.pem"),
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("variables", [{}, {"TEST_API_URL": "http://localhost/api"}, {"TEST_API_KEY": "cat_x"}])
def test_without_its_variables_it_says_which(variables: dict[str, str]) -> None:
    done = suite(**variables)
    assert done.returncode == 1
    assert "TEST_API_URL" in done.stderr
    assert "TEST_API_KEY" in done.stderr
