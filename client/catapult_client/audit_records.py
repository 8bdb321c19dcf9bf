"""Records of the audit log, its checkpoints and proofs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from . import merkle
from .access_records import PersonRef
from .record import Record


@dataclass(frozen=True)
class AuditEntry(Record):
    """An entry of the audit log: who did what, when and from where.

    `person` is who held the key, with their name at that time; None for a service's key.
    """

    id: str = ""
    action: str = ""
    resource_type: str = ""
    resource_id: str | None = None
    api_key_id: str | None = None
    api_key_name: str | None = None
    person: PersonRef | None = None
    details: dict[str, Any] = field(default_factory=dict, hash=False)
    ip_address: str | None = None
    request_id: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True)
class Checkpoint(Record):
    """The signed root of the first `size` sealed audit entries. Store `note` outside of the registry."""

    size: int = 0
    root: str = ""
    note: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True)
class AuditKey(Record):
    """The public key that checkpoints are signed with, in base64, and in the format of tools for signed notes."""

    origin: str = ""
    public_key: str = ""
    verifier: str = ""


@dataclass(frozen=True)
class Proof(Record):
    """The proof that a checkpoint contains an audit entry: the entry's number, its leaf, and the hashes up to the root."""

    id: str = ""
    seq: int = 0
    leaf: str = ""
    size: int = 0
    hashes: list[str] = field(default_factory=list, hash=False)
    root: str = ""

    def leads_to_root(self) -> bool:
        """Return whether the hashes lead from the leaf to the root. Compare `root` and `size` with a note that you hold."""
        root = merkle.root_of(bytes.fromhex(self.leaf), self.seq, self.size, [*map(bytes.fromhex, self.hashes)])
        return root == bytes.fromhex(self.root)


@dataclass(frozen=True)
class Consistency(Record):
    """The proof that the log of `last` sealed entries, with this root, begins with that of `first` entries."""

    first: int = 0
    last: int = 0
    hashes: list[str] = field(default_factory=list, hash=False)
    root: str = ""

    def continues(self, root: str) -> bool:
        """Return whether the log continues the one of `first` entries that had this root, in hex."""
        hashes = [*map(bytes.fromhex, self.hashes)]
        return merkle.begins_with(self.first, bytes.fromhex(root), self.last, bytes.fromhex(self.root), hashes)
