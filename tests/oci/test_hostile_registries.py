"""Registries that fail, lie, hang or send people elsewhere: each has its own fault, and none learns more than it should."""

import json
import ssl
import time
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from certificate import self_signed
from hostile import hostile
from image_layouts import DOCKER, INDEX, MANIFEST, digest_of, image, index
from image_registry import LOCAL, PASSWORD, USER, asking

from catapult.oci import Access, Fault, RegistryError, conversation
from catapult.rules.image_reference import ImageName

CONTENT = image(labels={"a": "b"})
ACCESS = Access(True, "", USER, PASSWORD)
BASIC = f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
TYPE = {"Content-Type": MANIFEST}
OTHER = digest_of(b"other")


def serve(got, headers=TYPE):
    """Answer as a registry with one image would."""
    kind, _, reference = got.path.rpartition("/")
    if kind.endswith("manifests"):
        return 200, headers, CONTENT.manifest
    return 200, {}, next((blob for blob in CONTENT.blobs if digest_of(blob) == reference), b"")


def resolve(server, reference="v1", access=ACCESS, policy=LOCAL):
    """What the image is, by a tag or a digest."""
    digest = reference if ":" in reference else None
    return asking(server.host, access, policy).resolve(ImageName(server.host, "a", "v1", digest))


def fault_of(answer, ask=resolve, **more):
    """The error that comes of a server that answers so."""
    with hostile(answer) as server:
        return error_of(lambda: ask(server, **more))


def error_of(ask):
    with pytest.raises(RegistryError) as error:
        ask()
    assert PASSWORD not in f"{error.value!r} {error.value.__cause__} {error.value.__context__!r}"
    assert "secret words" not in error.value.reason
    return error.value


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
        (format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True), pytest.approx(3600, abs=60)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("9" * 30, 86_400),
        *((text, None) for text in ("", "soon", "-5", "1.5", "\u00b2", "Wed, 99 Oct 2015 07:28:00 GMT", "9" * 5_000)),
    ],
    ids=["seconds", "date", "past", "ages", "empty", "word", "negative", "fraction", "digit", "no date", "too long"],
)
def test_the_time_to_wait_is_told(status, header, seconds):
    error = fault_of(lambda got: (status, {"Retry-After": header}, b""))
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
    assert "did not answer completely within 0.5 s. Try again later." in error.reason
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
        assert "a size of more than 4 MiB" in error_of(lambda: resolve(server)).reason
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
    assert fault_of(said(CONTENT.digest), reference=OTHER).fault == Fault.MALFORMED
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
    assert error.fault == Fault.MALFORMED


@pytest.mark.parametrize("head", [200, 405])
def test_a_registry_that_says_no_digest_is_asked_for_the_content(head):
    with hostile(lambda got: serve(got) if got.method == "GET" else (head, {}, b"")) as server:
        for reference in ("v1", CONTENT.digest):
            assert asking(server.host).digest_of("a", reference) == CONTENT.digest
        assert error_of(lambda: asking(server.host).digest_of("a", OTHER)).fault == Fault.MALFORMED
        assert [got.method for got in server.got] == ["HEAD", "GET"] * 3
        assert {got.accept for got in server.got} == {", ".join([INDEX, MANIFEST, DOCKER[INDEX], DOCKER[MANIFEST]])}


def test_a_blob_that_is_another_is_not_believed():
    def changed(got):
        return serve(got) if "manifests" in got.path else (200, {}, b'{"created": "2026-01-01T00:00:00Z"}')

    assert "a blob that does not have the digest" in fault_of(changed).reason


def test_an_index_of_itself_and_one_of_what_is_not_there_end():
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


@pytest.fixture
def secure(tmp_path):
    """A function that serves by https, and what is trusted for it."""
    folder = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "fullchain.pem", folder / "privkey.pem")
    access = Access(False, (folder / "fullchain.pem").read_text(), USER, PASSWORD)
    return lambda answer: hostile(answer, tls=context), access


def bearer(realm):
    return 401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="x",scope="repository:a:pull"'}, b""


def by_token(realm, token="t0ken"):
    return lambda got: serve(got) if got.authorization == f"Bearer {token}" else bearer(realm)


def test_a_password_goes_to_no_token_server_by_http_but_on_this_machine(secure, monkeypatch):
    serving, access = secure
    real = conversation.egress.send
    urls = []
    monkeypatch.setattr(conversation.egress, "send", lambda *all, **more: urls.append(all[2]) or real(*all, **more))
    with hostile(lambda got: (200, {}, b'{"token": "t0ken"}')) as tokens:
        port = tokens.host.partition(":")[2]
        for host, is_reached in (("tokens.example.com", False), ("10.0.0.1", False), ("127.0.0.1", True)):
            with serving(by_token(f"http://{host}:{port}/token")) as server:
                if is_reached:
                    assert resolve(server, access=access).digest == CONTENT.digest
                else:
                    error = error_of(lambda server=server: resolve(server, access=access))
                    assert error.fault == Fault.UNREACHABLE
                    assert "token server is not reached by https, so nothing was sent there" in error.reason
                    assert not [url for url in urls if host in url]
        assert [got.authorization for got in tokens.got] == [BASIC]
        assert tokens.got[0].path == "/token?service=x&scope=repository%3Aa%3Apull"


def test_a_token_server_by_https_gets_the_password_and_a_redirect_by_http_nothing(secure):
    serving, access = secure
    with serving(lambda got: (200, {}, b'{"token": "t0ken", "expires_in": 300}')) as tokens:
        with serving(by_token(f"https://{tokens.host}/token?account=a")) as server:
            assert resolve(server, access=access).digest == CONTENT.digest
        assert [got.authorization for got in tokens.got] == [BASIC]
        assert tokens.got[0].path == "/token?account=a&service=x&scope=repository%3Aa%3Apull"
    with serving(lambda got: (307, {"Location": "http://images.example.com/x"}, b"")) as server:
        error = error_of(lambda: resolve(server, access=access))
        assert "redirects to an address that is not of https" in error.reason


@pytest.mark.parametrize("host", ["127.0.0.2:5000", "169.254.169.254", "10.0.0.1"])
def test_the_address_of_a_token_server_is_judged(host):
    error = fault_of(by_token(f"http://{host}/token"))
    assert (error.fault, "EGRESS_ALLOW" in error.reason) == (Fault.UNREACHABLE, True)
    assert error.reason.startswith("The token server of localhost")


@pytest.mark.parametrize("realm", ["", "token", "ftp://localhost/", "http://user:pw@localhost/", "http://a b/"])
def test_a_token_server_that_has_no_address(realm):
    error = fault_of(by_token(realm))
    assert (error.fault, "an address of a token server" in error.reason) == (Fault.MALFORMED, True)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ((401, {}, BODY), Fault.UNAUTHORIZED),
        ((403, {}, BODY), Fault.FORBIDDEN),
        ((429, {"Retry-After": "5"}, BODY), Fault.LIMITED),
        ((503, {}, BODY), Fault.FAILED),
        ((307, {"Location": "/other"}, b""), Fault.MALFORMED),
        *(
            ((200, {}, body), Fault.MALFORMED)
            for body in (
                *(b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"token": 5}', b'{"token": ""}'),
                *(b'{"token": "a b"}', b'{"token": "a\\r\\nX: y"}', json.dumps({"token": "a" * 20_000}).encode()),
            )
        ),
    ],
)
def test_a_token_server_that_gives_none(answer, fault):
    with hostile(lambda got: answer) as tokens:
        error = fault_of(by_token(f"http://{tokens.host}/token"))
    assert error.fault == fault
    assert error.reason.startswith("The token server of localhost")


@pytest.mark.parametrize("seconds", [None, 0, -5, 10**400, "60", True, 1e300])
def test_a_token_is_kept_however_long_it_is_said_to_be_valid(seconds):
    fields = {"access_token": "t0ken", **({} if seconds is None else {"expires_in": seconds})}
    with hostile(lambda got: (200, {}, json.dumps(fields).encode())) as tokens:
        with hostile(by_token(f"http://{tokens.host}/token")) as server:
            registry = asking(server.host)
            for _ in range(2):
                registry.resolve(ImageName(server.host, "a", "v1", None))
        assert len(tokens.got) == 1


def test_a_registry_that_takes_no_token_is_not_asked_forever():
    with hostile(lambda got: (200, {}, b'{"token": "t0ken"}')) as tokens:
        with hostile(by_token(f"http://{tokens.host}/token", "another")) as server:
            assert error_of(lambda: resolve(server)).fault == Fault.UNAUTHORIZED
            assert len(server.got) == 2
        assert len(tokens.got) == 1


@pytest.mark.parametrize(
    ("header", "is_taken"),
    [
        ('Basic realm="x"', True),
        ("basic", True),
        ('Negotiate abc, Basic realm="a, b"', True),
        ('Basic realm="x", Digest realm="y"', True),
        ('Digest realm="x"', False),
        ("Bearerish x", False),
        ("", False),
    ],
)
def test_a_password_is_given_where_it_is_asked_for_in_any_form(header, is_taken):
    def answer(got):
        return serve(got) if got.authorization == BASIC else (401, {"WWW-Authenticate": header}, b"")

    with hostile(answer) as server:
        if is_taken:
            assert resolve(server).digest == CONTENT.digest
        else:
            assert error_of(lambda: resolve(server)).fault == Fault.UNAUTHORIZED
            assert [got.authorization for got in server.got] == [""]
        assert error_of(lambda: resolve(server, access=Access(True))).fault == Fault.UNAUTHORIZED


@pytest.mark.parametrize("order", [1, -1])
def test_a_token_is_preferred_to_a_password(order):
    with hostile(lambda got: (200, {}, b'{"token": "t0ken"}')) as tokens:
        ways = ['Basic realm="x"', f'Bearer realm="http://{tokens.host}/token",service="x"'][::order]

        def answer(got):
            return (
                serve(got) if got.authorization == "Bearer t0ken" else (401, {"WWW-Authenticate": ", ".join(ways)}, b"")
            )

        with hostile(answer) as server:
            assert resolve(server).digest == CONTENT.digest
        assert tokens.got[0].path == "/token?service=x&scope=repository%3Aa%3Apull"
