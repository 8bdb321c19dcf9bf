"""What is inside a model's weight file, from a range of its bytes.

The file is untrusted: it is not loaded, and its head is read within the limits of `file_head` and of the modules of the formats.
"""

from catapult.rules import gguf_header, pickle_warning, safetensors_header
from catapult.rules.file_head import Facts, Head, Read, Unreadable

_SHORTEST_HEADER = 10
"""The bytes of a safetensors file without tensors: a length and `{}`."""


def facts(path: str, size: int, read: Read) -> Facts:
    """Return the facts of a file as JSON: `format`, and what the format says. Empty if the format is not known.

    The ending of the path decides, and the first bytes if other endings have no format of their own. A file that is not valid,
    or exceeds a limit, has a `problem`; a pickle has a `warning`. Whatever `read` raises is passed on, and nothing else.
    At most 10 MB are read, 64 KiB first and then at most 1 MiB at once.
    """
    head, name = Head(size, read), path.lower()
    if name.endswith(".safetensors"):
        return _safetensors(head)
    if name.endswith(".gguf"):
        return gguf_header.facts(head)
    if name.endswith(pickle_warning.ENDINGS):
        return pickle_warning.facts()
    return _by_first_bytes(head, read)


def _by_first_bytes(head: Head, read: Read) -> Facts:
    """Return the facts of a file whose name does not say what it is."""
    first = head.first_piece()
    if first.startswith(gguf_header.MAGIC):
        return gguf_header.facts(head)
    if pickle_warning.is_pickle(head, read):
        return pickle_warning.facts()
    if first[8:9] == b"{" and _SHORTEST_HEADER <= 8 + int.from_bytes(first[:8], "little") <= head.size:
        return _safetensors(head)
    return {}


def _safetensors(head: Head) -> Facts:
    try:
        return safetensors_header.facts(head)
    except Unreadable as problem:
        return {"format": "safetensors", "problem": f"could not be read: {problem}"}
