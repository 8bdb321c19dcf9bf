"""The mount that files are registered from: what is on it is found and read, and nothing outside of it."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from catapult.storage.file_client import Refused
from catapult.storage.folder import Folder
from catapult.storage.mount import Changed, Mount


@pytest.fixture(params=["folder", "cephfs"])
def root(request: pytest.FixtureRequest) -> Path:
    storage: Folder = request.getfixturevalue(request.param)
    root = storage.root
    for path, content in {
        "runs/1/model.bin": b"weights",
        "runs/1/eval.json": b"{}",
        "runs/2/a": b"2",
        "other/b": b"b",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


@pytest.fixture
def mount(root: Path) -> Mount:
    (root / "blobs" / "aa").mkdir(parents=True)
    (root / "uploads").mkdir()
    return Mount(root, root, ())


def found(mount: Mount, path: str) -> tuple[int, int]:
    (entry,) = mount.files(path)
    return entry.size, entry.changed


def test_a_folder_is_listed_in_parts_and_by_name(mount: Mount) -> None:
    assert [(entry.path, entry.is_folder) for entry in mount.entries("", "", 10)] == [("other", True), ("runs", True)]
    assert [entry.path for entry in mount.entries("runs/1", "", 1)] == ["runs/1/eval.json"]
    assert [(entry.path, entry.size) for entry in mount.entries("runs/1", "eval.json", 1)] == [("runs/1/model.bin", 7)]


def test_the_files_below_a_folder_are_found_and_read(mount: Mount) -> None:
    assert [entry.path for entry in mount.files("runs")] == ["runs/1/eval.json", "runs/1/model.bin", "runs/2/a"]
    assert b"".join(mount.read("runs/1/model.bin", *found(mount, "runs/1/model.bin"))) == b"weights"
    assert b"".join(mount.read("runs/1/model.bin", *found(mount, "runs/1/model.bin"), 2, 5)) == b"igh"


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../x",
        "runs/../..",
        "/etc/passwd",
        "runs//1",
        "runs/.",
        "blobs",
        "blobs/aa",
        "uploads",
        "runs/.snap/x",
        "a\0b",
    ],
)
def test_no_path_leads_elsewhere(mount: Mount, path: str) -> None:
    for ask in (lambda: mount.entries(path, "", 10), lambda: mount.files(path), lambda: mount.read(path, 1, 1)):
        with pytest.raises(Refused):
            ask()


MADE: dict[str, Callable[[Path, Path], object]] = {
    "a link to a file": lambda place, outside: place.symlink_to(outside / "secret"),
    "a link to a folder": lambda place, outside: place.symlink_to(outside),
    "a link within": lambda place, _: place.symlink_to("model.bin"),
    "a FIFO": lambda place, _: os.mkfifo(place),
    "a device": lambda place, _: os.mknod(place, 0o20666, os.makedev(1, 3)),
}


@pytest.mark.parametrize("kind", MADE)
def test_what_is_neither_file_nor_folder_is_passed_over_and_refused(
    mount: Mount, root: Path, tmp_path: Path, kind: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    try:
        MADE[kind](root / "runs" / "1" / "odd", outside)
    except PermissionError:
        pytest.skip(f"this user may not make {kind}")
    assert "runs/1/odd" not in [entry.path for entry in (*mount.entries("runs/1", "", 10), *mount.files("runs"))]
    for path in ("runs/1/odd", "runs/1/odd/secret"):
        with pytest.raises(Refused):
            mount.files(path)
        with pytest.raises(Refused):
            mount.read(path, 6, 0)


def test_a_link_that_is_put_there_at_any_moment_leads_nowhere(mount: Mount, root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside" / "1").mkdir(parents=True)
    (tmp_path / "outside" / "1" / "model.bin").write_bytes(b"secrets")
    asked, ended = found(mount, "runs/1/model.bin"), threading.Event()
    os.utime(tmp_path / "outside" / "1" / "model.bin", ns=(asked[1], asked[1]))

    def swap() -> None:
        while not ended.is_set():
            (root / "runs").rename(root / "kept")
            (root / "runs").symlink_to(tmp_path / "outside")
            (root / "runs").unlink()
            (root / "kept").rename(root / "runs")

    swapping = threading.Thread(target=swap)
    swapping.start()
    read = set()
    try:
        for _ in range(300):
            try:
                read.add(b"".join(mount.read("runs/1/model.bin", *asked)))
            except Refused:
                read.add(b"refused")
    finally:
        ended.set()
        swapping.join()
    assert read <= {b"weights", b"refused"}


def test_what_was_changed_is_not_read(mount: Mount, root: Path) -> None:
    asked = found(mount, "runs/1/model.bin")
    (root / "runs/1/model.bin").write_bytes(b"WEIGHTS")
    os.utime(root / "runs/1/model.bin", ns=(asked[1] + 1000, asked[1] + 1000))
    with pytest.raises(Changed):
        mount.read("runs/1/model.bin", *asked)
    asked = found(mount, "runs/2/a")
    pieces = mount.read("runs/2/a", *asked)
    (root / "runs/2/a").write_bytes(b"22")
    with pytest.raises(Changed):
        list(pieces)


def test_only_the_folders_that_are_named_are_open(root: Path) -> None:
    mount = Mount(root, None, ("runs/1", "other"))
    assert [entry.path for entry in mount.files("runs/1")] == ["runs/1/eval.json", "runs/1/model.bin"]
    assert [entry.path for entry in mount.entries("", "", 10)] == ["other", "runs/1"]
    for path in ("runs", "runs/2", "runs/11", "runs/2/a"):
        with pytest.raises(Refused):
            mount.files(path)
