"""Signatures of images at a real registry, in both layouts, and everything that makes one count for nothing."""

import json

import pytest
from hostile import hostile
from image_layouts import EMPTY, INDEX, digest_of, image, index, manifest
from image_registry import BUNDLE, SIMPLE, asking, claim, statement
from signed_files import bundle, new_key, pem_of

from catapult.oci import Fault, RegistryError, Signature
from catapult.rules.image_signatures import referrers_tag, signature_tag
from catapult.rules.sigstore_bundle import MEDIA_TYPES

KEY, OTHER = new_key(), new_key()
OURS = {"id": 1, "name": "release-2026", "public_key": pem_of(KEY)}
THEIRS = {"id": 2, "name": "other", "public_key": pem_of(OTHER)}
KEYS = [THEIRS, OURS]


@pytest.fixture
def digest(images, repository):
    """The digest of an image that nobody has signed."""
    return images.push(repository, image(), "v1")


@pytest.fixture
def signers(asked, repository, digest):
    """A function that returns the names and layouts of the image's signatures."""
    return lambda keys=KEYS: [(each.key, each.layout) for each in asked.signatures(repository, digest, keys)]


@pytest.mark.parametrize("kind", ["P-256", "Ed25519", "RSA 2048", "RSA 4096"])
def test_a_signature_counts_by_the_key_that_made_it_in_both_layouts(images, asked, repository, digest, kind):
    key = new_key(kind)
    keys = [THEIRS, {"id": "x", "name": kind, "public_key": pem_of(key)}]
    assert asked.signatures(repository, digest, keys) == []
    images.sign_simple(repository, digest, key)
    assert asked.signatures(repository, digest, keys) == [Signature("x", kind, "simple", digest)]
    images.sign_bundle(repository, digest, key)
    both = [Signature("x", kind, layout, digest) for layout in ("simple", "bundle")]
    assert asked.signatures(repository, digest, iter(keys)) == both
    assert asked.signatures(repository, digest, [THEIRS]) == []


def test_each_key_counts_once_for_each_layout(images, repository, digest, signers):
    for key in (KEY, OTHER, KEY):
        images.sign_simple(repository, digest, key)
        images.sign_bundle(repository, digest, key)
    every = [(name, layout) for name in ("other", "release-2026") for layout in ("bundle", "simple")]
    assert sorted(signers()) == every
    assert sorted(signers([OURS])) == every[2:]


def signed_otherwise(images, repository, digest, how):
    """Sign an image in a way that must not count."""
    other = images.push(repository, image("arm64"))
    wrong = {
        "a statement of flaws": statement(digest, "https://cosign.sigstore.dev/attestation/vuln/v1"),
        "an older statement": {**statement(digest), "_type": "https://in-toto.io/Statement/v0.1"},
        "a statement of another image": statement(other),
        "a statement of no image": {**statement(digest), "subject": []},
        "a statement of a name": {**statement(digest), "subject": [{"name": digest}]},
        "a payload that is no statement": b"null",
    }
    if how in wrong:
        images.sign_bundle(repository, digest, KEY, payload=wrong[how])
    elif how == "a bundle with a certificate":
        images.sign_bundle(repository, digest, KEY, verificationMaterial={"certificate": {"rawBytes": ""}})
    elif how == "a bundle of another version":
        images.sign_bundle(repository, digest, KEY, mediaType="application/vnd.dev.sigstore.bundle+json;version=0.2")
    elif how == "a bundle with a changed payload":
        text = bundle(KEY, statement(other)) | {"mediaType": BUNDLE}
        text["dsseEnvelope"]["payload"] = bundle(OTHER, statement(digest))["dsseEnvelope"]["payload"]
        images.refer(repository, digest, json.dumps(text).encode(), BUNDLE)
    elif how == "a bundle of text":
        images.refer(repository, digest, b"[" * 10_000, BUNDLE)
    elif how == "an artifact of another type":
        images.refer(repository, digest, json.dumps(bundle(KEY, statement(digest))).encode(), "text/plain")
    elif how == "a claim of another image":
        images.sign_simple(repository, digest, KEY, payload=claim("any", other))
    elif how == "a claim of another kind":
        images.sign_simple(repository, digest, KEY, payload=claim("any", digest, "cosign attestation"))
    elif how == "a changed claim":
        tag = images.sign_simple(repository, other, KEY)
        layer = json.loads(images.get_manifest(repository, tag)[0])["layers"][0]
        images.put_blob(repository, changed := claim("any", digest))
        layer |= {"digest": digest_of(changed), "size": len(changed)}
        fields = {**json.loads(manifest((b"{}", EMPTY), []).manifest), "layers": [layer]}
        images.put_manifest(repository, signature_tag(digest), json.dumps(fields).encode(), fields["mediaType"])
    elif how == "the tag of another image's claim":
        images.retag(repository, images.sign_simple(repository, other, KEY), signature_tag(digest))
    elif how == "the tag of another image's bundle":
        images.sign_bundle(repository, other, KEY)
        images.retag(repository, referrers_tag(other), referrers_tag(digest))
    elif how in GARBAGE:
        images.sign_simple(repository, digest, KEY, **GARBAGE[how])
    else:
        images.sign_simple(repository, digest, new_key())
        images.sign_bundle(repository, digest, new_key())


GARBAGE = {
    "a claim that is text": {"payload": b"signed"},
    "a claim that is a list": {"payload": b"[]"},
    "a claim without an image": {"payload": b'{"critical": {"type": "cosign container image signature"}}'},
    "a claim that says it twice": {
        "payload": claim("any", "sha256:" + "0" * 64).replace(b'"image"', b'"image": {}, "image"'),
    },
    "a signature of garbage": {"signature": b"0" * 64},
}
WRONG = [
    *("a statement of flaws", "an older statement", "a statement of another image", "a statement of no image"),
    *("a statement of a name", "a payload that is no statement", "a bundle with a certificate"),
    *("a bundle of another version", "a bundle with a changed payload", "a bundle of text"),
    *("an artifact of another type", "a claim of another image", "a claim of another kind", "a changed claim"),
    *("the tag of another image's claim", "the tag of another image's bundle", "unknown keys", *GARBAGE),
]


@pytest.mark.parametrize("how", WRONG)
def test_what_does_not_count_hides_nothing_that_does(images, repository, digest, signers, how):
    signed_otherwise(images, repository, digest, how)
    assert signers() == []
    if not how.startswith("the tag of"):
        images.sign_simple(repository, digest, OTHER)
    if how != "the tag of another image's bundle":
        images.sign_bundle(repository, digest, KEY)
        assert ("release-2026", "bundle") in signers()
    assert "release-2026" not in [name for name, layout in signers() if layout == "simple"]


@pytest.mark.parametrize("kind", ["cosign container image signature", "atomic container signature"])
def test_both_kinds_of_claims_count(images, repository, digest, signers, kind):
    images.sign_simple(repository, digest, KEY, payload=claim("any", digest, kind))
    assert signers() == [("release-2026", "simple")]


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_both_spellings_of_a_bundle_count(images, repository, digest, signers, media_type):
    images.sign_bundle(repository, digest, KEY, mediaType=media_type)
    assert signers() == [("release-2026", "bundle")]


def test_a_signature_of_one_platform_is_not_that_of_the_index(images, asked, repository):
    both = index(image(), image("arm64"))
    images.push(repository, both, "v1")
    for sign in (images.sign_simple, images.sign_bundle):
        sign(repository, both.children[0].digest, KEY)
    assert asked.signatures(repository, both.digest, KEYS) == []
    assert len(asked.signatures(repository, both.children[0].digest, KEYS)) == 2
    images.sign_bundle(repository, both.digest, KEY)
    assert len(asked.signatures(repository, both.digest, KEYS)) == 1


# --- by a registry that knows more than docker-registry does: referrers, pages of them, SHA-512


class Memory:
    """What a server that answers from memory has, by path: a type and the content."""

    def __init__(self):
        self.contents, self.headers = {}, {}

    def __call__(self, got):
        media_type, content = self.contents.get(got.path.removeprefix("/v2/a/"), ("", None))
        if content is None:
            return 404, {}, b""
        return 200, {"Content-Type": media_type, **self.headers.get(got.path.removeprefix("/v2/a/"), {})}, content

    def refer(self, digest, text, **more):
        """Keep an artifact with this content, and return what an index says of it."""
        content = json.dumps(text).encode()
        artifact = manifest((b"{}", EMPTY), [(content, BUNDLE)], artifactType=BUNDLE, marker=len(self.contents))
        self.contents[f"manifests/{artifact.digest}"] = artifact.media_type, artifact.manifest
        self.contents[f"blobs/{digest_of(content)}"] = "application/octet-stream", content
        size = len(artifact.manifest)
        return {
            "mediaType": artifact.media_type,
            "digest": artifact.digest,
            "size": size,
            "artifactType": BUNDLE,
            **more,
        }

    def list(self, path, *referrers, **headers):
        """Keep an index of these."""
        fields = {"schemaVersion": 2, "mediaType": INDEX, "manifests": referrers}
        self.contents[path] = INDEX, json.dumps(fields).encode()
        self.headers[path] = headers


@pytest.fixture
def memory():
    memory = Memory()
    with hostile(memory) as server:
        memory.server = server
        yield memory


DIGESTS = {name: digest_of(b"an image", name) for name in ("sha256", "sha384", "sha512")}


@pytest.mark.parametrize("algorithm", DIGESTS)
@pytest.mark.parametrize("path", ["referrers", "tag"])
def test_bundles_are_found_by_referrers_or_by_the_tag_for_them(memory, algorithm, path):
    digest = DIGESTS[algorithm]
    tag = f"manifests/{algorithm}-{digest.partition(':')[2][:64]}"
    referrer = memory.refer(digest, bundle(KEY, statement(digest)))
    memory.list(f"referrers/{digest}" if path == "referrers" else tag, referrer)
    found = asking(memory.server.host).signatures("a", digest, KEYS)
    assert found == [Signature(1, "release-2026", "bundle", digest)]
    asked = [got.path.removeprefix("/v2/a/") for got in memory.server.got]
    assert (tag in asked) is (path == "tag")
    assert not [path for path in asked if len(path.rpartition("/")[2]) > 128 and not path.startswith(("blobs", "ref"))]


@pytest.mark.parametrize(
    "more",
    [{"artifactType": EMPTY}, {"artifactType": ""}, {"annotations": {"dev.sigstore.bundle.content": "dsse-envelope"}}],
    ids=str,
)
def test_a_bundle_is_found_whatever_its_index_calls_it(memory, more):
    digest = DIGESTS["sha256"]
    memory.list(f"referrers/{digest}", memory.refer(digest, bundle(KEY, statement(digest)), **more))
    assert len(asking(memory.server.host).signatures("a", digest, KEYS)) == 1


def test_statements_of_other_kinds_take_no_place_where_the_index_says_it(memory):
    digest = DIGESTS["sha256"]
    flaws = {"annotations": {"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"}}
    others = [memory.refer(digest, bundle(KEY, statement(digest, "other")), **flaws) for _ in range(40)]
    memory.list(f"referrers/{digest}", *others, memory.refer(digest, bundle(KEY, statement(digest))))
    assert len(asking(memory.server.host).signatures("a", digest, KEYS)) == 1


@pytest.mark.parametrize(("before", "found"), [(15, 1), (16, 0)])
def test_sixteen_signatures_are_looked_at(memory, before, found):
    digest = DIGESTS["sha256"]
    referrers = [memory.refer(digest, bundle(new_key("Ed25519"), statement(digest))) for _ in range(before)]
    memory.list(f"referrers/{digest}", *referrers, memory.refer(digest, bundle(KEY, statement(digest))))
    assert len(asking(memory.server.host).signatures("a", digest, KEYS)) == found


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize(("page", "found"), [(2, 1), (3, 0)])
def test_three_pages_of_referrers_are_read(memory, page, found, absolute):
    digest = DIGESTS["sha256"]
    start = f"http://{memory.server.host}/v2/a/" if absolute else "/v2/a/"
    for number in range(6):
        signed = [memory.refer(digest, bundle(KEY, statement(digest)))] if number == page else []
        path = f"referrers/{digest}" + (f"?n=1&last={number}" if number else "")
        memory.list(path, *signed, Link=f'<{start}referrers/{digest}?n=1&last={number + 1}>; rel="next"')
    assert len(asking(memory.server.host).signatures("a", digest, KEYS)) == found
    assert len([got for got in memory.server.got if "/referrers/" in got.path]) == 3


def test_the_next_page_of_referrers_is_not_elsewhere(memory):
    digest = DIGESTS["sha256"]
    with hostile(lambda got: (404, {}, b"")) as other:
        memory.list(f"referrers/{digest}", Link=f'<http://{other.host}/v2/a/referrers/{digest}>; rel="next"')
        assert asking(memory.server.host).signatures("a", digest, KEYS) == []
        assert other.got == []
    assert len([got for got in memory.server.got if "referrers" in got.path]) == 1


def test_a_manifest_of_signatures_may_have_a_layer_of_another_kind(memory):
    digest = DIGESTS["sha256"]
    layer = json.dumps({"mediaType": SIMPLE})
    memory.contents[f"manifests/{signature_tag(digest)}"] = INDEX, f'{{"layers": [{layer}]}}'.encode()
    memory.list(f"referrers/{digest}", memory.refer(digest, bundle(KEY, statement(digest))))
    assert len(asking(memory.server.host).signatures("a", digest, KEYS)) == 1


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (401, Fault.UNAUTHORIZED),
        (403, Fault.FORBIDDEN),
        (429, Fault.LIMITED),
        (500, Fault.FAILED),
        (404, None),
        (400, None),
    ],
)
def test_an_image_is_not_unsigned_because_its_registry_does_not_tell(status, fault):
    for part in ("referrers/", ".sig", "blobs/"):
        digest = DIGESTS["sha256"]
        memory = Memory()
        memory.list(f"referrers/{digest}", memory.refer(digest, bundle(KEY, statement(digest))))
        with hostile(
            lambda got, part=part, memory=memory: (status, {}, b"") if part in got.path else memory(got)
        ) as server:
            registry = asking(server.host)
            if fault is None:
                assert len(registry.signatures("a", digest, KEYS)) == (part == ".sig")
            else:
                with pytest.raises(RegistryError) as error:
                    registry.signatures("a", digest, KEYS)
                assert error.value.fault == fault


@pytest.mark.parametrize(("more", "counts"), [(0, True), (300_000, False)])
def test_a_signature_is_small(images, repository, digest, signers, more, counts):
    images.sign_simple(repository, digest, KEY, payload=claim("x" * more, digest))
    images.sign_bundle(repository, digest, KEY, payload={**statement(digest), "predicate": {"x": "x" * more}})
    assert len(signers()) == 2 * counts


def test_without_keys_nothing_is_asked(memory):
    assert asking(memory.server.host).signatures("a", DIGESTS["sha256"], []) == []
    assert memory.server.got == []
