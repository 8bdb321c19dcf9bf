"""Sigstore's own verifier as a second opinion: it verifies by key what is verified here, and nothing that is refused."""

import json
import os
import shutil
import subprocess
from copy import deepcopy
from pathlib import Path

import pytest
from image_layouts import digest_of
from image_registry import statement
from signed_files import bundle, new_key, pem_of

from catapult.rules import sigstore_bundle
from catapult.rules.image_signatures import BUNDLE, is_of

REFERENCE = Path(__file__).parent / "sigstore_reference"
DIGEST, OTHER = digest_of(b"image"), digest_of(b"other")
KEY = new_key()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the verifier."""
    folder = tmp_path_factory.mktemp("sigstore") / "reference"
    shutil.copytree(REFERENCE, folder)
    if not shutil.which("npm") and not os.environ.get("CI"):
        pytest.skip("npm is not installed")
    install = ["npm", "ci", "--omit=optional", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def changed(*path, to):
    """A bundle by KEY with another value there."""
    text = deepcopy(bundle(KEY, statement(DIGEST)))
    place = text
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return text


def cases():
    """Bundles, each with a key and whether it is of the image."""
    for kind in ("P-256", "Ed25519", "RSA 2048"):
        key = new_key(kind)
        yield kind, bundle(key, statement(DIGEST)), key, True
    for media_type in sigstore_bundle.MEDIA_TYPES:
        yield media_type, changed("mediaType", to=media_type), KEY, True
    payload = bundle(KEY, statement(OTHER))["dsseEnvelope"]["payload"]
    yield "another image", bundle(KEY, statement(OTHER)), KEY, False
    yield "another key", bundle(KEY, statement(DIGEST)), new_key(), False
    yield "another kind of key", bundle(KEY, statement(DIGEST)), new_key("Ed25519"), False
    yield "a changed payload", changed("dsseEnvelope", "payload", to=payload), KEY, False
    yield "another type of payload", changed("dsseEnvelope", "payloadType", to="text/plain"), KEY, False
    yield "no signature", changed("dsseEnvelope", "signatures", to=[]), KEY, False
    yield "a signature of nothing", changed("dsseEnvelope", "signatures", 0, "sig", to=""), KEY, False
    yield "another version", changed("mediaType", to="application/vnd.dev.sigstore.bundle+json;version=9"), KEY, False
    certificate = {"certificate": {"rawBytes": "AAAA"}, "tlogEntries": []}
    yield "a certificate", changed("verificationMaterial", to=certificate), KEY, False
    yield "no bundle", {}, KEY, False


def ours(text, pem):
    """Whether the bundle is of the image and by the key, as it is judged here."""
    try:
        envelope = sigstore_bundle.opened(json.dumps(text))
    except sigstore_bundle.Unopened:
        return False
    return envelope.is_signed_by(pem) and is_of(BUNDLE, envelope.payload, DIGEST)


def test_sigstore_verifies_what_is_verified_here_and_nothing_that_is_refused(installed):
    every = list(cases())
    lines = "".join(json.dumps({"bundle": text, "key": pem_of(key)}) + "\n" for _, text, key, _ in every)
    done = subprocess.run(
        ["node", "verify.mjs"], cwd=installed, input=lines, capture_output=True, text=True, check=True
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for (name, text, key, expected), answer in zip(every, answers, strict=True):
        theirs = "error" not in answer and is_of(BUNDLE, answer["payload"].encode(), DIGEST)
        assert (ours(text, pem_of(key)), theirs) == (expected, expected), (name, answer)
    refused = [name for (name, *_), answer in zip(every, answers, strict=True) if "error" in answer]
    assert refused == [name for name, _, _, expected in every if not expected and name != "another image"]
