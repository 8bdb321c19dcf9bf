"""The paths of files in a version: relative, in one form, and valid on every system that they are downloaded to."""

from unicodedata import normalize

LONGEST, LONGEST_SEGMENT = 1_024, 255
"""The most characters of a path, and bytes of a segment in UTF-8, as file systems limit it."""
FORBIDDEN = frozenset('\\:*?"<>|')
"""Characters that Windows forbids in the names of files."""


def fault(path: str) -> str:
    """Return what is wrong with the path, as a sentence, or ""."""
    if not 0 < len(path) <= LONGEST:
        return f"Must have 1 to {LONGEST} characters."
    if normalize("NFC", path) != path:
        return "Must be in Unicode's form NFC, in which é is one character."
    return next(filter(None, map(_fault_of_segment, path.split("/"))), "")


def _fault_of_segment(segment: str) -> str:
    if segment in ("", ".", ".."):
        return "Must be relative, with no empty segment, no . and no ..: weights/model.safetensors."
    if len(segment.encode("utf-8", "replace")) > LONGEST_SEGMENT:
        return f"A segment may have {LONGEST_SEGMENT} bytes in UTF-8."
    if not segment.isprintable() or FORBIDDEN & set(segment):
        return 'Must have visible characters alone, and none of \\ : * ? " < > |.'
    if segment[0] == " " or segment[-1] in " .":
        return "No segment begins with a blank, or ends with a blank or a dot."
    return ""
