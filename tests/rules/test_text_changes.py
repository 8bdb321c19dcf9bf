from hypothesis import given
from hypothesis import strategies as st

from catapult.rules.text_changes import LENGTH, WORDS, beginning, text_changes

TEXTS = st.text(alphabet="ab \n<", max_size=60)


@given(TEXTS, TEXTS)
def test_what_is_not_new_is_the_old_text_and_what_is_not_gone_is_the_new(old, new):
    pieces = list(text_changes(old, new))
    assert "".join(piece.text for piece in pieces if piece.state != "new") == old
    assert "".join(piece.text for piece in pieces if piece.state != "gone") == new
    assert all(piece.text for piece in pieces)


def test_a_changed_word_is_gone_and_new_and_the_others_are_the_same():
    assert list(text_changes("eight GPUs now", "two GPUs now")) == [
        ("gone", "eight "),
        ("new", "two "),
        ("same", "GPUs now"),
    ]


def test_the_beginnings_of_long_texts_are_compared():
    assert beginning("a " * 10_000) == "a " * WORDS
    assert beginning("a" * 10_000) == "a" * LENGTH
    assert "".join(piece.text for piece in text_changes("", "b " * 5_000)) == "b " * WORDS
