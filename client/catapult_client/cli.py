"""`catapult …`: the registry's command line for pipelines and shells.

The exit status is 0 on success, 1 if it was refused, blocked or failed, 2 for wrong arguments or missing settings, and
130 after Ctrl-C. Results go to standard output. Messages go to standard error, never with a traceback.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from . import alias_commands, artifact_commands, audit_commands, commands, mlflow_commands, webhook_commands
from .errors import InvalidArgument, RegistryError
from .output import Output
from .record import moment
from .registry import SETTINGS, Registry
from .transport import RELEASE, secret

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
SETTINGS_OF = {"REGISTRY_URL": "--url", "REGISTRY_API_KEY": "--key-file"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, by default the one in `sys.argv`. Return the exit status."""
    out = Output()
    try:
        status = _run(arguments, out)
        out.flush()
    except KeyboardInterrupt:
        out.tell("Interrupted.")
        status = INTERRUPTED
    except OSError as fault:  # only from writing: others have become a RegistryError or a usage error
        out.give_up()
        out.tell(f"The output could not be written completely: {fault.strerror or fault}.")
        status = FAILED
    return status


def _run(arguments: Sequence[str] | None, out: Output) -> int:
    out.secrets.append(os.environ.get("REGISTRY_API_KEY", "").strip())
    try:
        options = parser().parse_args(arguments)
        out.as_json = options.json
        if options.offline:
            passed = options.run(options, out)
        else:
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
    """Return the registry of the options and the environment. Raises Usage, InvalidArgument."""
    settings = {
        "REGISTRY_URL": options.url or os.environ.get("REGISTRY_URL", ""),
        "REGISTRY_API_KEY": _key_of(options.key_file) if options.key_file else os.environ.get("REGISTRY_API_KEY", ""),
    }
    missing = [
        f"{name} or {SETTINGS_OF[name]} ({SETTINGS[name]})" for name, text in settings.items() if not text.strip()
    ]
    if missing:
        raise commands.Usage(f"Set {' and '.join(missing)}.")
    key = secret(settings["REGISTRY_API_KEY"])
    out.secrets.append(str(key))
    return Registry(settings["REGISTRY_URL"], key, time_limit=options.time_limit)


def _key_of(path: str) -> str:
    try:
        return Path(path).read_text("utf-8-sig")  # editors on Windows add a byte order mark
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or "it is not UTF-8 text"
        raise commands.Usage(f"--key-file {path} cannot be read: {reason}.") from None


class Parser(argparse.ArgumentParser):
    """Accepts only full option names, so that `--key` is not accepted for another one, and reports errors as Usage."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise commands.Usage(f"{message}. See: {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. It sets `run` to a function in `commands`, and raises Usage."""
    top = Parser(prog="catapult", description="Work with a Catapult model registry.", epilog=_ENDS)
    top.add_argument("--version", action="version", version=f"catapult-sdk {RELEASE}")
    top.set_defaults(time_limit=None, offline=False)
    _add_settings(top)
    verbs = top.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    for add in (
        _register,
        _promote,
        _verify,
        _deploy,
        _rollback,
        _retire,
        _latest,
        _alias,
        _live,
        _why,
        _gates,
        _wait,
        _comment,
        _upload,
        _download,
        _ls,
        _webhook,
        _import,
        _audit,
    ):
        add(verbs)
    return top


_ENDS = "Exit status: 0 success; 1 refused, blocked or failed; 2 wrong arguments or settings; 130 Ctrl-C."


def _add_settings(to: argparse.ArgumentParser, **default: Any) -> None:
    group = to.add_argument_group("settings")
    group.add_argument("--url", help="the registry's address (REGISTRY_URL)", **default)
    group.add_argument("--key-file", metavar="FILE", help="a file with the key, instead of REGISTRY_API_KEY", **default)
    group.add_argument("--json", action="store_true", help="print records as JSON", **default)


def _verb(verbs: Any, name: str, run: Any, says: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = verbs.add_parser(name, help=says, description=says, epilog=_ENDS)
    # Without SUPPRESS their defaults would overwrite the options given before the command.
    _add_settings(command, default=argparse.SUPPRESS)
    command.set_defaults(run=run)
    return command


def _add_version(to: argparse.ArgumentParser) -> None:
    to.add_argument("model", metavar="MODEL", help="the model's name, such as myorg/bert")
    to.add_argument("version", metavar="VERSION", help="the version, such as 1.0.0")


def _add_force(to: argparse.ArgumentParser) -> None:
    to.add_argument("--reason", metavar="TEXT", help="why, for the audit log")
    to.add_argument("--force", action="store_true", help="override the gates; needs the role admin and --reason")


def _register(verbs: Any) -> None:
    to = _verb(
        verbs, "register", commands.register, "Register a version. Registering the same version again changes nothing."
    )
    _add_version(to)
    to.add_argument("--image", metavar="IMAGE", help="host/repository:tag; its registry is asked for the digest")
    to.add_argument("--tag", help="the image's tag")
    to.add_argument("--digest", help="the image's digest, such as sha256:…")
    to.add_argument("--source", metavar="URI", help="where the model is if it has no image; it is not opened")
    to.add_argument("--metadata", metavar="FILE", help="a JSON object; - is standard input")
    to.add_argument("--notes", metavar="TEXT", help="release notes")
    to.add_argument("--tags", nargs="+", metavar="TAG", help="labels of the version, which people can change later")
    to.add_argument("--platform", help="such as linux/arm64")
    to.add_argument("--size-bytes", type=int, metavar="N", help="the image's size in bytes")
    to.add_argument("--release", action="store_true", help="promote it, if the gates pass")
    to.add_argument("--create-model", metavar="STORAGE_PATH", help="create the model if it does not exist")


def _promote(verbs: Any) -> None:
    to = _verb(verbs, "promote", commands.promote, "Make a version a release.")
    _add_version(to)
    _add_force(to)


def _verify(verbs: Any) -> None:
    _add_version(_verb(verbs, "verify", commands.verify, "Ask the image registry about a version's image."))


def _deploy(verbs: Any) -> None:
    to = _verb(verbs, "deploy", commands.deploy, "Record that a version went to an environment.")
    _add_version(to)
    to.add_argument("environment", metavar="ENVIRONMENT", help="such as production")
    to.add_argument("--status", choices=("pending", "running", "success", "failed"), default="success")
    to.add_argument("--metadata", metavar="FILE", help="a JSON object; - is standard input")
    to.add_argument("--endpoint-url", metavar="URL", help="the address it is served at")
    to.add_argument("--log-url", metavar="URL", help="the address of its log")
    _add_force(to)


def _rollback(verbs: Any) -> None:
    to = _verb(verbs, "rollback", commands.rollback, "Make the previous version live again.")
    to.add_argument("environment", metavar="ENVIRONMENT", help="such as production")
    to.add_argument("model", metavar="MODEL", help="the model's name")
    to.add_argument("--reason", metavar="TEXT", required=True, help="why, for the audit log")
    to.add_argument("--to", metavar="ID", help="an earlier deployment, instead of the previous one")


def _retire(verbs: Any) -> None:
    to = _verb(verbs, "retire", commands.retire, "Take a model out of service: nothing of it is live there any more.")
    to.add_argument("environment", metavar="ENVIRONMENT", help="such as production")
    to.add_argument("model", metavar="MODEL", help="the model's name")
    to.add_argument("--reason", metavar="TEXT", required=True, help="why, for the audit log")


def _latest(verbs: Any) -> None:
    to = _verb(verbs, "latest", commands.latest, "Print a model's newest version that is not archived.")
    to.add_argument("model", metavar="MODEL", help="the model's name")
    to.add_argument("--live-in", dest="environment", metavar="ENVIRONMENT", help="the one that is live there")
    to.add_argument("--alias", metavar="ALIAS", help="the one that this alias points at")
    to.add_argument("--release", action="store_true", help="the newest release")
    to.add_argument(
        "--semver", action="store_true", help="the highest number instead of the newest: 1.10.0, 2026.01.15"
    )


def _alias(verbs: Any) -> None:
    says = "Work with aliases: names that point at versions of a model."
    group = verbs.add_parser("alias", help=says, description=says, epilog=_ENDS)
    acts = group.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="act")
    listing = _verb(acts, "list", alias_commands.listing, "List a model's aliases, with what they point at.")
    point = _verb(acts, "set", alias_commands.point, "Point an alias at a version.")
    remove = _verb(acts, "remove", alias_commands.remove, "Remove an alias.")
    for to in (listing, point, remove):
        to.add_argument("model", metavar="MODEL", help="the model's name")
    for to in (point, remove):
        to.add_argument("alias", metavar="ALIAS", help="such as champion")
        _add_force(to)
    point.add_argument("version", metavar="VERSION", help="the version, such as 1.0.0")
    _add_at(listing, "what they pointed at")


def _live(verbs: Any) -> None:
    to = _verb(verbs, "live", commands.live, "Print the live image or source of a model, or all live versions.")
    to.add_argument("environment", metavar="ENVIRONMENT", help="such as production")
    to.add_argument(
        "model", metavar="MODEL", nargs="?", help="print only this model's image, repository@sha256:…, or its source"
    )
    _add_at(to)


def _why(verbs: Any) -> None:
    to = _verb(verbs, "why", commands.why, "Print what is live of a model, and who and what let it through.")
    to.add_argument("model", metavar="MODEL", help="the model's name")
    to.add_argument("--live-in", dest="environment", metavar="ENVIRONMENT", required=True, help="such as production")
    _add_at(to)


def _add_at(to: argparse.ArgumentParser, what: str = "what was live") -> None:
    to.add_argument("--at", type=_time, metavar="TIME", help=f"{what} at that time, such as 2026-11-23T10:15:30Z")


def _gates(verbs: Any) -> None:
    to = _verb(
        verbs,
        "gates",
        commands.gates,
        "Print the verdict of each gate on a version; fail if one does not pass.",
    )
    _add_version(to)
    to.add_argument("--target", required=True, help="release, an environment, or @ and an alias")


def _wait(verbs: Any) -> None:
    to = _verb(verbs, "wait", commands.wait, "Wait until all gates pass, or until a version is live.")
    _add_version(to)
    goal = to.add_mutually_exclusive_group(required=True)
    goal.add_argument("--target", help="wait for the gates of release, an environment, or @ and an alias")
    goal.add_argument("--live-in", metavar="ENVIRONMENT", help="wait until it is live there")
    to.add_argument("--timeout", type=_seconds, default=600.0, metavar="SECONDS", help="when to give up (%(default)g)")
    to.add_argument(
        "--interval", type=_seconds, default=5.0, metavar="SECONDS", help="between two checks (%(default)g)"
    )
    to.set_defaults(time_limit=commands.ONE_CHECK)


def _comment(verbs: Any) -> None:
    to = _verb(verbs, "comment", commands.comment, "Comment on a version, for everybody to see. It holds nothing back.")
    _add_version(to)
    to.add_argument("text", metavar="TEXT", help="plain text of at most 2,000 characters; -: standard input")
    to.add_argument("--ask-for-changes", action="store_true", help="show it to whoever could approve the version")


def _upload(verbs: Any) -> None:
    to = _verb(verbs, "upload", artifact_commands.upload, "Add files and folders to a version.")
    _add_version(to)
    to.add_argument("paths", nargs="+", metavar="PATH", help="a file, or a folder with all files in it")
    to.add_argument("--to", metavar="PATH", help="the file's path in the version, or the one above a folder's files")


def _download(verbs: Any) -> None:
    to = _verb(verbs, "download", artifact_commands.download, "Download all files of a version, whole and verified.")
    _add_version(to)
    to.add_argument("--to", metavar="FOLDER", default=".", help="where to put them, by default here")


def _ls(verbs: Any) -> None:
    _add_version(_verb(verbs, "ls", artifact_commands.ls, "List the files of a version."))


def _webhook(verbs: Any) -> None:
    says = "Work with webhooks: where events are sent. Needs the role admin."
    group = verbs.add_parser("webhook", help=says, description=says, epilog=_ENDS)
    acts = group.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="act")
    _verb(acts, "list", webhook_commands.listing, "List webhooks, newest first.")
    to = _verb(acts, "create", webhook_commands.create, "Create a webhook and print its secret, once.")
    to.add_argument("address", metavar="URL", help="https://… or mailto:…; - reads it from standard input")
    to.add_argument("--format", help="standard (default), cdevents, slack, teams or email")
    for name, what in (("event", "version.promoted"), ("model", "'nlp/*'"), ("environment", "production")):
        to.add_argument(
            f"--{name}", action="append", dest=f"{name}s", metavar=name.upper(), help=f"such as {what}; repeatable"
        )
    for name, run, what in (
        ("rotate", webhook_commands.rotate, "Make a new secret and print it, once. The old one signs too for a day."),
        ("test", webhook_commands.test, "Send a test."),
        ("delete", webhook_commands.delete, "Delete a webhook."),
        ("deliveries", webhook_commands.deliveries, "List what was sent in the last 30 days, newest first."),
    ):
        _verb(acts, name, run, what).add_argument("id", metavar="WEBHOOK", help="its id")
    replay = _verb(acts, "replay", webhook_commands.replay, "Send a delivery again.")
    replay.add_argument("id", metavar="DELIVERY", help="its id")


def _import(verbs: Any) -> None:
    says = "Bring what another registry has."
    sources = verbs.add_parser("import", help=says, description=says, epilog=_ENDS).add_subparsers(
        title="commands", metavar="COMMAND", required=True, dest="import_command"
    )
    to = _verb(
        sources,
        "mlflow",
        mlflow_commands.bring,
        "Bring the models of an MLflow server. Running it again goes on; MLFLOW_TRACKING_TOKEN has its token.",
    )
    to.add_argument("--from", dest="source", metavar="URL", required=True, help="MLflow's address")
    to.add_argument("--models", metavar="PATTERN", default="*", help="only these, such as 'nlp*'")
    to.add_argument("--dry-run", action="store_true", help="change nothing, and print what would come")


def _audit(verbs: Any) -> None:
    says = "Check an export of the audit log without the registry."
    nouns = verbs.add_parser("audit", help=says, description=says).add_subparsers(
        title="commands", metavar="COMMAND", required=True, dest="audit_command"
    )
    to = _verb(
        nouns,
        "verify",
        audit_commands.verify,
        "Check that no entry of an export was changed, removed, moved or put in.",
    )
    to.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="JSON lines of `flask audit export`, perhaps after the files of `flask audit archive`; -: standard input",
    )
    to.add_argument(
        "--checkpoint",
        dest="notes",
        metavar="NOTE",
        action="append",
        required=True,
        help="a file with a checkpoint that you hold; repeatable",
    )
    to.add_argument(
        "--key", dest="keys", metavar="PUB", action="append", required=True, help="the public key, or a file with it"
    )
    to.set_defaults(offline=True)


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < math.inf:
        raise ValueError
    return number


_seconds.__name__ = "number of seconds"  # argparse says: invalid number of seconds value: 'x'


def _time(text: str) -> str:
    """Return the text if it is a time with a zone."""
    moment(text)
    if text[-1] not in "Zz" and text[-6] not in "+-":
        raise argparse.ArgumentTypeError(f"{text} has no time zone: add Z for UTC, or an offset such as +02:00")
    return text


_time.__name__ = "RFC 3339 time"


if __name__ == "__main__":
    sys.exit(main())
