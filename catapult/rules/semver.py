"""SemVer precedence as a text that PostgreSQL sorts by bytes, so that an index finds the highest version.

Source: https://semver.org/#spec-item-11. A number is written after its length (`10` -> `00210`), so that numbers
of any size sort. A space ends each pre-release identifier, below every character that one may hold. `~` marks a version
without a pre-release, above any with one.
"""

import re

from semver import Version as SemVer


def semver_key(version: str) -> str | None:
    """Return the sort key, or None if the version is not SemVer. A leading `v` and build metadata are ignored."""
    try:
        parsed = SemVer.parse(version[1:] if version[:1] in ("v", "V") else version)
    except ValueError:
        return None
    numbers = "".join(_number(str(part)) for part in (parsed.major, parsed.minor, parsed.patch))
    return numbers + (_prerelease(parsed.prerelease) if parsed.prerelease else "~")


def _number(digits: str) -> str:
    return f"{len(digits):03d}{digits}"


def _prerelease(text: str) -> str:
    """Sort numeric identifiers below alphanumeric ones, and a shorter list below a longer one."""
    parts = (f"1{_number(part)}" if part.isdigit() else f"2{part}" for part in text.split("."))
    return "-" + "".join(f"{part} " for part in parts)


def semver_prefix(text: str) -> str | None:
    """Return what the keys of the versions begin with that go on after this text: of `1.2` those of 1.2.0 and 1.2.3-rc1."""
    match = re.match(r"[vV]?(\d+)(?:\.(\d+)(?:\.(\d+))?)?", text)
    return "".join(_number(part) for part in match.groups() if part is not None) if match else None
