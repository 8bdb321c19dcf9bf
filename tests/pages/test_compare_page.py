import re
from html import unescape
from urllib.parse import quote

import pytest

PATH = "/models/org/bert/compare"


def tables(response):
    """The rows of each table as texts, heads first; a picture is no text."""
    return [
        [
            [
                " ".join(unescape(re.sub(r"<[^>]+>", " ", cell)).split())
                for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.S)
            ]
            for row in re.findall(r"<tr>.*?</tr>", table, re.S)
        ]
        for table in re.findall(r"<table.*?</table>", response.text, re.S)
    ]


def rows(response):
    """`{key: its values}` of the metadata."""
    return {key: cells for key, *cells in tables(response)[0][1:]}


def chosen(response):
    """What is chosen in each list; None in one that nothing is chosen from yet."""
    chooser = response.text.partition('id="chooser"')[2].partition("</form>")[0]
    found = re.findall(r"<option value=\"\">Choose a version|<option selected>([^<]*)", chooser)
    return [unescape(name) or None for name in found]


def address(*names, **more):
    pairs = [("v", name) for name in names] + [(name, str(value)) for name, value in more.items()]
    return PATH + "?" + "&".join(f"{name}={quote(value)}" for name, value in pairs)


@pytest.fixture
def three(api, model):
    """Versions of a model: a release, one that is a little better, and one that is otherwise."""
    nested = {"latency_ms": {"p99": 41.2}, "same": "x"}
    first = {"accuracy": 0.941, "samples": 1_104_203, "torch": "2.12.1", **nested}
    second = {"accuracy": 0.953, "samples": 1_204_880, "torch": "2.13.0", **nested}
    third = {"accuracy": "n/a", "torch": "2.12.1", "distilled": True, "zero": 0, **nested}
    api.version(model, "1.0.0", metadata=first, is_release=True, size_bytes=4_000_000_000, release_notes="The first.")
    api.version(model, "1.1.0", metadata=second, quantization="fp16")
    return api.version(model, "2.0.0-rc1", metadata=third, digest="sha256:abc123...")


def test_versions_stand_side_by_side_measured_by_the_first(browser, three):
    page = browser.get(address("1.0.0", "1.1.0", "2.0.0-rc1"))
    assert page.status_code == 200
    assert rows(page) == {
        "accuracy": ["0.941", "0.953 +0.012 (+1.3 %)", "n/a changed", ""],
        "distilled": ["—", "—", "true new", ""],
        "latency_ms.p99": ["41.2", "41.2", "41.2", ""],
        "same": ["x", "x", "x", ""],
        "samples": ["1,104,203", "1,204,880 +100,677 (+9.1 %)", "—", ""],
        "torch": ["2.12.1", "2.13.0 changed", "2.12.1", ""],
        "zero": ["—", "—", "0 new", ""],
    }
    assert "1.0.0 is the base · 5 of 7 keys differ" in page.words
    assert tables(page)[0][0] == ["Key", "1.0.0 release", "1.1.0", "2.0.0-rc1", "Range"]


def test_only_differences_leaves_out_what_is_the_same(browser, three):
    page = browser.get(address("1.0.0", "1.1.0", only=1))
    assert list(rows(page)) == ["accuracy", "samples", "torch"]
    assert re.search(r'name="only"[^>]* checked', page.text)
    assert "3 of 5 keys differ" in page.words


@pytest.mark.parametrize(("metadata", "text"), [({"a": 1}, "No key differs"), ({}, "have no metadata")])
def test_equal_metadata_and_none_are_named(browser, api, model, metadata, text):
    for version in ("1.0.0", "2.0.0"):
        api.version(model, version, metadata=metadata)
    page = browser.get(address("1.0.0", "2.0.0", only=1))
    assert text in page.words
    assert ["tag", "v1.0.0", "v2.0.0"] in tables(page)[-1]


def test_the_images_stand_below_the_metadata(browser, api, three):
    api.deployment(three, "staging")
    found = {key: cells for key, *cells in tables(browser.get(address("1.0.0", "2.0.0-rc1")))[1][1:]}
    assert found["digest"][:2] == ["sha256:aaaa…aaaa", "sha256:abc123... malformed"]
    assert found["size"][:2] == ["4.0 GB", "—"]
    assert found["platform"][:2] == ["linux/amd64", "linux/amd64"]
    assert found["live in"][:2] == ["—", "staging"]
    assert found["notes"][:2] == ["The first.", "—"]


def test_dots_show_where_differing_numbers_lie(browser, three):
    page = browser.get(address("1.0.0", "1.1.0"))
    assert page.text.count('class="range"') == 2


def test_a_model_with_one_version_has_nothing_to_compare(browser, version):
    assert "There is nothing to compare yet" in browser.get(PATH).text


@pytest.mark.parametrize(
    ("names", "columns", "text"),
    [
        ([], [None, None], "Choose two versions"),
        (["1.1.0"], ["1.1.0", None], "Choose two versions"),
        (["1.0.0", "1.0.0"], ["1.0.0", None], "Choose another version"),
        (["1.0.0", "1.0.0", "1.1.0"], ["1.0.0", "1.1.0"], "1.0.0 was given more than once and is shown once."),
        (["1.0.0", "9.9.9", "<b>", "\0", "1.1.0"], ["1.0.0", "1.1.0"], "org/bert has no version 9.9.9, &lt;b&gt;,"),
    ],
)
@pytest.mark.parametrize("htmx", [None, "comparison"])
def test_what_cannot_be_compared_is_named_and_the_rest_is(browser, three, names, columns, text, htmx):
    page = browser.get(address(*names), htmx=htmx)
    assert page.status_code == 200
    assert text in page.words
    assert chosen(page) == columns
    assert bool(tables(page)) is (None not in columns)
    assert ("more than once" in page.text) is (names.count("1.0.0") > 1)


def test_more_than_six_are_refused_and_the_first_six_are_shown(browser, api, model):
    names = [f"{number}.0.0" for number in range(8)]
    for name in names:
        api.version(model, name, metadata={"a": name})
    page = browser.get(address(*names))
    assert page.status_code == 422
    assert "At most six versions can be compared. Not shown: 6.0.0, 7.0.0." in page.words
    assert chosen(page) == names[:6]
    assert "+ version" not in page.text
    assert browser.get(address(*names[:6])).status_code == 200


def test_a_column_more_and_less_are_addresses(browser, three):
    page = browser.get(address("1.0.0", "1.1.0", only=1))
    assert f'href="{PATH}?v=1.0.0&amp;v=1.1.0&amp;v=&amp;only=1"' in page.text
    assert "Remove" not in page.text
    more = browser.get(PATH + "?v=1.0.0&v=1.1.0&v=")
    assert chosen(more) == ["1.0.0", "1.1.0", None]
    less = browser.get(address("1.0.0", "1.1.0", "2.0.0-rc1"))
    assert f'href="{PATH}?v=1.0.0&amp;v=2.0.0-rc1" hx-get' in less.text


def test_htmx_gets_the_tables_and_the_lists_beside_them(browser, three):
    part = browser.get(address("1.0.0", "1.1.0"), htmx="comparison")
    assert "<html" not in part.text
    assert 'id="comparison"' not in part.text
    assert rows(part)["accuracy"][0] == "0.941"
    assert 'id="chooser"' in part.text
    assert 'hx-swap-oob="true"' in part.text
    assert chosen(part) == ["1.0.0", "1.1.0"]
    assert "hx-swap-oob" not in browser.get(address("1.0.0", "1.1.0")).text


def test_a_list_that_was_just_added_gets_the_focus(browser, three):
    added = {"HX-Trigger": "add-version"}
    where = PATH + "?v=1.0.0&v=1.1.0&v="
    assert 'id="version-3" name="v" autofocus' in browser.get(where, htmx="comparison", headers=added).text
    assert "autofocus" not in browser.get(where, htmx="comparison").text


def test_lists_and_long_texts_are_folded(browser, api, model):
    api.version(model, "1.0.0", metadata={"short": [1, "a"], "long": list(range(100)), "text": "lorem " * 60})
    api.version(model, "2.0.0", metadata={"short": [1, "b"], "text": "w" * 5000})
    page = browser.get(address("1.0.0", "2.0.0"))
    assert rows(page)["short"][:2] == ['[1, "a"]', '[1, "b"] changed']
    assert "<details><summary>100 values</summary>" in page.text
    assert ("w" * 4000 + "…</pre>") in page.text
    assert "w" * 4001 not in page.text
    assert "On the page of 2.0.0" in page.text
