"""What is known of a version's image, as its page and lists show it, and pages of what is live."""

from datetime import datetime
from typing import Any, NamedTuple

from catapult.rules import image_checks


class Trust(NamedTuple):
    """What the image registry answered, and whose signatures verified. `manifest` is what the image says of itself, or None."""

    digest_status: str | None
    tag_status: str | None
    tag_digest: str | None
    detail: str | None
    checked_at: datetime | None
    verified_at: datetime | None
    signers: list[str]
    manifest: dict[str, Any] | None
    built_at: datetime | None


def of(row: Any) -> Trust:
    """Return what is known of the version in this row."""
    of_model = (row.image_check, row.model_repository, row.model_storage_path)
    known = image_checks.verification(*of_model) or {}
    manifest = image_checks.manifest(row.image_check)
    at = {name: _time(known.get(name)) for name in ("checked_at", "verified_at")}
    return Trust(
        image_checks.status(row.digest, *of_model),
        image_checks.tag_status(*of_model),
        known.get("tag_digest"),
        known.get("detail"),
        **at,
        signers=sorted({each["key"] for each in image_checks.signatures(row.image_check)}),
        manifest=manifest,
        built_at=_time(manifest["created"]) if manifest else None,
    )


def unsound(row: Any) -> dict[str, Any] | None:
    """Return the answer about the image of the deployment in this row; None unless its tag or digest needs attention."""
    check = row.unsound_image
    return image_checks.counted(check, check["model_repository"], check["model_storage_path"]) if check else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
