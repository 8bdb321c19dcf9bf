"""A server whose files are in S3, at Ceph's gateway: clients fetch them there, with an address that works for a minute."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from catapult_client import Registry
from ceph import KEY, SECRET, Ceph
from up import Start, Up

pytestmark = pytest.mark.live
LARGE = os.urandom(7 * 1024 * 1024 + 13)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    start = Start(lambda: tmp_path_factory.mktemp("s3"))
    yield start
    start.close()


@pytest.fixture(scope="module")
def settings(ceph: Ceph, make_database: Callable[[], str]) -> dict[str, str]:
    bucket = ceph.bucket()
    return {
        "DATABASE_URL": make_database(),
        "API_KEY_SALT": "a salt for these tests, long enough to be one",
        "SECRET_KEY": "a secret for these tests, long enough to be one",
        "STORAGE_URL": f"s3://{bucket.bucket}/files",
        "S3_ENDPOINT_URL": f"http://127.0.0.1:{ceph.port}",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }


@pytest.fixture(scope="module")
def server(start: Start, settings: dict[str, str]) -> Up:
    server = start(**settings).ready()
    server.make_keys()
    return server


@pytest.fixture
def version(server: Up) -> dict[str, Any]:
    with server.by("publisher") as caller:
        return caller.version(caller.model(f"files/s3-{os.urandom(4).hex()}"), "1.0.0")


def test_the_sdk_uploads_and_fetches_from_s3_and_goes_on_where_it_broke(
    server: Up, version: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "weights.bin").write_bytes(LARGE)
    with Registry(server.url, server.keys["publisher"]) as sdk:
        (artifact,) = sdk.upload(version["id"], tmp_path / "weights.bin")
        goal = tmp_path / "in"
        goal.mkdir()
        (goal / f".weights.bin.{artifact.sha256[:12]}.part").write_bytes(LARGE[:1_000_000])
        (file,) = sdk.download(version["id"], to=goal)
    assert file.read_bytes() == LARGE
    with server.by("viewer") as viewer:
        address = f"/api/v1/artifacts/{artifact.id}/content"
        sent = viewer.get(address, allow_redirects=False)
        assert (sent.status_code, sent.headers["Location"].startswith(server.settings["S3_ENDPOINT_URL"])) == (
            307,
            True,
        )
        assert server.keys["viewer"] not in sent.headers["Location"]
        fetched = requests.get(sent.headers["Location"], timeout=20)
        assert fetched.content == LARGE
        assert fetched.headers["Content-Disposition"].startswith("attachment;")
        assert viewer.get(address, headers={"Sec-Fetch-Dest": "image"}, allow_redirects=False).content == LARGE
    assert server.keys["publisher"] not in server.log.read_text()


def test_with_the_setting_everything_flows_through_the_registry(
    server: Up, start: Start, settings: dict[str, str], version: dict[str, Any]
) -> None:
    with server.by("publisher") as publisher:
        artifact = publisher.put(f"/api/v1/versions/{version['id']}/artifacts/a", data=b"content").json()
    other = start(**settings, S3_PROXY="true").ready()
    other.keys = server.keys
    with other.by("viewer") as viewer:
        got = viewer.get(f"/api/v1/artifacts/{artifact['id']}/content", allow_redirects=False)
    assert (got.status_code, got.content) == (200, b"content")
