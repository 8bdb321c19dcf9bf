"""What is remembered of a model and of a version while the rest is told."""

from dataclasses import dataclass
from typing import NamedTuple


class Image(NamedTuple):
    """A version."""

    id: str
    version: str
    life: "Life"


@dataclass
class Life:
    """A model, and how far it has come: its versions so far, the latest, and those that are deployed next."""

    id: str
    name: str
    team: str
    born: int
    made: int = 0
    latest: str | None = None
    newest: Image | None = None
    release: Image | None = None
