"""End the freezes whose time is over, with an event for each."""

from typing import Any

from catapult.actions import environments
from catapult.audit import WORKER


def run(_: str, __: dict[str, Any]) -> None:
    environments.end_freezes(actor=WORKER)
