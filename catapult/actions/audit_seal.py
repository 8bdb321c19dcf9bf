"""Seal the audit log: give entries a number and a leaf, and sign a checkpoint of their tree.

The numbers are the order of the log. Entries that commit late get later numbers, whatever their `created_at`.
"""

from base64 import b64encode
from functools import cached_property
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from sqlalchemy import insert, select, text

from catapult import audit
from catapult.actions import locks
from catapult.config import ConfigError, Settings
from catapult.config.home import stored_secret
from catapult.errors import Conflict
from catapult.extensions import db, limit_time
from catapult.queries import audit_seals
from catapult.rules import checkpoint_note
from catapult.rules.merkle import EMPTY, Growing
from catapult.tables import AuditCheckpoint, AuditKey, AuditNode, Event, EventType

BATCH = 5_000
"""Entries of a transaction. It takes a fraction of a second, and its only lock is the one against other sealers."""

LONGEST = 300_000
"""Milliseconds for a batch: metadata of 5,000 entries may be gigabytes."""

LENGTH = 32
"""Bytes of a leaf."""

_FIRST = UUID(int=0)

# Each entry is looked up by its index in both tables: as joins, the planner would read them from their beginning.
# Entries that were sealed before, and entries whose row is gone, stay in `unsealed_entries` as evidence.
_SEAL = text(
    f"""
WITH chosen AS MATERIALIZED (
    SELECT unsealed.entry_id, entry.leaf
    FROM unsealed_entries AS unsealed CROSS JOIN LATERAL (
        SELECT sha256(decode('00', 'hex') || convert_to({audit_seals.SEALED_TEXT}, 'UTF8')) AS leaf
        FROM audit_logs WHERE audit_logs.id = unsealed.entry_id LIMIT 1
    ) AS entry
    WHERE unsealed.entry_id > :after
        AND (SELECT seq FROM sealed_entries AS earlier WHERE earlier.entry_id = unsealed.entry_id) IS NULL
    ORDER BY unsealed.entry_id LIMIT :most
), taken AS (
    DELETE FROM unsealed_entries WHERE entry_id = ANY (ARRAY(SELECT entry_id FROM chosen))
), added AS (
    INSERT INTO sealed_entries (seq, entry_id, leaf)
    SELECT :size - 1 + row_number() OVER (ORDER BY entry_id), entry_id, leaf FROM chosen
    RETURNING seq, leaf
)
SELECT count(*) AS entries, string_agg(leaf, decode('', 'hex') ORDER BY seq) AS leaves,
    (SELECT entry_id FROM chosen ORDER BY entry_id DESC LIMIT 1) AS last
FROM added
"""  # noqa: S608 - from a constant
)
_SIZE = text("SELECT coalesce(max(seq) + 1, 0) FROM sealed_entries")
# The newest checkpoint of each day stays. A copy of another one verifies without its row: every size can be proved.
_PRUNE = text(
    "DELETE FROM audit_checkpoints"
    " WHERE size < :size AND created_at >= date_trunc('day', CAST(statement_timestamp() AS timestamptz), 'UTC')"
)


class Signer:
    """The private key that signs checkpoints."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @cached_property
    def public_key(self) -> bytes:
        """The public key, 32 bytes."""
        return self._key.public_key().public_bytes_raw()

    def note(self, origin: str, size: int, root: bytes) -> str:
        """Return the signed checkpoint."""
        body = checkpoint_note.body(origin, size, root)
        return checkpoint_note.note(body, self.public_key, self._key.sign(body.encode()))


def signer(settings: Settings) -> Signer:
    """Return the signer with the key of `AUDIT_KEY`, or else the one in CATAPULT_HOME, created at first. Raises ConfigError."""
    pem = settings.audit_key or stored_secret(settings.home, "audit_key", _new_key)
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        where = "AUDIT_KEY" if settings.audit_key else settings.home / "audit_key"
        raise ConfigError([f"{where} is not an Ed25519 key in PEM. Make one: `openssl genpkey -algorithm ed25519`."])
    return Signer(key)


def _new_key() -> str:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def seal(signer: Signer, limit: int = 1_000_000) -> int:
    """Seal entries that are not sealed yet, up to the limit, and return how many. Returns 0 if another process is sealing.

    Each batch is a transaction with its checkpoint, so a process that is killed has sealed whole batches. Raises
    Conflict if the sealed log does not continue the last checkpoint.
    """
    sealed, after = 0, _FIRST
    if not _register(signer):
        return 0
    while sealed < limit:
        most = min(BATCH, limit - sealed)
        with audit.bookkeeping():
            count, last = _seal_batch(signer, after, most)
        sealed += count
        if count < most:
            break
        after = last  # so that dead rows before it are not read again
    return sealed


def write_event() -> bool:
    """Write an event with the newest checkpoint. Return whether there is one."""
    with audit.bookkeeping():
        newest = audit_seals.newest()
        if newest is not None:
            data = {"size": newest.size, "root": newest.root.hex(), "note": newest.note}
            db.session.add(Event(type=EventType.AUDIT_CHECKPOINT, data=data))
    return newest is not None


def _register(signer: Signer) -> bool:
    """Record the signer's key if it is new. Return False if another process is sealing."""
    db.session.rollback()
    known = select(AuditKey.id).where(AuditKey.public_key == signer.public_key)
    if db.session.scalar(known) is None:
        if not locks.try_sealing():
            db.session.rollback()
            return False
        if db.session.scalar(known) is None:
            row = AuditKey(public_key=signer.public_key)
            db.session.add(row)
            audit.flush()
            public_key = b64encode(signer.public_key).decode()
            audit.commit(audit.WORKER, row, audit.entry("audit_key.create", row, public_key=public_key))
    return True


def _seal_batch(signer: Signer, after: UUID, most: int) -> tuple[int, UUID]:
    """Seal the next entries in the session's transaction. Return how many, and the id of the last. Raises Conflict."""
    if not locks.try_sealing():
        return 0, after
    limit_time(LONGEST)
    size: int = db.session.scalar(_SIZE) or 0
    tree = _signed_tree(size)
    batch = db.session.execute(_SEAL, {"after": after, "most": most, "size": size}).one()
    if not batch.entries:
        return 0, after
    leaves = bytes(batch.leaves)
    for start in range(0, len(leaves), LENGTH):
        tree.append(leaves[start : start + LENGTH])
    if tree.completed:
        nodes = [{"level": level, "index": index, "hash": node} for level, index, node in tree.completed]
        db.session.execute(insert(AuditNode), nodes)
    keys = {row.public_key: row.id for row in db.session.scalars(select(AuditKey).order_by(AuditKey.created_at))}
    origin = f"catapult/{next(iter(keys.values()))}"  # the same for every key
    root = tree.root()
    db.session.execute(
        insert(AuditCheckpoint),
        {
            "size": tree.size,
            "root": root,
            "note": signer.note(origin, tree.size, root),
            "key_id": keys[signer.public_key],
        },
    )
    db.session.execute(_PRUNE, {"size": tree.size})
    return batch.entries, batch.last


def _signed_tree(size: int) -> Growing:
    """Return the tree of the sealed entries. Raises Conflict if it differs from the newest checkpoint."""
    newest = audit_seals.newest()
    tree = Growing(size, audit_seals.tree(size).peaks())
    signed = (newest.size, newest.root) if newest else (0, EMPTY)
    if signed != (size, tree.root()):
        raise Conflict(
            "The sealed audit log is not what the newest checkpoint says: somebody has changed it. Nothing more is sealed."
            " Export it, verify the export with checkpoints held elsewhere, and keep the database as it is."
        )
    return tree
