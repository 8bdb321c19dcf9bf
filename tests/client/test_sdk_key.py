"""The key goes to the registry, and nowhere else: into no repr, log, error, pickle or other host."""

import copy
import logging
import pickle
import pprint
import traceback

import pytest
from catapult_client.transport import KeyHeader, Secret, api_root, checked_timeout
from peer import KEY, Answer, problem

from catapult import ApiKey, ConnectionFailed, InvalidArgument, Registry, RegistryError


def everything_in(fault):
    """All that a log, a crash reporter with local variables or a debugger would show of it."""
    frames = [pprint.pformat(frame.f_locals) for frame, _ in traceback.walk_tb(fault.__traceback__)]
    inner = [everything_in(cause) for cause in (fault.__cause__, fault.__context__) if cause]
    return "\n".join([repr(fault), str(fault), repr(vars(fault)), *frames, *inner])


def test_the_key_is_sent_as_x_api_key_and_without_spaces_around_it(peer):
    peer.answers = [Answer(200, {})]
    with Registry(peer.url, f" {KEY}\n") as registry:
        registry.info()
    assert peer.asked[0].headers["X-API-Key"] == KEY
    assert peer.asked[0].headers["User-Agent"].startswith("catapult-sdk/")


def test_netrc_adds_no_password(peer, at_peer, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    peer.answers = [Answer(200, {})]
    at_peer().info()
    assert "Authorization" not in peer.asked[0].headers


def test_a_proxy_of_the_environment_is_used(peer, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", peer.url)
    monkeypatch.setenv("http_proxy", peer.url)
    peer.answers = [Answer(200, {"status": "healthy"})]
    with Registry("http://registry.example", KEY) as registry:
        assert registry.health().ok
    assert peer.asked[0].path == "http://registry.example/api/health"


def test_a_missing_certificate_bundle_is_a_clear_error(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with Registry("https://127.0.0.1:1", KEY) as registry, pytest.raises(ConnectionFailed, match=r"ca\.pem"):
        registry.info()


@pytest.mark.parametrize("key", ["", "  ", "two words", "line\nbreak", "schlüssel", None, 7])
def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(key):
    with pytest.raises(InvalidArgument, match="api_key") as caught:
        Registry("http://localhost", key)
    if isinstance(key, str) and key.strip():
        assert key not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(drop=True),
        Answer(hold=30),
        Answer(200, f"<html>{KEY}</html>"),
        Answer(502, f"<html>{KEY}</html>"),
        Answer(302, headers={"Location": f"/elsewhere/{KEY}"}),
        problem(401, "unauthenticated", detail=f"{KEY} is no key.", errors={"key": [KEY]}),
    ],
)
def test_the_key_is_in_nothing_that_an_error_drags_along(peer, at_peer, answer, caplog):
    caplog.set_level(logging.DEBUG)
    peer.answers = [answer]
    registry = at_peer(timeout=0.2, retries=1)
    for call in (registry.info, lambda: registry.create_model("a/b", "x")):
        with pytest.raises(RegistryError) as caught:
            call()
        assert KEY not in str(caught.value)
        assert KEY not in "".join(traceback.format_exception(None, caught.value, caught.value.__traceback__))
        # The frames of this test hold the answers, and so the key: only what the SDK adds is looked at.
        caught.value.__traceback__ = _below(caught.value, "catapult_client")
        assert KEY not in everything_in(caught.value)
    assert KEY not in caplog.text


def _below(fault, package):
    at = fault.__traceback__
    while at is not None and package not in at.tb_frame.f_code.co_filename:
        at = at.tb_next
    return at


def test_no_repr_shows_the_key():
    registry = Registry("http://localhost", KEY)
    held = pprint.pformat([registry, vars(registry), vars(registry._transport), vars(KeyHeader(Secret(KEY)))])
    assert KEY not in held
    assert KEY not in repr(ApiKey(id="1", key=KEY))
    registry.close()


def test_a_registry_with_a_key_of_its_own_is_not_pickled():
    registry = Registry("http://localhost", KEY)
    with pytest.raises(InvalidArgument, match="from_env"):
        pickle.dumps(registry)
    assert copy.copy(registry) is copy.deepcopy([registry])[0] is registry
    registry.close()


def test_one_from_the_environment_is_pickled_without_its_key(monkeypatch):
    monkeypatch.setenv("REGISTRY_URL", "http://first")
    monkeypatch.setenv("REGISTRY_API_KEY", KEY)
    pickled = pickle.dumps(Registry.from_env(on_error="warn", retries=2))
    assert KEY.encode() not in pickled
    monkeypatch.setenv("REGISTRY_URL", "http://second")
    again = pickle.loads(pickled)
    assert (again.base_url, again._warns) == ("http://second/api", True)


def test_from_env_names_everything_that_is_missing_at_once(monkeypatch):
    monkeypatch.setenv("REGISTRY_URL", " ")
    monkeypatch.delenv("REGISTRY_API_KEY", raising=False)
    with pytest.raises(InvalidArgument, match=r"REGISTRY_URL.*REGISTRY_API_KEY"):
        Registry.from_env()


@pytest.mark.parametrize("end", ["", "/", "/api", "/api/", "/api/v1", "/api/v1/", "  "])
@pytest.mark.parametrize("begin", ["http://host", "https://host:8443/registry", "http://[::1]:8000"])
def test_base_url_may_end_as_it_likes(begin, end):
    assert api_root(begin + end) == f"{begin}/api"


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://host", "http://", "http://host:port", "http://me:pw@host", "http://h/?a=1", 7]
)
def test_a_base_url_that_is_none_is_refused_and_no_password_repeated(url):
    with pytest.raises(InvalidArgument, match="base_url") as caught:
        Registry(url, KEY)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("timeout", [0, -1, None, float("inf"), float("nan"), (1,), (1, 0), (1, 2, 3), "5"])
def test_a_timeout_that_would_never_end_is_refused(timeout):
    with pytest.raises(InvalidArgument, match="timeout"):
        checked_timeout(timeout)


@pytest.mark.parametrize("setting", [{"retries": -1}, {"time_limit": 0}, {"time_limit": 1e9}, {"on_error": "ignore"}])
def test_settings_out_of_range_are_refused_by_name(setting):
    with pytest.raises(InvalidArgument, match=next(iter(setting))):
        Registry("http://localhost", KEY, **setting)
