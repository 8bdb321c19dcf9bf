import pytest

from catapult.rules.image_reference import digest_status, image, is_oci_digest

DIGEST = "sha256:" + "0123456789abcdef" * 4
REPOSITORY = "ghcr.io/org/bert"


@pytest.mark.parametrize(
    "digest",
    [
        DIGEST,
        "sha384:" + "a" * 96,
        "sha512:" + "a" * 128,
        "blake3:x",
        "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
        "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564=",
        "a.b_c-d+e:_=-",
    ],
)
def test_digests_that_oci_takes(digest):
    assert is_oci_digest(digest)
    assert digest_status(digest) == "unverified"


@pytest.mark.parametrize(
    "digest",
    [
        "sha256:abc123...",
        "sha256:...",
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 65,
        "sha256:" + "A" * 64,
        "sha256:" + "g" * 64,
        "sha384:" + "a" * 64,
        "sha512:" + "a" * 64,
        "SHA256:" + "a" * 64,
        "sha256:" + "a" * 64 + "\n",
        "blake3:a b",
        "blake3:a/b",
        "a..b:x",
        "+a:x",
        "a+:x",
        "blake3:",
        ":x",
        "blake3",
        "",
        "a:b:c",
    ],
)
def test_digests_that_oci_refuses(digest):
    assert not is_oci_digest(digest)
    assert digest_status(digest) == "malformed"


def test_an_image_is_the_repository_at_its_digest():
    assert image(REPOSITORY, "nfs/bert", DIGEST) == f"{REPOSITORY}@{DIGEST}"
    assert image(REPOSITORY, "docker.io/other/place", DIGEST) == f"{REPOSITORY}@{DIGEST}"


@pytest.mark.parametrize(
    "storage_path",
    [
        "docker.io/org/bert",
        "localhost:5000/bert",
        "registry:80/a/b/c",
        "10.0.0.1/bert",
        "a.b/x__y/z-1.2_3",
        "Registry.Example.com:443/x",
    ],
)
def test_a_storage_path_with_a_dot_or_a_port_in_its_host_can_be_pulled_from(storage_path):
    assert image(None, storage_path, DIGEST) == f"{storage_path}@{DIGEST}"


@pytest.mark.parametrize(
    "storage_path",
    [
        "org/bert",
        "localhost/bert",
        "bert",
        "docker.io",
        "docker.io/",
        "s3://bucket.example.com/bert",
        "https://docker.io/org/bert",
        "/mnt/models.d/bert",
        "models.d:/bert",
        "docker.io/Org/bert",
        "docker.io/org/bert:v1",
        "docker.io/org//bert",
        "docker.io/org/bert/",
        "docker.io/org/bert\n",
        "docker.io/a b",
        "",
    ],
)
def test_any_other_storage_path_cannot(storage_path):
    assert image(None, storage_path, DIGEST) is None


@pytest.mark.parametrize("digest", ["sha256:abc123...", "sha256:...", "blake3:a/b"])
def test_a_malformed_digest_makes_no_image(digest):
    assert image(REPOSITORY, "docker.io/org/bert", digest) is None


@pytest.mark.parametrize("repository", ["ghcr.io/a/b\ncurl evil", "ghcr.io/a/b; rm", "$(id)", "ghcr.io/a b", "-v/:/x"])
def test_what_a_shell_would_take_for_more_than_an_image_is_none(repository):
    assert image(repository, "docker.io/a/b", "sha256:" + "a" * 64) is None
