"""Gzip: which answers are compressed and for whom, and that every encoding has a tag of its own."""

import gzip
import re
from pathlib import Path

import pytest
from signing_in import OURS, sign_in

from catapult.web import compression

__all__ = ["sign_in"]

GZIP = {"Accept-Encoding": "gzip"}
PAGES = ("/login", "/docs")
STATIC = Path(compression.__file__).parents[1] / "static"


@pytest.fixture
def long(api):
    """The address of a version whose answer is longer than 1 KiB, and the same of a short one's model."""
    version = api.version(api.model(), release_notes="a long story " * 200)
    return f"/api/v1/versions/{version['id']}"


def ask(api, path, method="GET", **headers):
    """The answer, read to its end: a static file is closed then."""
    return api.request(method, path, headers=headers, buffered=True)


def is_gzipped(answer):
    return answer.headers.get("Content-Encoding") == "gzip"


def read(answer):
    return gzip.decompress(answer.data) if is_gzipped(answer) else answer.data


# --- which


@pytest.mark.parametrize(
    "path",
    [
        "/openapi.json", "/docs", "/docs/errors/conflict", "/docs/guides/api", "/login", "/metrics", "/static/catapult.css",
        "/scripts.js", "/static/swagger-ui-5.35.0/swagger-ui-bundle.js", "/static/swagger-ui-5.35.0/swagger-ui.css",
        "/static/icon.svg", "/api/v1/models?" + "&".join(f"unknown{n}=1" for n in range(20)), "/api/v1/nothing" + "/x" * 600,
    ],
)  # fmt: skip
def test_long_text_is_compressed_and_reads_the_same(api, path, monkeypatch):
    monkeypatch.setattr(compression, "SMALLEST", 200)  # the icon has few bytes
    plain, packed = ask(api, path), ask(api, path, **GZIP)
    assert (is_gzipped(plain), is_gzipped(packed)) == (False, True)
    assert len(packed.data) < len(plain.data)
    assert packed.status_code == plain.status_code
    assert packed.content_type == plain.content_type
    assert int(packed.headers["Content-Length"]) == len(packed.data)
    if path.startswith(("/static", "/scripts", "/openapi", *PAGES)) and path != "/login":
        assert read(packed) == plain.data
    for answer in (plain, packed):
        assert set(answer.vary) == {"Accept-Encoding"} | ({"HX-Request"} if path.startswith(PAGES) else set())


@pytest.mark.parametrize(("more", "packed"), [(0, False), (1, True)])
def test_only_more_than_one_kib_is_worth_it(api, more, packed):
    model = api.model()
    path = f"/api/v1/models/{model['id']}"
    short = len(ask(api, path).data) - len("null")
    api.put(path, {"description": "x" * (1024 + more - short - len('""'))})
    answer = ask(api, path, **GZIP)
    assert (len(read(answer)), is_gzipped(answer)) == (1024 + more, packed)
    assert ("Accept-Encoding" in answer.vary) == packed


def test_a_stream_is_sent_as_it_is_read(api, sign_in):
    for number in range(20):
        api.model(f"org/model-{number}")
    _, client = sign_in(api.keys["admin"])
    export = client.get("/audit/export.jsonl", headers=GZIP)
    assert (export.status_code, is_gzipped(export)) == (200, False)
    assert len(export.data) > 2 * compression.SMALLEST


# --- for whom


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        *(
            (accepted, True)
            for accepted in ("gzip", "GZip", "br, gzip;q=0.5", "gzip, identity", "*", "deflate, *;q=0.1")
        ),
        ("gzip;q=0.8, identity;q=0.3", True),
        *((accepted, False) for accepted in ("", "identity", "br, zstd, deflate", "gzip;q=0", "*, gzip;q=0", "*;q=0")),
        ("gzip;q=0.3, identity;q=0.8", False),
    ],
)
def test_the_client_chooses_the_encoding(api, long, accepted, packed):
    answer = api.get(long, headers={"Accept-Encoding": accepted})
    assert (answer.status_code, is_gzipped(answer)) == (200, packed)
    assert b"a long story" in read(answer)


# --- tags


@pytest.mark.parametrize("path", [None, "/openapi.json", "/static/catapult.css"])
def test_each_encoding_has_a_strong_tag_of_its_own_that_is_not_sent_again(api, long, path):
    path = path or long
    plain, packed = ask(api, path).headers["ETag"], ask(api, path, **GZIP).headers["ETag"]
    assert packed == f'{plain[:-1]}-gzip"'
    assert not plain.startswith("W/")
    for tag, headers in ((plain, {}), (packed, GZIP)):
        again = ask(api, path, **{**headers, "If-None-Match": tag})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
        assert "Accept-Encoding" in again.vary
        assert "Content-Encoding" not in again.headers
    assert ask(api, path, **{"If-None-Match": packed}).status_code == 200
    assert ask(api, path, **{**GZIP, "If-None-Match": f"{plain[:-1]}x, W/{packed}"}).status_code == 304


def test_the_tag_of_the_other_encoding_gets_a_whole_answer(api, long):
    plain = api.get(long).headers["ETag"]
    answer = api.get(long, headers={**GZIP, "If-None-Match": plain})
    assert (answer.status_code, is_gzipped(answer)) == (200, True)


@pytest.mark.parametrize("headers", [{}, GZIP])
def test_a_change_may_be_based_on_either_tag(api, long, headers):
    tag = api.get(long, headers=headers).headers["ETag"]
    changed = api.put(long, {"release_notes": "another story " * 200}, headers={**headers, "If-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] == api.get(long, headers=headers).headers["ETag"]
    assert api.put(long, {"release_notes": "x"}, headers={"If-Match": tag}).status_code == 412


@pytest.mark.parametrize("path", [None, "/openapi.json", "/static/catapult.css", "/login"])
def test_head_says_what_get_says(api, long, path):
    said = []
    for method in ("GET", "HEAD"):
        answer = ask(api, path or long, method, **GZIP)
        said.append({name: answer.headers.get(name) for name in ("Content-Length", "Content-Encoding", "ETag", "Vary")})
    assert said[0] == said[1]
    assert said[0]["Content-Encoding"] == "gzip"
    assert answer.data == b""


def test_part_of_a_file_is_part_of_its_plain_bytes(api):
    path, content = "/static/catapult.css", (STATIC / "catapult.css").read_bytes()
    plain, packed = ask(api, path).headers["ETag"], ask(api, path, **GZIP)
    assert "Accept-Ranges" not in packed.headers
    part = {**GZIP, "Range": "bytes=10-2999"}
    for headers in (part, {**part, "If-Range": plain}):
        answer = ask(api, path, **headers)
        assert (answer.status_code, answer.data, answer.headers["ETag"]) == (206, content[10:3000], plain)
    whole = ask(api, path, **{**part, "If-Range": packed.headers["ETag"]})
    assert (whole.status_code, read(whole)) == (200, content)


def test_an_idempotent_answer_is_kept_plain_and_given_to_each_in_his_encoding(api):
    body = {"name": "org/twice", "storage_path": "x", "description": "a long story " * 200}
    answers = [
        api.post("/api/v1/models", body, headers={"Idempotency-Key": "once", **headers}) for headers in (GZIP, {}, GZIP)
    ]
    assert [(answer.status_code, is_gzipped(answer)) for answer in answers] == [(201, True), (201, False), (201, True)]
    assert {read(answer) for answer in answers} == {answers[1].data}


# --- secrets


def test_an_answer_with_a_new_key_is_never_compressed(api, sign_in, monkeypatch):
    """Its length beside text of the client's choice would give the key away, character by character (BREACH)."""
    monkeypatch.setattr(compression, "SMALLEST", 0)
    _, client = sign_in(api.keys["admin"])
    htmx = {"HX-Request": "true", "HX-Target": "form"}
    shown = [
        api.post("/api/v1/api-keys", {"name": "training"}, headers=GZIP),
        *(client.post("/new/key", data={"name": "k"}, headers={**OURS, **GZIP, **more}) for more in ({}, htmx)),
    ]
    for answer in shown:
        assert re.search(r"cat_[A-Za-z0-9]{8}_[A-Za-z0-9]{49}", answer.text)
        assert not is_gzipped(answer)
        assert {"no-store", "no-transform"} <= set(answer.headers["Cache-Control"].split(", "))
    assert is_gzipped(api.get("/api/v1/api-keys", headers=GZIP))
