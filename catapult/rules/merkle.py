"""The Merkle tree of the audit log: RFC 9162, section 2.1.

A tree is stored as its leaves and, level by level, the roots of complete subtrees of 256, 256², … leaves. Each proof reads at
most 256 rows of a level at two positions: beside the entry, and at the right edge.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

BITS = 8
WIDTH = 1 << BITS
EMPTY = sha256(b"").digest()

Read = Callable[[int, int, int], Sequence[bytes]]
"""Returns the nodes of a level from an index on and before another. Level 0 has the leaves."""


def leaf_hash(data: bytes) -> bytes:
    """Return the leaf of an entry."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the root of two subtrees."""
    return sha256(b"\x01" + left + right).digest()


def fold(peaks: Sequence[bytes]) -> bytes:
    """Return the root of the tree whose perfect subtrees, from the left and the largest on, have these roots."""
    if not peaks:
        return EMPTY
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


class Growing:
    """A tree that gets leaves. `completed` has `(level, index, hash)` of the subtrees that became complete."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        self.size, self.peaks = size, list(peaks)
        self.completed: list[tuple[int, int, bytes]] = []

    def append(self, leaf: bytes) -> None:
        """Add a leaf: each subtree at the right edge that is as large as the new one merges with it."""
        node, height = leaf, 0
        while self.size >> height & 1:
            node = node_hash(self.peaks.pop(), node)
            height += 1
            if height % BITS == 0:
                self.completed.append((height // BITS, self.size >> height, node))
        self.peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of all leaves."""
        return fold(self.peaks)


class Tree:
    """The tree of the first `size` leaves that `read` returns."""

    def __init__(self, size: int, read: Read) -> None:
        self.size, self._read = size, read
        self._tiles: dict[tuple[int, int], Sequence[bytes]] = {}

    def peaks(self) -> list[bytes]:
        """Return the roots of the perfect subtrees that the tree consists of, the largest first."""
        heights = [height for height in reversed(range(self.size.bit_length())) if self.size >> height & 1]
        return [self._perfect_root(height, (self.size >> height) - 1) for height in heights]

    def root(self) -> bytes:
        """Return the root."""
        return fold(self.peaks())

    def inclusion(self, seq: int) -> list[bytes]:
        """Return the inclusion proof of the leaf with that number (2.1.3.1)."""
        path, start, stop = [], 0, self.size
        while stop - start > 1:
            middle = start + _left(stop - start)
            if seq < middle:
                path.append(self._hash(middle, stop))
                stop = middle
            else:
                path.append(self._hash(start, middle))
                start = middle
        return path[::-1]

    def consistency(self, first: int) -> list[bytes]:
        """Return the proof that the tree begins with the tree of its first leaves, of which there is one or more (2.1.4.1)."""
        proof, start, stop = [], 0, self.size
        while stop != first:
            middle = start + _left(stop - start)
            if first <= middle:
                proof.append(self._hash(middle, stop))
                stop = middle
            else:
                proof.append(self._hash(start, middle))
                start = middle
        if start:  # otherwise it is the first tree's root, which the verifier has
            proof.append(self._hash(start, stop))
        return proof[::-1]

    def _hash(self, start: int, stop: int) -> bytes:
        """Return the root of the leaves from `start` on and before `stop`."""
        count = stop - start
        if count & (count - 1) == 0:
            return self._perfect_root(count.bit_length() - 1, start // count)
        middle = start + _left(count)
        return node_hash(self._hash(start, middle), self._hash(middle, stop))

    def _perfect_root(self, height: int, index: int) -> bytes:
        """Return the root of the perfect subtree of that height with that index from the left."""
        level, rest = divmod(height, BITS)
        tile, offset = divmod(index << rest, WIDTH)
        if (level, tile) not in self._tiles:
            start = tile * WIDTH
            stop = min(start + WIDTH, self.size >> level * BITS)
            self._tiles[level, tile] = self._read(level, start, stop)
        nodes = self._tiles[level, tile][offset : offset + (1 << rest)]
        while len(nodes) > 1:
            nodes = [node_hash(left, right) for left, right in zip(nodes[::2], nodes[1::2], strict=True)]
        return nodes[0]


def _left(count: int) -> int:
    """Return the size of the left subtree: the largest power of two below the number of leaves."""
    return 1 << (count - 1).bit_length() - 1
