"""The names that an alias can have, and what a target is."""

import re

import pytest

from catapult.contract.control import ApprovalIn
from catapult.rules import targets
from catapult.tables import ALIAS


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(
            (name, True)
            for name in ("champion", "Champion", "a", "7", "v", "v7a", "v-7", "latest-1", "_", "-", "a" * 62)
        ),
        *((name, False) for name in ("", "latest", "LATEST", "v7", "V0123", "a" * 63, "a.b", "a/b", "a b", "@a", "é")),
        *((name, False) for name in ("a\n", "latest\n", "v7\n", "a\x00")),
    ],
)
def test_the_name_of_an_alias(name, expected):
    assert targets.is_alias(name) is expected
    assert (re.fullmatch(f"(?:{ALIAS})", name) is not None and len(name) <= 62) is expected
    assert ("target" not in ApprovalIn().validate({"target": f"@{name}"})) is expected


@pytest.mark.parametrize(
    ("target", "alias", "is_environment"),
    [("release", None, False), ("staging", None, True), ("a/b", None, True), ("@champion", "champion", False)],
)
def test_a_target_is_a_release_an_environment_or_an_alias(target, alias, is_environment):
    assert (targets.alias_of(target), targets.is_environment(target)) == (alias, is_environment)
    assert targets.of_alias("Champion") == "@champion"
