"""What Catapult calls an image is what skopeo, which pulls and inspects images, reads as one."""

import subprocess

import pytest
from rules.test_image_reference import DIGEST, GOOD, KNOWN, REFUSED, REPOSITORIES, UNKNOWN

from catapult.rules.image_reference import image

NO_SUCH_PORT = ("host:99999/x", "host:0/x")
"""skopeo reads these and cannot connect."""
UNREADABLE = (
    "invalid reference format",
    "unsupported digest algorithm",
    "invalid checksum digest",
    "invalid port",
    "both a tag and digest",
    "must not be more than 255",
    "must be lowercase",
)


REFERENCES = [
    *((name, DIGEST) for name in [*GOOD, *REPOSITORIES] if name not in NO_SUCH_PORT),
    *(("ghcr.io/org/bert", digest) for digest in [*KNOWN, *UNKNOWN, *(it for it in REFUSED if it.isprintable())]),
]


@pytest.mark.parametrize(("repository", "digest"), REFERENCES)
def test_skopeo_reads_every_image_that_catapult_offers_and_no_other(needs, repository, digest):
    """It is not asked over the network: the proxy is one that refuses every connection."""
    command = [needs("skopeo"), "inspect", "--command-timeout", "2s", f"docker://{repository}@{digest}"]
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "HOME": "/nonexistent"}
    printed = subprocess.run(command, env=nowhere, capture_output=True, text=True, timeout=30, check=False).stderr
    read = not any(reason in printed for reason in UNREADABLE)
    assert read is (image(repository, "", digest) is not None), printed
