"""A sealed audit log for tests: entries, a signer, an export, and `catapult audit verify` on it."""

import json
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catapult_client import cli
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask

from catapult.actions import audit_seal
from catapult.actions.audit_seal import Signer
from catapult.extensions import db
from catapult.queries import audit_seals

ENTRIES = (
    "INSERT INTO audit_logs (id, action, resource_type, details, created_at)"
    " SELECT ('ffffffff-0000-7000-8000-' || lpad(CAST(n AS text), 12, '0'))::uuid, 'model.create', 'model',"
    " jsonb_build_object('name', 'org/é' || n, 'accuracy', 0.1 * n, 'large', CAST('1' || repeat('0', 40) AS numeric) + n),"
    " now() + n * interval '1 millisecond' FROM generate_series(:first, :last) AS n"
)
"""Entries whose ids are later than all others."""


def entry_id(number: int) -> str:
    """The id of an entry of `ENTRIES`."""
    return f"ffffffff-0000-7000-8000-{number:012}"


class Log:
    """The audit log of an application, its sealer, and whoever verifies it."""

    def __init__(self, app: Flask, folder: Path) -> None:
        self.app, self.folder = app, folder
        self.signer = Signer(Ed25519PrivateKey.generate())
        self.key = b64encode(self.signer.public_key).decode()

    def seal(self, **options: Any) -> int:
        """Seal, and return how many entries were."""
        with self.app.app_context():
            try:
                return audit_seal.seal(self.signer, **options)
            finally:
                db.session.remove()

    def note(self) -> str:
        """The newest checkpoint, as a file that somebody holds."""
        with self.app.app_context():
            checkpoint = audit_seals.checkpoint()
            db.session.remove()
        file = self.folder / f"note-{checkpoint.size}-{checkpoint.root[:8]}"
        file.write_text(checkpoint.note)
        return str(file)

    def export(self) -> list[dict[str, Any]]:
        """The lines of the export, which is in `file`."""
        result = self.app.test_cli_runner().invoke(args=["audit", "export"])
        assert result.exit_code == 0, result.output
        self.write(result.stdout)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def write(self, text: str) -> None:
        self.file.write_text(text, "utf-8")

    @property
    def file(self) -> Path:
        return self.folder / "audit.jsonl"

    def verify(self, *notes: str, key: str | None = None, before: Sequence[str] = ()) -> int:
        """Verify the export in `file`, after the files `before`, by default with the newest checkpoint."""
        options = [option for note in notes or (self.note(),) for option in ("--checkpoint", note)]
        return cli.main(["audit", "verify", *before, str(self.file), *options, "--key", key or self.key])
