"""Files that are pickles: loading one runs whatever code it names.

A warning by the file's name or its first bytes, and not a scan: nothing here says that a pickle is harmless.

Source: `pickletools` and PEP 3154 for pickles; `torch.serialization` for PyTorch's files, which are a ZIP archive with the
pickle `data.pkl`, and before version 1.6 pickles one after the other.
"""

import pickletools
import re

from catapult.rules.file_head import FIRST_PIECE, Facts, Head, Read

ENDINGS = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib")
"""Files with these endings are unpickled by name, also when they are compressed or of the oldest protocols."""

_ZIP = b"PK\x03\x04"
_PROTO = b"\x80"
_PROTOCOLS = range(2, 6)
_OPCODES = frozenset(opcode.code.encode("latin-1") for opcode in pickletools.opcodes)
_IMPORT = re.compile(rb"[(\]}l]*+c[A-Za-z_][\w.]*+\n[A-Za-z_][\w.]*+\n[(q)pR]")
"""The beginning of a pickle of protocol 0 or 1, which has no header, that imports something."""


def facts() -> Facts:
    """Return the facts of a pickle."""
    return {"format": "pickle", "warning": "runs code when it is loaded"}


def is_pickle(head: Head, read: Read) -> bool:
    """Return whether the file's first bytes are those of a pickle, or of an archive with one that PyTorch unpickles."""
    first = head.first_piece()
    if first.startswith(_ZIP):
        return b"data.pkl" in first or b"data.pkl" in read(max(0, head.size - FIRST_PIECE), head.size)
    if first.startswith(_PROTO):
        return len(first) > 2 and first[1] in _PROTOCOLS and first[2:3] in _OPCODES
    return _IMPORT.match(first) is not None
