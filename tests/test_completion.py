"""What a filter box offers while somebody types, and the field that an unknown one may mean."""

import pytest

from catapult.filters import completion, conditions, nouns
from catapult.filters.mistakes import Misread

NOUN, PATHS = nouns.versions(), ["metadata.accuracy", 'metadata."top.1"']


@pytest.mark.parametrize(
    ("text", "rest", "texts"),
    [
        ("acc", "acc", ["metadata.accuracy"]),
        ("(is_release and sta", "sta", ["status"]),
        ("not is_rel", "is_rel", ["is_release"]),
        ("status ", "", ["=", "!=", "<", "<=", ">", ">=", "~", "exists", "in (", "and", "or"]),
        ("is_release ", "", ["=", "!=", "exists", "in (", "and", "or"]),
        ("metadata.accuracy >", ">", [">="]),
        ("status = ", "", ['"active"', '"archived"']),
        ('status = "ar', '"ar', ['"archived"']),
        ('status in ("active", ', "", ['"active"', '"archived"']),
        ("is_release = ", "", ["true", "false"]),
        ('tag = "gpu" ', "", ["and", "or"]),
        ('tag = "gpu" o', "o", ["or"]),
        ("metadata.accuracy >= ", "", []),
        ("a >> ", "", []),
    ],
)
def test_what_may_follow_is_offered(text, rest, texts):
    offer = completion.offer(NOUN, text, PATHS)
    assert text[offer.start :] == rest
    assert offer.texts == texts


def test_no_more_than_a_dozen_are_offered_and_the_metadata_comes_first():
    offer = completion.offer(NOUN, "", PATHS)
    assert len(offer.texts) == completion.MOST
    assert offer.texts[:2] == PATHS


@pytest.mark.parametrize(("text", "values_of"), [('model_name = "or', "model_name"), ("tag in (", "tag"), ("tag", "")])
def test_the_field_whose_values_are_asked_for_is_named(text, values_of):
    assert completion.offer(NOUN, text, PATHS).values_of == values_of


@pytest.mark.parametrize("text", ["x" * 3_000, '"', "metadata.", "\x00", "é and ", "(" * 500])
def test_whatever_is_typed_is_no_fault(text):
    assert completion.offer(NOUN, text, PATHS).start <= len(text)


@pytest.mark.parametrize(
    ("text", "field", "corrected"),
    [
        ("acuracy > 0.9", "metadata.accuracy", "metadata.accuracy > 0.9"),
        ("is_release and statsu = 'active'", "status", "is_release and status = 'active'"),
        ("tag = 1", None, None),
        ("nothing_like_it > 1", None, None),
        ("tag >", None, None),
    ],
)
def test_an_unknown_field_may_mean_the_nearest_known_one(text, field, corrected):
    with pytest.raises(Misread) as raised:
        conditions.condition(NOUN, conditions.parse(text))
    assert completion.nearest(raised.value, text, NOUN, PATHS) == (field and (field, corrected))
