"""Two years of a registry that is made up, of any size, with the audit entries that the actions would have written.

Models are born one after the other; a few have most of the versions. What was registered is uploaded, evaluated and described,
some of it promoted, some archived; the newest goes to environments, where it is live until the next one.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from .clock import DAY, MINUTE, stamp
from .copying import line
from .ledger import YEARS, Ledger
from .lives import Life
from .placing import Placing
from .registering import Registering
from .words import TRAINERS, Named, names

SPARE = 20
"""Entries that are kept back for what happens after the last version."""


class Size(NamedTuple):
    """How many of each there are in the end."""

    models: int
    versions: int
    deployments: int
    entries: int


class Timeline:
    """Tells all of it to `add`, which takes a table's name and a row for it as `copying.line` writes them."""

    def __init__(self, size: Size, end: int, salt: str, add: Callable[[str, str], None]) -> None:
        self.size, self.salt, self.add = size, salt, add
        self.ledger = Ledger(f"catapult {size}", end, add)
        self.lives: list[Life] = []
        self.registering = Registering(self.ledger, add)
        self.placing = Placing(self.ledger, size.deployments, add)

    def tell(self) -> None:
        """All rows were told, each table's about in the order in which they came to be; models without what versions change.

        Raises ValueError for a size of too few entries.
        """
        ledger, entries = self.ledger, self.size.entries
        ledger.make_keys(self.salt)
        self.placing.make_environments()
        self._models()
        moments = sorted(self._moments())
        for step, (at, deploys, place) in enumerate(moments, start=1):
            ledger.catch_up(at)
            (self.placing.deploy if deploys else self.registering.register)(at, self.lives[place])
            ledger.come_and_go(at, (entries - SPARE) * step // len(moments))
        ledger.catch_up(ledger.end)
        self.placing.finish(self.lives[0].team)
        ledger.come_and_go(ledger.end - MINUTE, entries)
        if ledger.entries != entries:
            raise ValueError(f"{entries} entries are too few for so many versions and deployments.")

    def _moments(self) -> Iterator[tuple[int, bool, int]]:
        """When a version of which model is registered, and when one is deployed."""
        weights = [1 / (place + 10) for place in range(self.size.models)]
        counts = zip(shares(self.size.versions, weights, 1), shares(self.size.deployments, weights, 0), strict=True)
        for place, (versions, deployments) in enumerate(counts):
            first = self.lives[place].born + MINUTE
            rest = self.ledger.end - first
            yield first, False, place
            for n in range(versions + deployments - 1):
                yield first + 1 + int(rest * self.ledger.rng.random()), n >= versions - 1, place

    def _models(self) -> None:
        for place, named in enumerate(names(self.size.models, self.ledger.rng)):
            born = self.ledger.begin + YEARS * 7 * place // (8 * self.size.models)
            self.lives.append(Life(self.ledger.id(born), named.name, named.team, born))
            self._model(self.lives[-1], named, {"team": named.team, "cost_center": 4000 + place})

    def _model(self, life: Life, named: Named, about: dict[str, object]) -> None:
        image, trainer = f"ghcr.io/example/{named.name}", TRAINERS[named.team]
        told = {"name": named.name, "storage_path": image}
        self.ledger.later(life.born, self.ledger.tell, "model.create", life.id, trainer, told)
        changes = {"description": {"old": "A first try.", "new": named.description}}
        told_later = {"name": named.name, "changes": changes}
        at = self.ledger.between(life.born, DAY, 30 * DAY)
        changed = self.ledger.rng.random() < 0.3 and self.ledger.later(
            at, self.ledger.tell, "model.update", life.id, trainer, told_later
        )
        tags = "{" + ",".join(named.tags) + "}"
        fields = (life.id, named.name, image, image, named.description, tags, json.dumps(about), 0, None)
        self.add("models", line(*fields, stamp(life.born), stamp(at if changed else life.born), 1 + changed))


def shares(whole: int, weights: Sequence[float], least: int) -> list[int]:
    """The whole, divided by these weights, at least so much each; what is left over goes to the first ones."""
    free, total = whole - least * len(weights), sum(weights)
    parts = [least + int(free * weight / total) for weight in weights]
    for place in range(whole - sum(parts)):
        parts[place % len(parts)] += 1
    return parts
