from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from catapult.pages.parts import formats

NOW = datetime(2026, 11, 23, 10, 15, 30, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86_400, "1 day"),
        (9.5 * 86_400, "9 days"),
        (30 * 86_400, "1 month"),
        (364 * 86_400, "12 months"),
        (365 * 86_400, "1 year"),
        (800 * 86_400, "2 years"),
        (-5, "0 s"),
    ],
)
def test_a_length_of_time_has_one_unit(seconds, said):
    assert formats.span(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "just now"), (9, "just now"), (10, "10 s ago"), (-9, "just now"), (-259_200, "in 3 days")]
)
def test_a_time_is_told_from_now(seconds, said):
    assert formats.ago(NOW - timedelta(seconds=seconds), NOW) == said


def test_an_exact_time_is_in_utc():
    assert formats.exact(NOW) == "2026-11-23 10:15:30 UTC"


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (None, ""),
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (4_100_000_000, "4.1 GB"),
        (10**24, "1000000.0 EB"),
    ],
)
def test_a_size_is_in_units_of_a_thousand(count, said):
    assert formats.size(count) == said


def test_a_digest_is_cut_in_its_middle_and_a_short_one_is_not():
    assert formats.short_digest("sha256:9f2c" + "0" * 56 + "a1e0") == "sha256:9f2c…a1e0"
    assert formats.short_digest("sha256:abc123...") == "sha256:abc123..."


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, ""),
        (0, "0"),
        (-0.0, "0"),
        (0.953, "0.953"),
        (Decimal("0.10"), "0.1"),
        (Decimal("1.0"), "1"),
        (1_204_880, "1,204,880"),
        (-1_204_880, "-1,204,880"),
        (1234.00001, "1,234"),
        (1234.5, "1,234.5"),
        (1_234_567.8, "1,234,568"),
        (999_999.7, "1,000,000"),
        (3e-5, "3e-5"),
        (Decimal("0.00003"), "3e-5"),
        (0.0001, "0.0001"),
        (1e15, "1e15"),
        (1e300, "1e300"),
        (-1.5e300, "-1.5e300"),
        (10**300, "1e300"),
        (2**63, "9,223,372,036,854,775,808"),
        (10**30 + 1, "1,000,000,000,000,000,000,000,000,000,001"),
        (Decimal(10**30 + 1), "1,000,000,000,000,000,000,000,000,000,001"),
        (Decimal("123456789012345678901234567890.5"), "1.23457e29"),
    ],
)
def test_a_number_has_all_digits_if_it_is_whole_and_six_if_not(value, said):
    assert formats.number(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "±0"),
        (0.012, "+0.012"),
        (Decimal("-1.4"), "−1.4"),
        (100_677, "+100,677"),
        (-(10**30) - 1, "−1,000,000,000,000,000,000,000,000,000,001"),
        (Decimal("-2e-9"), "−2e-9"),
    ],
)
def test_a_difference_has_a_sign(value, said):
    assert formats.signed(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.2752, "+1.3 %"),
        (Decimal("-3.398"), "−3.4 %"),
        (41, "+41.0 %"),
        (0, "±0 %"),
        (0.0123, "+0.012 %"),
        (-0.04999, "−0.05 %"),
        (-0.0531, "−0.053 %"),
        (0.999, "+1.0 %"),
        (999.96, "+1,000 %"),
        (-12_345.6, "−12,346 %"),
        (1e20, "+1e20 %"),
    ],
)
def test_a_percentage_has_one_digit_or_those_that_count(value, said):
    assert formats.percent(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("text", "text"),
        (True, "true"),
        (None, "null"),
        (1000, "1,000"),
        (Decimal("0.50"), "0.5"),
        ([], "[]"),
        ({}, "{}"),
        ([1000, Decimal("0.10"), "é\n"], '[\n  1000,\n  0.10,\n  "é\\n"\n]'),
        ({"a": {"b": [True]}}, '{\n  "a": {\n    "b": [\n      true\n    ]\n  }\n}'),
    ],
)
def test_a_value_of_metadata_reads_as_text_or_as_json(value, said):
    assert formats.pretty(value) == said


@pytest.mark.parametrize(
    ("value", "may"),
    [
        ("https://example.org/a?b", True),
        ("HTTP://x", True),
        ("javascript:alert(1)", False),
        ("ftp://x", False),
        ("https://x y", False),
        ("https://x\n", False),
        (" https://x", False),
        (7, False),
        (None, False),
    ],
)
def test_only_http_is_a_link(value, may):
    assert formats.is_link(value) is may


@pytest.mark.parametrize(
    "repository", ["https://git.example/org/x", "https://git.example/org/x.git", "https://git.example/org/x.git/"]
)
def test_a_commit_has_an_address_in_the_repository_that_metadata_names(repository):
    metadata = {"git_url": repository, "git_commit": "8c1f2ab"}
    assert formats.commit_address(metadata) == "https://git.example/org/x/commit/8c1f2ab"


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"git_commit": "8c1f2ab"},
        {"git_url": "https://git.example/x"},
        {"git_url": "https://git.example/x", "git_commit": ""},
        {"git_url": "https://git.example/x", "git_commit": 7},
        {"git_url": "https://git.example/x", "git_commit": "a" * 201},
        {"git_url": "javascript:alert(1)", "git_commit": "8c1f2ab"},
        {"git_url": ["https://git.example/x"], "git_commit": "8c1f2ab"},
        {"git_url": "git@git.example:org/x.git", "git_commit": "8c1f2ab"},
    ],
)
def test_without_a_repository_on_the_web_a_commit_has_none(metadata):
    assert formats.commit_address(metadata) is None


def test_a_commit_leads_nowhere_else_in_its_repository():
    metadata = {"git_url": "https://git.example/x", "git_commit": "../../y?z#'\""}
    assert formats.commit_address(metadata) == "https://git.example/x/commit/..%2F..%2Fy%3Fz%23%27%22"


@pytest.mark.parametrize(("digest", "is_one"), [("sha256:" + "a" * 64, True), ("sha256:abc123...", False)])
def test_a_digest_that_no_registry_takes_is_told(digest, is_one):
    assert formats.FILTERS["oci"](digest) is is_one


def test_of_a_large_value_no_more_is_written_than_is_asked_for():
    whole = formats.pretty({"a": [1, {"b": "c"}], "d": []})
    assert [formats.pretty({"a": [1, {"b": "c"}], "d": []}, length) for length in range(len(whole) + 2)] == [
        whole[:length] for length in range(len(whole) + 2)
    ]
    assert formats.beginning(iter(lambda: "endless", None), 10) == "endlessend"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("&amp; &#38; &x &; && &", "&amp;amp; &amp;#38; &amp;x &; && &"),
        ("</textarea><b <!-- <? < <1 <", "&lt;/textarea>&lt;b &lt;!-- &lt;? < <1 <"),
        ("\"'>", "\"'>"),
    ],
)
def test_in_a_text_field_only_what_begins_a_tag_or_a_reference_is_escaped(text, written):
    assert formats.escapable(text) == written
