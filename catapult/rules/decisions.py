"""The document of a decision, its hash, and the content of its version."""

import hashlib
from collections.abc import Iterable
from typing import Any

from catapult.rules import gates, image_checks, image_reference, metadata_limits, mlflow_tags
from catapult.rules.gates import Verdict
from catapult.rules.json_text import JsonText, as_stored, object_of, rfc3339

FIELDS = (
    *("id", "kind", "at", "by", "by_key_id", "by_person_id", "version_id", "model_name", "version", "target"),
    *("content", "reason", "override", "override_by_registrant", "verdicts", "approvals", "freeze"),
)
ATTRIBUTES = tuple("kind_" if name == "kind" else name for name in FIELDS)
"""The attributes of a row that has these fields."""


def content_hash(version: Any) -> str:
    """Return the SHA-256 of the version's content, 64 hex digits, as `queries.content.HASH` does. `version.model` is set.

    A source is part of it only if there is one, so that hashes from before sources existed stay valid.
    """
    content = {
        "tag": version.tag,
        "digest": version.digest,
        "repository": version.model.repository,
        "storage_path": version.model.storage_path,
        "metadata": mlflow_tags.without(version.metadata_),
        "ceph_path": version.ceph_path,
        "quantization": version.quantization,
    }
    return _sha256(content if version.source is None else {**content, "source": version.source})


def content(version: Any) -> dict[str, Any]:
    """Return `{tag digest image source hash numbers verification}` of the version.

    `numbers` are those in its metadata, by dotted paths. `verification` is there if the image registry was asked.
    """
    return {
        "tag": version.tag,
        "digest": version.digest,
        "image": image_reference.image(version.model.repository, version.model.storage_path, version.digest),
        "source": version.source,
        "hash": content_hash(version),
        "numbers": dict(metadata_limits.numbers(version.metadata_)),
        **image_checks.evidence(version),
    }


def verdict(judged: Verdict) -> dict[str, Any]:
    """Return `{gate_id kind rule passed detail}` of a verdict."""
    return {
        "gate_id": str(judged.gate.id),
        "kind": str(judged.gate.kind_),
        "rule": gates.rule(judged.gate),
        "passed": judged.passed,
        "detail": judged.detail,
    }


def approvals(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """Return `{by at comment}` of each approval that counted for one of the verdicts, oldest first."""
    counted = {given.id: given for judged in verdicts for given in judged.approvals if given.void is None}
    ordered = sorted(counted.values(), key=lambda given: given.created_at)
    return [{"by": given.approved_by, "at": rfc3339(given.created_at), "comment": given.comment} for given in ordered]


def sha256(*values: Any) -> str:
    """Return the SHA-256 of a decision's document, 64 hex digits. `values` are those of its `ATTRIBUTES`."""
    return written(values)[1]


def as_json(decision: Any) -> JsonText:
    """Return the decision, an object with `ATTRIBUTES`, as JSON: its document with `sha256`."""
    return written([getattr(decision, name) for name in ATTRIBUTES])[0]


def written(values: Iterable[Any]) -> tuple[JsonText, str]:
    """Return the JSON and the SHA-256 of the decision with these values of its `ATTRIBUTES`.

    The document that is hashed is the object that `GET /decisions/{id}` answers, without `sha256`, written as PostgreSQL
    writes JSON.
    """
    document = dict(zip(FIELDS, values, strict=True))
    ids = {name: document[name] and str(document[name]) for name in ("id", "by_key_id", "by_person_id", "version_id")}
    document |= {**ids, "kind": str(document["kind"]), "at": rfc3339(document["at"])}
    parts = {name: as_stored(value) for name, value in document.items()}
    sha256 = hashlib.sha256(object_of(parts).encode()).hexdigest()
    return JsonText(object_of({**parts, "sha256": as_stored(sha256)})), sha256


def _sha256(value: Any) -> str:
    return hashlib.sha256(as_stored(value).encode()).hexdigest()
