"""The secrets of image registries: files in REGISTRY_SECRETS, and variables REGISTRY_SECRET_…. No database holds one."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from catapult.config.forms import certificates

PREFIX = "REGISTRY_SECRET_"
LONGEST = 64 * 1024
CERTIFICATE = "-----BEGIN CERTIFICATE-----"


class SecretMissing(Exception):
    """There is no such secret, or it cannot be used. The message says what to do, and has nothing of a secret."""


@dataclass(frozen=True)
class RegistrySecrets:
    """Where secrets are looked up by their names. A file is read at each use, so that a rotated secret counts at once."""

    folder: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    """By their whole names."""

    def get(self, name: str) -> str:
        """Return the secret: the file of that name, or else its variable. Raises SecretMissing."""
        text = self._of_file(name)
        text = (self.variables.get(variable_of(name), "") if text is None else text).rstrip("\r\n")
        if not text.strip():
            raise SecretMissing(
                f"There is no secret {name}. Whoever runs this server provides it as the file {name} in the folder "
                f"REGISTRY_SECRETS{'' if self.folder else ', which is not set'}, or as the variable {variable_of(name)}."
            )
        return text

    def certificates(self, name: str) -> str:
        """Return the certificates in PEM that the secret has. Raises SecretMissing."""
        text = self.get(name)
        with suppress(OSError, ValueError):
            if CERTIFICATE in text:
                return certificates(text)
        raise SecretMissing(f"The secret {name} has no certificates in PEM. Provide those of the authority.")

    def _of_file(self, name: str) -> str | None:
        """Return the text of the file; None if there is none. A link may lead to a file of the folder alone."""
        if self.folder is None or "/" in name or name.startswith("."):
            return None
        try:
            return _content(self.folder.resolve(), (self.folder / name).resolve())
        except (OSError, RuntimeError) as error:
            reason = f"cannot be read ({getattr(error, 'strerror', None) or 'a loop of links'})"
        except ValueError as error:
            reason = str(error)
        raise SecretMissing(f"The secret {name} cannot be used: its file in REGISTRY_SECRETS {reason}.")


def _content(folder: Path, file: Path) -> str | None:
    """Return the text of the file; None if there is none. Raises OSError, and ValueError with a reason that repeats nothing."""
    if not file.exists():
        return None
    if not file.is_relative_to(folder) or not file.is_file():
        raise ValueError("is no regular file in that folder")
    with file.open("rb") as opened:
        content = opened.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise ValueError("is larger than 64 KiB")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValueError("is not text in UTF-8") from None


def variable_of(name: str) -> str:
    """Return the variable that may hold the secret of that name."""
    return PREFIX + re.sub("[.-]", "_", name.upper())
