"""`flask storage verify` names what of a backup's manifest is missing or changed. It needs no database."""

from hashlib import sha256
from pathlib import Path

import pytest
from stage import application, settings_for
from up import flask

pytestmark = pytest.mark.live
BLOBS = [b"whole", b"gone", b"cut", b"FLIPPED"]
WHOLE, GONE, CUT, FLIPPED = (sha256(content).hexdigest() for content in BLOBS)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with blobs, of which only the first is as it was, and a mount beside it."""
    for content, now in zip(BLOBS, [b"whole", None, b"cu", b"flipped"], strict=True):
        name = sha256(content).hexdigest()
        blob = tmp_path / "home" / "files" / "blobs" / name[:2] / name
        blob.parent.mkdir(parents=True)
        if now:
            blob.write_bytes(now)
    (tmp_path / "mount" / "runs").mkdir(parents=True)
    (tmp_path / "mount" / "runs" / "ü a.bin").write_bytes(b"whole")
    (tmp_path / "mount" / "runs" / "b").write_bytes(b"flipped")
    (tmp_path / "mount" / "runs" / "folder").mkdir()
    return tmp_path / "home"


def manifest(home: Path, text: str | bytes) -> str:
    file = home.parent / "of.manifest"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(file)


def lines(*entries: tuple[str, int, str]) -> str:
    return "".join(f"{sha}  {size}{'  ' if path else ''}{path}\n" for sha, size, path in entries)


@pytest.mark.parametrize(
    ("quick", "out"),
    [
        ((), f"{GONE}  missing\n{CUT}  changed\n{FLIPPED}  changed\nCompared 4, of which 3 are missing or changed.\n"),
        (("--quick",), f"{GONE}  missing\n{CUT}  changed\nCompared 4, of which 2 are missing or changed.\n"),
    ],
)
def test_blobs_that_are_missing_or_changed_are_named(home: Path, quick: tuple[str, ...], out: str) -> None:
    listed = manifest(home, lines(*((sha256(blob).hexdigest(), len(blob), "") for blob in BLOBS)))
    done = flask("storage", "verify", listed, *quick, CATAPULT_HOME=str(home))
    assert (done.returncode, done.stdout, done.stderr) == (1, out, "")
    assert not (home / "postgres").exists()


def test_files_on_the_mount_are_compared_where_there_is_one(home: Path) -> None:
    paths = [(WHOLE, 5, "runs/ü a.bin"), (FLIPPED, 7, "runs/b"), (WHOLE, 5, "runs/none"), (WHOLE, 0, "runs/folder")]
    listed = manifest(home, lines((WHOLE, 5, ""), *paths))
    without = flask("storage", "verify", listed, CATAPULT_HOME=str(home))
    assert (without.returncode, "Not looked at: 4 files on the mount" in without.stdout) == (0, True)
    done = flask("storage", "verify", listed, CATAPULT_HOME=str(home), CEPH_MOUNT_PATH=str(home.parent / "mount"))
    wrong = "runs/b  changed\nruns/none  missing\nruns/folder  missing\n"
    assert (done.returncode, done.stdout) == (1, f"{wrong}Compared 5, of which 3 are missing or changed.\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (lines((WHOLE, 5, "")) + "abc\n", "Line 2 is not a SHA-256"),
        (lines((WHOLE.upper(), 5, "")), "Line 1"),
        (f"{WHOLE} 5\n", "Line 1"),
        (f"{WHOLE}  -5\n", "Line 1"),
        (b"PGDMP\xff\x00", "not text in UTF-8"),
        (None, "No such file"),
    ],
)
def test_what_is_not_a_manifest_is_refused(home: Path, text: str | bytes | None, says: str) -> None:
    listed = str(home / "none") if text is None else manifest(home, text)
    with application(settings_for("postgresql:///nowhere", storage_url=f"file://{home}/files")) as app:
        done = app.test_cli_runner().invoke(args=["storage", "verify", listed])
    assert (done.exit_code, done.stdout, says in done.stderr) == (2, "", True), done.stderr


def test_a_storage_that_is_not_there_is_one_line(home: Path) -> None:
    listed = manifest(home, lines((WHOLE, 5, "")))
    done = flask("storage", "verify", listed, CATAPULT_HOME=str(home), STORAGE_URL=f"file://{home}/none")
    assert (done.returncode, done.stderr.count("\n"), "is it mounted?" in done.stderr) == (1, 1, True)
