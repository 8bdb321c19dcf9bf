"""Aliases through the SDK and `catapult alias …`, against the real application."""

from datetime import timedelta

import pytest
from peer import MODEL

from catapult import InvalidArgument, NotFound, Validation


@pytest.fixture
def second(admin, version):
    return admin.create_version(MODEL, "2.0", tag="v2", digest=version.digest)


def test_an_alias_is_set_found_listed_and_deleted(admin, version, second):
    first = admin.set_alias(MODEL, "champion", version, reason="First")
    assert (first.name, first.version, first.reason, first.until) == ("champion", version.version, "First", None)
    moved = admin.set_alias(admin.get_model_by_name(MODEL), "Champion", second.id)
    assert admin.version_of(MODEL, "CHAMPION") == admin.get_version(second.id)
    assert admin.version_of(MODEL, "champion").aliases == ["champion"]
    assert admin.get_latest_version(MODEL, alias="champion").id == second.id
    assert [row.version for row in admin.aliases(MODEL)] == ["2.0"]
    before = moved.since - timedelta(microseconds=1)
    assert [(row.version, row.until) for row in admin.aliases(MODEL, before)] == [(version.version, moved.since)]
    admin.delete_alias(MODEL, "champion", reason="over")
    assert list(admin.aliases(MODEL)) == []
    with pytest.raises(NotFound):
        admin.version_of(MODEL, "champion")
    assert admin.get_latest_version(MODEL, alias="champion") is None


@pytest.mark.parametrize("alias", ["", "a/b", "@champion", "a b", None, "x" * 63])
def test_what_cannot_be_an_alias_is_not_sent(admin, version, alias):
    for call in (lambda: admin.set_alias(MODEL, alias, version), lambda: admin.version_of(MODEL, alias)):
        with pytest.raises(InvalidArgument, match="alias is"):
            call()
    with pytest.raises(InvalidArgument):
        admin.check_gates(version, f"@{alias or ''}")


def test_what_the_registry_refuses_names_the_fields(admin, version):
    with pytest.raises(Validation, match="v followed by digits"):
        admin.set_alias(MODEL, "v7", version)
    with pytest.raises(NotFound, match="no model named"):
        admin.set_alias("org/none", "champion", version)


def test_each_command_does_what_it_says(by_admin, version, second):
    assert by_admin("alias", "list", MODEL).err == f"catapult: {MODEL} has no aliases.\n"
    done = by_admin("alias", "set", MODEL, "champion", version.version, "--reason", "First")
    assert (done.status, done.out) == (0, f"champion of {MODEL} points at {version.version}\n")
    assert by_admin("alias", "set", MODEL, "champion", "2.0").status == 0
    listed = by_admin("alias", "list", MODEL).out.split()
    assert (listed[:2], listed[-2:]) == (["champion", "2.0"], ["by", "admin-key"])
    assert (
        by_admin("alias", "list", MODEL, "--at", "2026-01-01T00:00:00Z").err == f"catapult: {MODEL} had no aliases.\n"
    )
    assert by_admin("latest", MODEL, "--alias", "champion").out == "2.0\n"
    removed = by_admin("alias", "remove", MODEL, "champion")
    assert (removed.status, removed.out) == (0, f"champion of {MODEL} is removed\n")
    refused = by_admin("alias", "remove", MODEL, "champion")
    assert (refused.status, refused.out, "no alias champion" in refused.err) == (1, "", True)
    for wrong in (("set", MODEL, "champion", "2.0", "--force"), ("remove", MODEL, "a/b"), ("list",)):
        assert by_admin("alias", *wrong).status == 2, wrong
