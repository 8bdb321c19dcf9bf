"""Each kind of storage, empty: a folder, a folder on a CephFS, and S3 at Ceph's gateway."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "live"))
sys.path.insert(0, str(Path(__file__).parent.parent / "infrastructure"))

from ceph import PROGRAMS, Ceph, shared, stop

from catapult.storage.folder import Folder
from catapult.storage.s3 import S3


@pytest.fixture(scope="session")
def ceph(needs: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ceph]:
    """A real Ceph, which all processes of pytest share."""
    for program in PROGRAMS:
        needs(program)
    own = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # their parent has the folder above, and ends last
        yield shared(own.parent, os.getppid())
    else:
        yield shared(own, os.getpid())
        stop(own)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture(scope="session")
def make_cephfs(ceph: Ceph) -> Iterator[Callable[[], Folder]]:
    """A function that makes a folder on the mounted CephFS. A machine that cannot mount it skips the test, but CI fails."""
    if reason := ceph.why_unmounted():
        assert not os.environ.get("CI"), f"CI has to run this where FUSE can mount a CephFS: {reason}"
        pytest.skip(f"cannot mount a CephFS: {reason}")
    roots: list[Path] = []

    def make() -> Folder:
        roots.append(ceph.mount / uuid4().hex)
        roots[-1].mkdir()
        return Folder(roots[-1])

    yield make
    for root in roots:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def cephfs(make_cephfs: Callable[[], Folder]) -> Folder:
    return make_cephfs()


@pytest.fixture(scope="session")
def bucket(ceph: Ceph) -> S3:
    return ceph.bucket()


@pytest.fixture
def gateway(bucket: S3) -> S3:
    """A part of a bucket at Ceph's gateway."""
    return S3(bucket.bucket, uuid4().hex, bucket.endpoint_url, bucket.access_key, bucket.secret)


@pytest.fixture(params=["folder", "cephfs", "gateway"])
def storage(request: pytest.FixtureRequest) -> Folder | S3:
    return request.getfixturevalue(request.param)
