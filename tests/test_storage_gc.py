"""Blobs that no file names are removed, and no other, whatever happens at the same moment."""

import os
import threading
import time
from base64 import b64encode
from hashlib import sha256
from uuid import UUID, uuid4

import pytest

from catapult.actions import locks, storage_gc
from catapult.extensions import STORAGE, db
from catapult.storage import BlobMissing

DAY = 86_400


@pytest.fixture
def storage(app):
    return app.extensions[STORAGE]


@pytest.fixture
def add(api):
    version = api.version(api.model())
    return lambda path, content: api.put(f"/api/v1/versions/{version['id']}/artifacts/{path}", content)


def aged(storage, content, days=2):
    """The name of that content's blob, as if it were so old."""
    name = sha256(content).hexdigest()
    then = time.time() - days * DAY
    os.utime(storage._blob(name), (then, then))
    return name


def unused(app, storage):
    with app.app_context():
        names = list(storage_gc.unused(storage))
        db.session.remove()
    return names


def remove(app, storage, name):
    with app.app_context():
        removed = storage_gc.remove(storage, name)
        db.session.remove()
    return removed


def test_uploads_that_nobody_can_go_on_with_go_after_a_day(app, api, storage):
    old, fresh = uuid4().hex, uuid4().hex
    for upload in (old, fresh):
        storage.write(upload, 0, [b"x"])
    version = api.version(api.model())
    metadata = {"version_id": version["id"], "path": "resumed.bin"}
    told = ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in metadata.items())
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "9", "Upload-Metadata": told}
    begun = UUID(api.post("/api/v1/uploads", headers=tus).headers["Location"].rpartition("/")[2]).hex
    storage.write(begun, 0, [b"x"])
    then = time.time() - 2 * DAY
    for upload in (old, begun):
        os.utime(storage._upload(upload), (then, then))
    with app.app_context():
        abandoned = set(storage_gc.abandoned(storage))
        db.session.remove()
    assert abandoned & {old, fresh, begun} == {old}
    for upload in (old, fresh, begun):
        storage.discard(upload)


def test_what_a_file_names_stays_and_what_none_names_goes_after_a_day(app, api, add, storage, sql):
    kept, gone, fresh = (add(name, name.encode()).json for name in ("kept", "gone", "fresh"))
    for each in (gone, fresh):
        assert api.delete(f"/api/v1/artifacts/{each['id']}").status_code == 204
    names = [aged(storage, b"kept"), aged(storage, b"gone"), aged(storage, b"fresh", days=0.5)]
    assert set(unused(app, storage)) & set(names) == {names[1]}
    assert [remove(app, storage, name) for name in names] == [False, True, False]
    with pytest.raises(BlobMissing):
        storage.size(names[1])
    assert storage.size(names[0]) == storage.size(names[2]) - 1 == 4
    stored = {bytes(row["sha256"]).hex() for row in sql("SELECT sha256 FROM blobs")}
    assert set(names) & stored == {names[0], names[2]}
    assert kept["sha256"] == names[0]


def test_bytes_that_are_sent_again_while_they_are_removed_are_not_lost(app, api, add, storage):
    """The remover has the lock and has looked; the same bytes arrive; it removes them. Whoever sent them is told to send again."""
    first = add("a", b"again").json
    api.delete(f"/api/v1/artifacts/{first['id']}")
    name = aged(storage, b"again")
    looked, go_on = threading.Event(), threading.Event()

    class Slow:
        """The storage, whose `remove` waits."""

        def __getattr__(self, what):
            return getattr(storage, what)

        def remove(self, sha256):
            looked.set()
            assert go_on.wait(10)
            storage.remove(sha256)

    remover = threading.Thread(target=remove, args=(app, Slow(), name))
    remover.start()
    assert looked.wait(10)
    answers = []
    sender = threading.Thread(target=lambda: answers.append(add("b", b"again")))
    sender.start()
    until_waiting(app)
    go_on.set()
    remover.join(10)
    sender.join(10)
    assert answers[0].status_code == 409
    assert "Send it again" in answers[0].json["detail"]
    assert add("b", b"again").status_code == 201
    assert b"".join(storage.read(name)) == b"again"


def until_waiting(app):
    """Wait until somebody waits for the lock of a blob."""
    give_up = time.monotonic() + 10
    while True:
        with app.app_context():
            waits = db.session.scalar(
                db.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            )
            db.session.remove()
        if waits:
            return
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_the_lock_is_of_one_blob(app):
    with app.app_context():
        locks.blob("0" * 64)
        locks.blob("1" * 64)
        db.session.rollback()
        db.session.remove()
