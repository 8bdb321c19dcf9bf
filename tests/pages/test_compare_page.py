import re
from html import unescape
from unicodedata import normalize
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
        for table in re.findall(r"<table.*?</table>", response.text.replace("<wbr>", ""), re.S)
    ]


def rows(response):
    """`{key: its values}` of the metadata."""
    return {key: cells for key, *cells in tables(response)[0][1:]}


def chosen(response):
    """The versions that are compared, the base first."""
    chooser = response.text.partition('id="chooser"')[2].partition("</form>")[0]
    return [unescape(name) for name in re.findall(r'name="v" value="([^"]*)"', chooser)]


def blanks(response):
    """How many lists there are to choose a further version from."""
    return response.text.count('<select id="add-')


def plotted(response):
    """`{key: its dots in words}` in the order of the plot."""
    plot = response.text.partition('<ol class="plot">')[2].partition("</ol>")[0]
    found = re.findall(r'<span class="name mono">(.*?)</span>\s*<svg[^>]*aria-label="([^"]*)"', plot, re.S)
    return {re.sub("<[^>]+>", "", key): words for key, words in found}


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


def test_versions_stand_side_by_side_measured_by_the_base(browser, three):
    page = browser.get(address("1.0.0", "1.1.0", "2.0.0-rc1"))
    assert page.status_code == 200
    assert rows(page) == {
        "samples": ["1,104,203", "1,204,880 +9.1 %", "—"],
        "accuracy": ["0.941", "0.953 +0.012", "n/a"],
        "distilled": ["—", "—", "true"],
        "latency_ms.p99": ["41.2", "41.2 same", "41.2 same"],
        "same": ["x", "same", "same"],
        "torch": ["2.12.1", "2.13.0", "same"],
        "zero": ["—", "—", "0"],
    }
    assert list(rows(page))[:3] == ["samples", "accuracy", "distilled"]
    assert "5 of 7 keys differ" in page.words
    assert tables(page)[0][0] == ["Key", "base 1.0.0 release", "Compare with 1 1.1.0", "Compare with 2 2.0.0-rc1"]


def test_the_release_is_the_base_else_the_oldest_and_the_others_follow_by_age(browser, api, model):
    for version in ("1.0.0", "1.1.0", "1.2.0", "1.3.0"):
        api.version(model, version, metadata={"a": 1}, is_release=version in ("1.1.0", "1.2.0"))
    assert chosen(browser.get(address("1.3.0", "1.2.0", "1.1.0", "1.0.0"))) == ["1.2.0", "1.0.0", "1.1.0", "1.3.0"]
    assert chosen(browser.get(address("1.3.0", "1.1.0"))) == ["1.1.0", "1.3.0"]
    assert chosen(browser.get(address("1.3.0", "1.0.0"))) == ["1.0.0", "1.3.0"]


def test_the_head_of_a_column_makes_it_the_base_and_the_address_says_so(browser, three):
    page = browser.get(address("1.0.0", "1.1.0"))
    assert f'href="{PATH}?v=1.0.0&amp;v=1.1.0&amp;base=1.1.0"' in page.text
    other = browser.get(address("1.0.0", "1.1.0", base="1.1.0"))
    assert chosen(other) == ["1.1.0", "1.0.0"]
    assert rows(other)["accuracy"] == ["0.953", "0.941 −0.012"]
    assert 'name="base" value="1.1.0"' in other.text


@pytest.mark.parametrize("base", ["2.0.0-rc1", "9.9.9", "<b>", "x" * 300])
def test_a_base_that_is_not_compared_is_named_and_the_release_is_the_base(browser, three, base):
    page = browser.get(address("1.0.0", "1.1.0", base=base))
    assert page.status_code == 200
    assert chosen(page) == ["1.0.0", "1.1.0"]
    assert "is not among these versions, so they are compared with 1.0.0." in page.words
    assert "<b>" not in page.text


METRICS = [
    ("accuracy", 0.90, [0.94, 0.80], ["better", "worse"]),
    ("latency.p95", 20.0, [10.0, 21.0], ["better", "worse"]),
    ("f1", 0.5, [0.6, 0.4], ["better", "worse"]),
    ("loss", 2.0, [1.0, 3.0], ["better", "worse"]),
    ("exact", 1.0, [2.0, 0.5], ["", ""]),
    ("both", 1.0, [2.0, 0.5], ["", ""]),
    ("free", 1.0, [2.0, 0.5], ["", ""]),
]


def test_better_and_worse_are_said_only_where_a_gate_of_the_model_gives_the_direction(browser, api, model, gate):
    gate(path="accuracy", op=">=", value=0.9)
    gate(path="latency.p95", op="<", value=50, target="staging")
    gate(kind="no_regression", path="f1", direction="higher", tolerance=0, model="org/*")
    gate(kind="no_regression", path="loss", direction="lower", tolerance=0)
    gate(path="exact", op="==", value=1)
    gate(path="both", op=">", value=0)
    gate(path="both", op="<", value=9)
    gate(path="free", op=">", value=0, model="others/*")
    for number in range(3):
        values = {path: [base, *others][number] for path, base, others, _ in METRICS}
        api.version(model, f"1.{number}.0", metadata=values)
    page = browser.get(address("1.0.0", "1.1.0", "1.2.0"))
    said = rows(page)
    for path, _, _, verdicts in METRICS:
        for cell, verdict in zip(said[path][1:], verdicts, strict=True):
            assert cell.endswith(verdict or " %"), path
    dots = plotted(page)
    assert list(dots)[:4] == ["latency.p95", "loss", "f1", "accuracy"]
    assert dots["latency.p95"] == "1.1.0 −50.0 %, better; 1.2.0 +5.0 %, worse"
    assert dots["free"] == "1.1.0 +100.0 %; 1.2.0 −50.0 %"
    assert page.text.count('class="dot better"') == page.text.count('class="dot worse"') == 4


def test_better_is_right_of_the_base_and_worse_is_left_of_it(browser, api, model, gate):
    gate(path="ms", op="<=", value=50)
    for number, value in enumerate((20, 10, 40)):
        api.version(model, f"1.{number}.0", metadata={"ms": value})
    text = browser.get(address("1.0.0", "1.1.0", "1.2.0")).text
    places = {verdict: float(x) for verdict, x in re.findall(r'class="dot (\w+)" x="([\d.]+)%"', text)}
    assert places["worse"] < 50 < places["better"]


def test_the_plot_has_the_largest_change_first_and_at_most_twelve_rows(browser, api, model):
    for version, change in (("1.0.0", 0), ("1.1.0", 1)):
        api.version(model, version, metadata={f"key_{key:02}": 100 + change * key for key in range(20)}, size_bytes=7)
    page = browser.get(address("1.0.0", "1.1.0"))
    assert list(plotted(page)) == [f"key_{key:02}" for key in range(19, 7, -1)]
    assert "7 more in the table" in page.words


def test_the_size_of_the_image_is_in_the_plot_and_below_its_value(browser, api, model):
    api.version(model, "1.0.0", size_bytes=4_000_000_000)
    api.version(model, "1.1.0", size_bytes=1_000_000_000)
    page = browser.get(address("1.0.0", "1.1.0"))
    assert plotted(page) == {"image size": "1.1.0 −75.0 %"}
    assert ["size", "4.0 GB", "1.0 GB −75.0 %"] in tables(page)[-1]


def test_numbers_beyond_every_scale_are_drawn_and_said(browser, api, model):
    for version, value in (("1.0.0", 1e-300), ("1.1.0", 1e300), ("1.2.0", -(10**30))):
        api.version(model, version, metadata={"a": value, "b": 0 if version == "1.0.0" else value})
    page = browser.get(address("1.0.0", "1.1.0", "1.2.0"))
    assert page.status_code == 200
    assert list(plotted(page)) == ["a"]
    assert rows(page)["a"][1].endswith("+over 1e308 %")
    assert all(0 <= float(x) <= 100 for x in re.findall(r'class="dot " x="([^%]+)%', page.text))


def test_notes_are_compared_as_text(browser, api, model):
    for version, notes in (
        ("1.0.0", "Trained on 8 GPUs.\n<b>"),
        ("1.1.0", "Trained on 16 GPUs.\n<b>"),
        ("1.2.0", None),
    ):
        api.version(model, version, release_notes=notes)
    api.version(model, "1.3.0", release_notes="Trained on 8 GPUs.\n<b>")
    api.version(model, "1.4.0", release_notes="word " * 1_000)
    for number, form in ((5, "NFD"), (6, "NFC")):
        api.version(model, f"1.{number}.0", release_notes=normalize(form, "Café reviews"))
    assert tables(browser.get(address("1.5.0", "1.6.0")))[-1][-1][2] == "same"
    page = browser.get(address(*(f"1.{number}.0" for number in range(5))))
    assert "Trained on <del>8 </del><ins>16 </ins>GPUs.\n&lt;b&gt;" in page.text
    notes = tables(page)[-1][-1]
    assert (notes[3], notes[4]) == ("—", "same")
    assert notes[5].endswith("… All of it")


def test_only_differences_leaves_out_what_is_the_same(browser, three):
    page = browser.get(address("1.0.0", "1.1.0", only=1))
    assert list(rows(page)) == ["samples", "accuracy", "torch"]
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
    assert found["platform"][:2] == ["linux/amd64", "same"]
    assert found["live in"][:2] == ["—", "staging"]
    assert found["notes"][:2] == ["The first.", "—"]


def test_a_model_with_one_version_has_nothing_to_compare(browser, version):
    assert "There is nothing to compare yet" in browser.get(PATH).text


@pytest.mark.parametrize(
    ("names", "columns", "text"),
    [
        ([], [], "Choose two versions"),
        (["1.1.0"], ["1.1.0"], "Choose two versions"),
        (["1.0.0", "1.0.0"], ["1.0.0"], "Choose another version"),
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
    assert bool(tables(page)) is (len(columns) > 1)
    assert blanks(page) == max(2 - len(columns), 1)
    assert ("more than once" in page.text) is (names.count("1.0.0") > 1)


def test_more_than_six_are_refused_and_the_first_six_are_shown(browser, api, model):
    names = [f"{number}.0.0" for number in range(8)]
    for name in names:
        api.version(model, name, metadata={"a": name})
    page = browser.get(address(*names))
    assert page.status_code == 422
    assert "At most six versions can be compared. Not shown: 6.0.0, 7.0.0." in page.words
    assert chosen(page) == names[:6]
    assert blanks(page) == 0
    assert browser.get(address(*names[:6])).status_code == 200


def test_a_version_is_added_by_a_form_and_removed_by_an_address(browser, three):
    page = browser.get(address("1.0.0", "1.1.0", only=1))
    assert "Remove" not in page.text
    assert re.findall(r"<option>([^<]*)", page.text) == ["2.0.0-rc1"]
    assert chosen(browser.get(PATH + "?v=1.0.0&v=1.1.0&v=")) == ["1.0.0", "1.1.0"]
    less = browser.get(address("1.0.0", "1.1.0", "2.0.0-rc1", base="1.1.0"))
    assert f'href="{PATH}?v=1.0.0&amp;v=2.0.0-rc1" hx-get' in less.text
    assert f'href="{PATH}?v=1.1.0&amp;v=2.0.0-rc1&amp;base=1.1.0" hx-get' in less.text


def test_htmx_gets_the_tables_and_the_lists_beside_them(browser, three):
    part = browser.get(address("1.0.0", "1.1.0"), htmx="comparison")
    assert "<html" not in part.text
    assert 'id="comparison"' not in part.text
    assert rows(part)["accuracy"][0] == "0.941"
    assert 'id="chooser"' in part.text
    assert 'hx-swap-oob="true"' in part.text
    assert chosen(part) == ["1.0.0", "1.1.0"]
    empty = browser.get(PATH + "?v=1.0.0&v=1.1.0&v=", htmx="comparison")
    assert empty.headers["HX-Push-Url"] == address("1.0.0", "1.1.0")
    assert "hx-swap-oob" not in browser.get(address("1.0.0", "1.1.0")).text


def test_lists_and_long_texts_are_folded(browser, api, model):
    api.version(model, "1.0.0", metadata={"short": [1, "a"], "long": list(range(100)), "text": "lorem " * 60})
    api.version(model, "2.0.0", metadata={"short": [1, "b"], "text": "w" * 5000})
    page = browser.get(address("1.0.0", "2.0.0"))
    assert rows(page)["short"][:2] == ['[1, "a"]', '[1, "b"]']
    assert "<details><summary>100 values</summary>" in page.text
    assert ("w" * 2400 + "…</pre>") in page.text
    assert "w" * 2401 not in page.text
    assert "On the page of 2.0.0" in page.text
