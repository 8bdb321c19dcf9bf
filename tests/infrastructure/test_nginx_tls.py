"""nginx with a certificate: TLS of today, http sent there, HSTS, and one file without the other."""

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from front import Nginx, render
from up import Up, problem

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def front(nginx: Callable[..., Nginx], behind: Up, certificates: Path) -> Nginx:
    return nginx(behind.port, NGINX_SSL=str(certificates), NGINX_RATE="1000r/s", NGINX_TRUSTED_PROXIES="127.0.0.1")


def shaken(front: Nginx, certificates: Path, **versions: ssl.TLSVersion) -> ssl.SSLSocket:
    """A connection with those versions of TLS at most and at least."""
    context = ssl.create_default_context(cafile=str(certificates / "fullchain.pem"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    for name, version in versions.items():
        setattr(context, name, version)
    plain = socket.create_connection(("127.0.0.1", front.tls_port), timeout=5)
    return context.wrap_socket(plain, server_hostname="localhost")


def test_every_kind_of_answer_tells_browsers_to_stay_with_tls(front: Nginx) -> None:
    for path in ("/livez", "/login", "/static/icon.svg", "/static/none", "/api/v1/models", "/metrics"):
        assert front.get(path).headers["Strict-Transport-Security"] == "max-age=31536000"


def test_http_is_sent_to_the_same_address_over_tls(front: Nginx) -> None:
    got = requests.get(f"http://127.0.0.1:{front.port}/models?tag=a", allow_redirects=False, timeout=5)
    assert got.status_code == 308  # a POST stays one
    assert got.headers["Location"] == f"https://127.0.0.1:{front.tls_port}/models?tag=a"


def test_the_published_port_is_the_one_that_http_is_sent_to(
    infra_folder: Callable[[], Path], certificates: Path
) -> None:
    folder = infra_folder()
    for published, suffix in (("443", ""), ("8443", ":8443")):
        assert render(folder, NGINX_SSL=str(certificates), HTTPS_PORT=published).returncode == 0
        made = (folder / "conf" / "conf.d" / "servers" / "https.conf").read_text()
        assert f"https://$host{suffix}$request_uri;" in made


def test_tls_is_1_3_with_http_2(front: Nginx, certificates: Path) -> None:
    with shaken(front, certificates) as connection:
        assert (connection.version(), connection.selected_alpn_protocol()) == ("TLSv1.3", "h2")
    with pytest.raises(ssl.SSLError):
        shaken(front, certificates, maximum_version=ssl.TLSVersion.TLSv1_2)


def test_older_tls_is_there_for_those_who_name_it(nginx: Callable[..., Nginx], behind: Up, certificates: Path) -> None:
    older = nginx(behind.port, NGINX_SSL=str(certificates), NGINX_TLS_PROTOCOLS="TLSv1.2 TLSv1.3")
    with shaken(older, certificates, maximum_version=ssl.TLSVersion.TLSv1_2) as connection:
        assert connection.version() == "TLSv1.2"
        assert "GCM" in connection.cipher()[0] or "POLY1305" in connection.cipher()[0]


def test_its_own_errors_are_problems_over_tls_too(
    nginx: Callable[..., Nginx], certificates: Path, front: Nginx
) -> None:
    body = problem(front.post("/api/v1/models", data=b"x" * (1024 * 1024 + 1)), "too-large")
    assert body["instance"] == "/api/v1/models"


def test_plain_http_at_the_port_of_tls_is_a_400(front: Nginx) -> None:
    got = requests.get(f"http://127.0.0.1:{front.tls_port}/models", timeout=5)
    assert got.status_code == 400


@pytest.mark.parametrize("missing", ["fullchain.pem", "privkey.pem"])
def test_half_a_certificate_stops_the_start_and_says_so(
    infra_folder: Callable[[], Path], certificates: Path, missing: str
) -> None:
    folder = infra_folder()
    (folder / "ssl").mkdir()
    for name in {"fullchain.pem", "privkey.pem"} - {missing}:
        (folder / "ssl" / name).write_bytes((certificates / name).read_bytes())
    made = render(folder)
    assert made.returncode == 1
    assert "TLS needs both" in made.stderr


def test_signing_in_over_tls_makes_a_cookie_for_tls_alone(front: Nginx, behind: Up) -> None:
    got = front.post(
        "/login", data={"key": behind.keys["viewer"]}, headers={"Origin": front.url, "X-Forwarded-For": "198.51.100.30"}
    )
    assert got.status_code == 303
    assert "Secure" in got.headers["Set-Cookie"]
