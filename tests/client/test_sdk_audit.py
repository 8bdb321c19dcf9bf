"""Checkpoints and proofs of the audit log in the SDK, which checks their arithmetic."""

import pytest
from sealing import ENTRIES, Log, entry_id

from catapult import Conflict, NotFound


def test_the_sdk_checks_proofs(viewer, app, tmp_path, sql):
    log = Log(app, tmp_path)
    with pytest.raises(NotFound, match="Nothing of the audit log is sealed yet"):
        viewer.checkpoint()
    sql(ENTRIES, first=1, last=600)
    log.seal()
    first = viewer.checkpoint()
    proof = viewer.proof(entry_id(9))
    assert proof.leads_to_root()
    assert (proof.size, proof.root) == (first.size, first.root)
    sql(ENTRIES, first=601, last=700)
    with pytest.raises(Conflict, match="not sealed yet"):
        viewer.proof(entry_id(601))
    log.seal()
    later = viewer.consistency(first.size, viewer.checkpoint().size)
    assert later.continues(first.root)
    assert not later.continues("00" * 32)
    assert viewer.audit_key().public_key == log.key
