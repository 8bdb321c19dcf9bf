"""Imports run one way: wsgi -> app -> the doors -> actions and queries -> audit -> tables -> extensions."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SERVER = sorted((ROOT / "catapult").rglob("*.py"))
CLIENT = sorted((ROOT / "client" / "catapult_client").rglob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").rglob("*.py"))

DOORS = {"api", "pages", "commands"}
LEVELS = [
    {"extensions"},
    {"tables"},
    {"filters"},
    {"audit"},
    {"queries"},
    {"actions"},
    {"demo"},
    {"contract"},
    {"faults", "cursors"},
    DOORS,
    {"app"},
    {"serving", "wsgi"},
]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
MAY_KNOW_THE_REQUEST = {
    *DOORS,
    "access",
    "faults",
    "cursors",
    "app",
    "startup",
    "logs",
    "rates",
    "tracing",
    "observing",
    "serving",
    "wsgi",
}
MAY_READ_SETTINGS = MAY_KNOW_THE_REQUEST - {"logs", "tracing"}
# `flask up` ends in the server, loaded only then.
OF_COMMANDS = {"serving"}
# Settled facts that any room may use; each imports nothing of the rooms.
PLAIN = {"errors", "keys", "version", "semver_order", "images", "charts", "comparison"}
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "core", "manager", "base", "common", "misc", "models"}


def room(path):
    """`api` of catapult/api/versions.py, `tables` of catapult/tables.py."""
    return path.relative_to(ROOT / "catapult").parts[0].removesuffix(".py")


@cache
def tree(path):
    return ast.parse(path.read_text(), str(path))


def at_run_time(node):
    """The nodes within it that are not only there for the type checker."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.If) and "TYPE_CHECKING" in ast.unparse(inner.test):
            continue
        yield inner
        yield from at_run_time(inner)


def imports(path, nodes=at_run_time):
    """The dotted names of what a file imports: both `catapult.api` and `catapult.api.etags` for a `from … import`."""
    for node in nodes(tree(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, [path.parent.name * bool(node.level), node.module]))
            yield module
            yield from (f"{module}.{name.name}" for name in node.names)


def rooms_of(path):
    """The rooms of the server that a file imports from."""
    names = {name.split(".")[1] for name in imports(path) if name.startswith("catapult.")}
    return {
        name for name in names if (ROOT / "catapult" / name).is_dir() or (ROOT / "catapult" / f"{name}.py").exists()
    }


def roots_of(path):
    return {name.split(".")[0] for name in imports(path)}


def each(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda path: str(path.relative_to(ROOT)))


@each(SERVER)
def test_imports_run_one_way(path):
    level = LEVEL.get(room(path))
    if level is not None:
        above = {name for name in rooms_of(path) - {room(path)} if LEVEL.get(name, -1) >= level}
        assert not above - (OF_COMMANDS if room(path) == "commands" else set())


@each(SERVER)
def test_relative_imports_are_not_needed_in_the_server(path):
    assert not [node for node in ast.walk(tree(path)) if isinstance(node, ast.ImportFrom) and node.level]


@each([path for path in SERVER if room(path) in PLAIN])
def test_what_all_use_imports_none_of_them(path):
    assert not rooms_of(path) - PLAIN


@each(SERVER)
def test_only_what_knows_a_request_imports_access(path):
    if "access" in rooms_of(path):
        assert room(path) in MAY_READ_SETTINGS | {"logs"}


@each(SERVER)
def test_flask_stays_above_the_doors_threshold(path):
    allowed = {
        "extensions": {"flask_migrate", "flask_sqlalchemy"},
        "config": {"flask"},
        "startup": {"flask", "flask_migrate"},
    }
    web = {name for name in roots_of(path) if name == "flask" or name.startswith("flask_") or name == "werkzeug"}
    if room(path) not in MAY_KNOW_THE_REQUEST:
        assert web <= allowed.get(room(path), set())


def test_config_takes_of_flask_only_where_a_package_lies():
    names = {name for name in imports(ROOT / "catapult" / "config.py") if name.startswith("flask")}
    assert names == {"flask.sansio.scaffold", "flask.sansio.scaffold.find_package"}


@each(SERVER)
def test_only_audit_commits(path):
    commits = [
        node
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "commit"
        and "session" in ast.unparse(node.func.value)
    ]
    assert not commits or path.name == "audit.py"


def test_audit_does_commit():
    assert (ROOT / "catapult" / "audit.py").read_text().count("session.commit(") == 2


@each(SERVER)
def test_only_config_reads_the_environment(path):
    read = [node for node in ast.walk(tree(path)) if ast.unparse(node) in ("os.environ", "os.getenv", "os.environb")]
    taken = {name for name in imports(path) if name in ("os.environ", "os.getenv", "environs", "environs.Env")}
    assert path.name == "config.py" or not (read or taken)


@each(CLIENT)
def test_the_client_imports_only_requests_and_the_standard_library(path):
    # urllib3 is a part of requests: its Retry and its errors come with it.
    assert not roots_of(path) - sys.stdlib_module_names - {"requests", "urllib3", "catapult_client", "__future__"}


@each([path for path in SERVER if path != ROOT / "catapult" / "__init__.py"])
def test_the_server_does_not_import_the_client(path):
    assert "catapult_client" not in roots_of(path)


def test_the_package_imports_nothing_until_a_name_is_used():
    assert set(imports(ROOT / "catapult" / "__init__.py")) <= {
        "importlib",
        "importlib.import_module",
        "typing",
        "typing.TYPE_CHECKING",
        "typing.Any",
    }


@each(SERVER + CLIENT + SCRIPTS)
def test_a_module_is_named_for_what_it_holds(path):
    assert path.stem not in EMPTY_NAMES
    assert path.parent.name not in EMPTY_NAMES


@each([path for path in SERVER + CLIENT + SCRIPTS if path.read_text().strip()])
def test_a_module_says_what_it_is(path):
    assert ast.get_docstring(tree(path))


@each([path for path in SERVER if room(path) in {"actions", "demo", "queries"}])
def test_an_action_knows_no_http(path):
    assert not roots_of(path) & {"flask", "werkzeug", "marshmallow", "requests"}


def test_queries_change_nothing():
    for path in SERVER:
        if room(path) == "queries":
            names = {name.rsplit(".", 1)[-1] for name in imports(path) if name.startswith("sqlalchemy")}
            assert not names & {"insert", "update", "delete"}, path
