"""Every storage keeps its promise: the same suite for each kind of it."""

import errno
import os
import subprocess
import time
from hashlib import sha256
from uuid import uuid4

import pytest

from catapult.storage import BlobMissing, StorageDown, StorageError, StorageFull
from catapult.storage.folder import Folder

LARGE = os.urandom(3 * 1024 * 1024 + 17)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB in memory."""
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "catapult-storage", tmp_path]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode and not os.environ.get("CI"):
        pytest.skip(f"needs to be root, and allowed to mount: {mounted.stderr.strip()}")
    assert mounted.returncode == 0, f"CI has to run this as root that may mount: {mounted.stderr}"
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


def named(content):
    return sha256(content).hexdigest()


def put(storage, content, pieces=1):
    """Make a blob of the content, sent in so many pieces."""
    upload, at = uuid4().hex, 0
    size = max(1, -(-len(content) // pieces))
    for start in range(0, max(len(content), 1), size):
        at = storage.write(upload, at, [content[start : start + size]])
    storage.finish(upload, named(content))
    return named(content)


def read(storage, name, *part):
    return b"".join(storage.read(name, *part))


@pytest.mark.parametrize("content", [b"", b"x", LARGE])
@pytest.mark.parametrize("pieces", [1, 3])
def test_what_was_sent_is_what_is_read(storage, content, pieces):
    name = put(storage, content, pieces)
    assert (storage.size(name), read(storage, name)) == (len(content), content)


@pytest.mark.parametrize("part", [(0, 1), (5, 5), (1_048_570, 1_048_590), (len(LARGE) - 3,), (2_000_000, 10**9)])
def test_a_part_of_a_blob(storage, part):
    assert read(storage, put(storage, LARGE), *part) == LARGE[slice(*part) if len(part) > 1 else slice(part[0], None)]


def test_an_upload_goes_on_where_it_was_and_nowhere_else(storage):
    upload = uuid4().hex
    assert storage.write(upload, 0, [b"abc", b"def"]) == 6
    for wrong in (0, 5, 7):
        with pytest.raises(BlobMissing):
            storage.write(upload, wrong, [b"x"])
    assert storage.length(upload) == 6
    assert storage.write(upload, 6, [b"ghi"]) == 9
    assert b"".join(storage.written(upload)) == b"abcdefghi"


def test_what_arrived_before_the_sender_left_is_kept(storage):
    class Left(Exception):
        pass

    def pieces():
        yield b"abc"
        raise Left

    upload = uuid4().hex
    with pytest.raises(Left):
        storage.write(upload, 0, pieces())
    assert storage.write(upload, storage.length(upload), [b"def"]) == 6
    storage.finish(upload, named(b"abcdef"))
    assert read(storage, named(b"abcdef")) == b"abcdef"


def test_a_sender_s_own_error_of_the_system_is_not_taken_for_the_storage_s(storage):
    def pieces():
        yield b"abc"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        storage.write(uuid4().hex, 0, pieces())


def test_the_same_content_is_one_blob_and_counts_as_new(storage):
    name = put(storage, b"same")
    (before,) = [at for blob, at in storage.blobs() if blob == name]
    assert storage.stored_at(name) == pytest.approx(before, abs=1)
    time.sleep(1.1)
    assert put(storage, b"same") == name
    (after,) = [at for blob, at in storage.blobs() if blob == name]
    assert after > before
    assert read(storage, name) == b"same"


def test_a_blob_is_new_only_if_there_was_none_however_old_the_upload_is(folder):
    uploads = [uuid4().hex for _ in range(2)]
    for upload in uploads:
        folder.write(upload, 0, [b"new"])
        os.utime(folder._upload(upload), (0, 0))
    assert [folder.finish(upload, named(b"new")) for upload in uploads] == [True, False]
    assert folder.stored_at(named(b"new")) > time.time() - 60


def test_a_damaged_blob_is_replaced_and_is_never_missing(folder, monkeypatch):
    put(folder, b"whole")
    blob = folder._blob(named(b"whole"))
    blob.write_bytes(b"other")
    removed = []
    monkeypatch.setattr(type(blob), "unlink", lambda path, missing_ok=False: removed.append(path))
    upload = uuid4().hex
    folder.write(upload, 0, [b"whole"])
    assert folder.finish(upload, named(b"whole"), over=True) is False
    assert read(folder, named(b"whole")) == b"whole"
    assert removed == []


def test_to_finish_again_changes_nothing(storage):
    upload = uuid4().hex
    storage.write(upload, 0, [b"once"])
    for _ in range(2):
        storage.finish(upload, named(b"once"))
    assert read(storage, named(b"once")) == b"once"
    with pytest.raises(BlobMissing):
        storage.length(upload)


def test_what_is_not_there_is_said_before_the_first_byte(storage):
    for act in (
        lambda: storage.size("0" * 64),
        lambda: storage.stored_at("0" * 64),
        lambda: storage.read("0" * 64),
        lambda: storage.length(uuid4().hex),
        lambda: storage.written(uuid4().hex),
        lambda: storage.finish(uuid4().hex, "0" * 64),
        lambda: storage.write(uuid4().hex, 3, [b"x"]),
    ):
        with pytest.raises(BlobMissing):
            act()


def test_what_is_removed_is_gone_and_to_remove_it_again_is_nothing(storage):
    name, upload = put(storage, b"gone"), uuid4().hex
    storage.write(upload, 0, [b"half"])
    for _ in range(2):
        storage.remove(name)
        storage.discard(upload)
    with pytest.raises(BlobMissing):
        storage.size(name)
    with pytest.raises(BlobMissing):
        storage.length(upload)


def test_blobs_are_listed_and_uploads_are_not(storage):
    names = {put(storage, bytes([number])) for number in range(5)}
    storage.write(uuid4().hex, 0, [b"half"])
    assert names <= {name for name, _ in storage.blobs()}
    assert all(len(name) == 64 for name, _ in storage.blobs())


def test_uploads_are_listed_until_they_are_blobs_or_discarded(storage):
    finished, small, large = uuid4().hex, uuid4().hex, uuid4().hex
    for upload in (finished, small):
        storage.write(upload, 0, [b"x"])
    storage.write(large, 0, [bytes(12 * 1024 * 1024)])
    storage.finish(finished, named(b"x"))
    listed = dict(storage.uploads())
    assert {finished, small, large} & set(listed) == {small, large}
    assert all(abs(time.time() - written) < 600 for written in listed.values())
    for upload in (small, large):
        storage.discard(upload)
    assert not {small, large} & set(dict(storage.uploads()))


def test_a_probe_leaves_nothing(storage):
    before = set(storage.blobs())
    storage.probe()
    assert set(storage.blobs()) == before


# --- a folder alone


def test_a_folder_that_is_not_mounted_is_not_filled(tmp_path):
    storage = Folder(tmp_path / "mount")
    for act in (
        storage.probe,
        lambda: storage.write(uuid4().hex, 0, [b"x"]),
        lambda: storage.size("0" * 64),
    ):
        with pytest.raises(StorageDown, match="is it mounted"):
            act()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, StorageDown), (errno.EROFS, StorageDown)],
)
def test_an_error_of_the_disk_has_its_place_and_reason(folder, monkeypatch, number, kind):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(kind) as raised:
        folder.write(uuid4().hex, 0, [b"x"])
    error: StorageError = raised.value
    assert (error.place, error.reason) == (str(folder.root), os.strerror(number))


def test_a_full_disk_keeps_what_fitted(small_disk):
    storage, upload = Folder(small_disk), uuid4().hex
    with pytest.raises(StorageFull):
        storage.write(upload, 0, [bytes(300_000)] * 10)
    assert 0 < storage.length(upload) <= 1024 * 1024
    with pytest.raises(StorageFull):
        storage.probe()
    storage.discard(upload)
    storage.probe()
