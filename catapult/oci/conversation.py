"""Requests to one registry, with its authorization and a common deadline for the requests of one question."""

import time
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import urljoin

from catapult import egress
from catapult.egress import Answer, NotHttp, Policy, Unsent
from catapult.oci.authorization import Access, Challenge, Token, may_send_secrets
from catapult.oci.faults import RegistryError, malformed, refused, unreachable
from catapult.rules.image_reference import HUB

MOST_BYTES = 4 * 1024 * 1024
"""The most bytes of a manifest, and of every other answer."""
CONNECT_SECONDS, SECONDS = 5, 10
REDIRECTS = 3
TRY_AGAIN = "Check that it runs and that this server reaches it, and try again later."
HUB_API = "registry-1.docker.io"


class Conversation:
    """A conversation with one registry. It caches tokens; `egress` caches connections."""

    def __init__(self, policy: Policy, access: Access, host: str) -> None:
        self.who = f"The registry {host}"
        self._host = host
        self._policy = replace(policy, ca=f"{policy.ca}\n{access.ca}") if access.ca else policy
        self._access = access
        self._origin = f"{'http' if access.allow_http else 'https'}://{HUB_API if host in HUB else host}"
        self._tokens: dict[str, Token] = {}
        self._is_basic = False
        self._deadline = 0.0

    def start(self) -> None:
        """Start a question: all requests until the next start share one deadline."""
        self._deadline = time.monotonic() + SECONDS

    def get(self, repository: str, path: str, what: str, accept: Iterable[str] = (), method: str = "GET") -> Answer:
        """Return the answer for a path within the repository, of any status. `what` is its name for people.

        Raises RegistryError without an answer or an authorization.
        """
        scope = f"repository:{repository}:pull"
        url = f"{self._origin}/v2/{repository}/{path}"
        answer = self._follow_redirects(method, url, what, accept, self._authorization(scope))
        if answer.status == 401 and (authorization := self._authorized(answer, scope, what)):
            answer = self._follow_redirects(method, url, what, accept, authorization)
        return answer

    def content(self, repository: str, path: str, what: str, accept: Iterable[str] = ()) -> Answer:
        """Return the answer, which has the status 200. Raises RegistryError."""
        answer = self.get(repository, path, what, accept)
        if answer.status != 200:
            raise self.refusal(answer, what)
        return answer

    def refusal(self, answer: Answer, what: str) -> RegistryError:
        """Return the error of an answer with another status than 200."""
        return refused(self.who, what, answer, bool(self._access.basic))

    def next_page(self, answer: Answer, repository: str, path: str) -> str | None:
        """Return the path of the list's next page, within the repository; None if there is none."""
        start = f"{self._origin}/v2/{repository}/"
        target, _, parameters = answer.headers.get("link", "").partition(">")
        if not target.startswith("<") or "next" not in parameters:
            return None
        url = urljoin(start + path, target[1:])
        return url.removeprefix(start) if url.startswith(start) else None

    def _authorization(self, scope: str) -> str:
        """Return an authorization that was accepted for this scope, or ""."""
        token = self._tokens.get(scope)
        if token and token.is_usable:
            return f"Bearer {token.value}"
        return self._access.basic if self._is_basic else ""

    def _authorized(self, answer: Answer, scope: str, what: str) -> str:
        """Return the authorization that the answer requires, or "" if there is none. Raises RegistryError."""
        challenge = Challenge(answer.headers.get("www-authenticate", ""))
        if challenge.scheme == "bearer":
            self._tokens[scope] = self._token(challenge, scope, what)
        elif challenge.scheme == "basic":
            self._is_basic = True
        return self._authorization(scope) if challenge.scheme else ""

    def _token(self, challenge: Challenge, scope: str, what: str) -> Token:
        """Return a token of the registry's token server. Raises RegistryError."""
        server = f"The token server of {self._host}"
        try:
            url = challenge.token_url(scope)
        except Unsent:
            raise malformed(self.who, what, "an address of a token server that is none") from None
        if not may_send_secrets(url, self._access):
            detail = "its token server is not reached by https, so nothing was sent there. allow_http would allow it."
            raise unreachable(self.who, what, detail)
        asked_at, basic = time.monotonic(), self._access.basic
        answer = self._request("GET", url, server, what, {"Authorization": basic} if basic else {})
        if answer.status != 200:
            raise refused(server, what, answer, bool(basic))
        try:
            return Token.of(answer, asked_at)
        except ValueError:
            raise malformed(server, what, "no token") from None

    def _follow_redirects(self, method: str, url: str, what: str, accept: Iterable[str], authorization: str) -> Answer:
        """Return the answer after redirects. The authorization is sent only to the registry itself."""
        for _ in range(REDIRECTS + 1):
            headers = {"Accept": ", ".join(accept) or "*/*"}
            if authorization and url.startswith(f"{self._origin}/"):
                headers["Authorization"] = authorization
            answer = self._request(method, url, self.who, what, headers)
            if answer.status == 401 and not url.startswith(f"{self._origin}/"):
                raise refused(self.who, what, answer)  # the target of a redirect must not choose a token server
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            url = urljoin(url, answer.headers.get("location", ""))
            if not may_send_secrets(url, self._access):
                raise unreachable(self.who, what, "it redirects to an address that is not of https.")
        raise malformed(self.who, what, "too many redirects")

    def _request(self, method: str, url: str, who: str, what: str, headers: dict[str, str]) -> Answer:
        """Return the answer to one request. Raises RegistryError if there is none, or it is too large."""
        remaining = max(self._deadline - time.monotonic(), 0.001)
        try:
            answer = egress.send(
                self._policy,
                method,
                url,
                headers,
                b"",
                connect_timeout=min(CONNECT_SECONDS, remaining),
                total=remaining,
                answer_limit=MOST_BYTES,
            )
        except NotHttp:
            raise malformed(who, what, "something that is not HTTP, or more than it may") from None
        except Unsent as fault:
            is_late = time.monotonic() >= self._deadline
            reason = f"it did not answer completely within {SECONDS} s." if is_late else fault.reason
            has_advice = "EGRESS_" in reason or "try again" in reason
            raise unreachable(who, what, reason if has_advice else f"{reason} {TRY_AGAIN}") from None
        if answer.truncated:
            raise malformed(who, what, f"more than {MOST_BYTES // 1024**2} MiB")
        return answer
