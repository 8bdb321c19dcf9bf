"""The head of a GGUF file: the metadata that says what model it is, and its tensors.

Source: the format's description in ggml (`docs/gguf.md`), the reader in llama.cpp (`ggml/src/gguf.cpp`) and the package `gguf`.
Integers are little-endian, and big-endian from version 3 on if the file was written on such a machine. Lists of a tokenizer
are skipped.
"""

import math
import struct
from typing import Any

from catapult.rules.file_head import LONGEST_NAME, LONGEST_TEXT, Facts, Head, Unreadable, quoted, storable
from catapult.rules.gguf_types import GUESSED, QUANTIZATIONS, TYPES

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MOST_ENTRIES = 10_000
MOST_TENSORS = 100_000
MOST_STORED = 200
"""The most values of metadata that are stored."""

MOST_DIMENSIONS = 4
DEEPEST = 8
"""The most arrays within each other. llama.cpp takes no array within another; the description of the format does."""

ALIGNMENT = 32

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_UINT32, _STRING, _ARRAY = 4, 8, 9

MOST_TYPES = 64
"""The most types that are counted by name. The rest counts as `other`."""

_TEXTS = {"general.architecture": "architecture", "general.name": "name", "general.license": "license"}


def facts(head: Head) -> Facts:
    """Return the facts of the file. If it cannot be read to the end, there is a `problem` beside what was read until then."""
    result: Facts = {"format": "gguf"}
    try:
        _read(head, result)
    except Unreadable as problem:
        result["problem"] = f"could not be read: {problem}"
    return result


def _read(head: Head, result: Facts) -> None:
    """Add the facts to the result as they are read. Raise Unreadable if the file is not valid, or exceeds a limit."""
    reader = _Reader(head, result)
    tensors, entries = reader.number("Q"), reader.number("Q")
    if tensors > MOST_TENSORS:
        raise Unreadable(f"it has {tensors:,} tensors; at most {MOST_TENSORS:,} are read")
    if entries > MOST_ENTRIES:
        raise Unreadable(f"it has {entries:,} entries of metadata; at most {MOST_ENTRIES:,} are read")
    values: dict[str, Any] = {}
    try:
        _add_metadata(reader, entries, values)
    finally:
        result.update(_described(values))
    result.update(_tensors(reader, tensors, _alignment(values)))


class _Reader:
    """The values of a file, one after the other."""

    def __init__(self, head: Head, result: Facts) -> None:
        self.head, self._order = head, "<"
        if head.take(4) != MAGIC:
            raise Unreadable("it does not begin with GGUF")
        version = self.number("I")
        if version & 0xFFFF == 0:  # the numbers of versions are small, so their bytes are the other way round
            self._order = ">"
            version = int.from_bytes(version.to_bytes(4, "little"), "big")
        if version not in VERSIONS:
            raise Unreadable(f"it has version {version} of the format; versions 2 and 3 are read")
        result |= {"version": version, "byte_order": "little" if self._order == "<" else "big"}

    def number(self, code: str) -> Any:
        """Return the next number, which has that code of `struct`."""
        return struct.unpack(self._order + code, self.head.take(struct.calcsize("<" + code)))[0]

    def numbers(self, count: int) -> tuple[int, ...]:
        """Return the next numbers of 64 bits."""
        return struct.unpack(f"{self._order}{count}Q", self.head.take(8 * count))

    def name(self) -> str:
        """Return the next string, a name: valid UTF-8, and not too long."""
        length = self.number("Q")
        if length > LONGEST_NAME:
            raise Unreadable(f"it has a name of {length:,} bytes; at most {LONGEST_NAME:,} are read")
        try:
            return self.head.take(length).decode()
        except UnicodeDecodeError:
            raise Unreadable("it has a name that is not valid UTF-8") from None

    def text(self) -> str:
        """Return the next string, cut as it is stored."""
        length = self.number("Q")
        start = self.head.take(min(length, 4 * LONGEST_TEXT))  # a character has at most 4 bytes
        self.head.skip(length - len(start))
        return storable(start.decode(errors="replace"))

    def value(self, kind: int) -> Any:
        """Return the next value, if it is a number or a string, and None for an array."""
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind == _STRING:
            return self.text()
        self.skip(kind, 0)
        return None

    def skip(self, kind: int, depth: int) -> None:
        """Go past the next array. Raise Unreadable if it is of another kind."""
        if kind != _ARRAY:
            raise Unreadable(f"its metadata has a value of the unknown type {kind}")
        if depth == DEEPEST:
            raise Unreadable(f"its metadata has more than {DEEPEST} arrays within each other")
        kind, count = self.number("I"), self.number("Q")
        if kind in _SCALARS:
            self.head.skip(count * struct.calcsize("<" + _SCALARS[kind]))
        elif kind == _STRING:
            self._skip_strings(count)
        else:
            for _ in range(count):
                self.skip(kind, depth + 1)

    def _skip_strings(self, count: int) -> None:
        """Go past strings. A tokenizer has some hundred thousand, so those within the piece are a loop of their own."""
        head, unpack = self.head, struct.Struct(self._order + "Q").unpack_from
        while count:
            head.skip(self.number("Q"))
            count -= 1
            piece, index, last = head.piece, head.index, len(head.piece) - 8
            start = index
            while count and index <= last:
                index += 8 + unpack(piece, index)[0]
                count -= 1
            head.skip(index - start)


def _add_metadata(reader: _Reader, entries: int, values: dict[str, Any]) -> None:
    """Add the values that are used. Raise Unreadable if a key occurs twice, as both readers refuse that."""
    keys: set[str] = set()
    for _ in range(entries):
        key, kind = reader.name(), reader.number("I")
        if key in keys:
            raise Unreadable(f"its metadata has {quoted(key)} twice")
        keys.add(key)
        value = reader.value(kind)
        if key == "general.alignment" and kind != _UINT32:
            raise Unreadable("its general.alignment is not a number of 32 bits")
        if len(values) < MOST_STORED and (key.startswith("general.") or key.endswith(".context_length")):
            values[key] = value


def _described(values: dict[str, Any]) -> Facts:
    """Return the facts of the model that are in the metadata."""
    result: Facts = {fact: values[key] for key, fact in _TEXTS.items() if isinstance(values.get(key), str)}
    length = values.get(f"{result.get('architecture')}.context_length")
    if type(length) is int:  # and not a bool
        result["context_length"] = length
    kind = values.get("general.file_type")
    if type(kind) is int:
        result["quantization"] = QUANTIZATIONS.get(kind & ~GUESSED, f"file type {kind}")
    return result


def _alignment(values: dict[str, Any]) -> int:
    """Return what the offset of each tensor is a multiple of, in bytes."""
    alignment: int = values.get("general.alignment", ALIGNMENT)
    if alignment < 1 or alignment & (alignment - 1):
        raise Unreadable(f"its general.alignment is {alignment}, which is not a power of two")
    return alignment


def _tensors(reader: _Reader, count: int, alignment: int) -> Facts:
    """Return the counts of the tensors. Raise Unreadable if their bytes overlap, or are not in the file."""
    names: set[str] = set()
    types: dict[str, int] = {}
    extents: list[tuple[int, int]] = []
    parameters = 0
    for _ in range(count):
        name = reader.name()
        if name in names:
            raise Unreadable(f"it has the tensor {quoted(name)} twice")
        names.add(name)
        kind, elements, extent = _tensor(reader, name, alignment)
        known = kind if kind in types or len(types) < MOST_TYPES else "other"
        types[known] = types.get(known, 0) + 1
        parameters += elements
        extents.append(extent)
    _check(extents, reader.head, alignment)
    return {"parameters": parameters, "tensors": count, "dtypes": types}


def _tensor(reader: _Reader, name: str, alignment: int) -> tuple[str, int, tuple[int, int]]:
    """Return the next tensor's type, how many elements it has, and where it begins and ends in the data."""
    dimensions = reader.number("I")
    if dimensions > MOST_DIMENSIONS:
        raise Unreadable(
            f"its tensor {quoted(name)} has {dimensions} dimensions; at most {MOST_DIMENSIONS} are allowed"
        )
    shape = reader.numbers(dimensions)
    number, offset = reader.number("I"), reader.number("Q")
    elements = math.prod(shape)
    if max(shape, default=0) >= 1 << 63 or elements >= 1 << 63:
        raise Unreadable(f"the shape of its tensor {quoted(name)} is too large")
    if offset % alignment:
        raise Unreadable(f"the offset of its tensor {quoted(name)} is not a multiple of {alignment}")
    # New types are added every few months: how many bytes those have is not known, so it is not checked.
    kind, block, size = TYPES.get(number, (f"type {number}", 1, 0))
    if (shape[0] if shape else 1) % block:
        raise Unreadable(f"the rows of its tensor {quoted(name)} do not have whole blocks of {block}")
    return kind, elements, (offset, offset + elements // block * size)


def _check(extents: list[tuple[int, int]], head: Head, alignment: int) -> None:
    """Raise Unreadable unless the tensors lie beside each other between the padding after their list and the file's end."""
    end = 0
    for start, stop in sorted(extents):
        if start < end:
            raise Unreadable(f"its tensors overlap at byte {start} of the data")
        end = stop
    data = -(-head.position // alignment) * alignment
    if extents and data + end > head.size:
        raise Unreadable(f"its tensors end at byte {data + end:,}, but the file has {head.size:,} bytes")
