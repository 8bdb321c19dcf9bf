"""What a version says of itself: its metadata with numbers that get better over time, and its release notes."""

import math
from collections.abc import Iterator
from random import Random
from typing import Any

from catapult.demo.kinds import KINDS, Curve
from catapult.demo.timeline import Built, Life

# What a smaller number format makes of a model: its size, its latency, and how much further from ideal it is.
FORMATS = {None: (1.0, 1.0, 1.0), "fp16": (0.5, 0.85, 1.0), "fp8": (0.51, 0.74, 1.015), "int8": (0.29, 0.66, 1.045)}
REGRESSION = 0.3
"""How much of all progress is lost in a version that is worse."""


class Figures:
    """The figures of one model's versions, one after the other."""

    def __init__(self, life: Life, rng: Random) -> None:
        self.life, self.rng = life, rng
        self.kind = KINDS[life.told.kind]
        # One for all of a group, so that the p95 stays between the p50 and the p99.
        self.hardness = {_group(curve): math.exp(rng.uniform(-0.25, 0.25)) for curve in self.kind.curves}
        self.quantizations = list(self._quantizations())

    def metadata(self, place: int) -> dict[str, Any]:
        """The metadata of the version at that place."""
        built = self.life.built[place]
        found: dict[str, Any] = {}
        for curve in self.kind.curves:
            _put(found, curve.path, self._measured(curve, place))
        for path, choices in self.kind.settings.items():
            _put(found, path, self.rng.choice(choices))
        newer = place > len(self.life.built) * 0.55
        found |= {name: versions[newer] for name, versions in self.kind.frameworks.items()}
        found["dataset"] = {"name": f"{self.kind.dataset}-{built.at:%Y-%m}", "split": "time", "seed": 17}
        return found | dict(self._origin(built))

    def size(self, place: int) -> int:
        """In bytes, near to the kind's."""
        smaller, _, _ = FORMATS[self.quantizations[place]]
        return int(self.kind.size * smaller * self.rng.uniform(0.97, 1.03))

    def notes(self, place: int, metadata: dict[str, Any], before: dict[str, Any] | None) -> str | None:
        """What changed and what that brought; None where nobody wrote anything."""
        built = self.life.built[place]
        if before is None:
            return "First version."
        if self.rng.random() < 0.15:
            return None
        path = self.kind.curves[0].path
        old, new = _get(before, path), _get(metadata, path)
        measured = f"{path} {new} (before: {old}) on the held-out set."
        candidate = "Release candidate, for staging only.\n\n" if "-rc" in built.version else ""
        warning = "\n\nWorse than the version before; not for release." if built.worse else ""
        return f"{candidate}{self._change(place)}\n\n{measured}{warning}"

    def _quantizations(self) -> Iterator[str | None]:
        """That of each version: mostly the one before it had, and always what its candidate had."""
        current, candidate = self.kind.quantizations[0], False
        for built in self.life.built:
            if not candidate and self.rng.random() < 0.3:
                current = self.rng.choice(self.kind.quantizations)
            candidate = "-rc" in built.version
            yield current

    def _change(self, place: int) -> str:
        """Each of the kind's changes in turn, so that none comes twice in a row."""
        return self.kind.changes[(place + len(self.life.told.name)) % len(self.kind.changes)]

    def _origin(self, built: Built) -> Iterator[tuple[str, Any]]:
        """Where it was trained and of which commit, as far as somebody kept that."""
        yield "trained_on", {"host": built.by, "hours": round(self.rng.uniform(0.4, 9.5), 1)}
        if self.rng.random() < 0.92:
            yield "git_commit", f"{self.rng.getrandbits(160):040x}"
            if self.life.told.git:
                separator = "/" if self.life.told.git.startswith("https://") else "-"
                yield "git_url", f"{self.life.told.git}{separator}{self.life.told.slug}"

    def _measured(self, curve: Curve, place: int) -> float:
        """Fast progress first, then slower, with noise; the further from ideal, the harder the task."""
        hardness = self.hardness[_group(curve)]
        progress = (1 - math.exp(-2.5 * place / max(1, len(self.life.built) - 1))) / (1 - math.exp(-2.5))
        if curve.ideal is None:
            return self._rounded(curve, (curve.first + progress * (curve.last - curve.first)) * hardness)
        progress -= REGRESSION * self.life.built[place].worse
        value = curve.first + progress * (curve.last - curve.first)
        away = abs(curve.ideal - value) * hardness * self._format(curve, place)
        away = max(away + self.rng.gauss(0, curve.noise), 0.0005)
        return self._rounded(curve, abs(curve.ideal - away))

    def _format(self, curve: Curve, place: int) -> float:
        _, faster, worse = FORMATS[self.quantizations[place]]
        return faster if curve.path.startswith(("latency", "real_time")) else worse

    @staticmethod
    def _rounded(curve: Curve, value: float) -> float:
        return round(value, curve.digits) if curve.digits else round(value)


def _group(curve: Curve) -> str:
    return curve.path.split(".")[0]


def _put(found: dict[str, Any], path: str, value: Any) -> None:
    """The value at a dotted path."""
    *outer, last = path.split(".")
    for name in outer:
        found = found.setdefault(name, {})
    found[last] = value


def _get(found: dict[str, Any], path: str) -> Any:
    value: Any = found
    for name in path.split("."):
        value = value[name]
    return value
