"""Manifests and configurations as registries may send them: what is read of them, and what is refused."""

import json
from copy import deepcopy
from datetime import UTC, datetime

import pytest
from image_layouts import EMPTY, INDEX, MANIFEST, image, index, model_pack

from catapult.rules import image_manifests
from catapult.rules.image_manifests import Malformed, described, read

ONE, BOTH = image(), index(image(), image("arm64"))
DIGEST = "sha256:" + "0" * 64


def changed(content, *path, to):
    """The manifest with another value there."""
    fields = json.loads(content.manifest)
    place = fields
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(fields).encode()


NO_MANIFESTS = [
    *(b"", b"[]", b"null", b"1", b"{}", b"\xff", b"[" * 100_000, b'{"layers": 5}', b'{"layers": [5]}', b"<html>"),
    *(b'{"layers": []}', b'{"schemaVersion": 1, "fsLayers": []}', ONE.manifest[:-1], ONE.manifest + b"x"),
    ONE.manifest.replace(b'"layers"', b'"layers": [], "layers"'),
    changed(ONE, "manifests", to=[]),
    changed(BOTH, "layers", to=[]),
    changed(ONE, "layers", 0, "digest", to="sha256:abc"),
    changed(ONE, "layers", 0, "digest", to="md5:" + "0" * 32),
    changed(ONE, "layers", 0, "digest", to=["sha256"]),
    *(changed(ONE, "layers", 0, "size", to=size) for size in (-1, 1.5, True, "5", None, 2**63, 10**4000)),
    changed(ONE, "config", "size", to=2**63 - 1),
    changed(ONE, "mediaType", to="image"),
    changed(ONE, "mediaType", to=5),
    changed(ONE, "artifactType", to="a/b\n"),
    changed(ONE, "annotations", to=[1]),
    changed(BOTH, "manifests", to={"a": 1}),
    changed(BOTH, "manifests", 0, "platform", to="linux"),
]


@pytest.mark.parametrize("content", NO_MANIFESTS, ids=range(len(NO_MANIFESTS)))
def test_what_is_no_manifest_is_refused(content):
    with pytest.raises(Malformed):
        read(content, "")


def test_the_type_is_the_header_s_where_the_manifest_has_none():
    content = json.dumps({"layers": [], "config": None}).encode()
    assert read(content, f"{MANIFEST}; charset=utf-8").media_type == MANIFEST
    assert read(ONE.manifest, INDEX).media_type == MANIFEST


@pytest.mark.parametrize(
    ("platform", "named"),
    [
        ({"os": "linux", "architecture": "arm64", "variant": "v8"}, ["linux/arm64/v8"]),
        ({"os": "unknown", "architecture": "unknown"}, []),
        ({"os": "linux"}, []),
        ({"os": "linux\n", "architecture": "<b>"}, []),
        ({"os": 5, "architecture": ["a"]}, []),
        ({}, []),
    ],
    ids=str,
)
def test_a_platform_is_one_that_can_be_shown(platform, named):
    content = changed(BOTH, "manifests", 0, "platform", to=platform)
    top = read(content, INDEX)
    assert described(DIGEST, top, None, None).platforms == [*named, "linux/arm64"]


def test_an_image_for_amd64_stands_for_its_index_and_what_is_no_image_does_not():
    fields = json.loads(index(image("arm64"), image("arm64"), image()).manifest)
    fields["manifests"].insert(0, {**fields["manifests"][0], "platform": {"os": "unknown", "architecture": "unknown"}})
    top = read(json.dumps(fields).encode(), INDEX)
    assert [each.platform for each in image_manifests.by_preference(top)] == [
        "linux/amd64",
        "linux/arm64",
        "linux/arm64",
    ]
    assert described(DIGEST, top, None, None).platforms == ["linux/arm64", "linux/amd64"]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-30T10:15:30Z", datetime(2026, 11, 30, 10, 15, 30, tzinfo=UTC)),
        ("2026-11-30T12:15:30.123456789+02:00", datetime(2026, 11, 30, 10, 15, 30, 123456, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        *((text, None) for text in ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+05:00", "soon", "", 5, None, [])),
        ("9999-12-31T23:59:59-05:00", None),
    ],
    ids=str,
)
def test_the_time_of_an_image(text, time):
    config = json.dumps({"created": text}).encode()
    manifest = read(ONE.manifest, MANIFEST)
    assert described(DIGEST, manifest, manifest, config).created == time
    annotated = read(changed(ONE, "annotations", to={"org.opencontainers.image.created": text}), MANIFEST)
    assert described(DIGEST, annotated, annotated, b"{}").created == time


def test_all_texts_can_be_stored():
    labels = {f"{number}": "x" for number in range(200)} | {"a\0b": "c"}
    odd = {"a\0": "b\ud800\0", "org.opencontainers.image.source": "x" * 5_000, "c": 5, **labels}
    config = json.dumps({"config": {"Labels": odd}}).encode()
    manifest = read(ONE.manifest, MANIFEST)
    image = described(DIGEST, manifest, manifest, config)
    assert (len(image.labels), image.source) == (100, "x" * 1_000)
    assert image.labels["a\ufffd"] == "b?\ufffd"


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff", b'{"config": [1]}', b'{"config": {"Labels": 5}}', b"[" * 10_000]
)
def test_a_configuration_that_is_malformed_is_refused(content):
    manifest = read(ONE.manifest, MANIFEST)
    with pytest.raises(Malformed, match="configuration"):
        described(DIGEST, manifest, manifest, content)


def test_what_kind_of_artifact_it_is():
    model = json.loads(model_pack().manifest)
    by_config = deepcopy(model)
    del by_config["artifactType"]
    empty = {**by_config, "config": {**model["config"], "mediaType": EMPTY}}
    old = {
        "mediaType": "application/vnd.oci.artifact.manifest.v1+json",
        "artifactType": "a/b",
        "blobs": model["layers"],
    }
    kinds = [read(json.dumps(fields).encode(), MANIFEST) for fields in (model, by_config, empty, old)]
    assert [kind.artifact_type for kind in kinds] == [model["artifactType"], model["config"]["mediaType"], None, "a/b"]
    assert kinds[-1].size_bytes == model["layers"][0]["size"]
