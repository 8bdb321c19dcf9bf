"""Markdown: what becomes HTML, and that nothing of it runs, loads from elsewhere, or reaches into the page."""

import re
from html.parser import HTMLParser

import pytest
from xss import PAYLOADS

from catapult.rules.markdown import ATTRIBUTES, GUIDE_ATTRIBUTES, TAGS, Files, anchor, file_to_html, links, to_html

FORMS = ["{}", "text {} text", "# {}", "- {}", "> {}", "[{}](https://a.b)", "![{}](/x.png)", "|a|\n|-|\n|{}|", "**{}**"]
"""Where a payload is put."""


class Elements(HTMLParser):
    """The tags of a fragment with their attributes."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_comment(self, data):
        self.found.append(("!--", {}))

    handle_decl = handle_pi = unknown_decl = handle_comment


def check_harmless(html):
    for tag, attributes in Elements(html).found:
        assert tag in TAGS, html
        assert attributes.keys() <= ATTRIBUTES.get(tag, set()) | ({"rel"} if tag == "a" else set()), html
        if "href" in attributes:
            assert re.match(r"https?://", attributes["href"], re.IGNORECASE), html
            assert attributes["rel"] == "nofollow noopener", html
        if "src" in attributes:
            assert re.match(r"/(?![/\\])", attributes["src"]), html


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_known_payload_becomes_an_element_an_attribute_or_an_address(payload):
    for form in FORMS:
        check_harmless(to_html(form.format(payload)))


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("one\ntwo\n\nthree", "<p>one<br>\ntwo</p>\n<p>three</p>\n"),
        ("*a* **b** ~~c~~ `d<e`", "<p><em>a</em> <strong>b</strong> <s>c</s> <code>d&lt;e</code></p>\n"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
        ("3. a", '<ol start="3">\n<li>a</li>\n</ol>\n'),
        ("```python id=x\na < b\n```", "<pre><code>a &lt; b\n</code></pre>\n"),
        ("> a", "<blockquote>\n<p>a</p>\n</blockquote>\n"),
        ("---", "<hr>\n"),
        ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>\n"),
        ('[a](https://b.c/d?e=1&f "t")', '<p><a href="https://b.c/d?e=1&amp;f" rel="nofollow noopener">a</a></p>\n'),
        ("<https://b.c>", '<p><a href="https://b.c" rel="nofollow noopener">https://b.c</a></p>\n'),
        ("![a](/static/icon.svg)", '<p><img src="/static/icon.svg" alt="a"></p>\n'),
        ("", ""),
        ("a & b &amp; c", "<p>a &amp; b &amp; c</p>\n"),
    ],
)
def test_what_people_write_reads_as_they_mean_it(markdown, html):
    assert to_html(markdown) == html


def test_a_table_is_a_table_without_styles():
    assert Elements(to_html("|a|b|\n|:-|-:|\n|1|2|")).found == [
        *((tag, {}) for tag in ("table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"))
    ]


@pytest.mark.parametrize(
    "address",
    [
        "http://evil.test/x.png",
        "//evil.test/x",
        "/\\evil.test/x",
        "data:image/png;base64,AAAA",
        "x.png",
        "https:/x",
        "",
    ],
)
def test_an_image_of_another_origin_is_its_description(address):
    html = to_html(f"![a <b> picture](<{address}>)")
    assert "<img" not in html or 'src="/%5C' in html
    check_harmless(html)


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "mailto:a@b.c", "ftp://a.b", "//a.b", "/models", "#x", "data:,x"]
)
def test_a_link_of_another_scheme_leads_nowhere(address):
    assert not [attributes for _, attributes in Elements(to_html(f"[a]({address})")).found if "href" in attributes]


@pytest.mark.parametrize(
    ("markdown", "levels"),
    [
        ("# a\n## b\n# c", ["h3", "h4", "h3"]),
        ("### a\n###### b\n# c\n## d", ["h3", "h4", "h3", "h4"]),
        ("# a\n## b\n### c\n#### d\n##### e\n###### f", ["h3", "h4", "h5", "h6", "h6", "h6"]),
        ("a\n===\n\n> b\n> ---", ["h3", "h4"]),
    ],
)
def test_headings_are_below_those_of_the_page_and_skip_no_level(markdown, levels):
    assert [tag for tag, _ in Elements(to_html(markdown)).found if tag[0] == "h" and tag != "hr"] == levels


def test_a_page_says_at_which_level_its_headings_begin():
    html = to_html("# a\n## b", 2)
    assert [tag for tag, _ in Elements(html).found] == ["h2", "h3"]


@pytest.mark.parametrize("piece", ["[", "![", "*a", "_a*", "> ", "- ", "<", "&", "`", "[a](b", "|a", "\\", "(", "~~a"])
def test_ten_thousand_characters_of_anything_end(piece):
    html = to_html((piece * 10_000)[:10_000])
    assert len(html) < 100_000
    check_harmless(html)


@pytest.mark.parametrize(
    "piece",
    ["[", "![", "*a", "- a\n", "a\n", "&", "|a|\n|-|\n|b|\n", "|a" * 100 + "|\n" + "|-" * 100 + "|\n" + "|\n" * 2000],
)
def test_a_quarter_of_a_million_of_anything_ends(piece):
    html = to_html.__wrapped__((piece * 262_144)[:262_144])
    assert "a" in html or "[" in html or "&amp;" in html
    check_harmless(html.replace("<pre>", "<p>"))


# --- files

FILES = Files(
    (("plots/a%20b.png", "/at/1"), ("eval.json", "/at/2"), ("https://evil.test/x.png", "/at/4")),
    (("plots/a%20b.png", "/at/1"),),
)


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("![a *b*](<plots/a b.png>)", '<p><img src="/at/1" alt="a b"></p>\n'),
        ("[a](eval.json)", '<p><a href="/at/2" rel="nofollow noopener">a</a></p>\n'),
        ("[![a](plots/a%20b.png)][x]\n\n[x]: eval.json", None),
        ("![a](eval.json)", "<p>a</p>\n"),
        ("![a <b>](https://evil.test/y.png)", "<p>a &lt;b&gt;</p>\n"),
        ("![a](/static/icon.svg)", "<p>a</p>\n"),
        ("[a](/models) [b](gone.md) [c](#d)", "<p>a b c</p>\n"),
        ("[a](https://b.c)", '<p><a href="https://b.c" rel="nofollow noopener">a</a></p>\n'),
        ("<!-- Say\nwhat it is. -->\n\na", "<p>a</p>\n"),
        ("<!-- a --> b -->", "<p>&lt;!-- a --&gt; b --&gt;</p>\n"),
    ],
)
def test_a_file_leads_to_the_files_beside_it_and_shows_their_images_alone(markdown, html):
    shown = file_to_html(markdown, 3, FILES)
    assert (
        shown.strip() == html.strip()
        if html
        else Elements(shown).found[1:]
        == [
            ("a", {"href": "/at/2", "rel": "nofollow noopener"}),
            ("img", {"src": "/at/1", "alt": "a"}),
        ]
    )


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_file_holds_nothing_else_that_text_cannot(payload):
    for form in FORMS:
        html = file_to_html(form.format(payload), 3, FILES)
        for tag, attributes in Elements(html).found:
            assert tag in TAGS, html
            assert attributes.keys() <= ATTRIBUTES.get(tag, set()) | ({"rel"} if tag == "a" else set()), html
            assert re.match(r"https?://|/at/|$", attributes.get("href", ""), re.IGNORECASE), html
            assert attributes.get("src", "/at/1") == "/at/1", html


def test_the_links_of_a_text_are_those_of_its_links_and_images():
    text = "[a](b.md) ![c](d.png) <https://e.f> `[g](h)` [i][j] [a](b.md)\n\n[j]: <k l.md>\n"
    assert [link for link in links(text) if link] == ["b.md", "d.png", "https://e.f", "k%20l.md"]


# --- guides


def leads(link):
    return {"here.md": "./here", "#a": "#a", "https://b.c": "https://b.c"}.get(link)


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("## Keys and roles", '<h2 id="keys-and-roles">Keys and roles</h2>\n'),
        ("## `a_b`, *c*", '<h2 id="a_b-c"><code>a_b</code>, <em>c</em></h2>\n'),
        ("[a](here.md)", '<p><a href="./here" rel="nofollow noopener">a</a></p>\n'),
        ("[a](#a)", '<p><a href="#a" rel="nofollow noopener">a</a></p>\n'),
        ("[a `b`](../gone.md) c", "<p>a <code>b</code> c</p>\n"),
        ("[a](gone.md) [b](https://b.c)", '<p>a <a href="https://b.c" rel="nofollow noopener">b</a></p>\n'),
        ("![a](images/a.png)", "<p></p>\n"),
    ],
)
def test_a_guide_has_anchors_and_links_of_its_own(markdown, html):
    assert to_html(markdown, 2, leads) == html
    assert "id=" not in to_html(markdown)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_guide_holds_nothing_else_that_text_cannot(payload):
    for form in FORMS:
        for tag, attributes in Elements(to_html(form.format(payload), 2, lambda link: link)).found:
            assert tag in TAGS
            assert attributes.keys() <= GUIDE_ATTRIBUTES.get(tag, set()) | ({"rel"} if tag == "a" else set())
            assert re.match(r"https?://|\./|#|$", attributes.get("href", ""), re.IGNORECASE)
            assert re.fullmatch(r"[\w-]*", attributes.get("id", ""))


def test_an_anchor_is_as_github_makes_it():
    assert anchor("Keys, roles & `flask up`") == "keys-roles--flask-up"
