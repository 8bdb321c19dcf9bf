"""Streaming the sealed audit log to a syslog collector, rsyslog and worse ones: each entry at least once, whoever fails."""

import json
import socket
import struct
import subprocess
import threading
import time
from contextlib import closing, contextmanager
from types import SimpleNamespace

import pytest
from certificate import self_signed
from sealing import ENTRIES, Log

from catapult.actions import audit_stream
from catapult.config import ConfigError, load
from catapult.extensions import db
from catapult.jobs import stream, syslog
from catapult.jobs.worker import Worker
from catapult.rules.merkle import leaf_hash

RSYSLOG = """
global(workDirectory="{folder}" maxMessageSize="1m" defaultNetstreamDriverCAFile="{folder}/fullchain.pem"
  defaultNetstreamDriverCertFile="{folder}/fullchain.pem" defaultNetstreamDriverKeyFile="{folder}/privkey.pem")
module(load="imtcp" streamDriver.name="ossl")
input(type="imtcp" port="{tls}" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" address="127.0.0.1" port="{plain}" streamDriver.mode="0")
template(name="fields" type="list" option.jsonf="on") {{
  property(outname="pri" name="pri" format="jsonf") property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf") property(outname="id" name="msgid" format="jsonf")
  property(outname="elements" name="structured-data" format="jsonf") property(outname="text" name="msg" format="jsonf")
  property(outname="time" name="timereported" format="jsonf" dateFormat="rfc3339")
}}
action(type="omfile" file="{folder}/received" template="fields" asyncWriting="off")
"""


@pytest.fixture
def log(app, tmp_path):
    return Log(app, tmp_path)


@pytest.fixture
def streaming(app_with, sql):
    """`streaming(address)` runs the job as a worker of that setting does; it returns why the job failed, or None."""

    def run(address, **settings):
        sql("UPDATE jobs SET run_at = now() WHERE kind = 'stream'")
        Worker(app_with(syslog_url=address, public_url="https://ml.example.com", **settings), ["stream"]).drain()
        return sql("SELECT last_error FROM jobs WHERE kind = 'stream'")[0]["last_error"]

    return run


@pytest.fixture(scope="module")
def rsyslog(needs, tmp_path_factory):
    """An rsyslog with a port for TLS and one without. `received()` are the messages as it has read them."""
    folder = self_signed(tmp_path_factory.mktemp("rsyslog"))
    tls, plain = free_port(), free_port()
    (folder / "conf").write_text(RSYSLOG.format(folder=folder, tls=tls, plain=plain))
    process = subprocess.Popen([needs("rsyslogd"), "-n", "-f", folder / "conf", "-i", folder / "pid"])

    def received():
        file = folder / "received"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    try:
        for port in (tls, plain):
            until(lambda port=port: listens(port))
        yield SimpleNamespace(
            tls=f"tcp+tls://localhost:{tls}",
            plain=f"tcp://127.0.0.1:{plain}",
            ca=(folder / "fullchain.pem").read_text(),
            received=received,
        )
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def collector(behave):
    """A collector that calls `behave(connection)` for each connection. Yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with closing(connection):
                    behave(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)
    assert not thread.is_alive()


def numbers(frames):
    """The entries' numbers of a stream of frames, in their order."""
    found = []
    while frames:
        length, _, rest = frames.partition(b" ")
        message, frames = rest[: int(length)], rest[int(length) :]
        assert len(message) == int(length)
        found.append(int(message.partition(b'sequenceId="')[2].partition(b'"')[0]) - 1)
    return found


def reading(read):
    """A collector's behaviour: read everything into the list `read`, and end."""

    def behave(connection):
        parts = []
        while part := connection.recv(65_536):
            parts.append(part)
        read.extend(numbers(b"".join(parts)))

    return behave


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(condition, seconds=15):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def size(sql):
    return sql("SELECT count(*) AS n FROM sealed_entries")[0]["n"]


def following(sql):
    rows = sql("SELECT next_seq FROM audit_streams")
    return rows[0]["next_seq"] if rows else None


@pytest.mark.parametrize("way", ["tls", "plain"])
def test_rsyslog_gets_every_entry_with_its_number_and_the_text_that_was_sealed(way, log, streaming, rsyslog, sql):
    sql(ENTRIES, first=1, last=2_500)  # three batches
    log.seal()
    before = len(rsyslog.received())
    assert streaming(getattr(rsyslog, way), egress_ca=rsyslog.ca) is None
    until(lambda: len(rsyslog.received()) - before >= size(sql))
    messages = rsyslog.received()[before:]
    leaves = {row["seq"]: bytes(row["leaf"]) for row in sql("SELECT seq, leaf FROM sealed_entries")}
    numbered = {int(each["elements"].partition('sequenceId="')[2].partition('"')[0]) - 1: each for each in messages}
    assert len(messages) == len(numbered) == len(leaves)
    assert {seq: leaf_hash(each["text"].encode()) for seq, each in numbered.items()} == leaves
    last = numbered[max(numbered)]
    assert {name: last[name] for name in ("pri", "host", "app", "id")} == {
        "pri": "109",
        "host": "ml.example.com",
        "app": "catapult",
        "id": "model.create",
    }
    assert json.loads(last["text"])["created_at"].rstrip("Z") == last["time"].partition("+")[0].rstrip("Z")
    assert following(sql) == len(leaves)


def test_later_entries_follow_and_nothing_is_sent_twice(log, streaming, sql):
    read = []
    with collector(reading(read)) as address:
        for first in (1, 11, 21):
            sql(ENTRIES, first=first, last=first + 9)
            log.seal()
            assert streaming(address) is None
            assert streaming(address) is None
    assert read == list(range(size(sql)))


def test_an_entry_larger_than_a_batch_is_sent_whole(log, streaming, sql):
    sql(
        "INSERT INTO audit_logs (id, action, resource_type, details)"
        " SELECT gen_random_uuid(), 'model.create', 'model', jsonb_build_object('notes', repeat('é', 700000))"
        " FROM generate_series(1, 3)"
    )
    log.seal()
    read = []
    with collector(reading(read)) as address:
        assert streaming(address) is None
    assert read == list(range(size(sql)))


def test_an_entry_that_was_removed_after_it_was_sealed_is_a_critical_sentence(log, streaming, rsyslog, sql):
    sql(ENTRIES, first=1, last=5)
    log.seal()
    sql("ALTER TABLE audit_logs DISABLE TRIGGER ALL")
    gone = sql("DELETE FROM audit_logs WHERE id IN (SELECT entry_id FROM sealed_entries WHERE seq = 2) RETURNING id")
    sql("ALTER TABLE audit_logs ENABLE TRIGGER ALL")
    before = len(rsyslog.received())
    assert streaming(rsyslog.tls, egress_ca=rsyslog.ca) is None
    until(lambda: len(rsyslog.received()) - before >= size(sql))
    (found,) = [each for each in rsyslog.received()[before:] if each["pri"] != "109"]
    assert (found["pri"], found["text"]) == (
        "106",
        f"Entry 2 ({gone[0]['id']}) of the audit log was removed after it was sealed.",
    )


def reset(connection):
    """Read a little, and leave: what was sent and not read is lost, which the sender must notice."""
    connection.recv(100)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def leaves(connection):
    """End with bytes unread, as a process that is killed does."""
    connection.recv(100)
    time.sleep(0.2)


def ends(connection):
    """End at once, perhaps before anything was sent."""


def answers(connection):
    """Something that is no collector, such as a web server."""
    connection.recv(100)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    while connection.recv(65_536):
        pass


def hangs(connection):
    """Read nothing, and never end."""
    time.sleep(1.5)


@pytest.mark.parametrize("behave", [reset, leaves, ends, answers, hangs])
def test_what_a_collector_has_not_read_is_sent_again(behave, log, streaming, sql, monkeypatch):
    monkeypatch.setattr(syslog, "SECONDS", 1.0)
    monkeypatch.setattr(stream, "BATCH", 20)
    sql(ENTRIES, first=1, last=100)
    log.seal()
    read = []
    with collector(reading(read)) as address, monkeypatch.context() as once:
        send_batch = stream._send_batch
        once.setattr(stream, "_send_batch", lambda settings: send_batch(settings) and False)
        assert streaming(address) is None
    assert following(sql) == 20
    with collector(behave) as address:
        error = streaming(address)
    assert error.startswith("The collector of SYSLOG_URL has not read entry 20 and later ones: ")
    assert following(sql) == 20
    with collector(reading(read)) as address:
        assert streaming(address) is None
    assert read == list(range(size(sql)))


def test_a_collector_that_is_not_there_is_a_failure_that_says_so(log, streaming, sql):
    log.seal()
    error = streaming(f"tcp://127.0.0.1:{free_port()}")
    assert error == "The collector of SYSLOG_URL has not read entry 0 and later ones: Connection refused."
    assert following(sql) is None


@pytest.mark.parametrize(
    ("name", "trusts", "reason"),
    [("localhost", False, "self-signed certificate"), ("127.0.0.2", True, "IP address mismatch")],
)
def test_a_certificate_that_does_not_hold_gets_nothing(name, trusts, reason, log, streaming, rsyslog, sql):
    log.seal()
    before = len(rsyslog.received())
    assert reason in streaming(rsyslog.tls.replace("localhost", name), egress_ca=rsyslog.ca if trusts else "")
    assert (following(sql), len(rsyslog.received())) == (None, before)


def test_two_workers_that_send_the_same_move_the_number_once(app, log, sql):
    with app.app_context():
        audit_stream.advance(0, 10)
        audit_stream.advance(0, 20)  # its lease had ended
        assert following(sql) == 10
        audit_stream.begin_at(3)
        audit_stream.advance(10, 30)  # it was on its way when somebody began anew
        assert following(sql) == 3
        db.session.remove()


def test_from_the_command_line_everything_is_sent_again(app, log, streaming, sql):
    sql(ENTRIES, first=1, last=10)
    log.seal()
    read = []
    with collector(reading(read)) as address:
        streaming(address)
        result = app.test_cli_runner().invoke(args=["audit", "stream-from", "4"])
        assert (result.exit_code, result.output) == (0, "The worker sends entry 4 to SYSLOG_URL next.\n")
        streaming(address)
    assert read == [*range(size(sql)), *range(4, size(sql))]


def test_what_was_not_sent_is_not_archived(app, log, streaming, sql, tmp_path):
    sql(ENTRIES, first=1, last=10)
    log.seal()
    archive = ["audit", "archive", "--before", "2100-01-01T00:00:00Z", "--to", str(tmp_path)]
    with app.app_context():
        audit_stream.begin_at(5)
        db.session.remove()
    refused = app.test_cli_runner().invoke(args=archive)
    assert refused.exit_code == 1
    assert "Entries from 5 on have not been sent to SYSLOG_URL." in refused.output
    assert f"flask audit stream-from {size(sql)}." in refused.output
    assert list(tmp_path.glob("*audit-*")) == []
    with collector(reading([])) as address:
        assert streaming(address) is None
    assert app.test_cli_runner().invoke(args=archive).exit_code == 0
    read = []
    log.seal()  # the entry of the archive
    with collector(reading(read)) as address:
        assert streaming(address) is None
    assert read == [size(sql) - 1]


def test_a_stream_that_begins_after_an_archive_begins_behind_it(app, log, streaming, sql, tmp_path):
    sql(ENTRIES, first=1, last=10)
    log.seal()
    archived = size(sql)
    archive = ["audit", "archive", "--before", "2100-01-01T00:00:00Z", "--to", str(tmp_path)]
    assert app.test_cli_runner().invoke(args=archive).exit_code == 0
    log.seal()
    read = []
    with collector(reading(read)) as address:
        assert streaming(address) is None
    assert read == list(range(archived, size(sql)))


def test_without_a_collector_nothing_is_done(app, log, sql):
    log.seal()
    Worker(app, ["stream"]).drain()
    assert following(sql) is None
    assert sql("SELECT last_error FROM jobs WHERE kind = 'stream'") == [{"last_error": None}]


@pytest.mark.parametrize(
    "address",
    [
        "udp://logs.example.com",
        "logs.example.com:514",
        "tcp://",
        "tcp://user:secret@host",
        "tcp://host/path",
        "tcp://host:x",
    ],
)
def test_another_form_of_the_setting_is_refused(address, monkeypatch):
    monkeypatch.setenv("SYSLOG_URL", address)
    with pytest.raises(ConfigError, match="SYSLOG_URL is "):
        load()
