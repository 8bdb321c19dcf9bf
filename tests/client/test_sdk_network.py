"""Private certificate authorities and proxies on the way to the registry."""

import logging

import pytest
from catapult_client import remedies
from peer import KEY, Answer, running
from secure import authority, context_of, proxy

from catapult import ConnectionFailed, Registry

USER, PASSWORD, WRITTEN = "ci", "p@ss/w0rd:é", "p%40ss%2Fw0rd:%C3%A9"
INFO = Answer(200, {"name": "Catapult", "models": []})


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """A function that sets variables, where none of the machine's leads elsewhere."""
    for name in (*remedies.BUNDLES, "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for scheme in ("http", "https", "all", "no"):
        for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper()):
            monkeypatch.delenv(name, raising=False)

    def given(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))

    return given


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def tls(ca):
    """A registry with a certificate of a private CA."""
    with running(context_of(ca)) as peer:
        peer.answers = [lambda asked: INFO if asked.path.endswith("/info") else Answer(200, [])]
        yield peer.url


@pytest.fixture(scope="module")
def asks():
    """A proxy that wants a user and password, and what it has let through."""
    with proxy(USER, PASSWORD) as running_proxy:
        yield running_proxy


def failure(url, **settings):
    """Return the error of a request there."""
    with (
        Registry(url, KEY, retries=2, time_limit=20, **settings) as registry,
        pytest.raises(ConnectionFailed) as caught,
    ):
        registry.info()
    return caught.value


# --- certificates


@pytest.mark.parametrize("name", remedies.BUNDLES)
def test_a_private_ca_is_trusted_by_each_variable(tls, ca, environment, name):
    environment(**{name: ca})
    with Registry(tls, KEY) as registry:
        assert registry.info().name == "Catapult"


def test_requests_own_variable_comes_first(tls, ca, environment):
    environment(REQUESTS_CA_BUNDLE=ca, SSL_CERT_FILE="/nowhere/ca.pem")
    with Registry(tls, KEY) as registry:
        assert registry.info().name == "Catapult"


def test_an_unknown_ca_is_refused_with_the_variables_that_name_it(tls, tmp_path, environment):
    assert "your CA's certificate in REQUESTS_CA_BUNDLE or SSL_CERT_FILE." in str(failure(tls))
    other = authority(tmp_path)
    environment(SSL_CERT_FILE=other)
    assert str(failure(tls)).endswith(f" SSL_CERT_FILE is {other} now.")


def test_a_certificate_for_another_name_is_no_matter_of_the_ca(ca, environment):
    environment(SSL_CERT_FILE=ca)
    with running(context_of(ca, "DNS:other.example")) as peer:
        message = str(failure(peer.url))
    assert message.endswith("The certificate is for another name: check base_url.")


@pytest.mark.parametrize("name", remedies.BUNDLES)
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_certificates_is_named_with_its_variable(tls, tmp_path, environment, name, content):
    file = tmp_path / "bundle.pem"
    if content:
        file.write_text(content)
    environment(**{name: file})
    assert f"{name} is {file}: name a file of certificates in PEM there, or unset it." in str(failure(tls))


def test_a_server_without_tls_is_no_matter_of_certificates(environment):
    with running() as peer:
        assert "does not use TLS: check the https://" in str(failure(peer.url.replace("http:", "https:")))


# --- proxies


def test_a_proxy_with_a_password_is_passed(tls, ca, asks, environment):
    address, through = asks
    environment(SSL_CERT_FILE=ca, HTTPS_PROXY=f"http://{USER}:{WRITTEN}@{address}")
    with Registry(tls, KEY) as registry:
        assert registry.info().name == "Catapult"
    assert through[-1] == tls.removeprefix("https://")


def test_a_proxy_with_a_password_is_passed_to_a_registry_without_tls(asks, environment):
    address, through = asks
    environment(HTTP_PROXY=f"http://{USER}:{WRITTEN}@{address}")
    with running() as peer:
        peer.answers = [INFO]
        with Registry(peer.url, KEY) as registry:
            assert registry.info().name == "Catapult"
    assert through[-1].startswith(peer.url)


def test_the_command_line_passes_a_proxy_with_a_password(tls, ca, asks, environment, run):
    address, through = asks
    environment(SSL_CERT_FILE=ca, REGISTRY_URL=tls, REGISTRY_API_KEY=KEY)
    before = len(through)
    for password, status in ((WRITTEN, 0), ("another-secret", 1)):
        environment(HTTPS_PROXY=f"http://{USER}:{password}@{address}")
        ended = run("live", "production")
        assert (ended.status, len(through) - before) == (status, 1), ended.err
        assert password not in ended.out + ended.err
    assert f"The proxy {address} refused the user and password in HTTPS_PROXY" in ended.err


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        (
            "http://{address}",
            "The proxy {address} wants a user and password in HTTPS_PROXY: write http://user:password@",
        ),
        ("http://ci:s3cr3t@{address}", "The proxy {address} refused the user and password in HTTPS_PROXY"),
        ("http://ci:s3cr3t@127.0.0.1:1", "HTTPS_PROXY leads through the proxy 127.0.0.1:1"),
        ("http://ci:s3cr3t/x@{address}", "HTTPS_PROXY is not the address of a proxy: write http://user:password@host"),
        ("http://ci:x@s3cr3t/x@{address}", "HTTPS_PROXY is not the address of a proxy"),
        ("http://ci:x#s3cr3t@{address}", "HTTPS_PROXY is not the address of a proxy"),
        ("http://ci:s3cr3t%E9%8D%B5@{address}", "HTTPS_PROXY is not the address of a proxy"),
        ("ci:s3cr3t@{address}", "HTTPS_PROXY is not the address of a proxy"),
        ("ftp://ci:s3cr3t@{address}", "HTTPS_PROXY is not the address of a proxy"),
        ("http://ci:s3cr3t@{address}x", "HTTPS_PROXY is not the address of a proxy"),
        ("http://ci:s3cr3t@", "HTTPS_PROXY is not the address of a proxy"),
        ("https://ci:s3cr3t@{address}", "does not use TLS"),
    ],
)
def test_what_a_proxy_refuses_is_explained_without_its_password(asks, environment, caplog, written, advice):
    caplog.set_level(logging.DEBUG)
    address, _ = asks
    environment(HTTPS_PROXY=written.format(address=address))
    fault = failure("https://registry.example")
    assert advice.format(address=address) in str(fault)
    assert not fault.maybe_applied
    assert "s3cr3t" not in repr(fault) + str(fault) + repr(vars(fault)) + caplog.text
    assert fault.__cause__ is fault.__context__ is None


def test_a_password_that_the_proxy_refuses_is_tried_once(asks, environment):
    address, _ = asks
    for scheme in ("http", "https"):
        environment(**{f"{scheme}_proxy": f"http://{USER}:s3cr3t@{address}"})
        fault = failure(f"{scheme}://registry.example")
        assert not fault.transient
        assert f"The proxy {address} refused the user and password in {scheme}_proxy" in str(fault)
