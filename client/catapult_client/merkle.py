"""The Merkle tree of the audit log (RFC 9162, section 2.1), to check it without the registry."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256


def leaf_hash(text: str) -> bytes:
    """Return the leaf of an entry's sealed text."""
    return sha256(b"\x00" + text.encode()).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the root of two subtrees."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that grows by leaves. It stores the roots of its perfect subtrees: 20 for a million leaves."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        self.size, self.peaks = size, list(peaks)

    def append(self, leaf: bytes) -> None:
        """Add a leaf."""
        size = self.size
        while size & 1:
            leaf = sha256(b"\x01" + self.peaks.pop() + leaf).digest()
            size >>= 1
        self.peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of all leaves."""
        if not self.peaks:
            return sha256().digest()
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root


def root_of(leaf: bytes, seq: int, size: int, hashes: Sequence[bytes]) -> bytes | None:
    """Return the root that the inclusion proof leads to, or None if it has too many hashes or too few (2.1.3.2)."""
    index, last, root = seq, size - 1, leaf
    if not 0 <= index <= last:
        return None
    for each in hashes:
        if last == 0:
            return None
        if index & 1 or index == last:
            root = node_hash(each, root)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            root = node_hash(root, each)
        index, last = index >> 1, last >> 1
    return root if last == 0 else None


def begins_with(first: int, first_root: bytes, last: int, last_root: bytes, hashes: Sequence[bytes]) -> bool:
    """Return whether the tree of `last` leaves begins with that of `first` leaves, of which there is one or more (2.1.4.2)."""
    if not 1 <= first <= last:
        return False
    if first == last:
        return not hashes and first_root == last_root
    path = [first_root, *hashes] if first & (first - 1) == 0 else list(hashes)
    if not path:
        return False
    index, end = first - 1, last - 1
    while index & 1:
        index, end = index >> 1, end >> 1
    earlier = later = path[0]
    for each in path[1:]:
        if end == 0:
            return False
        if index & 1 or index == end:
            earlier, later = node_hash(each, earlier), node_hash(each, later)
            while index and not index & 1:
                index, end = index >> 1, end >> 1
        else:
            later = node_hash(later, each)
        index, end = index >> 1, end >> 1
    return end == 0 and (earlier, later) == (first_root, last_root)
