"""The one way out: which addresses are refused, whatever they look like, and receivers that do their worst."""

import logging
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

sys.path.insert(0, str(Path(__file__).parent / "client"))

from secure import authority, context_of, proxy

from catapult import egress
from catapult.config import Allowed
from catapult.egress import Policy, Unsent, judging, wire
from catapult.egress.tls import client_context
from catapult.errors import Invalid

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Sent: yes\r\n\r\nok"
SECRET = "/T0/B0/pa55word?token=pa55word"
PUBLIC, OTHER = "93.184.215.14", "2606:4700:4700::1111"


def policy(*allowed, **more):
    return Policy(tuple(map(Allowed.of, allowed)), **more)


LOCAL = policy("127.0.0.1")


@pytest.fixture(autouse=True)
def without_open_connections():
    yield
    egress._pool.close()


@pytest.fixture
def names(monkeypatch):
    """A dictionary of names: the addresses of each, or a list of them, one for each time that it is resolved."""
    table, real = {}, socket.getaddrinfo

    def resolve(host, port, *args, **kwargs):
        if host not in table:
            return real(host, port, *args, flags=socket.AI_NUMERICHOST, **kwargs)
        addresses = table[host]
        addresses = addresses.pop(0) if isinstance(addresses[0], tuple) else addresses
        return [info for address in addresses for info in real(address, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return table


@dataclass
class Receiver:
    """A server on 127.0.0.1 that answers each request with these bytes, or by a function of the connection."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{SECRET}"


@contextmanager
def receiving(answer=OK, tls=None):
    receiver, ended = Receiver(), []
    server = socket.create_server(("127.0.0.1", 0))
    receiver.port = server.getsockname()[1]

    def accept():
        with suppress(OSError):
            while True:
                connection = server.accept()[0]
                receiver.connections += 1
                ended.append(threading.Thread(target=talk, args=[connection]))
                ended[-1].start()

    def talk(connection):
        with suppress(OSError), connection:
            if tls:
                connection = tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as file:
                while request := read(file):
                    receiver.requests.append(request)
                    if callable(answer):
                        answer(connection, receiver)
                    else:
                        connection.sendall(answer)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.over.set()
        egress._pool.close()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for each in [thread, *ended]:
            each.join(10)
            assert not each.is_alive()


def read(file):
    """Return a request, head and body, or b"" at the end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = file.readline()
        if not line:
            return b""
        head += line
    lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + file.read(lengths[0] if lengths else 0)


def post(url, policy=LOCAL, **more):
    return egress.send(policy, "POST", url, {"Content-Type": "text/plain"}, b"body", **{"total": 10, **more})


def refusal(url, policy=LOCAL, **more):
    """Return why nothing was sent to the URL, or no answer came."""
    with pytest.raises(Unsent) as error:
        post(url, policy, **more)
    assert "pa55word" not in f"{error.value} {error.value!r} {error.value.reason} {error.value.__cause__}"
    return error.value.reason


# --- which addresses

REFUSED = {
    "loopback": ("127.0.0.1", "127.255.255.254", "[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]"),
    "unspecified": ("0.0.0.0", "0.1.2.3", "[::]"),
    "link-local": ("169.254.169.254", "169.254.0.1", "[fe80::1]", "[febf::1]"),
    "cloud metadata": ("[fd00:ec2::254]", "[FD00:EC2::254]", "100.100.100.200", "168.63.129.16"),
    "private": ("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "[fc00::1]", "[fdff::1]"),
    "shared": ("100.64.0.1", "100.127.255.255"),
    "multicast": ("224.0.0.1", "239.255.255.255", "[ff02::1]"),
    "IPv4-in-IPv6": (
        *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]", "[::ffff:8.8.8.8]", "[::127.0.0.1]"),
        *("[2002:7f00:1::]", "[2001:0:7f00:1::]", "[64:ff9b::7f00:1]", "[64:ff9b::10.0.0.1]", "[64:ff9b:1::a00:1]"),
    ),
    "reserved": (
        *("192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "240.0.0.1", "255.255.255.255"),
        *("[2001:db8::1]", "[fec0::1]", "[100::1]", "[5f00::1]", "[4000::1]", "[::1:0:0:0]", "[2001:2::1]"),
        "[3fff::1]",
    ),
}
MISSPELT = (
    *("http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://017700000001/", "http://0177.0.0.1/"),
    *("http://127.1/", "http://127.0.1/", "http://0/", "http://127.0.0.1./", "http://localhost./", "http://0x/"),
    *("http://1/", "http://127.0.0.0x1/", "http://127.0.0.01/", "http://127.0.0.1.1/", "http://256.0.0.1/"),
    *("http://a.0x7f/", "http://a.1/", "http://１２７.0.0.1/", "http://①②⑦.0.0.1/", "http://ⓛocalhost/"),
    *("http://127。0。0。1/", "http://locaｌhost/", "http://bücher.de/", "http://%31%32%37.0.0.1/"),
    *("http://127.0.0.1%00.a.com/", "http://127.0.0.1%2f@a.com/", "http://localhos%74/", "http://[fe80::1%25eth0]/"),
    *("http://[fe80::1%eth0]/", "http://[::1%]/", "http://[127.0.0.1]/", "http://[::1", "http://::1/"),
    *("http://[::1].a.com/", "http://[v1.a]/", "http://[]/", "http://[::1]a/", "http://[::ffff:127.0.0.256]/"),
    *("http://a.com\\@127.0.0.1/", "http://127.0.0.1\\.a.com/", "http:\\\\127.0.0.1\\", "http:/127.0.0.1/"),
    *("http:127.0.0.1", "http://a.com@127.0.0.1/", "http://user:pa55word@a.com/", "http://@a.com/"),
    *("http://a.com:80@127.0.0.1/", "http://a.com#@127.0.0.1/", "http://127.0.0.1#a.com", "http://a.com/#x"),
    *("http://a.com/\\x", "http://a.com/ü", " http://a.com/", "http://a.com/ ", "http://a.com/\n", "ht\ntp://a.com/"),
    *("http://127.0.\t0.1/", "http://a.com/\r\nX: y", "http://a.com\x00/", "http://\u00ad127.0.0.1/"),
    *("http://127.0.0.1\u200b/", "http://a.com/\x7f", "\x00http://a.com/", "http://a.com:/", "http://a.com:0/"),
    *("http://a.com:65536/", "http://a.com:080:80/", "http://a.com:-1/", "http://a.com:٨٠/", "http:///x", "http://"),
    *("http://.a.com/", "http://a..com/", "http://-a.com/", "http://a-.com/", "//a.com/", "a.com", "", "ftp://a.com/"),
    *("file:///etc/passwd", "gopher://127.0.0.1/", "unix:/x", "http+unix://x/", "httpx://a.com/", "javascript:1"),
    *("http://" + "a" * 64 + ".com/", "http://" + "a." * 127 + "com/", "httpſ://a.com/", "http://a.com？x/"),
)


@pytest.mark.parametrize(("kind", "host"), [(kind, host) for kind, hosts in REFUSED.items() for host in hosts])
@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("end", ["/", ":8443/", "", "?x"])
def test_an_address_that_is_not_public_is_refused_and_why(kind, host, scheme, end):
    with pytest.raises(Invalid, match=kind) as error:
        policy().check(f"{scheme}://{host}{end}")
    assert "EGRESS_ALLOW" in error.value.detail
    assert error.value.errors == {"url": [error.value.detail]}
    assert refusal(f"{scheme}://{host}{SECRET}", policy()) == error.value.detail


@pytest.mark.parametrize("url", [*MISSPELT, *(url.replace("http:", "https:") for url in MISSPELT)], ids=ascii)
@pytest.mark.parametrize("allowed", [[], ["0.0.0.0/0", "::/0", "localhost", "a.com"]])
def test_an_address_that_somebody_could_read_differently_is_none(names, url, allowed):
    names["a.com"] = names["localhost"] = [PUBLIC]
    with pytest.raises(Invalid, match="not an address") as error:
        policy(*allowed).check(url)
    assert "pa55word" not in error.value.detail
    assert "https://hooks.example.com" in refusal(url, policy(*allowed))


@pytest.mark.parametrize(
    "url",
    [
        *("https://8.8.8.8/", "https://[2606:4700:4700::1111]/", "https://172.32.0.1/", "https://11.0.0.1:8443/x"),
        *("HTTPS://Hooks.Example.COM/x@y:z?a=b/../\"'{}|^`", "https://hooks.example.com?x"),
        *("https://xn--bcher-kva.example/", "https://_a.b-c.example/", "https://1a.example/", "https://100.63.0.1/"),
        "https://[2001:4860::8888]/",
    ],
)
def test_a_public_address_is_allowed_by_https_alone(names, url):
    for name in ("hooks.example.com", "xn--bcher-kva.example", "_a.b-c.example", "1a.example"):
        names[name] = [PUBLIC, OTHER]
    policy().check(url)
    with pytest.raises(Invalid, match="not encrypted"):
        policy().check(url.replace("https", "http", 1).replace("HTTPS", "HTTP", 1))


@pytest.mark.parametrize(
    ("allowed", "url", "is_allowed"),
    [
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "http://10.1.2.3:9000/", True),
        ("10.0.0.0/8", "http://inner.corp/", True),
        ("10.0.0.0/8", "https://11.0.0.1/", True),
        ("10.0.0.0/8", "http://11.0.0.1/", False),
        ("10.0.0.0/8", "https://[::ffff:10.0.0.1]/", False),
        ("127.0.0.1:9000", "http://127.0.0.1:9000/", True),
        ("127.0.0.1:9000", "http://127.0.0.1:9001/", False),
        ("127.0.0.1:443", "https://127.0.0.1/", True),
        ("[::1]:9000", "http://[::1]:9000/", True),
        ("[::1]:9000", "http://[0:0::1]:9000/", True),
        ("[::1]:9000", "http://127.0.0.1:9000/", False),
        ("127.0.0.1", "https://both.corp/", False),  # ::1 too
        ("inner.corp", "http://inner.corp:99/", True),
        ("inner.corp", "https://INNER.corp/", True),
        ("inner.corp:443", "https://inner.corp/", True),
        ("inner.corp:443", "http://inner.corp/", False),
        ("inner.corp", "https://10.0.0.5/", False),  # the name is allowed, not what it leads to
        ("inner.corp", "https://other.inner.corp/", False),
        ("both.corp", "http://both.corp/", True),
        ("cloud.corp", "https://cloud.corp/", False),
        ("169.254.169.254", "https://cloud.corp/", True),
        ("169.254.169.254", "http://169.254.169.254/", True),
        ("0.0.0.0/0", "http://169.254.169.254/", False),
        ("0.0.0.0/0", "http://127.0.0.1/", True),
        ("fd00::/8", "http://[fd00:ec2::254]/", False),
        ("fd00:ec2::254", "http://[fd00:ec2::254]/", True),
        ("64:ff9b::/96", "https://[64:ff9b::8.8.8.8]/", True),
        ("64:ff9b::/96", "https://[64:ff9b::10.0.0.1]/", False),
        ("64:ff9b::/96", "https://[64:ff9b::169.254.169.254]/", False),
        ("mapped.corp", "https://mapped.corp/", False),
        ("::/0 0.0.0.0/0", "https://[2002:808:808::a9fe:a9fe]/", True),
        ("::/0 0.0.0.0/0", "https://[2002:a9fe:a9fe::1]/", False),
        ("::/0 0.0.0.0/0", "https://[2001:0:a9fe:a9fe::1]/", False),  # the server of Teredo
        ("::/0 0.0.0.0/0", "https://[2001:0:808:808::5601:5601]/", False),  # the client, inverted
        ("::ffff:10.0.0.1", "http://[::ffff:10.0.0.1]/", False),
    ],
)
def test_what_is_not_public_is_allowed_by_its_network_or_name(names, allowed, url, is_allowed):
    names["inner.corp"] = names["other.inner.corp"] = ["10.0.0.5"]
    names |= {
        "both.corp": ["127.0.0.1", "::1"],
        "cloud.corp": ["169.254.169.254"],
        "mapped.corp": ["::ffff:169.254.169.254"],
    }
    if is_allowed:
        policy(*allowed.split()).check(url)
    else:
        with pytest.raises(Invalid, match="EGRESS_ALLOW"):
            policy(*allowed.split()).check(url)


PIECES = (
    *(
        "http",
        "://",
        ":",
        "/",
        "//",
        "@",
        "#",
        "?",
        "\\",
        "[",
        "]",
        "::1",
        "127.0.0.1",
        "a.com",
        "%31",
        "%",
        "0x7f",
        "1",
    ),
    *(
        "2130706433",
        ".",
        "-",
        "_",
        "é",
        "１",
        "\t",
        "\n",
        " ",
        "443",
        "localhost",
        "ffff:",
        "|",
        "^",
        "K",
        "ſ",
        "\x00",
        "%2e",
    ),
)


@given(
    st.sampled_from(["http://", "https://", "HTTP://", ""]), st.lists(st.sampled_from(PIECES), min_size=1, max_size=6)
)
def test_others_read_the_same_host_and_port_out_of_what_is_taken(scheme, pieces):
    url = scheme + "".join(pieces)
    with suppress(Unsent):
        target = judging.Target.of(url)
        for parts in (urlsplit(url), parse_url(url)):
            assert parts.hostname.strip("[]") == target.host
            assert (parts.port or {"http": 80, "https": 443}[target.scheme]) == target.port


@given(st.integers(0, 2**32 - 1).map(IPv4Address) | st.integers(0, 2**128 - 1).map(IPv6Address))
def test_no_address_is_public_that_python_knows_as_special(address):
    if not judging.special_kind(address):
        assert address.is_global
        assert not any([address.is_multicast, address.is_reserved, address.is_link_local])


def test_one_address_that_is_not_public_refuses_a_name(names):
    for addresses in ([PUBLIC, "10.0.0.1"], ["10.0.0.1", PUBLIC], [OTHER, PUBLIC, "::ffff:10.0.0.1"], ["fe80::1%lo"]):
        names["hooks.example.com"] = addresses
        with pytest.raises(Invalid, match=r"hooks.example.com leads to"):
            policy().check("https://hooks.example.com/")
        assert "leads to" in refusal(f"https://hooks.example.com{SECRET}", policy())


def test_a_name_without_an_address_is_refused_with_what_to_do(monkeypatch):
    for fault in (socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long"), OSError()):

        def resolve(*_, fault=fault, **__):
            raise fault

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        with pytest.raises(Invalid, match=r"hooks.example.com has no address now. Check its spelling"):
            policy().check("https://hooks.example.com/", "address")


def test_a_resolver_that_hangs_does_not_hold_a_sender(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(20) and [])
    started = time.monotonic()
    assert "has no address now" in refusal(f"https://hooks.example.com{SECRET}", policy(), connect_timeout=0.2)
    assert time.monotonic() - started < 5
    over.set()


def test_a_name_that_moves_after_it_was_judged_leads_nowhere_else(names):
    with receiving() as receiver:
        url = f"https://hooks.example.com:{receiver.port}{SECRET}"
        names["hooks.example.com"] = [(PUBLIC,), ("127.0.0.1",)]
        policy().check(url)  # saved
        assert "127.0.0.1, which is not a public address (loopback)" in refusal(url, policy())
    assert receiver.connections == 0


def test_a_name_is_resolved_once_for_a_connection_which_goes_to_what_was_judged(names):
    with receiving() as receiver:
        names["hooks.corp"] = [("127.0.0.1",), (PUBLIC,)]
        for _ in range(3):
            assert post(f"http://hooks.corp:{receiver.port}/", policy("hooks.corp")).body == b"ok"
        assert (receiver.connections, names["hooks.corp"]) == (1, [(PUBLIC,)])
    assert f"\r\nHost: hooks.corp:{receiver.port}\r\n".encode() in receiver.requests[0]


def test_the_next_address_is_tried_where_one_accepts_no_connection(names):
    with receiving() as receiver:
        names["hooks.corp"] = ["127.0.0.2", "::1", "127.0.0.1"]
        assert post(f"http://hooks.corp:{receiver.port}/", policy("hooks.corp")).status == 200


def test_an_address_that_hangs_leaves_time_for_the_next(names):
    with receiving() as receiver, socket.create_server(("127.0.0.2", receiver.port), backlog=0):
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:  # nobody accepts these, and the queue is full
            each.setblocking(False)
            each.connect_ex(("127.0.0.2", receiver.port))
        names["hooks.corp"] = ["127.0.0.2", "127.0.0.1"]
        url = f"http://hooks.corp:{receiver.port}/"
        assert post(url, policy("hooks.corp"), connect_timeout=1).status == 200
        names["hooks.corp"] = ["127.0.0.2"]
        egress._pool.close()
        assert "within 0.3 s" in refusal(url, policy("hooks.corp"), connect_timeout=0.3)
        for each in waiting:
            each.close()


# --- what is sent and received


def test_a_request_and_its_answer():
    with receiving() as receiver:
        answer = egress.send(LOCAL, "PUT", receiver.url, {"X-One": "1"}, "é".encode())
    assert (answer.status, answer.body, answer.truncated, answer.headers["x-sent"]) == (200, b"ok", False, "yes")
    assert 0 <= answer.milliseconds < 10_000
    head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    assert line == f"PUT {SECRET} HTTP/1.1"
    assert {header.split(": ")[0] for header in headers} == {
        "Host",
        "User-Agent",
        "X-One",
        "Content-Length",
        "Accept-Encoding",
    }
    assert body == "é".encode()


@pytest.mark.parametrize(
    ("path", "asked"), [("", "/"), ("?a=b", "/?a=b"), ("/x?y/../z", "/x?y/../z"), ("/%2e%2E/", "/%2e%2E/")]
)
def test_a_path_is_sent_as_it_was_written(path, asked):
    with receiving() as receiver:
        post(f"http://127.0.0.1:{receiver.port}{path}")
    assert receiver.requests[0].startswith(f"POST {asked} HTTP/1.1\r\n".encode())


BAD_HEADERS = (
    *(("X", "a\r\nY: b"), ("X", "a\nb"), ("X\r\nY", "a"), ("X Y", "a"), ("X:", "a"), ("", "a"), ("X", "a\x00")),
    ("X", "€"),
)


@pytest.mark.parametrize("header", BAD_HEADERS)
def test_a_header_cannot_begin_another_one(header):
    with receiving() as receiver, pytest.raises(Unsent, match="characters that no header"):
        egress.send(LOCAL, "POST", receiver.url, dict([header]), b"")
    assert receiver.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 401, 404, 410, 429, 500, 503])
def test_any_status_is_an_answer_and_no_redirect_is_followed(status):
    head = f"HTTP/1.1 {status} X\r\nLocation: http://169.254.169.254/latest/\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    with receiving(head.encode()) as receiver:
        answer = post(receiver.url)
    assert (answer.status, answer.headers["retry-after"], len(receiver.requests)) == (status, "7", 1)


def long_headers(connection, receiver):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    with suppress(OSError):
        while not receiver.over.is_set():
            connection.sendall(b"X: " + b"x" * 60_000 + b"\r\n")


def drip(text):
    """Return a receiver that sends the text, and then a byte each 50 ms."""

    def answer(connection, receiver):
        connection.sendall(text)
        while not receiver.over.wait(0.05):
            connection.sendall(b"1")

    return answer


def endless(text):
    """Return a receiver that sends the text again and again."""

    def answer(connection, receiver):
        while not receiver.over.is_set():
            connection.sendall(text)

    return answer


FAULTY = {
    "hangs": (lambda _, receiver: receiver.over.wait(10), "within 0.5 s"),
    "drips its status": (drip(b"HTTP/1.1 20"), "within 0.5 s"),
    "drips headers": (drip(b"HTTP/1.1 200 OK\r\nX: "), "within 0.5 s"),
    "drips its body": (drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"), "within 0.5 s"),
    "drips chunks": (drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), "within 0.5 s"),
    "drips without a length": (drip(b"HTTP/1.1 200 OK\r\n\r\n"), "within 0.5 s"),
    "stops in its body": (
        lambda connection, receiver: (connection.sendall(OK[:-1]), receiver.over.wait(10)),
        "within 0.5 s",
    ),
    "closes": (lambda connection, _: connection.shutdown(socket.SHUT_RDWR), "closed the connection"),
    "closes in its headers": (lambda c, _: (c.sendall(OK[:20]), c.shutdown(socket.SHUT_RDWR)), "closed the connection"),
    "closes between headers": (
        lambda c, _: (c.sendall(OK[:17]), c.shutdown(socket.SHUT_RDWR)),
        "closed the connection",
    ),
    "closes after its headers' line": (
        lambda c, _: (c.sendall(OK[:-4]), c.shutdown(socket.SHUT_RDWR)),
        "closed the conn",
    ),
    "closes in its body": (lambda c, _: (c.sendall(OK[:-1]), c.shutdown(socket.SHUT_RDWR)), "closed the connection"),
    "closes in a chunk": (
        lambda c, _: (
            c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nx"),
            c.shutdown(socket.SHUT_RDWR),
        ),
        "not HTTP",
    ),
    "sends garbage": (b"\x00\xff" * 50 + b"pa55word\r\n\r\n", "not HTTP"),
    "is no HTTP": (b"220 smtp.pa55word ESMTP\r\n", "not HTTP"),
    "has a strange version": (b"HTTP/7.0 200 pa55word\r\n\r\n", "not HTTP"),
    "has a strange status": (b"HTTP/1.1 pa55word OK\r\n\r\n", "not HTTP"),
    "has a strange chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\npa55word\r\n", "not HTTP"),
    "sends a long line": (endless(b"HTTP/1.1 200 " + b"x" * 70_000), "not HTTP"),
    "sends long headers": (long_headers, "too much"),
    "sends many headers": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "too much"),
    "goes on with 100": (endless(b"HTTP/1.1 100 Continue\r\n\r\n" * 100), "too much"),
    "sends long names of chunks": (
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 9_000),
        "not HTTP",
    ),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_receiver_that_does_its_worst_is_given_up_in_time(fault):
    answer, reason = FAULTY[fault]
    with receiving(answer) as receiver:
        started = time.monotonic()
        try:
            assert reason in refusal(receiver.url, total=0.5 if "within" in reason else 10)
        finally:
            receiver.over.set()
        assert time.monotonic() - started < 5
        assert len(receiver.requests) == 1  # nothing is sent twice
    assert egress._pool._wires == []


@pytest.mark.parametrize(
    "head", [b"Content-Length: 10000000\r\n\r\n", b"\r\n", b"Transfer-Encoding: chunked\r\n\r\n989680\r\n"]
)
def test_ten_megabytes_are_an_answer_of_which_the_first_are_read(head):
    def answer(connection, _):
        with suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + head)
            connection.sendall(b"x" * 10_000_000)

    with receiving(answer) as receiver:
        received = post(receiver.url, answer_limit=1000)
    assert (received.body, received.truncated) == (b"x" * 1000, True)
    assert "xxx" not in repr(received)


@pytest.mark.parametrize("size", [0, 999, 1000])
@pytest.mark.parametrize("chunk", [0, 1, 300])
def test_an_answer_up_to_the_limit_is_whole(size, chunk):
    body = b"x" * size
    if chunk:
        chunks = [body[start : start + chunk] for start in range(0, size, chunk)]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks)
        text = b"Transfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"
    else:
        text = b"Content-Length: %d\r\n\r\n" % size + body
    with receiving(b"HTTP/1.1 200 OK\r\n" + text) as receiver:
        for _ in range(3):
            answer = post(receiver.url, answer_limit=1000)
            assert (answer.body, answer.truncated) == (body, False)
        assert receiver.connections == 1


def test_an_answer_that_comes_before_the_whole_body_was_read_is_read():
    def answer():
        with server.accept()[0] as connection:  # and resets it, as there is more to read
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert egress.send(LOCAL, "POST", url, {}, b"x" * 5_000_000, total=5).status == 413
        thread.join(10)


def test_a_receiver_that_reads_nothing_holds_nobody():
    with socket.create_server(("127.0.0.1", 0)) as server:
        started = time.monotonic()
        with pytest.raises(Unsent, match=r"within 0.5 s"):
            egress.send(LOCAL, "POST", f"http://127.0.0.1:{server.getsockname()[1]}/", {}, b"x" * 20_000_000, total=0.5)
        assert time.monotonic() - started < 5


def test_a_port_without_a_receiver_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert refusal(f"http://127.0.0.1:{port}{SECRET}") == f"127.0.0.1:{port} accepts no connection."


# --- kept connections


def test_a_connection_is_used_again_for_the_same_host_and_policy_alone():
    other = policy("127.0.0.0/8")
    with receiving() as receiver:
        for used in (LOCAL, LOCAL, other, policy("127.0.0.1"), other):
            post(receiver.url, used)
        assert receiver.connections == 2


def test_a_connection_is_used_for_as_long_as_its_judgement_lasts(names, monkeypatch):
    with receiving() as receiver:
        names["hooks.corp"] = [("127.0.0.1",), ("169.254.169.254",)]
        url = f"http://hooks.corp:{receiver.port}{SECRET}"
        post(url, policy("hooks.corp"))
        monkeypatch.setattr(wire, "POOL_SECONDS", 0)
        assert "link-local" in refusal(url, policy("hooks.corp"))
        assert (receiver.connections, egress._pool._wires) == (1, [])


def test_a_connection_that_the_receiver_closed_is_not_used():
    def once(connection, _):
        connection.sendall(OK)
        connection.shutdown(socket.SHUT_RDWR)

    with receiving(once) as receiver:
        for _ in range(5):
            assert post(receiver.url).status == 200
            time.sleep(0.02)
        assert receiver.connections == 5


def early(connection, receiver):
    connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    receiver.over.wait(0.1)
    connection.sendall(OK)


@pytest.mark.parametrize(("answer", "status"), [(OK + OK.replace(b"200", b"201"), 200), (early, 103)])
def test_what_nobody_asked_for_is_no_answer_to_the_next_request(answer, status):
    with receiving(answer) as receiver:
        assert [post(receiver.url).status for _ in range(3)] == [status] * 3


@pytest.mark.parametrize("end", [b"Connection: close\r\n", b""])
def test_a_connection_that_is_to_be_closed_is_not_kept(end):
    version = b"HTTP/1.1" if end else b"HTTP/1.0"
    with receiving(version + b" 200 OK\r\n" + end + b"Content-Length: 2\r\n\r\nok") as receiver:
        assert [post(receiver.url).body for _ in range(3)] == [b"ok"] * 3
        assert (receiver.connections, egress._pool._wires) == (3, [])


def test_threads_share_connections_and_few_are_kept(monkeypatch):
    monkeypatch.setattr(wire, "POOL_SIZE", 2)
    with receiving() as receiver:
        threads = [threading.Thread(target=lambda: [post(receiver.url) for _ in range(20)]) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(receiver.requests) == 120
        assert 1 <= len(egress._pool._wires) <= 2


# --- TLS


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("ca"))


def test_a_certificate_is_for_the_name_and_of_a_trusted_authority(names, ca):
    names["hooks.corp"] = names["other.corp"] = ["127.0.0.1"]
    asked = []
    context = context_of(ca, "DNS:hooks.corp")
    context.sni_callback = lambda _, name, __: asked.append(name)
    trusting = policy("127.0.0.1", ca=ca.read_text())
    with receiving(tls=context) as receiver:
        for _ in range(3):
            assert post(f"https://hooks.corp:{receiver.port}/", trusting).body == b"ok"
        assert (receiver.connections, asked) == (1, ["hooks.corp"])
        wrong = refusal(f"https://other.corp:{receiver.port}{SECRET}", trusting)
        assert "certificate of other.corp" in wrong
        assert "mismatch" in wrong
        assert "certificate of 127.0.0.1" in refusal(f"https://127.0.0.1:{receiver.port}{SECRET}", trusting)
        unknown = refusal(f"https://hooks.corp:{receiver.port}{SECRET}", policy("127.0.0.1"))
        assert "EGRESS_CA" in unknown
        assert len(receiver.requests) == 3


def test_no_variable_of_the_environment_makes_a_certificate_trusted(names, ca, monkeypatch):
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(ca))
    egress._context.cache_clear()
    with receiving(tls=context_of(ca)) as receiver:
        assert "EGRESS_CA" in refusal(f"https://127.0.0.1:{receiver.port}{SECRET}")


def test_a_receiver_that_hangs_in_the_handshake_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}{SECRET}"
        assert "within 0.3 s" in refusal(url, connect_timeout=0.3)


def test_a_receiver_without_tls_is_named():
    def answer():
        with server.accept()[0] as connection:
            connection.sendall(b"HTTP/1.1 400 pa55word\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer)
        thread.start()
        assert "No TLS with 127.0.0.1" in refusal(f"https://127.0.0.1:{server.getsockname()[1]}{SECRET}")
        thread.join(10)


OLD_TLS_ALLOWED = """
openssl_conf = settings
[settings]
ssl_conf = ssl
[ssl]
system_default = defaults
[defaults]
MinProtocol = TLSv1
"""
HANDSHAKE = """
import socket, ssl, sys, threading
from catapult import egress
from catapult.egress.tls import client_context

server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.minimum_version, server.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
server.set_ciphers("ALL:@SECLEVEL=0")
server.load_cert_chain(*sys.argv[2:])
careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
careless.minimum_version = ssl.TLSVersion.TLSv1
careless.load_verify_locations(cadata=sys.argv[1])

def serve(end):
    try:
        server.wrap_socket(end, server_side=True)
    except ssl.SSLError:
        end.close()

for context in careless, egress._context(sys.argv[1]), client_context(cadata=sys.argv[1]):
    context.set_ciphers("ALL:@SECLEVEL=0")
    ours, theirs = socket.socketpair()
    threading.Thread(target=serve, args=[theirs], daemon=True).start()
    try:
        print(context.wrap_socket(ours, server_hostname="hooks.corp").version())
    except ssl.SSLError as error:
        print(error.reason)
"""


def test_old_versions_of_tls_are_refused_where_openssl_allows_them(tmp_path, ca):
    settings, names = tmp_path / "openssl.cnf", "DNS:hooks.corp"
    settings.write_text(OLD_TLS_ALLOWED)
    context_of(ca, names)
    leaf = [str(ca.parent / f"leaf-{len(names)}.{end}") for end in ("pem", "key")]
    command = [sys.executable, "-c", HANDSHAKE, ca.read_text(), *leaf]
    run = subprocess.run(command, env={**os.environ, "OPENSSL_CONF": str(settings)}, capture_output=True, text=True)
    assert run.stdout.split() == ["TLSv1.1", "TLSV1_ALERT_PROTOCOL_VERSION", "TLSV1_ALERT_PROTOCOL_VERSION"], run.stderr


def test_certificates_and_names_are_checked():
    for context in egress._context(""), client_context():
        assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


# --- proxies


def test_proxies_of_the_environment_are_ignored(monkeypatch):
    with receiving() as other, receiving() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{other.port}")
        assert post(receiver.url).status == 200
        assert (other.connections, receiver.connections) == (0, 1)


def test_requests_go_through_the_proxy_of_the_settings_which_resolves_names(ca):
    with proxy("u", "p@ss word:") as (address, through):
        allowed = policy("localhost", ca=ca.read_text(), proxy=f"http://u:p%40ss%20word:@{address}")
        with receiving(tls=context_of(ca)) as secured, receiving() as plain:
            for _ in range(2):  # the tunnel is kept
                assert post(f"https://localhost:{secured.port}{SECRET}", allowed).body == b"ok"
            url = f"http://localhost:{plain.port}{SECRET}"
            assert egress.send(allowed, "GET", url, {}, b"").body == b"ok"
            assert through == [f"localhost:{secured.port}", url]
            assert b"Authorization" not in b"".join(secured.requests + plain.requests)


def test_with_a_proxy_private_addresses_in_a_url_are_refused_and_names_left_to_it():
    proxied = policy("hooks.corp", "127.0.0.1:1", proxy="http://u:pa55word@127.0.0.1:1")
    proxied.check("https://no-such-name.example/")
    proxied.check("http://hooks.corp/")
    for url in (
        "https://10.0.0.1/",
        "https://[::1]/",
        "http://other.corp/",
        "http://8.8.8.8/",
        "https://169.254.169.254/",
    ):
        with pytest.raises(Invalid, match="EGRESS_ALLOW"):
            proxied.check(url)
    assert refusal("https://no-such-name.example/", proxied) == "The proxy of EGRESS_PROXY accepts no connection."


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_proxy_that_refuses_or_fails_is_named_and_its_password_not(scheme):
    with proxy("u", "other") as (address, through):
        proxied = policy("hooks.corp", proxy=f"http://u:pa55word@{address}")
        if scheme == "https":
            assert (
                refusal(f"https://hooks.corp{SECRET}", proxied)
                == "The proxy of EGRESS_PROXY answered 407 for hooks.corp:443."
            )
        else:
            assert egress.send(proxied, "GET", f"http://hooks.corp{SECRET}", {}, b"").status == 407
        assert through == []
    assert "pa55word" not in repr(proxied)


@pytest.mark.parametrize("answer", [b"\xff\r\n\r\n", b"HTTP/1.1 200 ", drip(b"HTTP/1.1 200 OK\r\nX: ")])
def test_a_proxy_that_does_its_worst_is_given_up(answer):
    with receiving(answer) as receiver:
        proxied = policy(proxy=f"http://127.0.0.1:{receiver.port}")
        started = time.monotonic()
        assert "proxy of EGRESS_PROXY" in refusal(f"https://hooks.corp{SECRET}", proxied, connect_timeout=0.4)
        assert time.monotonic() - started < 5


# --- secrets


def test_nothing_of_a_url_but_its_host_is_logged_or_shown(caplog, capfd, names):
    caplog.set_level(logging.DEBUG)
    names["hooks.example.com"] = ["10.0.0.1"]

    def strange(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nbad header\r\n: x\r\n\r\n")

    with receiving(strange) as receiver:
        assert post(receiver.url).status == 200
        refusal(f"https://hooks.example.com{SECRET}", policy())
    target = judging.Target.of(receiver.url)
    shown = f"{target!r} {policy(proxy='http://u:pa55word@h:1')!r} {caplog.text} {capfd.readouterr()}"
    assert "pa55word" not in shown
