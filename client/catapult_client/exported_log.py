"""Check an export of the sealed audit log: every entry against its leaf, and all leaves against checkpoints.

The export is read once, line by line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .checkpoint import SignedRoot
from .merkle import Tree, leaf_hash

LATE = timedelta(minutes=10)
"""How long after its creation an entry may be sealed."""


class ExportError(Exception):
    """The file is not an export of the audit log. The message says why."""


@dataclass
class Report:
    """The result of checking an export. `ok` is whether it verifies."""

    sealed: int = 0
    unsealed: int = 0
    problem: str | None = None
    """The first entry that was changed, removed, moved or put in."""
    seq: int | None = None
    """Its number."""
    id: str | None = None
    """Its id."""
    others: list[str] = field(default_factory=list)
    """Other problems: entries that were dated back or not sealed, and checkpoints that do not match."""
    held: list[str] = field(default_factory=list)
    """What was verified."""

    @property
    def ok(self) -> bool:
        """Whether the export verifies."""
        return self.problem is None and not self.others


def verify(lines: Iterable[bytes], checkpoints: Sequence[SignedRoot]) -> Report:
    """Return the report of an export, given as its lines. Raises ExportError."""
    log = _Log(checkpoints)
    for number, line in enumerate(lines, 1):
        if not line.isspace():
            try:
                log.add(_loaded(line.decode()))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                raise ExportError(f"Line {number} is not an entry of an export of the audit log.") from None
    return log.report()


class _Log:
    """An export that is being read."""

    def __init__(self, checkpoints: Sequence[SignedRoot]) -> None:
        self.checkpoints = sorted(checkpoints, key=lambda checkpoint: checkpoint.size)
        self.roots: dict[int, bytes] = {}
        self.tree, self.result = Tree(), Report()
        self.waiting = [checkpoint.size for checkpoint in self.checkpoints]
        self.missing = False  # whether a number is missing, after which no root can be computed
        self.wanted_leaf: bytes | None = None  # the leaf of the changed entry's text, if another entry has it
        self.last: datetime | None = None
        self.newest = datetime.min
        self.back_dated: list[str] = []
        self.archived = 0  # entries that are in archive files and not in this export
        self.archives: set[int] = set()  # the numbers of archived entries, by entries about that
        self.oldest_unsealed: tuple[datetime, str] = (datetime.max, "")
        self._roots()

    def add(self, entry: dict[str, Any]) -> None:
        """Check one entry."""
        seq = None if entry["seq"] is None else int(entry["seq"])
        if seq is not None and entry["leaf"] is None:
            self._archived(**_loaded(entry["text"]))
            return
        if entry["text"] is None:
            self._report_removed(entry, seq)
        else:
            self._dated(entry, seq)
        if seq is None:
            self.result.unsealed += entry["text"] is not None
        elif self.missing:
            self._moved(entry, seq)
        elif seq != self.tree.size:
            self._out_of_order(entry, seq)
        else:
            self._sealed(entry, seq)

    def _archived(self, archived: bytes, hashes: Sequence[str]) -> None:
        """Continue from the tree of the archived entries; if their files were read before, compare the trees."""
        size, peaks = int(archived), [bytes.fromhex(each) for each in hashes]
        if self.tree.size == 0 and len(peaks) == bin(size).count("1"):
            self.tree, self.archived = Tree(size, peaks), size
            self.waiting = [each for each in self.waiting if each >= size]
            self._roots()
        elif (self.tree.size, self.tree.peaks) != (size, peaks):
            self._problem(self.tree.size, None, f"does not fit what the export says of the {size} archived entries")

    def _sealed(self, entry: dict[str, Any], seq: int) -> None:
        leaf = bytes.fromhex(entry["leaf"])
        if entry["text"] is not None and self.result.problem is None:
            text = leaf_hash(entry["text"])
            if text != leaf:
                self._problem(seq, entry["id"], "was changed: its text is not the one that was sealed")
                self.wanted_leaf = text
            elif wrong := _differing(entry, _loaded(entry["text"])):
                self._problem(seq, entry["id"], f"was changed in the file: {wrong} is not as in its sealed text")
        elif leaf == self.wanted_leaf:
            self.wanted_leaf = None
            moved = "was moved or exchanged: the text in its place is that of entry"
            self._problem(self.result.seq, self.result.id, f"{moved} {seq} ({entry['id']})", again=True)
        if entry.get("action") == "audit_log.archive":
            self.archives.add(int(entry["details"]["size"]))
        self.tree.append(leaf)
        self._roots()

    def _report_removed(self, entry: dict[str, Any], seq: int | None) -> None:
        when = "before it was sealed" if seq is None else "from the log after it was sealed"
        self._problem(seq, entry["id"], f"is missing: it was removed {when}")

    def _out_of_order(self, entry: dict[str, Any], seq: int) -> None:
        if seq < self.tree.size:
            self._problem(seq, entry["id"], "was put in: another entry before it has this number")
        else:
            self.missing = True
            self._problem(self.tree.size, None, f"is missing: entry {seq} ({entry['id']}) follows in its place")

    def _moved(self, entry: dict[str, Any], seq: int) -> None:
        if seq == self.tree.size and self.result.seq == seq and self.result.id is None:
            self._problem(seq, entry["id"], "was moved: later entries are before it", again=True)

    def _problem(self, seq: int | None, entry_id: str | None, what: str, again: bool = False) -> None:
        """Record the first problem; `again` replaces it by a better explanation."""
        if self.result.problem is None or again:
            name = f"Entry {seq}" + (f" ({entry_id})" if entry_id else "") if seq is not None else f"Entry {entry_id}"
            self.result.seq, self.result.id, self.result.problem = seq, entry_id, f"{name} {what}."

    def _dated(self, entry: dict[str, Any], seq: int | None) -> None:
        """Compare the entry's time with that of the entry sealed before it."""
        try:
            at = datetime.fromisoformat(entry["created_at"][:26])
        except (ValueError, TypeError):
            at = datetime.min
        self.newest = max(self.newest, at)
        if seq is None:
            self.oldest_unsealed = min(self.oldest_unsealed, (at, entry["id"]))
            return
        if self.last is not None and self.last - at > LATE:
            self.back_dated.append(f"Entry {seq} ({entry['id']})" if not self.back_dated else "")
        self.last = at

    def _roots(self) -> None:
        while self.waiting and self.waiting[0] <= self.tree.size:
            self.roots[self.waiting.pop(0)] = self.tree.root()

    def report(self) -> Report:
        """Return the final report."""
        result = self.result
        result.sealed = self.tree.size
        if self.back_dated:
            more = len(self.back_dated) - 1
            result.others.append(
                f"{self.back_dated[0]} is dated more than 10 minutes before the entry that was sealed before it"
                f"{f', and {more} more are' if more else ''}: it was dated back, or a clock was set."
            )
        at, entry_id = self.oldest_unsealed
        if entry_id and self.newest - at > LATE:
            result.others.append(
                f"Entry {entry_id} of {at.isoformat()}Z is not sealed, and others are more than 10 minutes newer:"
                " it was put in around the sealing, or nothing is sealed at present."
            )
        if self.archived:
            result.held.append(f"Entries 0 to {self.archived - 1} are in files of the archive, which were not read.")
            if self.archived not in self.archives:
                result.others.append(f"No entry says that the first {self.archived} entries were archived.")
        self._checkpoints()
        return result

    def _checkpoints(self) -> None:
        held = self.archived
        for checkpoint in self.checkpoints:
            name, size = f"The checkpoint of {checkpoint.size} entries", self.tree.size
            if checkpoint.size > size:
                what = "number is missing" if self.missing else "export ends"
                self.result.others.append(f"{name} cannot hold: the {what} at entry {size}.")
                if not self.missing:
                    self._problem(
                        size, None, f"is missing, and every one after it: the export has {size} sealed entries"
                    )
            elif checkpoint.size not in self.roots:
                self.result.others.append(f"{name} needs the files of the archive: give them before the export.")
            elif self.roots[checkpoint.size] == checkpoint.root:
                held = checkpoint.size
                self.result.held.append(f"{name} holds.")
            else:
                self.result.others.append(
                    f"{name} does not hold: of the entries {held} to {checkpoint.size - 1},"
                    " one or more were changed, removed, moved or put in, and their seals with them."
                )
                return  # later checkpoints cannot match either


def _differing(entry: Mapping[str, Any], sealed: dict[str, Any]) -> str | None:
    """Return the name of a field whose value differs from the sealed text."""
    person_id, name = sealed.pop("person_id"), sealed.pop("person_name")
    if entry["person"] != (person_id and {"id": person_id, "name": name or ""}):
        return "person"
    if sealed.items() <= entry.items():
        return None
    return next(name for name, value in sealed.items() if entry.get(name) != value)


# Numbers as bytes, with all digits, so that they never equal a text.
_DECODER = json.JSONDecoder(parse_float=str.encode, parse_int=str.encode)


def _loaded(text: str) -> dict[str, Any]:
    """Return a JSON object. Raises ValueError, TypeError."""
    loaded, end = _DECODER.raw_decode(text)
    if not isinstance(loaded, dict) or text[end:].strip():
        raise TypeError
    return loaded
