"""What is shipped: a wheel that needs requests alone, and vendored files that are what they say."""

import hashlib
import os
import subprocess
import venv
import zipfile

import pytest
from built import ROOT, run, wheel_in

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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return wheel_in(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_runs_where_there_is_only_requests(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    said = run(python, "-I", "-c", WITHOUT_SERVER, cwd=tmp_path)
    assert said.startswith(f"ok {tmp_path}")
    nothing_set = {name: value for name, value in os.environ.items() if not name.startswith(("REGISTRY_", "PYTHON"))}
    for command in ([python.with_name("catapult")], [python, "-m", "catapult_client"]):
        assert run(*command, "--version", cwd=tmp_path, env=nothing_set).startswith("catapult-sdk 0.")
        ended = subprocess.run([*command, "live", "production"], capture_output=True, text=True, env=nothing_set)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.startswith("catapult: Set REGISTRY_URL")
    installed = run(python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check").lower()
    assert "flask" not in installed
    assert "sqlalchemy" not in installed


def test_the_wheel_is_typed_and_licensed(names):
    assert "catapult_client/py.typed" in names
    assert "catapult/py.typed" in names
    assert [name for name in names if name.endswith("licenses/LICENSE")]


def test_the_wheel_holds_every_module_of_both_packages(names):
    here = {str(path.relative_to(ROOT)) for path in (ROOT / "catapult").rglob("*.py")}
    here |= {str(path.relative_to(ROOT / "client")) for path in (ROOT / "client" / "catapult_client").rglob("*.py")}
    assert here == {name for name in names if name.endswith(".py")}


def test_the_wheel_holds_templates_and_static_files(names):
    for folder in ("templates", "static"):
        here = {str(path.relative_to(ROOT)) for path in (ROOT / "catapult" / folder).rglob("*") if path.is_file()}
        assert here
        assert here <= set(names)


def test_the_wheel_holds_no_tests_and_nothing_else(names):
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"catapult", "catapult_client"}
    assert not [name for name in names if "test" in name or "instance" in name or name.endswith(".pyc")]


def test_the_wheel_needs_requests_alone_and_names_its_extras(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (path,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        said = archive.read(path).decode()
    needs = [line for line in said.splitlines() if line.startswith("Requires-Dist:")]
    plain = [line for line in needs if "extra ==" not in line]
    assert len(plain) == 1
    assert plain[0].startswith("Requires-Dist: requests")
    assert {"server", "embedded", "dev"} == {
        line.split()[1] for line in said.splitlines() if line.startswith("Provides-Extra:")
    }
    assert "Requires-Python: >=3.9" in said
    assert "License-Expression: MIT" in said or "License: MIT" in said


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
