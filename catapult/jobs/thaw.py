"""End the freezes whose time is over, so that everybody is told."""

from typing import Any

from catapult.actions import environments
from catapult.audit import WORKER


def run(_: str, __: dict[str, Any]) -> None:
    environments.end_freezes(actor=WORKER)
