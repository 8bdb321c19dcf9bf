"""Imports run one way, from the server down to the tables, and a change is saved in one place."""

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SERVER = sorted((ROOT / "catapult").rglob("*.py"))
CLIENT = sorted((ROOT / "client" / "catapult_client").rglob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").rglob("*.py"))

FLOORS = [
    {"errors", "version"},
    {"embedded"},  # below config, which asks it for the embedded database's address
    {"config"},
    {"extensions"},
    {"tables"},
    {"rules"},
    {"audit"},
    {"filters"},
    {"queries"},
    {"actions"},
    {"demo"},
    {"contract"},
    {"web"},
    {"api", "pages", "commands"},
    {"app"},
    {"server", "wsgi"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
DOORS = {"api", "pages", "commands"}
MACHINERY = {"api": "wire", "pages": "parts", "queries": "lists"}
LOOSE_FILES = 12
LOADED_WHEN_CALLED = {("commands", "server")}
"""`flask up` loads the server, and gunicorn with it, when it is called: the one import that runs upwards."""

KNOWS_THE_REQUEST = {"web", "api", "pages", "commands", "app", "server"}
USES_FLASK = {
    "extensions": {"flask", "flask_migrate", "flask_sqlalchemy"},
    "config": {"flask"},
}
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "core", "manager", "base", "common", "misc", "models"}


def room(path):
    """`api` of catapult/api/versions.py, `tables` of catapult/tables.py."""
    return path.relative_to(ROOT / "catapult").parts[0].removesuffix(".py")


@cache
def tree(path):
    return ast.parse(path.read_text(), str(path))


def at_load_time(node):
    """The nodes within it that run when the file is loaded: those in no function."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.If) and "TYPE_CHECKING" in ast.unparse(inner.test):
            continue
        yield inner
        if not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from at_load_time(inner)


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


def rooms_of(path, nodes=at_run_time):
    """The rooms of the server that a file imports from."""
    names = {name.split(".")[1] for name in imports(path, nodes) if name.startswith("catapult.")}
    return {
        name for name in names if (ROOT / "catapult" / name).is_dir() or (ROOT / "catapult" / f"{name}.py").exists()
    }


def roots_of(path):
    return {name.split(".")[0] for name in imports(path)}


def each(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda path: str(path.relative_to(ROOT)))


def upward(path, nodes=at_run_time):
    """The rooms on its own floor or above that a file imports from."""
    own = room(path)
    return {name for name in rooms_of(path, nodes) - {own} if FLOOR[name] >= FLOOR[own]}


@each([path for path in SERVER if path != ROOT / "catapult" / "__init__.py"])
def test_every_room_has_a_floor(path):
    assert room(path) in FLOOR


@each([path for path in SERVER if path != ROOT / "catapult" / "__init__.py"])
def test_imports_run_one_way(path):
    allowed = {above for own, above in LOADED_WHEN_CALLED if own == room(path)}
    assert not upward(path) - allowed
    assert not upward(path, at_load_time)


def test_an_import_upwards_is_seen():
    assert upward(ROOT / "catapult" / "commands.py") == {"server"}


@each([path for path in SERVER if room(path) in MACHINERY])
def test_machinery_imports_none_of_the_nouns_that_use_it(path):
    machinery = f"catapult.{room(path)}.{MACHINERY[room(path)]}"
    if path.parent.name == MACHINERY[room(path)]:
        own = {name for name in imports(path) if name.startswith(f"catapult.{room(path)}.")}
        assert not {name for name in own if not f"{name}.".startswith(f"{machinery}.")}


def test_few_files_lie_loose_at_the_top():
    assert len(list((ROOT / "catapult").glob("*.py"))) <= LOOSE_FILES


def test_the_map_names_every_room():
    rooms = {path.name for path in (ROOT / "catapult").iterdir() if any(path.glob("*.py"))}
    rooms |= {f"{room}/{inner}" for room, inner in MACHINERY.items()}
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert not [name for name in sorted(rooms) if f"{name}/" not in text]


@each(SERVER)
def test_relative_imports_are_not_needed_in_the_server(path):
    assert not [node for node in ast.walk(tree(path)) if isinstance(node, ast.ImportFrom) and node.level]


@each(SERVER)
def test_flask_stays_above_the_doors_threshold(path):
    web = {name for name in roots_of(path) if name == "flask" or name.startswith("flask_") or name == "werkzeug"}
    if room(path) not in KNOWS_THE_REQUEST:
        assert web <= USES_FLASK.get(room(path), set())


def test_config_takes_of_flask_only_where_a_package_lies():
    names = {name for name in imports(ROOT / "catapult" / "config.py") if name.startswith("flask")}
    assert names == {"flask.sansio.scaffold", "flask.sansio.scaffold.find_package"}


SAVES = {
    ("audit.py", "commit"),
    ("extensions.py", "autocommit"),
}
"""Where a change is saved, and where reads are made to end by themselves. Nowhere else."""


def saves(code):
    """The ways in which that code saves, or begins what saves by itself: by session, connection, engine or driver."""
    for node in ast.walk(code):
        if isinstance(node, ast.Call):
            yield from _saved_by_call(node)
        elif isinstance(node, ast.Attribute) and node.attr == "autocommit" and isinstance(node.ctx, ast.Store):
            yield "autocommit"


def _saved_by_call(call):
    name = ast.unparse(call.func)
    if name.endswith((".commit", ".begin", ".begin_nested", ".begin_twophase")) and name != "audit.commit":
        yield name.rpartition(".")[2]
    if {keyword.arg for keyword in call.keywords} & {"isolation_level", "autocommit"}:
        yield "autocommit"
    if name.endswith(("text", "execute")):
        words = [node.value for node in call.args if isinstance(node, ast.Constant)]
        if any(re.match(r"\s*(commit|end|begin)\b", str(word), re.IGNORECASE) for word in words):
            yield "commit"


@each(SERVER)
def test_only_audit_saves(path):
    if room(path) != "embedded":  # its connections are of its own, to the server and not to the registry
        assert not {(path.name, way) for way in saves(tree(path))} - SAVES


@pytest.mark.parametrize(
    "code",
    [
        "db.session.commit()",
        "connection.commit()",
        "with db.engine.begin() as connection: pass",
        "with db.session.begin(): pass",
        "transaction = connection.begin_nested()",
        "connection.autocommit = True",
        "connection.set_session(autocommit=True)",
        "connection.execution_options(isolation_level='AUTOCOMMIT')",
        "create_engine(url, isolation_level='autocommit')",
        "cursor.execute('commit')",
    ],
)
def test_every_way_to_save_is_seen(code):
    assert list(saves(ast.parse(code)))


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


WRITES = re.compile(
    r"\b(insert\s+into|update\s+\S+\s+set|delete\s+from|truncate|merge\s+into|for\s+(no\s+key\s+)?update|for\s+(key\s+)?share"
    r"|pg_\w*advisory\w*lock\w*|nextval|setval|(create|alter|drop)\s+\w+|set\s+(local|session)|select\s.+\sinto)\b",
    re.IGNORECASE | re.DOTALL,
)
WRITERS = {"insert", "update", "delete", "with_for_update", "add", "add_all", "merge", "bulk_save_objects"}


def writes(code):
    """What that code would change or lock: by an expression, by the session, or by SQL as text."""
    for node in ast.walk(code):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
            yield from (name.name for name in node.names if name.name in WRITERS)
        if isinstance(node, ast.Attribute) and (
            node.attr == "with_for_update" or (ast.unparse(node.value).endswith("session") and node.attr in WRITERS)
        ):
            yield node.attr
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings(code):
            yield from (match[0] for match in WRITES.finditer(node.value))


def docstrings(code):
    """Texts that stand as statements: docstrings, and what is said below a constant."""
    return [
        node.value for node in ast.walk(code) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    ]


@each([path for path in SERVER if room(path) in ("queries", "filters", "rules", "contract")])
def test_queries_and_rules_change_nothing(path):
    assert not list(writes(tree(path)))


@pytest.mark.parametrize(
    "code",
    [
        "from sqlalchemy import update",
        "from sqlalchemy.dialects.postgresql import insert",
        "select(Version).with_for_update()",
        "db.session.add(row)",
        "text('INSERT INTO versions (id) VALUES (1)')",
        "text('WITH made AS (insert  into metrics SELECT 1) SELECT 1')",
        "text('UPDATE versions SET tag = 1')",
        "text('DELETE FROM versions')",
        "text('SELECT 1 FROM models FOR NO KEY UPDATE')",
        "text('SELECT pg_advisory_xact_lock(1)')",
    ],
)
def test_every_kind_of_change_is_seen(code):
    assert list(writes(ast.parse(code)))
