"""A registry for all tests here, each of which uses a repository of its own, and a conversation with it."""

import secrets
from collections.abc import Iterator

import pytest
from image_registry import ImageRegistry, asking, image_registry

from catapult.oci import Registry


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageRegistry]:
    """A registry that lets everybody in."""
    with image_registry(tmp_path_factory.mktemp("images")) as registry:
        yield registry


@pytest.fixture
def repository() -> str:
    """The name of a repository that no other test uses."""
    return f"team/{secrets.token_hex(6)}"


@pytest.fixture
def asked(images: ImageRegistry) -> Registry:
    """A conversation with that registry."""
    return asking(images.host)
