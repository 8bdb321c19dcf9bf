"""The targets of gates and approvals: becoming a release, reaching an environment, or getting an alias.

An alias is written as `@champion`. No environment's name begins with @.
"""

import re

from catapult.tables import ALIAS, ALIAS_LENGTH, RELEASE

ALIAS_RULE = "Must be letters, digits, _ and -, and neither latest nor v followed by digits."
_ALIAS = re.compile(ALIAS)


def is_alias(name: str) -> bool:
    """Return whether an alias can have this name."""
    return len(name) <= ALIAS_LENGTH and _ALIAS.fullmatch(name) is not None


def of_alias(name: str) -> str:
    """Return the alias as a target."""
    return f"@{name.lower()}"


def alias_of(target: str) -> str | None:
    """Return the name of the alias that is the target; None if it is a release or an environment."""
    return target[1:] if target.startswith("@") else None


def is_environment(target: str) -> bool:
    """Return whether the target is an environment."""
    return target != RELEASE and alias_of(target) is None
