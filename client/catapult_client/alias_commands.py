"""`catapult alias …`: the commands for aliases."""

from __future__ import annotations

import argparse
from typing import Any

from .commands import check_force
from .output import Output, columns
from .record import second
from .registry import Registry

Options = argparse.Namespace


def listing(registry: Registry[Any], options: Options, out: Output) -> bool:
    """List the aliases of a model with their versions, now or at a time."""
    rows = list(registry.aliases(options.model, options.at))
    out.result(rows, *columns([(row.name, row.version, second(row.since), f"by {row.set_by}") for row in rows]))
    if not rows:
        out.tell(f"{options.model} {'has' if options.at is None else 'had'} no aliases.")
    return True


def point(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Point the alias at the version."""
    check_force(options)
    version = registry.get_version(model_name=options.model, version=options.version)
    alias = registry.set_alias(
        options.model, options.alias, version, reason=options.reason, force=options.force or None
    )
    out.result(alias, f"{alias.name} of {alias.model_name} points at {alias.version}")
    return True


def remove(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Remove the alias."""
    check_force(options)
    registry.delete_alias(options.model, options.alias, reason=options.reason, force=options.force or None)
    out.result({"alias": options.alias, "removed": True}, f"{options.alias} of {options.model} is removed")
    return True
