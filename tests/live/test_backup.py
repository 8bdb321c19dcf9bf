"""The drill: back up under load, restore into an empty server, compare, and start on it."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
from up import ROOT, Caller, Start, Up, a_model, a_version, surroundings

from catapult.embedded import Embedded, attached

pytestmark = pytest.mark.live
HASH = "SELECT count(*), coalesce(md5(string_agg(md5(x::text), '' ORDER BY x.id)), '') FROM ({}) AS x"
# What never changes once it is there: of what was backed up, the server has the same now.
ENTRIES = "SELECT * FROM audit_logs"
VERSIONS = "SELECT id, model_id, version, tag, digest, metadata, created_at FROM versions"
MODELS = "SELECT id, name, storage_path, metadata, created_at FROM models"
COUNTS = "SELECT (SELECT count(*) FROM models), (SELECT count(*) FROM versions), (SELECT count(*) FROM audit_logs)"


def script(name: str, *arguments: object, cwd: Path = ROOT, **settings: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(ROOT / "scripts" / name), *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=surroundings(**settings), text=True, capture_output=True, timeout=120, check=False
    )


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


@contextmanager
def written_to(server: Up, writers: int = 4) -> Iterator[list[str]]:
    """Clients that register models and versions meanwhile; gives the names of the models that were acknowledged."""
    done, over = [], threading.Event()

    def write(caller: Caller, writer: int) -> None:
        number = 0
        while not over.is_set():
            name, number = f"drill/{writer}-{number}", number + 1
            model = caller.made("/api/v1/models", a_model(name))
            caller.made("/api/v1/versions", a_version(model, "1.0.0", metadata={"accuracy": number / 1000}))
            done.append(name)

    with server.caller(server.key) as caller:
        threads = [threading.Thread(target=write, args=(caller, writer)) for writer in range(writers)]
        for thread in threads:
            thread.start()
        try:
            yield done
        finally:
            over.set()
            for thread in threads:
                thread.join(30)


@pytest.fixture(scope="module")
def server(start: Start) -> Up:
    """On an embedded database."""
    return start(WEB_CONCURRENCY="2").ready()


@pytest.fixture(scope="module")
def dump(server: Up, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A dump that was made under load, and the models that were acknowledged before it began."""
    folder = tmp_path_factory.mktemp("backups")
    with written_to(server) as done:
        while len(done) < 20:
            threading.Event().wait(0.05)
        before = list(done)
        made = script("backup.sh", folder, CATAPULT_HOME=str(server.home))
    assert made.returncode == 0, made.stderr
    (path,) = folder.glob("catapult-*.dump")
    assert made.stdout.strip() == str(path)
    assert path.stat().st_mode & 0o777 == 0o600
    return path, before


def test_what_was_backed_up_under_load_is_restored_whole_and_a_server_starts_on_it(
    server: Up, dump: tuple[Path, list[str]], start: Start, make_folder
) -> None:
    path, before = dump
    home = make_folder() / "home"
    restored = script("restore.sh", path, CATAPULT_HOME=str(home))
    assert restored.returncode == 0, restored.stderr
    with attached(home) as database:
        url, source = database.url, server.database_url
        ((models, versions, entries),) = rows(url, COUNTS)
        assert (
            f"Restored: {models} models, {versions} versions, 0 deployments, {entries} audit entries" in restored.stdout
        )
        assert set(before) <= {name for (name,) in rows(url, "SELECT name FROM models")}
        for what in (ENTRIES, VERSIONS, MODELS):
            kept = rows(url, HASH.format(what))
            ids = ", ".join(f"'{row[0]}'" for row in rows(url, f"SELECT id FROM ({what}) AS x"))
            assert kept == rows(source, HASH.format(f"SELECT * FROM ({what}) AS all_of_them WHERE id IN ({ids})"))
        changes = "SELECT count(*) FROM audit_logs WHERE action = '{}.create'"
        assert rows(url, changes.format("model")) == [(models,)]
        assert rows(url, changes.format("version")) == [(versions,)]
        with pytest.raises(psycopg2.Error, match="audit"):
            rows(url, "DELETE FROM audit_logs")
    for secret in ("api_key_salt", "secret_key"):
        (home / secret).write_text((server.home / secret).read_text())
    again = start(CATAPULT_HOME=str(home)).ready()
    with again.caller(server.key) as caller:  # a key of before
        assert caller.get("/readyz").status_code == 200
        assert caller.get("/api/v1/models?count=true").headers["X-Total-Count"] == str(models)
        caller.version(caller.model("drill/after"), "1.0.0")


def test_nothing_is_restored_over_what_is_there(server: Up, dump: tuple[Path, list[str]]) -> None:
    before = server.sql(COUNTS)
    refused = script("restore.sh", dump[0], CATAPULT_HOME=str(server.home))
    assert refused.returncode == 1
    assert "not empty" in refused.stderr
    assert server.sql(COUNTS) == before


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.99])
def test_a_dump_that_was_cut_off_is_not_restored(
    dump: tuple[Path, list[str]], tmp_path: Path, make_folder, kept: float
) -> None:
    whole = dump[0].read_bytes()
    cut = tmp_path / "cut.dump"
    cut.write_bytes(whole[: int(kept if kept >= 1 else kept * len(whole))])
    home = make_folder() / "home"
    refused = script("restore.sh", cut, CATAPULT_HOME=str(home))
    assert refused.returncode == 1
    assert "no dump that can be read" in refused.stderr or "cut off" in refused.stderr
    with attached(home) as database:
        assert rows(database.url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_the_oldest_dumps_go_and_nothing_else(server: Up, tmp_path: Path) -> None:
    old = [tmp_path / f"catapult-2026010{day}T000000Z.dump" for day in range(1, 5)]
    others = [tmp_path / name for name in ("catapult-of-mine.dump", "notes", "catapult-20260101T000000Z.dump.gpg")]
    for path in (*old, *others):
        path.touch()
    made = script("backup.sh", ".", cwd=tmp_path, CATAPULT_HOME=str(server.home), BACKUP_KEEP="3")
    assert made.returncode == 0, made.stderr
    left = set(tmp_path.iterdir())
    assert set(others) <= left
    assert set(old) & left == set(old[-2:])
    assert not (tmp_path / ".partial").exists()


def test_a_backup_that_fails_leaves_no_dump_and_removes_none(server: Up, tmp_path: Path) -> None:
    kept = tmp_path / "catapult-20260101T000000Z.dump"
    kept.touch()
    tools = Embedded(server.home).bin
    settings = {"PG_BIN": str(tools), "BACKUP_KEEP": "1"}
    url = "postgresql+psycopg2://somebody:pa55word@127.0.0.1:1/nothing"
    failed = script("backup.sh", tmp_path, DATABASE_URL=url, **settings)
    assert failed.returncode == 1
    assert "there is no new dump" in failed.stderr
    assert "pa55word" not in failed.stderr
    other = server.database_url.replace("/catapult?", "/postgres?")
    failed = script("backup.sh", tmp_path, DATABASE_URL=other, **settings)
    assert failed.returncode == 1
    assert "of no registry" in failed.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == [kept.name]


def test_two_backups_at_once_do_not_meet(server: Up, tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("w") as lock:
        taken = subprocess.Popen(["flock", str(lock.name), "sleep", "20"])
        try:
            threading.Event().wait(0.5)
            refused = script("backup.sh", tmp_path, CATAPULT_HOME=str(server.home))
        finally:
            taken.terminate()
            taken.wait()
    assert refused.returncode == 1
    assert "Another backup" in refused.stderr


def test_a_password_is_on_no_command_line(tmp_path: Path) -> None:
    stub = tmp_path / "pg_dump"
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@" "PGPASSWORD=$PGPASSWORD" >&2\nexit 1\n')
    stub.chmod(0o755)
    (tmp_path / "url").write_text("postgres://u:p%40ss:w@db:5432/registry?sslmode=require\n")
    shown = script("backup.sh", tmp_path, DATABASE_URL_FILE=str(tmp_path / "url"), PG_BIN=str(tmp_path)).stderr
    assert "--dbname=postgresql://u@db:5432/registry?sslmode=require" in shown
    assert "PGPASSWORD=p@ss:w" in shown


def test_scripts_are_clean() -> None:
    done = subprocess.run(["shellcheck", "-x", *(ROOT / "scripts").glob("*.sh")], cwd=ROOT, check=False)
    assert done.returncode == 0
