"""What happened to one model and when, made up from its plan: the same every time, and nothing later than now."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any, NamedTuple

from catapult.demo.company import DEVELOPMENT, PRODUCTION, RELEASERS, STAGING
from catapult.demo.plans import Plan
from catapult.tables import RELEASE, DeploymentStatus

SEED = "catapult"
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
MORNING, EVENING, SATURDAY = 8, 17, 5
HOURS = {DEVELOPMENT: (0.1, 0.8), STAGING: (2, 30), PRODUCTION: (1, 20)}
"""The fewest and the most hours until a version that is ready is deployed to the environment."""
MINUTES = {STAGING: (9, 18), PRODUCTION: (12, 25)}
"""The fewest and the most minutes that a model's deployments to the environment usually take. Those to development are recorded
when they are over."""
EDITS = {"ceph_path": (0.1, 0.5), "metadata": (0.5, 6), "release_notes": (6, 24)}
"""Fields that may be completed after the version was registered, and the fewest and the most hours until then."""
CONTENT = ("ceph_path", "metadata")
"""Those of them that are content: they are completed before the version goes anywhere."""
UNHURRIED = timedelta(days=4)
"""The usual time between two versions. Where versions come faster, everything takes proportionally less time."""


class Moment(NamedTuple):
    """A time, and the name of the key that acted."""

    at: datetime
    by: str


@dataclass(slots=True, eq=False)
class Built:
    """A version that training produced, `worse` or better than the previous one, and what became of it.

    `edits` names the fields that are completed later. `changed` and `used` say when it last was, and `complete` when the last
    edit of its content was. `decision_id` is that of the promotion that made it the release it is.
    """

    id: str
    at: datetime
    by: str
    version: str
    worse: bool
    released: Moment | None = None
    decision_id: str | None = None
    archived: bool = False
    edits: tuple[str, ...] = ()
    changes: int = 0
    changed: datetime = EPOCH
    used: datetime = EPOCH
    complete: datetime = EPOCH

    @property
    def good(self) -> bool:
        """Whether the version may be released."""
        return not self.worse and "-" not in self.version


@dataclass(slots=True, eq=False)
class Deployed:
    """A deployment that began `at` and was `done` later; it is done at once if it is recorded with its last status.

    If it succeeded, it was live until the deployment `superseded_by`. `decision_id` is that of its last decision; one that
    is recorded as failed has none. A rollback has the deployment that it ended as `rollback_of`.
    """

    id: str
    at: datetime
    by: str
    environment: str
    built: Built
    status: str
    done: datetime
    decision_id: str | None = None
    superseded_by: "Deployed | None" = None
    supersedes: "Deployed | None" = None
    rollback_of: "Deployed | None" = None

    @property
    def ran(self) -> bool:
        """Whether it was recorded as running first."""
        return self.done > self.at


class Event(NamedTuple):
    """An action by the key `by` on a version or a deployment. `details` is what its audit entry says of it only.

    `decision_id` is that of the decision that it keeps, if it keeps one.
    """

    at: datetime
    by: str
    action: str
    subject: Built | Deployed
    details: Mapping[str, Any]
    decision_id: str | None = None


NOTHING: dict[str, Any] = {}
FIELD = {name: {"field": name} for name in (*EDITS, "status")}
"""The details of the event that a field was changed: one object each, since there may be millions of such events."""


def uuid7_at(moment: datetime, rng: Random) -> str:
    """Return a UUIDv7 of that moment as text, which sorts by time to the microsecond.

    Source: RFC 9562, 5.7, and 6.2 method 3: the fraction of the millisecond is in the 12 bits after the time.
    """
    milliseconds, rest = divmod((moment - EPOCH) // MICROSECOND, 1000)
    fraction = rest * 4096 // 1000
    number = milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | rng.getrandbits(62)
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Clock:
    """Produces later moments, each before now. `pace` shortens every wait."""

    def __init__(self, rng: Random, now: datetime, pace: float) -> None:
        self.rng, self.now, self.pace = rng, now, pace

    def after(self, moment: datetime, least: float, most: float) -> datetime:
        """Return a moment that many hours later, or sooner if that is in the future."""
        room = (self.now - moment) * self.rng.uniform(0.3, 0.7)
        return moment + min(timedelta(hours=self.rng.uniform(least, most) * self.pace), room)

    def at_work(self, moment: datetime) -> datetime:
        """Return that moment, or outside of working hours the next morning, if that is not in the future."""
        later = moment
        while later.weekday() >= SATURDAY or not MORNING <= later.hour < EVENING:
            next_day = later.hour >= EVENING or later.weekday() >= SATURDAY
            minutes = timedelta(minutes=self.rng.uniform(0, 100) * self.pace)
            later = later.replace(hour=MORNING, minute=0) + timedelta(days=int(next_day)) + minutes
        return later if later < self.now else moment


class History:
    """Everything that happened to a model: its versions in order, what is live, and all events in no order."""

    def __init__(self, plan: Plan, now: datetime) -> None:
        self.plan, self.rng = plan, Random(f"{SEED} {plan.name}")  # noqa: S311 - the same every time, not a secret
        self.decisions = Random(f"{SEED} decisions {plan.name}")  # noqa: S311 - as above
        began = timedelta(days=plan.began - self.rng.random() / 10)
        pace = min(1.0, began / max(1, plan.versions) / UNHURRIED)
        self.clock = Clock(self.rng, now, pace)
        self.runs = Clock(Random(f"{SEED} runs {plan.name}"), now, pace)  # noqa: S311 - as above
        self.usual = {environment: self.runs.rng.uniform(*MINUTES[environment]) for environment in MINUTES}
        """How many minutes a deployment to each environment usually takes."""
        self.born = Moment(now - began, self.rng.choice(plan.kind.hosts))
        self.id = uuid7_at(self.born.at, self.rng)
        self.events: list[Event] = []
        self.live: dict[str, Deployed] = {}
        self.last: dict[str, datetime] = defaultdict(lambda: self.born.at)
        """When a version last reached each target: an environment, or becoming a release."""
        self.versions = list(self._build())
        if self.versions:
            self._develop()
            self._ship()
            self._demote()
            self._archive()
            self._begin()

    def _add(
        self,
        at: datetime,
        by: str,
        action: str,
        subject: Built | Deployed,
        details: Mapping[str, Any] = NOTHING,
        decision_id: str | None = None,
    ) -> None:
        self.events.append(Event(at, by, action, subject, details, decision_id))

    def _change(
        self,
        at: datetime,
        by: str,
        action: str,
        built: Built,
        details: Mapping[str, Any] = NOTHING,
        decision_id: str | None = None,
    ) -> None:
        """Add an action that changes the version's own row."""
        built.changes += 1
        built.changed, built.used = max(built.changed, at), max(built.used, at)
        self._add(at, by, action, built, details, decision_id)

    def _build(self) -> Iterator[Built]:
        """The versions: the first one soon after the model, the newest one when the plan says."""
        plan, rng = self.plan, self.rng
        numbers = _numbers(rng)
        for position, at in enumerate(self._times()):
            withdrawn = plan.withdrawn and position == plan.versions - 1
            worse = withdrawn or (0 < position < plan.versions - 4 and rng.random() < 0.13)
            built = Built(
                uuid7_at(at, rng), at, rng.choice(plan.kind.hosts), next(numbers), worse, used=at, complete=at
            )
            self._add(at, built.by, "version.create", built)
            built.edits = tuple(name for name in EDITS if rng.random() < plan.edited)
            for name in built.edits:
                later = self.clock.after(at, *EDITS[name])
                self._change(later, built.by, "version.update", built, FIELD[name])
                if name in CONTENT:
                    built.complete = max(built.complete, later)
            yield built

    def _times(self) -> list[datetime]:
        """When the versions were registered: sometimes two in a day, sometimes none for weeks."""
        plan, rng = self.plan, self.rng
        first = self.clock.after(self.born.at, 0.5, 5)
        last = self.clock.now - timedelta(hours=plan.newest * rng.uniform(0.9, 1.1))
        gaps = list(accumulate((0.15 + rng.lognormvariate(0, 0.6) for _ in range(plan.versions - 1)), initial=0.0))
        return [first + (last - first) * (gap / (gaps[-1] or 1)) for gap in gaps][: plan.versions]

    def _develop(self) -> None:
        """CI deploys most versions to development once they are complete, and always the newest one."""
        newest = self.versions[-1 - self.plan.withdrawn]
        storage = self.plan.storage
        for built in self.versions[: len(self.versions) - self.plan.withdrawn]:
            if not storage and (built is newest or self.rng.random() < 0.6 * self.plan.deployed):
                self._deploy(DEVELOPMENT, built, built.complete)

    def _ship(self) -> None:
        """Good versions go through staging, become releases and go to production, as far as the plan says."""
        good = [built for built in self.versions if built.good]
        ends = [None if behind is None else good[max(0, len(good) - 1 - behind)] for behind in self.plan.behind]
        staging, release, production = (end.at if end else EPOCH for end in ends)
        for built in good:
            if built not in ends and self.rng.random() >= 0.65 * self.plan.deployed:
                continue
            ready = built.complete
            if built.at <= staging:
                ready = self._deploy(STAGING, built, ready)
            if built.at <= release and (built in ends or self.rng.random() < 0.7):
                ready = self._promote(built, ready)
                if built.at <= production and (built in ends or self.rng.random() < 0.9):
                    self._deploy(PRODUCTION, built, ready)

    def _deploy(self, environment: str, built: Built, ready: datetime) -> datetime:
        """Deploy the version after what was live before; sometimes the first try fails. Returns when it is live."""
        by = "ci" if environment == DEVELOPMENT else self.rng.choice(RELEASERS)
        at = self.clock.after(max(ready, self.last[environment]), *HOURS[environment])
        if environment == PRODUCTION:
            at = self.clock.at_work(at)
        if self.rng.random() < 0.1:
            at = self.clock.after(self._place(at, by, environment, built, DeploymentStatus.FAILED), 0.3, 2)
        return self._place(at, by, environment, built, DeploymentStatus.SUCCESS)

    def _place(self, at: datetime, by: str, environment: str, built: Built, status: str) -> datetime:
        """Deploy the version, with this status in the end. Returns when it has it."""
        id_, done = uuid7_at(at, self.rng), self._done(at, environment, status)
        deployed = Deployed(id_, at, by, environment, built, status, done)
        if deployed.ran or status != DeploymentStatus.FAILED:
            deployed.decision_id = uuid7_at(at, self.decisions)
        self._add(at, by, "deployment.create", deployed, decision_id=deployed.decision_id)
        if deployed.ran:
            live = uuid7_at(deployed.done, self.decisions) if status == DeploymentStatus.SUCCESS else None
            deployed.decision_id = live or deployed.decision_id
            self._add(deployed.done, by, "deployment.update", deployed, decision_id=live)
        self._use(deployed)
        return deployed.done

    def _done(self, at: datetime, environment: str, status: str) -> datetime:
        """When a deployment that begins then has this status: at once, or some minutes later."""
        if environment not in self.usual or status not in (DeploymentStatus.SUCCESS, DeploymentStatus.FAILED):
            return at
        least, most = (0.2, 0.8) if status == DeploymentStatus.FAILED else (0.85, 1.3)
        hours = self.usual[environment] / 60
        return self.runs.after(at, least * hours, most * hours)

    def _use(self, deployed: Deployed) -> None:
        """Note that the deployment used its version, and what it ended if it succeeded."""
        environment, done = deployed.environment, deployed.done
        if deployed.status == DeploymentStatus.SUCCESS:
            if before := self.live.get(environment):
                before.superseded_by, deployed.supersedes = deployed, before
                before.built.used = max(before.built.used, done)
            self.live[environment] = deployed
        self.last[environment] = done
        deployed.built.used = max(deployed.built.used, done)

    def _promote(self, built: Built, ready: datetime) -> datetime:
        """Make the version a release, after the previous one. Returns when."""
        at = self.clock.at_work(self.clock.after(max(ready, self.last[RELEASE]), 4, 40))
        built.released = Moment(at, self.rng.choice(RELEASERS))
        built.decision_id = uuid7_at(at, self.decisions)
        self.last[RELEASE] = at
        self._change(at, built.released.by, "version.promote", built, decision_id=built.decision_id)
        return at

    def _demote(self) -> None:
        """If the plan says so, production is rolled back from the last release to the previous one, and it is demoted."""
        bad = self.live.get(PRODUCTION)
        if self.plan.demotion and bad and bad.supersedes and bad.built.released:
            at = self.clock.after(bad.done, 14, 22)
            self._roll_back(bad, bad.supersedes, at, self.plan.demotion)
            was = {"released_by": bad.built.released.by, "released_at": bad.built.released.at.isoformat()}
            bad.built.released = bad.built.decision_id = None
            details, at = {"reason": self.plan.demotion, **was}, self.clock.after(at, 0.2, 1)
            decision_id = uuid7_at(at, self.decisions)
            self._change(at, "release-eng", "version.demote", bad.built, details, decision_id)

    def _roll_back(self, bad: Deployed, earlier: Deployed, at: datetime, reason: str) -> None:
        """End what is live: the version of the earlier deployment is live again at once."""
        id_, decision_id = uuid7_at(at, self.rng), uuid7_at(at, self.decisions)
        kept = (DeploymentStatus.SUCCESS, at, decision_id)
        back = Deployed(id_, at, "release-eng", bad.environment, earlier.built, *kept, rollback_of=bad)
        details = {"reason": reason, "rollback_of": bad.id, "from_version": bad.built.version, "to": earlier.id}
        self._add(at, back.by, "deployment.rollback", back, details, decision_id)
        self._use(back)

    def _archive(self) -> None:
        """Most of what is worse, and some of what is old, is archived after its last use; never what is live or new."""
        newest = [built for built in self.versions if built.good][-4:]
        active = {id(built) for built in newest} | {id(deployed.built) for deployed in self.live.values()}
        for position, built in enumerate(self.versions):
            withdrawn = self.plan.withdrawn and position == len(self.versions) - 1
            chance = 0.8 if built.worse else 0.2 if position < len(self.versions) / 2 else 0
            if id(built) not in active and (withdrawn or self.rng.random() < chance):
                at = self.clock.after(built.used, *((6, 90) if built.worse else (480, 1200)))
                built.archived = True
                self._change(self.clock.at_work(at), "release-eng", "version.update", built, FIELD["status"])

    def _begin(self) -> None:
        """If the plan says so, a deployment of the newest possible version has begun some minutes ago."""
        if self.plan.under_way:
            environment, status = self.plan.under_way
            good = [built for built in self.versions if built.good and (built.released or environment != PRODUCTION)]
            so_far = self.usual[environment] * self.rng.uniform(0.15, 0.35)
            at = max(self.clock.now - timedelta(minutes=so_far), self.last[environment] + MICROSECOND)
            self._place(at, "ci-releases", environment, good[-1], status)


def _numbers(rng: Random) -> Iterator[str]:
    """Rising SemVer: patches, minor versions with some candidates before them, and rarely a major version."""
    major, minor, patch = rng.choice((0, 1, 1, 2, 3)), rng.randrange(5), 0
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
