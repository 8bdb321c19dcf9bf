"""`flask audit archive`: old entries leave the database for a file, and everything still verifies."""

import gzip
import json
from hashlib import sha256

import psycopg2
import pytest
from sealing import ENTRIES, Log, entry_id

from catapult.actions import audit_archive

OLD = "UPDATE audit_logs SET created_at = created_at - interval '30 days' WHERE id <= CAST(:id AS uuid)"
"""Sent before the entries are sealed."""


@pytest.fixture
def log(app, tmp_path, sql):
    """A sealed log, whose entries up to number 400 of `ENTRIES` are 30 days old."""
    log = Log(app, tmp_path)
    sql(ENTRIES, first=1, last=500)
    log.seal(limit=0)  # the entry of the key is old, too
    sql(f"SET LOCAL session_replication_role = replica; {OLD}", id=entry_id(400))
    log.seal()
    return log


def archive(log, before="1d", status=0):
    result = log.app.test_cli_runner().invoke(args=["audit", "archive", "--before", before, "--to", str(log.folder)])
    assert result.exit_code == status, result.output
    return result.output


def files(log):
    return sorted(log.folder.glob("audit-*.jsonl.gz"))


def test_old_entries_are_in_the_file_and_no_longer_in_the_database_and_an_entry_says_so(log, sql, trail):
    before = log.export()
    output = archive(log)
    (file,) = files(log)
    with gzip.open(file, "rt") as lines:
        archived = [json.loads(line) for line in lines]
    count = len(archived)
    assert archived == before[:count]
    assert archived[-1]["id"] == entry_id(400)
    assert f"Moved {count} entries to {file}." in output
    assert sql("SELECT count(*) AS n FROM audit_logs") == [{"n": len(before) - count + 1}]
    assert sql("SELECT count(*) AS n FROM sealed_entries") == [{"n": len(before)}]
    (entry,) = trail("audit_log.archive")
    digest = sha256(file.read_bytes()).hexdigest()
    assert entry["details"] == {"first": 0, "size": count, "file": file.name, "sha256": digest}
    assert not list(log.folder.glob(".*"))


def test_the_rest_verifies_by_itself_and_all_of_it_with_the_files(log, sql, capsys):
    old = log.note()
    archive(log)
    log.seal()
    log.export()
    assert log.verify() == 0
    assert "Entries 0 to " in capsys.readouterr().out
    assert log.verify(old) == 0  # it is of more entries than are in the file
    capsys.readouterr()
    archived = str(files(log)[0])
    assert log.verify(old, log.note(), before=[archived]) == 0
    assert "which were not read" not in capsys.readouterr().out


def test_a_second_archive_goes_on_where_the_first_ended(log, sql, capsys):
    note = log.note()
    archive(log)
    sql(ENTRIES, first=600, last=700)
    log.seal()
    count = len(log.export())
    archive(log, "2999-01-01T00:00:00Z")
    log.seal()
    names = [file.name for file in files(log)]
    assert int(names[1].split("-")[1]) == int(names[0].split("-")[2].partition(".")[0]) + 1
    assert len(log.export()) == 2  # what the tree begins with, and the entry about the archive
    assert count > 2
    assert log.verify() == 0
    assert log.verify(note) == 1
    assert "needs the files of the archive" in capsys.readouterr().out
    assert log.verify(note, log.note(), before=[str(file) for file in files(log)]) == 0
    assert log.verify(before=[str(files(log)[1])]) == 1


def test_a_changed_file_of_the_archive_is_found(log, capsys):
    note = log.note()
    archive(log)
    (file,) = files(log)
    with gzip.open(file, "rt") as lines:
        text = lines.read()
    with gzip.open(file, "wt") as lines:
        lines.write(text.replace("org/é5", "org/é6", 1))
    log.seal()
    log.export()
    capsys.readouterr()
    assert log.verify(note, before=[str(file)]) == 1
    assert "was changed" in capsys.readouterr().out


def test_entries_that_somebody_removed_in_its_name_are_found(log, sql, capsys):
    """The function alone, without the entry: the export has the seals of what is gone."""
    sql("SELECT catapult_archive_audit_logs(0, 100)")
    log.export()
    capsys.readouterr()
    assert log.verify() == 1
    assert "Entry 0 " in capsys.readouterr().out


def test_nothing_is_removed_if_an_entry_is_not_what_was_sealed(log, sql):
    sql(
        "SET LOCAL session_replication_role = replica; UPDATE audit_logs SET details = '{}' WHERE id = CAST(:id AS uuid)",
        id=entry_id(7),
    )
    before = sql("SELECT count(*) AS n FROM audit_logs")
    assert "is not what was sealed. Nothing was archived" in archive(log, status=1)
    assert sql("SELECT count(*) AS n FROM audit_logs") == before
    assert not files(log)


def test_what_is_not_old_or_not_sealed_stays(log):
    assert "There are no sealed entries to archive" in archive(log, "2000-01-01T00:00:00Z", status=1)
    assert not list(log.folder.glob("*.gz"))


def test_whoever_is_killed_before_the_entries_are_removed_archives_again(log, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(audit_archive, "_drop", killed)
        archive(log, status=1)
    assert len(files(log)) == 1
    archive(log)
    assert len(files(log)) == 1
    log.seal()
    log.export()
    assert log.verify() == 0


def test_the_trigger_lets_no_other_delete_by(log, sql):
    with pytest.raises(Exception, match="audit_logs can only be added to") as refused:
        sql("DELETE FROM audit_logs")
    assert isinstance(refused.value.orig, psycopg2.errors.InsufficientPrivilege)
