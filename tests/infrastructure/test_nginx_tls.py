"""nginx with a certificate: TLS versions, the redirect from http, HSTS, and an incomplete certificate."""

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from front import Nginx, render, rendered
from up import Up

from catapult import ConnectionFailed, Registry

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def front(nginx: Callable[..., Nginx], behind: Up, certificates: Path) -> Nginx:
    return nginx(behind.port, NGINX_SSL=str(certificates), NGINX_RATE="1000r/s", NGINX_TRUSTED_PROXIES="127.0.0.1")


def connect(front: Nginx, certificates: Path, **versions: ssl.TLSVersion) -> ssl.SSLSocket:
    """Return a connection made with the given `minimum_version` and `maximum_version`."""
    context = ssl.create_default_context(cafile=str(certificates / "fullchain.pem"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    for name, version in versions.items():
        setattr(context, name, version)
    plain = socket.create_connection(("127.0.0.1", front.tls_port), timeout=5)
    return context.wrap_socket(plain, server_hostname="localhost")


def test_every_kind_of_answer_has_strict_transport_security(front: Nginx) -> None:
    for path in ("/livez", "/login", "/static/icon.svg", "/static/none", "/api/v1/models", "/metrics"):
        assert front.get(path).headers["Strict-Transport-Security"] == "max-age=31536000"


def test_http_redirects_to_the_same_address_over_tls(front: Nginx) -> None:
    answer = requests.get(f"http://127.0.0.1:{front.port}/models?tag=a", allow_redirects=False, timeout=5)
    assert answer.status_code == 308  # a POST stays one
    assert answer.headers["Location"] == f"https://127.0.0.1:{front.tls_port}/models?tag=a"


def test_http_redirects_to_the_published_port(infra_folder: Callable[[], Path], certificates: Path) -> None:
    for published, suffix in (("443", ""), ("8443", ":8443")):
        text = rendered(infra_folder(), "servers/https.conf", NGINX_SSL=str(certificates), HTTPS_PORT=published)
        assert f"https://$host{suffix}$client_mount$request_uri;" in text


def test_tls_is_1_3_with_http_2(front: Nginx, certificates: Path) -> None:
    with connect(front, certificates) as connection:
        assert (connection.version(), connection.selected_alpn_protocol()) == ("TLSv1.3", "h2")
    with pytest.raises(ssl.SSLError):
        connect(front, certificates, maximum_version=ssl.TLSVersion.TLSv1_2)


def test_a_setting_allows_older_tls(nginx: Callable[..., Nginx], behind: Up, certificates: Path) -> None:
    older = nginx(behind.port, NGINX_SSL=str(certificates), NGINX_TLS_PROTOCOLS="TLSv1.2 TLSv1.3")
    with connect(older, certificates, maximum_version=ssl.TLSVersion.TLSv1_2) as connection:
        assert connection.version() == "TLSv1.2"
        assert "GCM" in connection.cipher()[0] or "POLY1305" in connection.cipher()[0]


def test_the_sdk_takes_the_certificate_of_the_environment(
    front: Nginx, behind: Up, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Registry(front.url, behind.keys["viewer"], retries=0) as registry:
        with pytest.raises(ConnectionFailed, match="certificate"):
            registry.info()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates / "fullchain.pem"))
        assert registry.info().name == "catapult"


@pytest.mark.parametrize("missing", ["fullchain.pem", "privkey.pem"])
def test_half_a_certificate_stops_the_start_with_a_message(
    infra_folder: Callable[[], Path], certificates: Path, missing: str
) -> None:
    folder = infra_folder()
    (folder / "ssl").mkdir()
    for name in {"fullchain.pem", "privkey.pem"} - {missing}:
        (folder / "ssl" / name).write_bytes((certificates / name).read_bytes())
    done = render(folder)
    assert done.returncode == 1
    assert "TLS needs both" in done.stderr


def test_signing_in_over_tls_sets_a_secure_cookie(front: Nginx, behind: Up) -> None:
    answer = front.post(
        "/login", data={"key": behind.keys["viewer"]}, headers={"Origin": front.url, "X-Forwarded-For": "198.51.100.30"}
    )
    assert answer.status_code == 303
    assert "Secure" in answer.headers["Set-Cookie"]
