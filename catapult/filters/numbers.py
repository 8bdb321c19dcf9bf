"""The numbers of versions' metadata as `metrics` keeps them, one a version and path, in reach of an index.

How a test on them is best answered depends on how many pass it, which PostgreSQL cannot know: its statistics of `value` are of
all paths at once. So the statement itself looks, up to `MANY`, and goes one way or another:

- few: their ids are read from the index, and the versions by their ids;
- more: their ids are read into a hash, and the versions walked in their order;
- many: the versions are walked, and each one's number looked up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, and_, any_, case, false, func, literal_column, select, true

from catapult.tables import Metric, Version

V: Any = Version.__table__.c
ROWS: Any = Metric.__table__.alias()
"""Every subquery has its own rows of `metrics` under this name: a new name for each is dear to make."""

FEW, MANY = 1_000, 10_000

Condition = ColumnElement[bool]
Test = Callable[[Any], Condition]


@dataclass(frozen=True)
class Numbers:
    """Those at one path; of one model's versions where `model` is an id.

    `certain` has to hold too where other keys of the metadata might read like this path.
    """

    path: str
    certain: Condition | None = None
    model: Any = None

    def where(self, test: Test) -> Condition:
        """Whether the version has such a number and it passes the test; never NULL."""
        return self._of(test(ROWS.c.value))

    def passing(self, test: Test) -> "Passing | None":
        """The versions of the model that may pass the test; None where it is not known which model's, or that it may be any's."""
        if self.model is None:
            return None
        ids = select(ROWS.c.version_id).where(ROWS.c.model_id == self.model, ROWS.c.path == self.path)
        return Passing(ids.where(test(ROWS.c.value)), self._looked_up(test), self.certain)

    @property
    def missing(self) -> Condition:
        """Whether the version has no such number."""
        return ~self._of()

    @cached_property
    def table(self) -> Any:
        """What to join with, `on` its condition; `value` is a column of it."""
        return Metric.__table__.alias()

    @property
    def value(self) -> Any:
        return self.table.c.value

    @property
    def on(self) -> Condition:
        return self._belongs(self.table)

    def _looked_up(self, test: Test) -> Condition:
        """As `where`. Not by EXISTS, which PostgreSQL may turn into a hash of all there are."""
        number = select(ROWS.c.value).where(self._belongs(ROWS)).correlate(Version.__table__).scalar_subquery()
        return func.coalesce(test(number), false())

    def _of(self, *conditions: Condition) -> Condition:
        query: Any = select(literal_column("1")).select_from(ROWS).where(self._belongs(ROWS), *conditions)
        found: Condition = query.correlate(Version.__table__).exists()
        return found

    def _belongs(self, rows: Any) -> Condition:
        """The model's id says no more than the version's; with it the index that begins with it can be used."""
        found = and_(rows.c.version_id == V.id, rows.c.model_id == V.model_id, rows.c.path == self.path)
        if self.certain is None:
            return found
        # A condition on both tables is looked at last: for the few that are left, metadata is read.
        return found & case((rows.c.value.is_not(None), self.certain), else_=false())


@dataclass(frozen=True)
class Passing:
    """Versions by their ids, the query `ids`; whether a version is one of them is `looked_up` in an index."""

    ids: Any
    looked_up: Condition
    certain: Condition | None

    @cached_property
    def count(self) -> Any:
        """How many there are, up to `MANY`."""
        some = self.ids.with_only_columns(literal_column("1")).limit(MANY).subquery()
        counted = select(func.count().label("n")).select_from(some).cte()
        return select(counted.c.n).scalar_subquery()

    @property
    def condition(self) -> Condition:
        """Whether the version is one of them, answered in the better of two ways."""
        hashed = V.id.in_(self.ids)
        if self.certain is not None:
            hashed = case((hashed, self.certain), else_=false())
        found: Condition = case((self.count == MANY, self.looked_up), else_=hashed) == true()
        return found


def among_few(several: tuple[Passing, ...]) -> Condition:
    """Whether the version is among the fewest of these; only where they are few."""
    least = fewest(several)
    # Sorted, as the index is: PostgreSQL would read the whole table for a thousand that it thinks are many.
    arrays = [
        (one.count == least, func.array(one.ids.order_by(ROWS.c.value).limit(FEW).scalar_subquery())) for one in several
    ]
    ids = case(*arrays) if len(arrays) > 1 else arrays[0][1]
    found: Condition = V.id == any_(func.coalesce(ids, type_=ARRAY(V.id.type)))
    return found


def fewest(several: tuple[Passing, ...]) -> Any:
    counts = [one.count for one in several]
    return func.least(*counts) if len(counts) > 1 else counts[0]
