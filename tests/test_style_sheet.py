"""The style sheet names nothing that is not there."""

import re
from pathlib import Path

import catapult

HERE = Path(catapult.__file__).parent
CSS = (HERE / "static/catapult.css").read_text()


def test_every_token_that_is_used_is_defined():
    assert set(re.findall(r"var\((--[\w-]+)", CSS)) <= set(re.findall(r"(--[\w-]+):", CSS))


def test_no_line_has_more_than_120_characters():
    assert [line for line in CSS.splitlines() if len(line) > 120] == []


def test_every_class_and_id_that_has_a_rule_is_on_a_page():
    bare = re.sub(r"/\*.*?\*/|\"[^\"]*\"", "", CSS, flags=re.S)
    named = set(re.findall(r"[.#]([a-zA-Z][\w-]*)(?=[^{}]*\{)", bare))
    files = [path for room in ("templates", "pages") for path in (HERE / room).rglob("*.*") if path.suffix != ".pyc"]
    words = set(re.findall(r"[\w-]+", " ".join(path.read_text() for path in files)))
    words |= set(re.findall(r"[\w-]+", " ".join(path.read_text() for path in (HERE / "static").rglob("*.js"))))
    built = {name for name in named if re.fullmatch(r"(c|h|of-|rank-)\d", name)}  # c0, h0, of-4: a letter and a number
    assert named - words - built == set()
