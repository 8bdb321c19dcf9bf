"""Nothing in the repository is a key, a salt or a certificate's other half."""

import re
import subprocess
from pathlib import Path

import pytest
from up import ROOT

from catapult.rules import key_format

SETTINGS = rb"(?:POSTGRES_PASSWORD|API_KEY_SALT|SECRET_KEY|METRICS_KEY|GRAFANA_PASSWORD)"
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
    return [ROOT / name.decode() for name in listed.split(b"\0") if name]


def copied() -> list[Path]:
    """What the images are made of, tracked or not."""
    left_out = {ROOT / "infrastructure" / "nginx" / "ssl"}
    assert {str(path.relative_to(ROOT)) for path in left_out} <= set((ROOT / ".dockerignore").read_text().splitlines())
    words = re.findall(r"(?m)^COPY (?!--from)(.*) \S+$", (ROOT / "Dockerfile").read_text())
    sources = [ROOT / source for word in words for source in word.split()]
    assert ROOT / "catapult" in sources
    files = [path for source in sources for path in (source.rglob("*") if source.is_dir() else [source])]
    return [path for path in files if path.is_file() and not left_out & set(path.parents) and path.suffix != ".pyc"]


def holding(paths: list[Path]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}: {what}"
        for path in paths
        if path.is_file()
        for what, pattern in PATTERNS.items()
        if pattern.search(path.read_bytes())
    ]


def test_no_file_of_the_repository_holds_a_secret() -> None:
    assert holding(tracked()) == []


def test_no_file_of_the_images_holds_a_secret() -> None:
    assert holding(copied()) == []
    assert not [path for path in copied() if path.name.startswith(".env") or path.suffix in (".pem", ".key", ".dump")]


def test_what_the_images_are_told_when_they_are_built_is_no_secret() -> None:
    text = (ROOT / "Dockerfile").read_text()
    told = set(re.findall(r"(?m)^ARG ([A-Z_]+)", text))
    assert told == {"PYTHON", "NGINX", "VERSION", "REVISION"}
    assert not re.search(r"(?i)(password|salt|secret|_key)\s*=", text)


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
def test_a_secret_would_be_found(text: str) -> None:
    assert [what for what, pattern in PATTERNS.items() if pattern.search(text.encode())]


def test_no_file_of_the_repository_holds_a_key_that_is_one() -> None:
    """A key carries a checksum, so one that documentation makes up is told from one that was made."""
    found = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.is_file()
        for key in OURS.findall(path.read_bytes())
        if key_format.prefix_of(key.decode())
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
