"""The order of versions as a text that PostgreSQL sorts by bytes, so that an index finds the highest version.

SemVer (https://semver.org/#spec-item-11), and dotted numbers of any length such as `9`, `1.10` or `2026.01.15`, which are
ordered by number among SemVer: `1.9` as 1.9.0, and 1.2.3.4 between 1.2.3 and 1.2.4. A number is written after its length
(`10` -> `00210`), so that numbers of any size sort. A space ends each pre-release identifier, below every character that
one may hold. `~` marks a version without a pre-release, above any with one; the numbers after the third follow it.
"""

import re

from semver import Version as SemVer

_DOTTED = re.compile(r"[0-9]+(\.[0-9]+)*")


def semver_key(version: str) -> str | None:
    """Return the sort key, or None if the version is neither SemVer nor dotted numbers.

    A leading `v`, leading zeros of dotted numbers, and SemVer's build metadata are ignored.
    """
    plain = version[1:] if version[:1] in ("v", "V") else version
    if _DOTTED.fullmatch(plain):
        parts = [_number(part) for part in plain.split(".")]
        parts += [_number("0")] * (3 - len(parts))
        return "".join([*parts[:3], "~", *parts[3:]])
    try:
        parsed = SemVer.parse(plain)
    except ValueError:
        return None
    numbers = "".join(_number(str(part)) for part in (parsed.major, parsed.minor, parsed.patch))
    return numbers + (_prerelease(parsed.prerelease) if parsed.prerelease else "~")


def _number(digits: str) -> str:
    digits = digits.lstrip("0") or "0"
    return f"{len(digits):03d}{digits}"


def _prerelease(text: str) -> str:
    """Sort numeric identifiers below alphanumeric ones, and a shorter list below a longer one."""
    parts = (f"1{_number(part)}" if part.isdigit() else f"2{part}" for part in text.split("."))
    return "-" + "".join(f"{part} " for part in parts)


def semver_prefix(text: str) -> str | None:
    """Return the beginning of the keys of versions that start with this text: `1.2` for 1.2.0 and 1.2.3-rc1."""
    match = re.match(r"[vV]?(\d+)(?:\.(\d+)(?:\.(\d+))?)?", text)
    return "".join(_number(part) for part in match.groups() if part is not None) if match else None
