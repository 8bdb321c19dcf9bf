"""`catapult …`: the registry for pipelines and shells.

Ends with 0 when it is done, 1 when it was refused, blocked or failed, 2 when it was not called rightly or settings are
missing, 130 after Ctrl-C. Results go to standard output, everything else to standard error, in a line and never with a
traceback.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

from . import commands
from .errors import InvalidArgument, RegistryError
from .output import Output
from .records import moment
from .registry import SETTINGS, Registry
from .transport import secret

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
SETTINGS_OF = {"REGISTRY_URL": "--url", "REGISTRY_API_KEY": "--key-file"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, by default that of the command line. Returns the exit status."""
    out = Output()
    try:
        status = _run(arguments, out)
        out.flush()
    except KeyboardInterrupt:
        out.tell("Interrupted.")
        status = INTERRUPTED
    except OSError as fault:  # whatever else can raise one is a RegistryError or a usage error by now
        out.give_up()
        out.tell(f"Not everything could be written: {fault.strerror or fault}.")
        status = FAILED
    return status


def _run(arguments: Sequence[str] | None, out: Output) -> int:
    out.secrets.append(os.environ.get("REGISTRY_API_KEY", "").strip())
    try:
        options = parser().parse_args(arguments)
        out.as_json = options.json
        with _opened(options, out) as registry:
            passed = options.run(registry, options, out)
    except SystemExit:  # of --help and --version
        return DONE
    except (commands.Usage, InvalidArgument) as fault:
        out.tell(str(fault))
        return USAGE
    except (commands.Failed, RegistryError) as fault:
        out.refused(fault)
        return FAILED
    return DONE if passed else FAILED


def _opened(options: argparse.Namespace, out: Output) -> Registry[Any]:
    """The registry that the options and the environment name. Raises Usage, InvalidArgument."""
    found = {
        "REGISTRY_URL": options.url or os.environ.get("REGISTRY_URL", ""),
        "REGISTRY_API_KEY": _key_of(options.key_file) if options.key_file else os.environ.get("REGISTRY_API_KEY", ""),
    }
    missing = [f"{name} or {SETTINGS_OF[name]} ({SETTINGS[name]})" for name, text in found.items() if not text.strip()]
    if missing:
        raise commands.Usage(f"Set {' and '.join(missing)}.")
    key = secret(found["REGISTRY_API_KEY"])
    out.secrets.append(str(key))
    return Registry(found["REGISTRY_URL"], key, time_limit=options.time_limit)


def _key_of(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or "it is no text"
        raise commands.Usage(f"--key-file {path} cannot be read: {reason}.") from None


class Parser(argparse.ArgumentParser):
    """Takes options by their whole names only, so that `--key` is never one; and never repeats a key."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise commands.Usage(f"{message}. See: {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """What the command line takes; `run` is the function in `commands`. It raises Usage."""
    top = Parser(prog="catapult", description="The model registry, for pipelines.", epilog=_ENDS)
    top.add_argument("--version", action="version", version=f"catapult-sdk {_release()}")
    top.set_defaults(time_limit=None)
    _add_settings(top)
    verbs = top.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    for add in (_register, _promote, _deploy, _rollback, _live, _gates, _wait):
        add(verbs)
    return top


_ENDS = "Ends with 0: done; 1: refused, blocked or failed; 2: wrong arguments or settings; 130: Ctrl-C."


def _add_settings(to: argparse.ArgumentParser, **default: Any) -> None:
    group = to.add_argument_group("settings")
    group.add_argument("--url", help="the registry's address (REGISTRY_URL)", **default)
    group.add_argument(
        "--key-file", metavar="FILE", help="holds the key (REGISTRY_API_KEY); it is no argument itself", **default
    )
    group.add_argument("--json", action="store_true", help="write the records as JSON", **default)


def _verb(verbs: Any, name: str, run: Any, says: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = verbs.add_parser(name, help=says, description=says, epilog=_ENDS)
    # Suppressed, or their defaults would undo what stands before the command.
    _add_settings(command, default=argparse.SUPPRESS)
    command.set_defaults(run=run)
    return command


def _add_version(to: argparse.ArgumentParser) -> None:
    to.add_argument("model", metavar="MODEL", help="the model's name, as myorg/bert")
    to.add_argument("version", metavar="VERSION", help="as 1.0.0")


def _add_force(to: argparse.ArgumentParser) -> None:
    to.add_argument("--reason", metavar="TEXT", help="why, for the audit log")
    to.add_argument("--force", action="store_true", help="pass the gates; takes the role admin and --reason")


def _register(verbs: Any) -> None:
    to = _verb(verbs, "register", commands.register, "Register a version; the same again is no mistake.")
    _add_version(to)
    to.add_argument("--tag", required=True, help="the image's tag")
    to.add_argument("--digest", required=True, help="the image's digest, as sha256:…")
    to.add_argument("--metadata", metavar="FILE", help="a JSON object; - is standard input")
    to.add_argument("--notes", metavar="TEXT", help="release notes")
    to.add_argument("--platform", help="as linux/arm64")
    to.add_argument("--size-bytes", type=int, metavar="N", help="the image's size")
    to.add_argument("--release", action="store_true", help="and promote it, if the gates let it through")
    to.add_argument("--create-model", metavar="STORAGE_PATH", help="make the model first, if it is not there")


def _promote(verbs: Any) -> None:
    to = _verb(verbs, "promote", commands.promote, "Make a version a release.")
    _add_version(to)
    _add_force(to)


def _deploy(verbs: Any) -> None:
    to = _verb(verbs, "deploy", commands.deploy, "Record that a version went to an environment.")
    _add_version(to)
    to.add_argument("environment", metavar="ENVIRONMENT", help="as production")
    to.add_argument("--status", choices=("pending", "running", "success", "failed"), default="success")
    to.add_argument("--metadata", metavar="FILE", help="a JSON object; - is standard input")
    to.add_argument("--endpoint-url", metavar="URL", help="where it answers")
    to.add_argument("--log-url", metavar="URL", help="where its log can be read")
    _add_force(to)


def _rollback(verbs: Any) -> None:
    to = _verb(verbs, "rollback", commands.rollback, "Make the version before live again.")
    to.add_argument("environment", metavar="ENVIRONMENT", help="as production")
    to.add_argument("model", metavar="MODEL", help="the model's name")
    to.add_argument("--reason", metavar="TEXT", required=True, help="why, for the audit log")
    to.add_argument("--to", metavar="ID", help="an earlier deployment, instead of the one before")


def _live(verbs: Any) -> None:
    to = _verb(verbs, "live", commands.live, "Print the image of a model that is live, or what is live of all.")
    to.add_argument("environment", metavar="ENVIRONMENT", help="as production")
    to.add_argument("model", metavar="MODEL", nargs="?", help="prints repository@sha256:… alone")
    to.add_argument("--at", type=_time, metavar="TIME", help="what was live then, as 2026-11-23T10:15:30Z")


def _gates(verbs: Any) -> None:
    to = _verb(verbs, "gates", commands.gates, "Ask the gates about a version; ends with 1 if one does not pass.")
    _add_version(to)
    to.add_argument("--target", required=True, help="release, or an environment")


def _wait(verbs: Any) -> None:
    to = _verb(verbs, "wait", commands.wait, "Wait until every gate passes, or until a version is live.")
    _add_version(to)
    goal = to.add_mutually_exclusive_group(required=True)
    goal.add_argument("--target", help="until every gate on the way there passes: release, or an environment")
    goal.add_argument("--live-in", metavar="ENVIRONMENT", help="until it is live there")
    to.add_argument("--timeout", type=_seconds, default=600.0, metavar="SECONDS", help="%(default)g")
    to.add_argument("--interval", type=_seconds, default=5.0, metavar="SECONDS", help="%(default)g")
    to.set_defaults(time_limit=commands.ONE_LOOK)


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < math.inf:
        raise ValueError
    return number


_seconds.__name__ = "number of seconds"  # argparse names it: invalid number of seconds value: 'x'


def _time(text: str) -> str:
    """The text, if it is a time with a zone."""
    moment(text)
    if text[-1] not in "Zz" and text[-6] not in "+-":
        raise argparse.ArgumentTypeError(f"{text} has no zone: write it as {text}Z for UTC, or with +02:00")
    return text


_time.__name__ = "RFC 3339 time"


def _release() -> str:
    try:
        return version("catapult-sdk")
    except PackageNotFoundError:  # from a checkout that is not installed
        return "0"


if __name__ == "__main__":
    sys.exit(main())
