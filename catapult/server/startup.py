"""The steps of `flask up` before the first request: wait for the database, migrate it, check the salt, create the first key."""

import time
from ipaddress import ip_address

import flask_migrate
import structlog

from catapult.actions import api_keys
from catapult.audit import CLI
from catapult.config import ConfigError, Settings
from catapult.extensions import THREADS, current_settings, db
from catapult.queries import api_keys as stored_keys
from catapult.queries import registry, schema_version
from catapult.rules import key_format

WAIT = 60.0
LOG_EVERY = 10.0
log = structlog.get_logger("catapult")


class Unreachable(Exception):
    """The database did not answer in time. The message says what to do."""


def prepare() -> str | None:
    """Prepare the database for this version. Returns the key of the first admin if it was created now.

    Raises Unreachable, and ConfigError if the stored keys were created with another salt, or if only the owner may migrate.
    """
    wait()
    migrate()
    settings = current_settings()
    check_host(settings)
    try:
        check_salt(settings.api_key_salt)
        check_connections(settings.workers * THREADS)
        check_schema()
        return api_keys.create_first_admin(actor=CLI, salt=settings.api_key_salt)
    finally:
        db.session.remove()


def wait(seconds: float = WAIT) -> None:
    """Wait until the database answers. Raises Unreachable, with the reason, after that many seconds."""
    deadline, log_at = time.monotonic() + seconds, 0.0
    while reason := registry.unreachable_reason():
        now = time.monotonic()
        if now >= deadline:
            raise Unreachable(
                f"The database did not answer for {seconds:.0f} seconds: {reason} Check DATABASE_URL and the server."
            )
        if now >= log_at:
            log_at = now + LOG_EVERY
            log.warning("waiting for the database", reason=reason, seconds_left=round(deadline - now))
        time.sleep(1)


def migrate() -> None:
    """Migrate the database if this role owns it; otherwise check it. Raises ConfigError if its owner has to migrate it."""
    try:
        owner = registry.is_owner()
    finally:
        db.session.remove()
    if owner:
        flask_migrate.upgrade()
    else:
        check_migrated()


def check_migrated() -> None:
    """Raise ConfigError unless the database is at the migration of this release."""
    try:
        at = registry.migration()
    finally:
        db.session.remove()
    if at != schema_version.head():
        raise ConfigError(
            [
                f"The database is at migration {at}, and this release needs {schema_version.head()}. Its owner migrates it: "
                "`flask db upgrade` with the owner's DATABASE_URL and this one as SERVER_DATABASE_URL; with Docker, "
                "`docker compose run --rm migrate`."
            ]
        )


def check_salt(salt: str) -> None:
    """Check that a stored key works with this salt. Raises ConfigError if there are keys and none does."""
    counts = stored_keys.salt_marks()
    total, usable = sum(counts.values()), counts.get(key_format.salt_mark(salt), 0)
    if total and not usable:
        raise ConfigError(
            [
                f"API_KEY_SALT is not the one that the {total} stored keys were created with: every request would be a 401. "
                "Set the former salt again. If it is lost, `flask keys create --name NAME --role admin` creates a key "
                "with this one; the old keys stay refused."
            ]
        )
    if usable < total:
        log.warning("some keys were created with another API_KEY_SALT and will be refused", keys=total - usable)


def check_host(settings: Settings) -> None:
    """Log a warning if other machines can reach the server and no proxy is in front of it."""
    if not settings.trusted_proxies and not _is_loopback(settings.host):
        log.warning(
            "other machines can reach this server, which has no TLS and no limits by address: put nginx in front of it "
            "(docs/operations.md) and name it in TRUSTED_PROXIES, or set HOST=127.0.0.1",
            host=settings.host,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_schema() -> None:
    """Log an error if the database lacks parts of its revision, for which `/readyz` answers 503."""
    if missing := schema_version.missing():
        log.error(
            "the schema lacks parts of its revision: restore a backup into a database that this release migrated",
            missing=missing,
        )


def check_connections(wanted: int) -> None:
    """Log a warning if PostgreSQL allows fewer connections than the workers may open, or if they lack our settings.

    The connections of a pooler are not counted. A pooler may also drop the settings that we ask for (docs/operations.md).
    """
    connections = registry.connections()
    if wanted > connections.connections and not connections.pooled:
        log.warning(
            "fewer connections than the workers may use: lower WEB_CONCURRENCY",
            given=connections.connections,
            wanted=wanted,
        )
    if connections.missing:
        log.warning(
            "the database connection lacks settings: set them in the pooler's connect_query, or for the role",
            missing=connections.missing,
        )
