"""Environments and gates of a registry that is made up, and the deployments to them."""

import json
from collections.abc import Callable
from typing import Any

from catapult.tables import RELEASE, DeploymentStatus, GateKind, Role

from .clock import HOUR, MINUTE, SECOND, stamp
from .copying import COLUMNS, line
from .ledger import Ledger
from .lives import Life
from .words import ADMIN, DEPLOYER, DEVELOPMENT, ENVIRONMENTS, PRODUCTION, RELEASERS

OPEN = 40
"""So many of the last deployments are still on their way, or one of a hundred where there are few."""
UPDATED, LIVE_FROM, ENDED, BY, COUNTER = 9, 10, 11, 12, 13
"""Places in a row of `deployments`."""

GATES: tuple[dict[str, Any], ...] = (
    {"model": "*", "target": RELEASE, "kind": GateKind.METRIC, "path": "accuracy", "op": ">=", "value": 0.5},
    {
        "model": "*",
        "target": RELEASE,
        "kind": GateKind.NO_REGRESSION,
        "path": "accuracy",
        "direction": "higher",
        "tolerance": 0.5,
    },
    {"model": "*", "target": PRODUCTION, "kind": GateKind.RELEASED},
)
"""Every version passes those of a release; and one that is asked for an approval, of a team, stands before production."""


class Placing:
    """Tells of environments, deployments and gates."""

    def __init__(self, ledger: Ledger, count: int, add: Callable[[str, str], None]) -> None:
        self.ledger, self.rng, self.add, self.count = ledger, ledger.rng, add, count
        self.rows: list[list[Any]] = []
        self.live: dict[tuple[str, str], list[Any]] = {}

    def make_environments(self) -> None:
        for rank, (name, description) in enumerate(ENVIRONMENTS.items(), start=1):
            at = self.ledger.begin - HOUR + rank * SECOND
            made = self.ledger.id(at)
            told = {"rank": rank, "protected": name == PRODUCTION, "description": description}
            self.add("environments", line(made, name, *told.values(), ADMIN.name, stamp(at), stamp(at), 2))
            self.ledger.tell(at, "environment.create", made, ADMIN, {"name": name, **told, "frozen": False})

    def deploy(self, at: int, life: Life) -> None:
        """What the model has newest goes to one of the environments; where customers are, its release."""
        environment = self.rng.choice(tuple(ENVIRONMENTS))
        image = life.newest if environment == DEVELOPMENT else life.release or life.newest
        assert image is not None, "a model's first version is there before anything is deployed"
        by = self.rng.choice(RELEASERS) if environment == PRODUCTION else DEPLOYER
        made, status = self.ledger.id(at), self._status()
        success = status == DeploymentStatus.SUCCESS
        url = f"https://{environment}.models.example.com/{life.name}" if success else None
        about = {"cluster": f"{environment}-1", "replicas": self.rng.randrange(1, 9)}
        when = stamp(at)
        fields = (image.id, life.id, environment, status, url, json.dumps(about), by.name, when, when)
        row = [made, *fields, when if success else None, None, None, 1]
        ended = self._replaced(row, life, environment) if success else {}
        self.rows.append(row)
        told = {"model": life.name, "version": image.version, "version_id": image.id, "environment": environment}
        self.ledger.tell(at, "deployment.create", made, by, {**told, "status": str(status), **ended})

    def _status(self) -> DeploymentStatus:
        if len(self.rows) >= self.count - max(1, min(OPEN, self.count // 100)):
            return self.rng.choice((DeploymentStatus.PENDING, DeploymentStatus.RUNNING))
        return DeploymentStatus.FAILED if self.rng.random() < 0.04 else DeploymentStatus.SUCCESS

    def _replaced(self, row: list[Any], life: Life, environment: str) -> dict[str, str]:
        """What was live there has ended for it; and what its entry says of that."""
        before = self.live.get((life.id, environment))
        self.live[life.id, environment] = row
        if before is None:
            return {}
        before[UPDATED] = before[ENDED] = row[LIVE_FROM]
        before[BY], before[COUNTER] = row[0], 2
        return {"ended_deployment": before[0]}

    def finish(self, team: str) -> None:
        """The deployments were told, and gates hold from now on: what is there already was held to none."""
        for row in self.rows:
            self.add("deployments", line(*row))
        waits = {
            "model": f"{team}/*",
            "target": PRODUCTION,
            "kind": GateKind.APPROVED,
            "count": 1,
            "role": Role.RELEASER,
        }
        for place, said in enumerate((*GATES, waits)):
            at = self.ledger.end - MINUTE + place * SECOND
            made = self.ledger.id(at)
            fields = {"id": made, **said, "created_by": ADMIN.name, "created_at": stamp(at), "updated_at": stamp(at)}
            self.add("gates", line(*(fields.get(name) for name in COLUMNS["gates"].split())))
            self.ledger.tell(at, "gate.create", made, ADMIN, said)
