"""What has to be true before the first request: the database answers, its schema is at head, the salt fits, there is a key."""

import math
import time

import flask_migrate
import structlog

from catapult.actions import api_keys
from catapult.audit import CLI
from catapult.config import ConfigError
from catapult.extensions import THREADS, current_settings, db
from catapult.queries import api_keys as stored_keys
from catapult.queries import registry
from catapult.rules import key_format

WAIT = 60.0
SAID_EVERY = 10
log = structlog.get_logger("catapult")


class Unreachable(Exception):
    """The database did not answer in time. The message says what to do."""


def prepare() -> str | None:
    """The database is ready for this code; returns the first admin's key where it was made just now.

    Raises Unreachable, ConfigError (the salt is not the one the stored keys were made with).
    """
    wait()
    flask_migrate.upgrade()
    settings = current_settings()
    try:
        check_salt(settings.api_key_salt)
        check_given(settings.workers * THREADS)
        return api_keys.create_first_admin(actor=CLI, salt=settings.api_key_salt)
    finally:
        db.session.remove()


def wait(seconds: float = WAIT) -> None:
    """The database answers. Raises Unreachable after about so many seconds, with what PostgreSQL or the network said."""
    end, said_at = time.monotonic() + seconds, -math.inf
    while (why := registry.unreachable_reason()) and time.monotonic() < end:
        if time.monotonic() - said_at >= SAID_EVERY:
            said_at = time.monotonic()
            log.warning("waiting for the database", reason=why, seconds_left=round(end - said_at))
        time.sleep(1)
    if why:
        raise Unreachable(
            f"The database did not answer for {seconds:.0f} seconds: {why} Check DATABASE_URL and the server."
        )


def check_salt(salt: str) -> None:
    """Nothing, if a stored key works with this salt or there is none. Raises ConfigError."""
    marks = stored_keys.salt_marks()
    fitting, all_keys = marks.get(key_format.salt_mark(salt), 0), sum(marks.values())
    if all_keys and not fitting:
        raise ConfigError(
            [
                f"API_KEY_SALT is not the one that the {all_keys} stored keys were made with: every request would be a 401. "
                "Set the former salt again. If it is lost, `flask keys create --name NAME --role admin` makes a first key "
                "under this one; the old keys stay refused."
            ]
        )
    if fitting < all_keys:
        log.warning("some keys were made with another API_KEY_SALT and will be refused", keys=all_keys - fitting)


def check_given(wanted: int) -> None:
    """Says so where requests would wait: for more connections than PostgreSQL gives, or without an end.

    What a pooler gives is the pooler's; it may also leave out the time-outs that were asked for (docs/operations.md).
    """
    given = registry.given()
    if wanted > given.connections and not given.pooled:
        log.warning(
            "fewer connections than the workers may use: lower WEB_CONCURRENCY",
            given=given.connections,
            wanted=wanted,
        )
    if given.endless:
        log.warning(
            "the database connection has no time-outs: set them in the pooler's connect_query, or for the role",
            missing=given.endless,
        )
