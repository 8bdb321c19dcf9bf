"""The metadata of versions, whose numbers improve over time, and their release notes."""

import math
from collections.abc import Iterator
from random import Random
from typing import Any

from catapult.demo.history import Built, History
from catapult.demo.kinds import COMMON_CHANGES, Curve

# What a smaller number format does to a model: factors for its size, its latency, and its distance from the ideal.
FORMATS = {None: (1.0, 1.0, 1.0), "fp16": (0.5, 0.85, 1.0), "fp8": (0.51, 0.74, 1.015), "int8": (0.29, 0.66, 1.045)}
REGRESSION = 0.3
"""How much of all progress is lost in a version that is worse."""
NOISE = 0.05
"""The noise of a number, as a share of its progress from the first to the last version."""


class Measurements:
    """The measurements of one model's versions. Ask for them in order of the versions, once for each."""

    def __init__(self, history: History, rng: Random) -> None:
        self.history, self.rng, self.kind = history, rng, history.plan.kind
        # One factor for each group, so that the p95 stays between the p50 and the p99.
        groups = dict.fromkeys(_group(curve) for curve in self.kind.curves)
        self.hardness = {group: math.exp(rng.uniform(-0.25, 0.25)) for group in groups}
        self.changes = rng.sample(self.kind.changes + COMMON_CHANGES, len(self.kind.changes) + len(COMMON_CHANGES))
        bases = ("https://git.example.com/{0.team}/{0.slug}", "git@git.example.com:{0.team}-{0.slug}", None)
        self.git = rng.choices(bases, (10, 1, 2))[0]
        self.quantization: str | None = self.kind.quantizations[0]
        self.before: tuple[str, Any] | None = None

    def quantize(self, position: int) -> str | None:
        """Return the version's quantization: mostly the previous one, and always that of its release candidate."""
        candidate = position > 0 and "-rc" in self.history.versions[position - 1].version
        if not candidate and self.rng.random() < 0.3:
            self.quantization = self.rng.choice(self.kind.quantizations)
        return self.quantization

    def metadata(self, position: int) -> dict[str, Any]:
        """Return the version's metadata."""
        built = self.history.versions[position]
        metadata: dict[str, Any] = {}
        for curve in self.kind.curves:
            _put(metadata, curve.path, self._measured(curve, position))
        for path, choices in self.kind.settings.items():
            _put(metadata, path, self.rng.choice(choices))
        newer = position > len(self.history.versions) * 0.55
        metadata |= {name: versions[newer] for name, versions in self.kind.frameworks.items()}
        metadata["dataset"] = {"name": f"{self.kind.dataset}-{built.at:%Y-%m}", "split": "time"}
        return metadata | dict(self._origin(built))

    def size(self) -> int:
        """Return the image's size in bytes, near that of its kind."""
        return int(self.kind.size * FORMATS[self.quantization][0] * self.rng.uniform(0.97, 1.03))

    def notes(self, position: int, metadata: dict[str, Any]) -> str | None:
        """Return what changed and what it achieved; None if nobody wrote notes."""
        built, path = self.history.versions[position], self.kind.curves[0].path
        value: Any = metadata
        for name in path.split("."):
            value = value[name]
        before, self.before = self.before, value
        if before is None:
            return "First version."
        if "release_notes" not in built.edits and self.rng.random() < 0.15:
            return None
        candidate = "Release candidate, for staging only.\n\n" if "-rc" in built.version else ""
        warning = "\n\nWorse than the previous version; not for release." if built.worse else ""
        change = self.changes[position % len(self.changes)]
        return f"{candidate}{change}\n\n{path} {value} (before: {before}) on the held-out set.{warning}"

    def _origin(self, built: Built) -> Iterator[tuple[str, Any]]:
        """Where the version was trained and from which commit, if that was recorded."""
        yield "trained_on", {"host": built.by, "hours": round(self.rng.uniform(0.4, 9.5), 1)}
        if self.rng.random() < 0.92:
            yield "git_commit", f"{self.rng.getrandbits(160):040x}"
            if self.git:
                yield "git_url", self.git.format(self.history.plan)

    def _measured(self, curve: Curve, position: int) -> float:
        """Fast progress first, then slower, with noise; the further from the ideal, the harder the task."""
        hardness, built = self.hardness[_group(curve)], self.history.versions[position]
        progress = (1 - math.exp(-2.5 * position / max(1, len(self.history.versions) - 1))) / (1 - math.exp(-2.5))
        span = curve.last - curve.first
        if curve.ideal is None:
            return _rounded((curve.first + progress * span) * hardness)
        _, faster, worse = FORMATS[self.quantization]
        factor = hardness * (faster if curve.path.startswith(("latency", "real_time")) else worse)
        distance = abs(curve.ideal - curve.first - (progress - REGRESSION * built.worse) * span) * factor
        return _rounded(abs(curve.ideal - max(distance + self.rng.gauss(0, NOISE * abs(span)), 0.0005)))


def _rounded(value: float) -> float:
    """Return the number with four significant digits, and as an integer from 1,000 on."""
    return float(f"{value:.4g}") if value < 1_000 else int(float(f"{value:.4g}"))


def _group(curve: Curve) -> str:
    return curve.path.split(".")[0]


def _put(metadata: dict[str, Any], path: str, value: Any) -> None:
    """Store the value at a dotted path."""
    *outer, last = path.split(".")
    for name in outer:
        metadata = metadata.setdefault(name, {})
    metadata[last] = value
