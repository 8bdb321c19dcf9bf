"""The reasons that people give: each must have something to read."""

import unicodedata

from catapult.errors import Invalid

FILLERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols that show nothing."""


def is_blank(text: str | None) -> bool:
    """Return whether the text shows nothing: it has no letter, digit, punctuation or symbol."""
    return not any(unicodedata.category(char)[0] in "LNPS" and char not in FILLERS for char in text or "")


def check(reason: str | None, detail: str, field: str = "reason") -> None:
    """Raise Invalid, with this detail, unless the reason can be read."""
    if is_blank(reason):
        raise Invalid(detail, errors={field: ["Required, in words that can be read."]})
