"""The figures of twelve weeks: counted from what there is, and kept once a week is over."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from statistics import median
from threading import Barrier

import pytest
from filled import filled_database, read, run, scanned
from stage import counted, environments

from catapult.actions import week_figures as actions
from catapult.extensions import autocommit, db
from catapult.queries import week_figures
from catapult.queries.week_figures import WEEKS

DAY = timedelta(days=1)
REGISTERED = timedelta(days=3)


def monday(weeks_ago):
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=today.weekday()) - weeks_ago * 7 * DAY


@pytest.fixture
def look(app):
    """Read the figures as the overview does, and keep what is over."""

    def look():
        with app.app_context():
            autocommit()
            figures = week_figures.figures()
            actions.save(figures)
            db.session.remove()
            return figures

    return look


@pytest.fixture
def deploy(sql):
    """A function that writes a deployment of a version of its own, as it would have been then, and returns its id."""
    sql(environments("staging", "production"))
    sql("UPDATE environments SET protected = (place = 'production')")
    sql("INSERT INTO models (id, name, storage_path) VALUES (md5('m')::uuid, 'org/m', 'x')")
    numbers = iter(range(1_000))

    def deploy(at, status="success", place="production", lead=REGISTERED, of=None, superseded_by=None, ends=None):
        number = next(numbers)
        values = {"n": str(number), "at": at, "status": status, "place": place, "registered": at - lead, "of": of}
        sql(
            "INSERT INTO versions (id, model_id, version, number, tag, digest, platform, status, created_by, created_at)"
            " VALUES (md5('v' || :n)::uuid, md5('m')::uuid, :n, 1 + CAST(:n AS int), 't', 'a:b', 'linux/amd64', 'active', 'x',"
            " :registered)",
            n=str(number),
            registered=at - lead,
        )
        values |= {"ends": ends or at + timedelta(hours=1), "live": status == "success"}
        del values["registered"]
        (row,) = sql(
            "INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, deployed_at, live_from,"
            " ended_at, rollback_of) VALUES (md5('d' || :n)::uuid, md5('v' || :n)::uuid, md5('m')::uuid, :place, :status, 'x',"
            " :at, CASE WHEN :live THEN CAST(:at AS timestamptz) END, CASE WHEN :live THEN CAST(:ends AS timestamptz) END,"
            " CAST(:of AS uuid)) RETURNING id::text",
            **values,
        )
        return row["id"]

    return deploy


@pytest.fixture
def roll_back(deploy, sql):
    def roll_back(bad, at):
        back = deploy(at, of=bad)
        sql(
            "UPDATE deployments SET ended_at = :at, superseded_by = CAST(:back AS uuid) WHERE id = CAST(:bad AS uuid)",
            at=at,
            back=back,
            bad=bad,
        )
        return back

    return roll_back


def kept(sql):
    return sql(
        "SELECT week, place, deployments, failures, lead_seconds, restore_seconds FROM week_figures ORDER BY week"
    )


def test_an_empty_registry_has_twelve_empty_weeks_and_keeps_none(look, sql):
    figures = look()
    assert [week.week for week in figures.weeks] == [monday(ago).date() for ago in reversed(range(WEEKS))]
    assert {week[1:] for week in figures.weeks} == {(0, 0, None, None)}
    assert {week.failure_share for week in figures.weeks} == {None}
    assert kept(sql) == []


def test_each_figure_of_a_week_is_of_the_deployments_that_began_in_it(look, deploy, roll_back):
    begins = monday(3)
    leads = [timedelta(hours=hours) for hours in (2, 30, 5)]
    bad, worse, _ = (deploy(begins + number * DAY, lead=lead) for number, lead in enumerate(leads))
    deploy(begins + DAY, place="staging", lead=100 * DAY)
    deploy(begins + 2 * DAY, "failed")
    for status in ("pending", "running", "cancelled"):
        deploy(begins + 2 * DAY, status)
    deploy(begins - timedelta(microseconds=1), "failed")
    deploy(begins + 7 * DAY, "failed")
    roll_back(bad, begins + timedelta(minutes=10))
    roll_back(worse, begins + DAY + timedelta(minutes=50))
    week = look().weeks[-4]
    assert (week.deployments, week.failures, week.failure_share) == (5, 3, 60)
    assert week.lead == median(lead.total_seconds() for lead in leads)
    assert week.restore == 30 * 60
    assert [week.deployments for week in look().weeks[-5:]] == [1, 5, 1, 0, 0]


def test_a_version_that_goes_live_again_has_no_second_lead_time(look, deploy, sql):
    deploy(monday(3))
    again = deploy(monday(2))
    sql(
        "UPDATE deployments SET release_id = md5('v0')::uuid WHERE id = CAST(:id AS uuid)",
        id=again,
    )
    weeks = look().weeks
    assert (weeks[-4].lead, weeks[-3].lead) == (REGISTERED.total_seconds(), None)


def test_the_week_before_is_compared_until_the_same_time_of_the_week(look, deploy):
    a_week_ago = datetime.now(UTC) - 7 * DAY
    times = (a_week_ago - timedelta(minutes=1), a_week_ago + timedelta(minutes=5))
    for at in times:
        deploy(at)
    assert look().by_now == sum(monday(1) <= at < a_week_ago for at in times)


def test_a_week_that_is_over_is_counted_once_and_what_happens_to_it_later_changes_nothing(look, deploy, sql, app):
    for at in (monday(4), monday(4) + DAY, monday(2)):
        deploy(at)
    before = look()
    assert [(row["week"], row["deployments"]) for row in kept(sql)] == [(monday(4).date(), 2), (monday(2).date(), 1)]
    sql("UPDATE deployments SET deleted_at = now()")
    assert look().weeks == before.weeks
    with counted(app) as statements:
        look()
    assert len(statements) == 1


def test_a_week_is_not_kept_until_a_day_after_its_end_so_that_late_commits_count(look, deploy, sql, monkeypatch):
    deploy(monday(1))
    monkeypatch.setattr(week_figures, "SETTLED", timedelta(days=8))  # it has not been over for so long on any day
    assert (look().weeks[-2].deployments, kept(sql)) == (1, [])
    deploy(monday(1) + DAY, "failed")
    assert (look().weeks[-2].deployments, look().weeks[-2].failures) == (2, 1)
    monkeypatch.setattr(week_figures, "SETTLED", timedelta(0))
    look()
    assert [row["deployments"] for row in kept(sql)] == [2]


def test_this_week_is_counted_each_time_and_never_kept(look, deploy, sql):
    deploy(datetime.now(UTC))
    assert look().weeks[-1].deployments == 1
    deploy(datetime.now(UTC))
    assert look().weeks[-1].deployments == 2
    assert kept(sql) == []


def test_another_last_environment_is_counted_anew(look, deploy, sql):
    deploy(monday(3), lead=DAY)
    deploy(monday(3), place="staging", lead=2 * DAY)
    assert look().weeks[-4].lead == DAY.total_seconds()
    sql("UPDATE environments SET protected = (place = 'staging')")
    assert look().weeks[-4].lead == 2 * DAY.total_seconds()
    assert [row["place"] for row in kept(sql)] == ["production", "staging"]


def test_many_who_look_at_once_keep_one_row_and_see_the_same(app, deploy, sql):
    deploy(monday(3))
    barrier = Barrier(6)

    def look(_):
        with app.app_context():
            autocommit()
            figures = week_figures.figures()
            barrier.wait(timeout=30)  # all have counted before the first keeps it
            actions.save(figures)
            db.session.remove()
            return figures

    with ThreadPoolExecutor(6) as pool:
        seen = list(pool.map(look, range(6)))
    assert {figures.weeks[-4] for figures in seen} == {seen[0].weeks[-4]}
    assert len(kept(sql)) == 1


def test_a_worker_counts_this_week_again_after_a_while_and_an_empty_registry_each_time(app, deploy, monkeypatch):
    with app.app_context():
        assert week_figures.recent().weeks[-1].deployments == 0
        deploy(datetime.now(UTC))
        assert week_figures.recent().weeks[-1].deployments == 1
        deploy(datetime.now(UTC))
        with counted(app) as statements:
            assert week_figures.recent().weeks[-1].deployments == 1
        assert statements == []
        monkeypatch.setattr(week_figures, "FRESH", 0.0)
        assert week_figures.recent().weeks[-1].deployments == 2


def test_what_was_counted_is_to_be_kept_once_though_it_is_shown_again(app, deploy, sql):
    deploy(monday(3))
    with app.app_context():
        actions.save(week_figures.recent())
        assert week_figures.recent().unsaved == []
    assert len(kept(sql)) == 1


def test_only_weeks_that_are_not_kept_are_read_and_by_an_index(make_database):
    with filled_database(make_database()) as filled:
        run(
            filled.url,
            "UPDATE deployments SET deployed_at = deployed_at - interval '20 days', live_from = NULL, ended_at = NULL",
        )
        _, sent = filled.page("/", "figures")
        ((statement, values),) = [one for one in sent if "WITH last" in one[0]]
        plan = filled.plan(statement, values)
        assert not scanned(plan)
        assert read(plan) == 0
