"""What a real registry says of images: whoever pushed them and however it lets people in. skopeo is the second opinion."""

import json
import shutil
import socket
import subprocess
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from certificate import self_signed
from image_layouts import DOCKER, INDEX, MODEL, image, index, model_pack, write
from image_registry import LOCAL, PASSWORD, USER, asking, htpasswd, image_registry
from token_server import ISSUER, SERVICE, token_server

from catapult import egress
from catapult.egress import Policy
from catapult.oci import Access, Fault, RegistryError
from catapult.rules.image_reference import ImageName, parse

LABELS = {"org.opencontainers.image.revision": "abc", "org.opencontainers.image.source": "https://git.example.com/x"}
CREATED = datetime(2026, 11, 30, 10, 15, 30, 123456, tzinfo=UTC)
BOTH = (image(labels=LABELS), image("arm64"))
CONTENTS = {
    "an image": (BOTH[0], None, ["linux/amd64"], "abc"),
    "Docker's image": (image(labels=LABELS, docker=True), None, ["linux/amd64"], "abc"),
    "an annotated image": (image(annotations={**LABELS, next(iter(LABELS)): "def"}), None, ["linux/amd64"], "def"),
    "an index": (index(*reversed(BOTH)), None, ["linux/arm64", "linux/amd64"], "abc"),
    "Docker's index": (
        index(image(docker=True), media_type=DOCKER[INDEX]),
        None,
        ["linux/amd64"],
        None,
    ),
    "an index without images": (index(), None, [], None),
    "an index of others": (index(image("s390x")), None, ["linux/s390x"], None),
    "a model": (model_pack(), MODEL, [], "abc123"),
}
MISSING = "sha256:" + "0" * 64


def refusal(ask, *arguments):
    """Why a registry did not tell it."""
    with pytest.raises(RegistryError) as error:
        ask(*arguments)
    assert error.value.reason == str(error.value)
    assert PASSWORD not in f"{error.value!r} {error.value.__cause__}"
    return error.value.fault, error.value.reason


def skopeo(*arguments):
    """What skopeo says."""
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    return subprocess.run(["skopeo", *map(str, arguments)], capture_output=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("name", CONTENTS)
def test_an_image_is_described_as_it_was_pushed(images, asked, repository, name):
    content, artifact_type, platforms, revision = CONTENTS[name]
    images.push(repository, content, "v1")
    image = asked.resolve(ImageName(images.host, repository, "v1", None))
    assert image == asked.resolve(ImageName(images.host, repository, None, content.digest))
    assert image.digest == content.digest == asked.digest_of(repository, "v1")
    assert image.digest == asked.digest_of(repository, content.digest)
    assert (image.media_type, image.artifact_type) == (content.media_type, artifact_type)
    assert (image.platforms, image.revision) == (platforms, revision)
    standing = next((child for child in content.children if "amd64" in str(child.platform)), None)
    standing = standing or next(iter(content.children), content)
    assert image.size_bytes == sum(map(len, standing.blobs))
    assert image.created == (
        None
        if name == "an index without images"
        else CREATED.replace(microsecond=0)
        if revision == "abc123"
        else CREATED
    )
    raw = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{images.host}/{repository}:v1")
    assert raw == content.manifest


def test_an_image_that_skopeo_pushed_has_the_digest_that_skopeo_says(images, asked, repository, tmp_path):
    write(tmp_path, index(*BOTH), "bert")
    to = f"{images.host}/{repository}:v1"
    skopeo("copy", "--all", "--dest-tls-verify=false", f"oci:{tmp_path}:bert", f"docker://{to}")
    inspected = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{to}"))
    image = asked.resolve(parse(to))
    assert (image.digest, image.labels) == (inspected["Digest"], inspected["Labels"])
    assert (image.revision, image.source) == tuple(LABELS.values())


def test_a_tag_that_moves_or_goes_is_seen_and_the_digest_stays(images, asked, repository):
    first, second = (images.push(repository, each, "v1") for each in BOTH)
    assert asked.digest_of(repository, "v1") == second
    name = ImageName(images.host, repository, "v1", first)
    assert asked.resolve(name).digest == first
    assert images.retag(repository, first, "v1") == asked.digest_of(repository, "v1") == first
    images.delete(repository, first)
    for ask in (lambda: asked.digest_of(repository, "v1"), lambda: asked.digest_of(repository, first)):
        assert refusal(ask)[0] == Fault.MISSING
    assert refusal(asked.resolve, name) == (
        Fault.MISSING,
        f"The registry {images.host} has no {repository}@{first} (404 MANIFEST_UNKNOWN). Check the name; what was there may have "
        "been deleted.",
    )
    assert asked.digest_of(repository, second) == second


def test_an_index_is_described_by_an_image_that_its_registry_has(images, asked, repository):
    images.push(repository, index(*BOTH), "v1")
    images.delete(repository, BOTH[0].digest)
    image = asked.resolve(ImageName(images.host, repository, "v1", None))
    assert (image.size_bytes, image.revision) == (sum(map(len, BOTH[1].blobs)), None)
    assert image.platforms == ["linux/amd64", "linux/arm64"]
    images.delete(repository, BOTH[1].digest)
    assert refusal(asked.resolve, ImageName(images.host, repository, "v1", None))[0] == Fault.MISSING


@pytest.mark.parametrize(
    "reference", ["sha256:abc", "sha256:" + "A" * 64, "md5:" + "a" * 32, "a/../b", "", "v1?x", "a" * 129]
)
def test_what_is_neither_tag_nor_digest_is_not_asked(asked, reference):
    for ask in (asked.digest_of, lambda *both: asked.signatures(*both, [{}])):
        with pytest.raises(ValueError, match="neither a tag nor a digest"):
            ask("team/bert", reference)


# --- how registries let people in


@pytest.fixture(scope="module")
def locked(images, tmp_path_factory):
    """The same images at a registry that asks for a password."""
    folder = tmp_path_factory.mktemp("locked")
    with image_registry(folder, auth=htpasswd(folder), storage=images.folder) as registry:
        yield registry


def test_a_password_is_given_where_it_is_asked_for(images, locked, repository):
    digest = images.push(repository, BOTH[0], "v1")
    assert asking(locked.host, Access(True, "", USER, PASSWORD)).digest_of(repository, "v1") == digest
    fault, reason = refusal(asking(locked.host).digest_of, repository, "v1")
    assert fault == Fault.UNAUTHORIZED
    assert "without a username and a secret (401)" in reason
    fault, reason = refusal(asking(locked.host, Access(True, "", USER, "wrong")).digest_of, repository, "v1")
    assert fault == Fault.UNAUTHORIZED
    assert "does not accept this server's username and secret" in reason
    assert PASSWORD not in repr(Access(True, "", USER, PASSWORD))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return self_signed(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def tokens(images, certificate, tmp_path):
    """A function that starts a token server and a registry, of the same images, which sends people there."""
    started = []

    def start(**more):
        server = token_server(certificate, **more)
        started.append(server)
        realm = server.__enter__()
        roots = {"service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(certificate / "fullchain.pem")}
        auth = {"token": {"realm": f"http://{realm.host}/token", **roots}}
        started.append(image_registry(tmp_path / "tokens", auth=auth, storage=images.folder))
        return SimpleNamespace(host=started[-1].__enter__().host, server=realm)

    yield start
    for each in reversed(started):
        each.__exit__(None, None, None)


@pytest.mark.parametrize("field", ["token", "access_token"])
def test_a_token_is_kept_for_its_repository(images, tokens, repository, field):
    digest, other = images.push(repository, BOTH[0], "v1"), f"{repository}/other"
    images.push(other, BOTH[0], "v1")
    access = Access(True, "", USER, PASSWORD)
    started = tokens(basic=access.basic, name=field)
    registry = asking(started.host, access)
    assert [registry.digest_of(repository, "v1") for _ in range(3)] == [digest] * 3
    assert registry.resolve(ImageName(started.host, repository, "v1", None)).digest == digest
    assert [got.authorization for got in started.server.got] == [access.basic]
    assert registry.digest_of(other, "v1") == digest
    scopes = [f"service={SERVICE}&scope=repository%3A{name.replace('/', '%2F')}%3Apull" for name in (repository, other)]
    assert [got.path.partition("?")[2] for got in started.server.got] == scopes
    fault, reason = refusal(asking(started.host, Access(True, "", USER, "wrong")).digest_of, repository, "v1")
    assert fault == Fault.UNAUTHORIZED
    assert reason.startswith(f"The token server of {started.host} does not accept this server's username and secret")
    fault, reason = refusal(asking(started.host).digest_of, repository, "v1")
    assert "without a username and a secret (401 UNAUTHORIZED)" in reason


def test_a_token_is_asked_for_again_before_it_ends_and_needs_no_password(images, tokens, repository):
    images.push(repository, BOTH[0], "v1")
    started = tokens(seconds=1)
    registry = asking(started.host)
    for _ in range(2):
        registry.digest_of(repository, "v1")
    assert [got.authorization for got in started.server.got] == [""]
    time.sleep(0.6)
    registry.digest_of(repository, "v1")
    assert len(started.server.got) == 2


# --- how registries are reached


def test_a_private_authority_is_trusted_for_its_registry_alone(images, certificate, repository, tmp_path):
    digest = images.push(repository, BOTH[0], "v1")
    ca = (certificate / "fullchain.pem").read_text()
    with image_registry(tmp_path / "tls", tls=certificate, storage=images.folder) as registry:
        assert asking(registry.host, Access(ca=ca)).digest_of(repository, "v1") == digest
        for access in (Access(), Access(allow_http=True)):
            assert refusal(asking(registry.host, access).digest_of, repository, "v1")[0] != Fault.MISSING
        fault, reason = refusal(asking(registry.host, Access()).digest_of, repository, "v1")
        assert (fault, "certificate" in reason) == (Fault.UNREACHABLE, True)
    egress._pool.close()
    assert refusal(asking(registry.host, Access(ca=ca)).digest_of, repository, "v1")[0] == Fault.UNREACHABLE


def test_http_has_to_be_allowed_twice(images, repository):
    fault, reason = refusal(asking(images.host, Access()).digest_of, repository, "v1")
    assert (fault, "No TLS" in reason) == (Fault.UNREACHABLE, True)
    fault, reason = refusal(asking(images.host, policy=Policy()).digest_of, repository, "v1")
    assert (fault, "EGRESS_ALLOW" in reason) == (Fault.UNREACHABLE, True)


def test_docker_hub_is_asked_where_its_api_is(monkeypatch):
    names = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: names.append(host) or [])
    fault, reason = refusal(asking("docker.io", Access(), LOCAL).resolve, parse("redis:7"))
    assert (fault, set(names)) == (Fault.UNREACHABLE, {"registry-1.docker.io"})
    assert reason.startswith(
        "The registry docker.io could not be asked for library/redis:7: The name registry-1.docker.io"
    )
