"""The Merkle tree of the audit log against RFC 6962's own recursive definition, and the client's checks against it."""

from hashlib import sha256

import catapult_client.merkle as client
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catapult.rules.merkle import BITS, WIDTH, Growing, Tree, leaf_hash

INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""The test vectors of Certificate Transparency: the inputs, and the root of the first so many."""

MANY = [sha256(str(number).encode()).digest() for number in range(WIDTH**2 + 3 * WIDTH + 7)]
EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True, database=None)
EDGES = [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 1023, 1025, WIDTH**2 - 1, WIDTH**2, WIDTH**2 + 1, len(MANY)]
SIZES = st.one_of(st.sampled_from(EDGES[1:]), st.integers(1, 40), st.integers(1, 3_000))


def naive(leaves):
    """MTH of RFC 6962, 2.1."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = largest_power_below(len(leaves))
    return sha256(b"\x01" + naive(leaves[:split]) + naive(leaves[split:])).digest()


def naive_path(seq, leaves):
    """PATH of RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    split = largest_power_below(len(leaves))
    if seq < split:
        return [*naive_path(seq, leaves[:split]), naive(leaves[split:])]
    return [*naive_path(seq - split, leaves[split:]), naive(leaves[:split])]


def naive_proof(first, leaves, whole=True):
    """SUBPROOF of RFC 6962, 2.1.2."""
    if first == len(leaves):
        return [] if whole else [naive(leaves)]
    split = largest_power_below(len(leaves))
    if first <= split:
        return [*naive_proof(first, leaves[:split], whole), naive(leaves[split:])]
    return [*naive_proof(first - split, leaves[split:], False), naive(leaves[:split])]


def largest_power_below(number):
    power = 1
    while power * 2 < number:
        power *= 2
    return power


class Stored:
    """The leaves and nodes as the database has them, and what is read of them."""

    def __init__(self, leaves):
        growing = Growing()
        for leaf in leaves:
            growing.append(leaf)
        self.root, self.reads = growing.root(), []
        self.nodes = {0: dict(enumerate(leaves))}
        for level, index, node in growing.completed:
            self.nodes.setdefault(level, {})[index] = node

    def read(self, level, start, stop):
        self.reads.append((level, stop - start))
        return [self.nodes[level][index] for index in range(start, stop)]


STORED = Stored(MANY)


def test_the_roots_of_the_test_vectors():
    leaves = [leaf_hash(bytes.fromhex(text)) for text in INPUTS]
    for size, root in enumerate(ROOTS):
        assert Stored(leaves[:size]).root.hex() == root
        assert naive(leaves[:size]).hex() == root


@pytest.mark.parametrize("size", EDGES)
def test_a_root_is_that_of_the_definition_however_it_is_made(size):
    expected, theirs = naive(MANY[:size]), client.Tree()
    for leaf in MANY[:size]:
        theirs.append(leaf)
    assert {Tree(size, STORED.read).root(), theirs.root(), Stored(MANY[:size]).root} == {expected}


def test_every_proof_of_small_trees_is_that_of_the_definition_and_no_other_is_taken():
    for size in range(1, 18):
        leaves = MANY[:size]
        tree, root = Tree(size, STORED.read), naive(leaves)
        for seq in range(size):
            path = tree.inclusion(seq)
            assert path == naive_path(seq, leaves)
            for other in range(size):
                assert (client.root_of(leaves[seq], other, size, path) == root) is (other == seq)
            assert client.root_of(leaves[seq], seq, size, [*path, root]) is None
            assert client.root_of(leaves[seq], seq, size, path[:-1]) != root or not path
        for first in range(1, size + 1):
            proof, earlier = tree.consistency(first), naive(leaves[:first])
            assert proof == naive_proof(first, leaves)
            assert client.begins_with(first, earlier, size, root, proof)
            assert not client.begins_with(first, MANY[-1], size, root, proof)
            assert not client.begins_with(first, earlier, size, MANY[-1], proof)
            assert not client.begins_with(first, earlier, size, root, [*proof, root])
            assert not proof or not client.begins_with(first, earlier, size, root, proof[:-1])


@EXAMPLES
@given(SIZES, st.data())
def test_proofs_hold_at_any_size(size, data):
    tree, root = Tree(size, STORED.read), naive(MANY[:size])
    seq = data.draw(st.integers(0, size - 1))
    assert client.root_of(MANY[seq], seq, size, tree.inclusion(seq)) == root
    first = data.draw(st.integers(1, size))
    assert client.begins_with(first, naive(MANY[:first]), size, root, tree.consistency(first))


@EXAMPLES
@given(SIZES, st.integers(0, 600))
def test_a_tree_grows_on_from_what_is_stored(size, more):
    size = min(size, len(MANY) - more)
    growing = Growing(size, Tree(size, STORED.read).peaks())
    for leaf in MANY[size : size + more]:
        growing.append(leaf)
    assert growing.root() == Tree(size + more, STORED.read).root()
    assert growing.completed == [
        (level, index, STORED.nodes[level][index])
        for end in range(size + 1, size + more + 1)
        for level in (1, 2)
        if end % WIDTH**level == 0
        for index in [end // WIDTH**level - 1]
    ]


@pytest.mark.parametrize("seq", [0, 1_000, WIDTH**2 - 1, WIDTH**2, len(MANY) - 1])
def test_a_proof_reads_few_rows_of_each_level(seq):
    STORED.reads.clear()
    Tree(len(MANY), STORED.read).inclusion(seq)
    Tree(len(MANY), STORED.read).consistency(seq + 1)
    levels = len(MANY).bit_length() // BITS + 1
    assert len(STORED.reads) <= 2 * 2 * levels
    assert all(rows <= WIDTH for _, rows in STORED.reads)
