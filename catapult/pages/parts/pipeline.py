"""The pipeline on the overview: a row a model, a cell an environment, and between two how many versions one is ahead."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from catapult.queries.live import BEHIND, Matrix
from catapult.tables import DeploymentStatus


@dataclass(frozen=True)
class Cell:
    """An environment of a model: what is `live` there, and the `attempt` after it that runs or has failed; None for neither.

    `ahead` is how far this version is from the one in the environment `of`, the next that has one: `2 ahead`, or empty if
    they are the same; None if there is no next one. `progress` is the share of the usual time that has passed, in per cent.
    """

    model_name: str
    environment: str
    live: Any
    attempt: Any
    ahead: str | None = None
    of: str = ""
    progress: int | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether a deployment is pending or running here."""
        return self.attempt is not None and self.attempt.status != DeploymentStatus.FAILED

    @property
    def seconds(self) -> float:
        """How long the attempt has run."""
        return float((datetime.now(UTC) - self.attempt.at).total_seconds())


@dataclass(frozen=True)
class Row:
    """A model: its name, what is live of it somewhere, its cells, and how many versions are newer than all that is live."""

    model_name: str
    live: Any
    newer: str
    cells: list[Cell]


def rows(matrix: Matrix, attempts: Mapping[tuple[str, str], Any]) -> list[Row]:
    """Return the rows of the matrix. Only the environments on the way of a version, its `stages`, are compared."""
    return [_row(matrix, row, attempts) for row in matrix.rows]


def _row(matrix: Matrix, row: dict[str, Any], attempts: Mapping[tuple[str, str], Any]) -> Row:
    any_of_it = next(iter(row.values()))
    stages = [name for name in matrix.environments[: matrix.stages] if name in row]
    following = dict(pairwise(stages))
    cells = []
    for name in matrix.environments:
        live, attempt = row.get(name), attempts.get((any_of_it.model_id, name))
        of = following.get(name, "")
        ahead = _ahead(live, row[of]) if of else None
        cells.append(Cell(any_of_it.model_name, name, live, attempt, ahead, of, _progress(attempt)))
    return Row(any_of_it.model_name, any_of_it, _counted(min(live.behind for live in row.values())), cells)


def _ahead(left: Any, right: Any) -> str:
    if left.release_id == right.release_id:
        return ""
    if left.behind >= BEHIND and right.behind >= BEHIND:
        return "differs"
    difference = right.behind - left.behind
    sign = "+" if max(left.behind, right.behind) >= BEHIND else ""
    return f"{abs(difference)}{sign} {'ahead' if difference > 0 else 'behind'}" if difference else "differs"


def _counted(number: int) -> str:
    return f"{number}{'+' if number >= BEHIND else ''}" if number else ""


def _progress(attempt: Any) -> int | None:
    if attempt is None or not attempt.usual:
        return None
    return min(99, int(100 * (datetime.now(UTC) - attempt.at).total_seconds() / float(attempt.usual)))
