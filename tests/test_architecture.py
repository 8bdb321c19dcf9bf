"""Imports run one way, from the server down to the tables, and a change is saved in one place."""

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SDK = ROOT / "catapult" / "__init__.py"
SERVER = sorted(set((ROOT / "catapult").rglob("*.py")) - {SDK})
CLIENT = sorted((ROOT / "client" / "catapult_client").rglob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").rglob("*.py"))

FLOORS = [
    {"errors", "version", "reachability", "storage"},
    {"embedded"},  # below config, which asks it for the embedded database's address
    {"config"},
    {"extensions"},
    {"tables"},
    {"rules"},
    {"audit"},
    {"filters"},
    {"egress"},
    {"oci"},
    {"queries"},
    {"actions"},
    {"demo", "jobs"},
    {"contract"},
    {"web"},
    {"api", "mlflow", "pages", "commands"},
    {"app"},
    {"server", "wsgi"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
MACHINERY = {"api": "wire", "mlflow": "wire", "pages": "parts", "queries": "lists"}
LOOSE_FILES = 12
LOADED_WHEN_CALLED = {("commands", "server")}
"""`flask up` loads the server, and gunicorn with it, when it is called: the one import that runs upwards."""

USES_FLASK = {"web", "api", "mlflow", "pages", "commands", "app", "server", "extensions", "config", "jobs"}
"""The rooms that know the request, those that set up Flask's extensions or its context, and the one that finds its folder."""
NETWORK = {"requests", "urllib3", "http.client", "urllib.request", "smtplib", "ftplib", "httpx", "aiohttp", "pycurl"}
"""Libraries that reach others. Only `egress` judges where to."""
SET = {"mail.py", "file_client.py"}
"""They reach what the settings name: the mail server, the process for files."""
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "core", "manager", "base", "common", "misc", "models"}


def room(path):
    """`api` of catapult/api/versions.py, `tables` of catapult/tables.py."""
    return path.relative_to(ROOT / "catapult").parts[0].removesuffix(".py")


@cache
def tree(path):
    return ast.parse(path.read_text(), str(path))


def nodes(tree, load_time=False):
    """The nodes that are not only there for the type checker; at load time also none within a function."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield node
            if not (load_time and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
                yield from nodes(node, load_time)


def imports(path, load_time=False):
    """The dotted names of what a file imports: both `catapult.api` and `catapult.api.etags` for a `from … import`."""
    for node in nodes(tree(path), load_time):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, ["." * node.level, node.module]))
            yield module
            yield from (f"{module}.{name.name}" for name in node.names)


def roots_of(path):
    return {name.split(".")[0] for name in imports(path)}


def upward(path, load_time=False):
    """The rooms on its own floor or above that a file imports from."""
    names = {name.split(".")[1] for name in imports(path, load_time) if name.startswith("catapult.")}
    return {name for name in names & set(FLOOR) - {room(path)} if FLOOR[name] >= FLOOR[room(path)]}


def test_imports_run_one_way():
    assert {room(path) for path in SERVER} == set(FLOOR)
    for path in SERVER:
        assert not upward(path, load_time=True), path
        assert {(room(path), above) for above in upward(path)} <= LOADED_WHEN_CALLED, path
        assert not [name for name in imports(path) if name.startswith(".")], path  # it would not be seen above


def test_an_import_upwards_is_seen():
    assert upward(ROOT / "catapult" / "commands" / "serving.py") == {"server"}


def test_machinery_imports_none_of_the_nouns_that_use_it():
    for outer, inner in MACHINERY.items():
        for path in (ROOT / "catapult" / outer / inner).glob("*.py"):
            own = {f"{name}." for name in imports(path) if name.startswith(f"catapult.{outer}.")}
            assert all(name.startswith(f"catapult.{outer}.{inner}.") for name in own), path


def test_few_files_lie_loose_at_the_top():
    assert len(list((ROOT / "catapult").glob("*.py"))) <= LOOSE_FILES


def test_the_map_names_every_room():
    rooms = {path.name for path in (ROOT / "catapult").iterdir() if any(path.glob("*.py"))}
    rooms |= {f"{room}/{inner}" for room, inner in MACHINERY.items()}
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert not [name for name in sorted(rooms) if f"{name}/" not in text]


def test_each_room_knows_only_the_libraries_it_needs():
    for path in SERVER:
        roots = roots_of(path)
        assert "catapult_client" not in roots, path
        assert room(path) in USES_FLASK or not [name for name in roots if name.startswith(("flask", "werkzeug"))], path
        assert room(path) not in {"actions", "demo", "queries"} or not roots & {"marshmallow", "requests"}, path
    assert "flask" not in set(imports(ROOT / "catapult" / "config" / "__init__.py"))


def test_only_egress_reaches_the_network():
    for path in SERVER:
        names = list(imports(path))
        used = {library for library in NETWORK if any(f"{name}.".startswith(f"{library}.") for name in names)}
        assert not used or (room(path), used) == ("egress", {"http.client"}) or path.name in SET, (path, used)
    assert "http.client" in set(imports(ROOT / "catapult" / "egress" / "__init__.py"))


def test_every_connection_has_the_same_tls():
    makers = {
        path for path in [*SERVER, *SCRIPTS] if re.search(r"SSLContext\(|create_default_context", path.read_text())
    }
    reads_certificates = ROOT / "catapult" / "config" / "forms.py"  # and connects to nothing
    assert makers == {ROOT / "catapult" / "egress" / "tls.py", reads_certificates}


POSSESSIVE_GROUP = re.compile(r"(?<![\\(])\)(?:[*+?]|\{[^{}]*\})\+")


def test_no_pattern_has_a_possessive_group():
    """Debian 12's Python, 3.11.2, matches them wrongly: CPython's issue 100061. An atomic group, `(?>…)`, is the same."""
    for path in [*SERVER, *CLIENT, *SCRIPTS]:
        texts = (node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant))
        for text in texts:
            text = text.decode("latin-1") if isinstance(text, bytes) else text
            assert not (isinstance(text, str) and POSSESSIVE_GROUP.search(text)), (path, text)


@pytest.mark.parametrize(
    ("pattern", "is_one"),
    [("(a)*+", 1), ("(?:a|b){0,3}+", 1), ("(a)?+", 1), ("[a)]*+", 0), (r"\)*+", 0), ("(?>(a)*)", 0)],
)
def test_a_possessive_group_is_seen(pattern, is_one):
    assert bool(POSSESSIVE_GROUP.search(pattern)) == bool(is_one)


def test_image_registries_are_asked_without_a_database_and_settings():
    for path in (ROOT / "catapult" / "oci").glob("*.py"):
        rooms = {name.split(".")[1] for name in imports(path) if name.startswith("catapult.")}
        assert rooms <= {"oci", "egress", "rules", "errors", "version"}, path


def test_the_client_imports_only_requests_and_the_standard_library():
    # urllib3 is a part of requests: its Retry and its errors come with it.
    own = {"requests", "urllib3", "catapult_client", "__future__", ""}
    for path in CLIENT:
        at_load = {name.split(".")[0] for name in imports(path, load_time=True)}
        assert at_load <= sys.stdlib_module_names | own, path
        # Of the extra [verify]: loaded by the one command that needs it.
        assert roots_of(path) - at_load <= sys.stdlib_module_names | own | {"cryptography"}, path


def test_a_module_is_named_for_what_it_holds_and_says_what_that_is():
    for path in [SDK, *SERVER, *CLIENT, *SCRIPTS]:
        assert not {path.stem, path.parent.name} & EMPTY_NAMES, path
        assert ast.get_docstring(tree(path)) or not path.read_text().strip(), path


def test_only_config_reads_the_environment():
    for path in SERVER:
        attributes = [ast.unparse(node) for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)]
        read = {"os.environ", "os.getenv", "os.environb"} & set(attributes)
        taken = set(imports(path)) & {"os.environ", "os.getenv", "environs", "environs.Env"}
        assert room(path) == "config" or not (read or taken), path


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


WRITES = re.compile(
    r"\b(insert\s+into|update\s+\S+\s+set|delete\s+from|truncate|merge\s+into|for\s+(no\s+key\s+)?update|for\s+(key\s+)?share"
    r"|pg_\w*advisory\w*lock\w*|nextval|setval|(create|alter|drop)\s+\w+|set\s+(local|session)|select\s.+\sinto)\b",
    re.IGNORECASE | re.DOTALL,
)
WRITERS = {"insert", "update", "delete", "with_for_update", "add", "add_all", "merge", "bulk_save_objects"}


def writes(code):
    """What that code would change or lock: by an expression, by the session, or by SQL as text."""
    documented = docstrings(code)
    for node in ast.walk(code):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
            yield from (name.name for name in node.names if name.name in WRITERS)
        if isinstance(node, ast.Attribute) and (
            node.attr == "with_for_update" or (node.attr in WRITERS and ast.unparse(node.value).endswith("session"))
        ):
            yield node.attr
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in documented:
            yield from (match[0] for match in WRITES.finditer(node.value))


def docstrings(code):
    """Texts that stand as statements: docstrings, and what is said below a constant."""
    return [
        node.value for node in ast.walk(code) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    ]


def test_only_audit_saves():
    for path in SERVER:
        # Connections of `embedded` are its own, to the server and not to the registry. In `egress` and `storage`, which know no
        # database, an answer begins.
        if room(path) not in ("embedded", "egress", "storage"):
            assert {(path.name, way) for way in saves(tree(path))} <= SAVES, path


def test_queries_and_rules_change_nothing():
    for path in SERVER:
        assert room(path) not in ("queries", "filters", "rules", "contract") or not list(writes(tree(path))), path


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (saves, "db.session.commit()"),
        (saves, "connection.commit()"),
        (saves, "with db.engine.begin() as connection: pass"),
        (saves, "transaction = connection.begin_nested()"),
        (saves, "connection.autocommit = True"),
        (saves, "connection.set_session(autocommit=True)"),
        (saves, "create_engine(url, isolation_level='autocommit')"),
        (saves, "cursor.execute('commit')"),
        (writes, "from sqlalchemy import update"),
        (writes, "from sqlalchemy.dialects.postgresql import insert"),
        (writes, "select(Version).with_for_update()"),
        (writes, "db.session.add(row)"),
        (writes, "text('WITH made AS (insert  into metrics SELECT 1) SELECT 1')"),
        (writes, "text('UPDATE versions SET tag = 1')"),
        (writes, "text('SELECT 1 FROM models FOR NO KEY UPDATE')"),
        (writes, "text('SELECT pg_advisory_xact_lock(1)')"),
    ],
)
def test_every_way_to_save_and_to_change_is_seen(seen, code):
    assert list(seen(ast.parse(code)))
