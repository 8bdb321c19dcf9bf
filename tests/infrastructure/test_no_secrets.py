"""The repository holds no key, no salt and no private key of a certificate."""

import re
import subprocess
from pathlib import Path

import pytest
from up import ROOT

from catapult.rules import key_format

SETTINGS = rb"(?:POSTGRES_PASSWORD|POSTGRES_SERVER_PASSWORD|API_KEY_SALT|SECRET_KEY|METRICS_KEY|GRAFANA_PASSWORD)"
PATTERNS = {
    "a private key": re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"),
    "a password in an address": re.compile(rb"[a-z+]+://[^\s:/@\"'{}$]+:[A-Za-z0-9_-]{32,}@"),
    "a secret in a setting": re.compile(rb"(?m)^\s*(?:export )?" + SETTINGS + rb"\s*[=:]\s*[\"']?[A-Za-z0-9_-]{32,}"),
    "a token of GitHub": re.compile(rb"\bgh[pousr]_[A-Za-z0-9]{36}\b"),
    "a key of AWS": re.compile(rb"\bAKIA[0-9A-Z]{16}\b"),
}
OURS = re.compile(rb"cat_[A-Za-z0-9]{8}_[A-Za-z0-9]{49}")


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [path for name in listed.split(b"\0") if name and (path := ROOT / name.decode()).is_file()]


def test_no_file_of_the_repository_holds_a_secret() -> None:
    for path in tracked():
        content = path.read_bytes()
        assert not [name for name, pattern in PATTERNS.items() if pattern.search(content)], path
        # A key carries a checksum, which tells one that was issued from one that documentation makes up.
        assert not [key for key in OURS.findall(content) if key_format.prefix_of(key.decode())], path


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN EC PRIVATE KEY" + "-----",
        "DATABASE_URL=postgresql://registry:" + "0123456789abcdef" * 4 + "@postgres/registry",
        "API_KEY_SALT=" + "s" * 40,
        "METRICS_KEY: " + "0123456789abcdef" * 4,
        "ghp_" + "a" * 36,
        "AKIA" + "A" * 16,
    ],
)
def test_the_patterns_match_secrets(text: str) -> None:
    assert [what for what, pattern in PATTERNS.items() if pattern.search(text.encode())]


def test_files_that_hold_secrets_are_not_tracked() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in tracked()} - {".env.example"}
    assert not [name for name in names if name.startswith(".env")]
    assert {name for name in names if name.startswith("infrastructure/nginx/ssl/")} == {
        "infrastructure/nginx/ssl/.gitignore",
        "infrastructure/nginx/ssl/README.md",
    }
    secret = [".env", ".env.made", "infrastructure/nginx/ssl/privkey.pem"]
    ignored = subprocess.run(["git", "check-ignore", *secret], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ignored.stdout.split() == secret
