"""Errors of image registries, with a sentence for each. Of a registry's own texts only the error code is repeated."""

import json
import re
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from enum import StrEnum

from catapult.egress import Answer

CODE = re.compile(r"[A-Z_]{1,40}")
LONGEST_WAIT = 24 * 60 * 60


class Fault(StrEnum):
    """Why a request to a registry failed."""

    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    MISMATCH = "mismatch"
    LIMITED = "limited"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    MALFORMED = "malformed"


class RegistryError(Exception):
    """A failed request to a registry. `reason` is for people: which registry, what happened, and what to do. It has no secrets.

    `retry_after` is the seconds after which to ask again, if the registry names them.
    """

    def __init__(self, fault: Fault, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.fault, self.reason, self.retry_after = fault, reason, retry_after


SENTENCES = {
    Fault.UNAUTHORIZED: (
        "{who} does not let this server read {what} without a username and a secret ({status}). Check the name; if it is right, "
        "an administrator can give them for this registry."
    ),
    Fault.FORBIDDEN: (
        "{who} does not allow this server to read {what} ({status}). Check the name; if it is right, give the server's user there "
        "the right to pull."
    ),
    Fault.MISSING: "{who} has no {what} ({status}). Check the name; what was there may have been deleted.",
    Fault.MISMATCH: "{who} sent {what} with another digest than that. Do not use what it sends, and tell who runs it.",
    Fault.LIMITED: "{who} has had too many requests from here ({status}). Try again {when}.",
    Fault.FAILED: "{who} failed when it was asked for {what} ({status}). Try again {when}; the fault is there.",
    Fault.UNREACHABLE: "{who} could not be asked for {what}: {detail}",
    Fault.MALFORMED: (
        "{who} sent {detail} when it was asked for {what}. Check that it is an image registry; if it is, tell whoever runs it."
    ),
}
REFUSED = (
    "{who} does not accept this server's username and secret for {what} ({status}). Check the name; if it is right, an "
    "administrator can correct them."
)


def unreachable(who: str, what: str, detail: str) -> RegistryError:
    """Return the error of a registry that gave no answer; `detail` is a sentence."""
    return RegistryError(Fault.UNREACHABLE, SENTENCES[Fault.UNREACHABLE].format(who=who, what=what, detail=detail))


def mismatched(who: str, what: str) -> RegistryError:
    """Return the error of content with another digest than the requested one."""
    return RegistryError(Fault.MISMATCH, SENTENCES[Fault.MISMATCH].format(who=who, what=what))


def malformed(who: str, what: str, detail: str) -> RegistryError:
    """Return the error of an answer of the wrong form; `detail` completes "The registry sent "."""
    return RegistryError(Fault.MALFORMED, SENTENCES[Fault.MALFORMED].format(who=who, what=what, detail=detail))


def refused(who: str, what: str, answer: Answer, has_credentials: bool = False) -> RegistryError:
    """Return the error of an answer with another status than 200."""
    match answer.status:
        case 401:
            fault = Fault.UNAUTHORIZED
        case 403:
            fault = Fault.FORBIDDEN
        case 404:
            fault = Fault.MISSING
        case 429:
            fault = Fault.LIMITED
        case status if 500 <= status < 600:
            fault = Fault.FAILED
        case status:
            return malformed(who, what, f"the status {status}")
    wait = retry_after(answer) if fault in (Fault.LIMITED, Fault.FAILED) else None
    when = "later" if wait is None else f"in {wait} s"
    sentence = REFUSED if has_credentials and fault == Fault.UNAUTHORIZED else SENTENCES[fault]
    return RegistryError(fault, sentence.format(who=who, what=what, status=_status(answer), when=when), wait)


def _status(answer: Answer) -> str:
    """Return the status, and the registry's code of the error if it looks like one."""
    with suppress(ValueError, LookupError, TypeError, RecursionError):
        code = json.loads(answer.body)["errors"][0]["code"]
        if CODE.fullmatch(code):
            return f"{answer.status} {code}"
    return str(answer.status)


def retry_after(answer: Answer) -> int | None:
    """Return the seconds of `Retry-After`, which may be a date; None if there are none. It is at most a day."""
    text = answer.headers.get("retry-after", "").strip()
    with suppress(ValueError, OverflowError):
        seconds = (
            int(text) if text.isascii() and text.isdigit() else parsedate_to_datetime(text).timestamp() - time.time()
        )
        return min(max(round(seconds), 0), LONGEST_WAIT)
    return None
