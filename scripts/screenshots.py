#!/usr/bin/env python3
"""Take pictures of every page in both themes, on the data of `flask demo`, into docs/images.

    python scripts/screenshots.py [--into docs/images]

It starts a server of its own in a temporary folder, and needs Chromium (Debian: `apt install chromium`).
"""

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parent.parent
FLASK = [sys.executable, "-m", "flask", "--app", "wsgi"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync"
SIZE = {"width": 1440, "height": 1000}
NAME = "myorg/sentiment-model"
MODEL = f"/models/{NAME}"
PAGES = {
    "overview": "/",
    "models": "/models",
    "versions": "/versions?filter=is_release",
    "model": MODEL,
    "model-deployments": f"{MODEL}/-/deployments",
    "model-activity": f"{MODEL}/-/activity",
    "model-settings": f"{MODEL}/-/settings",
    "version": MODEL + "/versions/{release}",
    "compare": MODEL + "/compare?v={versions[2]}&v={versions[1]}&v={versions[0]}&only=1",
    "deployments": "/deployments",
    "deployment": "/deployments/{deployment}",
    "environments": "/environments",
    "environment": "/environments/production",
    "environment-history": "/environments/production/-/history",
    "inbox": "/inbox",
    "gates": "/gates",
    "new-gate": "/new/gate?kind=metric&model=myorg/*&target=release&path=accuracy&op=>%3D&value=0.9",
    "audit": "/audit?resource_type=version",
    "keys": "/keys",
    "people": "/people",
    "search": "/search?q=sent",
    "guide": "/docs/guides/releases-under-control",
    "new-model": "/new/model",
    "not-found": "/models/myorg/no-such-model",
}


@contextmanager
def served() -> Iterator[tuple[str, str]]:
    """Start a server on the demo's data. Yields its address and an admin's key."""
    home = Path(tempfile.mkdtemp(prefix="catapult-shots-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "CATAPULT_HOME": str(home), "PORT": str(port), "LOG_LEVEL": "ERROR"}
    environment.pop("DATABASE_URL", None)
    try:
        subprocess.run([*FLASK, "demo"], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        server = subprocess.Popen([*FLASK, "up"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            yield f"http://127.0.0.1:{port}", _key(server)
        finally:
            server.terminate()
            server.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _key(server: "subprocess.Popen[str]") -> str:
    """Return the key that the server prints the first time, once it has printed its address."""
    key = ""
    for line in server.stdout or ():
        if match := re.fullmatch(r"Key: (\S+)\n", line):
            key = match[1]
        if line.startswith("Catapult ") and " at http" in line:
            return key
    raise SystemExit("screenshots: the server did not start")


def take(browser: Browser, address: str, key: str, theme: str, into: Path) -> None:
    """Take a picture of every page in that theme."""
    context = browser.new_context(viewport=SIZE, color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{address}/login")
    _picture(page, into / f"login-{theme}.png")
    page.fill("#key", key)
    page.click("text=Sign in")
    page.click("text=Skip for now")  # the first key asks for a name
    page.wait_for_url(f"{address}/")
    names = _names(page, f"{address}/api/v1", key)
    for name, path in PAGES.items():
        page.goto(address + path.format(**names))
        _picture(page, into / f"{name}-{theme}.png")
    context.close()


def _names(page: Page, api: str, key: str) -> dict[str, Any]:
    """Return what the addresses in `PAGES` name: the model's last release and newest versions, and the newest deployment."""

    def get(path: str) -> Any:
        return page.request.get(f"{api}/{path}", headers={"X-API-Key": key}).json()

    return {
        "release": get(f"versions/latest?model_name={NAME}&is_release=true")["version"],
        "versions": [version["version"] for version in get(f"versions?model_name={NAME}&limit=3")],
        "deployment": get("deployments?limit=1")[0]["id"],
    }


def _picture(page: Page, file: Path) -> None:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=file)
    print(file)


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "images")
    into = parser.parse_args().into
    if not CHROMIUM:
        raise SystemExit("screenshots: Chromium is not installed; on Debian, apt install chromium")
    into.mkdir(parents=True, exist_ok=True)
    with served() as (address, key), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
        for theme in ("light", "dark"):
            take(browser, address, key, theme, into)
        browser.close()


if __name__ == "__main__":
    main()
