"""SemVer precedence as a text that PostgreSQL sorts by bytes, so that the highest version is one index look-up.

Source: https://semver.org/#spec-item-11. A number is written with its length before it (`10` -> `00210`), which sorts
numbers of any size; a space ends each pre-release identifier and is below every character one may hold; `~` marks a
release, above any pre-release.
"""

from semver import Version as SemVer


def semver_key(version: str) -> str | None:
    """The sort key, a leading `v` ignored; None for what is no SemVer. Build metadata does not count."""
    try:
        parsed = SemVer.parse(version[1:] if version[:1] in ("v", "V") else version)
    except ValueError:
        return None
    numbers = "".join(_number(str(part)) for part in (parsed.major, parsed.minor, parsed.patch))
    return numbers + (_prerelease(parsed.prerelease) if parsed.prerelease else "~")


def _number(digits: str) -> str:
    return f"{len(digits):03d}{digits}"


def _prerelease(text: str) -> str:
    """Numeric identifiers are below alphanumeric ones, and a shorter list is below a longer one."""
    parts = (f"1{_number(part)}" if part.isdigit() else f"2{part}" for part in text.split("."))
    return "-" + "".join(f"{part} " for part in parts)
