import pytest

from catapult.rules.image_reference import digest_status, image, is_oci_digest

A, DIGEST = "a" * 64, "sha256:" + "0123456789abcdef" * 4
TAKEN = [
    *(DIGEST, "sha384:" + "a" * 96, "sha512:" + "a" * 128, "blake3:x", "a.b_c-d+e:_=-"),
    "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
    "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564=",
]
REFUSED = [
    *("sha256:abc123...", "sha256:...", f"sha256:{A[1:]}", f"sha256:{A}a", f"sha256:{A.upper()}", f"sha256:{A[1:]}g"),
    *(f"sha384:{A}", f"sha512:{A}", f"SHA256:{A}", f"sha256:{A}\n", "blake3:a b", "blake3:a/b", "a..b:x", "+a:x"),
    *("a+:x", "blake3:", ":x", "blake3", "", "a:b:c"),
]
PULLED = [
    *("docker.io/org/bert", "localhost:5000/bert", "registry:80/a/b/c", "10.0.0.1/bert", "a.b/x__y/z-1.2_3"),
    "Registry.Example.com:443/x",
]
NOT_PULLED = [
    *("org/bert", "localhost/bert", "bert", "docker.io", "docker.io/", "s3://bucket.example.com/bert", ""),
    *("https://docker.io/org/bert", "/mnt/models.d/bert", "models.d:/bert", "docker.io/Org/bert", "docker.io/a b"),
    *("docker.io/org/bert:v1", "docker.io/org//bert", "docker.io/org/bert/", "docker.io/org/bert\n"),
]


@pytest.mark.parametrize(("digest", "taken"), [*((one, True) for one in TAKEN), *((one, False) for one in REFUSED)])
def test_a_digest_that_oci_takes_makes_an_image_of_the_repository(digest, taken):
    assert is_oci_digest(digest) is taken
    assert digest_status(digest) == ("unverified" if taken else "malformed")
    for storage_path in ("nfs/bert", "docker.io/other/place"):
        assert image("ghcr.io/org/bert", storage_path, digest) == (f"ghcr.io/org/bert@{digest}" if taken else None)


@pytest.mark.parametrize("storage_path", [*PULLED, *NOT_PULLED])
def test_a_storage_path_with_a_dot_or_a_port_in_its_host_can_be_pulled_from(storage_path):
    assert image(None, storage_path, DIGEST) == (f"{storage_path}@{DIGEST}" if storage_path in PULLED else None)


@pytest.mark.parametrize("repository", ["ghcr.io/a/b\ncurl evil", "ghcr.io/a/b; rm", "$(id)", "ghcr.io/a b", "-v/:/x"])
def test_what_a_shell_would_take_for_more_than_an_image_is_none(repository):
    assert image(repository, "docker.io/a/b", DIGEST) is None
