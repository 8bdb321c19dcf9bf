"""Keep the figures of weeks that are over."""

from sqlalchemy.dialects.postgresql import insert

from catapult import audit
from catapult.queries.week_figures import Figures
from catapult.tables import WeekFigures


def keep(figures: Figures) -> None:
    """Keep the weeks that are over and not kept yet. Of those who count a week at once, the first keeps it.

    It is not a change that anybody asked for, so it has no audit entry.
    """
    if not figures.to_keep:
        return
    rows = [
        {
            "week": week.week,
            "place": figures.place,
            "deployments": week.deployments,
            "failures": week.failures,
            "lead_seconds": week.lead,
            "restore_seconds": week.restore,
        }
        for week in figures.to_keep
    ]
    audit.note(insert(WeekFigures).values(rows).on_conflict_do_nothing())
