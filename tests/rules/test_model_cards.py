"""Cards as teams have them, and YAML that nobody should have."""

from pathlib import Path

import pytest

from catapult.rules import front_matter, model_cards
from catapult.rules.file_head import Unreadable
from catapult.rules.front_matter import fields, split

CARDS = Path(__file__).parent.parent / "cards"
README, MLMODEL = (CARDS / name for name in ("README.md", "MLmodel"))


def read(path, content):
    return model_cards.read(path, len(content), lambda start, stop: content[start:stop])


def test_the_text_of_a_card_is_kept_and_of_no_other_file():
    assert read("README.md", b"# a") == ("# a", {"format": "model card"})
    assert read("readme.MD", b"# a") == ("# a", {"format": "model card"})
    assert read("MLmodel", b"a: b") == ("a: b", {"format": "MLflow model"})
    assert read("docs/README.md", b"# a") == read("README", b"# a") == (None, {})


@pytest.mark.parametrize("content", [b"\xff", b"a\0b", b"x" * 262_145])
def test_a_card_that_is_not_shown_says_why(content):
    text, facts = read("README.md", content)
    assert (text, facts["format"], "download it" in facts["problem"]) == (None, "model card", True)
    assert read("README.md", b"x" * 262_144)[0] is not None


def test_the_fields_of_a_card_of_hugging_face():
    yaml, body = split(README.read_text())
    values = fields(yaml)
    assert (values["license"], values["language"], values["base_model"]) == (
        "apache-2.0",
        ["en", "no"],
        "distilbert/distilbert-base-uncased",
    )
    assert values["model-index"][0]["results"][0]["metrics"][0]["value"] == "0.9105504587155964"
    assert body.startswith("\n# DistilBERT")


def test_the_fields_of_an_mlmodel():
    values = fields(MLMODEL.read_text())
    assert (list(values["flavors"]), values["model_uuid"]) == (
        ["python_function", "sklearn"],
        "5f1ce7ad4b4f4b7a8e5a0dcbf6d8c1a2",
    )


@pytest.mark.parametrize(
    ("text", "yaml", "body"),
    [
        ("---\na: b\n---\n# x", "a: b\n", "# x"),
        ("---\r\na: b\r\n---\r\n# x", "a: b\r\n", "# x"),
        ("---\na: b\n---", "a: b\n", ""),
        ("---\n---\n# x", "", "# x"),
        ("# x\n---\na: b\n---\n", "", "# x\n---\na: b\n---\n"),
        ("---\na: b\n", "", "---\na: b\n"),
        (" ---\na: b\n---\n", "", " ---\na: b\n---\n"),
        ("", "", ""),
    ],
)
def test_front_matter_is_between_lines_of_dashes_at_the_beginning(text, yaml, body):
    assert split(text) == (yaml, body)


def test_every_value_is_the_text_that_was_written():
    yaml = "a: no\nb: 1.10\nc: 2024-01-01\nd: ~\ne: 0x1F\nf: 1e400\ng: !!python/object/apply:os.system [id]\nh: !x y"
    assert fields(yaml) == {
        **{"a": "no", "b": "1.10", "c": "2024-01-01", "d": "~", "e": "0x1F", "f": "1e400", "g": ["id"], "h": "y"}
    }


BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        (BOMB, r"refers to one of its own parts \(\*a\)"),
        ("a: &a [*a]", "refers to one of its own parts"),
        ("[" * 10_000, "levels|nesting"),
        ("a: " + "{b: " * 30, "levels"),
        ("- " * 30, "levels"),
        ("- a\n" * 11_000, "more than 10,000 values"),
        ("a" * 65_537, "longer than 65,536"),
        ("- a", "not a list of names"),
        ("", "not a list of names"),
        ("a: b\n---\nc: d", "another document"),
        ("? [a]\n: b", "unhashable"),
        ("a: 'b", "line 1"),
        ("a: \x01", "not YAML"),
        ("a: \ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace") + "\n\tb", "line 2"),
    ],
)
def test_yaml_beyond_its_limits_is_refused(yaml, problem):
    with pytest.raises(Unreadable, match=problem):
        fields(yaml)


def test_the_parser_is_the_one_in_c():
    """In Python it needs a second for what this one reads in 10 ms."""
    assert front_matter.LOADER.__name__ == "CBaseLoader"
