"""How pages write values: times, sizes, digests, numbers."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from math import isinf
from typing import Any, NamedTuple
from urllib.parse import quote
from zlib import crc32

from flask import g
from markupsafe import Markup, escape

from catapult.contract.fields import LINK
from catapult.extensions import current_settings
from catapult.filters.parsing import quoted
from catapult.queries import environments
from catapult.rules import gates
from catapult.rules.image_reference import is_oci_digest
from catapult.rules.json_text import rfc3339
from catapult.rules.markdown import to_html
from catapult.tables import DeploymentStatus, GateKind
from catapult.web import addresses

DAY = 86_400
UNITS = (("year", 365 * DAY), ("month", 30 * DAY), ("day", DAY), ("h", 3600), ("min", 60), ("s", 1))
DIGEST_EDGE = 4
EXACT = 1e15
"""Below this, every whole number is a float of its own, and all of its digits are significant."""
LONGEST_WHOLE = 1e40
LONGEST_COMMIT = 200
MARKDOWN = 10_000
"""The characters of a text that are parsed as Markdown."""
CODE = re.compile(r"`([^`]+)`")
PARTS = re.compile(r"[^._/:@]*[._/:@]+|[^._/:@]+")
"""A word up to and with its punctuation."""
SEGMENT = "!$&'()*+,/:;=@"
"""What stays unquoted in an address, beside letters, digits and `-._~`."""

REFERENCE, TAG = re.compile(r"&(?=[A-Za-z0-9#])"), re.compile(r"<(?=[A-Za-z/!?])")


def span(seconds: float) -> str:
    """Return a duration in one unit: `40 s`, `12 min`, `2 h`, `9 days`, `4 months`."""
    unit, size = next((unit for unit in UNITS if seconds >= unit[1]), UNITS[-1])
    count = max(int(seconds // size), 0)
    return f"{count} {unit}{'s' if size >= DAY and count != 1 else ''}"


def coded(text: str) -> Markup:
    """Return the text with everything between backticks as code."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - it is escaped


def ago(time: datetime, now: datetime | None = None) -> str:
    """Return the time relative to now: `12 min ago`, `just now` within ten seconds, `in 3 days`."""
    seconds = ((now or datetime.now(UTC)) - time).total_seconds()
    if seconds <= -10:
        return f"in {span(-seconds + 59)}"  # a key made for 30 days expires in 30 days, not in 29
    return "just now" if seconds < 10 else f"{span(seconds)} ago"


def clock(time: datetime, now: datetime | None = None) -> str:
    """Return a time of the coming week as `Mon 08:00`, of today as `08:00`, and any other as `5 Dec 08:00`; all in UTC."""
    time, today = time.astimezone(UTC), (now or datetime.now(UTC)).astimezone(UTC).date()
    days = (time.date() - today).days
    if days == 0:
        return f"{time:%H:%M}"
    return f"{time:%a %H:%M}" if 0 < days < 7 else f"{time.day} {time:%b %H:%M}"


def initials(name: str) -> str:
    """Return the first letters of the first and the last word: `ML` of Mara Lindqvist."""
    words = re.findall(r"\w+", name) or ["?"]
    return "".join(word[0] for word in dict.fromkeys((words[0], words[-1]))).upper()


def hue(name: str) -> int:
    """Return which of the six pairs of colours the name has, always the same."""
    return crc32(name.encode()) % 6


def exact(time: datetime) -> str:
    """Return the time to the second: `2026-11-23 10:15:30 UTC`."""
    return rfc3339(time)[:19].replace("T", " ") + " UTC"


def size(count: int | None) -> str:
    """Return bytes in units of a thousand, as container registries show them: `4.1 GB`."""
    if count is None:
        return ""
    value, units = float(count), ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{count} {units[0]}" if units[0] == "bytes" else f"{value:.1f} {units[0]}"


def short_digest(digest: str) -> str:
    """Return the digest without its middle: `sha256:9f2c…a1e0`."""
    algorithm, _, encoded = digest.partition(":")
    if len(encoded) <= 2 * DIGEST_EDGE + 8:
        return digest
    return f"{algorithm}:{encoded[:DIGEST_EDGE]}…{encoded[-DIGEST_EDGE:]}"


def number(value: float | int | Decimal | None) -> str:
    """Return the number with thousands separated: whole ones with all digits, others with six: `0.953`, `3e-5`."""
    if value is None:
        return ""
    most = EXACT if isinstance(value, float) else LONGEST_WHOLE
    if value == int(value) and -most < value < most:
        return f"{int(value):,}"
    return _rounded(float(value))


def _rounded(value: float) -> str:
    if 999_999.5 <= abs(value) < EXACT:
        return f"{value:,.0f}"
    digits, _, power = f"{value:.6g}".partition("e")
    return f"{digits}e{int(power)}" if power else f"{float(digits):,}".rstrip("0").rstrip(".")


def signed(value: float | int | Decimal) -> str:
    """Return the number with its sign: `+0.012`, `−1.4` with a minus sign (U+2212), `±0`."""
    if value == 0:
        return "±0"
    return ("+" if value > 0 else "−") + number(value).lstrip("-")


def percent(value: float | Decimal) -> str:
    """Return `+1.3 %`, `−41.0 %`; below one with two significant digits, from a thousand on without decimals."""
    share = float(value)
    if isinf(share):
        return f"{'+' if share > 0 else '−'}over 1e308 %"
    if 0.995 <= abs(share) < 999.95:
        return f"{'+' if share > 0 else '−'}{abs(share):.1f} %"
    return f"{signed(float(f'{share:.2g}') if abs(share) < 1 else round(share, 0))} %"


def pretty(value: Any, longest: int | None = None) -> str:
    """Return a value of metadata for people: text unchanged, the rest as JSON; at most `longest` characters."""
    if isinstance(value, str):
        return value[:longest]
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return number(value)
    return beginning(_json(value), longest)


def beginning(parts: Iterable[str], longest: int | None = None) -> str:
    """Join the parts to at most `longest` characters, without consuming the parts after them."""
    taken, length = [], 0
    for part in parts:
        taken.append(part)
        length += len(part)
        if longest is not None and length >= longest:
            break
    return "".join(taken)[:longest]


def _json(value: Any, before: str = "\n") -> Iterator[str]:
    """Yield indented JSON that keeps the digits of a Decimal, which `json.dumps` cannot write."""
    within = f"{before}  "
    if isinstance(value, dict) and value:
        for index, (key, item) in enumerate(value.items()):
            yield f"{',' if index else '{'}{within}{json.dumps(key, ensure_ascii=False)}: "
            yield from _json(item, within)
        yield before + "}"
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield f"{',' if index else '['}{within}"
            yield from _json(item, within)
        yield before + "]"
    else:
        yield f"{value:f}" if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def escapable(text: str) -> Markup:
    """Return the text for a `textarea`, in which only its end tag and character references have a meaning.

    Only what could begin one of them is escaped: otherwise 256 KiB of quotes would become 1,280 KiB.
    Source: HTML, "Escapable raw text elements".
    """
    return Markup(TAG.sub("&lt;", REFERENCE.sub("&amp;", text)))  # noqa: S704 - escaped just now


def breakable(text: str) -> str:
    """Return the text with a `<wbr>` after each `.`, `_`, `/`, `:` and `@`, so that a narrow column breaks no word.

    A short text stays as it is, and so does one with many such characters, since each `<wbr>` takes five more.
    """
    parts = PARTS.findall(text) if len(text) > 10 else []
    return Markup("<wbr>").join(parts) if 1 < len(parts) <= 9 else text


def is_link(value: Any) -> bool:
    """Return whether the value may become a link: an address that a field for one would take."""
    return isinstance(value, str) and LINK.fullmatch(value) is not None


def commit_address(metadata: Mapping[str, Any]) -> str | None:
    """Return the address of the commit that metadata names; None without a `git_url`."""
    repository, commit = metadata.get("git_url"), metadata.get("git_commit")
    if not (is_link(repository) and isinstance(commit, str) and commit and len(commit) <= LONGEST_COMMIT):
        return None
    address = str(repository).rstrip("/").removesuffix(".git").rstrip("/")
    return f"{address}/commit/{quote(commit, safe='')}"


class Run(NamedTuple):
    """A run of MLflow: its id, "" if only its address is known, and where a browser finds it."""

    id: str
    address: str


def run_of(metadata: Mapping[str, Any]) -> Run | None:
    """Return the run that metadata names, at the address it has, or else below `MLFLOW_UI_URL`; None without either."""
    origin = metadata.get("mlflow")
    if not isinstance(origin, dict):
        return None
    link, run, ui = origin.get("run_link"), origin.get("run_id"), current_settings().mlflow_ui_url
    run = run if isinstance(run, str) else ""
    if is_link(link):
        return Run(run, str(link))
    return Run(run, f"{ui}/#/runs/{quote(run, safe='')}") if ui and run else None


def version_page(model_name: str, version: str) -> str:
    """Return the address of a version's page: what `url_for` returns, in a tenth of its time. Lists have hundreds of them."""
    name = model_name.replace(" ", "%20")
    return addresses.mounted(f"/models/{name}/versions/{quote(version, safe=SEGMENT)}")


def stages_by_name() -> dict[str, Any]:
    """Return `queries.environments.stages`, read once a request."""
    if "stages" not in g:
        g.stages = environments.stages()
    stages: dict[str, Any] = g.stages
    return stages


def staged(names: list[str]) -> list[str]:
    """Sort environments in the order in which a version passes them."""
    if len(names) < 2:
        return names
    positions = {name: position for position, name in enumerate(stages_by_name())}
    return sorted(names, key=lambda name: (positions.get(name.lower(), len(positions)), name.lower()))


def frozen_environments() -> list[Any]:
    """Return the environments that are frozen now, in order of rank."""
    return [stage for stage in stages_by_name().values() if stage.frozen]


def is_protected(name: str) -> bool:
    """Return whether the environment of this name is protected."""
    stage = stages_by_name().get(name.lower())
    return stage is not None and bool(stage.protected)


def is_overdue(deployment: Any) -> bool:
    """Return whether the deployment is unfinished for longer than its environment allows."""
    if deployment.status not in (DeploymentStatus.PENDING, DeploymentStatus.RUNNING):
        return False
    stage = stages_by_name().get(deployment.environment.lower())
    if stage is None or stage.deploy_within is None:
        return False
    return bool((datetime.now(UTC) - deployment.deployed_at).total_seconds() > stage.deploy_within)


def is_endless(key: Any) -> bool:
    """Return whether the key works without an end where new keys must have one."""
    return bool(key.is_active and key.expires_at is None and current_settings().key_max_age is not None)


def rule(gate: Any) -> str:
    """Return what a gate requires: `accuracy ≥ 0.9`, `Approved by another person or service with the role admin`."""
    return _rule(gate.kind_, gates.rule(gate))


def kept_rule(verdict: dict[str, Any]) -> str:
    """Return what a gate required, of a verdict that was kept, as `rule` does."""
    return _rule(verdict["kind"], verdict["rule"])


def _rule(kind: str, text: str) -> str:
    if kind in (GateKind.METRIC, GateKind.NO_REGRESSION, GateKind.METADATA_PRESENT):
        return text.replace(" >= ", " ≥ ").replace(" <= ", " ≤ ")  # begins with a path, which stays unchanged
    return text[:1].upper() + text[1:]


def markdown(text: str, level: int = 3) -> Markup:
    """Return the Markdown as HTML, without what is beyond `MARKDOWN`. `level` is that of its first heading."""
    return Markup(to_html(text[: end_of_markdown(text)], level))  # noqa: S704 - sanitized there


def beyond_markdown(text: str) -> str:
    """Return the rest of a long text, which pages show as it is: parsing takes the square of its length."""
    return text[end_of_markdown(text) :]


def end_of_markdown(text: str) -> int:
    """Return where the text that is parsed ends: at the end of a line if the text is longer."""
    return len(text) if len(text) <= MARKDOWN else text.rfind("\n", 0, MARKDOWN) + 1 or MARKDOWN


_FILTERS = (
    breakable,
    coded,
    rule,
    kept_rule,
    staged,
    ago,
    clock,
    initials,
    hue,
    exact,
    span,
    size,
    short_digest,
    number,
    signed,
    percent,
    pretty,
    escapable,
    beyond_markdown,
)
FILTERS: dict[str, Any] = {"fromjson": json.loads, "oci": is_oci_digest, "markdown": markdown, "quoted": quoted}
FILTERS |= {it.__name__: it for it in _FILTERS}
TESTS = {"link": is_link, "protected": is_protected, "overdue": is_overdue, "endless": is_endless}
