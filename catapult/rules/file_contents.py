"""What is stored of a file's content beside its hash, so that pages and gates need not read the file again."""

from typing import Any

from catapult.rules import file_signatures, model_cards, model_files
from catapult.rules.file_head import Read


def of(path: str, size: int, read: Read) -> dict[str, Any]:
    """Return `facts`, what is inside; `card`, the text of a model card; and `bundle`, that of the version's signature."""
    card, problem = model_cards.read(path, size, read)
    facts = problem or model_files.facts(path, size, read)
    return {"facts": facts, "card": card, "bundle": file_signatures.bundle(path, size, read)}
