"""Model cards: `README.md` and MLflow's `MLmodel` at the root of a version's files. Their text is stored when they are added."""

from catapult.rules import file_text
from catapult.rules.file_head import Facts, Read

README, MLMODEL = "readme.md", "mlmodel"
FORMATS = {README: "model card", MLMODEL: "MLflow model"}
"""By the path in lower case, since paths of a version do not differ in case alone."""

PATHS = ", ".join(f"'{path}'" for path in FORMATS)
"""As a list in SQL."""


def read(path: str, size: int, read: Read) -> tuple[str | None, Facts]:
    """Return the text of the file if it is a card, and its facts. A card that is not shown has a `problem`, and no text."""
    known = FORMATS.get(path.lower())
    if known is None:
        return None, {}
    if size > file_text.LARGEST:
        return None, {"format": known, "problem": "larger than 256 KiB, which is too large to show; download it"}
    text = file_text.decoded(read(0, size))
    if text is None:
        return None, {"format": known, "problem": "not UTF-8, so it is not shown; download it"}
    return text, {"format": known}
