"""Sealing the audit log: every entry once, in whatever order they commit, whoever is killed, and nothing forged is signed."""

import signal
import stat
import subprocess
import sys
import time
from base64 import b64encode
from contextlib import closing
from io import StringIO
from pathlib import Path
from threading import Barrier, Thread

import psycopg2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sealing import ENTRIES, Log, entry_id
from stage import application, settings_for

from catapult.actions import audit_seal
from catapult.config import ConfigError
from catapult.errors import Conflict
from catapult.rules.merkle import Growing, leaf_hash

COUNTS = "SELECT (SELECT count(*) FROM audit_logs) AS entries, (SELECT count(*) FROM sealed_entries) AS sealed"


@pytest.fixture
def log(app, tmp_path):
    return Log(app, tmp_path)


def connected(app):
    return psycopg2.connect(app.extensions["catapult"].database_url.replace("+psycopg2", ""))


def entries(first, last):
    return ENTRIES.replace(":first", str(first)).replace(":last", str(last))


def sealed(sql):
    """The ids of the sealed entries, in their order."""
    rows = sql("SELECT seq, CAST(entry_id AS text) AS id FROM sealed_entries ORDER BY seq")
    assert [row["seq"] for row in rows] == list(range(len(rows)))
    return [row["id"] for row in rows]


def all_are_sealed_once(sql):
    counts = sql(COUNTS)[0]
    return (
        counts["entries"] == counts["sealed"]
        and len(set(sealed(sql))) == counts["sealed"]
        and not sql("SELECT FROM unsealed_entries")
    )


def test_entries_are_sealed_in_the_order_of_their_ids_and_again_none(log, sql):
    sql(ENTRIES, first=1, last=700)
    before = sql("SELECT count(*) AS n FROM audit_logs")[0]["n"]
    assert log.seal() == before + 1  # and the entry of the new key
    assert all_are_sealed_once(sql)
    assert sealed(sql) == sorted(sealed(sql))
    assert log.seal() == 0


def test_a_leaf_is_of_the_text_and_the_checkpoint_of_all_leaves(log, sql):
    sql(ENTRIES, first=1, last=600)
    log.seal()
    tree = Growing()
    for line in log.export():
        assert line["leaf"] == leaf_hash(line["text"].encode()).hex()
        tree.append(bytes.fromhex(line["leaf"]))
    (checkpoint,) = sql("SELECT size, root FROM audit_checkpoints")
    assert (checkpoint["size"], bytes(checkpoint["root"])) == (tree.size, tree.root())
    nodes = sql("SELECT level, index, hash FROM audit_nodes ORDER BY level, index")
    assert [(row["level"], row["index"], bytes(row["hash"])) for row in nodes] == tree.completed
    assert len(nodes) == 2


def test_the_text_is_the_same_whatever_the_session_is_set_to(log, sql, app):
    sql(ENTRIES, first=1, last=3)
    log.seal()
    texts = [line["text"] for line in log.export()]
    settings = (
        "timezone=Asia/Tokyo",
        "datestyle=SQL,DMY",
        "extra_float_digits=-15",
        "bytea_output=escape",
        "lc_numeric=C",
    )
    options = "%20".join(f"-c%20{setting.replace('=', '%3D')}" for setting in settings)
    with application(settings_for(f"{app.extensions['catapult'].database_url}&options={options}")) as other:
        assert [line["text"] for line in Log(other, log.folder).export()] == texts


def test_an_entry_that_commits_late_gets_a_later_number(log, sql, app):
    with closing(connected(app)) as slow, slow.cursor() as cursor:
        cursor.execute(entries(1, 1))
        sql(ENTRIES, first=2, last=2)
        log.seal()
        assert sealed(sql)[-1] == entry_id(2)
        slow.commit()
    assert log.seal() == 1
    assert sealed(sql)[-2:] == [entry_id(2), entry_id(1)]
    assert all_are_sealed_once(sql)
    log.export()
    assert log.verify() == 0


@pytest.mark.parametrize("way", ["rows", "copy", "cte"])
def test_no_way_of_inserting_is_left_out(log, sql, app, way):
    rows = StringIO(f"{entry_id(1)}\ta.b\tmodel\n{entry_id(2)}\ta.b\tmodel\n")
    ways = {
        "rows": lambda cursor: cursor.execute(f"{entries(1, 1)}; {entries(2, 2)}"),
        "copy": lambda cursor: cursor.copy_from(rows, "audit_logs", columns=("id", "action", "resource_type")),
        "cte": lambda cursor: cursor.execute(f"WITH added AS ({entries(1, 2)}) SELECT 1"),
    }
    with closing(connected(app)) as connection, connection, connection.cursor() as cursor:
        ways[way](cursor)
    assert sql("SELECT count(*) AS n FROM unsealed_entries WHERE entry_id >= CAST(:id AS uuid)", id=entry_id(0)) == [
        {"n": 2}
    ]
    log.seal()
    assert all_are_sealed_once(sql)


def test_two_sealers_at_once_seal_every_entry_once(log, sql, monkeypatch):
    monkeypatch.setattr(audit_seal, "BATCH", 50)
    log.seal()
    sql(ENTRIES, first=1, last=3_000)
    barrier, counts = Barrier(3), []

    def run():
        barrier.wait()
        counts.append(log.seal())

    threads = [Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts.append(log.seal())
    assert sum(counts) == 3_000
    assert all_are_sealed_once(sql)
    log.export()
    assert log.verify() == 0


SEALER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from stage import application, settings_for
from catapult.actions import audit_seal
audit_seal.BATCH = 20
with application(settings_for({url!r}, home=Path({home!r}))) as app, app.app_context():
    audit_seal.seal(audit_seal.signer(app.extensions["catapult"]))
"""


def test_a_sealer_that_is_killed_leaves_whole_batches_and_the_next_one_goes_on(log, sql, app):
    sql(ENTRIES, first=1, last=6_000)
    url = app.extensions["catapult"].database_url
    code = SEALER.format(tests=str(Path(__file__).parent), url=url, home=str(log.folder))
    for _ in range(3):
        before = len(sealed(sql))
        process = subprocess.Popen([sys.executable, "-c", code])
        try:
            while len(sealed(sql)) == before:
                assert process.poll() is None
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        (newest,) = sql("SELECT max(size) AS size FROM audit_checkpoints")
        assert newest["size"] == len(sealed(sql))
    with app.app_context():
        log.signer = audit_seal.signer(settings_for(url, home=log.folder))
    log.key = b64encode(log.signer.public_key).decode()
    log.seal()
    assert all_are_sealed_once(sql)
    log.export()
    assert log.verify() == 0


def test_a_limit_is_kept(log, sql, monkeypatch):
    monkeypatch.setattr(audit_seal, "BATCH", 10)
    sql(ENTRIES, first=1, last=40)
    assert log.seal(limit=25) == 25
    assert len(sealed(sql)) == 25


@pytest.mark.parametrize(
    "forged",
    [
        "DELETE FROM sealed_entries WHERE seq > 2",
        "DELETE FROM sealed_entries",
        "UPDATE sealed_entries SET leaf = sha256('x') WHERE seq = 260",
        "UPDATE audit_checkpoints SET root = sha256('x')",
        "DELETE FROM audit_checkpoints",
        "UPDATE audit_nodes SET hash = sha256('x') WHERE level = 1",
        "DELETE FROM audit_nodes",
    ],
)
def test_nothing_is_sealed_on_top_of_what_was_forged(log, sql, forged):
    sql(ENTRIES, first=1, last=260)
    log.seal()
    sql(f"SET LOCAL session_replication_role = replica; {forged}")
    sql(ENTRIES, first=261, last=261)
    checkpoints = sql("SELECT size FROM audit_checkpoints")
    with pytest.raises(Conflict, match="sealed audit log is"):
        log.seal()
    assert sql("SELECT size FROM audit_checkpoints") == checkpoints


def test_an_entry_that_comes_back_in_another_form_is_not_sealed_again(log, sql):
    sql(ENTRIES, first=1, last=2)
    log.seal()
    sql(f"SET LOCAL session_replication_role = replica; DELETE FROM audit_logs WHERE id = '{entry_id(1)}'")
    sql(ENTRIES, first=1, last=1)
    sql(ENTRIES, first=3, last=3)
    assert log.seal() == 1
    assert sealed(sql).count(entry_id(1)) == 1


def test_of_a_day_the_newest_checkpoint_stays(log, sql):
    for number, day in enumerate(("2 days", "2 days", "1 day", "0 days"), 1):
        sql(ENTRIES, first=number, last=number)
        log.seal()
        sql(
            f"UPDATE audit_checkpoints SET created_at = created_at - interval '{day}' WHERE created_at > now() - interval '1 hour'"
        )
    sizes = [row["size"] for row in sql("SELECT size FROM audit_checkpoints ORDER BY size")]
    total = len(sealed(sql))
    assert sizes == [total - 3, total - 2, total - 1, total]
    sql(ENTRIES, first=9, last=9)
    log.seal()
    assert [row["size"] for row in sql("SELECT size FROM audit_checkpoints ORDER BY size")] == [*sizes[:3], total + 1]


# --- keys


def test_the_first_key_and_a_new_one_are_entries_and_the_name_of_the_log_stays(log, sql, trail):
    log.seal()
    first, old = log.note(), log.key
    log.signer = audit_seal.Signer(Ed25519PrivateKey.generate())
    log.key = b64encode(log.signer.public_key).decode()
    log.seal()
    assert [entry["details"]["public_key"] for entry in trail("audit_key.create")] == [log.key, old]
    assert {entry["resource_type"] for entry in trail("audit_key.create")} == {"audit_key"}
    second = log.note()
    assert Path(first).read_text().partition("\n")[0] == Path(second).read_text().partition("\n")[0]
    log.export()
    assert log.verify(first, key=old) == 0
    assert log.verify(second) == 0
    assert log.verify(first) == 1


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path):
    settings = settings_for("postgresql://x/y", home=tmp_path, audit_key="")
    assert audit_seal.signer(settings).public_key == audit_seal.signer(settings).public_key
    assert stat.S_IMODE((tmp_path / "audit_key").stat().st_mode) == 0o600
    assert (tmp_path / "audit_key").read_text().startswith("-----BEGIN PRIVATE KEY" + "-----")


def test_a_key_of_ones_own_is_used(tmp_path):
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    settings = settings_for("postgresql://x/y", home=tmp_path, audit_key=pem)
    assert audit_seal.signer(settings).public_key == key.public_key().public_bytes_raw()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["text", "rsa"])
def test_another_key_is_refused_by_name(kind):
    rsa = generate_private_key(65_537, 2_048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    settings = settings_for("postgresql://x/y", audit_key={"text": "x" * 40, "rsa": rsa}[kind])
    with pytest.raises(ConfigError, match="AUDIT_KEY is not an Ed25519 key in PEM"):
        audit_seal.signer(settings)
