"""The commands about the audit log that need no registry."""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import zlib
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import IO

from .checkpoint import CheckpointError, opened, public_key
from .commands import Failed, Usage
from .exported_log import ExportError
from .exported_log import verify as verified
from .output import Output


def verify(options: argparse.Namespace, out: Output) -> bool:
    """Check an export against checkpoints. Return whether it verifies."""
    try:
        keys = [public_key(_text("--key", source, "public_key")) for source in options.keys]
        checkpoints = [opened(_text("--checkpoint", source, "note"), keys) for source in options.notes]
        with ExitStack() as files:
            report = verified(chain.from_iterable(_lines(file, files) for file in options.files), checkpoints)
    except (CheckpointError, ExportError) as fault:
        raise Failed(str(fault)) from None
    except (OSError, EOFError, zlib.error) as fault:
        raise Usage(f"{' '.join(options.files)} cannot be read: {getattr(fault, 'strerror', None) or fault}.") from None
    wrong = [*([report.problem] if report.problem else []), *report.others]
    later = report.sealed - max(checkpoint.size for checkpoint in checkpoints)
    lines = [
        f"{report.sealed} sealed entries, {report.unsealed} not sealed yet.",
        *report.held,
        *(
            [f"{later} entries were sealed after the newest checkpoint, which does not cover them."]
            if later > 0
            else []
        ),
        *wrong,
    ]
    value = {
        "ok": report.ok,
        "sealed": report.sealed,
        "unsealed": report.unsealed,
        "seq": report.seq,
        "id": report.id,
        "wrong": wrong,
        "held": report.held,
    }
    out.result(value, *lines)
    if not report.ok:
        out.tell("The export does not verify.")
    return report.ok


def _lines(file: str, files: ExitStack) -> IO[bytes]:
    if file == "-":
        return sys.stdin.buffer
    opened_file = gzip.open(file, "rb") if file.endswith(".gz") else open(file, "rb")  # noqa: SIM115 - closed by `files`
    return files.enter_context(opened_file)  # type: ignore[arg-type]


def _text(option: str, source: str, name: str) -> str:
    """Return the content of a file, or of a field if it is the registry's answer in JSON. A key may be passed itself."""
    try:
        text = Path(source).read_text("utf-8")
    except (OSError, ValueError) as fault:
        if option == "--key" and isinstance(fault, OSError):
            return source
        reason = getattr(fault, "strerror", None) or "it is not UTF-8 text"
        raise Usage(f"{option} {source} cannot be read: {reason}.") from None
    if not text.lstrip().startswith("{"):
        return text
    try:
        return str(json.loads(text)[name])
    except (ValueError, KeyError, TypeError):
        raise Usage(f"{option} {source} has no {name}.") from None
