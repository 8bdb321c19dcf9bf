import hashlib
import hmac
import re
import string
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catapult.rules import key_format

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
FORM = re.compile(r"(cat_[A-Za-z0-9]{8})_([A-Za-z0-9]{43})([A-Za-z0-9]{6})")
KEY = key_format.make().key


def number(text):
    found = 0
    for digit in text:
        found = found * 62 + BASE62.index(digit)
    return found


def test_a_key_is_a_prefix_32_random_bytes_and_a_checksum():
    keys = [key_format.make() for _ in range(500)]
    for made in keys:
        prefix, secret, checksum = FORM.fullmatch(made.key).groups()
        assert prefix == made.prefix == key_format.prefix_of(made.key)
        assert number(secret) < 2**256
        assert number(checksum) == zlib.crc32(f"{prefix}_{secret}".encode())
    assert len({made.key for made in keys}) == len({made.prefix for made in keys}) == 500


@given(st.integers(0, len(KEY) - 1), st.sampled_from(BASE62 + "_-é "))
def test_any_wrong_character_is_told(place, character):
    typo = KEY[:place] + character + KEY[place + 1 :]
    assert key_format.prefix_of(typo) == (KEY[:12] if typo == KEY else None)


@given(st.integers(13, len(KEY) - 2))
def test_two_characters_in_the_wrong_order_are_told(place):
    typo = KEY[:place] + KEY[place + 1] + KEY[place] + KEY[place + 2 :]
    assert key_format.prefix_of(typo) == (KEY[:12] if typo == KEY else None)


@pytest.mark.parametrize(
    "wrong",
    ["", "cat_", KEY[:-1], KEY + "0", KEY + "\n", " " + KEY, KEY.upper(), KEY[4:], KEY + KEY],
    ids=["nothing", "start", "cut off", "digit more", "line more", "space before", "capitals", "end", "twice"],
)
def test_parts_of_keys_are_no_keys(wrong):
    assert key_format.prefix_of(wrong) is None


def test_the_hash_is_an_hmac_under_the_salt():
    assert key_format.hashed(KEY, "salt") == hmac.new(b"salt", KEY.encode(), hashlib.sha256).digest()
    assert key_format.hashed(KEY, "salt") != key_format.hashed(KEY, "another salt")


def test_the_salts_mark_tells_salts_apart_and_does_not_tell_them():
    assert key_format.salt_mark("one") == key_format.salt_mark("one") != key_format.salt_mark("other")
    assert re.fullmatch(r"[0-9a-f]{16}", key_format.salt_mark("one"))
