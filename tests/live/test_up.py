"""`flask up` without DATABASE_URL, from the first start to the last: what it prints, keeps, refuses and leaves behind."""

import json
import re
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
from up import Start, Up, a_version, at_once, flask, for_a_team, free_port, lives, python, until

from catapult.embedded import Embedded

pytestmark = pytest.mark.live
KEY = re.compile(r"cat_[A-Za-z0-9]{8}_[A-Za-z0-9]{49}")


@dataclass
class First:
    """What there was to see of the first start on a home that was not there, ended by SIGTERM."""

    home: Path
    url: str
    said: str
    key: str
    role: str
    files: dict[str, int]
    ended: int
    left: list[psutil.Process]
    log: str


@pytest.fixture(scope="module")
def first(start: Start, make_folder: Callable[[], Path]) -> First:
    home = make_folder() / "made" / "home"
    server = start(CATAPULT_HOME=str(home)).ready()
    with server.caller(server.key) as caller:
        (key,) = caller.get("/api/v1/api-keys").json()
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (home, *home.iterdir())}
    assert len(server.look()) > 3
    ended = server.end()
    return First(
        home, server.url, server.said(), server.key, key["role"], files, ended, server.look(), server.log.read_text()
    )


@pytest.fixture
def home(first: First, start: Start) -> Iterator[Path]:
    """That home, for tests that leave it whole."""
    yield first.home
    start.close(first.home)
    Embedded(first.home).stop()


@pytest.fixture(scope="module")
def up(first: First, start: Start, make_folder: Callable[[], Path]) -> Up:
    """The second start, on a copy of the home; nobody may break it."""
    home = make_folder() / "home"
    subprocess.run(["cp", "-a", first.home, home], check=True, timeout=60)
    return start(CATAPULT_HOME=str(home)).ready()


def works(server: Up, key: str) -> bool:
    with server.caller(key) as caller:
        return caller.get("/api/v1/models").status_code == 200


def postmaster(home: Path) -> psutil.Process:
    return psutil.Process(int((home / "postgres" / "postmaster.pid").read_text().splitlines()[0]))


# --- the first start and the second


def test_the_first_start_prints_the_key_once_the_address_and_what_it_is(first: First) -> None:
    lines = first.said.splitlines()
    assert [line for line in lines if "Key:" in line] == [f"Key: {first.key}"]
    assert KEY.fullmatch(first.key)
    assert len([line for line in lines if "single-user default" in line.lower() and str(first.home) in line]) == 1
    assert len([line for line in lines if line.startswith("Catapult ") and line.endswith(f" at {first.url}")]) == 1


def test_the_first_key_is_an_admins(first: First) -> None:
    assert first.role == "admin"


def test_home_and_secrets_are_closed_to_others(first: First) -> None:
    assert first.files["home"] == first.files["postgres"] == 0o700
    assert first.files["api_key_salt"] == first.files["secret_key"] == 0o600
    assert not {name: oct(mode) for name, mode in first.files.items() if mode & 0o077}


def test_sigterm_ends_all_of_it(first: First) -> None:
    assert (first.ended, first.left) == (0, [])
    assert not {"postmaster.pid"} & {path.name for path in (first.home / "postgres").iterdir()}


def test_every_line_of_its_log_is_json_and_none_a_warning(first: First) -> None:
    lines = [json.loads(line) for line in first.log.splitlines()]
    assert lines
    assert not [line for line in lines if line["level"] not in ("info", "debug") and "chmod" not in line["event"]]
    assert first.key[12:] not in first.log


def test_the_second_start_prints_no_key_and_takes_the_first(first: First, up: Up) -> None:
    assert "Key:" not in up.said()
    assert works(up, first.key)


def test_a_second_start_on_the_same_home_is_told_who_has_it_and_ends(first: First, up: Up) -> None:
    before = set(up.look())
    second = flask("up", CATAPULT_HOME=str(up.home), PORT=str(up.port))
    assert second.returncode == 1
    assert f"process {up.process.pid}" in second.stderr
    assert "CATAPULT_HOME" in second.stderr
    assert "Traceback" not in second.stderr
    assert second.stdout == ""
    assert set(up.look()) == before
    assert works(up, first.key)


def test_a_port_that_is_taken_is_said_in_a_line_and_nothing_stays(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = flask("up", CATAPULT_HOME=str(home), PORT=str(port))
    assert refused.returncode == 1
    assert f"127.0.0.1:{port} is in use" in refused.stderr
    assert "PORT" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (home / "postgres" / "postmaster.pid").exists()


def test_another_salt_than_the_stored_keys_were_made_with_is_said_at_start(home: Path) -> None:
    refused = flask("up", CATAPULT_HOME=str(home), API_KEY_SALT="another salt, but one that is long enough")
    assert refused.returncode == 2
    assert "API_KEY_SALT is not the one" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "Key:" not in refused.stdout
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


def test_signals_while_the_data_folder_is_made_leave_nothing_that_hinders_the_next_start(
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


def test_what_is_under_way_is_answered_before_the_end(start: Start, make_database: Callable[[], str]) -> None:
    server = start(**for_a_team(make_database())).ready()
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with server.caller(server.key) as admin, closing(psycopg2.connect(server.database_url)) as other:
        model = admin.model("up/under-way")

        def end() -> None:
            try:
                until(lambda: server.sql(waits) == [(1,)], 4)
                server.process.send_signal(signal.SIGTERM)
                until(lambda: server.lines("Handling signal: term"), 4)
            finally:
                other.rollback()

        with other.cursor() as cursor:
            cursor.execute("SELECT FROM models WHERE id = %s FOR UPDATE", [model["id"]])
        answer, _ = at_once(partial(admin.post, "/api/v1/versions", json=a_version(model, "1.0.0")), end)
    assert answer is not None
    assert answer.status_code == 201
    assert server.process.wait(30) == 0
    assert server.sql("SELECT count(*) FROM versions") == [(1,)]


# --- what dies


def test_a_postgresql_that_dies_is_started_again_and_requests_work_without_a_restart(
    first: First, home: Path, start: Start
) -> None:
    server = start(CATAPULT_HOME=str(home)).ready()
    with server.caller(first.key) as admin:
        admin.model("up/dies")
        workers, killed = server.workers(), postmaster(home)
        killed.kill()
        answers = [admin.get("/api/v1/models")]

        def asked_again() -> bool:
            answers.append(admin.get("/api/v1/models"))
            return answers[-1].status_code == 200 and not lives(killed) and postmaster(home) != killed

        until(asked_again, 30)
        assert {answer.status_code for answer in answers} <= {200, 503}
        assert all(answer.headers["Retry-After"] for answer in answers if answer.status_code == 503)
        assert [model["name"] for model in answers[-1].json()] == ["up/dies"]
        assert admin.delete(f"/api/v1/models/{answers[-1].json()[0]['id']}").status_code == 204
    assert server.workers() == workers
    assert server.lines("the embedded PostgreSQL died; starting it again")
    assert server.end() == 0
    assert server.look() == []


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
    until(lambda: not any(lives(worker) for worker in workers), 30)
    server = start(CATAPULT_HOME=str(home)).ready()
    assert works(server, first.key)
    assert "Key:" not in server.said()
    assert server.end() == 0
    assert server.look() == []


# --- beside it


def only_key(printed: str) -> str:
    """The key of the one line that holds `Key:`: its second word."""
    (line,) = [line for line in printed.splitlines() if "Key:" in line]
    word, key = line.split()
    assert word == "Key:"
    assert KEY.fullmatch(key)
    return key


def role_of(server: Up, key: str, admin: str) -> tuple[str, str]:
    assert works(server, key)
    with server.caller(admin) as caller:
        (found,) = [each for each in caller.get("/api/v1/api-keys").json() if each["prefix"] == key[:12]]
        return found["name"], found["role"]


def test_a_key_is_made_and_revoked_while_the_server_runs(first: First, up: Up) -> None:
    made = flask("keys", "create", "--name", "beside", CATAPULT_HOME=str(up.home))
    assert made.returncode == 0, made.stderr
    key = only_key(made.stdout)
    assert role_of(up, key, first.key) == ("beside", "publisher")
    assert flask("keys", "revoke", key[:12], CATAPULT_HOME=str(up.home)).returncode == 0
    with up.caller(key) as caller:
        assert caller.get("/api/v1/models").status_code == 401


def test_the_script_makes_an_admin_while_the_server_runs(first: First, up: Up) -> None:
    script = partial(python, "scripts/create_api_key.py", CATAPULT_HOME=str(up.home))
    for made, role in zip(
        at_once(partial(script, "--name", "script"), partial(script, "--name", "script", "--role", "viewer")),
        ("admin", "viewer"),
        strict=True,
    ):
        assert made.returncode == 0, made.stderr
        assert role_of(up, only_key(made.stdout), first.key) == ("script", role)


def test_keys_that_were_made_without_a_server_work_with_it(first: First, home: Path, start: Start) -> None:
    made = at_once(
        partial(flask, "keys", "create", "--name", "before", "--role", "releaser", CATAPULT_HOME=str(home)),
        partial(python, "scripts/create_api_key.py", "--name", "before", CATAPULT_HOME=str(home)),
    )
    assert [each.returncode for each in made] == [0, 0], made[0].stderr + made[1].stderr
    assert not (home / "postgres" / "postmaster.pid").exists()
    server = start(CATAPULT_HOME=str(home)).ready()
    roles = [role_of(server, only_key(each.stdout), first.key) for each in made]
    assert roles == [("before", "releaser"), ("before", "admin")]
    assert server.end() == 0


def test_the_migrations_are_what_the_tables_say(up: Up) -> None:
    checked = flask("db", "check", DATABASE_URL=up.database_url, API_KEY_SALT="a" * 32, SECRET_KEY="a")
    assert checked.returncode == 0, checked.stderr
    assert "No new upgrade operations detected" in checked.stdout + checked.stderr


def test_several_servers_that_start_at_once_on_an_empty_database_make_one_schema_and_one_key(
    start: Start, cluster: Embedded
) -> None:
    name = f"t{secrets.token_hex(6)}"
    on_server(cluster, f"CREATE DATABASE {name}")
    servers = [start(**for_a_team(url_of(cluster, name)), WEB_CONCURRENCY="1") for _ in range(3)]
    for server in servers:
        server.ready()
    (key,) = [only_key(server.said()) for server in servers if "Key:" in server.said()]
    assert all(works(server, key) for server in servers)
    assert servers[0].sql("SELECT count(*) FROM alembic_version") == [(1,)]
    assert servers[0].sql("SELECT name, role FROM api_keys") == [("first-admin", "admin")]
    assert servers[0].sql("SELECT action, api_key_name FROM audit_logs") == [("api_key.create", "cli")]
    assert not any("single-user" in server.said().lower() for server in servers)
    assert not any(list(server.home.parent.glob("home")) for server in servers)
    assert [server.end() for server in servers] == [0, 0, 0]


def test_a_database_user_who_may_not_make_tables_is_told_so_in_a_line(cluster: Embedded) -> None:
    name = f"t{secrets.token_hex(6)}"
    on_server(cluster, f"CREATE DATABASE {name}")
    on_server(cluster, f"CREATE ROLE {name} LOGIN")
    refused = flask("up", **for_a_team(url_of(cluster, name).replace("catapult@", f"{name}@")), PORT=str(free_port()))
    assert refused.returncode == 1
    assert "permission denied for schema public" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert refused.stdout == ""


def test_migrating_a_database_that_is_not_there_is_refused_in_a_line() -> None:
    refused = flask("db", "upgrade", **for_a_team(f"postgresql://somebody:hidden@127.0.0.1:{free_port()}/name"))
    assert refused.returncode == 1
    assert "Connection refused" in refused.stderr
    assert "Check DATABASE_URL" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "hidden" not in refused.stderr


def test_a_team_server_without_its_settings_names_all_that_is_wrong(make_folder: Callable[[], Path]) -> None:
    refused = flask("up", DATABASE_URL="mysql://somebody@host/name", PORT="abc", CATAPULT_HOME=str(make_folder()))
    assert refused.returncode == 2
    said = refused.stderr.splitlines()
    assert all(line.startswith("catapult: ") for line in said)
    for name in ("DATABASE_URL", "API_KEY_SALT", "SECRET_KEY", "PORT"):
        assert len([line for line in said if line.startswith(f"catapult: {name}")]) == 1
    assert refused.stdout == ""
