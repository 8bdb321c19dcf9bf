"""Whether a version's files are those that a trusted key has signed, by their stored SHA-256 alone.

`model.sig` is a Sigstore bundle of version 0.3 as OpenSSF Model Signing 1.0 writes it: a DSSE envelope with an in-toto
statement, which has the name and the SHA-256 of every file. No other file is read.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from catapult.rules import sigstore_bundle
from catapult.rules.file_head import Read
from catapult.rules.sigstore_bundle import MALFORMED, STATEMENT_TYPE, Envelope

PATH = "model.sig"
MOST_BYTES = 4 * 1024 * 1024
"""The most bytes of a `model.sig`: enough for 10,000 files and more, 28,000 with the shortest names."""

MOST_FILES = 100_000
"""The most files of a version whose signature is verified."""

PREDICATE_TYPE = "https://model_signing/signature/v1.0"
_SHOWN = 3


class Signature(NamedTuple):
    """Whether a trusted key has signed the version's files, as they are now. `detail` is about the version: "its files …"."""

    verified: bool
    detail: str
    key: Mapping[str, Any] | None = None
    """`id name fingerprint` of the key, if it is verified."""


class _Unverified(Exception):
    """Why the files are not verified, as a sentence about the version."""


class _Statement(NamedTuple):
    files: dict[str, str]
    """The SHA-256 of each signed file, in hex, by its path."""
    ignored: set[str]


def bundle(path: str, size: int, read: Read) -> str | None:
    """Return the text of the file if it is a version's signature, for `judge`; None if it is another file or too large.

    It is empty if the file is not text that PostgreSQL can store, and therefore not a bundle.
    """
    if path != PATH or size > MOST_BYTES:
        return None
    try:
        text = read(0, size).decode()
    except UnicodeDecodeError:
        return ""
    return "" if "\0" in text else text


def judge(facts: Any) -> Signature:
    """Return whether the files are signed. `facts` are what `queries.file_signatures` reads of the version."""
    try:
        envelope = _opened(_bundle(facts))
        key = _signer(facts.keys or (), envelope)
        ignored = _compare(facts.files or {}, _statement(envelope.payload), key["name"])
    except _Unverified as reason:
        return Signature(False, str(reason))
    detail = f"its files are signed by {key['name']}, key {key['fingerprint']}"
    if ignored:
        detail += f"; by the signature's own list {_named(ignored, 'left out')}"
    return Signature(True, detail, {name: key[name] for name in ("id", "name", "fingerprint")})


def _bundle(facts: Any) -> str:
    """Return the text of the version's `model.sig`."""
    if not facts.has_files:
        raise _Unverified("it has no files")
    if facts.size_bytes is None:
        raise _Unverified(f"its files are not signed: there is no {PATH} among them")
    if facts.size_bytes > MOST_BYTES:
        raise _Unverified(f"its {PATH} is larger than {MOST_BYTES // 1024**2} MiB")
    if facts.is_deferred:
        raise _Unverified(f"its {PATH} is too large to be verified in a list; the version's own page verifies it")
    if facts.bundle is None:
        raise _Unverified(f"its {PATH} was added before signatures were read; remove it and add it again")
    if len(facts.files or ()) > MOST_FILES:
        raise _Unverified(f"it has more than {MOST_FILES:,} files")
    return str(facts.bundle)


def _opened(bundle: str) -> Envelope:
    """Return the bundle's envelope."""
    try:
        return sigstore_bundle.opened(bundle)
    except sigstore_bundle.Unopened as reason:
        raise _Unverified(f"its {PATH} {reason}") from reason


def _signer(keys: Iterable[Mapping[str, Any]], envelope: Envelope) -> Mapping[str, Any]:
    """Return the trusted key of the signature."""
    by_use = sorted(keys, key=lambda key: (not key["applies"], key["expired"]))
    for key in by_use:
        if envelope.is_signed_by(key["public_key"]):
            break
    else:
        raise _Unverified(f"its {PATH} is signed by none of the trusted keys")
    if not key["applies"]:
        raise _Unverified(f"its {PATH} is signed by {key['name']}, which is trusted for {key['model']} alone")
    if key["expired"]:
        raise _Unverified(
            f"its {PATH} is signed by {key['name']}, whose signatures do not count after {key['not_after']}"
        )
    return key


def _statement(payload: bytes) -> _Statement:
    """Return what was signed."""
    try:
        statement = sigstore_bundle.parsed(payload)
        if (statement["_type"], statement["predicateType"]) != (STATEMENT_TYPE, PREDICATE_TYPE):
            raise _Unverified(f"its {PATH} is not of OpenSSF Model Signing 1.0")
        predicate = statement["predicate"]
        how, resources = predicate["serialization"], predicate["resources"]
        if (how["method"], how["hash_type"]) != ("files", "sha256"):
            raise _Unverified(
                f"its {PATH} has other hashes than the SHA-256 of whole files; sign with the method files and sha256"
            )
        digests = [_digest(resource) for resource in resources]
        [subject] = statement["subject"]
        if hashlib.sha256(b"".join(digests)).hexdigest() != subject["digest"]["sha256"]:
            raise _Unverified(
                f"its {PATH} contradicts itself: the digest of the whole is not that of the files it names"
            )
        files = {resource["name"]: digest.hex() for resource, digest in zip(resources, digests, strict=True)}
        if not files or len(files) < len(digests):
            raise _Unverified(f"its {PATH} names {'a file twice' if files else 'no file'}")
        return _Statement(files, {path.rstrip("/") for path in how.get("ignore_paths", ())})
    except MALFORMED as error:
        raise _Unverified(f"its {PATH} is signed, but its statement is malformed") from error


def _digest(resource: Any) -> bytes:
    digest = bytes.fromhex(resource["digest"])
    if resource["algorithm"] != "sha256" or len(resource["digest"]) != 64 or len(digest) != 32:
        raise ValueError
    return digest


def _compare(files: Mapping[str, str], signed: _Statement, signer: str) -> list[str]:
    """Return the ignored files. Raises _Unverified, naming files, unless the others are exactly the signed files."""
    common = files.keys() & signed.files.keys()
    ignored = [path for path in files if path not in common and _is_ignored(path, signed.ignored)]
    faults = {
        "changed": [path for path in common if files[path] != signed.files[path]],
        "not signed": sorted(files.keys() - common - set(ignored)),
        "missing": [path for path in signed.files if path not in common],
    }
    wrong = [_named(paths, fault) for fault, paths in faults.items() if paths]
    if wrong:
        raise _Unverified(f"its files are not those that {signer} signed: {', '.join(wrong)}")
    return ignored


def _is_ignored(path: str, ignored: set[str]) -> bool:
    """Return whether the signature leaves out the file, or a folder above it."""
    parts = path.split("/")
    return any("/".join(parts[:count]) in ignored for count in range(1, len(parts) + 1))


def _named(paths: list[str], fault: str) -> str:
    """Return `"a", "b" and 3 more are missing`. Names are those of the signature, so nothing in them is printed as it is."""
    first = ", ".join(json.dumps(str(path)[:200]) for path in sorted(paths, key=str)[:_SHOWN])
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"{first}{more} {'is' if len(paths) == 1 else 'are'} {fault}"
