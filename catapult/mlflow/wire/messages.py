"""Models and versions as MLflow's messages. 64-bit numbers are strings, as in the JSON form of Protocol Buffers."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

Aliases = Sequence[tuple[str, int]]
"""The aliases of a model, each with the number of the version that it points at."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def encode(message: Mapping[str, Any]) -> bytes:
    """Return the message as JSON."""
    return _ENCODER.encode(message).encode()


def model(row: Any, latest: Sequence[Any], aliases: Aliases) -> dict[str, Any]:
    """Return the model with the latest version of each stage."""
    return {
        "name": row.name,
        "creation_timestamp": _milliseconds(row.created_at),
        "last_updated_timestamp": _milliseconds(row.updated_at),
        **_present(description=row.description),
        "latest_versions": [version(each) for each in latest],
        "tags": _tags(row.tags),
        "aliases": [{"alias": name, "version": str(number)} for name, number in aliases],
    }


def version(row: Any) -> dict[str, Any]:
    """Return the version. Its `version` is its number, since MLflow's clients need a whole number there."""
    return {
        "name": row.name,
        "version": str(row.number),
        "creation_timestamp": _milliseconds(row.created_at),
        "last_updated_timestamp": _milliseconds(row.updated_at),
        "user_id": row.created_by,
        "current_stage": row.stage,
        "status": "READY",
        **_present(description=row.release_notes, source=row.source),
        **row.origin,
        "tags": _tags(row.tags),
        "aliases": row.aliases,
    }


def _tags(tags: Any) -> list[dict[str, str]]:
    """Return the tags. Rows that are older than the check of tags may have other JSON in their place."""
    pairs = tags.items() if isinstance(tags, dict) else ()
    return [{"key": key, "value": value} for key, value in pairs if isinstance(value, str)]


def _present(**fields: str | None) -> dict[str, str]:
    return {name: text for name, text in fields.items() if text is not None}


def _milliseconds(time: datetime) -> str:
    return str(int(time.timestamp() * 1000))
