"""The header of a safetensors file: its tensors and its metadata.

Source: the format's description in the README of safetensors, and its own reader, which is written in Rust with `serde_json`:
whatever that refuses is refused here. Beyond it, a name must not occur twice, each tensor must be an object and its dtype a
string, as the description says; and there are limits.
"""

import math
from typing import Any

from catapult.rules.file_head import LONGEST_TEXT, MOST_READ, Budget, Facts, Head, Unreadable, quoted, storable
from catapult.rules.strict_json import StrictJson, check_utf8

MOST_TENSORS = 100_000
MOST_ENTRIES = 10_000
"""The most entries of metadata."""

MOST_LISTED = 200
"""The most tensors, and the most entries of metadata, that are stored."""

BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}
"""The bits of an element, by its dtype."""

Extents = list[tuple[int, int]]
"""The first byte of each tensor, and the one after its last, from the end of the header on."""


def facts(head: Head) -> Facts:
    """Return the facts of the file. Raise Unreadable if it is not valid, or exceeds a limit.

    `parameters` counts elements: a library that packs several weights into an integer of its own has more.
    """
    header = StrictJson(_text(head))
    tensors = _Tensors()
    metadata: dict[str, str] | None = None
    for name in header.fields():
        if name != b"__metadata__":
            tensors.add(name, header)
        elif metadata is None:
            metadata = _metadata(header)
        else:
            raise Unreadable("its header has __metadata__ twice")
    header.end()
    tensors.check(head.size - head.position)
    return {"format": "safetensors", **tensors.facts(), "metadata": metadata or {}}


def _text(head: Head) -> bytes:
    """Return the header's JSON, which is valid UTF-8."""
    length = int.from_bytes(head.take(8), "little")
    if length > head.size - 8:
        raise Unreadable(f"its header is to be {length:,} bytes long, which is more than the file has")
    if length > MOST_READ:
        raise Unreadable(f"its header is {length:,} bytes long; at most {MOST_READ:,} are read")
    text = head.take(length)
    check_utf8(text)
    return text


def _metadata(header: StrictJson) -> dict[str, str]:
    """Return the first entries of the metadata, which is a map of strings, or null. Of two with one name, the last counts."""
    metadata: dict[str, str] = {}
    if header.is_null():
        return metadata
    budget = Budget(MOST_LISTED)
    for count, key in enumerate(header.fields()):
        if count == MOST_ENTRIES:
            raise Unreadable(f"it has more than {MOST_ENTRIES:,} entries of metadata")
        name, text = storable(key.decode()), header.text("string of metadata")
        if budget.count_if_fits([name, text]):
            metadata[name] = text
    return metadata


class _Tensors:
    """The tensors of a file: all are counted and checked, the first are stored."""

    def __init__(self) -> None:
        self._names: set[bytes] = set()
        self._extents: Extents = []
        self._dtypes: dict[str, int] = {}
        self._parameters = 0
        self._list: list[Facts] = []
        self._budget = Budget(MOST_LISTED)

    def add(self, name: bytes, header: StrictJson) -> None:
        """Take the next value of the header as the tensor of that name."""
        if name in self._names:
            raise Unreadable(f"its header has the tensor {quoted(name)} twice")
        if len(self._names) == MOST_TENSORS:
            raise Unreadable(f"it has more than {MOST_TENSORS:,} tensors")
        self._names.add(name)
        dtype, shape, extent = _tensor(header, name)
        self._extents.append(extent)
        self._dtypes[dtype] = self._dtypes.get(dtype, 0) + 1
        self._parameters += math.prod(shape)
        if len(self._list) < MOST_LISTED:
            self._store(
                {"name": storable(name[: 4 * LONGEST_TEXT].decode(errors="ignore")), "dtype": dtype, "shape": shape}
            )

    def _store(self, item: Facts) -> None:
        if self._budget.count_if_fits(item):
            self._list.append(item)

    def check(self, size: int) -> None:
        """Raise Unreadable unless the tensors cover the bytes after the header, each of them once."""
        end = 0
        for start, stop in sorted(self._extents):
            if start != end:
                raise Unreadable(
                    f"its tensors {'overlap' if start < end else 'leave a gap'} at byte {start} of the data"
                )
            end = stop
        if end != size:
            raise Unreadable(f"its tensors have {end:,} bytes in all, but {size:,} bytes follow the header")

    def facts(self) -> Facts:
        """Return the facts of the tensors."""
        return {
            "parameters": self._parameters,
            "tensors": len(self._names),
            "dtypes": self._dtypes,
            "tensor_list": self._list,
        }


def _tensor(header: StrictJson, name: bytes) -> tuple[str, list[int], tuple[int, int]]:
    """Return the dtype, the shape and the extent of the tensor that is the next value."""
    fields: dict[bytes, Any] = {}
    for key in header.fields():
        if key in fields:
            raise Unreadable(f"its tensor {quoted(name)} has a field twice")
        if key == b"dtype":
            fields[key] = header.text("dtype")
        elif key in (b"shape", b"data_offsets"):
            fields[key] = header.numbers(f"valid {key.decode()}")
        else:
            header.skip()
    if len(fields) < 3:
        raise Unreadable(f"its tensor {quoted(name)} lacks a dtype, a shape or data_offsets")
    dtype, shape, offsets = fields[b"dtype"], fields[b"shape"], fields[b"data_offsets"]
    if len(offsets) != 2:
        raise Unreadable(f"its tensor {quoted(name)} needs two data_offsets")
    if offsets[1] - offsets[0] != _bytes(name, dtype, shape):
        raise Unreadable(f"the data_offsets of its tensor {quoted(name)} do not match its dtype and shape")
    return dtype, shape, (offsets[0], offsets[1])


def _bytes(name: bytes, dtype: str, shape: list[int]) -> int:
    """Return how many bytes such a tensor has. As in the reader, the factors must not overflow 64 bits on the way."""
    if dtype not in BITS:
        raise Unreadable(f"its tensor {quoted(name)} has the dtype {quoted(dtype)}, which the format does not have")
    count = 1
    for factor in (*shape, BITS[dtype]):
        count *= factor
        if count >= 1 << 64:
            raise Unreadable(f"the shape of its tensor {quoted(name)} is too large")
    if count % 8:
        raise Unreadable(f"its tensor {quoted(name)} does not end at a whole byte")
    return count // 8
