"""Seal the entries of the audit log that are not sealed yet."""

from typing import Any

from catapult.actions import audit_seal
from catapult.extensions import current_settings


def run(_: str, __: dict[str, Any]) -> None:
    audit_seal.seal(audit_seal.signer(current_settings()))
