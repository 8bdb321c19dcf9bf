"""Ask an image's registry for its digest from the client, for a server that cannot reach the registry."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path
from typing import Optional
from urllib.parse import urlsplit

import requests

from .errors import ConnectionFailed, InvalidArgument, UnexpectedAnswer

ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_LOCAL = ("localhost", "127.0.0.1")
SECONDS = 10.0

Login = Optional[tuple[str, str]]


def parts(image: str) -> tuple[str | None, str | None]:
    """Return the tag and the digest in `host/repository:tag@digest`; None for a missing part."""
    name, _, digest = image.partition("@")
    _, colon, tag = name.rpartition(":")
    return (tag if colon and "/" not in tag else None), digest or None


def with_digest(image: str) -> str:
    """Return the image with its digest, after asking its registry if needed.

    Raises InvalidArgument, ConnectionFailed, UnexpectedAnswer.
    """
    tag, digest = parts(image)
    if digest is not None:
        return image
    if tag is None:
        raise InvalidArgument(f"image: {image!r} has neither a tag nor a digest. Pass host/repository:tag.")
    host, repository = _address(image[: -len(tag) - 1])
    scheme = "http" if host.partition(":")[0] in _LOCAL else "https"
    url = f"{scheme}://{host}/v2/{repository}/manifests/{tag}"
    try:
        answer = _head(url, host)
    except requests.RequestException as error:
        raise ConnectionFailed(f"{host} could not be asked for {image}: {type(error).__name__}.") from error
    digest = answer.headers.get("Docker-Content-Digest", "")
    if answer.status_code != 200 or not DIGEST.fullmatch(digest):
        raise UnexpectedAnswer(f"{host} did not tell the digest of {image} (status {answer.status_code}).")
    return f"{image}@{digest}"


def _address(name: str) -> tuple[str, str]:
    """Return the host to ask and the repository. A name without a host belongs to Docker Hub."""
    host, _, rest = name.partition("/")
    if not rest or not ("." in host or ":" in host or host == "localhost"):
        host, rest = "docker.io", name
    if host in ("docker.io", "index.docker.io"):
        return "registry-1.docker.io", rest if "/" in rest else f"library/{rest}"
    return host, rest


def _head(url: str, host: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = True
        answer = session.head(url, headers={"Accept": ACCEPT}, timeout=SECONDS, allow_redirects=False, auth=_no_auth)
        if answer.status_code != 401:
            return answer
        challenge = answer.headers.get("WWW-Authenticate", "")
        login = _login(host)
        if challenge.lower().startswith("bearer"):
            token = _token(session, dict(_CHALLENGE.findall(challenge)), login)
            headers = {"Accept": ACCEPT, "Authorization": f"Bearer {token}"}
            return session.head(url, headers=headers, timeout=SECONDS, allow_redirects=False, auth=_no_auth)
        if login is None:
            return answer
        return session.head(url, headers={"Accept": ACCEPT}, timeout=SECONDS, allow_redirects=False, auth=login)


def _token(session: requests.Session, challenge: dict[str, str], login: Login) -> str:
    """Return the token for the challenge. The login is sent only by https, or on this machine."""
    realm = urlsplit(challenge.get("realm", ""))
    if realm.scheme != "https" and realm.hostname not in _LOCAL:
        raise UnexpectedAnswer("The image registry names no address by https that gives tokens.")
    query = {name: challenge[name] for name in ("service", "scope") if name in challenge}
    answer = session.get(
        realm.geturl(), params=query, timeout=SECONDS, allow_redirects=False, auth=login if login else _no_auth
    )
    try:
        content = answer.json()
        return str(content.get("token") or content["access_token"])
    except (ValueError, LookupError, AttributeError) as error:
        raise UnexpectedAnswer(f"{realm.hostname} gave no token (status {answer.status_code}).") from error


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from adding a login out of ~/.netrc."""
    return request


def _login(host: str) -> Login:
    """Return the login that `docker login` stored for the registry in its configuration; None without one."""
    folder = os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
    names = (host, f"https://{host}", "https://index.docker.io/v1/" if host == "registry-1.docker.io" else host)
    try:
        stored = json.loads((Path(folder) / "config.json").read_text())["auths"]
        pair = next(stored[name]["auth"] for name in names if name in stored)
        user, _, secret = base64.b64decode(pair).decode().partition(":")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration):
        return None
    return user, secret
