"""Two years of a made-up registry of any size: the plans of its models, its gates, and who signs in."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import NamedTuple

from catapult.demo.company import CALLERS, PRODUCTION, Caller, gate
from catapult.demo.history import uuid7_at
from catapult.demo.kinds import GB, Kind
from catapult.demo.plans import Plan
from catapult.demo.rows import Registry, Rows
from catapult.tables import RELEASE, GateKind, Role

TEAMS = ("vision", "speech", "language", "ranking", "pricing", "fraud", "forecasting", "maps")
TASKS = (
    *("defects", "captions", "intent", "churn", "demand", "anomalies", "segments", "summaries", "toxicity", "routing"),
    *("matching", "wake-word", "translation", "layout"),
)
FAMILIES = ("resnet", "bert", "gbdt", "vit", "whisper", "llama", "lstm", "unet", "clip", "mlp")
YEARS = 730
"""The age of the oldest model, in days."""

KIND = Kind(
    task="classification",
    dataset="clicks",
    size=4 * GB,
    higher={"accuracy": (0.75, 0.952), "eval.f1": (0.7, 0.93)},
    lower={"loss": (1.9, 0.4)},
    samples=(200_000, 900_000),
    settings={},
    changes=("As good as the previous version in all segments.", "Better on mobile devices."),
    frameworks={"framework": ("pytorch 2.7.1", "pytorch 2.8.0")},
    quantizations=(None, None, None, "int8", "fp8"),
)
GATES = (
    gate("*", RELEASE, GateKind.METRIC, path="accuracy", op=">=", value=0.5),
    gate("*", RELEASE, GateKind.NO_REGRESSION, path="accuracy", direction="higher", tolerance=0.5),
    gate("*", PRODUCTION, GateKind.RELEASED),
    gate("maps/*", PRODUCTION, GateKind.APPROVED, count=1, role=Role.RELEASER),
)
"""Every version passes the gates of a release; one team also needs an approval for production."""

READERS = tuple(Caller(f"dashboard-{number}", Role.VIEWER, f"10.10.{number}.2") for number in range(20))
NOBODY = Caller(None, Role.VIEWER, "203.0.113.9")


class Size(NamedTuple):
    """How many rows there are of each."""

    models: int
    versions: int
    entries: int


def registry(size: Size, salt: str) -> Iterator[tuple[datetime, Rows]]:
    """Return the events of a registry of exactly that size. Raises ValueError if that needs more audit entries."""
    return events(plans(size), salt, size.entries)


def events(planned: Sequence[Plan], salt: str, entries: int = 0) -> Iterator[tuple[datetime, Rows]]:
    """Return the events of these models, and so many sign-ins that there are that many `entries`, unless it is 0."""
    now = datetime.now(UTC) - timedelta(minutes=5)
    made = Registry(planned, now, salt, gates=GATES, callers=(*CALLERS, *READERS))
    missing = entries - made.entries if entries else 0
    if missing < 0:
        raise ValueError(f"{entries} entries are too few: the actions on these models write {made.entries}.")
    return made.events(sign_ins(made, missing))


def plans(size: Size) -> list[Plan]:
    """Return the plans of models that began one after the other; a few models have most of the versions."""
    names = list(product(TEAMS, TASKS, FAMILIES))
    Random(0).shuffle(names)  # noqa: S311 - the same every time
    counts = shares(size.versions, [1 / (position + 10) for position in range(size.models)])
    return [_plan(*names[n % len(names)], n, n // len(names), count, n / size.models) for n, count in enumerate(counts)]


def _plan(team: str, task: str, family: str, number: int, again: int, versions: int, late: float) -> Plan:
    """`late` is between 0 for the oldest model and 1."""
    area = ("", "", "eu/", "", "research/")[number % 5]
    name = f"{team}/{area}{task}-{family}" + (f"-{again}" if again else "")
    description = f"{task.capitalize()} by a {family} model of the {team} team, trained again every week."
    demotion = "Worse on mobile." if number % 10 == 1 else None
    age, newest = YEARS * (1 - 7 / 8 * late), 1 + 200 * late
    return Plan(name, KIND, description, versions, age, newest, demotion=demotion, deployed=0.2, edited=0.6)


def control_plane(models: int, versions: int, big: int) -> list[Plan]:
    """Return the plans of models that are live in every environment, and of one model with `big` versions."""
    names = [f"large/model-{number}" for number in range(models)]
    small = [Plan(name, KIND, "One of many.", versions, 180, 1 + number % 500) for number, name in enumerate(names)]
    return [*small, Plan("large/big", KIND, "Many versions.", big, 180, 1, deployed=0.001, edited=0.0)]


def sign_ins(made: Registry, count: int) -> Iterator[tuple[datetime, Rows]]:
    """Yield that many sign-ins, sign-outs and refused sign-ins, evenly over the whole time."""
    rng, people = Random(count), (*READERS, *CALLERS)  # noqa: S311 - the same every time
    began = made.began + timedelta(days=1)
    sessions: list[tuple[str, Caller]] = []
    for number in range(count):
        at = began + (made.now - began) * (number / count)
        chance = rng.random()
        if chance < 0.02:
            refused = {"prefix": f"cat_{rng.getrandbits(32):08x}", "reason": "unknown"}
            yield at, [made.entry(at, NOBODY, "auth.refused", None, refused, rng)]
        elif chance < 0.5 and sessions:
            session, caller = sessions.pop(rng.randrange(len(sessions)))
            yield at, [made.entry(at, caller, "session.delete", session, {}, rng)]
        else:
            session, caller = uuid7_at(at, rng), rng.choice(people)
            sessions.append((session, caller))
            yield at, [made.entry(at, caller, "session.create", session, {}, rng)]


def shares(whole: int, weights: Sequence[float]) -> list[int]:
    """Divide the whole by these weights, at least 1 for each; the first ones get what is left over."""
    free, total = whole - len(weights), sum(weights)
    parts = [1 + int(free * weight / total) for weight in weights]
    for position in range(whole - sum(parts)):
        parts[position % len(parts)] += 1
    return parts
