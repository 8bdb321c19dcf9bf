import pytest

from catapult.rules.image_reference import (
    digest_status,
    image,
    image_fault,
    is_oci_digest,
    parse,
    repository_fault,
)

A, DIGEST = "a" * 64, "sha256:" + "0123456789abcdef" * 4
KNOWN = [DIGEST, "sha384:" + "a" * 96, "sha512:" + "a" * 128]
UNKNOWN = [
    *("blake3:x", f"blake3:{A}", "md5:" + "a" * 32, "a.b_c-d+e:_=-"),
    "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
    "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564=",
]
"""Digests that OCI takes, by algorithms that container tools do not know."""
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


@pytest.mark.parametrize("digest", [*KNOWN, *UNKNOWN, *REFUSED])
def test_a_digest_that_container_tools_take_makes_an_image_of_the_repository(digest):
    taken = digest not in REFUSED
    assert is_oci_digest(digest) is taken
    assert digest_status(digest) == ("unverified" if taken else "malformed")
    for storage_path in ("nfs/bert", "docker.io/other/place"):
        made = f"ghcr.io/org/bert@{digest}" if digest in KNOWN else None
        assert image("ghcr.io/org/bert", storage_path, digest) == made


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        (("docker.io/a/b", "x", DIGEST), None),
        ((None, "docker.io/a/b", DIGEST), None),
        (("docker.io/a/b", "x", "sha256:abc"), "the digest sha256:abc; one is sha256: and 64 hex digits"),
        (("docker.io/a/b", "x", "blake3:x"), "do not know the digest algorithm blake3, only sha256, sha384, sha512."),
        (
            ("https://ghcr.io/A/b", "docker.io/a/b", DIGEST),
            "repository, https://ghcr.io/A/b: it must have no scheme, as",
        ),
        (("ghcr.io/a/", "x", DIGEST), "repository, ghcr.io/a/: it must have a name after each slash"),
        ((None, "s3://a/b", DIGEST), "storage path is not an address to pull from. Set the model's repository."),
    ],
)
def test_a_version_without_an_image_says_why(reference, why):
    assert (image(*reference) is None) is (why is not None)
    assert (why in image_fault(*reference)) if why else image_fault(*reference) is None


@pytest.mark.parametrize("storage_path", [*PULLED, *NOT_PULLED])
def test_a_storage_path_with_a_dot_or_a_port_in_its_host_can_be_pulled_from(storage_path):
    assert image(None, storage_path, DIGEST) == (f"{storage_path}@{DIGEST}" if storage_path in PULLED else None)


REPOSITORIES = {
    "https://ghcr.io/Acme/bert": "no scheme, as ghcr.io/acme/bert has none",
    "docker://ghcr.io/acme/bert/": "no scheme, as ghcr.io/acme/bert has none",
    "s3://bucket/bert": "belongs in storage_path",
    "oci://": "no scheme, as ghcr.io/acme/bert has none",
    "ghcr.io/acme/": "none at the end",
    "a//b": "a name after each slash",
    "/a": "a name after each slash",
    "a:": "no tag",
    "ghcr.io/acme/bert:v1": "no tag",
    f"ghcr.io/acme/bert@{DIGEST}": "no digest",
    "host:443:80/x": "'host:443:80' is not",
    "host:99999/x": "'host:99999' is not",
    "host:0/x": "'host:0' is not",
    "host:/x": "'host:' is not",
    "-a.b/x": "'-a.b' is not",
    "a_b.c:1/x": "'a_b.c:1' is not",
    "[::1]:5000/x": "'[::1]:5000' is not",
    "ghcr.io/Acme/bert": "lower case after the host: ghcr.io/acme/bert.",
    "Acme/bert": "lower case after the host: acme/bert.",
    "ghcr.io/a___b": "'a___b' is not",
    "ghcr.io/a..b": "'a..b' is not",
    "ghcr.io/é": "'é' is not",
    "127.0.0.1:1/" + "a" * 244: "at most 255 characters",
    "a" * 238: "at most 237 characters",
    "org/" + "a" * 242: "at most 245 characters",
    "docker.io/" + "a" * 238: "at most 247 characters",
}
"""Repositories that nothing can be pulled from, and part of what is said of each."""
LONGEST = ["a" * 237, "org/" + "a" * 241, "docker.io/" + "a" * 237, "docker.io/org/" + "a" * 241, "a" * 64]
"""As long as can be: container tools count the name of Docker Hub with what does not name a host."""
GOOD = ["myorg/bert", "bert", "localhost/bert", "Host.IO/x", "127.0.0.1:1/" + "a" * 243, *LONGEST, *PULLED]


@pytest.mark.parametrize("repository", [*REPOSITORIES, *GOOD])
def test_a_repository_is_one_that_container_tools_pull_from_or_is_told_what_to_write(repository):
    fault = repository_fault(repository)
    assert (REPOSITORIES[repository] in fault) if repository in REPOSITORIES else fault is None
    assert image(repository, "docker.io/a/b", DIGEST) == (None if fault else f"{repository}@{DIGEST}")


@pytest.mark.parametrize("repository", ["ghcr.io/a/b\ncurl evil", "ghcr.io/a/b; rm", "$(id)", "ghcr.io/a b", "-v/:/x"])
def test_what_a_shell_would_take_for_more_than_an_image_is_none(repository):
    assert image(repository, "docker.io/a/b", DIGEST) is None


NAMES = {
    "redis:7": ("docker.io", "library/redis", "7", None),
    "myorg/bert:v1": ("docker.io", "myorg/bert", "v1", None),
    "docker.io/redis:7": ("docker.io", "library/redis", "7", None),
    "index.docker.io/myorg/bert:v1": ("docker.io", "myorg/bert", "v1", None),
    "registry-1.docker.io/library/redis:7": ("registry-1.docker.io", "library/redis", "7", None),
    "localhost/bert:v1": ("localhost", "bert", "v1", None),
    "localhost:5000/bert:v1": ("localhost:5000", "bert", "v1", None),
    "Registry.Example.com:443/a/b/c:V_1.-x": ("registry.example.com:443", "a/b/c", "V_1.-x", None),
    f"ghcr.io/acme/bert@{DIGEST}": ("ghcr.io", "acme/bert", None, DIGEST),
    f"ghcr.io/acme/bert:v1@{KNOWN[2]}": ("ghcr.io", "acme/bert", "v1", KNOWN[2]),
    "ghcr.io/acme/bert:" + "a" * 128: ("ghcr.io", "acme/bert", "a" * 128, None),
}
NO_NAMES = {
    "https://ghcr.io/acme/bert:v1": "no scheme, as ghcr.io/acme/bert:v1 has none.",
    "docker://bert:v1": "no scheme, as bert:v1 has none.",
    "ghcr.io/acme/Bert:v1": "lower case after the host: ghcr.io/acme/bert.",
    "ghcr.io/acme/bert": "a tag or a digest, such as ghcr.io/acme/bert:v1",
    "ghcr.io/acme/bert:": "a tag or a digest, such as ghcr.io/acme/bert:v1",
    "ghcr.io/acme/bert:-v": "a tag of at most 128",
    "ghcr.io/acme/bert:v 1": "a tag of at most 128",
    "ghcr.io/acme/bert:v1\n": "a tag of at most 128",
    "ghcr.io/acme/bert:" + "a" * 129: "a tag of at most 128",
    **{f"ghcr.io/acme/bert@{digest}": "a digest of sha256" for digest in [*UNKNOWN, *REFUSED]},
    f"ghcr.io/acme/bert@{DIGEST}@{DIGEST}": "a digest of sha256",
    f"ghcr.io/acme/bert@{DIGEST}:v1": "a digest of sha256",
    "ghcr.io/acme/bert:v1:v2": "a repository with a tag",
    "host:99999/x:v1": "'host:99999' is not",
    "ghcr.io/acme/:v1": "none at the end",
    "ghcr.io//bert:v1": "a name after each slash",
    f"@{DIGEST}": "a repository with a tag",
    "": "a repository with a tag",
    ":v1": "a repository with a tag",
    "a" * 238 + ":v1": "at most 237 characters",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_has_its_parts(name):
    parsed = parse(name)
    assert parsed == NAMES[name]
    assert parse(str(parsed)) == parsed
    assert str(parsed).startswith(f"{parsed.name}:" if parsed.tag else f"{parsed.name}@")


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_says_what_to_write(name):
    with pytest.raises(ValueError) as error:
        parse(name)
    assert NO_NAMES[name] in str(error.value)
