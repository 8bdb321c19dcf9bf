"""Checkpoints and proofs of the sealed audit log, as the API gives them."""

import catapult_client.merkle as client
import pytest
from catapult_client.checkpoint import opened, public_key
from sealing import ENTRIES, Log, entry_id
from stage import NOWHERE, faults, refusal

AT = "/api/v1/audit-logs"


@pytest.fixture
def log(app, tmp_path):
    return Log(app, tmp_path)


@pytest.fixture
def filled(log, sql):
    """The log with some 600 sealed entries."""
    sql(ENTRIES, first=1, last=600)
    log.seal()
    return log


def test_before_anything_is_sealed_there_is_no_checkpoint_and_no_key(api):
    for path in ("checkpoint", "key"):
        answer = api.get(f"{AT}/{path}")
        assert refusal(answer) == "not-found"
        assert "flask audit seal" in answer.json["detail"]


def test_the_checkpoint_is_a_note_that_the_key_has_signed(api, filled):
    checkpoint, key = api.by("viewer").get(f"{AT}/checkpoint").json, api.get(f"{AT}/key").json
    signed = opened(checkpoint["note"], [public_key(key["public_key"])])
    assert signed == (key["origin"], checkpoint["size"], bytes.fromhex(checkpoint["root"]))
    assert public_key(key["verifier"]) == public_key(key["public_key"]) == filled.signer.public_key
    assert key["verifier"].startswith(f"{key['origin']}+")


def test_a_proof_leads_from_the_entry_to_the_checkpoint(api, filled, statements):
    checkpoint = api.get(f"{AT}/checkpoint").json
    lines = {line["id"]: line for line in filled.export()}
    for number in (1, 255, 256, 257, 600):
        with statements() as sent:
            proof = api.get(f"{AT}/{entry_id(number)}/proof").json
        assert len(sent) <= 9  # the key, the entry, the checkpoint, and two places of each level
        assert (proof["size"], proof["root"]) == (checkpoint["size"], checkpoint["root"])
        leaf = client.leaf_hash(lines[entry_id(number)]["text"])
        assert proof["leaf"] == leaf.hex()
        root = client.root_of(leaf, proof["seq"], proof["size"], [bytes.fromhex(each) for each in proof["hashes"]])
        assert root is not None
        assert root.hex() == checkpoint["root"]


def test_an_entry_that_is_not_sealed_yet_or_unknown_has_no_proof(api, filled, sql):
    sql(ENTRIES, first=700, last=700)
    answer = api.get(f"{AT}/{entry_id(700)}/proof")
    assert (refusal(answer), "not sealed yet" in answer.json["detail"]) == ("conflict", True)
    assert refusal(api.get(f"{AT}/{NOWHERE}/proof")) == "not-found"


def test_a_later_log_begins_with_the_earlier_one(api, filled, sql):
    earlier = api.get(f"{AT}/checkpoint").json
    sql(ENTRIES, first=601, last=900)
    filled.seal()
    later = api.get(f"{AT}/checkpoint").json
    proof = api.get(f"{AT}/consistency?from={earlier['size']}&to={later['size']}").json
    assert (proof["first"], proof["last"], proof["root"]) == (earlier["size"], later["size"], later["root"])
    roots = [bytes.fromhex(each["root"]) for each in (earlier, later)]
    hashes = [bytes.fromhex(each) for each in proof["hashes"]]
    assert client.begins_with(earlier["size"], roots[0], later["size"], roots[1], hashes)
    assert not client.begins_with(earlier["size"] - 1, roots[0], later["size"], roots[1], hashes)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("from=3&to=2", {"from"}),
        ("from=1&to=5000", {"to"}),
        ("from=0&to=2", {"from"}),
        ("from=x&to=2", {"from"}),
        ("to=2", {"from"}),
        ("", {"from", "to"}),
    ],
)
def test_sizes_that_cannot_be_compared_are_refused(api, filled, query, expected):
    assert faults(api.get(f"{AT}/consistency?{query}")) == expected


def test_rows_that_are_gone_give_a_refusal_and_no_wrong_proof(api, filled, sql):
    sql("SET LOCAL session_replication_role = replica; DELETE FROM sealed_entries WHERE seq = 300")
    answer = api.get(f"{AT}/{entry_id(600)}/proof")
    assert answer.status_code == 200  # not at its places
    assert refusal(api.get(f"{AT}/{entry_id(280)}/proof")) == "conflict"
