"""What happens one after the other in a registry that is made up: who did what when, and what is still to come."""

import json
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any

from catapult.rules import key_format

from .clock import DAY, SECOND, stamp, uuid_at
from .copying import line
from .words import ADMIN, CALLERS, DEPLOYER, READERS, RELEASERS, Caller

YEARS = 2 * 365 * DAY
CLI = Caller("cli", ADMIN.role, None)
NOBODY = Caller(None, ADMIN.role, "203.0.113.9")
PEOPLE = (*READERS, *RELEASERS, DEPLOYER, ADMIN)


class Ledger:
    """Writes audit entries, and keeps what comes later until its time. All times lie between `begin` and `end`."""

    def __init__(self, seed: str, end: int, add: Callable[[str, str], None]) -> None:
        self.begin, self.end, self.add = end - YEARS, end, add
        self.rng = Random(seed)  # noqa: S311 - the same every time
        self.entries = 0
        self.keys: dict[str | None, str] = {}
        self._pending: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._numbered = 0
        self._sessions: list[tuple[str, Caller]] = []

    def make_keys(self, salt: str) -> None:
        """Every caller has a key, which nobody knows."""
        for place, caller in enumerate(CALLERS):
            at, key = self.begin - DAY + place * SECOND, key_format.make()
            self.keys[caller.name] = made = self.id(at)
            hashed = "\\x" + key_format.hashed(key.key, salt).hex()
            row = (made, caller.name, caller.role, key.prefix, hashed, key_format.salt_mark(salt), CLI.name, stamp(at))
            self.add("api_keys", line(*row))
            told = {"name": caller.name, "role": str(caller.role), "prefix": key.prefix}
            self.tell(at, "api_key.create", made, CLI, told)

    def id(self, at: int) -> str:
        return uuid_at(at, self.rng)

    def between(self, at: int, least: int, most: int) -> int:
        """A moment so long after that one."""
        return at + least + int((most - least) * self.rng.random())

    def later(self, at: int, happens: Callable[..., None], *what: Any) -> bool:
        """Whether that moment is before the end; then it happens in its turn."""
        if at >= self.end:
            return False
        self._numbered += 1
        heappush(self._pending, (at, self._numbered, happens, what))
        return True

    def catch_up(self, at: int) -> None:
        """What was to come before that moment has happened."""
        pending = self._pending
        while pending and pending[0][0] <= at:
            then, _, happens, what = heappop(pending)
            happens(then, *what)

    def tell(self, at: int, action: str, resource: str | None, caller: Caller, details: dict[str, Any]) -> None:
        """One entry more."""
        told = json.dumps(details) if details else "{}"
        who = (self.keys.get(caller.name), caller.name)
        asked = None if caller is CLI else self.id(at - 4_000)
        kind = action.partition(".")[0].replace("auth", "api_key")
        self.add("audit_logs", line(self.id(at), action, kind, resource, *who, told, caller.address, asked, stamp(at)))
        self.entries += 1

    def come_and_go(self, at: int, until: int) -> None:
        """People sign in and out, or are refused, until there are so many entries."""
        while self.entries < until:
            at += SECOND
            chance = self.rng.random()
            if chance < 0.02:
                prefix = f"cat_{self.rng.getrandbits(32):08x}"
                self.tell(at, "auth.refused", None, NOBODY, {"prefix": prefix, "reason": "unknown"})
            elif chance < 0.5 and self._sessions:
                place = self.rng.randrange(len(self._sessions))
                session, caller = self._sessions.pop(place)
                self.tell(at, "session.delete", session, caller, {})
            else:
                session, caller = self.id(at), self.rng.choice(PEOPLE)
                self._sessions.append((session, caller))
                self.tell(at, "session.create", session, caller, {})
