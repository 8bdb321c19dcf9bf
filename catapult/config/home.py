"""The secrets in CATAPULT_HOME, which are made once."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from flask.sansio.scaffold import find_package

from catapult.config.forms import SALT_LENGTH, ConfigError


def default_home() -> Path:
    """Return Flask's instance folder: `instance` in a checkout, `var/catapult-instance` in an installation."""
    prefix, package = find_package("catapult")
    return Path(package, "instance") if prefix is None else Path(prefix, "var", "catapult-instance")


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
