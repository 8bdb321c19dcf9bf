"""What of a file is shown in place, and what of hostile ones."""

import json

import pytest

from catapult.rules import file_text
from catapult.rules.file_text import Kind, decoded, kind, laid_out, rows

OCTETS = "application/octet-stream"


@pytest.mark.parametrize(
    ("path", "media_type", "expected"),
    [
        ("plots/a.png", "image/png", Kind.IMAGE),
        ("a.txt", "image/webp", Kind.IMAGE),
        ("a.svg", "image/svg+xml", None),
        ("a.png", "image/svg+xml", None),
        ("a.png", "text/html", Kind.TEXT),  # as text, whatever it calls itself
        ("eval.json", OCTETS, Kind.JSON),
        ("eval", "application/json", Kind.JSON),
        ("A.CSV", OCTETS, Kind.TABLE),
        ("a.tsv", "text/tab-separated-values", Kind.TABLE),
        ("docs/CARD.md", OCTETS, Kind.MARKDOWN),
        ("LICENSE", OCTETS, Kind.TEXT),
        ("MLmodel", OCTETS, Kind.TEXT),
        ("train.log", "text/plain", Kind.TEXT),
        ("model.safetensors", OCTETS, None),
        ("a.pdf", "application/pdf", None),
        ("json", OCTETS, Kind.JSON),
        (".md/model", OCTETS, None),
    ],
)
def test_the_media_type_says_how_a_file_is_shown_or_else_its_name(path, media_type, expected):
    assert kind(path, media_type) == expected


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("größe".encode(), "größe"),
        (b"\xef\xbb\xbfmark", "mark"),
        (b"", ""),
        ("größe".encode("latin-1"), None),
        ("größe".encode("utf-16"), None),
        (b"a\0b", None),
        (b"\xed\xa0\x80", None),  # half a surrogate pair
        ("鍵".encode()[:2], None),
    ],
)
def test_only_utf_8_is_text(content, text):
    assert decoded(content) == text


def test_a_text_may_be_cut_amid_a_character():
    assert decoded("a鍵".encode()[:3], is_cut=True) == "a"
    assert decoded(b"a\xff", is_cut=True) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n", [["a", "b"], ["1", "2"]]),
        ("a;b,c;d\r\n1;2;3\r\n", [["a", "b,c", "d"], ["1", "2", "3"]]),
        ("a\tb\n1\t2", [["a", "b"], ["1", "2"]]),
        ('a,b\n"x ""y"", z\nof two lines","=1+1"\n', [["a", "b"], ['x "y", z\nof two lines', "=1+1"]]),
        ('a,b\n"never closed,1\n2\n', [["a", "b"], ["never closed,1\n2\n"]]),
        ("", []),
        ("\n\n", [[], []]),
        ("a\rb", [["a"], ["b"]]),
        (f"a\n{'x' * 501}", [["a"], ["x" * 500 + "…"]]),
        (",".join("a" * 60), [["a"] * 50]),
        ("a" * 200_000, None),  # longer than the reader of CSV takes in one cell
    ],
)
def test_rows_of_csv(text, expected):
    assert rows(text) == expected


def test_the_first_rows_are_shown_and_none_that_is_half_there():
    many = "head\n" + "".join(f"{number}\n" for number in range(1_000))
    assert [row[0] for row in rows(many)] == ["head", *map(str, range(201))]
    assert rows("head\n1\n2", is_cut=True) == [["head"], ["1"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":[1,{"b":{}}],"c":[]}', '{\n  "a": [\n    1,\n    {\n      "b": {}\n    }\n  ],\n  "c": []\n}'),
        ('{"a: [1,": "}, \\" {"}', '{\n  "a: [1,": "}, \\" {"\n}'),
        ("[1e400, 321588685835436830, 1.10]", "[\n  1e400,\n  321588685835436830,\n  1.10\n]"),
        ('{"a": 1,\n"b": 2}', '{"a": 1,\n"b": 2}'),
        ('"never closed', '"never closed'),
        ("]]}} no JSON", "]\n]\n}\n}no JSON"),
        ("", ""),
    ],
)
def test_json_of_one_line_has_a_line_for_each_value_as_it_is_written(text, expected):
    assert laid_out(text) == expected


@pytest.mark.parametrize("text", ["[" * 262_144, '{"a":' * 50_000, '"' * 262_144, "\\" * 262_144, "[1," * 80_000])
def test_json_of_any_depth_ends_and_is_not_longer_than_what_is_shown(text):
    assert len(laid_out(text)) <= file_text.LARGEST


def test_laying_out_changes_no_value():
    value = {"a": [1, 2.5, None, True, {"b": 'x, [y]: {z}\n\\"', "": []}], "c": {}}
    assert json.loads(laid_out(json.dumps(value))) == value


@pytest.mark.parametrize(
    ("content", "is_image"),
    [
        (b"\x89PNG\r\n\x1a\n...", True),
        (b"\xff\xd8\xff\xe0", True),
        (b"GIF89a", True),
        (b"RIFF\n\0\0\0WEBPVP8 ", True),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", False),
        (b"<html><script>alert(1)</script>", False),
        (b"RIFF\0\0\0\0WAVE", False),
        (b"", False),
    ],
)
def test_an_image_begins_as_its_kinds_do(content, is_image):
    assert bool(file_text.IMAGE.match(content)) == is_image
