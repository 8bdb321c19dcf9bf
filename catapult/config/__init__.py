"""Environment -> settings. The only place that reads the environment.

One `ConfigError` names every setting that is missing or invalid. Each setting may come from a file instead: `…_FILE`.
Without `DATABASE_URL`, Catapult uses the embedded PostgreSQL and creates its secrets once in `CATAPULT_HOME`.
"""

import os
import re
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from environs import Env, EnvError
from marshmallow import validate
from sqlalchemy.engine import make_url

from catapult.config.forms import Allowed, ConfigError, bytes_of, certificates
from catapult.config.home import default_home, stored_secret
from catapult.config.problems import all_problems
from catapult.config.registry_secrets import PREFIX, RegistrySecrets, SecretMissing
from catapult.embedded import Embedded

__all__ = ["Allowed", "ConfigError", "RegistrySecrets", "SecretMissing", "Settings", "load"]

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
FOREIGN = (
    *("PGCLIENTENCODING", "PGDATESTYLE", "PGTZ", "PGGEQO", "PGOPTIONS", "PGAPPNAME", "PGCONNECT_TIMEOUT"),
    *("PGHOSTADDR", "PGSERVICE"),
)
"""Variables of libpq that would change what is stored or read, or lead to another server than `DATABASE_URL` names."""
WEBHOOK_TRIES = (0, 5, 300, 1_800, 7_200, 18_000, 36_000)
"""Seconds before each try to send an event: the first at once, the last after 10 hours."""


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
    mlflow_ui_url: str = ""
    webhook_tries: tuple[int, ...] = WEBHOOK_TRIES
    smtp_url: str = field(default="", repr=False)
    mail_from: str = ""
    egress_allow: tuple[Allowed, ...] = ()
    egress_proxy: str = field(default="", repr=False)
    egress_ca: str = field(default="", repr=False)
    drift_every: int = 900
    registry_secrets: RegistrySecrets = field(default_factory=RegistrySecrets)
    audit_key: str = field(default="", repr=False)
    storage_url: str = ""
    storage_quota: int | None = None
    mount: Path | None = None
    mount_folders: tuple[str, ...] = ()
    files_url: str = ""
    files_by_nginx: bool = False
    s3_proxy: bool = False
    s3_endpoint_url: str = ""
    aws_access_key_id: str = field(default="", repr=False)
    aws_secret_access_key: str = field(default="", repr=False)
    aws_region: str = ""
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
    values = _values(env)
    salt, secret = env.str("API_KEY_SALT", ""), env.str("SECRET_KEY", "")
    values["log_level"] = values["log_level"].upper()
    if problems := _unreadable(env) + all_problems(values, url, salt, secret, env.unread):
        raise ConfigError(problems)
    _unset_foreign(url)
    os.environ.pop("SCRIPT_NAME", None)  # gunicorn would take it for the mount point
    values["trusted_proxies"] = tuple(ip_network(text) for text in values["trusted_proxies"])
    values["webhook_tries"] = tuple(map(int, values["webhook_tries"])) or WEBHOOK_TRIES
    values["storage_quota"] = bytes_of(values["storage_quota"]) if values["storage_quota"] else None
    values["egress_allow"] = tuple(Allowed.of(text) for text in values["egress_allow"])
    values["egress_ca"] = certificates(values["egress_ca"])
    values["public_url"] = _normalized(values["public_url"])
    values["mlflow_ui_url"] = _normalized(values["mlflow_ui_url"])
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


def _values(env: Env) -> dict[str, Any]:
    """Return the settings as they were written, by their names in `Settings`, but the address and the secrets."""
    return {
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
        "mlflow_ui_url": env.str("MLFLOW_UI_URL", ""),
        "webhook_tries": list_of(env, "WEBHOOK_TRIES"),
        "smtp_url": env.str("SMTP_URL", ""),
        "mail_from": env.str("MAIL_FROM", ""),
        "egress_allow": list_of(env, "EGRESS_ALLOW"),
        "egress_proxy": env.str("EGRESS_PROXY", ""),
        "egress_ca": env.str("EGRESS_CA", ""),
        "drift_every": env.int("DRIFT_EVERY", 900, validate=validate.Range(0, 86_400)),
        "registry_secrets": _registry_secrets(env.str("REGISTRY_SECRETS", "")),
        "audit_key": env.str("AUDIT_KEY", ""),
        "storage_url": env.str("STORAGE_URL", ""),
        "storage_quota": env.str("STORAGE_QUOTA", ""),
        "mount": Path(env.str("CEPH_MOUNT_PATH", "")) if env.str("CEPH_MOUNT_PATH", "") else None,
        "mount_folders": tuple(folder.strip("/") for folder in list_of(env, "MOUNT_FOLDERS")),
        "files_url": env.str("FILES_URL", ""),
        "files_by_nginx": env.bool("FILES_BY_NGINX", False),
        "s3_proxy": env.bool("S3_PROXY", False),
        "s3_endpoint_url": env.str("S3_ENDPOINT_URL", ""),
        "aws_access_key_id": env.str("AWS_ACCESS_KEY_ID", ""),
        "aws_secret_access_key": env.str("AWS_SECRET_ACCESS_KEY", ""),
        "aws_region": env.str("AWS_REGION", ""),
        "syslog_url": env.str("SYSLOG_URL", ""),
        "checkpoint_folder": Path(env.str("CHECKPOINT_FOLDER", "")).absolute()
        if env.str("CHECKPOINT_FOLDER", "")
        else None,
        "metrics_folder": Path(env.str(METRICS_FOLDER, "")).absolute() if env.str(METRICS_FOLDER, "") else None,
    }


def _registry_secrets(folder: str) -> RegistrySecrets:
    variables = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    return RegistrySecrets(Path(folder).absolute() if folder else None, variables)


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


def _normalized(url: str) -> str:
    """Return the address with scheme and host in lower case, and without a slash at its end."""
    parts = urlsplit(url.removesuffix("/"))
    return parts._replace(netloc=parts.netloc.lower()).geturl()


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


def sqlalchemy_url(url: str) -> str:
    """Return the address with the driver psycopg2: SQLAlchemy 2.1 uses psycopg 3 for a plain `postgresql://`."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg2://{rest}" if scheme in ("postgres", "postgresql") else url


def _unreadable(env: Environment) -> list[str]:
    problems = list(env.unread.values())
    try:
        env.seal()
    except EnvError as error:
        messages: dict[str, list[str]] = getattr(error, "error_messages", {}) or {}
        named = [f"{name}: {' '.join(texts)} See docs/configuration.md." for name, texts in messages.items()]
        problems += named or [f"{error}. See docs/configuration.md."]
    return problems
