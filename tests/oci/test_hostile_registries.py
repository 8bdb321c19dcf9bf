"""Registries that fail, lie, hang or send people elsewhere: each has its own fault, and none learns more than it should."""

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hostile import BASIC, CONTENT, OTHER, TYPE, error_of, fault_of, hostile, resolve, serve
from image_layouts import DOCKER, INDEX, MANIFEST, digest_of, image, index
from image_registry import asking

from catapult.oci import Fault, conversation
from catapult.rules.image_reference import ImageName

# --- every status

BODY = json.dumps({"errors": [{"code": "DENIED", "message": "secret words"}]}).encode()


@pytest.mark.parametrize(
    ("status", "fault", "sentence"),
    [
        (401, Fault.UNAUTHORIZED, "does not accept this server's username and secret for a:v1 (401 DENIED)"),
        (403, Fault.FORBIDDEN, "does not allow this server to read a:v1 (403 DENIED)"),
        (404, Fault.MISSING, "has no a:v1 (404 DENIED)"),
        (429, Fault.LIMITED, "has had too many requests from here (429 DENIED). Try again later."),
        (500, Fault.FAILED, "failed when it was asked for a:v1 (500 DENIED). Try again later"),
        (599, Fault.FAILED, "failed when it was asked for a:v1 (599 DENIED)"),
        (204, Fault.MALFORMED, "sent the status 204 when it was asked for a:v1. Check that it is an image registry"),
        (304, Fault.MALFORMED, "sent the status 304"),
        (418, Fault.MALFORMED, "sent the status 418"),
    ],
)
def test_each_status_has_its_fault_and_its_sentence(status, fault, sentence):
    body = b"" if status in (204, 304) else BODY
    error = fault_of(lambda got: (status, {}, body))
    assert (error.fault, error.retry_after) == (fault, None)
    assert sentence in error.reason
    by_head = fault_of(lambda got: (status, {}, body), lambda server: asking(server.host).digest_of("a", "v1"))
    assert by_head.fault == fault


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"\xff", b"[" * 100_000, b'{"errors": []}', b'{"errors": [{"code": 5}]}', b"secret words"),
        *(json.dumps({"errors": [{"code": code}]}).encode() for code in ("secret words", "A" * 41, "A\n", "<B>")),
    ],
)
def test_only_a_code_is_repeated_of_what_a_registry_writes(body):
    assert "has no a:v1 (404). Check" in fault_of(lambda got: (404, {}, body)).reason


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        (lambda: format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True), pytest.approx(3600, abs=60)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("9" * 30, 86_400),
        *((text, None) for text in ("", "soon", "-5", "1.5", "\u00b2", "Wed, 99 Oct 2015 07:28:00 GMT", "9" * 5_000)),
    ],
    ids=["seconds", "date", "past", "ages", "empty", "word", "negative", "fraction", "digit", "no date", "too long"],
)
def test_the_time_to_wait_is_told(status, header, seconds):
    sent = header() if callable(header) else header
    error = fault_of(lambda got: (status, {"Retry-After": sent}, b""))
    assert error.retry_after == seconds
    assert ("Try again later" in error.reason) is (seconds is None)


# --- time and size


@pytest.mark.parametrize("how", ["hang", "drip"])
@pytest.mark.parametrize("at", ["/manifests/", "/blobs/"])
def test_an_answer_that_does_not_come_is_not_waited_for(monkeypatch, how, at):
    monkeypatch.setattr(conversation, "SECONDS", 0.5)
    started = time.monotonic()
    error = fault_of(lambda got: how if at in got.path else serve(got))
    assert error.fault == Fault.UNREACHABLE
    assert "did not answer completely within 0.5 s. Check that it runs" in error.reason
    assert time.monotonic() - started < 3


def test_many_slow_answers_have_one_deadline(monkeypatch):
    monkeypatch.setattr(conversation, "SECONDS", 0.5)

    def slowly(got):
        time.sleep(0.3)
        return serve(got)

    with hostile(slowly) as server:
        assert error_of(lambda: resolve(server)).fault == Fault.UNREACHABLE  # a manifest, then a configuration
        registry = asking(server.host)
        name = ImageName(server.host, "a", "v1", None)
        monkeypatch.setattr(conversation, "SECONDS", 2)
        assert {registry.resolve(name).digest for _ in range(4)} == {CONTENT.digest}  # each question has its own


def test_what_is_too_large_is_not_read():
    for size, most in (
        (conversation.MOST_BYTES, "a manifest that is malformed"),
        (conversation.MOST_BYTES + 1, "4 MiB"),
    ):
        error = fault_of(lambda got, size=size: (200, TYPE, b" " * size))
        assert (error.fault, most in error.reason) == (Fault.MALFORMED, True)
    huge = json.loads(CONTENT.manifest)
    huge["config"]["size"] = conversation.MOST_BYTES + 1
    with hostile(lambda got: (200, TYPE, json.dumps(huge).encode())) as server:
        assert "a size of more than 4096 KiB" in error_of(lambda: resolve(server)).reason
        assert [got.path for got in server.got] == ["/v2/a/manifests/v1"]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"\x00\x01 secret words\r\n\r\n", Fault.MALFORMED),
        (b"SSH-2.0-OpenSSH_9.2 secret words\r\n", Fault.MALFORMED),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n", Fault.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", Fault.UNREACHABLE),
        (b"", Fault.UNREACHABLE),
    ],
)
def test_what_is_not_http_is_told_from_what_breaks_off(answer, fault):
    assert fault_of(lambda got: answer).fault == fault


# --- lies


def said(digest):
    return lambda got: serve(got, {**TYPE, "Docker-Content-Digest": digest})


@pytest.mark.parametrize("digest", [OTHER, digest_of(b"x", "sha512"), "sha256:abc", "md5:" + "0" * 32, "secret words"])
def test_a_digest_that_is_not_that_of_the_content_is_not_believed(digest):
    for reference in ("v1", CONTENT.digest):
        error = fault_of(said(digest), reference=reference)
        assert error.fault == Fault.MALFORMED
        assert "does not have the digest it should have" in error.reason
    assert fault_of(said(CONTENT.digest), reference=OTHER).fault == Fault.MISMATCH
    error = fault_of(said(digest), lambda server: asking(server.host).digest_of("a", CONTENT.digest))
    assert error.fault == Fault.MALFORMED


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_every_algorithm_is_verified(algorithm):
    digest = digest_of(CONTENT.manifest, algorithm)
    with hostile(said(digest)) as server:
        assert resolve(server).digest == resolve(server, digest).digest == digest
        assert asking(server.host).digest_of("a", "v1") == digest
        assert asking(server.host).digest_of("a", digest) == digest
    error = fault_of(said(digest), reference=digest_of(b"other", algorithm))
    assert error.fault == Fault.MISMATCH


@pytest.mark.parametrize("head", [200, 405])
def test_a_registry_that_says_no_digest_is_asked_for_the_content(head):
    with hostile(lambda got: serve(got) if got.method == "GET" else (head, {}, b"")) as server:
        for reference in ("v1", CONTENT.digest):
            assert asking(server.host).digest_of("a", reference) == CONTENT.digest
        assert error_of(lambda: asking(server.host).digest_of("a", OTHER)).fault == Fault.MISMATCH
        assert [got.method for got in server.got] == ["HEAD", "GET"] * 3
        assert {got.accept for got in server.got} == {", ".join([INDEX, MANIFEST, DOCKER[INDEX], DOCKER[MANIFEST]])}


def test_a_blob_that_is_another_is_not_believed():
    def changed(got):
        status, headers, content = serve(got)
        return status, headers, content if "manifests" in got.path else content.replace(b"2026", b"2025")

    error = fault_of(changed)
    assert (error.fault, "a blob that does not have the digest" in error.reason) == (Fault.MALFORMED, True)


def test_a_blob_has_the_size_that_its_manifest_says():
    smaller = json.loads(CONTENT.manifest)
    smaller["config"]["size"] -= 1
    manifest = json.dumps(smaller).encode()
    error = fault_of(lambda got: (200, TYPE, manifest) if "manifests" in got.path else serve(got))
    assert (error.fault, "and the size it should have" in error.reason) == (Fault.MALFORMED, True)


def test_of_an_index_of_images_that_are_not_there_three_are_asked_for():
    many = index(*(image(f"arch{number}") for number in range(30)))

    def answer(got):
        return (200, {"Content-Type": INDEX}, many.manifest) if got.path.endswith("/v1") else (404, {}, b"")

    with hostile(answer) as server:
        assert error_of(lambda: resolve(server)).fault == Fault.MISSING
        assert len(server.got) == 4


# --- elsewhere


@pytest.mark.parametrize(
    "location",
    [
        *("http://127.0.0.2:5000/x", "http://169.254.169.254/latest", "https://10.0.0.1/x", "http://[::1]:5000/x"),
        *("//127.0.0.2/x", "http://user:pw@127.0.0.2/x", "file:///etc/passwd"),
    ],
)
@pytest.mark.parametrize("at", ["/manifests/", "/blobs/"])
def test_a_redirect_to_a_private_address_leads_nowhere(location, at):
    def answer(got):
        return (307, {"Location": location}, b"") if at in got.path else serve(got)

    error = fault_of(answer)
    assert error.fault == Fault.UNREACHABLE
    assert "EGRESS_ALLOW" in error.reason or "redirects to an address that is not of https" in error.reason


def challenge(got, answer):
    """Ask for a password first."""
    return answer if got.authorization else (401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")


def test_a_blob_may_be_elsewhere_and_no_password_goes_there():
    with hostile(serve, "127.0.0.1") as store:

        def answer(got):
            if "/blobs/" in got.path:
                return challenge(got, (307, {"Location": f"http://{store.host}{got.path}"}, b""))
            return challenge(got, serve(got))

        with hostile(answer) as server:
            assert resolve(server).labels == {"a": "b"}
            assert [got.authorization for got in server.got] == ["", BASIC, BASIC]
        assert [got.authorization for got in store.got] == [""]


def test_redirects_end():
    with hostile(lambda got: (302, {"Location": f"{got.path}x"}, b"")) as server:
        assert "too many redirects" in error_of(lambda: resolve(server)).reason
        assert len(server.got) == 4
