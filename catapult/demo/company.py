"""The company around the demo's models: its keys, environments and gates."""

from typing import Any, NamedTuple

from catapult.tables import RELEASE, GateKind, Role

DEVELOPMENT, STAGING, PRODUCTION = "development", "staging", "production"


class Caller(NamedTuple):
    """A key, by its name, and the address that its requests come from. Without a name, the key is unknown."""

    name: str | None
    role: Role
    address: str | None


PLATFORM = Caller("platform", Role.ADMIN, "10.20.1.2")
"""Creates environments and gates. Its key has expired, so that `flask up` still creates the first admin's key."""

CALLERS = (
    PLATFORM,
    Caller("release-eng", Role.RELEASER, "10.20.1.44"),
    Caller("ci-releases", Role.RELEASER, "10.20.8.6"),
    Caller("ci", Role.PUBLISHER, "10.20.8.5"),
    Caller("train-gpu-7", Role.PUBLISHER, "10.20.4.17"),
    Caller("train-gpu-2", Role.PUBLISHER, "10.20.4.12"),
    Caller("train-cpu-1", Role.PUBLISHER, "10.20.4.31"),
)
RELEASERS = ("release-eng", "ci-releases", "release-eng")
"""Who promotes and deploys, in these shares."""

ENVIRONMENTS = {
    DEVELOPMENT: "Whatever was trained last; everybody may deploy here.",
    STAGING: "Mirrored traffic of the day before, for at least a day.",
    PRODUCTION: "What customers see.",
}


COMMENTS = {
    "myorg/sentiment-model": (
        ("release-eng", "Longer inputs are slower now. Please measure p95 at 512 tokens before this goes on.", True),
        ("train-gpu-2", "Measured: 18.1 ms at 512 tokens, as before. The report is in the metadata.", False),
    ),
    "risk/fraud-gbm": (("release-eng", "Agreed with the fraud team: it may go out after the month's close.", False),),
}
"""Comments on the newest version of a model, oldest first: who made each, and whether it asks for changes."""


def gate(model: str, target: str, kind: GateKind, **own: Any) -> dict[str, Any]:
    """Return the fields of a gate; `own` holds the fields of its kind."""
    return {"model": model, "target": target, "kind": kind, **own}


SENTIMENT, WHISPER = "myorg/sentiment-*", "myorg/whisper-*"
GATES = (
    gate("myorg/*", PRODUCTION, GateKind.RELEASED),
    gate("risk/*", PRODUCTION, GateKind.RELEASED),
    gate("myorg/llama-*", PRODUCTION, GateKind.SOAKED, environment=STAGING, seconds=86_400),
    gate(SENTIMENT, PRODUCTION, GateKind.SOAKED, environment=STAGING, seconds=86_400),
    gate(SENTIMENT, RELEASE, GateKind.METRIC, path="accuracy", op=">=", value=0.94),
    gate(SENTIMENT, RELEASE, GateKind.NO_REGRESSION, path="f1", direction="higher", tolerance=0.005),
    gate(SENTIMENT, RELEASE, GateKind.SOAKED, environment=STAGING, seconds=3_600),
    gate(WHISPER, RELEASE, GateKind.SOAKED, environment=STAGING, seconds=3_600),
    gate(SENTIMENT, RELEASE, GateKind.APPROVED, count=1, role=Role.RELEASER),
    gate("risk/*", RELEASE, GateKind.METADATA_PRESENT, paths=["git_commit"]),
    gate("risk/*", RELEASE, GateKind.APPROVED, count=2, role=Role.RELEASER),
)
"""Each gate is created after the last promotion or deployment that it applies to. The models of README pass them."""
