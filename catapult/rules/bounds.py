"""The bounds of a key: which models and environments it may change. What it may read depends on its role alone."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from catapult.errors import Forbidden


class Bounds(NamedTuple):
    """Patterns of models, as gates have them, and environments in lower case. None is no bound, an empty tuple is nothing."""

    models: tuple[str, ...] | None = None
    environments: tuple[str, ...] | None = None

    def check_model(self, name: str) -> None:
        """Raise Forbidden unless the model, or every model that this pattern matches, may be changed."""
        if not self.has_model(name):
            raise Forbidden(
                f"This key may change {_listed('models', self.models or ())}, not {name}. Use a key with wider bounds."
            )

    def has_model(self, name: str) -> bool:
        """Return whether the model, or every model that this pattern matches, is within the bounds."""
        return self.models is None or _is_within(name, self.models)

    def has_environment(self, name: str) -> bool:
        """Return whether the environment is within the bounds."""
        return self.environments is None or name.lower() in self.environments

    def check_environment(self, name: str) -> None:
        """Raise Forbidden unless what is live in the environment may be changed."""
        if not self.has_environment(name):
            allowed = _listed("environments", self.environments or ())
            raise Forbidden(f"This key may change {allowed}, not {name}. Use a key with wider bounds.")

    def check_all_models(self, what: str) -> None:
        """Raise Forbidden if only some models may be changed. `what` concerns all of them."""
        if self.models is not None:
            allowed = _listed("models", self.models)
            raise Forbidden(f"This key may change {allowed}, and {what} concern all models. Use a key without bounds.")

    def check_everything(self, what: str) -> None:
        """Raise Forbidden if there is any bound. `what` belongs to no one model or environment."""
        bounds = {"models": self.models, "environments": self.environments}
        listed = [_listed(name, bound) for name, bound in bounds.items() if bound is not None]
        if listed:
            raise Forbidden(f"This key may change {' and '.join(listed)}, not {what}. Use a key without bounds.")

    def check_wider(self, other: "Bounds") -> None:
        """Raise Forbidden if a key with these bounds may not create one with the other bounds."""
        if not (_holds(self.models, other.models) and _holds(self.environments, other.environments)):
            raise Forbidden(
                f"Your key may change {self}, and no key beyond that. Set `models` and `environments` within it."
            )

    def __str__(self) -> str:
        bounds = {"models": self.models, "environments": self.environments}
        return " and ".join(_listed(name, bound) for name, bound in bounds.items() if bound is not None) or "no bounds"


def _listed(name: str, bound: Sequence[str]) -> str:
    return f"the {name} {', '.join(bound)}" if bound else f"no {name}"


def _is_within(pattern: str, patterns: Sequence[str]) -> bool:
    """Return whether one of the patterns matches this name, or the text of this pattern. Case is ignored."""
    return any(_expression(outer).fullmatch(pattern.lower()) for outer in patterns)


def _holds(outer: tuple[str, ...] | None, inner: tuple[str, ...] | None) -> bool:
    if outer is None:
        return True
    return inner is not None and all(_is_within(pattern, outer) for pattern in inner)


def _expression(pattern: str) -> re.Pattern[str]:
    """Return the pattern's regular expression: `*` matches any text, slashes too."""
    return re.compile(".*".join(map(re.escape, pattern.lower().split("*"))))


def like_patterns(patterns: Sequence[str]) -> list[str]:
    """Return the patterns as LIKE has them, for names in lower case."""
    return [pattern.lower().replace("_", "\\_").replace("*", "%") for pattern in patterns]


UNBOUNDED = Bounds()
