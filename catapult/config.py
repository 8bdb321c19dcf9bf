"""Environment -> settings. The only place that reads the environment.

One `ConfigError` names every setting that is missing or invalid. Each setting may come from a file instead: `…_FILE`.
Without `DATABASE_URL`, Catapult uses the embedded PostgreSQL and creates its secrets once in `CATAPULT_HOME`.
"""

import os
import re
import secrets
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, NamedTuple
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
FOREIGN = (
    *("PGCLIENTENCODING", "PGDATESTYLE", "PGTZ", "PGGEQO", "PGOPTIONS", "PGAPPNAME", "PGCONNECT_TIMEOUT"),
    *("PGHOSTADDR", "PGSERVICE"),
)
"""Variables of libpq that would change what is stored or read, or lead to another server than `DATABASE_URL` names."""
ENVIRONMENT_ROLES = ("publisher", "releaser", "admin")
MOUNT = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*")
"""The path below which a proxy shows this application: "" or `/catapult`. No segment leads up, and none is empty."""
PUBLIC_URL = re.compile(
    rf"(?i:https?://(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]))(?::[1-9][0-9]{{0,4}})?{MOUNT.pattern}/?"
)
WEBHOOK_TRIES = (0, 5, 300, 1_800, 7_200, 18_000, 36_000)
"""Seconds before each try to send an event: the first at once, the last after 10 hours."""
SMTP = re.compile(r"smtps?://[^/?#\s]+/?")
SYSLOG = re.compile(r"tcp(\+tls)?://[^/?#@\s]+/?")
_LABEL = "(?!-)[a-z0-9_-]{1,63}(?<!-)"
HOST_NAME = re.compile(rf"(?!.{{254}})(?!(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\Z){_LABEL}(?:\.{_LABEL})*")
"""A host name in lower case. If its last part were a number, `127.1` or `0x7f000001`, resolvers would take it for an address."""
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class ConfigError(Exception):
    """Settings are missing or invalid. Each of `problems` names a setting, what is wrong and what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Allowed(NamedTuple):
    """An entry of EGRESS_ALLOW: a host name or a network, with one port or, if that is None, all of them."""

    host: str
    network: IPv4Network | IPv6Network | None
    port: int | None

    @classmethod
    def of(cls, text: str) -> "Allowed":
        """Return the entry as it is written: `10.0.0.0/8`, `hooks.corp`, `127.0.0.1:9000`, `[fd00::1]:9000`. Raises ValueError."""
        match = re.fullmatch(r"(?:\[([^\[\]%]+)\]|([^\[\]:]+))(?::([0-9]{1,5}))?|([^\[\]%]+)", text.lower())
        if not match or (match[3] and not 0 < int(match[3]) < 65536):
            raise ValueError("neither a network nor a host name, with a port from 1 to 65535 or without")
        port = int(match[3]) if match[3] else None
        if match[2] and HOST_NAME.fullmatch(match[2]):
            return cls(match[2], None, port)
        network = ip_network(match[1] or match[2] or match[4])
        if network.is_link_local and network.num_addresses > 1:
            raise ValueError("link-local addresses have to be named one by one")
        return cls("", network, port)


@dataclass(frozen=True)
class Settings:
    """The settings of one process. The repr leaves out secrets."""

    home: Path
    embedded: bool
    database_url: str = field(repr=False)
    api_key_salt: str = field(repr=False)
    secret_key: str = field(repr=False)
    server_database_url: str = field(default="", repr=False)
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    log_level: str = "INFO"
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    public_url: str = ""
    rate_limit: str = ""
    rate_limit_storage: str = field(default="memory://", repr=False)
    metrics_key: str = field(default="", repr=False)
    metrics_folder: Path | None = None
    key_max_age: timedelta | None = None
    environment_role: str = "publisher"
    webhook_tries: tuple[int, ...] = WEBHOOK_TRIES
    smtp_url: str = field(default="", repr=False)
    mail_from: str = ""
    egress_allow: tuple[Allowed, ...] = ()
    egress_proxy: str = field(default="", repr=False)
    egress_ca: str = field(default="", repr=False)
    audit_key: str = field(default="", repr=False)
    checkpoint_folder: Path | None = None
    syslog_url: str = ""

    @property
    def url(self) -> str:
        """The address to open in a browser: localhost for a server on all interfaces."""
        host = {"0.0.0.0": "localhost", "::": "localhost"}.get(self.host, self.host)  # noqa: S104 - a name, not a bind
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def load() -> Settings:
    """Read the settings. Raises ConfigError with every problem, not only the first."""
    env = Environment()
    _unset_if_empty("WEB_CONCURRENCY")
    home = Path(env.str("CATAPULT_HOME", "") or default_home()).absolute()
    url = env.str("DATABASE_URL", "")
    values: dict[str, Any] = {
        "host": env.str("HOST", "127.0.0.1"),
        "port": env.int("PORT", 8000, validate=validate.Range(1, 65535)),
        "workers": env.int("WEB_CONCURRENCY", min(os.cpu_count() or 1, 4), validate=validate.Range(1, 128)),
        "log_level": env.str("LOG_LEVEL", "INFO"),
        "cors_origins": list_of(env, "CORS_ORIGINS"),
        "trusted_proxies": list_of(env, "TRUSTED_PROXIES"),
        "trusted_hosts": tuple(host.lower() for host in list_of(env, "TRUSTED_HOSTS")),
        "public_url": env.str("PUBLIC_URL", ""),
        "rate_limit": env.str("RATE_LIMIT", ""),
        "rate_limit_storage": env.str("RATE_LIMIT_STORAGE", "memory://"),
        "metrics_key": env.str("METRICS_KEY", ""),
        "key_max_age": env.str("KEY_MAX_AGE", ""),
        "server_database_url": env.str("SERVER_DATABASE_URL", ""),
        "environment_role": env.str("ENVIRONMENT_ROLE", "") or "publisher",
        "webhook_tries": list_of(env, "WEBHOOK_TRIES"),
        "smtp_url": env.str("SMTP_URL", ""),
        "mail_from": env.str("MAIL_FROM", ""),
        "egress_allow": list_of(env, "EGRESS_ALLOW"),
        "egress_proxy": env.str("EGRESS_PROXY", ""),
        "egress_ca": env.str("EGRESS_CA", ""),
        "audit_key": env.str("AUDIT_KEY", ""),
        "syslog_url": env.str("SYSLOG_URL", ""),
        "checkpoint_folder": Path(env.str("CHECKPOINT_FOLDER", "")).absolute()
        if env.str("CHECKPOINT_FOLDER", "")
        else None,
        "metrics_folder": Path(env.str(METRICS_FOLDER, "")).absolute() if env.str(METRICS_FOLDER, "") else None,
    }
    salt, secret = env.str("API_KEY_SALT", ""), env.str("SECRET_KEY", "")
    values["log_level"] = values["log_level"].upper()
    problems = _unreadable(env) + _invalid(values) + _short(salt) + (_missing(url, salt, secret, env) if url else [])
    problems += _invalid_server(values["server_database_url"], url) + _invalid_egress(values)
    if problems:
        raise ConfigError(problems)
    _unset_foreign(url)
    os.environ.pop("SCRIPT_NAME", None)  # gunicorn would take it for the mount point
    values["trusted_proxies"] = tuple(ip_network(text) for text in values["trusted_proxies"])
    values["webhook_tries"] = tuple(map(int, values["webhook_tries"])) or WEBHOOK_TRIES
    values["egress_allow"] = tuple(Allowed.of(text) for text in values["egress_allow"])
    values["egress_ca"] = _certificates(values["egress_ca"])
    values["public_url"] = _normalized(values["public_url"])
    if values["public_url"] and values["trusted_hosts"]:
        values["trusted_hosts"] += (re.sub(r":\d+$", "", urlsplit(values["public_url"]).netloc),)
    values["key_max_age"] = timedelta(days=int(values["key_max_age"][:-1])) if values["key_max_age"] else None
    if not url:
        salt, secret = salt or stored_secret(home, "api_key_salt"), secret or stored_secret(home, "secret_key")
    return Settings(
        home=home,
        embedded=not url,
        database_url=sqlalchemy_url(url or Embedded(home).url),
        api_key_salt=salt,
        secret_key=secret,
        **values,
    )


def list_of(env: Env, name: str) -> tuple[str, ...]:
    """Return the parts between the commas."""
    return tuple(part.strip() for part in env.list(name, [], subcast=str) if part.strip())


def share_metrics(folder: Path) -> None:
    """Make prometheus-client share its metrics in that folder. It reads only this variable, when it is imported."""
    os.environ[METRICS_FOLDER] = str(folder)


def _unset_if_empty(name: str) -> None:
    """Unset an empty variable: compose passes "" for what is not set, and gunicorn fails on it when it is imported."""
    if not os.environ.get(name, "").strip():
        os.environ.pop(name, None)


def _unset_foreign(url: str) -> None:
    """Unset what libpq would read beside `DATABASE_URL`. What completes it stays, such as PGUSER, PGPASSWORD and PGSSLMODE.

    PGHOST and PGPORT stay where the address names no host. For the embedded database nothing stays.
    """
    names = [name for name in os.environ if name.startswith("PG")]
    for name in [name for name in names if name in FOREIGN] if url else names:
        del os.environ[name]
    if url and _names_host(url):
        os.environ.pop("PGPORT", None)


def _names_host(url: str) -> bool:
    address = make_url(url)
    return bool(address.host or "host" in address.query)


class Environment(Env):
    """The environment, with `…_FILE` for every setting. Empty means not set. `unread` has a problem for each unreadable one."""

    def __init__(self) -> None:
        super().__init__(eager=False, expand_vars=False)
        self.unread: dict[str, str] = {}

    def _get_value(self, env_key: str, default: Any) -> Any:
        value, file = os.environ.get(env_key, "").strip(), os.environ.get(f"{env_key}_FILE", "")
        if value and file:
            self.unread[env_key] = f"{env_key} and {env_key}_FILE are both set; unset one of them."
        elif file:
            value = self._read(env_key, Path(file))
        return value or default

    def _read(self, name: str, file: Path) -> str:
        """Return the content without the newline that editors add; "" with a problem in `unread` if there is none."""
        try:
            value, reason = file.read_text().strip(), "is empty"
        except (OSError, ValueError) as error:
            value, reason = "", f"cannot be read ({getattr(error, 'strerror', None) or 'not a text file'})"
        if not value:
            self.unread[name] = f"{name}_FILE is {file}, which {reason}. Name a file that contains the value of {name}."
        return value


def default_home() -> Path:
    """Return Flask's instance folder: `instance` in a checkout, `var/catapult-instance` in an installation."""
    prefix, package = find_package("catapult")
    return Path(package, "instance") if prefix is None else Path(prefix, "var", "catapult-instance")


def sqlalchemy_url(url: str) -> str:
    """Return the address with the driver psycopg2: SQLAlchemy 2.1 uses psycopg 3 for a plain `postgresql://`."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg2://{rest}" if scheme in ("postgres", "postgresql") else url


def _random() -> str:
    return secrets.token_urlsafe(48)


def stored_secret(home: Path, name: str, create: Callable[[], str] = _random) -> str:
    """Return the secret in that file of `home`; create it with mode 0600 if there is none. Raises ConfigError."""
    path = home / name
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            new = home / f".{name}.{os.getpid()}"
            new.touch(mode=0o600)
            _write(new, create())
            _link(new, path)
        secret = path.read_text().strip()
    except OSError as error:
        raise ConfigError(
            [f"CATAPULT_HOME ({home}) cannot be used: {error.strerror}. Name a folder that this user may write to."]
        ) from error
    if len(secret) < SALT_LENGTH:
        raise ConfigError([f"{path} contains no secret. Restore the file, or remove it and the keys created with it."])
    return secret


def _write(path: Path, secret: str) -> None:
    """Write the secret to the disk at once: a crash that loses the salt makes every key useless."""
    with path.open("w") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())


def _link(new: Path, path: Path) -> None:
    """Rename `new` to `path`, unless another process that started at the same time already has: both use that file."""
    try:
        with suppress(FileExistsError):
            os.link(new, path)
    finally:
        new.unlink()


def _unreadable(env: Environment) -> list[str]:
    problems = list(env.unread.values())
    try:
        env.seal()
    except EnvError as error:
        messages: dict[str, list[str]] = getattr(error, "error_messages", {}) or {}
        named = [f"{name}: {' '.join(texts)} See docs/configuration.md." for name, texts in messages.items()]
        problems += named or [f"{error}. See docs/configuration.md."]
    return problems


def _invalid(values: dict[str, Any]) -> list[str]:
    problems = []
    if values["log_level"] not in LOG_LEVELS:
        problems.append(f"LOG_LEVEL is {values['log_level']!r}; use one of {', '.join(LOG_LEVELS)}.")
    for origin in values["cors_origins"]:
        if origin != "*" and not _is_origin(origin):
            problems.append(f"CORS_ORIGINS contains {origin!r}; use the form https://ml.example.com, without a path.")
    problems += _invalid_trust(values["trusted_proxies"], values["trusted_hosts"])
    if values["public_url"] and not PUBLIC_URL.fullmatch(values["public_url"]):
        problems.append(
            f"PUBLIC_URL is {values['public_url']!r}; use the address that people open, such as https://ml.example.com "
            "or https://ml.example.com/catapult, without user, query and fragment."
        )
    problems += _invalid_rates(values["rate_limit"], values["rate_limit_storage"])
    if values["key_max_age"] and not re.fullmatch(r"[1-9]\d{0,3}d", values["key_max_age"], re.ASCII):
        problems.append(f"KEY_MAX_AGE is {values['key_max_age']!r}; use a number of days such as 90d.")
    if values["environment_role"] not in ENVIRONMENT_ROLES:
        used = values["environment_role"]
        problems.append(f"ENVIRONMENT_ROLE is {used!r}; use one of {', '.join(ENVIRONMENT_ROLES)}.")
    problems += _invalid_sending(values["webhook_tries"], values["smtp_url"], values["mail_from"])
    if values["syslog_url"] and not (SYSLOG.fullmatch(values["syslog_url"]) and _has_host(values["syslog_url"])):
        problems.append(
            f"SYSLOG_URL is {values['syslog_url']!r}; use tcp+tls://logs.example.com:6514, or tcp:// within your own network."
        )
    if values["metrics_key"] and not re.fullmatch(r"[!-~]{16,}", values["metrics_key"]):
        problems.append(f"METRICS_KEY needs 16 or more visible ASCII characters. Create one: `{_RECIPE}`.")
    return problems


def _invalid_sending(tries: tuple[str, ...], smtp_url: str, mail_from: str) -> list[str]:
    problems = []
    if not (len(tries) <= 20 and all(re.fullmatch(r"\d{1,6}", seconds, re.ASCII) for seconds in tries)):
        problems.append("WEBHOOK_TRIES takes the seconds before each try, separated by commas, such as 0,5,300,1800.")
    if smtp_url and not (SMTP.fullmatch(smtp_url) and _has_host(smtp_url)):  # not repeated: it may hold a password
        problems.append("SMTP_URL is not the address of a mail server. Use smtp://user:password@host:587, or smtps://.")
    if smtp_url and not re.fullmatch(r"[^@\s<>]+@[A-Za-z0-9.-]+", mail_from):
        problems.append("MAIL_FROM is not an email address. SMTP_URL needs one to send from, such as ml@example.com.")
    return problems


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname) and urlsplit(url).port != 0
    except ValueError:
        return False


def _normalized(url: str) -> str:
    """Return the address with scheme and host in lower case, and without a slash at its end."""
    parts = urlsplit(url.removesuffix("/"))
    return parts._replace(netloc=parts.netloc.lower()).geturl()


def _invalid_trust(proxies: tuple[str, ...], hosts: tuple[str, ...]) -> list[str]:
    problems = []
    for proxy in proxies:
        try:
            ip_network(proxy)
        except ValueError as error:
            problems.append(
                f"TRUSTED_PROXIES contains {proxy!r} ({error}); use addresses and networks such as 10.0.0.5, 10.1.0.0/16."
            )
    for host in hosts:
        if not re.fullmatch(r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]", host):
            problems.append(
                f"TRUSTED_HOSTS contains {host!r}; use names such as ml.example.com, or .example.com for all subdomains, "
                "without scheme, port and path."
            )
    return problems


def _invalid_rates(limit: str, storage: str) -> list[str]:
    problems = []
    if limit and not RATES.fullmatch(limit):
        problems.append(f"RATE_LIMIT is {limit!r}; use the form `50 per second` or `50 per second; 1000 per minute`.")
    if not storage.startswith(STORAGES):  # not repeated: it may hold a password
        problems.append(
            "RATE_LIMIT_STORAGE is not a Redis address. Use redis://host:6379/0, or unset it to count in each process."
        )
    return problems


def _invalid_egress(values: dict[str, Any]) -> list[str]:
    problems = []
    for text in values["egress_allow"]:
        try:
            Allowed.of(text)
        except ValueError as error:
            problems.append(
                f"EGRESS_ALLOW contains {text!r} ({error}); use networks, addresses and host names such as 10.0.0.0/8, "
                "hooks.corp, 127.0.0.1:9000, [fd00::1]:9000."
            )
    if values["egress_proxy"] and not _is_proxy(values["egress_proxy"]):  # not repeated: it may hold a password
        problems.append(
            "EGRESS_PROXY is not the address of an HTTP proxy. Use the form http://proxy.corp:3128 or "
            "http://user:password@proxy.corp:3128, with special characters of the password percent-encoded."
        )
    try:
        _certificates(values["egress_ca"])
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a certificate"
        problems.append(f"EGRESS_CA cannot be read ({reason}). Name a file with certificates of authorities in PEM.")
    return problems


def _certificates(setting: str) -> str:
    """Return the certificates in PEM that EGRESS_CA names, or holds, as it does from EGRESS_CA_FILE. Raises OSError, ValueError."""
    if not setting:
        return ""
    text = setting if "-----BEGIN" in setting else Path(setting).read_text("ascii", "ignore")
    certificates = text.encode("ascii", "ignore").decode()  # names beside them may have other characters
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=certificates)
    return certificates


def _is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname and parts.port)
    except ValueError:
        return False
    is_bare = parts.scheme == "http" and parts.path in ("", "/") and not (parts.query or parts.fragment)
    return has_host and is_bare and re.fullmatch("[!-~]+", url) is not None


def _is_origin(text: str) -> bool:
    if not re.fullmatch(r"[A-Za-z0-9.:/\[\]-]+", text):  # flask-cors reads other characters as a pattern
        return False
    parts = urlsplit(text)
    return (
        parts.scheme in ("http", "https") and bool(parts.netloc) and not (parts.path or parts.query or parts.fragment)
    )


def _missing(url: str, salt: str, secret: str, env: Environment) -> list[str]:
    problems = []
    if not _is_address(url):
        problems.append(
            "DATABASE_URL is not a PostgreSQL address. Use the form postgresql://user:password@host:5432/name."
        )
    if not salt and "API_KEY_SALT" not in env.unread:
        problems.append(
            f"API_KEY_SALT is not set. Create one with `{_RECIPE}` and keep it: keys only work with their salt."
        )
    if not secret and "SECRET_KEY" not in env.unread:
        problems.append(f"SECRET_KEY is not set. Create one with `{_RECIPE}`.")
    return problems


def _invalid_server(server: str, url: str) -> list[str]:
    """Return what is wrong with SERVER_DATABASE_URL, which is not repeated, as it holds a password."""
    if not server:
        return []
    if not url:
        return ["SERVER_DATABASE_URL is for a database of your own: set DATABASE_URL, or leave both out."]
    if not _is_address(server) or not (make_url(server).username and make_url(server).password):
        return [
            "SERVER_DATABASE_URL is no PostgreSQL address with a user and a password, as DATABASE_URL of the server is."
        ]
    if _is_address(url) and make_url(server).username == make_url(url).username:
        return ["SERVER_DATABASE_URL has the user of DATABASE_URL. The server's role must be another than the owner's."]
    return []


def _is_address(url: str) -> bool:
    try:
        return make_url(url).drivername in ("postgres", "postgresql", "postgresql+psycopg2")
    except (ArgumentError, ValueError):
        return False


def _short(salt: str) -> list[str]:
    if salt and len(salt) < SALT_LENGTH:
        return [f"API_KEY_SALT has {len(salt)} characters; it needs {SALT_LENGTH} or more. Create one: `{_RECIPE}`."]
    return []


_RECIPE = 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
