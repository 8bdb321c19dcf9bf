"""The tags of MLflow. Metadata has them under a key of their own. They are labels: not content, and no gate reads them."""

from typing import Any

from catapult.rules.json_text import as_stored

KEY = "mlflow_tags"
ORIGIN = ("run_id", "run_link", "model_id")
"""The fields of `metadata.mlflow` that say where a version comes from. They are content."""
KEY_LENGTH, VALUE_LENGTH = 250, 5_000
MOST, MAX_CHARACTERS = 1_000, 256 * 1024


def of(metadata: dict[str, Any]) -> dict[str, str]:
    """Return the tags in the metadata."""
    tags: dict[str, str] = metadata.get(KEY) or {}
    return tags


def without(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata without the tags: its content."""
    return {key: value for key, value in metadata.items() if key != KEY} if KEY in metadata else metadata


def with_tag(metadata: dict[str, Any], key: str, value: str | None) -> dict[str, Any]:
    """Return the metadata with this tag, or without it where the value is None."""
    tags = {name: text for name, text in of(metadata).items() if name != key}
    if value is not None:
        tags[key] = value
    return {**without(metadata), **({KEY: tags} if tags else {})}


def problems(metadata: dict[str, Any]) -> list[str]:
    """Return what is wrong with the tags in the metadata, a sentence each; an empty list if nothing is."""
    tags = metadata.get(KEY, {})
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        return [f"{KEY} has the tags of MLflow: an object whose values are texts."]
    wrong = []
    if any(not 1 <= len(key) <= KEY_LENGTH for key in tags):
        wrong.append(f"The key of a tag must have 1 to {KEY_LENGTH} characters.")
    if any(len(value) > VALUE_LENGTH for value in tags.values()):
        wrong.append(f"The value of a tag must have at most {VALUE_LENGTH} characters.")
    if len(tags) > MOST or sum(len(key) + len(value) for key, value in tags.items()) > MAX_CHARACTERS:
        wrong.append(f"At most {MOST} tags with {MAX_CHARACTERS} characters in all are allowed.")
    return wrong


def split(changes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the changes `{field: {old, new}}` with those of tags split off from those of the metadata."""
    if "metadata" not in changes:
        return changes
    old, new = (changes["metadata"][when] for when in ("old", "new"))
    parts = {"metadata": (without(old), without(new)), KEY: (of(old), of(new))}
    split = {
        field: {"old": before, "new": after}
        for field, (before, after) in parts.items()
        if as_stored(before) != as_stored(after)
    }
    return {field: change for field, change in changes.items() if field != "metadata"} | split
