"""Write `approval.wanted` once for each version and target that waits for approvals."""

from typing import Any

from catapult.actions import approval_requests


def run(_: str, __: dict[str, Any]) -> None:
    approval_requests.write()
