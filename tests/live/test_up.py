"""`flask up` without DATABASE_URL, from the first start to the last: what it prints, keeps, refuses and leaves behind."""

import json
import secrets
import signal
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import psycopg2
import pytest
from stage import on_server, url_of
from up import Start, Up, a_version, at_once, flask, for_a_team, free_port, is_running, printed_key, python, until

from catapult.embedded import Embedded

pytestmark = pytest.mark.live
RESTARTS = "the embedded PostgreSQL died; starting it again"


@dataclass
class First:
    """What the first start on a new home printed, created and left behind after SIGTERM."""

    home: Path
    url: str
    said: str
    key: str
    role: str
    modes: dict[str, int]
    status: int
    left: list[psutil.Process]
    log: str


@pytest.fixture(scope="module")
def first(start: Start, make_folder: Callable[[], Path]) -> First:
    home = make_folder() / "new" / "home"
    server = start(CATAPULT_HOME=str(home)).ready()
    with server.caller(server.key) as caller:
        (key,) = caller.get("/api/v1/api-keys").json()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (home, *home.iterdir())}
    assert len(server.look()) > 3
    status = server.end()
    log = server.log.read_text()
    return First(home, server.url, server.said(), server.key, key["role"], modes, status, server.look(), log)


@pytest.fixture
def home(first: First, start: Start) -> Iterator[Path]:
    """That home, for tests that leave it intact."""
    yield first.home
    start.close(first.home)
    Embedded(first.home).stop()


@pytest.fixture(scope="module")
def up(first: First, start: Start, make_folder: Callable[[], Path]) -> Up:
    """The second start, on a copy of the home, for tests that leave it running."""
    home = make_folder() / "home"
    subprocess.run(["cp", "-a", first.home, home], check=True, timeout=60)
    return start(CATAPULT_HOME=str(home)).ready()


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


# --- the first start and the second


def test_the_first_start_prints_an_admins_key_once_the_address_and_that_it_is_for_a_single_user(first: First) -> None:
    lines = first.said.splitlines()
    assert [line for line in lines if "Key:" in line] == [f"Key: {first.key}"]
    assert first.role == "admin"
    assert len([line for line in lines if "single-user default" in line.lower() and str(first.home) in line]) == 1
    assert len([line for line in lines if line.startswith("Catapult ") and line.endswith(f" at {first.url}")]) == 1


def test_home_and_secrets_are_closed_to_others(first: First) -> None:
    assert first.modes["home"] == first.modes["postgres"] == 0o700
    assert first.modes["api_key_salt"] == first.modes["secret_key"] == 0o600
    assert not {name: oct(mode) for name, mode in first.modes.items() if mode & 0o077}


def test_sigterm_ends_all_of_it(first: First) -> None:
    assert (first.status, first.left) == (0, [])
    assert not (first.home / "postgres" / "postmaster.pid").exists()


def test_every_line_of_its_log_is_json_and_none_a_warning(first: First) -> None:
    lines = [json.loads(line) for line in first.log.splitlines()]
    assert lines
    assert not [line for line in lines if line["level"] not in ("info", "debug") and "chmod" not in line["event"]]
    assert first.key[12:] not in first.log


def test_the_second_start_prints_no_key_and_accepts_the_first(first: First, up: Up) -> None:
    assert "Key:" not in up.said()
    assert works(up, first.key)


def test_a_second_start_on_the_same_home_names_the_first_and_ends(first: First, up: Up) -> None:
    before = set(up.look())
    message = refused("up", CATAPULT_HOME=str(up.home), PORT=str(up.port))
    assert f"process {up.process.pid}" in message
    assert "CATAPULT_HOME" in message
    assert set(up.look()) == before
    assert works(up, first.key)


def test_a_port_that_is_taken_is_named_and_nothing_stays(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = flask("up", CATAPULT_HOME=str(home), PORT=str(port))
    assert result.returncode == 1
    assert f"127.0.0.1:{port} is in use" in result.stderr
    assert "PORT" in result.stderr
    assert not (home / "postgres" / "postmaster.pid").exists()


def test_another_salt_than_that_of_the_stored_keys_is_refused_at_the_start(home: Path) -> None:
    result = flask("up", CATAPULT_HOME=str(home), API_KEY_SALT="another salt, but one that is long enough")
    assert result.returncode == 2
    assert "API_KEY_SALT is not the one" in result.stderr
    assert "Key:" not in result.stdout
    assert not (home / "postgres" / "postmaster.pid").exists()


# --- how it ends


def test_ctrl_c_in_a_terminal_ends_all_of_it(first: First, home: Path, start: Start) -> None:
    server = start(CATAPULT_HOME=str(home)).ready()
    with server.caller(first.key) as caller:
        assert caller.get("/api/v1/models").status_code == 200  # a connection that is kept open
        assert len(server.look()) > 3
        assert server.end(signal.SIGINT, group=True) in (0, 130)
    assert server.look() == []
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize(("number", "group"), [(signal.SIGTERM, False), (signal.SIGINT, True)])
def test_a_signal_before_it_serves_leaves_nothing_behind(
    home: Path, start: Start, number: signal.Signals, group: bool
) -> None:
    server = start(CATAPULT_HOME=str(home))
    until((home / "postgres" / "postmaster.pid").exists)
    assert server.look()
    assert server.end(number, group) != 0
    assert server.look() == []


def test_signals_during_initdb_leave_nothing_that_prevents_the_next_start(
    start: Start, make_folder: Callable[[], Path]
) -> None:
    home = make_folder() / "home"
    for number, group in ((signal.SIGTERM, False), (signal.SIGINT, True)):
        server = start(CATAPULT_HOME=str(home))
        until(lambda: list(home.glob("postgres.new-*/PG_VERSION")))
        assert server.end(number, group) != 0
        until(lambda server=server: not server.look(), 5)
    again = start(CATAPULT_HOME=str(home)).ready()
    assert works(again, again.key)
    assert again.end() == 0
    assert not list(home.glob("postgres.*-*"))


def test_a_request_in_progress_is_answered_before_the_end(start: Start, make_database: Callable[[], str]) -> None:
    server = start(**for_a_team(make_database())).ready()
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with server.caller(server.key) as admin, closing(psycopg2.connect(server.database_url)) as other:
        model = admin.model("up/in-progress")
        other.cursor().execute("SELECT FROM models WHERE id = %s FOR UPDATE", [model["id"]])

        def end() -> None:
            try:
                until(lambda: server.sql(waits) == [(1,)], 4)
                server.process.terminate()
                until(lambda: server.lines("Handling signal: term"), 4)
            finally:
                other.rollback()

        response, _ = at_once(partial(admin.post, "/api/v1/versions", json=a_version(model, "1.0.0")), end)
    assert response is not None
    assert response.status_code == 201
    assert server.process.wait(30) == 0
    assert server.sql("SELECT count(*) FROM versions") == [(1,)]


# --- PostgreSQL dies


def test_a_postgresql_that_dies_is_started_again_and_requests_work_without_a_restart(
    first: First, home: Path, start: Start
) -> None:
    server = start(CATAPULT_HOME=str(home)).ready()
    with server.caller(first.key) as admin:
        admin.model("up/dies")
        workers, killed = server.workers(), postmaster(home)
        killed.kill()
        responses = [admin.get("/api/v1/models")]

        def works_again() -> bool:
            responses.append(admin.get("/api/v1/models"))
            return responses[-1].status_code == 200 and not is_running(killed) and postmaster(home) != killed

        until(works_again, 30)
        assert {response.status_code for response in responses} <= {200, 503}
        assert all(response.headers["Retry-After"] for response in responses if response.status_code == 503)
        assert [model["name"] for model in responses[-1].json()] == ["up/dies"]
        assert admin.delete(f"/api/v1/models/{responses[-1].json()[0]['id']}").status_code == 204
    until(lambda: server.workers() == workers)
    assert len(server.lines(RESTARTS)) == 1
    assert server.end() == 0
    assert server.look() == []


class Held(Up):
    """A server whose PostgreSQL does not start while the file `hold` is in its home."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.app = str(folder / "held.py")
        Path(self.app).write_text(
            "import time\nfrom catapult.app import create_app\nfrom catapult.embedded import Embedded\n"
            "start = Embedded.start\n"
            "def held(database):\n"
            "    while (database.home / 'hold').exists():\n        time.sleep(0.05)\n"
            "    start(database)\n"
            "Embedded.start = held\napp = create_app()\n"
        )
        super().__init__(folder, **settings)

    def die(self) -> None:
        """Kill PostgreSQL, and wait until its next start is held up in a process beside the workers."""
        (self.home / "hold").touch()
        postmaster(self.home).kill()
        until(lambda: self.lines(RESTARTS) and len(self.workers()) == 3)


@pytest.fixture
def held(home: Path, make_folder: Callable[[], Path]) -> Iterator[Held]:
    server = Held(make_folder(), CATAPULT_HOME=str(home)).ready()
    yield server
    server.close()
    (home / "hold").unlink(missing_ok=True)


def test_workers_are_replaced_while_postgresql_takes_long_to_start_again(first: First, held: Held) -> None:
    workers = held.workers()
    held.die()
    workers[0].kill()
    until(lambda: not is_running(workers[0]) and len(held.workers()) == 3)
    with held.caller(first.key) as admin:
        assert admin.get("/livez").status_code == 200
        assert admin.get("/api/v1/models").status_code == 503
        (held.home / "hold").unlink()
        until(lambda: admin.get("/api/v1/models").status_code == 200)
    until(lambda: len(held.workers()) == 2)
    assert len(held.lines(RESTARTS)) == 1
    assert held.end() == 0
    assert held.look() == []


def test_a_server_ends_while_its_postgresql_takes_long_to_start_again(held: Held) -> None:
    held.die()
    assert held.end() == 0
    assert held.look() == []


def test_after_every_kind_of_kill_the_next_start_works(first: First, home: Path, start: Start) -> None:
    server = start(CATAPULT_HOME=str(home)).ready()
    left = postmaster(home)
    server.end(signal.SIGKILL, group=True)
    server = start(CATAPULT_HOME=str(home)).ready()
    assert postmaster(home) == left  # adopted
    assert works(server, first.key)

    server.end(signal.SIGKILL, group=True)
    left.kill()
    server = start(CATAPULT_HOME=str(home)).ready()
    assert postmaster(home) != left
    assert works(server, first.key)

    workers = server.workers()
    server.end(signal.SIGKILL)
    until(lambda: not any(is_running(worker) for worker in workers), 30)
    server = start(CATAPULT_HOME=str(home)).ready()
    assert works(server, first.key)
    assert "Key:" not in server.said()
    assert server.end() == 0
    assert server.look() == []


# --- commands beside it


def role_of(server: Up, key: str, admin: str) -> tuple[str, str]:
    assert works(server, key)
    with server.caller(admin) as caller:
        (row,) = [row for row in caller.get("/api/v1/api-keys").json() if row["prefix"] == key[:12]]
        return row["name"], row["role"]


def test_a_key_is_created_and_revoked_while_the_server_runs(first: First, up: Up) -> None:
    created = flask("keys", "create", "--name", "beside", CATAPULT_HOME=str(up.home))
    assert created.returncode == 0, created.stderr
    key = printed_key(created.stdout)
    assert role_of(up, key, first.key) == ("beside", "publisher")
    assert flask("keys", "revoke", key[:12], CATAPULT_HOME=str(up.home)).returncode == 0
    with up.caller(key) as caller:
        assert caller.get("/api/v1/models").status_code == 401


def test_the_script_creates_keys_while_the_server_runs(first: First, up: Up) -> None:
    script = partial(python, "scripts/create_api_key.py", "--name", "script", CATAPULT_HOME=str(up.home))
    for result, role in zip(at_once(script, partial(script, "--role", "viewer")), ("admin", "viewer"), strict=True):
        assert result.returncode == 0, result.stderr
        assert role_of(up, printed_key(result.stdout), first.key) == ("script", role)


def test_keys_that_were_created_without_a_server_work_with_it(first: First, home: Path, start: Start) -> None:
    results = at_once(
        partial(flask, "keys", "create", "--name", "before", "--role", "releaser", CATAPULT_HOME=str(home)),
        partial(python, "scripts/create_api_key.py", "--name", "before", CATAPULT_HOME=str(home)),
    )
    assert [result.returncode for result in results] == [0, 0], results[0].stderr + results[1].stderr
    assert not (home / "postgres" / "postmaster.pid").exists()
    server = start(CATAPULT_HOME=str(home)).ready()
    roles = [role_of(server, printed_key(result.stdout), first.key) for result in results]
    assert roles == [("before", "releaser"), ("before", "admin")]
    assert server.end() == 0


def test_the_migrations_match_the_tables(up: Up) -> None:
    checked = flask("db", "check", **for_a_team(up.database_url))
    assert checked.returncode == 0, checked.stderr
    assert "No new upgrade operations detected" in checked.stdout + checked.stderr


def test_several_servers_that_start_at_once_on_an_empty_database_create_one_schema_and_one_key(
    start: Start, cluster: Embedded
) -> None:
    name = f"t{secrets.token_hex(6)}"
    on_server(cluster, f"CREATE DATABASE {name}")
    servers = [start(**for_a_team(url_of(cluster, name)), WEB_CONCURRENCY="1") for _ in range(3)]
    for server in servers:
        server.ready()
    (key,) = [server.key for server in servers if "Key:" in server.said()]
    assert all(works(server, key) for server in servers)
    assert servers[0].sql("SELECT count(*) FROM alembic_version") == [(1,)]
    assert servers[0].sql("SELECT name, role FROM api_keys") == [("first-admin", "admin")]
    assert servers[0].sql("SELECT action, api_key_name FROM audit_logs") == [("api_key.create", "cli")]
    assert not any("single-user" in server.said().lower() or server.home.exists() for server in servers)
    assert [server.end() for server in servers] == [0, 0, 0]


def test_a_database_user_who_may_not_create_tables_is_refused(cluster: Embedded) -> None:
    name = f"t{secrets.token_hex(6)}"
    on_server(cluster, f"CREATE DATABASE {name}")
    on_server(cluster, f"CREATE ROLE {name} LOGIN")
    url = url_of(cluster, name).replace("catapult@", f"{name}@")
    assert "permission denied for schema public" in refused("up", **for_a_team(url))


def test_migrating_a_database_that_cannot_be_reached_is_refused() -> None:
    message = refused("db", "upgrade", **for_a_team(f"postgresql://somebody:hidden@127.0.0.1:{free_port()}/name"))
    assert "Connection refused" in message
    assert "Check DATABASE_URL" in message
    assert "hidden" not in message


def test_a_team_server_without_its_settings_names_every_problem(make_folder: Callable[[], Path]) -> None:
    settings = {"DATABASE_URL": "mysql://somebody@host/name", "PORT": "abc", "CATAPULT_HOME": str(make_folder())}
    names = [
        line.partition(": ")[2].replace(":", " ").split()[0]
        for line in refused("up", status=2, **settings).splitlines()
    ]
    assert sorted(names) == ["API_KEY_SALT", "DATABASE_URL", "PORT", "SECRET_KEY"]
