"""`catapult upload`, `catapult download` and `catapult ls`: the files of a version."""

from __future__ import annotations

import argparse
from typing import Any

from .model_records import Version
from .output import Output, columns
from .progress import size_text
from .registry import Registry

Options = argparse.Namespace


def upload(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Add files and folders to the version."""
    version = _version(registry, options)
    added = [
        artifact for path in options.paths for artifact in registry.upload(version, path, to=options.to, progress=True)
    ]
    out.result(added, *columns([(row.path, size_text(row.size_bytes), row.sha256 or str(row.state)) for row in added]))
    if not added:
        out.tell("There are no files in it.")
    return bool(added)


def download(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Download all files of the version."""
    files = registry.download(_version(registry, options), to=options.to, progress=True)
    out.result([str(file) for file in files], *map(str, files))
    if not files:
        out.tell("This version has no files.")
    return True


def ls(registry: Registry[Any], options: Options, out: Output) -> bool:
    """List the files of the version."""
    rows = list(registry.artifacts(_version(registry, options)))
    out.result(rows, *columns([(row.path, size_text(row.size_bytes), row.sha256 or str(row.state)) for row in rows]))
    if not rows:
        out.tell("This version has no files.")
    return True


def _version(registry: Registry[Any], options: Options) -> Version:
    version: Version = registry.get_version(model_name=options.model, version=options.version)
    return version
