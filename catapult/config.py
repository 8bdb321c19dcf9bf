"""Environment -> settings. The only place that reads the environment.

Every setting that is missing or wrong is named in one `ConfigError`. A secret may come from a file instead: `…_FILE`.
Without `DATABASE_URL` this is the single-user default: the embedded PostgreSQL, with secrets made once in `CATAPULT_HOME`.
"""

import os
import re
import secrets
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from environs import Env, EnvError
from flask.sansio.scaffold import find_package
from marshmallow import validate
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from catapult.embedded import Embedded

SALT_LENGTH = 32
RATE = r"[1-9]\d{0,8} ?(?:per|/) ?(?:[1-9]\d{0,5} ?)?(?:second|minute|hour|day)s?"
RATES = re.compile(rf"{RATE}(?: ?[;,] ?{RATE})*")
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
STORAGES = ("redis://", "rediss://", "redis+unix://", "memory://")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class ConfigError(Exception):
    """Settings that are missing or wrong. `problems` are sentences: the setting, what is wrong, what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Settings:
    """What the application needs to know of its surroundings. Secrets are not in the repr."""

    home: Path
    embedded: bool
    database_url: str = field(repr=False)
    api_key_salt: str = field(repr=False)
    secret_key: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    log_level: str = "INFO"
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    rate_limit: str = ""
    rate_limit_storage: str = field(default="memory://", repr=False)
    metrics_key: str = field(default="", repr=False)
    metrics_folder: Path | None = None

    @property
    def url(self) -> str:
        """The address to open; a server on every interface is at least at localhost."""
        host = {"0.0.0.0": "localhost", "::": "localhost"}.get(self.host, self.host)  # noqa: S104 - a name for it
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def load() -> Settings:
    """Read the settings. Raises ConfigError with everything that is wrong, not only the first thing."""
    env = Surroundings()
    _unset_if_empty("WEB_CONCURRENCY")
    home = Path(env.str("CATAPULT_HOME", "") or default_home()).absolute()
    url = env.str("DATABASE_URL", "")
    rest: dict[str, Any] = {
        "host": env.str("HOST", "127.0.0.1"),
        "port": env.int("PORT", 8000, validate=validate.Range(1, 65535)),
        "workers": env.int("WEB_CONCURRENCY", min(os.cpu_count() or 1, 4), validate=validate.Range(1, 128)),
        "log_level": env.str("LOG_LEVEL", "INFO"),
        "cors_origins": listed(env, "CORS_ORIGINS"),
        "trusted_proxies": listed(env, "TRUSTED_PROXIES"),
        "trusted_hosts": tuple(host.lower() for host in listed(env, "TRUSTED_HOSTS")),
        "rate_limit": env.str("RATE_LIMIT", ""),
        "rate_limit_storage": env.str("RATE_LIMIT_STORAGE", "memory://"),
        "metrics_key": env.str("METRICS_KEY", ""),
        "metrics_folder": Path(env.str(METRICS_FOLDER, "")).absolute() if env.str(METRICS_FOLDER, "") else None,
    }
    salt, secret = env.str("API_KEY_SALT", ""), env.str("SECRET_KEY", "")
    rest["log_level"] = rest["log_level"].upper()
    problems = _unreadable(env) + _wrong(rest) + _short(salt) + (_missing(url, salt, secret, env) if url else [])
    if problems:
        raise ConfigError(problems)
    rest["trusted_proxies"] = tuple(ip_network(text) for text in rest["trusted_proxies"])
    if not url:
        salt, secret = salt or kept_secret(home, "api_key_salt"), secret or kept_secret(home, "secret_key")
    return Settings(
        home=home,
        embedded=not url,
        database_url=sqlalchemy_url(url or Embedded(home).url),
        api_key_salt=salt,
        secret_key=secret,
        **rest,
    )


def listed(env: Env, name: str) -> tuple[str, ...]:
    """What stands between the commas."""
    return tuple(part.strip() for part in env.list(name, [], subcast=str) if part.strip())


def share_metrics(folder: Path) -> None:
    """prometheus-client, once it is loaded, keeps its figures in that folder, for all processes; it takes no other word for it."""
    os.environ[METRICS_FOLDER] = str(folder)


def _unset_if_empty(name: str) -> None:
    """gunicorn reads it for itself once it is imported, and stumbles over "": what compose hands on where nothing was set."""
    if not os.environ.get(name, "").strip():
        os.environ.pop(name, None)


class Surroundings(Env):
    """The environment, with `…_FILE` for every setting. What is empty is not set; `unread` are settings to be named."""

    def __init__(self) -> None:
        super().__init__(eager=False, expand_vars=False)
        self.unread: dict[str, str] = {}

    def _get_value(self, env_key: str, default: Any) -> Any:
        value, file = os.environ.get(env_key, "").strip(), os.environ.get(f"{env_key}_FILE", "")
        if value and file:
            self.unread[env_key] = f"{env_key} and {env_key}_FILE are both set; unset one of them."
        elif file:
            value = self._content(env_key, Path(file))
        return value or default

    def _content(self, name: str, file: Path) -> str:
        """Without the line's end that editors add. "" and a problem if there is nothing."""
        try:
            value, why = file.read_text().strip(), "is empty"
        except (OSError, ValueError) as error:
            value, why = "", f"cannot be read ({getattr(error, 'strerror', None) or 'it is no text'})"
        if not value:
            self.unread[name] = f"{name}_FILE is {file}, which {why}. Name a file that holds the value of {name}."
        return value


def default_home() -> Path:
    """Flask's instance folder: `instance` beside the package in a checkout, `var/catapult-instance` once installed."""
    prefix, package = find_package("catapult")
    return Path(package, "instance") if prefix is None else Path(prefix, "var", "catapult-instance")


def sqlalchemy_url(url: str) -> str:
    """The address with psycopg2 named: SQLAlchemy 2.1 takes a plain `postgresql://` for psycopg 3."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg2://{rest}" if scheme in ("postgres", "postgresql") else url


def kept_secret(home: Path, name: str) -> str:
    """The secret in that file of `home`, made (0600, in a folder of 0700) if there is none. Raises ConfigError."""
    path = home / name
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = home / f".{name}.{os.getpid()}"
        if not path.exists():
            made.touch(mode=0o600)
            _write(made, secrets.token_urlsafe(48))
            _link(made, path)
        kept = path.read_text().strip()
    except OSError as error:
        raise ConfigError(
            [f"CATAPULT_HOME ({home}) cannot be used: {error.strerror}. Name a folder this user may write."]
        ) from error
    if len(kept) < SALT_LENGTH:
        raise ConfigError(
            [f"{path} holds no secret any more; put the former one back, or remove it with the keys it made."]
        )
    return kept


def _write(path: Path, secret: str) -> None:
    """On the disk, not only in memory: a key made with a salt that a crash loses is worth nothing."""
    with path.open("w") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())


def _link(made: Path, path: Path) -> None:
    """Two processes that start at once agree on one secret: the first link wins, both read what it left."""
    try:
        os.link(made, path)
    except FileExistsError:
        pass
    finally:
        made.unlink()


def _unreadable(env: Surroundings) -> list[str]:
    problems = list(env.unread.values())
    try:
        env.seal()
    except EnvError as error:
        messages: dict[str, list[str]] = getattr(error, "error_messages", {}) or {}
        named = [f"{name}: {' '.join(texts)} See the README's table of settings." for name, texts in messages.items()]
        problems += named or [f"{error}. See the README's table of settings."]
    return problems


def _wrong(rest: dict[str, Any]) -> list[str]:
    problems = []
    if rest["log_level"] not in LOG_LEVELS:
        problems.append(f"LOG_LEVEL is {rest['log_level']!r}; it takes one of {', '.join(LOG_LEVELS)}.")
    for origin in rest["cors_origins"]:
        if origin != "*" and not _is_origin(origin):
            problems.append(f"CORS_ORIGINS holds {origin!r}; an origin is as https://ml.example.com, without a path.")
    problems += _wrong_trust(rest["trusted_proxies"], rest["trusted_hosts"])
    problems += _wrong_rates(rest["rate_limit"], rest["rate_limit_storage"])
    if rest["metrics_key"] and not re.fullmatch(r"[!-~]{16,}", rest["metrics_key"]):
        problems.append(f"METRICS_KEY needs 16 or more visible ASCII characters: `{_RECIPE}`.")
    return problems


def _wrong_trust(proxies: tuple[str, ...], hosts: tuple[str, ...]) -> list[str]:
    problems = []
    for proxy in proxies:
        try:
            ip_network(proxy)
        except ValueError as error:
            problems.append(
                f"TRUSTED_PROXIES holds {proxy!r} ({error}); it takes addresses and networks as 10.0.0.5, 10.1.0.0/16."
            )
    for host in hosts:
        if not re.fullmatch(r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]", host):
            problems.append(
                f"TRUSTED_HOSTS holds {host!r}; it takes names as ml.example.com, or .example.com for all below it, "
                "without scheme, port and path."
            )
    return problems


def _wrong_rates(limit: str, storage: str) -> list[str]:
    problems = []
    if limit and not RATES.fullmatch(limit):
        problems.append(f"RATE_LIMIT is {limit!r}; it looks like `50 per second` or `50 per second; 1000 per minute`.")
    if not storage.startswith(STORAGES):  # not repeated: it may hold a password
        problems.append(
            "RATE_LIMIT_STORAGE is no address of Redis; it looks like redis://host:6379/0, or is not set: each process counts."
        )
    return problems


def _is_origin(text: str) -> bool:
    if not re.fullmatch(r"[A-Za-z0-9.:/\[\]-]+", text):  # flask-cors takes any other for a pattern
        return False
    parts = urlsplit(text)
    return (
        parts.scheme in ("http", "https") and bool(parts.netloc) and not (parts.path or parts.query or parts.fragment)
    )


def _missing(url: str, salt: str, secret: str, env: Surroundings) -> list[str]:
    problems = []
    if not _is_address(url):
        problems.append(
            "DATABASE_URL is no PostgreSQL address; it looks like postgresql://user:password@host:5432/name."
        )
    if not salt and "API_KEY_SALT" not in env.unread:
        problems.append(
            f"API_KEY_SALT is not set; make one with `{_RECIPE}` and keep it: keys are worthless without it."
        )
    if not secret and "SECRET_KEY" not in env.unread:
        problems.append(f"SECRET_KEY is not set; make one with `{_RECIPE}`.")
    return problems


def _is_address(url: str) -> bool:
    try:
        made = make_url(url)
    except (ArgumentError, ValueError):
        return False
    return made.drivername in ("postgres", "postgresql", "postgresql+psycopg2")


def _short(salt: str) -> list[str]:
    if salt and len(salt) < SALT_LENGTH:
        return [f"API_KEY_SALT has {len(salt)} characters; it needs {SALT_LENGTH} or more: `{_RECIPE}`."]
    return []


_RECIPE = 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
