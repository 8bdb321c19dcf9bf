"""`flask up` without DATABASE_URL, from the first start to the last: what it prints, keeps, refuses and leaves behind."""

import json
import secrets
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pytest
from stage import on_server, url_of
from up import BESIDE, Start, Up, at_once, flask, for_a_team, free_port, is_running, printed_key, python, until

from catapult.embedded import Embedded

pytestmark = pytest.mark.live
RESTARTS = "the embedded PostgreSQL died; starting it again"

# PostgreSQL does not start while the file `hold` is in the home.
HELD = """
import time
from catapult.app import create_app
from catapult.embedded import Embedded
start = Embedded.start
def held(database):
    while (database.home / "hold").exists():
        time.sleep(0.05)
    start(database)
Embedded.start = held
app = create_app()
"""


@dataclass
class First:
    """What the first start on a new home printed, created and left behind after SIGTERM."""

    home: Path
    url: str
    said: str
    key: str
    role: str
    status: int
    left: list[psutil.Process]
    log: str


@pytest.fixture(scope="module")
def first(start: Start, make_folder: Callable[[], Path]) -> First:
    home = make_folder() / "new" / "home"
    server = start(CATAPULT_HOME=str(home)).ready()
    with server.caller(server.key) as caller:
        (key,) = caller.get("/api/v1/api-keys").json()
    assert len(server.look()) > 3
    status = server.end()
    log = server.log.read_text()
    return First(home, server.url, server.said(), server.key, key["role"], status, server.look(), log)


@pytest.fixture
def home(first: First, start: Start) -> Iterator[Path]:
    """That home, for tests that leave it intact."""
    yield first.home
    start.close(first.home)
    Embedded(first.home).stop()


@pytest.fixture(scope="module")
def up(first: First, start: Start, make_folder: Callable[[], Path]) -> Up:
    """The second start, on a copy of the home that has one more key. Tests leave it running until the last one."""
    home = make_folder() / "home"
    subprocess.run(["cp", "-a", first.home, home], check=True, timeout=60)
    created = flask("keys", "create", "--name", "before", CATAPULT_HOME=str(home))
    server = start(HELD, CATAPULT_HOME=str(home)).ready()
    server.keys["before"] = printed_key(created.stdout)
    return server


def lasting(server: Up) -> set[psutil.Process]:
    """The server's processes, without the worker of jobs, which starts later, and its connections to PostgreSQL."""
    return {process for process in server.look() if process.name() not in ("postgres", *BESIDE)}


def works(server: Up, key: str) -> bool:
    with server.caller(key) as caller:
        return caller.get("/api/v1/models").status_code == 200


def postmaster(home: Path) -> psutil.Process:
    return psutil.Process(int((home / "postgres" / "postmaster.pid").read_text().splitlines()[0]))


def refused(*arguments: str, status: int = 1, **settings: str) -> str:
    """The standard error of a command that ends with this status, prints nothing else and shows no traceback."""
    result = flask(*arguments, **settings)
    assert (result.returncode, result.stdout) == (status, "")
    assert "Traceback" not in result.stderr
    return result.stderr


def refused_in_one_line(*arguments: str, **settings: str) -> str:
    """The only line of such a standard error, beside what Alembic logs."""
    (line,) = [line for line in refused(*arguments, **settings).splitlines() if not line.startswith("{")]
    return line


# --- the first start and the second


def test_the_first_start_prints_an_admins_key_once_the_address_and_that_it_is_for_a_single_user(first: First) -> None:
    lines = first.said.splitlines()
    assert [line for line in lines if "Key:" in line] == [f"Key: {first.key}"]
    assert first.role == "admin"
    assert len([line for line in lines if "single-user default" in line.lower() and str(first.home) in line]) == 1
    assert len([line for line in lines if line.startswith("Catapult ") and line.endswith(f" at {first.url}")]) == 1


def test_sigterm_ends_all_of_it(first: First) -> None:
    assert (first.status, first.left) == (0, [])
    assert not (first.home / "postgres" / "postmaster.pid").exists()


def test_every_line_of_its_log_is_json_and_none_a_warning(first: First) -> None:
    lines = [json.loads(line) for line in first.log.splitlines()]
    assert lines
    assert not [line for line in lines if line["level"] not in ("info", "debug") and "chmod" not in line["event"]]
    assert first.key[12:] not in first.log


def test_the_second_start_prints_no_key_and_accepts_those_that_there_are(first: First, up: Up) -> None:
    assert "Key:" not in up.said()
    assert works(up, first.key)
    assert works(up, up.keys["before"])


def test_a_second_start_on_the_same_home_names_the_first_and_ends(first: First, up: Up) -> None:
    before = lasting(up)
    message = refused("up", CATAPULT_HOME=str(up.home), PORT=str(up.port))
    assert f"process {up.process.pid}" in message
    assert "CATAPULT_HOME" in message
    assert lasting(up) == before
    assert works(up, first.key)


@pytest.mark.parametrize(
    ("setting", "value", "status", "message"),
    [
        ("PORT", "taken", 1, "127.0.0.1:{port} is in use"),
        ("API_KEY_SALT", "another salt, but one that is long enough", 2, "API_KEY_SALT is not the one"),
    ],
    ids=["port", "salt"],
)
def test_a_start_that_is_refused_leaves_nothing_running(
    home: Path, setting: str, value: str, status: int, message: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        result = flask("up", CATAPULT_HOME=str(home), **{setting: port if value == "taken" else value})
    assert result.returncode == status
    assert message.format(port=port) in result.stderr
    assert setting in result.stderr
    assert "Key:" not in result.stdout
    assert not (home / "postgres" / "postmaster.pid").exists()


# --- how it ends


def test_signals_during_the_first_start_leave_nothing_that_prevents_the_next(
    start: Start, make_folder: Callable[[], Path]
) -> None:
    home = make_folder() / "home"
    initdb, postgresql = "postgres.new-*/PG_VERSION", "postgres/postmaster.pid"
    for moment, number, group in ((initdb, signal.SIGTERM, False), (postgresql, signal.SIGINT, True)):
        server = start(CATAPULT_HOME=str(home))
        until(lambda moment=moment: list(home.glob(moment)))
        assert server.end(number, group) != 0
        until(lambda server=server: not server.look(), 5)
    again = start(CATAPULT_HOME=str(home)).ready()
    assert works(again, again.key)
    assert again.end() == 0
    assert not list(home.glob("postgres.*-*"))


# --- PostgreSQL dies


def test_a_postgresql_that_dies_is_started_again_and_requests_work_without_a_restart(first: First, up: Up) -> None:
    with up.caller(first.key) as admin:
        admin.model("up/dies")
        workers, killed = up.workers(), postmaster(up.home)
        killed.kill()
        responses = [admin.get("/api/v1/models")]

        def works_again() -> bool:
            responses.append(admin.get("/api/v1/models"))
            return responses[-1].status_code == 200 and not is_running(killed) and postmaster(up.home) != killed

        until(works_again, 30)
    assert {response.status_code for response in responses} <= {200, 503}
    assert all(response.headers["Retry-After"] for response in responses if response.status_code == 503)
    assert [model["name"] for model in responses[-1].json()] == ["up/dies"]
    until(lambda: up.workers() == workers)
    assert len(up.lines(RESTARTS)) == 1


def die(server: Up) -> None:
    """Kill PostgreSQL, and wait until its next start is held up in a process beside the workers."""
    restarts = len(server.lines(RESTARTS))
    (server.home / "hold").touch()
    postmaster(server.home).kill()
    until(lambda: len(server.lines(RESTARTS)) > restarts and len(server.workers()) == 3)


def test_workers_are_replaced_while_postgresql_takes_long_to_start_again(first: First, up: Up) -> None:
    workers = up.workers()
    die(up)
    workers[0].kill()
    until(lambda: not is_running(workers[0]) and len(up.workers()) == 3)
    with up.caller(first.key) as admin:
        assert admin.get("/livez").status_code == 200
        assert admin.get("/api/v1/models").status_code == 503
        (up.home / "hold").unlink()
        until(lambda: admin.get("/api/v1/models").status_code == 200)
    until(lambda: len(up.workers()) == 2)


def test_after_every_kind_of_kill_the_next_start_works_and_ctrl_c_ends_all_of_it(
    first: First, home: Path, start: Start
) -> None:
    server = start(CATAPULT_HOME=str(home)).ready()
    left, workers = postmaster(home), server.workers()
    server.end(signal.SIGKILL)
    until(lambda: not any(is_running(worker) for worker in workers), 30)
    server = start(CATAPULT_HOME=str(home)).ready()
    assert postmaster(home) == left  # adopted
    assert works(server, first.key)

    server.end(signal.SIGKILL, group=True)
    left.kill()
    server = start(CATAPULT_HOME=str(home)).ready()
    assert postmaster(home) != left
    with server.caller(first.key) as caller:
        assert caller.get("/api/v1/models").status_code == 200  # a connection that is kept open
        assert len(server.look()) > 3
        assert server.end(signal.SIGINT, group=True) in (0, 130)
    assert server.look() == []
    assert "Key:" not in server.said()
    assert "Traceback" not in server.log.read_text()


# --- commands beside it


def test_keys_are_created_and_revoked_while_the_server_runs(first: First, up: Up) -> None:
    create = partial(flask, "keys", "create", "--name", "beside", CATAPULT_HOME=str(up.home))
    script = partial(python, "scripts/create_api_key.py", "--name", "beside", CATAPULT_HOME=str(up.home))
    beside = dict(zip(("publisher", "admin"), at_once(create, script), strict=True))
    with up.caller(first.key) as caller:
        roles = {key["prefix"]: key["role"] for key in caller.get("/api/v1/api-keys").json()}
    for role, result in beside.items():
        assert result.returncode == 0, result.stderr
        key = printed_key(result.stdout)
        assert (roles[key[:12]], works(up, key)) == (role, True)
    assert flask("keys", "revoke", key[:12], CATAPULT_HOME=str(up.home)).returncode == 0
    assert not works(up, key)


def test_a_database_user_who_may_not_create_tables_is_refused(
    cluster: Embedded, make_database: Callable[[], str]
) -> None:
    name = f"t{secrets.token_hex(6)}"
    on_server(cluster, f"CREATE DATABASE {name}")
    on_server(cluster, f"CREATE ROLE {name} LOGIN")
    url = url_of(cluster, name).replace("catapult@", f"{name}@")
    for command in (("up",), ("db", "upgrade"), ("keys", "list")):
        message = refused_in_one_line(*command, **for_a_team(url))
        assert message.startswith(
            "catapult: The database refused: permission denied for schema public. Check DATABASE_URL"
        )
    url = make_database().replace("catapult@", f"{name}@")  # which is migrated
    for command in (("up",), ("db", "upgrade"), ("db", "check"), ("keys", "list")):
        message = refused_in_one_line(*command, **for_a_team(url))
        assert "permission denied for table alembic_version. Check DATABASE_URL" in message


def test_migrating_a_database_that_cannot_be_reached_is_refused() -> None:
    message = refused("db", "upgrade", **for_a_team(f"postgresql://somebody:hidden@127.0.0.1:{free_port()}/name"))
    assert "Connection refused" in message
    assert "Check DATABASE_URL" in message
    assert "hidden" not in message


def test_what_postgresqls_variables_say_changes_nothing_that_is_stored_or_read(
    start: Start, make_database: Callable[[], str]
) -> None:
    foreign = {
        "PGCLIENTENCODING": "LATIN1",
        "PGTZ": "Asia/Kolkata",
        "PGDATESTYLE": "SQL, DMY",
        "PGOPTIONS": "-c default_transaction_read_only=on",
        "PGHOSTADDR": "127.0.0.9",
        "PGPORT": "9",
        "PGSERVICE": "nowhere",
    }
    description = "Größe 鍵 🙂"
    servers = [start(**for_a_team(make_database()), **foreign), start(PGREQUIREAUTH="scram-sha-256", **foreign)]
    for server in servers:
        with server.ready(60).caller(server.key) as caller:
            model = caller.model("org/bert", description=description)
            assert caller.get(f"/api/v1/models/{model['id']}").json()["description"] == description
            assert server.sql("SELECT description FROM models") == [(description,)]
            audit = server.sql("SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI') FROM models")
            assert model["created_at"].startswith(audit[0][0])


@pytest.mark.parametrize("host", ["x86_64-conda-linux-gnu", "192.0.2.1"])
def test_a_host_that_is_no_address_of_this_machine_is_named(home: Path, host: str) -> None:
    result = flask("up", CATAPULT_HOME=str(home), HOST=host)
    assert (result.returncode, "Traceback" in result.stderr) == (1, False)
    assert f"HOST is {host}, which is not an address of this machine" in result.stderr
    assert "Set HOST=127.0.0.1" in result.stderr


def test_a_team_server_without_its_settings_names_every_problem(make_folder: Callable[[], Path]) -> None:
    settings = {"DATABASE_URL": "mysql://somebody@host/name", "PORT": "abc", "CATAPULT_HOME": str(make_folder())}
    message = refused("up", status=2, **settings)
    assert [name for name in ("API_KEY_SALT", "DATABASE_URL", "PORT", "SECRET_KEY") if name not in message] == []


def test_a_server_ends_while_its_postgresql_takes_long_to_start_again(up: Up) -> None:
    """The last test, because the others share that server."""
    die(up)
    assert up.end() == 0
    assert up.look() == []
