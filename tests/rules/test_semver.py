import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from semver import Version

from catapult.rules.semver import semver_key, semver_prefix

DOTTED = re.compile(r"\d+(\.\d+)*", re.ASCII)
numbers = st.one_of(st.integers(0, 20), st.integers(0, 10**30)).map(str)
words = st.text("0123456789ABCabcxyz-", min_size=1, max_size=6).filter(
    lambda text: not text.isdigit() or text == "0" or text[0] != "0"
)
parts = st.one_of(numbers, words, st.sampled_from(["alpha", "beta", "rc", "0", "-", "--", "a-", "a", "A", "1a"]))
prereleases = st.lists(parts, max_size=4).map(".".join)
builds = st.sampled_from(["", "+build", "+001", "+a.b-c"])
versions = st.builds(
    lambda core, prerelease, build: ".".join(core) + (f"-{prerelease}" if prerelease else "") + build,
    st.tuples(numbers, numbers, numbers),
    prereleases,
    builds,
)
near = st.builds(
    lambda core, prerelease: f"{core}-{prerelease}", st.sampled_from(["1.0.0", "1.0.1"]), prereleases.filter(bool)
)


def key(version):
    found = semver_key(version)
    assert found is not None
    return found.encode()


def sign(one, other):
    return (one > other) - (one < other)


@settings(max_examples=200)
@given(st.tuples(versions, versions) | st.tuples(near, near))
def test_keys_sort_as_semver_compares(both):
    one, other = both
    assert sign(key(one), key(other)) == Version.parse(one).compare(other)


@given(versions, st.sampled_from(["v", ""]))
def test_a_leading_v_is_ignored(version, v):
    assert semver_key(v + version) == semver_key(version)


@given(st.tuples(numbers, numbers, numbers).map(".".join), prereleases.filter(bool))
def test_a_pre_release_is_below_its_release(release, prerelease):
    assert key(f"{release}-{prerelease}") < key(release)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=128))
def test_any_version_string_has_a_key_or_is_no_semver(text):
    plain = text[1:] if text[:1] in ("v", "V") else text
    assert (semver_key(text) is not None) == (Version.is_valid(plain) or bool(DOTTED.fullmatch(plain)))


def test_the_order_that_semver_org_gives_as_an_example():
    ordered = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 2.0.0 2.1.0 2.1.1"
    assert all(key(lower) < key(higher) for lower, higher in itertools.pairwise(ordered.split()))


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=5),
    st.lists(st.integers(0, 12), min_size=1, max_size=5),
    st.booleans(),
)
def test_dotted_numbers_are_ordered_as_numbers_and_a_missing_one_of_three_is_0(one, other, zeros):
    def text(numbers):
        return ".".join(f"{number:02d}" if zeros else str(number) for number in numbers)

    padded = [numbers + [0] * (3 - len(numbers)) for numbers in (one, other)]
    assert sign(key(text(one)), key(text(other))) == sign(*padded)


def test_the_longest_numbers_a_version_may_hold_have_an_order():
    nine, ten = "9" * 100, "1" + "0" * 100
    assert key(f"{nine}.0.0") < key(f"{ten}.0.0")
    assert key(f"0.0.1-{nine}") < key(f"0.0.1-{ten}")


@pytest.mark.parametrize(
    "text",
    ["", "v", ".1", "1.", "1..0", "1.0-rc1", "1.0.0-01", "1.0.0-", "01.0.0-rc1", "vv1", "latest", "v 1.0.0", "²", "-1"],
)
def test_what_is_neither_semver_nor_dotted_numbers_has_no_key(text):
    assert semver_key(text) is None


@pytest.mark.parametrize(
    ("text", "versions", "others"),
    [
        ("2", ["2.0.0", "2.10.3-rc1"], ["20.0.0", "1.2.0"]),
        ("2.1", ["2.1.0", "2.1.9"], ["2.10.0"]),
        ("v2.1.", ["2.1.0", "v2.1.10"], ["2.10.0"]),
        ("2.1.0-rc", ["2.1.0-rc1", "2.1.0"], ["2.1.1"]),
    ],
)
def test_a_prefix_begins_the_keys_of_the_versions_that_go_on_after_it(text, versions, others):
    prefix = semver_prefix(text)
    assert all(semver_key(version).startswith(prefix) for version in versions)
    assert not any(semver_key(version).startswith(prefix) for version in others)


@pytest.mark.parametrize("text", ["", "nightly", "-1", ".2"])
def test_what_does_not_begin_with_a_number_has_no_prefix(text):
    assert semver_prefix(text) is None
