"""What only S3 can do wrong, at a real gateway of Ceph: refusals, outages, quotas, kills, memory and addresses."""

import logging
import os
import signal
import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from hashlib import sha256
from threading import Timer
from uuid import uuid4

import ceph as running
import pytest
import requests
from dying import MIB, die_before_request, die_before_the_first_part, in_another_process, use_little_memory, write

from catapult.storage import BlobMissing, StorageDown, StorageFull, s3, s3_bucket


@pytest.fixture
def small_copies(monkeypatch):
    """A blob above 6 MiB is copied in parts, as one above 5 GiB is otherwise."""
    monkeypatch.setattr(s3, "COPY_WHOLE", 6 * MIB)
    monkeypatch.setattr(s3, "COPY_PART", 5 * MIB)


def named(content):
    return sha256(content).hexdigest()


def pieces_of(content, size=MIB):
    return (content[start : start + size] for start in range(0, len(content), size))


def put(storage, content):
    upload = uuid4().hex
    storage.write(upload, 0, pieces_of(content))
    storage.finish(upload, named(content))
    return named(content)


def read(storage, name):
    return b"".join(storage.read(name))


def left_over(storage):
    """The keys, and the uploads in parts, which a bucket has beside its blobs."""
    client = running.client(storage)
    keys = [item["Key"] for item in client.list_objects_v2(Bucket=storage.bucket).get("Contents", ())]
    parts = client.list_multipart_uploads(Bucket=storage.bucket).get("Uploads", ())
    return [key for key in keys if "/blobs/" not in key], [part["Key"] for part in parts]


ACTS = {
    "probe": lambda storage: storage.probe(),
    "write": lambda storage: storage.write(uuid4().hex, 0, [b"x"]),
    "length": lambda storage: storage.length(uuid4().hex),
    "written": lambda storage: storage.written(uuid4().hex),
    "finish": lambda storage: storage.finish(uuid4().hex, "0" * 64),
    "discard": lambda storage: storage.discard(uuid4().hex),
    "size": lambda storage: storage.size("0" * 64),
    "read": lambda storage: storage.read("0" * 64),
    "remove": lambda storage: storage.remove("0" * 64),
    "blobs": lambda storage: list(storage.blobs()),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"bucket": "is-not-there"}, "the bucket is not there"),
        ({"secret": "a-wrong-secret-of-somebody"}, "it refuses "),
        ({"access_key": "NOBODYSKEY"}, "it (does not know the access key|refuses access)"),
        ({"endpoint_url": "http://user:word@127.0.0.1:1"}, "it accepts no connection"),
    ],
    ids=["bucket", "secret", "key", "endpoint"],
)
def test_a_refusal_has_its_place_and_reason_and_no_secret(bucket, act, wrong, reason):
    storage = replace(bucket, **wrong)
    with pytest.raises(StorageDown, match=reason) as raised:
        act(storage)
    host = storage.endpoint_url.replace("user:word@", "")
    assert raised.value.place == f"s3://{storage.bucket}/some/prefix at {host}"
    assert not [word for word in (storage.secret, storage.access_key, "word@") if word in str(raised.value)]


def test_another_s_bucket_refuses_access(ceph, bucket):
    storage = ceph.user("stranger")(bucket)
    for act in ACTS.values():
        with pytest.raises(StorageDown, match="it refuses access"):
            act(storage)


def test_a_body_that_was_refused_late_is_not_taken_for_a_request(ceph, bucket):
    """The gateway stops for longer than the second after which botocore sends a body that nobody asked for yet."""
    with running.gateway(ceph) as gateway:
        storage = replace(bucket, endpoint_url=f"http://127.0.0.1:{gateway.port}", secret="a-wrong-secret-of-somebody")
        os.kill(gateway.process.pid, signal.SIGSTOP)
        going_on = Timer(1.5, os.kill, [gateway.process.pid, signal.SIGCONT])
        going_on.start()
        for act in (ACTS["probe"], ACTS["length"], ACTS["probe"]):
            with pytest.raises(StorageDown, match="it refuses "):
                act(storage)
        going_on.join()


def test_no_repr_and_no_line_of_a_log_has_the_secret(bucket, caplog):
    caplog.set_level(logging.DEBUG)
    storage = replace(bucket, prefix=uuid4().hex, secret="a-wrong-secret-of-somebody")
    put(bucket, b"to be logged")
    with pytest.raises(StorageDown):
        put(storage, b"refused")
    assert caplog.text
    assert not [
        secret for secret in (bucket.secret, storage.secret) if secret in caplog.text + repr(bucket) + repr(storage)
    ]
    assert bucket.access_key not in repr(bucket)


def test_a_gateway_that_stops_and_is_back(ceph):
    with running.gateway(ceph) as gateway:
        storage = ceph.bucket(gateway.port)
        name = put(storage, b"before")
        gateway.stop()
        for act in ACTS.values():
            with pytest.raises(StorageDown, match="it accepts no connection"):
                act(storage)
        gateway.start()
        storage.probe()
        assert read(storage, name) == b"before"


def test_a_gateway_that_does_not_answer(ceph, monkeypatch):
    with running.gateway(ceph) as gateway:
        storage = ceph.bucket(gateway.port)
        monkeypatch.setattr(s3_bucket, "READ_SECONDS", 1)
        s3_bucket._client.cache_clear()
        os.kill(gateway.process.pid, signal.SIGSTOP)
        with pytest.raises(StorageDown, match="it did not answer in time"):
            storage.probe()
        os.kill(gateway.process.pid, signal.SIGCONT)
        running.wait_until(lambda: running.answers(storage))  # a second is little for each call then
    s3_bucket._client.cache_clear()


def test_a_gateway_that_is_killed_amid_an_upload_loses_nothing_that_was_kept(ceph):
    content, upload = os.urandom(70 * MIB), uuid4().hex
    with running.gateway(ceph) as gateway:
        storage = ceph.bucket(gateway.port)
        kept = storage.write(upload, 0, pieces_of(content[: 3 * MIB]))

        def killing():
            for number, piece in enumerate(pieces_of(content[kept:])):
                if number == 50:
                    gateway.stop()
                yield piece

        with pytest.raises(StorageDown):
            storage.write(upload, kept, killing())
        gateway.start()
        at = storage.length(upload)
        assert at >= 16 * MIB
        storage.write(upload, at, pieces_of(content[at:]))
        storage.finish(upload, named(content))
        assert read(storage, named(content)) == content


def test_a_disk_that_is_killed_amid_an_upload_loses_nothing_that_was_kept(ceph, gateway):
    content, upload = os.urandom(70 * MIB), uuid4().hex
    kept = gateway.write(upload, 0, pieces_of(content[: 3 * MIB]))

    def killing():
        for number, piece in enumerate(pieces_of(content[kept:])):
            if number == 50:
                ceph.stop_disk()
                ceph.start_disk()
            yield piece

    with suppress(StorageDown):  # it waits for the disk, but not for ever
        gateway.write(upload, kept, killing())
    running.wait_until(lambda: running.answers(gateway))
    at = gateway.length(upload)
    assert at >= 16 * MIB
    gateway.write(upload, at, pieces_of(content[at:]))
    gateway.finish(upload, named(content))
    assert read(gateway, named(content)) == content


def test_a_quota_that_is_passed_keeps_what_fitted(ceph, bucket):
    storage = ceph.bucket(user=ceph.user("frugal"))
    content, upload = os.urandom(60 * MIB), uuid4().hex
    quota = ["radosgw-admin", "quota", "--quota-scope=user", "--uid=frugal"]
    ceph.run(*quota[:2], "set", *quota[2:], f"--max-size={40 * MIB}")
    ceph.run(*quota[:2], "enable", *quota[2:])
    with pytest.raises(StorageFull, match="its quota is used up"):
        storage.write(upload, 0, pieces_of(content))
    at = storage.length(upload)
    assert 16 * MIB <= at <= 48 * MIB  # the gateway counts a part when it is whole: another one may be on its way then
    ceph.run(*quota[:2], "disable", *quota[2:])
    storage.write(upload, at, pieces_of(content[at:]))
    storage.finish(upload, named(content))
    assert read(storage, named(content)) == content


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_parts_before_one_that_failed_are_kept_and_no_later_ones(gateway, monkeypatch, failing):
    content, upload = os.urandom(70 * MIB), uuid4().hex

    def send(storage, staged, number, body, checksum):
        if number == failing:
            time.sleep(0.5)  # the next one ends before it
            raise StorageDown("the bucket", "it is a test")
        return whole(storage, staged, number, body, checksum)

    whole = s3.S3._send
    monkeypatch.setattr(s3.S3, "_send", send)
    with pytest.raises(StorageDown, match="it is a test"):
        gateway.write(upload, 0, pieces_of(content))
    monkeypatch.undo()
    at = 16 * MIB * (failing - 1)
    with pytest.raises(BlobMissing) if failing == 1 else nullcontext():
        assert gateway.length(upload) == at
    for size in (6 * MIB, 6 * MIB, 70 * MIB):  # smaller parts than before: one left of them would count as the next
        gateway.write(upload, at, pieces_of(content[at : at + size]))
        at = min(at + size, len(content))
        assert gateway.length(upload) == at
    gateway.finish(upload, named(content))
    assert read(gateway, named(content)) == content
    assert left_over(gateway) == ([], [])


def test_a_process_that_is_killed_leaves_no_part_without_the_one_before_it(gateway):
    upload = uuid4().hex
    assert in_another_process(die_before_the_first_part, gateway, upload) == -signal.SIGKILL
    (multipart,) = gateway._multiparts(f"{gateway.prefix}/uploads/{upload}")
    time.sleep(1)  # for what is on its way
    assert not list(gateway._pages("list_parts", "Parts", Key=multipart["Key"], UploadId=multipart["UploadId"]))
    gateway.discard(upload)


def test_an_upload_goes_on_in_other_processes(gateway):
    content, upload, at = os.urandom(40 * MIB), uuid4().hex, 0
    for size in (1, 3 * MIB, 5 * MIB - 1, 17 * MIB + 5, 0, 2 * MIB, 40 * MIB):
        assert in_another_process(write, gateway, upload, at, content[at : at + size]) == 0
        at = min(at + size, len(content))
        assert gateway.length(upload) == at
    assert b"".join(gateway.written(upload)) == content
    gateway.finish(upload, named(content))
    assert read(gateway, named(content)) == content
    assert left_over(gateway) == ([], [])


@pytest.mark.parametrize("size", [6 * MIB, 20 * MIB, 50 * MIB])
def test_an_upload_that_was_read_can_go_on(gateway, size, small_copies):
    content, upload = os.urandom(size + 9 * MIB), uuid4().hex
    at = gateway.write(upload, 0, pieces_of(content[:size]))
    for more in (1, 9 * MIB - 1):
        assert b"".join(gateway.written(upload)) == content[:at]
        at = gateway.write(upload, at, [content[at : at + more]])
    gateway.finish(upload, named(content))
    assert read(gateway, named(content)) == content
    assert left_over(gateway)[1] == []


def test_after_many_parts_all_are_large(gateway, monkeypatch):
    monkeypatch.setattr(s3, "SMALL_PARTS", 1)
    content, upload, at = os.urandom(80 * MIB), uuid4().hex, 0
    for size in (6 * MIB, 10 * MIB, 10 * MIB, 54 * MIB):
        at = gateway.write(upload, at, pieces_of(content[at : at + size]))
        assert gateway.length(upload) == at
    gateway.finish(upload, named(content))
    assert read(gateway, named(content)) == content


def test_a_large_blob_is_copied_in_parts(gateway, small_copies):
    content = os.urandom(33 * MIB + 1)
    for _ in range(2):
        assert read(gateway, put(gateway, content)) == content
    assert left_over(gateway) == ([], [])


def test_a_blob_that_is_being_read_can_count_as_new(gateway):
    content = os.urandom(60 * MIB)
    pieces = gateway.read(put(gateway, content))
    first = next(pieces)
    put(gateway, content)
    assert first + b"".join(pieces) == content


def test_a_kill_at_any_moment_leaves_no_blob_that_is_not_whole_and_loses_nothing_that_was_kept(gateway):
    content, kept = os.urandom(6 * MIB + 1), MIB
    for number in range(1, 100):
        storage, upload = replace(gateway, prefix=uuid4().hex), uuid4().hex
        storage.write(upload, 0, [content[:kept]])
        status = in_another_process(die_before_request, number, storage, upload, content, kept)
        blobs = [name for name, _ in storage.blobs()]
        assert not blobs or read(storage, blobs[0]) == content
        if status == 0:
            break
        assert status == -signal.SIGKILL
        try:
            at = storage.length(upload)
        except BlobMissing:
            assert blobs == [named(content)]
        else:
            assert at >= kept
            storage.write(upload, at, [content[at:]])
        storage.finish(upload, named(content))
        assert read(storage, named(content)) == content
    assert number > 15
    assert [name for name, _ in storage.blobs()] == [named(content)]
    assert left_over(gateway)[0] == []


def test_memory_is_bounded(gateway):
    assert in_another_process(use_little_memory, gateway, 600, 128 * MIB) == 0


def test_an_address_can_be_fetched_without_a_key_until_it_ends(gateway):
    content = os.urandom(MIB)
    name = put(gateway, content)
    address = gateway.address(name, 3600, 'Gewichte "1".bin ✓', "application/x-weights")
    whole = requests.get(address, timeout=10)
    assert (whole.status_code, whole.content) == (200, content)
    assert whole.headers["Content-Type"] == "application/x-weights"
    assert whole.headers["Content-Disposition"] == (
        "attachment; filename=\"Gewichte__1_.bin__\"; filename*=UTF-8''Gewichte%20%221%22.bin%20%E2%9C%93"
    )
    part = requests.get(address, headers={"Range": "bytes=5-9"}, timeout=10)
    assert (part.status_code, part.content) == (206, content[5:10])
    assert requests.put(address, data=b"x", timeout=10).status_code == 403
    assert requests.get(address.replace(name, "0" * 64), timeout=10).status_code == 403
    assert gateway.secret not in address

    short = gateway.address(name, 1, "x", "text/plain")
    running.wait_until(lambda: requests.get(short, timeout=10).status_code == 403, seconds=10)
