"""One Chromium and one server with the demo's data for all of these tests; skipped in plain words where there is no browser."""

import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from signed_files import new_key, pem_of
from stage import settings_for

from catapult import demo
from catapult.actions import sessions
from catapult.app import create_app
from catapult.embedded import Embedded
from catapult.extensions import db
from catapult.web import auth

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "live"))

from up import SALT, Caller, Start, Up, for_a_team  # noqa: E402

CHROMIUM = "/usr/bin/chromium"
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
TABLE = "id,text,score\n" + "".join(f'{number},"a text, of {number} words",{number / 7}\n' for number in range(300))
FOR_PIP = [name for name in ("playwright", "axe_playwright_python") if importlib.util.find_spec(name) is None]
MISSING = (
    f"The tests in a real browser were skipped: {FOR_PIP[0]} is missing; install it with `pip install -e '.[dev]'`."
    if FOR_PIP
    else f"The tests in a real browser were skipped: {CHROMIUM} is missing; install it with `apt-get install chromium`."
    if not Path(CHROMIUM).exists()
    else None
)
IN_CI = os.environ.get("CI") == "true"


class Skipped(pytest.Module):
    """A module of these tests that nothing is imported from, which would fail."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        pytest.skip(str(MISSING), allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Without a browser these are skipped, and the summary says why; in CI they fail instead."""
    return Skipped.from_parent(parent, path=module_path) if MISSING and not IN_CI else None


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """The browser; windows are contexts of it."""
    if MISSING:
        pytest.fail(MISSING.replace("were skipped", "cannot run"), pytrace=False)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def start() -> Iterator[Start]:
    """Starts servers with the settings it is given. What still runs in the end is ended."""
    folders: list[Path] = []

    def make_folder() -> Path:
        folders.append(Path(tempfile.mkdtemp(prefix="catapult-browser-")))
        return folders[-1]

    start = Start(make_folder)
    yield start
    start.close()
    for folder in folders:
        for home in (folder, folder / "home"):
            if (home / "postgres").exists():  # stopping looks at every process of the machine
                Embedded(home).stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
def server(start: Start, make_database: Callable[[], str]) -> Up:
    """A server with the demo's data and a key of each role. Tests change what they made themselves, and break nothing."""
    url = make_database()
    app = create_app(settings_for(url, api_key_salt=SALT))
    with app.app_context():
        demo.fill()
        db.session.remove()
        db.engine.dispose()
    storage = f"file://{start.make_folder()}"
    server = start(**for_a_team(url), STORAGE_URL=storage, CEPH_MOUNT_PATH=str(mount(start.make_folder()))).ready()
    server.make_keys()
    return server


def mount(folder: Path) -> Path:
    """The folder as a mount with files of two runs."""
    for run in ("16", "17"):
        (folder / "runs" / run).mkdir(parents=True)
        (folder / "runs" / run / "eval.json").write_text('{"accuracy": 0.94}')
        (folder / "runs" / run / "model.safetensors").write_bytes(bytes(100_000))
    (folder / "runs" / "notes.txt").write_text("Two runs.")
    return folder


@pytest.fixture(scope="package")
def admin(server: Up) -> Iterator[Caller]:
    """The API as an admin sees it."""
    with server.by("admin") as caller:
        yield caller


@contextmanager
def door_beside(server: Up) -> Iterator[Callable[[str], str]]:
    """A function that makes a session of that role's key and returns its token, without the form, which lets ten a minute in."""
    app = create_app(settings_for(server.database_url, api_key_salt=SALT))

    def session_of(role: str) -> str:
        with app.test_request_context():
            token = sessions.sign_in(actor=auth.bearer_of(server.keys[role]))
            db.session.remove()
            return token

    yield session_of
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(scope="package")
def session_of(server: Up) -> Iterator[Callable[[str], str]]:
    """A function that signs a role in."""
    with door_beside(server) as session_of:
        yield session_of


@pytest.fixture
def windows_on(chromium: Any) -> Iterator[Callable[[Up], Any]]:
    """`windows` of another server."""
    from browser.window import Windows

    with ExitStack() as stack:

        def on(server: Up) -> Windows:
            windows = Windows(chromium, server, stack.enter_context(door_beside(server)))
            return stack.enter_context(windows.watched())

        yield on


@pytest.fixture(scope="module")
def lasting(chromium: Any, server: Up, session_of: Callable[[str], str]) -> Iterator[Any]:
    """`windows` that a module's tests share, where each looks at one page; they call `lasting.check()`."""
    from browser.window import Windows

    with Windows(chromium, server, session_of).watched() as windows:
        yield windows


@pytest.fixture
def windows(chromium: Any, server: Up, session_of: Callable[[str], str]) -> Iterator[Any]:
    """Opens windows. In the end nothing went wrong in them: console, scripts, policy, other origins, refusals."""
    from browser.window import Windows

    with Windows(chromium, server, session_of).watched() as windows:
        yield windows


_numbers = count(1)


@pytest.fixture
def model(admin: Caller) -> dict[str, Any]:
    """A model of the test's own with three versions, of which the first is the release."""
    made = admin.model(f"browser/model-{next(_numbers)}", description="Made by a test", tags=["browser"])
    for number, accuracy in enumerate((0.91, 0.925, 0.94)):
        metadata = {"accuracy": accuracy, "loss": 0.5 - accuracy / 3, "framework": "torch", "seed": number}
        digest = f"sha256:{next(_numbers):064x}"
        fields = {"tag": f"v1.{number}.0", "digest": digest, "metadata": metadata, "is_release": number == 0}
        admin.version(made, f"1.{number}.0", **fields)
    return made


@pytest.fixture(scope="package")
def addresses(server: Up, admin: Caller) -> dict[str, str]:
    """Every page's address, by what it shows."""
    from browser.places import places

    return places(
        server,
        key=admin.made("/api/v1/api-keys", {"name": "revoked some day", "role": "viewer"})["id"],
        person=admin.made("/api/v1/people", {"name": "Dana Ortiz", "email": "dana@example.com"})["id"],
        hook=admin.made("/api/v1/webhooks", {"url": "https://93.184.215.14/in", "events": ["version.promoted"]})["id"],
        registry=admin.made("/api/v1/registries", {"host": "93.184.215.14", "repositories": ["team/*"]})["id"],
        trusted=admin.made("/api/v1/trusted-keys", {"name": "release-2026", "public_key": pem_of(new_key())})["id"],
        decision=overridden(admin),
        **files(admin),
    )


def files(admin: Caller) -> dict[str, str]:
    """The ids of a card and a table of a release."""
    version = admin.version(admin.model("browser/files"), "1.0.0", digest=f"sha256:{next(_numbers):064x}")
    at = f"/api/v1/versions/{version['id']}/artifacts"
    ids = {}
    for name, path in (
        ("card", "README.md"),
        ("model", "MLmodel"),
        ("table", "table.csv"),
        ("plot", "plots/confusion.png"),
    ):
        content = TABLE if name == "table" else (HERE.parent / "cards" / Path(path).name).read_bytes()
        answer = admin.put(f"{at}/{path}", data=content)
        answer.raise_for_status()
        ids[name] = answer.json()["id"]
    admin.post(f"/api/v1/versions/{version['id']}/promote", json={}).raise_for_status()
    return ids


def overridden(admin: Caller) -> str:
    """The id of the decision that made a version a release by an override."""
    gate = {"model": "browser/decided", "target": "release", "kind": "metric", "path": "accuracy", "op": ">="}
    admin.made("/api/v1/gates", {**gate, "value": 0.9})
    admin.made("/api/v1/gates", {**gate, "value": 0.99})
    made = admin.model("browser/decided")
    fields = {"tag": "v1.0.0", "digest": f"sha256:{next(_numbers):064x}", "metadata": {"accuracy": 0.95}}
    version = admin.version(made, "1.0.0", **fields)
    body = {"force": True, "reason": "Customers wait for it; on-call agreed."}
    decision_id: str = admin.post(f"/api/v1/versions/{version['id']}/promote", json=body).json()["decision_id"]
    return decision_id


@pytest.fixture(scope="package")
def empty(start: Start, make_database: Callable[[], str]) -> Up:
    """A server on a registry that holds nothing but keys."""
    server = start(**for_a_team(make_database())).ready()
    server.make_keys()
    return server
