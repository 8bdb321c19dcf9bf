"""How values read on a page: times, sizes, digests, numbers."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from flask import g
from markupsafe import Markup

from catapult.contract.fields import rfc3339
from catapult.queries import environments
from catapult.rules import gates
from catapult.rules.image_reference import is_oci_digest
from catapult.tables import GateKind

STEPS = ((60, "s"), (3600, "min"), (86_400, "h"), (30 * 86_400, "day"), (365 * 86_400, "month"), (0, "year"))
UNITS = {"s": 1, "min": 60, "h": 3600, "day": 86_400, "month": 30 * 86_400, "year": 365 * 86_400}
PLURAL = ("day", "month", "year")
DIGEST_EDGE = 4
SURE = 1e15
"""Below this every whole number is a float of its own, so that all its digits mean something."""
LONGEST_WHOLE = 1e40
LONGEST_COMMIT = 200
REFERENCE, TAG = re.compile(r"&(?=[A-Za-z0-9#])"), re.compile(r"<(?=[A-Za-z/!?])")


def span(seconds: float) -> str:
    """`40 s`, `12 min`, `2 h`, `9 days`, `4 months`: a length as people say it."""
    unit = next(unit for limit, unit in STEPS if seconds < limit or not limit)
    count = max(int(seconds // UNITS[unit]), 0)
    return f"{count} {unit}{'s' if unit in PLURAL and count != 1 else ''}"


def ago(time: datetime, now: datetime | None = None) -> str:
    """`12 min ago`; `just now` under ten seconds; `in 3 days` for what is to come."""
    seconds = ((now or datetime.now(UTC)) - time).total_seconds()
    if seconds <= -10:
        return f"in {span(-seconds + 59)}"  # a key made for 30 days ends in 30 days and not in 29
    return "just now" if seconds < 10 else f"{span(seconds)} ago"


def exact(time: datetime) -> str:
    """`2026-11-23 10:15:30 UTC`."""
    return rfc3339(time)[:19].replace("T", " ") + " UTC"


def size(count: int | None) -> str:
    """`4.1 GB`: bytes in units of a thousand, as container registries show them."""
    if count is None:
        return ""
    value, units = float(count), ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{count} {units[0]}" if units[0] == "bytes" else f"{value:.1f} {units[0]}"


def short_digest(digest: str) -> str:
    """`sha256:9f2c…a1e0`."""
    algorithm, _, encoded = digest.partition(":")
    if len(encoded) <= 2 * DIGEST_EDGE + 8:
        return digest
    return f"{algorithm}:{encoded[:DIGEST_EDGE]}…{encoded[-DIGEST_EDGE:]}"


def number(value: float | int | Decimal | None) -> str:
    """`0.953`, `1,204,880`, `3e-5`: whole numbers with all their digits, six of others, thousands apart."""
    if value is None:
        return ""
    most = SURE if isinstance(value, float) else LONGEST_WHOLE
    if value == int(value) and -most < value < most:
        return f"{int(value):,}"
    return _rounded(float(value))


def _rounded(value: float) -> str:
    if 999_999.5 <= abs(value) < SURE:
        return f"{value:,.0f}"
    digits, _, power = f"{value:.6g}".partition("e")
    return f"{digits}e{int(power)}" if power else f"{float(digits):,}".rstrip("0").rstrip(".")


def signed(value: float | int | Decimal) -> str:
    """`+0.012`, `−1.4` with a real minus; `±0` for none."""
    if value == 0:
        return "±0"
    return ("+" if value > 0 else "−") + number(value).lstrip("-")


def percent(value: float | Decimal) -> str:
    """`+1.3 %`, `−41.0 %`; below one and from a thousand on with the digits that count."""
    share = float(value)
    if 0.995 <= abs(share) < 999.95:
        return f"{'+' if share > 0 else '−'}{abs(share):.1f} %"
    return f"{signed(float(f'{share:.2g}') if abs(share) < 1 else round(share, 0))} %"


def pretty(value: Any, longest: int | None = None) -> str:
    """A value of metadata as people read it: text as it is, the rest as JSON; of that no more than so many characters."""
    if isinstance(value, str):
        return value[:longest]
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return number(value)
    return beginning(_json(value), longest)


def beginning(parts: Iterable[str], longest: int | None = None) -> str:
    """So many characters of what the parts are together; the parts after them are not asked for."""
    taken, length = [], 0
    for part in parts:
        taken.append(part)
        length += len(part)
        if longest is not None and length >= longest:
            break
    return "".join(taken)[:longest]


def _json(value: Any, before: str = "\n") -> Iterator[str]:
    """JSON on lines of their own, with the numbers as they are written, which `json.dumps` takes no decimals for."""
    within = f"{before}  "
    if isinstance(value, dict) and value:
        for place, (key, item) in enumerate(value.items()):
            yield f"{',' if place else '{'}{within}{json.dumps(key, ensure_ascii=False)}: "
            yield from _json(item, within)
        yield before + "}"
    elif isinstance(value, list) and value:
        for place, item in enumerate(value):
            yield f"{',' if place else '['}{within}"
            yield from _json(item, within)
        yield before + "]"
    else:
        yield f"{value:f}" if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def escapable(text: str) -> Markup:
    """The text within a `textarea`, where nothing but its end and references to characters mean anything.

    Only what could begin a tag or a reference is escaped: 64 KiB of quotes or ampersands would be 320 KiB else.
    Source: HTML, "Escapable raw text elements".
    """
    return Markup(TAG.sub("&lt;", REFERENCE.sub("&amp;", text)))  # noqa: S704 - what is no text was just escaped


def is_link(value: Any) -> bool:
    """Whether it may be shown as a link: `http` or `https` and nothing else."""
    return (
        isinstance(value, str)
        and value.lower().startswith(("http://", "https://"))
        and not any(map(str.isspace, value))
    )


def commit_address(metadata: Mapping[str, Any]) -> str | None:
    """Where the commit that metadata names can be read; None unless a `git_url` says in which repository."""
    repository, commit = metadata.get("git_url"), metadata.get("git_commit")
    if not (is_link(repository) and isinstance(commit, str) and commit and len(commit) <= LONGEST_COMMIT):
        return None
    place = str(repository).rstrip("/").removesuffix(".git").rstrip("/")
    return f"{place}/commit/{quote(commit, safe='')}"


def staged(names: list[str]) -> list[str]:
    """Environments in the order in which a version passes them; their ranks are read once a request."""
    if len(names) < 2:
        return names
    if "ranks" not in g:
        g.ranks = environments.ranks()
    return sorted(names, key=lambda name: (g.ranks.get(name.lower(), len(g.ranks)), name.lower()))


def rule(gate: Any) -> str:
    """What a gate asks for: `accuracy ≥ 0.9`, `Approved by another key, an admin`."""
    said = gates.rule(gate)
    if gate.kind_ in (GateKind.METRIC, GateKind.NO_REGRESSION, GateKind.METADATA_PRESENT):
        return said.replace(" >= ", " ≥ ").replace(" <= ", " ≤ ")  # begins with a path, which is as it is
    return said[:1].upper() + said[1:]


FILTERS = {
    "rule": rule,
    "staged": staged,
    "fromjson": json.loads,
    "oci": is_oci_digest,
    "ago": ago,
    "exact": exact,
    "span": span,
    "size": size,
    "short_digest": short_digest,
    "number": number,
    "signed": signed,
    "percent": percent,
    "pretty": pretty,
    "escapable": escapable,
}
TESTS = {"link": is_link}
