"""Signatures of files: those of model_signing itself, of every kind of key, and everything that makes one count for nothing."""

import json
import time
from base64 import b64encode
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from signed_files import FILES, bundle, new_key, pem_of, sha256, statement

from catapult.rules import file_signatures, public_keys

RECORDED = json.loads((Path(__file__).parent / "recorded_signatures.json").read_text())
KEY = new_key()
MIB = 1024 * 1024


def trusted(pem, name="release-2026", **state):
    """A key, as the query reads it."""
    fingerprint = public_keys.fingerprint(public_keys.parsed(pem))
    own = {"id": "1", "name": name, "fingerprint": fingerprint, "public_key": pem, "model": None, "not_after": None}
    return {**own, "applies": True, "expired": False, **state}


def judged(text, files=FILES, keys=(), **facts):
    """The signature of a version that has these files and a `model.sig` with this text."""
    text = json.dumps(text) if isinstance(text, dict) else text
    hashes = {path: sha256(content) for path, content in files.items()}
    own = {
        "has_files": True,
        "size_bytes": 1,
        "is_deferred": False,
        "bundle": text,
        "files": hashes,
        "keys": list(keys),
    }
    return file_signatures.judge(SimpleNamespace(**own | facts))


# --- by model_signing itself


def recorded(name, files):
    return judged(RECORDED["bundles"][name], files, [trusted(RECORDED["public_key"])])


ALL = {path: content.encode() for path, content in RECORDED["files"].items()}


@pytest.mark.parametrize(("name", "left_out"), [("by_key", ".gitattributes"), ("with_ignored", "notes/draft.md")])
def test_what_model_signing_signs_is_verified(name, left_out):
    signature = recorded(name, ALL)
    assert signature.verified, signature
    assert signature.detail.endswith(f'; by the signature\'s own list "{left_out}" is left out')
    assert recorded(name, {path: content for path, content in ALL.items() if path != left_out}).verified
    for changed in ({**ALL, "weights/model.bin": b"others"}, {**ALL, "more.bin": b"x"}, {"config.json": b'{"a": 1}'}):
        assert not recorded(name, changed).verified


@pytest.mark.parametrize(
    ("name", "reason"),
    [("by_certificate", "with a certificate"), ("of_shards", "other hashes"), ("blake3", "other hashes")],
)
def test_what_model_signing_signs_otherwise_is_refused_by_name(name, reason):
    signature = recorded(name, ALL)
    assert not signature.verified
    assert reason in signature.detail


# --- by keys of every kind


@pytest.mark.parametrize("kind", ["P-256", "Ed25519", "RSA 2048", "RSA 4096"])
def test_every_kind_of_key_verifies_its_own_signature_and_no_other(kind):
    key, other = new_key(kind), new_key(kind)
    text = bundle(key, statement())
    ours = trusted(pem_of(key))
    assert judged(text, keys=[trusted(pem_of(other), "other"), ours]) == (
        True,
        f"its files are signed by release-2026, key {ours['fingerprint']}",
        {"id": "1", "name": "release-2026", "fingerprint": ours["fingerprint"]},
    )
    unknown = (False, "its model.sig is signed by none of the trusted keys", None)
    assert judged(text, keys=[trusted(pem_of(other))]) == unknown
    assert judged(text) == unknown
    envelope = text["dsseEnvelope"]
    for garbage in (b"", b"\x30", b"\x30\x80" * 40, b"0" * 64, b"\0" * 256, b"\x30\x06\x02\x01\0\x02\x01\0"):
        envelope["signatures"] = [{"sig": b64encode(garbage).decode(), "keyid": ""}]
        assert judged(text, keys=[ours]) == unknown


def test_a_key_that_counts_goes_before_the_same_one_that_does_not():
    pem = pem_of(KEY)
    keys = [
        trusted(pem, "elsewhere", applies=False, model="other/*"),
        trusted(pem, "old", expired=True, not_after="2026-01-01 00:00 UTC"),
        trusted(pem),
    ]
    text = bundle(KEY, statement())
    assert judged(text, keys=keys).key["name"] == "release-2026"
    assert judged(text, keys=keys[:2]).detail == (
        "its model.sig is signed by old, whose signatures do not count after 2026-01-01 00:00 UTC"
    )
    assert judged(text, keys=keys[:1]).detail == (
        "its model.sig is signed by elsewhere, which is trusted for other/* alone"
    )


# --- what is sent as a key


def private(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def of_format(key, form):
    return key.public_key().public_bytes(Encoding.PEM, form).decode()


NO_KEYS = {
    "a private key": private(KEY),
    "a public key and a private one": pem_of(KEY) + private(KEY),
    "two public keys": pem_of(KEY) * 2,
    "a certificate": pem_of(KEY).replace("PUBLIC KEY", "CERTIFICATE"),
    "P-384": pem_of(new_key("P-384")),
    "secp256k1": pem_of(new_key("K-256")),
    "RSA of 1024 bits": pem_of(new_key("RSA 1024")),
    "RSA in PKCS #1": of_format(new_key("RSA 2048"), PublicFormat.PKCS1),
    "text": "release-2026",
    "garbage in PEM": "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n",
    "no base64": "-----BEGIN PUBLIC KEY-----\n=\n-----END PUBLIC KEY-----\n",
}


@pytest.mark.parametrize("name", NO_KEYS)
def test_other_things_are_no_public_key(name):
    with pytest.raises(ValueError, match="openssl pkey"):
        public_keys.parsed(NO_KEYS[name])


def test_a_key_is_the_same_however_it_is_wrapped():
    pem = pem_of(KEY)
    wrapped = "\r\n" + pem.replace("\n", "\r\n") + "\n"
    assert public_keys.as_pem(public_keys.parsed(wrapped)) == pem


# --- what is wrong with a signature


def changed(*path, to=None):
    """Return a change of a bundle or statement: the value at this path is replaced, or removed if `to` is None."""

    def change(document):
        for name in path[:-1]:
            document = document[name]
        if to is None:
            del document[path[-1]]
        else:
            document[path[-1]] = to

    return change


NO_BUNDLE = "its model.sig is not a Sigstore bundle with one signature"
BUNDLES = [
    (changed("mediaType", to="application/vnd.dev.sigstore.bundle+json;version=0.2"), "bundle of version 0.3"),
    (changed("mediaType"), NO_BUNDLE),
    (changed("verificationMaterial"), NO_BUNDLE),
    (changed("verificationMaterial", "certificate", to={"rawBytes": ""}), "signed with a certificate (keyless)"),
    (changed("dsseEnvelope"), NO_BUNDLE),
    (changed("dsseEnvelope", to=[]), NO_BUNDLE),
    (changed("dsseEnvelope", "payloadType", to="application/json"), "no in-toto statement"),
    (changed("dsseEnvelope", "payload", to="%"), NO_BUNDLE),
    (changed("dsseEnvelope", "payload", to=1), NO_BUNDLE),
    (changed("dsseEnvelope", "payload", to="bm90IHNpZ25lZA=="), "signed by none of the trusted keys"),
    (changed("dsseEnvelope", "signatures", to=[]), NO_BUNDLE),
    (changed("dsseEnvelope", "signatures", to=[{"sig": "AA=="}] * 2), NO_BUNDLE),
    (changed("dsseEnvelope", "signatures", 0, to="AA=="), NO_BUNDLE),
    (changed("dsseEnvelope", "signatures", 0, "sig", to="é"), NO_BUNDLE),
]


@pytest.mark.parametrize(("change", "reason"), BUNDLES)
def test_a_bundle_that_is_none(change, reason):
    text = bundle(KEY, statement())
    change(text)
    signature = judged(text, keys=[trusted(pem_of(KEY))])
    assert not signature.verified
    assert reason in signature.detail


WHOLE = json.dumps(bundle(KEY, statement()))


@pytest.mark.parametrize(
    "text",
    [
        *("", "model.sig", "null", "[]", "1", "[" * 100_000, "1" * 5_000, WHOLE[:-1], f"{WHOLE} x"),
        WHOLE.replace('"mediaType"', '"mediaType": "x", "mediaType"'),
    ],
)
def test_text_that_is_no_bundle(text):
    assert judged(text, keys=[trusted(pem_of(KEY))]).detail == NO_BUNDLE


MALFORMED, RESOURCE = "its statement is malformed", ("predicate", "resources", 0)
STATEMENTS = [
    (changed("_type", to="https://in-toto.io/Statement/v0.1"), "not of OpenSSF Model Signing 1.0"),
    (changed("predicateType", to="https://model_signing/Digests/v0.1"), "not of OpenSSF Model Signing 1.0"),
    (changed("predicate", "serialization", "method", to="shards"), "other hashes"),
    (changed("predicate", "serialization", "hash_type", to="blake2b"), "other hashes"),
    (changed("predicate", "serialization", "ignore_paths", to=[1]), MALFORMED),
    (changed("predicate", "serialization", "ignore_paths", to=7), MALFORMED),
    (changed("subject", to=[]), MALFORMED),
    (changed("subject", 0, "digest", "sha256", to="0" * 64), "contradicts itself"),
    (changed("predicate", "resources"), MALFORMED),
    (changed("predicate", "resources", to=[]), "contradicts itself"),
    (changed(*RESOURCE, "algorithm", to="sha512"), MALFORMED),
    (changed(*RESOURCE, "digest", to="00"), MALFORMED),
    (changed(*RESOURCE, "digest", to=" " * 64), MALFORMED),
    (changed(*RESOURCE, "digest", to="g" * 64), MALFORMED),
    (changed(*RESOURCE, "digest", to=5), MALFORMED),
    (changed(*RESOURCE, "name", to=[]), MALFORMED),
    (changed(*RESOURCE, "name", to=5), '"5" is missing'),
    (changed(*RESOURCE, "name", to="weights/model.bin"), "names a file twice"),
    (changed(*RESOURCE, "name", to="\ud800\0"), '"\\ud800\\u0000" is missing'),
]


@pytest.mark.parametrize(("change", "reason"), STATEMENTS)
def test_a_statement_that_is_none(change, reason):
    content = statement()
    change(content)
    signature = judged(bundle(KEY, content), keys=[trusted(pem_of(KEY))])
    assert not signature.verified
    assert reason in signature.detail


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[" * 100_000, b'{"_type": 1, "_type": 1}', b"[]", b"null"])
def test_a_payload_that_is_no_statement(payload):
    assert MALFORMED in judged(bundle(KEY, payload), keys=[trusted(pem_of(KEY))]).detail


def test_a_signature_of_no_file_is_none():
    signature = judged(bundle(KEY, statement({})), {}, [trusted(pem_of(KEY))])
    assert signature.detail == "its model.sig names no file"


# --- what is wrong with the files

NOT_THOSE = "its files are not those that release-2026 signed: "


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({**FILES, "config.json": b"{}"}, '"config.json" is changed'),
        ({**FILES, "evil.pkl": b"x"}, '"evil.pkl" is not signed'),
        ({"config.json": FILES["config.json"]}, '"weights/model.bin" is missing'),
        ({}, '"config.json", "weights/model.bin" are missing'),
        (
            {"config.json": b"{}", **dict.fromkeys("edcba", b"")},
            '"config.json" is changed, "a", "b", "c" and 2 more are not signed, "weights/model.bin" is missing',
        ),
        ({"Config.json": FILES["config.json"], "weights/model.bin": b"weights"}, '"Config.json" is not signed'),
    ],
)
def test_files_that_differ_are_named(files, reason):
    signature = judged(bundle(KEY, statement()), files, [trusted(pem_of(KEY))])
    assert not signature.verified
    assert signature.detail.startswith(NOT_THOSE + reason)


@pytest.mark.parametrize(
    ("ignored", "path", "verified"),
    [
        ("notes", "notes/a/b.md", True),
        ("notes/", "notes/b.md", True),
        ("notes", "notes", True),
        ("notes", "notes.md", False),
        ("notes/a", "notes/b.md", False),
        ("", "b.md", False),
        (".", "b.md", False),
        ("/", "b.md", False),
        ("..", "b.md", False),
        ("*", "b.md", False),
    ],
)
def test_only_what_the_signature_names_is_ignored(ignored, path, verified):
    text = bundle(KEY, statement(ignored=(ignored,)))
    assert judged(text, {**FILES, path: b"x"}, [trusted(pem_of(KEY))]).verified is verified


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"has_files": False, "size_bytes": None, "bundle": None}, "it has no files"),
        ({"size_bytes": None, "bundle": None}, "there is no model.sig among them"),
        ({"size_bytes": 4 * MIB + 1, "bundle": None}, "is larger than 4 MiB"),
        ({"bundle": None}, "was added before signatures were read"),
        ({"bundle": None, "is_deferred": True}, "too large to be verified in a list"),
        ({"files": dict.fromkeys(map(str, range(100_001)), b"")}, "more than 100,000 files"),
    ],
)
def test_what_there_is_to_verify(facts, reason):
    signature = judged(WHOLE, keys=[trusted(pem_of(KEY))], **facts)
    assert not signature.verified
    assert reason in signature.detail


# --- what is kept of a file


def test_only_a_signature_at_the_root_is_kept():
    def read(start, stop):
        return content[start:stop]

    content = WHOLE.encode()
    assert file_signatures.bundle("model.sig", len(content), read) == WHOLE
    assert [file_signatures.bundle(path, 9, read) for path in ("a/model.sig", "Model.sig", "model.sig.bak")] == [
        None
    ] * 3
    assert file_signatures.bundle("model.sig", 4 * MIB + 1, read) is None
    for content in (b"\xff\xfe", b"{\0}"):
        assert file_signatures.bundle("model.sig", len(content), read) == ""


def test_the_largest_signature_takes_a_moment():
    files = {f"{number:x}": b"x" for number in range(27_500)}
    text = json.dumps(bundle(KEY, json.dumps(statement(files), separators=(",", ":")).encode()))
    assert 3.9 * MIB < len(text) <= 4 * MIB
    began = time.perf_counter()
    assert judged(text, files, [trusted(pem_of(KEY))]).verified
    assert time.perf_counter() - began < 3  # 0.1 s on a machine that does nothing else


def test_no_single_change_of_a_byte_goes_unseen():
    """Whatever byte of the payload is changed, the signature is none."""
    text = bundle(KEY, statement())
    payload = text["dsseEnvelope"]["payload"]
    for position in range(0, len(payload), 7):
        other = deepcopy(text)
        letter = "B" if payload[position] == "A" else "A"
        other["dsseEnvelope"]["payload"] = payload[:position] + letter + payload[position + 1 :]
        assert not judged(other, keys=[trusted(pem_of(KEY))]).verified
