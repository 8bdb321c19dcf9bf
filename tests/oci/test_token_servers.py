"""Token servers, and passwords: who gets a password, and by which way, and what is made of what a token server says."""

import json
import ssl

import pytest
from certificate import self_signed
from hostile import BASIC, CONTENT, error_of, fault_of, hostile, resolve, serve
from image_registry import PASSWORD, USER, asking

from catapult.oci import Access, Fault, conversation
from catapult.rules.image_reference import ImageName

BODY = json.dumps({"errors": [{"code": "DENIED"}]}).encode()


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


def test_who_a_redirect_leads_to_names_no_token_server():
    with hostile(lambda got: (200, {}, b'{"token": "t0ken"}')) as tokens:
        with hostile(lambda got: bearer(f"http://{tokens.host}/token"), "127.0.0.1") as store:
            for at in ("/manifests/", "/blobs/"):

                def answer(got, at=at):
                    return (307, {"Location": f"http://{store.host}{got.path}"}, b"") if at in got.path else serve(got)

                assert fault_of(answer).fault == Fault.UNAUTHORIZED
            assert [got.authorization for got in store.got] == ["", ""]
        assert tokens.got == []
