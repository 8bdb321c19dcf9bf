"""Lists of versions as files."""

from collections.abc import Iterator
from typing import Any

from flask import Response

from catapult.pages.parts import csv_files, formats
from catapult.queries import metrics
from catapult.queries.lists.paging import Listing


def file(name: str, listing: Listing, paths: list[str], *, of_models: bool = False) -> Response:
    """Return the versions as a file, with their numbers at these paths, and their models if they are `of_models`."""
    first = ("version", "is_release", "status", "tag", "digest")
    heads = (*first, *paths, "live_in", "created_at", "created_by", "source")

    def cells(rows: list[Any]) -> Iterator[Any]:
        numbers = metrics.of_versions([row.id for row in rows], paths)
        for row in rows:
            model = [row.model_name] if of_models else []
            own = numbers.get(str(row.id), {})
            yield [
                *model,
                row.version,
                row.is_release,
                row.status,
                row.tag,
                row.digest,
                *map(own.get, paths),
                *_last(row),
            ]

    return csv_files.table(name, ("model", *heads) if of_models else heads, listing, cells)


def _last(row: Any) -> tuple[Any, ...]:
    return " ".join(formats.staged(row.live_in)), row.created_at, row.created_by, row.source
