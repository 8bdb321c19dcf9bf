"""The drill: back up under load, restore into an empty server, compare every row, start on it; and the lines in operations.md."""

import fcntl
import os
import re
import secrets
import shlex
import shutil
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import psycopg2
import pytest
from signed_files import new_key, pem_of
from stage import on_server
from up import ROOT, Start, Up, a_version, at_work, environment, flask, run, until

from catapult.embedded import Embedded, attached

pytestmark = pytest.mark.live
COUNTS = "SELECT (SELECT count(*) FROM models), (SELECT count(*) FROM versions), (SELECT count(*) FROM audit_logs)"
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
HASH = "SELECT count(*), md5(string_agg(md5(x::text), '' ORDER BY md5(x::text))) FROM {} AS x"
Hashes = dict[str, tuple[object, ...]]
EMPTY = {"webhooks", "deliveries", "delivery_tries", "approval_requests", "unsealed_entries", "audit_nodes"}
"""Tables that nobody fills in this run, or that the worker empties."""


def script(name: str, *arguments: object, cwd: Path = ROOT, **settings: str) -> subprocess.CompletedProcess[str]:
    return run(["bash", ROOT / "scripts" / name, *arguments], environment(**settings), cwd)


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def hashes(connection: psycopg2.extensions.connection) -> Hashes:
    """Return for each table how many rows it has and a hash of all of them."""
    result: Hashes = {}
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        for (table,) in cursor.fetchall():
            cursor.execute(HASH.format(table))
            (result[table],) = cursor.fetchall()
    return result


def hashes_at(url: str) -> Hashes:
    with closing(psycopg2.connect(url)) as connection:
        return hashes(connection)


def schema(tools: Path, url: str) -> str:
    """Return tables, constraints, indexes and triggers as pg_dump writes them, without its random word, and without the
    casts and brackets that PostgreSQL changes when it reads a check constraint again.
    """
    dump = run([tools / "pg_dump", "--schema-only", "--no-owner", f"--dbname={url}"], environment())
    assert dump.returncode == 0, dump.stderr
    text = re.sub(r"(?m)^\\(un)?restrict .*$", "", dump.stdout)
    return re.sub(r"::(character varying|text)(\[\])?|[()]", "", text)


@contextmanager
def written_to(server: Up, writers: int = 4) -> Iterator[list[str]]:
    """Fill every table during the block. Yields the names of the models whose deployment was acknowledged."""
    acknowledged, ending = list[str](), threading.Event()

    def write(writer: int) -> None:
        for number in count():
            if ending.is_set():
                return
            name = f"drill/{secrets.token_hex(4)}-{writer}"
            body = a_version(caller.model(name), "1.0.0", metadata={"accuracy": number / 1000})
            version = caller.post("/api/v1/versions", json=body, headers={"Idempotency-Key": name}).json()
            caller.post(f"/api/v1/versions/{version['id']}/promote", json={"reason": name}).raise_for_status()
            target = {"release_id": version["id"], "environment": "production", "status": "running"}
            deployment = caller.made("/api/v1/deployments", target)
            caller.put(f"/api/v1/deployments/{deployment['id']}", json={"status": "success"}).raise_for_status()
            acknowledged.append(name)

    with server.caller(server.key) as caller:
        works = [partial(write, writer) for writer in range(writers)]
        with at_work(works, lambda: until(lambda: acknowledged), ending):
            yield acknowledged


def prepare(server: Up) -> None:
    """Create what the writers do not: a gate that they pass, an approval, files, other keys, a session, a refused sign-in."""
    with server.caller(server.key) as caller:
        caller.put("/api/v1/environments/production", json={"rank": 1}).raise_for_status()
        gate = {"model": "drill/*", "target": "release", "kind": "metadata_present", "paths": ["accuracy"]}
        caller.made("/api/v1/gates", gate)
        caller.made("/api/v1/gates", {"model": "drill/approved", "target": "release", "kind": "approved"})
        server.make_keys()
        caller.made("/api/v1/me/views", {"name": "Releases", "address": "/versions?filter=is_release"})
        caller.made("/api/v1/people", {"name": "Drill", "role": "viewer"})
        version = caller.version(caller.model("drill/approved"), "1.0.0", metadata={"accuracy": 1})
        assert caller.post(f"/api/v1/versions/{version['id']}/promote", json={}).status_code == 409
        pointed = {"version_id": version["id"]}
        caller.put(f"/api/v1/models/{version['model_id']}/aliases/next", json=pointed).raise_for_status()
        for path in ("a.json", "model.sig"):
            caller.put(f"/api/v1/versions/{version['id']}/artifacts/{path}", json={"a": path}).raise_for_status()
        told = f"version_id {b64encode(version['id'].encode()).decode()},path Yi5iaW4="
        begun = {"Tus-Resumable": "1.0.0", "Upload-Length": "9", "Upload-Metadata": told}
        caller.post("/api/v1/uploads", headers=begun).raise_for_status()
        caller.made("/api/v1/registries", {"host": "93.184.215.14", "repositories": ["team/*"]})
        caller.made("/api/v1/trusted-keys", {"name": "release-2026", "public_key": pem_of(new_key())})
    with server.by("releaser") as other:
        other.made(f"/api/v1/versions/{version['id']}/approvals", {"target": "release", "comment": "ü \u2713"})
        other.made(f"/api/v1/versions/{version['id']}/comments", {"text": "ü \u2713"})
    server.sql(
        "INSERT INTO week_figures (week, place, deployments, failures) VALUES ('2026-01-05Z', 'production', 2, 1)"
    )
    server.sql(
        "INSERT INTO image_checks (version_id, repository, digest_status, detail, checked_at)"
        f" VALUES ('{version['id']}', 'docker.io/drill/approved', 'unverified', 'x', now()) ON CONFLICT DO NOTHING"
    )
    server.sql("INSERT INTO audit_streams (name, next_seq) VALUES ('syslog', 0)")
    with server.caller() as browser:
        for key, status in ((server.key, 303), ("cat_wrong", 422)):
            sent = browser.post("/login", data={"key": key}, headers={"Origin": server.url}, allow_redirects=False)
            assert sent.status_code == status
    until(lambda: server.sql("SELECT 1 FROM audit_checkpoints"))  # the worker has sealed something


@pytest.fixture(scope="module")
def server(start: Start) -> Up:
    """A server on an embedded database, with rows in every table."""
    server = start(WEB_CONCURRENCY="2").ready()
    prepare(server)
    with written_to(server, 1):
        return server


@pytest.fixture(scope="module")
def dump(server: Up, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dump taken under load."""
    folder = tmp_path_factory.mktemp("backups")
    with written_to(server) as done:
        until(lambda: len(done) > 4)
        backup = script("backup.sh", folder, CATAPULT_HOME=str(server.home))
    assert backup.returncode == 0, backup.stderr
    (path,) = folder.glob("catapult-*.dump")
    assert backup.stdout.strip() == str(path)
    assert path.stat().st_mode & 0o777 == 0o600
    return path


FILES = "SELECT DISTINCT encode(sha256, 'hex') || '  ' || size_bytes FROM artifacts ORDER BY 1"


def verify(manifest: Path, home: Path) -> tuple[int, str]:
    """Return the exit status and the output of `flask storage verify`."""
    done = flask("storage", "verify", str(manifest), CATAPULT_HOME=str(home))
    assert done.stderr == ""
    return done.returncode, done.stdout


def dumped_at_a_moment(server: Up, folder: Path) -> tuple[Path, Hashes]:
    """Return a dump by `scripts/backup.sh`, and the hashes of every table at the moment of its snapshot."""
    real, tools = Embedded(server.home).bin, folder / "bin"
    tools.mkdir()
    (tools / "pg_restore").symlink_to(real / "pg_restore")
    with closing(psycopg2.connect(server.database_url)) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_export_snapshot()")
            ((snapshot,),) = cursor.fetchall()
        (tools / "pg_dump").write_text(f'#!/bin/sh\nexec {real}/pg_dump --snapshot={snapshot} "$@"\n')
        (tools / "pg_dump").chmod(0o755)
        backup = script("backup.sh", folder / "backups", DATABASE_URL=server.database_url, PG_BIN=str(tools))
        assert backup.returncode == 0, backup.stderr
        return Path(backup.stdout.strip()), hashes(connection)


def test_a_backup_taken_under_load_restores_every_row_and_a_server_starts_on_it(
    server: Up, start: Start, make_folder, tmp_path: Path
) -> None:
    with written_to(server) as done:
        until(lambda: len(done) > 10)
        before = list(done)
        path, there = dumped_at_a_moment(server, tmp_path)
        until(lambda: len(done) > len(before) + 4)  # writes went on during the backup
    assert {table for table, (count, _) in there.items() if not count} <= EMPTY
    assert {"deployments", "audit_logs", "gates", "sessions"} < set(there)
    home = make_folder() / "home"
    restored = script("restore.sh", path, CATAPULT_HOME=str(home))
    assert restored.returncode == 0, restored.stderr
    with attached(home) as database:
        url, source = database.url, server.database_url
        assert hashes_at(url) == there
        assert hashes_at(source) != there
        assert schema(database.bin, url) == schema(database.bin, source)
        assert set(before) <= {name for (name,) in rows(url, "SELECT name FROM models")}
        ((models, versions, entries),) = rows(url, COUNTS)
        assert (
            f"Restored: {models} models, {versions} versions, {there['deployments'][0]} deployments" in restored.stdout
        )
        assert f"{entries} audit entries" in restored.stdout
        changes = "SELECT count(*) FROM audit_logs WHERE action = '{}.create'"
        for what in ("model", "version", "deployment"):
            assert rows(url, changes.format(what)) == [(there[f"{what}s"][0],)]
        with pytest.raises(psycopg2.Error, match="audit"):
            rows(url, "DELETE FROM audit_logs")
        files = [line for (line,) in rows(url, FILES)]
    manifest = path.with_suffix(".manifest")
    assert (len(files) > 1, manifest.read_text().splitlines()) == (True, files)
    assert manifest.stat().st_mode & 0o777 == 0o600
    shutil.copytree(server.home / "files", home / "files")
    assert verify(manifest, home) == (0, f"Compared {len(files)}, of which 0 are missing or changed.\n")
    for secret in ("api_key_salt", "secret_key"):
        (home / secret).write_text((server.home / secret).read_text())
    again = start(CATAPULT_HOME=str(home)).ready()
    with again.caller(server.key) as caller:  # a key of before
        assert caller.get("/readyz").status_code == 200
        assert caller.get("/api/v1/models?count=true").headers["X-Total-Count"] == str(models)
        assert caller.get("/api/v1/environments/production/live").json()
        caller.version(caller.model("drill/after"), "1.0.0")


def test_a_database_that_is_not_empty_is_not_restored_over(server: Up, dump: Path) -> None:
    before = server.sql(COUNTS)
    refused = script("restore.sh", dump, CATAPULT_HOME=str(server.home))
    assert refused.returncode == 1
    assert "not empty" in refused.stderr
    assert server.sql(COUNTS) == before


def test_a_truncated_dump_is_not_restored(dump: Path, tmp_path: Path, make_folder) -> None:
    whole, cut, home = dump.read_bytes(), tmp_path / "cut.dump", make_folder() / "home"
    for length in (0, 100, len(whole) // 2, len(whole) * 99 // 100):
        cut.write_bytes(whole[:length])
        refused = script("restore.sh", cut, CATAPULT_HOME=str(home))
        assert refused.returncode == 1, length
        assert "no dump that can be read" in refused.stderr or "cut off" in refused.stderr
    with attached(home) as database:
        assert rows(database.url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_the_oldest_dumps_are_removed_and_nothing_else(server: Up, tmp_path: Path) -> None:
    old = [tmp_path / f"catapult-2026010{day}T000000Z.dump" for day in range(1, 5)]
    others = [tmp_path / name for name in ("catapult-of-mine.dump", "notes", "catapult-20260101T000000Z.dump.gpg")]
    manifests = [path.with_suffix(".manifest") for path in old]
    for path in (*old, *others, *manifests):
        path.touch()
    backup = script("backup.sh", ".", cwd=tmp_path, CATAPULT_HOME=str(server.home), BACKUP_KEEP="3")
    assert backup.returncode == 0, backup.stderr
    left = set(tmp_path.iterdir())
    assert set(others) <= left
    assert set(old) & left == set(old[-2:])
    assert set(manifests) & left == set(manifests[-2:])
    assert not {".partial", ".manifest"} & {path.name for path in left}


def test_a_backup_that_fails_leaves_no_dump_and_removes_none(server: Up, tmp_path: Path) -> None:
    kept = tmp_path / "catapult-20260101T000000Z.dump"
    kept.touch()
    settings = {"PG_BIN": str(Embedded(server.home).bin), "BACKUP_KEEP": "1"}
    for url, message in (
        ("postgresql+psycopg2://somebody:pa55word@127.0.0.1:1/nothing", "there is no new dump"),
        (server.database_url.replace("/catapult?", "/postgres?"), "of no registry"),
    ):
        failed = script("backup.sh", tmp_path, DATABASE_URL=url, **settings)
        assert failed.returncode == 1
        assert message in failed.stderr
        assert "pa55word" not in failed.stderr
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = script("backup.sh", tmp_path, DATABASE_URL=server.database_url, **settings)
    assert refused.returncode == 1
    assert "Another backup" in refused.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == [kept.name]


def test_a_password_is_on_no_command_line(tmp_path: Path) -> None:
    stub = tmp_path / "pg_dump"
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@" "PGPASSWORD=$PGPASSWORD" >&2\nexit 1\n')
    stub.chmod(0o755)
    (tmp_path / "url").write_text("postgres://u:p%40ss:w@db:5432/registry?sslmode=require\n")
    shown = script("backup.sh", tmp_path, DATABASE_URL_FILE=str(tmp_path / "url"), PG_BIN=str(tmp_path)).stderr
    assert "--dbname=postgresql://u@db:5432/registry?sslmode=require" in shown
    assert "PGPASSWORD=p@ss:w" in shown
    for url in ("postgresql://u:s3@cret@db/registry", "postgresql://u@db/registry?sslmode=a&password=s3cret"):
        refused = script("backup.sh", tmp_path, DATABASE_URL=url)
        assert refused.returncode == 1
        assert "has to stand before the host" in refused.stderr
        assert "cret" not in refused.stderr


# --- with Docker


@pytest.fixture
def docker(server: Up, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a checkout in which `docker compose exec postgres` reaches a database `registry` in the server's
    own PostgreSQL. The calls are in the file CALLS.
    """
    embedded = Embedded(server.home)
    for statement in ("CREATE ROLE registry SUPERUSER LOGIN", "CREATE DATABASE registry OWNER registry"):
        on_server(embedded, statement)
    socket = str(rows(server.database_url, "SHOW unix_socket_directories")[0][0])
    stand_in = tmp_path / "bin" / "docker"
    stand_in.parent.mkdir()
    stand_in.write_text(
        f"""#!/bin/bash
echo "$*" >>"$CALLS"
while [[ $1 != exec && $1 != version && $1 != stop ]]; do shift; done
[[ $1 == exec ]] || exit 0
[[ "$2 $3" == "-T postgres" ]] || exit 2
set -o pipefail
PATH={embedded.bin}:$PATH PGHOST={socket} "${{@:4}}" | cat
"""
    )
    stand_in.chmod(0o755)
    path = f"{stand_in.parent}:{os.environ['PATH']}"
    try:
        yield environment(PATH=path, CALLS=str(tmp_path / "calls"))
    finally:
        for name in ("registry", "registry_before"):
            on_server(embedded, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        on_server(embedded, "DROP ROLE registry")


def lines_of(page: str, *beginnings: str) -> list[str]:
    """Return the command lines of a page that begin so."""
    return [line for line in (ROOT / page).read_text().splitlines() if line.startswith(beginnings)]


def sh(line: str, env: dict[str, str], folder: Path) -> str:
    result = run(["bash", "-euc", line], env, folder)
    assert result.returncode == 0, (line, result.stderr)
    return result.stdout


def of_registry(server: Up) -> str:
    return server.database_url.replace("/catapult?", "/registry?").replace("postgres:", "registry:", 1)


def test_the_lines_for_sql_back_up_and_restore_as_they_stand(
    server: Up, docker: dict[str, str], tmp_path: Path
) -> None:
    tool = "docker compose exec -T postgres"
    dump, restore = lines_of("docs/operations.md", f"{tool} pg_dump", f"{tool} psql -U registry -v")
    assert ("pg_dump" in dump, "psql" in restore) == (True, True)
    url = of_registry(server)
    dump_server = f"pg_dump --no-owner -d {shlex.quote(server.database_url)} > first.sql"
    sh(f"docker compose exec -T postgres {dump_server}", docker, tmp_path)
    sh("docker compose exec -T postgres psql -q -U registry registry < first.sql", docker, tmp_path)
    there = hashes_at(url)
    sh(dump, docker, tmp_path)
    on_server(Embedded(server.home), "DROP DATABASE registry")
    on_server(Embedded(server.home), "CREATE DATABASE registry OWNER registry")
    sh(restore, docker, tmp_path)
    jobs = {"jobs": None}  # the server's own are repeated all the time
    assert hashes_at(url) == there
    assert there | jobs == hashes_at(server.database_url) | jobs


def test_with_docker_the_lines_for_operators_set_the_database_aside_and_restore_into_an_empty_one(
    server: Up, docker: dict[str, str], dump: Path, tmp_path: Path
) -> None:
    url = of_registry(server)
    first = f"{ROOT}/scripts/restore.sh --docker {dump}"
    assert "Restored: " in sh(first, docker, tmp_path)
    there = hashes_at(url)
    (backup,) = lines_of("docs/operations.md", "scripts/backup.sh --docker")
    latest = tmp_path / sh(backup.replace("scripts/", f"{ROOT}/scripts/"), docker, tmp_path).strip()
    again = run(["bash", "-c", first], docker)
    assert (again.returncode, "not empty" in again.stderr) == (1, True)
    page = (ROOT / "docs" / "operations.md").read_text()
    block = page[page.index("docker compose stop nginx backend\n") :].partition("```")[0]
    assert block.splitlines()[-1].startswith("./deploy.sh ")
    for line in block.splitlines()[:-1]:
        line = line.replace("scripts/restore.sh", f"{ROOT}/scripts/restore.sh")
        sh(re.sub(r"backups/catapult-\w+\.dump", str(latest), line), docker, tmp_path)
    assert hashes_at(url) == there
    assert hashes_at(url.replace("/registry?", "/registry_before?")) == there
    called = (tmp_path / "calls").read_text()
    assert f"compose --project-directory {ROOT} -f {ROOT}/docker-compose.yml exec -T postgres pg_dump " in called


def test_with_docker_a_database_that_is_not_up_is_named(docker: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "bin" / "docker").write_text('#!/bin/sh\n[ "$2" = version ]\n')
    for command in ("backup.sh --docker", f"restore.sh --docker {__file__}"):
        refused = run(["bash", "-c", f"{ROOT}/scripts/{command}"], docker, tmp_path)
        assert refused.returncode == 1
        assert "docker compose up -d postgres" in refused.stderr
    assert not list(tmp_path.glob("backups/*.dump"))
