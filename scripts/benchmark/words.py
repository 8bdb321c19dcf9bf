"""What things are called in a registry that is made up: models, what they are for, the keys that teams use."""

from itertools import product
from random import Random
from typing import NamedTuple

from catapult.tables import Role

TEAMS = ("vision", "speech", "language", "ranking", "pricing", "fraud", "forecasting", "maps")
TASKS = (
    *("defects", "captions", "intent", "churn", "demand", "anomalies", "segments", "summaries", "toxicity", "routing"),
    *("matching", "wake-word", "translation", "layout"),
)
FAMILIES = ("resnet", "bert", "gbdt", "vit", "whisper", "llama", "lstm", "unet", "clip", "mlp")
AREAS = ("eu", "us", "research", "edge")
FRAMEWORKS = ("pytorch 2.8.0", "tensorflow 2.20.0", "jax 0.7.1", "xgboost 3.0.2")
PLATFORMS = ("linux/amd64", "linux/amd64", "linux/amd64", "linux/arm64")
FORMATS = (None, None, None, "int8", "fp8", "awq")

DEVELOPMENT, PRODUCTION = "development", "production"
ENVIRONMENTS = {
    DEVELOPMENT: "Whatever was trained last.",
    "integration": "With the services around it.",
    "canary": "One request of a hundred.",
    "staging": "Mirrored traffic.",
    PRODUCTION: "What customers see.",
    "edge-fleet": "What ships with the devices.",
}
OPEN = (DEVELOPMENT, "integration", "canary", "staging")
"""Environments that no gate stands before."""


class Named(NamedTuple):
    """A model's name, and what it is about."""

    name: str
    team: str
    description: str
    tags: tuple[str, ...]


class Caller(NamedTuple):
    """A key's name and role, and from where it is used; no name where the key is unknown."""

    name: str | None
    role: Role
    address: str | None


ADMIN = Caller("platform", Role.ADMIN, "10.8.0.2")
RELEASERS = (Caller("ci-releases", Role.RELEASER, "10.8.0.7"), Caller("release-desk", Role.RELEASER, "10.8.0.9"))
DEPLOYER = Caller("ci", Role.PUBLISHER, "10.8.0.8")
TRAINERS = {team: Caller(f"train-{team}", Role.PUBLISHER, f"10.9.{n}.4") for n, team in enumerate(TEAMS)}
READERS = tuple(Caller(f"dashboard-{n}", Role.VIEWER, f"10.10.{n}.2") for n in range(20))
CALLERS = (ADMIN, *RELEASERS, DEPLOYER, *TRAINERS.values(), *READERS)


def names(count: int, rng: Random) -> list[Named]:
    """So many different models, whose names have two or three parts."""
    kinds = list(product(TEAMS, TASKS, FAMILIES))
    rng.shuffle(kinds)
    return [_named(*kinds[n % len(kinds)], n // len(kinds), rng) for n in range(count)]


def _named(team: str, task: str, family: str, again: int, rng: Random) -> Named:
    area = f"{rng.choice(AREAS)}/" if rng.random() < 0.3 else ""
    name = f"{team}/{area}{task}-{family}" + (f"-{again}" if again else "")
    description = f"{task.capitalize()} by a {family} model of the {team} team, trained again every week."
    return Named(name, team, description, (team, task, "gpu" if family in ("llama", "vit", "clip") else "cpu"))
