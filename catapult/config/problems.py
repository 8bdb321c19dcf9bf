"""What is wrong with settings. Each problem names the setting and what to do, and repeats none that may hold a password."""

import re
from collections.abc import Collection
from importlib.util import find_spec
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from catapult.config.forms import (
    ENVIRONMENT_ROLES,
    FILES,
    LOG_LEVELS,
    PUBLIC_URL,
    RATES,
    SALT_LENGTH,
    SIZE,
    SMTP,
    STORAGE,
    STORAGES,
    SYSLOG,
    Allowed,
    certificates,
)

_RECIPE = 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'


def all_problems(values: dict[str, Any], url: str, salt: str, secret: str, unread: Collection[str]) -> list[str]:
    """Return every problem of the settings. `url` is DATABASE_URL; those `unread` have their problem already."""
    problems = _invalid(values) + _short(salt) + (_missing(url, salt, secret, unread) if url else [])
    return problems + _invalid_server(values["server_database_url"], url) + _invalid_egress(values)


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
    if values["mlflow_ui_url"] and not PUBLIC_URL.fullmatch(values["mlflow_ui_url"]):
        problems.append(
            f"MLFLOW_UI_URL is {values['mlflow_ui_url']!r}; use the address where people open MLflow, such as "
            "https://mlflow.example.com, without user, query and fragment."
        )
    problems += _invalid_rates(values["rate_limit"], values["rate_limit_storage"])
    if values["key_max_age"] and not re.fullmatch(r"[1-9]\d{0,3}d", values["key_max_age"], re.ASCII):
        problems.append(f"KEY_MAX_AGE is {values['key_max_age']!r}; use a number of days such as 90d.")
    if values["environment_role"] not in ENVIRONMENT_ROLES:
        used = values["environment_role"]
        problems.append(f"ENVIRONMENT_ROLE is {used!r}; use one of {', '.join(ENVIRONMENT_ROLES)}.")
    problems += _invalid_sending(values["webhook_tries"], values["smtp_url"], values["mail_from"])
    problems += _invalid_storage(values)
    if values["syslog_url"] and not (SYSLOG.fullmatch(values["syslog_url"]) and _has_host(values["syslog_url"])):
        problems.append(
            f"SYSLOG_URL is {values['syslog_url']!r}; use tcp+tls://logs.example.com:6514, or tcp:// within your own network."
        )
    if values["metrics_key"] and not re.fullmatch(r"[!-~]{16,}", values["metrics_key"]):
        problems.append(f"METRICS_KEY needs 16 or more visible ASCII characters. Create one: `{_RECIPE}`.")
    return problems


def _invalid_storage(values: dict[str, Any]) -> list[str]:
    url, problems = values["storage_url"], []
    if url and not STORAGE.fullmatch(url):
        problems.append(f"STORAGE_URL is {url!r}; use file:///srv/files, or s3://bucket/prefix.")
    if bool(values["aws_access_key_id"]) != bool(values["aws_secret_access_key"]):
        problems.append("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together: set both, or none.")
    if url.startswith("s3://") and find_spec("boto3") is None:
        problems.append("STORAGE_URL is in S3, which needs the extra `s3`: pip install 'catapult-sdk[server,s3]'.")
    if values["mount"] and not values["mount"].is_absolute():
        problems.append(f"CEPH_MOUNT_PATH is {str(values['mount'])!r}; use an absolute path, such as /mnt/ceph.")
    if values["storage_quota"] and not SIZE.fullmatch(values["storage_quota"]):
        problems.append(f"STORAGE_QUOTA is {values['storage_quota']!r}; use a size such as 500GiB.")
    if values["files_url"] and not FILES.fullmatch(values["files_url"]):
        problems.append(
            f"FILES_URL is {values['files_url']!r}; use the address of `flask files`, such as http://files:8000."
        )
    endpoint = values["s3_endpoint_url"]
    if endpoint and not re.fullmatch(r"https?://[^/?#@\s]+/?", endpoint):
        problems.append(f"S3_ENDPOINT_URL is {endpoint!r}; use https://ceph.example.com:8443, without path and user.")
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
        certificates(values["egress_ca"])
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a certificate"
        problems.append(f"EGRESS_CA cannot be read ({reason}). Name a file with certificates of authorities in PEM.")
    return problems


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


def _missing(url: str, salt: str, secret: str, unread: Collection[str]) -> list[str]:
    problems = []
    if not _is_address(url):
        problems.append(
            "DATABASE_URL is not a PostgreSQL address. Use the form postgresql://user:password@host:5432/name."
        )
    if not salt and "API_KEY_SALT" not in unread:
        problems.append(
            f"API_KEY_SALT is not set. Create one with `{_RECIPE}` and keep it: keys only work with their salt."
        )
    if not secret and "SECRET_KEY" not in unread:
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
