"""The matrix of models and environments: what a cell shows, and the next step of a model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from catapult.queries.live import BEHIND, promotion_path
from catapult.queries.stages import Cells


@dataclass(frozen=True)
class Cell:
    """What is `live` of a model in an environment, what is `unfinished`, and what `failed` since; None for nothing.

    `ahead` says how many versions it is ahead of the next environment; `linked` whether the two are compared at all.
    """

    stage: Any
    live: Any | None
    unfinished: Any | None
    failed: Any | None
    ahead: str = ""
    linked: bool = False

    def is_overdue(self, now: datetime) -> bool:
        """Return whether what is unfinished takes longer than the environment allows."""
        within = self.stage.deploy_within
        return bool(self.unfinished and within and (now - self.unfinished.deployed_at).total_seconds() > within)


@dataclass(frozen=True)
class Step:
    """A version that can go from one environment to the next."""

    version: str
    stage: Any


@dataclass(frozen=True)
class Row:
    """A model: its cells in the order of the environments, and the steps it can take, the first one first."""

    model_id: str
    model_name: str
    cells: tuple[Cell, ...]
    steps: tuple[Step, ...]

    @property
    def unfinished(self) -> Any | None:
        """The deployment on its way that began last; None if there is none."""
        begun = [cell.unfinished for cell in self.cells if cell.unfinished]
        return max(begun, key=lambda row: row.deployed_at) if begun else None


def rows(models: Sequence[Any], stages: Sequence[Any], cells: Cells) -> list[Row]:
    """Return a row for each model (`model_id model_name`), with a cell for each environment."""
    path = [stage.place for stage in promotion_path(stages)]
    return [_row(model, stages, path, cells[model.model_id]) for model in models]


def _row(model: Any, stages: Sequence[Any], path: list[str], by_environment: dict[str, list[Any]]) -> Row:
    cells = [cell(stage, by_environment.get(stage.place, [])) for stage in stages]
    steps = []
    for index, (here, following) in enumerate(pairwise(cells)):
        if here.live is None or following.stage.place not in path:
            continue
        ahead = _ahead(here.live, following.live)
        cells[index] = replace(here, ahead=ahead, linked=following.live is not None)
        if ahead or following.live is None:
            steps.append(Step(here.live.version, following.stage))
    return Row(model.model_id, model.model_name, tuple(cells), tuple(steps))


def cell(stage: Any, rows: Sequence[Any]) -> Cell:
    """Return the cell of an environment from its rows of `queries.stages.cells`."""
    live = next((row for row in rows if row.live), None)
    other = next((row for row in rows if not row.live), None)
    failed = other is not None and other.status == "failed"
    return Cell(stage, live, None if failed else other, other if failed else None)


def _ahead(live: Any, following: Any | None) -> str:
    """Return how many versions newer it is than the next environment's: `2`, or `98+` where counting ended."""
    if following is None or not hasattr(live, "behind"):
        return ""
    count = following.behind - live.behind
    return f"{count}{'+' if following.behind == BEHIND else ''}" if count > 0 else ""
