"""The wheel: the SDK on requests alone, a server with the extras, and vendored files that match their checksums."""

import hashlib
import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from email import message_from_string
from pathlib import Path

import pytest
from built import ROOT, run, wheel_in
from documents import README, WHEEL_COMMAND, blocks, get, served
from up import free_port

STATIC = ROOT / "catapult" / "static"
VENDORED = sorted(path for path in STATIC.iterdir() if path.is_dir())
WITHOUT_SERVER = """
import sys
import catapult
assert not {"flask", "requests", "sqlalchemy", "catapult_client"} & set(sys.modules), "import catapult is not light"
from catapult import Registry, RegistryError
assert "requests" in sys.modules
assert not {"flask", "sqlalchemy", "marshmallow"} & set(sys.modules)
import catapult_client, importlib.util
assert catapult_client.Registry is Registry
assert importlib.util.find_spec("flask") is None
assert all(getattr(catapult, name) for name in catapult.__all__)
print("ok", catapult.__file__)
"""
REGISTER = """
from catapult import Registry
registry = Registry.from_env()
registry.create_model("myorg/bert", "docker.io/myorg/bert")
version = registry.create_version(model_name="myorg/bert", version="1.0.0", tag="v1.0.0", digest="sha256:" + "a" * 64)
registry.promote(version)
registry.deploy(version, "production")
print(*[f"{deployment.model_name} {deployment.version}" for deployment in registry.live("production")])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    with zipfile.ZipFile(wheel_in(tmp_path_factory.mktemp("wheel"))) as archive:
        yield archive


@pytest.fixture(scope="module")
def names(wheel):
    return wheel.namelist()


@pytest.fixture(scope="module")
def info(wheel, names):
    """A function that returns the text of a file in `.dist-info`."""
    return lambda end: wheel.read(next(name for name in names if name.endswith(f".dist-info/{end}"))).decode()


def installed(requirement, folder):
    """Install this file, with what it needs, into a new environment. Returns its folder of programs."""
    venv.create(folder / "venv", with_pip=False)
    programs = folder / "venv" / "bin"
    options = ("--quiet", "--no-compile", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "--python", programs / "python", "install", *options, requirement)
    return programs


def test_the_wheel_runs_where_there_is_only_requests(wheel, tmp_path):
    programs = installed(wheel.filename, tmp_path)
    assert run(programs / "python", "-I", "-c", WITHOUT_SERVER, cwd=tmp_path).startswith(f"ok {tmp_path}")
    nothing_set = {name: value for name, value in os.environ.items() if not name.startswith(("REGISTRY_", "PYTHON"))}
    for command in ([programs / "catapult"], [programs / "python", "-m", "catapult_client"]):
        assert run(*command, "--version", cwd=tmp_path, env=nothing_set).startswith("catapult-sdk 0.")
        assert "register" in run(*command, "--help", cwd=tmp_path, env=nothing_set)
        ended = subprocess.run([*command, "live", "production"], capture_output=True, text=True, env=nothing_set)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.startswith("catapult: Set REGISTRY_URL")
    packages = tmp_path.glob("venv/lib/*/site-packages/*.dist-info")
    names = {package.name.split("-")[0].lower() for package in packages}
    assert names == {"catapult_sdk", "requests", "urllib3", "idna", "certifi", "charset_normalizer"}


def test_the_wheel_serves_in_an_empty_folder_by_the_command_in_the_readme(wheel):
    assert WHEEL_COMMAND in [block.text.strip() for block in blocks(README) if block.language == "sh"]
    with tempfile.TemporaryDirectory(prefix="catapult-wheel-") as name:
        folder = Path(name)
        programs = installed(f"{wheel.filename}[server,embedded]", folder)
        (folder / "empty").mkdir()
        with served(WHEEL_COMMAND, folder / "empty", programs, free_port()) as server:
            assert get(f"{server.url}/api/health").json()["status"] == "healthy"
            assert get(f"{server.url}/readyz").status_code == 200
            assert 'id="sign-in"' in get(f"{server.url}/docs/guides/get-started").text
            settings = {"REGISTRY_URL": f"{server.url}/api", "REGISTRY_API_KEY": server.key, "NO_PROXY": "127.0.0.1"}
            said = run(programs / "python", "-I", "-c", REGISTER, cwd=folder, env={**os.environ, **settings})
        assert said == "myorg/bert 1.0.0\n"
        assert [path.name for path in (folder / "empty").iterdir()] == ["terminal"]


SOURCES = {
    "catapult/": (ROOT / "catapult", "**/*.py"),
    "catapult_client/": (ROOT / "client" / "catapult_client", "**/*.py"),
    "catapult/migrations/": (ROOT / "migrations", "**/*.*"),
    "catapult/docs/": (ROOT / "docs", "*.md"),
    "catapult/templates/": (ROOT / "catapult" / "templates", "**/*.*"),
    "catapult/static/": (STATIC, "**/*"),
}


def test_the_wheel_holds_every_module_migration_template_and_static_file_and_nothing_else(names):
    expected = {
        inside + str(path.relative_to(folder))
        for inside, (folder, pattern) in SOURCES.items()
        for path in folder.glob(pattern)
        if path.is_file() and path.suffix != ".pyc"
    }
    marks = {"catapult/py.typed", "catapult_client/py.typed"}
    assert {name for name in names if ".dist-info/" not in name} == expected | marks
    assert [name for name in names if name.endswith("licenses/LICENSE")]


def test_the_wheel_names_its_extras_and_the_python_it_needs_and_has_one_command(info):
    metadata = message_from_string(info("METADATA"))
    assert set(metadata.get_all("Provides-Extra")) == {"server", "embedded", "s3", "verify", "dev"}
    assert (metadata["Name"], metadata["Requires-Python"]) == ("catapult-sdk", ">=3.9")
    assert info("entry_points.txt").split() == ["[console_scripts]", "catapult", "=", "catapult_client.cli:main"]


def test_vendored_files_are_as_they_were_taken_and_all_are_listed():
    there = {
        str(path.relative_to(STATIC)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in VENDORED
        for path in folder.rglob("*")
        if path.is_file()
    }
    lines = (STATIC / "VENDORED.sha256").read_text().splitlines()
    assert there == {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


@pytest.mark.parametrize("folder", VENDORED, ids=lambda path: path.name)
def test_what_is_vendored_has_its_version_in_its_name_and_its_licence_beside_it(folder):
    assert any(character.isdigit() for character in folder.name)
    assert [path for path in folder.iterdir() if path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING"))]
