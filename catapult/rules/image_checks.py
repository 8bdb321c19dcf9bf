"""The last answer of the image registry about a version, in the form of responses and decisions.

An answer is a JSON object with the columns of `image_checks`. An answer about another repository than the model's present one
does not count.
"""

from datetime import datetime
from typing import Any

from catapult.rules.image_reference import digest_status, pull_from
from catapult.rules.json_text import rfc3339

Check = dict[str, Any]
UNREACHABLE = "unreachable"
"""The `digest_status` of a version whose image registry could not be asked the last time."""
MANIFEST = ("media_type", "artifact_type", "size_bytes", "platforms", "created", "revision", "source", "labels")
"""The fields of `image` in an answer, read from the manifest and the configuration of the image."""


def counted(check: Check | None, repository: str | None, storage_path: str) -> Check | None:
    """Return the answer if it is about the repository that the model has now, else None."""
    return check if check and check["repository"] == pull_from(repository, storage_path) else None


def status(digest: str | None, check: Check | None, repository: str | None, storage_path: str) -> str | None:
    """Return the version's `digest_status`; None without a digest."""
    known = counted(check, repository, storage_path)
    if known is None:
        return digest_status(digest)
    return UNREACHABLE if known["unreachable"] else str(known["digest_status"])


def tag_status(check: Check | None, repository: str | None, storage_path: str) -> str | None:
    """Return whether the tag led to the digest when the registry was last reached: `current`, `moved` or `gone`."""
    known = counted(check, repository, storage_path)
    return known["tag_status"] if known else None


def verification(check: Check | None, repository: str | None, storage_path: str) -> dict[str, Any] | None:
    """Return `{detail checked_at verified_at tag_digest}`, None if the registry was not asked."""
    known = counted(check, repository, storage_path)
    if known is None:
        return None
    times = {name: known[name] and utc(known[name]) for name in ("checked_at", "verified_at")}
    return {"detail": known["detail"], **times, "tag_digest": known["tag_digest"]}


def manifest(check: Check | None) -> dict[str, Any] | None:
    """Return what the manifest says, an object with `MANIFEST`; None if it was never read."""
    return check["image"] if check else None


def signatures(check: Check | None) -> list[dict[str, Any]]:
    """Return `{key layout verified_at}` of each verified signature. They belong to the digest, in any repository."""
    return [
        {"key": each["key"], "layout": each["layout"], "verified_at": utc(each["verified_at"])}
        for each in (check["signatures"] if check else ())
    ]


def evidence(version: Any) -> dict[str, Any]:
    """Return `{verification}` for the content of a decision, an empty object if the registry was never asked."""
    check: Check | None = version.image_check
    if check is None:
        return {}
    model = version.model
    known = verification(check, model.repository, model.storage_path)
    statuses = {
        "digest_status": status(version.digest, check, model.repository, model.storage_path),
        "tag_status": tag_status(check, model.repository, model.storage_path),
    }
    return {"verification": {**statuses, **(known or {}), "signatures": signatures(check)}}


def utc(text: str) -> str:
    """Return a time of PostgreSQL's JSON in the form of responses."""
    return rfc3339(datetime.fromisoformat(text))
