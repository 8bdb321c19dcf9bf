"""Nothing in the repository is a key, a salt or a certificate's other half."""

import re
import subprocess
from pathlib import Path

from up import ROOT

from catapult import keys

PATTERNS = {
    "a private key": re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"),
    "a password in an address": re.compile(rb"[a-z+]+://[^\s:/@\"'{}$]+:[0-9a-f]{32,}@"),
    "a secret in a setting": re.compile(
        rb"(?m)^\s*(?:export )?(?:POSTGRES_PASSWORD|API_KEY_SALT|SECRET_KEY)\s*[=:]\s*[\"']?[A-Za-z0-9_-]{32,}"
    ),
    "a token of GitHub": re.compile(rb"\bgh[pousr]_[A-Za-z0-9]{36}\b"),
    "a key of AWS": re.compile(rb"\bAKIA[0-9A-Z]{16}\b"),
}
OURS = re.compile(rb"cat_[A-Za-z0-9]{8}_[A-Za-z0-9]{49}")


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name.decode() for name in listed.split(b"\0") if name]


def test_no_file_of_the_repository_holds_a_secret() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {what}"
        for path in tracked()
        if path.is_file()
        for what, pattern in PATTERNS.items()
        if pattern.search(path.read_bytes())
    ]
    assert found == []


def test_no_file_of_the_repository_holds_a_key_that_is_one() -> None:
    """A key carries a checksum, so one that documentation makes up is told from one that was made."""
    found = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.is_file()
        for key in OURS.findall(path.read_bytes())
        if keys.prefix_of(key.decode())
    ]
    assert found == []


def test_what_holds_secrets_is_not_tracked() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in tracked()}
    assert ".env" not in names
    assert {name for name in names if name.startswith("infrastructure/nginx/ssl/")} == {
        "infrastructure/nginx/ssl/.gitignore",
        "infrastructure/nginx/ssl/README.md",
    }
    ignored = subprocess.run(
        ["git", "check-ignore", ".env", ".env.made", "infrastructure/nginx/ssl/privkey.pem"], cwd=ROOT, check=False
    )
    assert ignored.returncode == 0
