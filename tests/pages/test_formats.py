from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from catapult.pages.parts import formats

NOW = datetime(2026, 11, 23, 10, 15, 30, 123456, tzinfo=UTC)
DAY = 86_400


def ago(seconds):
    return formats.ago(NOW - timedelta(seconds=seconds), NOW)


def clock(hours):
    return formats.clock(NOW + timedelta(hours=hours), NOW)


WRITTEN = [
    (formats.span, {0: "0 s", 59.9: "59 s", 60: "1 min", 3599: "59 min", 3600: "1 h", -5: "0 s", DAY: "1 day"}),
    (formats.span, {9.5 * DAY: "9 days", 30 * DAY: "1 month", 364 * DAY: "12 months", 800 * DAY: "2 years"}),
    (ago, {0: "just now", 9: "just now", 10: "10 s ago", -9: "just now", -3 * DAY: "in 3 days"}),
    (clock, {1: "11:15", 22: "Tue 08:15", 6 * 24: "Sun 10:15", 7 * 24: "30 Nov 10:15", -24: "22 Nov 10:15"}),
    (formats.initials, {"Mara Lindqvist": "ML", "Aiko van Tanaka": "AT", "ci-releases": "CR", "ci": "C", "-": "?"}),
    (formats.coded, {"Send `a<b` and `c`.": "Send <code>a&lt;b</code> and <code>c</code>.", "a ` b": "a ` b"}),
    (formats.exact, {NOW: "2026-11-23 10:15:30 UTC"}),
    (formats.size, {None: "", 0: "0 bytes", 999: "999 bytes", 1000: "1.0 kB", 4_100_000_000: "4.1 GB"}),
    (formats.size, {10**24: "1000000.0 EB"}),
    (formats.short_digest, {f"sha256:9f2c{'0' * 56}a1e0": "sha256:9f2c…a1e0", "sha256:abc123...": "sha256:abc123..."}),
    # Whole numbers have all digits, others six.
    (formats.number, {None: "", -0.0: "0", 0.953: "0.953", 1_204_880: "1,204,880", -1_204_880: "-1,204,880"}),
    (formats.number, {1234.00001: "1,234", 1234.5: "1,234.5", 1_234_567.8: "1,234,568", 999_999.7: "1,000,000"}),
    (formats.number, {3e-5: "3e-5", 0.0001: "0.0001", 1e15: "1e15", 1e300: "1e300", -1.5e300: "-1.5e300"}),
    (formats.number, {10**300: "1e300", 2**63: "9,223,372,036,854,775,808", Decimal("0.00003"): "3e-5"}),
    (formats.number, {10**30 + 1: "1,000,000,000,000,000,000,000,000,000,001", Decimal("0.10"): "0.1"}),
    (formats.number, {Decimal("1.0"): "1", Decimal("123456789012345678901234567890.5"): "1.23457e29"}),
    (formats.number, {Decimal(10**30 + 1): "1,000,000,000,000,000,000,000,000,000,001"}),
    (formats.signed, {0: "±0", 0.012: "+0.012", Decimal("-1.4"): "−1.4", 100_677: "+100,677"}),
    (formats.signed, {-(10**30) - 1: "−1,000,000,000,000,000,000,000,000,000,001", Decimal("-2e-9"): "−2e-9"}),
    # A percentage has one decimal, or two significant digits below one.
    (formats.percent, {1.2752: "+1.3 %", Decimal("-3.398"): "−3.4 %", 41: "+41.0 %", 0: "±0 %", 0.999: "+1.0 %"}),
    (formats.percent, {0.0123: "+0.012 %", -0.04999: "−0.05 %", -0.0531: "−0.053 %", 999.96: "+1,000 %"}),
    (formats.percent, {-12_345.6: "−12,346 %", 1e20: "+1e20 %"}),
    (formats.pretty, {"text": "text", True: "true", None: "null", 1000: "1,000", Decimal("0.50"): "0.5"}),
    (formats.is_link, {"https://example.org/a?b": True, "HTTP://x": True, "javascript:alert(1)": False, 7: False}),
    (formats.is_link, {"ftp://x": False, "https://x y": False, "https://x\n": False, " https://x": False, None: False}),
    (formats.is_link, {"https://host:443:80/x": False, "http://[": False, "https://x:8443/a:b": True}),
    (formats.FILTERS["oci"], {"sha256:" + "a" * 64: True, "sha256:abc123...": False}),
    # In a text field, only what begins a tag or a reference is escaped.
    (formats.escapable, {"&amp; &#38; &x &; && &": "&amp;amp; &amp;#38; &amp;x &; && &", "\"'>": "\"'>"}),
    (formats.escapable, {"</textarea><b <!-- <? < <1 <": "&lt;/textarea>&lt;b &lt;!-- &lt;? < <1 <"}),
]
CASES = [(function, value, text) for function, texts in WRITTEN for value, text in texts.items()]


@pytest.mark.parametrize(("function", "value", "text"), CASES)
def test_how_pages_write_values(function, value, text):
    assert function(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], "[]"),
        ({}, "{}"),
        ([1000, Decimal("0.10"), "é\n"], '[\n  1000,\n  0.10,\n  "é\\n"\n]'),
        ({"a": {"b": [True]}}, '{\n  "a": {\n    "b": [\n      true\n    ]\n  }\n}'),
    ],
)
def test_a_structure_of_metadata_is_json(value, text):
    assert formats.pretty(value) == text


def test_of_a_large_value_no_more_is_written_than_is_requested():
    value = {"a": [1, {"b": "c"}], "d": []}
    whole = formats.pretty(value)
    assert all(formats.pretty(value, length) == whole[:length] for length in range(len(whole) + 2))
    assert formats.beginning(iter(lambda: "endless", None), 10) == "endlessend"


URL = "https://git.example/org/x"


@pytest.mark.parametrize(
    ("metadata", "address"),
    [
        *(
            ({"git_url": f"{URL}{end}", "git_commit": "8c1f2ab"}, f"{URL}/commit/8c1f2ab")
            for end in ("", ".git", ".git/")
        ),
        ({"git_url": URL, "git_commit": "../../y?z#'\""}, f"{URL}/commit/..%2F..%2Fy%3Fz%23%27%22"),
        *(({"git_url": URL, "git_commit": commit}, None) for commit in ("", 7, "a" * 201)),
        *(
            ({"git_url": url, "git_commit": "8c1f2ab"}, None)
            for url in ("javascript:x", [URL], "git@git.example:x.git")
        ),
        ({"git_commit": "8c1f2ab"}, None),
        ({"git_url": URL}, None),
    ],
)
def test_a_commit_has_an_address_in_the_repository_that_metadata_names(metadata, address):
    assert formats.commit_address(metadata) == address
