"""`catapult audit verify` finds what a superuser did to the log, by an export and a checkpoint held elsewhere."""

import gzip
import json
import re
import sys
from pathlib import Path

import pytest
from sealing import ENTRIES, Log, entry_id

LAST = 300
OFF = "SET LOCAL session_replication_role = replica; "
"""What a superuser sends so that no trigger refuses, and none adds to what is to be sealed."""


@pytest.fixture
def log(app, tmp_path, sql):
    """A log of entries that are all sealed, and whose last one is number `LAST` of `ENTRIES`."""
    log = Log(app, tmp_path)
    log.seal()
    sql(ENTRIES, first=1, last=LAST)
    log.seal()
    return log


@pytest.fixture
def seq(sql):
    """A function that returns the number of an entry of `ENTRIES`."""
    return lambda number: sql("SELECT seq FROM sealed_entries WHERE entry_id = CAST(:id AS uuid)", id=entry_id(number))[
        0
    ]["seq"]


def verdict(capsys, log, *notes):
    """What the command prints, which has to fail."""
    capsys.readouterr()
    assert log.verify(*notes) == 1
    output = capsys.readouterr()
    assert output.err == "catapult: The export does not verify.\n"
    return output.out


def test_a_log_that_nobody_changed_holds(log, capsys):
    exported = log.export()
    assert log.verify() == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{len(exported)} sealed entries, 0 not sealed yet.",
        f"The checkpoint of {len(exported)} entries holds.",
    ]


def test_what_is_not_sealed_yet_is_counted_and_what_came_after_the_checkpoint_too(log, sql, capsys):
    note = log.note()
    sql(ENTRIES, first=1_000, last=1_002)
    log.seal()
    sql(ENTRIES, first=2_000, last=2_001)
    log.export()
    assert log.verify(note) == 0
    output = capsys.readouterr().out
    assert "2 not sealed yet." in output
    assert "3 entries were sealed after the newest checkpoint" in output


ATTACKS = {
    "edits details": (
        "UPDATE audit_logs SET details = details || '{{\"name\": \"x\"}}' WHERE id = '{7}'",
        r"Entry {seq7} \({7}\) was changed: its text is not the one that was sealed\.",
    ),
    "edits a digit": (
        "UPDATE audit_logs SET details = details || '{{\"large\": 10000000000000000000000000000000000000008}}' WHERE id = '{7}'",
        r"Entry {seq7} \({7}\) was changed",
    ),
    "edits who did it": (
        "UPDATE audit_logs SET person_name = 'x' WHERE id = '{7}'",
        r"Entry {seq7} \({7}\) was changed",
    ),
    "edits created_at": (
        "UPDATE audit_logs SET created_at = created_at + interval '1 microsecond' WHERE id = '{7}'",
        r"Entry {seq7} \({7}\) was changed",
    ),
    "deletes": (
        "DELETE FROM audit_logs WHERE id = '{7}'",
        r"Entry {seq7} \({7}\) is missing: it was removed from the log after",
    ),
    "deletes with the seal": (
        "DELETE FROM audit_logs WHERE id = '{7}'; DELETE FROM sealed_entries WHERE entry_id = '{7}'",
        r"Entry {seq7} is missing: entry {seq8} \({8}\) follows",
    ),
    "deletes the last": (
        "DELETE FROM audit_logs WHERE id >= '{290}'; DELETE FROM sealed_entries WHERE entry_id >= '{290}'",
        r"Entry {seq290} is missing, and every one after it: the export has {seq290} sealed entries",
    ),
    "truncates": ("TRUNCATE audit_logs", r"Entry 0 \(.*\) is missing"),
    "truncates all": (
        "TRUNCATE audit_logs, sealed_entries, audit_nodes, audit_checkpoints, unsealed_entries",
        r"Entry 0 is missing, and every one after it",
    ),
    "exchanges two ids": (
        "UPDATE audit_logs SET id = '{301}' WHERE id = '{7}'; UPDATE audit_logs SET id = '{7}' WHERE id = '{9}';"
        " UPDATE audit_logs SET id = '{9}' WHERE id = '{301}'",
        r"Entry {seq7} \({7}\) was changed",
    ),
    "exchanges two seals": (
        "UPDATE sealed_entries SET entry_id = '{301}' WHERE entry_id = '{7}';"
        " UPDATE sealed_entries SET entry_id = '{7}' WHERE entry_id = '{9}';"
        " UPDATE sealed_entries SET entry_id = '{9}' WHERE entry_id = '{301}'",
        r"Entry {seq7} \({9}\) was moved or exchanged: the text in its place is that of entry {seq9} \({7}\)\.",
    ),
    "exchanges two numbers": (
        "UPDATE sealed_entries SET seq = -1 WHERE seq = {seq7}; UPDATE sealed_entries SET seq = {seq7} WHERE seq = {seq9};"
        " UPDATE sealed_entries SET seq = {seq9} WHERE seq = -1",
        r"The checkpoint of {size} entries does not hold: of the entries 0 to {last}, one or more were changed",
    ),
    "puts one in": (
        "INSERT INTO audit_logs (id, action, resource_type, created_at)"
        " VALUES ('{301}', 'model.create', 'model', now() - interval '1 hour')",
        r"Entry {301} of .* is not sealed, and others are more than 10 minutes newer: it was put in",
    ),
    "puts one in with a seal": (
        "INSERT INTO audit_logs (id, action, resource_type) VALUES ('{301}', 'model.create', 'model');"
        " UPDATE sealed_entries SET seq = -seq - 1 WHERE seq >= {seq7}; UPDATE sealed_entries SET seq = -seq WHERE seq < 0;"
        " INSERT INTO sealed_entries SELECT {seq7}, '{301}', sha256('x')",
        r"Entry {seq7} \({301}\) was changed: its text is not the one that was sealed\.",
    ),
    "deletes before it is sealed": (
        "INSERT INTO unsealed_entries VALUES ('{301}')",  # as an entry leaves it
        r"Entry {301} is missing: it was removed before it was sealed\.",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_superuser_who_switches_the_triggers_off_is_found(log, sql, seq, capsys, attack):
    statement, expected = ATTACKS[attack]
    numbers = [7, 8, 9, 290]
    names = {f"seq{number}": seq(number) for number in numbers}
    size = seq(LAST) + 1
    note = log.note()

    ids = [entry_id(number) for number in range(LAST + 2)]

    def filled(text):
        return text.format(*ids, **names, size=size, last=size - 1)

    sql(OFF + filled(statement))
    log.export()
    output = verdict(capsys, log, note)
    assert re.search(filled(expected), output), output


def test_a_superuser_who_drops_the_trigger_is_found(log, sql, seq, capsys):
    sql("DROP TRIGGER audit_logs_append_only ON audit_logs")
    sql("UPDATE audit_logs SET details = '{}' WHERE id = CAST(:id AS uuid)", id=entry_id(7))
    log.export()
    assert f"Entry {seq(7)} ({entry_id(7)}) was changed" in verdict(capsys, log)


def test_an_entry_that_was_dated_back_is_found_though_it_was_sealed_in_its_turn(log, sql, capsys):
    sql(
        "INSERT INTO audit_logs (id, action, resource_type, created_at)"
        f" SELECT CAST(id AS uuid), 'model.create', 'model', now() - interval '1 hour' FROM unnest(ARRAY['{entry_id(400)}',"
        f" '{entry_id(401)}']) AS id"
    )
    log.seal()
    number = log.export()[-2]["seq"]
    assert f"Entry {number} ({entry_id(400)}) is dated more than 10 minutes before the entry" in verdict(capsys, log)


def test_ten_minutes_are_no_fault(log, sql):
    sql(
        "INSERT INTO audit_logs (id, action, resource_type, created_at)"
        f" VALUES ('{entry_id(400)}', 'model.create', 'model', now() - interval '9 minutes')"
    )
    log.seal()
    log.export()
    assert log.verify() == 0


RESEAL = (
    "UPDATE audit_logs SET details = '{}' WHERE id = CAST(:id AS uuid);"
    " TRUNCATE sealed_entries, audit_nodes, audit_checkpoints;"
    " INSERT INTO unsealed_entries SELECT id FROM audit_logs"
)


def test_whoever_seals_everything_anew_is_found_by_a_checkpoint_that_others_hold(log, sql, seq, capsys):
    """Even with the private key: the new seals hold by themselves."""
    held, size = [log.note()], seq(LAST) + 1
    for number in (LAST + 1, LAST + 11):
        sql(ENTRIES, first=number, last=number + 9)
        log.seal()
        held.append(log.note())
    sql(OFF + RESEAL, id=entry_id(LAST + 5))
    log.seal()
    log.export()
    assert log.verify() == 0
    output = verdict(capsys, log, *held)
    assert f"The checkpoint of {size} entries holds." in output
    bounds = f"of the entries {size} to {size + 9}, one or more were changed"
    assert f"The checkpoint of {size + 10} entries does not hold: {bounds}" in output


def test_a_seal_that_was_changed_with_its_entry_is_found_by_a_checkpoint(log, sql, seq, capsys):
    note = log.note()
    sql(OFF + "UPDATE audit_logs SET details = '{}' WHERE id = CAST(:id AS uuid)", id=entry_id(7))
    text = log.export()[seq(7)]["text"]
    forged = (
        "UPDATE sealed_entries SET leaf = sha256(decode('00', 'hex') || convert_to(:text, 'UTF8')) WHERE seq = :seq"
    )
    sql(OFF + forged, text=text, seq=seq(7))
    log.export()
    output = verdict(capsys, log, note)
    assert "does not hold: of the entries 0 to" in output
    assert "was changed: its text" not in output


# --- the file


def changed(log, change):
    lines = log.export()
    change(lines)
    log.write("".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda lines: lines[20].update(api_key_name="x"),
            r"Entry 20 .* was changed in the file: api_key_name is not as",
        ),
        (
            lambda lines: lines[20].update(person={"id": "x", "name": "y"}),
            r"Entry 20 .* was changed in the file: person",
        ),
        (
            lambda lines: lines[20]["details"].update(accuracy=str(lines[20]["details"]["accuracy"])),
            r"Entry 20 .* was changed in the file: details",
        ),
        (lambda lines: lines.pop(20), r"Entry 20 is missing: entry 21 "),
        (
            lambda lines: lines.insert(30, lines.pop(20)),
            r"Entry 20 \([0-9a-f-]{36}\) was moved: later entries are before it",
        ),
        (lambda lines: lines.insert(30, lines[20]), r"Entry 20 .* was put in: another entry before it has this number"),
        (lambda lines: lines.clear(), r"Entry 0 is missing, and every one after it"),
    ],
)
def test_what_was_changed_in_the_file_is_found(log, capsys, change, expected):
    note = log.note()
    changed(log, change)
    output = verdict(capsys, log, note)
    assert re.search(expected, output), output


def test_the_first_of_several_is_named(log, capsys):
    def change(lines):
        lines[50]["text"] = lines[40]["text"] = "{}"
        lines.pop(60)

    changed(log, change)
    assert "Entry 40 " in verdict(capsys, log)


@pytest.mark.parametrize(
    "line", ["x", "[]", "{}", '{"seq": "x", "text": null, "id": 1}', '{"seq": 0, "text": 5}', "[" * 100_000]
)
def test_a_file_that_is_no_export_is_refused_in_a_sentence(log, capsys, line):
    log.write(f"{line}\n")
    assert log.verify() == 1
    assert capsys.readouterr().err == "catapult: Line 1 is not an entry of an export of the audit log.\n"


def test_a_compressed_export_and_one_by_standard_input_are_read(log, monkeypatch, capsys):
    log.export()
    file = log.folder / "audit.jsonl.gz"
    with gzip.open(file, "wb") as compressed:
        compressed.write(log.file.read_bytes())
    monkeypatch.setattr(Log, "file", file)
    assert log.verify() == 0
    monkeypatch.setattr(Log, "file", "-")
    with gzip.open(file) as lines:
        monkeypatch.setattr(sys, "stdin", type("In", (), {"buffer": lines}))
        assert log.verify() == 0


# --- notes and keys


def test_a_note_of_another_key_or_a_changed_one_is_refused(log, tmp_path, capsys):
    log.export()
    note = log.note()
    other = Log(log.app, tmp_path).key
    assert log.verify(note, key=other) == 1
    assert "is not signed with this key" in capsys.readouterr().err
    text = Path(note).read_text()
    for old, new in (("\n", "\n1"), ("catapult/", "catapult:")):
        (tmp_path / "forged").write_text(text.replace(old, new, 1))
        assert log.verify(str(tmp_path / "forged")) == 1
        assert "is not signed with this key" in capsys.readouterr().err


@pytest.mark.parametrize("note", ["", "x", "a\nb\nc\n\n— x y\n"])
def test_what_is_no_note_is_refused(log, tmp_path, capsys, note):
    log.export()
    (tmp_path / "note").write_text(note)
    assert log.verify(str(tmp_path / "note")) == 1
    assert "This is not a checkpoint" in capsys.readouterr().err


def test_a_key_in_any_of_its_forms_is_taken_and_the_answers_of_the_registry_are(log, api, tmp_path, capsys):
    log.export()
    answers = {name: api.get(f"/api/v1/audit-logs/{name}") for name in ("key", "checkpoint")}
    for name, answer in answers.items():
        (tmp_path / name).write_bytes(answer.data)
    for key in (answers["key"].json["public_key"], answers["key"].json["verifier"], str(tmp_path / "key")):
        assert log.verify(str(tmp_path / "checkpoint"), key=key) == 0
    assert log.verify(key="bm90IGEga2V5") == 1
    assert "This is not an Ed25519 key" in capsys.readouterr().err


def test_without_the_package_for_signatures_a_sentence_says_what_to_install(log, monkeypatch, capsys):
    log.export()
    for name in list(sys.modules):
        if name.partition(".")[0] == "cryptography":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    note, status = str(log.folder / "note"), 1
    (log.folder / "note").write_text("x")
    assert log.verify(note) == status
    assert capsys.readouterr().err == (
        "catapult: Checking signatures needs the package cryptography: pip install 'catapult-sdk[verify]'.\n"
    )


def test_the_verdict_as_json(log, capsys):
    from catapult_client import cli

    log.export()
    options = ["--checkpoint", log.note(), "--key", log.key]
    capsys.readouterr()
    assert cli.main(["--json", "audit", "verify", str(log.file), *options]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["ok"], result["wrong"], result["unsealed"]) == (True, [], 0)
