"""The names of environments. URLs contain them, followed by fixed segments that a name must not contain."""

from catapult.tables import RESERVED_SEGMENTS

SEGMENT = r"[A-Za-z0-9][A-Za-z0-9._-]*"
PATTERN = rf"{SEGMENT}(?:/{SEGMENT})*"
RULE = "Must be segments joined by /; each starts with a letter or digit and contains only letters, digits and ._-."
RESERVED = f"No segment after the first may be {', '.join(RESERVED_SEGMENTS)} or -: they are part of addresses."


def is_reserved(name: str) -> bool:
    """Return whether a segment after the first is one of the URLs' own segments."""
    return bool({*RESERVED_SEGMENTS, "-"} & set(name.lower().split("/")[1:]))
