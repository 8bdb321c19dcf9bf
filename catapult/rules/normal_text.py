"""The form in which texts are compared: Unicode NFC, in which é is one character however it was typed. For columns,
PostgreSQL's `normalize` computes it. Stored texts stay as they were sent."""

from unicodedata import normalize


def normal(text: str) -> str:
    """Return the text in NFC."""
    return normalize("NFC", text)
