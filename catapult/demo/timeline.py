"""What happened to one model and when: made of what `story.py` tells, the same every time, and nothing later than now."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import NamedTuple

from catapult.demo.kinds import KINDS
from catapult.demo.story import DEVELOPMENT, PRODUCTION, RELEASERS, SEED, STAGING, Told
from catapult.tables import DeploymentStatus

MORNING, EVENING, SATURDAY = 8, 17, 5
HOURS = {DEVELOPMENT: (0.1, 0.8), STAGING: (2, 30), PRODUCTION: (1, 20)}
"""How long it takes at least and at most until a version that is ready is in an environment."""


class Moment(NamedTuple):
    """When, and by whose key."""

    at: datetime
    by: str


class Built(NamedTuple):
    """A version that training gave: `worse` than the one before it, or better."""

    at: datetime
    by: str
    version: str
    worse: bool

    @property
    def good(self) -> bool:
        """Somebody may want to release it."""
        return not self.worse and "-" not in self.version


class Placed(NamedTuple):
    """A version, by its place in the list, went to an environment."""

    at: datetime
    by: str
    environment: str
    version: int
    status: str


class Clock:
    """Moments one after the other, each before now."""

    def __init__(self, rng: Random, now: datetime) -> None:
        self.rng, self.now = rng, now

    def after(self, moment: datetime, least: float, most: float) -> datetime:
        """Between so many hours later; sooner where that would be in the future."""
        room = (self.now - moment) * self.rng.uniform(0.3, 0.7)
        return moment + min(timedelta(hours=self.rng.uniform(least, most)), room)

    def at_work(self, moment: datetime) -> datetime:
        """That moment, or where nobody is at work the next morning, if that is not in the future."""
        later = moment
        while later.weekday() >= SATURDAY or not MORNING <= later.hour < EVENING:
            next_day = later.hour >= EVENING or later.weekday() >= SATURDAY
            minutes = timedelta(minutes=self.rng.uniform(0, 100))
            later = later.replace(hour=MORNING, minute=0) + timedelta(days=int(next_day)) + minutes
        return later if later < self.now else moment


@dataclass
class Life:
    """All that happened to a model. The keys of `promoted`, `demoted` and `archived` are places in `built`."""

    told: Told
    rng: Random
    clock: Clock
    born: Moment
    built: list[Built] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    promoted: dict[int, Moment] = field(default_factory=dict)
    demoted: dict[int, Moment] = field(default_factory=dict)
    archived: dict[int, Moment] = field(default_factory=dict)

    @property
    def good(self) -> list[int]:
        """What somebody may want to release."""
        return [place for place, built in enumerate(self.built) if built.good]

    def live(self, environment: str) -> list[Placed]:
        """What was live there, one after the other; the last one is."""
        success = [one for one in self.placed if one.status == DeploymentStatus.SUCCESS]
        return sorted(one for one in success if one.environment == environment)


def live_through(told: Told, now: datetime) -> Life:
    """The whole life of that model up to now."""
    rng = Random(f"{SEED} {told.name}")  # noqa: S311 - a story that is the same every time, no secret
    born = Moment(now - timedelta(days=told.began - rng.random() / 10), rng.choice(KINDS[told.kind].hosts))
    life = Life(told, rng, Clock(rng, now), born)
    if told.versions:
        life.built = list(_built(life))
        _develop(life)
        _ship(life)
        _take_back(life)
        _archive(life)
        _start(life)
    return life


def _built(life: Life) -> Iterator[Built]:
    """The versions, the first soon after the model and the newest when the story says."""
    told, rng = life.told, life.rng
    versions = _versions(told.first, rng)
    for place, at in enumerate(_times(life)):
        withdrawn = told.withdrawn and place == told.versions - 1
        worse = withdrawn or (0 < place < told.versions - 4 and rng.random() < 0.13)
        yield Built(at, rng.choice(KINDS[told.kind].hosts), next(versions), worse)


def _times(life: Life) -> list[datetime]:
    """As many as there are versions: sometimes two in a day, sometimes none for weeks."""
    told, rng = life.told, life.rng
    first = life.clock.after(life.born.at, 0.5, 5)
    last = life.clock.now - timedelta(hours=told.newest * rng.uniform(0.9, 1.1))
    gaps = [0.15 + rng.lognormvariate(0, 0.6) for _ in range(told.versions - 1)]
    so_far = [sum(gaps[:place]) / (sum(gaps) or 1) for place in range(told.versions)]
    return [first + (last - first) * share for share in so_far]


def _versions(first: tuple[int, int, int], rng: Random) -> Iterator[str]:
    """SemVer, rising: patches, minor versions with now and then a candidate before them, seldom a major one."""
    major, minor, patch = first
    yield f"{major}.{minor}.{patch}"
    while True:
        step = rng.random()
        if step < 0.5:
            patch += 1
        elif step < 0.94 or minor < 3:
            minor, patch = minor + 1, 0
        else:
            major, minor, patch = major + 1, 0, 0
        if patch == 0 and rng.random() < 0.4:
            yield from (f"{major}.{minor}.{patch}-rc{number}" for number in range(1, rng.choice((2, 2, 3))))
        yield f"{major}.{minor}.{patch}"


def _develop(life: Life) -> None:
    """CI puts most versions into development at once, the newest one always."""
    last = len(life.built) - 1 - life.told.withdrawn
    for place in range(last + 1):
        if life.told.developed and (place == last or life.rng.random() < 0.6):
            _place(life, DEVELOPMENT, place, life.built[place].at)


def _ship(life: Life) -> None:
    """Version by version through staging, the release and production, as far as the story says for each of the three."""
    good = life.good
    ends = [-1 if back is None else good[max(0, len(good) - 1 - back)] for back in life.told.back]
    candidates = _some(life, good, ends, 0.65)
    released = _some(life, [place for place in candidates if place <= ends[1]], ends, 0.7)
    shipped = _some(life, [place for place in released if place <= ends[2]], ends, 0.9)
    for place in candidates:
        ready = life.built[place].at
        if place <= ends[0]:
            ready = _place(life, STAGING, place, ready)
        if place in released:
            ready = _promote(life, place, ready)
        if place in shipped:
            _place(life, PRODUCTION, place, ready)


def _some(life: Life, places: list[int], ends: list[int], chance: float) -> list[int]:
    """Some of the places, and those where the story ends in any case."""
    return [place for place in places if place in ends or life.rng.random() < chance]


def _place(life: Life, environment: str, place: int, ready: datetime) -> datetime:
    """That version is live there, after what was live before it, now and then at the second try only. Returns when."""
    by = "ci" if environment == DEVELOPMENT else life.rng.choice(RELEASERS)
    at = life.clock.after(max([ready, *(one.at for one in life.live(environment))]), *HOURS[environment])
    if environment == PRODUCTION:
        at = life.clock.at_work(at)
    if life.rng.random() < 0.1:
        life.placed.append(Placed(at, by, environment, place, DeploymentStatus.FAILED))
        at = life.clock.after(at, 0.3, 2)
    life.placed.append(Placed(at, by, environment, place, DeploymentStatus.SUCCESS))
    return at


def _promote(life: Life, place: int, ready: datetime) -> datetime:
    """That version is a release, after the one before it. Returns when."""
    earlier = (moment.at for moment in life.promoted.values())
    at = life.clock.at_work(life.clock.after(max([ready, *earlier]), 4, 40))
    life.promoted[place] = Moment(at, life.rng.choice(RELEASERS))
    return at


def _take_back(life: Life) -> None:
    """Where the story says so, production went back from the last release to the one before, and it is no release now."""
    if life.told.demoted:
        *_, before, bad = life.live(PRODUCTION)
        at, by = life.clock.after(bad.at, 2, 6), "release-eng"
        life.placed.append(before._replace(at=at, by=by))
        life.demoted[bad.version] = Moment(life.clock.after(at, 0.2, 1), by)


def _archive(life: Life) -> None:
    """Most of what was worse, and some of what is old, was archived after its last use; never what is live or new."""
    kept = {*life.good[-4:], *(live[-1].version for live in map(life.live, HOURS) if live)}
    for place, built in enumerate(life.built):
        old = place < len(life.built) / 2
        chance = 0.8 if built.worse else 0.2 if old else 0
        withdrawn = life.told.withdrawn and place == len(life.built) - 1
        if place not in kept and (withdrawn or life.rng.random() < chance):
            hours = (6, 90) if built.worse else (480, 1200)
            at = life.clock.at_work(life.clock.after(_last_use(life, place), *hours))
            life.archived[place] = Moment(at, "release-eng")


def _last_use(life: Life, place: int) -> datetime:
    """When something last happened to that version, the end of its time in an environment too."""
    happened = [life.built[place].at, *(one.at for one in life.placed if one.version == place)]
    happened += [moments[place].at for moments in (life.promoted, life.demoted) if place in moments]
    for environment in HOURS:
        happened += [after.at for one, after in pairwise(life.live(environment)) if one.version == place]
    return max(happened)


def _start(life: Life) -> None:
    """What the story says is under way was started some minutes ago: the newest there could be in that environment."""
    if life.told.under_way:
        environment, status = life.told.under_way
        place = max(life.promoted) if environment == PRODUCTION else life.good[-1]
        at = life.clock.now - timedelta(minutes=life.rng.uniform(2, 9))
        life.placed.append(Placed(at, "ci-releases", environment, place, status))
