"""A checkpoint as a file a day, in a folder that others keep."""

import stat
from pathlib import Path

import pytest
from sealing import ENTRIES, Log

from catapult.jobs.worker import Worker


@pytest.fixture
def log(app, tmp_path):
    return Log(app, tmp_path)


@pytest.fixture
def write(app_with, sql):
    """Runs the job as a worker of that setting does, and returns its row."""

    def run(folder):
        sql("UPDATE jobs SET run_at = now() WHERE kind = 'write_checkpoint'")
        Worker(app_with(checkpoint_folder=folder), ["write_checkpoint"]).drain()
        due = "round(extract(epoch FROM run_at - now())) AS seconds"
        return sql(f"SELECT last_error, {due} FROM jobs WHERE kind = 'write_checkpoint'")[0]

    return run


def test_the_newest_checkpoint_is_a_file_that_verifies_later(log, write, sql, tmp_path):
    folder = tmp_path / "held"
    folder.mkdir()
    log.seal()
    first = log.note()
    assert write(folder) == {"last_error": None, "seconds": pytest.approx(86_400, abs=5)}
    (file,) = folder.iterdir()
    size = sql("SELECT max(size) AS n FROM audit_checkpoints")[0]["n"]
    assert file.name == f"checkpoint-{size:012}.txt"
    assert file.read_text() == Path(first).read_text()
    sql(ENTRIES, first=1, last=20)
    log.seal()
    write(folder)
    write(folder)  # as after a restart
    assert len(list(folder.iterdir())) == 2
    log.export()
    assert log.verify(*map(str, sorted(folder.iterdir()))) == 0


def test_a_folder_that_cannot_be_written_to_is_a_failure_that_says_so(log, write, tmp_path):
    log.seal()
    row = write(tmp_path / "missing")
    assert row["last_error"] == (
        f"CHECKPOINT_FOLDER ({tmp_path}/missing): the checkpoint was not written: No such file or directory."
    )
    assert row["seconds"] <= 300
    (tmp_path / "missing").mkdir()
    assert write(tmp_path / "missing")["last_error"] is None
    (file,) = (tmp_path / "missing").iterdir()
    assert stat.S_ISREG(file.stat().st_mode)


def test_before_anything_is_sealed_and_without_a_folder_it_looks_again_soon(write, tmp_path):
    for folder in (None, tmp_path):
        assert write(folder) == {"last_error": None, "seconds": pytest.approx(60, abs=5)}
        assert list(tmp_path.iterdir()) == []
