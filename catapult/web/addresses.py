"""Addresses as browsers see them: below the path that a proxy strips, if it strips one."""

import re

from flask import request

PATH = re.compile(r"/(?![/\\])[^\x00-\x20\\]*")
"""Path and query of a site: browsers read \\ as /, and two of them at the beginning name another host."""

UP = re.compile(r"(?:\.|%2e){2}", re.IGNORECASE)
"""A segment that leads up; browsers decode it first."""


def mounted(path: str) -> str:
    """Return the address of one of our paths: `/catapult/models` for `/models`, mounted at `/catapult`."""
    return f"{request.script_root}{path}"


def unmounted(address: str) -> str | None:
    """Return our path and query for an address without a host; None if it leads outside of this application."""
    below = re.fullmatch(rf"(?=/){re.escape(request.script_root)}(/.*)?([?#].*)?", address, re.DOTALL)
    if below is None:
        return None
    path = (below[1] or "/") + (below[2] or "")
    leads_up = any(UP.fullmatch(segment) for segment in re.split("[?#]", path, maxsplit=1)[0].split("/"))
    return path if PATH.fullmatch(path) and not leads_up else None
