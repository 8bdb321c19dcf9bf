"""What was live at a moment is what a plain list of intervals says, even if the clock was set back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from stage import Api

MODELS, PLACES = ("org/a", "org/b"), ("Staging", "production")
INSTANT = timedelta(microseconds=1)
RUNS = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@dataclass
class Stay:
    """A version that was live somewhere, from when until when."""

    model: str
    place: str
    version: str
    began: datetime
    ended: datetime | None = None


@dataclass
class World:
    """The API, and beside it what was live as a plain list."""

    api: Api
    sql: Callable[..., list[dict[str, Any]]]
    stays: list[Stay] = field(default_factory=list)
    open: list[dict[str, Any]] = field(default_factory=list)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    count: int = 0

    def version(self, name: str) -> dict[str, Any]:
        """A new version of that model, which is registered where it is not there."""
        if name not in self.models:
            self.models[name] = self.api.model(name)
        self.count += 1
        return self.api.version(self.models[name], str(self.count))

    def live(self, model: str, place: str) -> Stay | None:
        here = (model, place.lower(), None)
        return next((stay for stay in self.stays if (stay.model, stay.place.lower(), stay.ended) == here), None)

    def went_live(self, deployment: dict[str, Any]) -> None:
        """Ends the one before just when this one began; says what is on its way no more."""
        mine = (deployment["model_name"], deployment["environment"])
        began = datetime.fromisoformat(deployment["live_from"])
        if before := self.live(*mine):
            before.ended = began
        self.stays.append(Stay(*mine, deployment["version"], began))

        def overtaken(other: dict[str, Any]) -> bool:
            same = (other["model_name"], other["environment"]) == mine
            return same and other["deployed_at"] <= deployment["deployed_at"]

        self.open = [other for other in self.open if not overtaken(other)]

    def ended(self, *stays: Stay | None) -> None:
        """They ended with nothing in their place: when, only the database knows."""
        for stay in stays:
            if stay is not None:
                statement = "SELECT ended_at FROM deployments WHERE live_from = :began AND place = lower(:place)"
                (row,) = self.sql(statement, began=stay.began, place=stay.place)
                stay.ended = row["ended_at"]
                assert stay.ended is not None
                assert stay.ended > stay.began


def deploy(world: World, model: str, place: str) -> None:
    world.went_live(world.api.deployment(world.version(model), place))


def begin(world: World, model: str, place: str) -> None:
    world.open.append(world.api.deployment(world.version(model), place, status="pending"))


def settle(world: World, number: int, status: str) -> None:
    if number < len(world.open):
        made = world.open.pop(number)
        answer = world.api.put(f"/api/v1/deployments/{made['id']}", {"status": status})
        assert answer.status_code == 200, answer.text
        if status == "success":
            world.went_live(answer.json)


def roll_back(world: World, model: str, place: str) -> None:
    body = {"model_name": model, "reason": "a test"}
    answer = world.api.post(f"/api/v1/environments/{place}/rollback", body)
    assert answer.status_code in (201, 404, 409), answer.text
    if answer.status_code == 201:
        before = world.live(model, place)
        assert before is not None
        assert answer.json["version"] != before.version
        world.went_live(answer.json)


def delete_environment(world: World, place: str) -> None:
    answer = world.api.delete(f"/api/v1/environments/{place}?force=true")
    assert answer.status_code in (204, 404), answer.text
    if answer.status_code == 204:
        world.ended(*[world.live(model, place) for model in MODELS])
        world.open = [one for one in world.open if one["environment"] != place]


def delete_model(world: World, model: str) -> None:
    if gone := world.models.pop(model, None):
        assert world.api.delete(f"/api/v1/models/{gone['id']}?force=true").status_code == 204
        world.ended(*[world.live(model, place) for place in PLACES])
        world.open = [one for one in world.open if one["model_name"] != model]


def delete_version(world: World, model: str) -> None:
    """The newest that is not live; what was live keeps its history."""
    if model in world.models:
        listed = world.api.get(f"/api/v1/models/{world.models[model]['id']}/versions").json
        if gone := next((one for one in listed if not one["live_in"]), None):
            assert world.api.delete(f"/api/v1/versions/{gone['id']}").status_code == 204
            world.open = [one for one in world.open if one["release_id"] != gone["id"]]


def set_clock_back(world: World, seconds: int) -> None:
    """Everything that happened so far, happened so much later: to what comes now the clock was set back."""
    world.sql(
        "UPDATE deployments SET live_from = live_from + make_interval(secs => :s), ended_at = ended_at + make_interval(secs => :s)",
        s=seconds,
    )
    later = timedelta(seconds=seconds)
    for stay in world.stays:
        stay.began += later
        stay.ended = stay.ended + later if stay.ended else None


PRODUCTION, STAGING = ("org/a", "production"), ("org/a", "Staging")
MODEL, PLACE = st.sampled_from(MODELS), st.sampled_from(PLACES)
STEPS = st.one_of(
    *[st.tuples(st.just(action), MODEL, PLACE) for action in (deploy, deploy, begin, roll_back)],
    st.tuples(st.just(settle), st.integers(0, 5), st.sampled_from(["success", "failed"])),
    *[st.tuples(st.just(action), MODEL) for action in (delete_model, delete_version)],
    st.tuples(st.just(delete_environment), PLACE),
    st.tuples(st.just(set_clock_back), st.sampled_from([1, 3600, 86_400])),
)


def check(world: World) -> None:
    """The API says of every moment what the list says, and the list is one that may be."""
    for place in PLACES:
        for at in moments(world, place):
            assert answered(world, place, at) == listed(world, place, at), (place, at)
        now = {(stay.model, stay.version) for stay in world.stays if stay.place == place and stay.ended is None}
        assert answered(world, place) == sorted(now)
    rows = world.sql(
        "SELECT d.model_id, place, live_from, ended_at, superseded_by IS NOT NULL AS followed FROM deployments AS d"
        " WHERE live_from IS NOT NULL ORDER BY 1, 2, 3, 4 NULLS LAST"
    )
    assert len(rows) == len(world.stays)
    for row, following in pairwise(rows):
        assert row["ended_at"] is None or row["ended_at"] > row["live_from"]
        if (row["model_id"], row["place"]) == (following["model_id"], following["place"]):
            assert row["ended_at"] is not None
            assert row["ended_at"] <= following["live_from"]
            assert row["followed"] is (row["ended_at"] == following["live_from"])


def moments(world: World, place: str) -> list[datetime]:
    """Each change there, and the microseconds before and after it."""
    changes = {at for stay in world.stays if stay.place == place for at in (stay.began, stay.ended) if at}
    return sorted({change + step for change in changes for step in (-INSTANT, timedelta(), INSTANT)})


def answered(world: World, place: str, at: datetime | None = None) -> list[tuple[str, str]]:
    query = "" if at is None else f"?at={at:%Y-%m-%dT%H:%M:%S.%f}Z"
    answer = world.api.get(f"/api/v1/environments/{place}/live{query}")
    if answer.status_code == 404:
        return []
    return sorted((one["model_name"], one["version"]) for one in answer.json)


def listed(world: World, place: str, at: datetime) -> list[tuple[str, str]]:
    return sorted(
        (stay.model, stay.version)
        for stay in world.stays
        if stay.place == place and stay.began <= at and (stay.ended is None or at < stay.ended)
    )


@RUNS
@given(st.lists(STEPS, min_size=1, max_size=14))
@example([(deploy, *PRODUCTION), (set_clock_back, 3600), (delete_environment, "production"), (deploy, *PRODUCTION)])
@example([(deploy, *STAGING), (set_clock_back, 1), (deploy, *STAGING), (roll_back, *STAGING)])
@example([(begin, *STAGING), (deploy, "org/b", "Staging"), (begin, *STAGING), (settle, 1, "success")])
@example([(deploy, *STAGING), (delete_model, "org/a"), (deploy, *STAGING)])
def test_what_was_live_is_what_a_list_says(api, sql, undone, steps):
    with undone():
        world = World(api, sql)
        for action, *arguments in steps:
            action(world, *arguments)
        check(world)
