"""Numbers of versions' metadata by the index of `metrics` on (model_id, path, value).

The best way to answer a comparison depends on how many versions pass it. PostgreSQL cannot estimate that, because its
statistics of `metrics.value` mix all paths. So the statement counts the passing versions, up to `MANY`, and takes one
of three ways:

- below `FEW`: read the passing versions by their ids and sort them (`queries.lists.sorting`);
- below `MANY`: walk the versions in order, and look each id up in a hash of the passing ids;
- from `MANY` on: walk the versions in order, and look up each one's number.

docs/decisions/0030 has the measurements. The index has numbers as floats. From `SHARED_FROM` on several whole numbers
share one float; `metrics.exact` tells them apart.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, and_, case, false, func, literal_column, or_, select, true

from catapult.filters.operators import ORDERED, compare
from catapult.rules.numbers import SHARED_FROM, Number
from catapult.tables import Metric, Version

V: Any = Version.__table__.c
METRICS: Any = Metric.__table__.alias()
"""The rows of every subquery. They share one alias, because a new alias for each is slow to build."""

FEW, MANY = 1_000, 10_000

Condition = ColumnElement[bool]


class MetricPath:
    """The numbers at one path of one model's versions, or of all models' (`model_id` is then `EVERY_MODEL` of `nouns`).

    `confirmed` is an extra condition on the version, because a single key with dots can have the same path. Set
    `in_order` if the list is scanned in the order of an index until the page is full.
    """

    def __init__(self, path: str, model_id: Any, confirmed: Condition | None, in_order: bool) -> None:
        self.path, self.model_id, self.confirmed, self.in_order = path, model_id, confirmed, in_order
        self.table: Any = Metric.__table__.alias()
        self.value, self.exact = self.table.c.value, self.table.c.exact
        self.on = self._of_version(self.table)
        self._passing: dict[Any, Passing] = {}

    def passing(self, operator: str, numbers: tuple[Number, ...]) -> "Passing":
        """Return the versions that pass the comparison. The object is cached, so that a statement counts them only once."""
        key = (operator, *map(repr, numbers))  # in Python 1e23 equals another whole number than 10**23
        return self._passing.setdefault(key, Passing(self, operator, numbers))

    def exists(self, *conditions: Condition) -> Condition:
        """Return whether the version has a number at this path that meets the conditions, which are about `METRICS`."""
        query: Any = select(literal_column("1")).select_from(METRICS).where(self._of_version(METRICS), *conditions)
        condition: Condition = query.correlate(Version.__table__).exists()
        return condition

    def number(self, column: Any) -> Any:
        """Return this column of `METRICS` for the version. Unlike EXISTS, it is never turned into a hash of all numbers."""
        return select(column).where(self._of_version(METRICS)).correlate(Version.__table__).scalar_subquery()

    def _of_version(self, rows: Any) -> Condition:
        """Return the condition that the rows are this version's numbers at the path. `model_id` is only there for the index."""
        same = and_(rows.c.version_id == V.id, rows.c.model_id == V.model_id, rows.c.path == self.path)
        if self.confirmed is None:
            return same
        # A condition on both tables is evaluated last, so that metadata is read for the few rows that are left.
        return same & case((rows.c.value.is_not(None), self.confirmed), else_=false())


@dataclass(frozen=True, eq=False)
class Passing:
    """The versions whose number passes one comparison."""

    metric: MetricPath
    operator: str
    numbers: tuple[Number, ...]

    @cached_property
    def ids(self) -> Any:
        """The query for their ids."""
        at_path = (METRICS.c.model_id == self.metric.model_id, METRICS.c.path == self.metric.path)
        return select(METRICS.c.version_id).where(*at_path, self._compare(METRICS.c.value, METRICS.c.exact))

    @cached_property
    def count(self) -> Any:
        """Their number, counted up to `MANY`."""
        some = self.ids.with_only_columns(literal_column("1")).limit(MANY).subquery()
        counted = select(func.count().label("n")).select_from(some).cte()
        return select(counted.c.n).scalar_subquery()

    @property
    def few(self) -> Any:
        """An array of their ids, complete where they are fewer than `FEW`."""
        # Ordered as the index is. Otherwise PostgreSQL, which expects many rows, would read the whole table.
        return func.array(self.ids.order_by(METRICS.c.value).limit(FEW).scalar_subquery())

    @property
    def condition(self) -> Condition:
        """Whether the version is one of them; NULL or false if it has no number."""
        if not self.metric.in_order:
            return self.metric.exists(self._compare(METRICS.c.value, METRICS.c.exact))
        hashed: Condition = V.id.in_(self.ids)
        if self.metric.confirmed is not None:
            hashed = case((hashed, self.metric.confirmed), else_=false())
        looked_up = self._compare(self.metric.number(METRICS.c.value), self.metric.number(METRICS.c.exact))
        condition: Condition = case((self.count == MANY, looked_up), else_=hashed) == true()
        return condition

    def _compare(self, value: Any, exact: Any) -> Condition:
        """Return the comparison of a row's `value` and `exact`. It begins with one that the index answers."""
        floats = [float(number) for number in self.numbers]
        large = [number for number in self.numbers if abs(number) >= SHARED_FROM]
        if not large:
            return compare(value, self.operator, floats)
        decided = compare(exact, self.operator, large)
        if self.operator not in ORDERED:
            return and_(compare(value, self.operator, floats), or_(exact.is_(None), decided))
        strictly = self.operator[0]
        return and_(compare(value, f"{strictly}=", floats), or_(compare(value, strictly, floats), decided))
