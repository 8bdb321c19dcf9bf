"""The commands: functions that return whether they succeeded, and raise Usage, Failed and the SDK's errors."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, Callable, NamedTuple

from .calls import environment_name
from .deployment_records import Deployment
from .errors import NotFound, RegistryError
from .gate_records import Decision, Gate, Verdict
from .model_records import Version
from .output import Output, columns
from .record import as_json, second
from .registry import Registry

ONE_CHECK = 30.0  # seconds of one check by `wait`, with all tries; it may end that much after its --timeout

Options = argparse.Namespace


class Usage(Exception):
    """The arguments or settings are wrong."""


class Failed(Exception):
    """The command cannot succeed: the registry has no matching record."""


def register(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Register the version unless it exists with this content; with `--release` also promote it."""
    by_hand = options.tag is not None or options.digest is not None
    if (options.tag is None) != (options.digest is None) or (options.image is not None and by_hand):
        raise Usage("Pass --image, or --tag and --digest.")
    if not (by_hand or options.image or options.source):
        raise Usage("Pass --image, --tag and --digest, or --source.")
    metadata = _metadata(options.metadata)
    if options.create_model is not None:
        registry.ensure_model(options.model, options.create_model)
    version = registry.ensure_version(
        options.model,
        options.version,
        image=options.image,
        tag=options.tag,
        digest=options.digest,
        source=options.source,
        metadata=metadata,
        release_notes=options.notes,
        tags=options.tags,
        platform=options.platform,
        size_bytes=options.size_bytes,
    )
    if version.digest_status == "malformed":
        out.tell(f"{options.digest} is not a valid image digest, so the version has no image to pull.")
    if options.release and not version.is_release:
        version = _released(registry, version, out)
    out.result(version, f"{_named(version)} is registered{' and a release' if version.is_release else ''}")
    return True


def _released(registry: Registry[Any], version: Version, out: Output) -> Version:
    # Not in the same request: a version can only be approved once it is registered.
    try:
        return registry.promote(version)
    except RegistryError:
        out.tell(f"{_named(version)} is registered, but not promoted.")
        raise


def promote(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Promote the version."""
    check_force(options)
    version = registry.promote(_version(registry, options), options.reason, force=options.force)
    out.result(version, f"{_named(version)} is a release")
    return True


def verify(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Let the server ask the image registry now. Succeed if it has the digest and the tag still leads to it."""
    version = registry.verify_version(_version(registry, options))
    lines = [f"{_named(version)}: the digest is {version.digest_status}"]
    if version.tag_status:
        lines.append(f"the tag {version.tag} is {version.tag_status}")
    signers = sorted({each["key"] for each in version.signatures})
    lines.append(f"signed by {', '.join(signers)}" if signers else "not signed by a trusted key")
    out.result(version, "; ".join(lines))
    is_good = version.digest_status == "verified" and version.tag_status in (None, "current")
    if not is_good and version.verification:
        out.tell(version.verification["detail"])
    return is_good


def deploy(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Record the deployment."""
    check_force(options)
    metadata = _metadata(options.metadata)
    deployment = registry.deploy(
        _version(registry, options),
        options.environment,
        status=options.status,
        metadata=metadata,
        endpoint_url=options.endpoint_url,
        log_url=options.log_url,
        force=options.force,
        reason=options.reason,
    )
    state = "is live in" if deployment.live else f"has the status {deployment.status} in"
    out.result(deployment, f"{_named(deployment)} {state} {deployment.environment}")
    return True


def rollback(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Make the previous version, or that of the deployment `--to`, live again."""
    deployment = registry.rollback(options.environment, model_name=options.model, reason=options.reason, to=options.to)
    out.result(deployment, f"{_named(deployment)} is live again in {deployment.environment}")
    return True


def retire(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Take the model out of service there."""
    deployment = registry.retire(options.environment, options.model, options.reason)
    out.result(deployment, f"{_named(deployment)} is no longer live in {deployment.environment}")
    return True


def latest(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Print the model's newest version, or its highest."""
    version = registry.get_latest_version(
        options.model,
        environment=options.environment,
        alias=options.alias,
        is_release=options.release or None,
        order="semver" if options.semver else None,
    )
    if version is None:
        registry.get_model_by_name(options.model)  # NotFound if the name is misspelt
        raise Failed(f"No version of {options.model} matches; archived ones are left out.")
    out.result(version, version.version)
    return True


def live(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Print the image or source of the model's version that is or was live there; without a model, a line for each model."""
    environment_name(options.environment, "environment")
    if options.model is None:
        rows = sorted(registry.live(options.environment, options.at), key=lambda row: row.model_name.lower())
        out.result(rows, *columns([_line(row) for row in rows]))
        if not rows:
            out.tell(f"Nothing {_was_live(options)}.")
        return True
    deployment = _live_of(registry, options)
    version = _usable(registry, deployment)
    shown = {**as_json(deployment), "image": version.image, "source": version.source}
    out.result(shown, str(version.image or version.source))
    return True


def _live_of(registry: Registry[Any], options: Options) -> Deployment:
    """Return the deployment of the model that is or was live there. Raises Failed, NotFound."""
    if options.at is None:
        rows = registry.list_deployments(environment=options.environment, model_name=options.model, live=True, limit=1)
    else:
        name = options.model.lower()
        rows = (row for row in registry.live(options.environment, options.at) if row.model_name.lower() == name)
    deployment = next(iter(rows), None)
    if deployment is not None:
        return deployment
    registry.get_environment(options.environment)  # NotFound if the name is misspelt
    if options.at is None:
        registry.get_model_by_name(options.model)
    raise Failed(f"No version of {options.model} {_was_live(options)}.")


def why(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Print the decision of the model's deployment that is or was live there. With `--json` it is part of the deployment."""
    deployment = _live_of(registry, options)
    if options.at is None:  # the records of a list have no decision
        deployment = registry.get_deployment(deployment)
    decision = deployment.decision
    lines = [f"{_named(deployment)} {_was_live(options)}, since {second(deployment.live_from)}"]
    out.result(deployment, *lines, *(["No evidence was kept then."] if decision is None else _evidence(decision)))
    if decision is not None and not out.as_json:
        verdicts = [(Gate(kind=verdict.get("kind", "")), verdict) for verdict in decision.verdicts]
        out.verdicts(
            [Verdict(gate, bool(verdict.get("passed")), verdict.get("detail", "")) for gate, verdict in verdicts]
        )
    return True


def _evidence(decision: Decision) -> list[str]:
    """Return who decided, the reason, and the approvals as lines."""
    rows = [("let through by", f"{decision.by}, {second(decision.at)} ({decision.kind})")]
    by = ", by whoever registered it" if decision.override_by_registrant else ""
    rows += [("override", f"a gate did not stop it{by}")] if decision.override else []
    rows += [("freeze", decision.freeze)] if decision.freeze else []
    rows += [("reason", decision.reason)] if decision.reason else []
    for approval in decision.approvals:
        comment = f": {approval['comment']}" if approval.get("comment") else ""
        rows.append(("approved by", f"{approval.get('by')}, {approval.get('at', '')[:19]}Z{comment}"))
    return columns(rows)


def _usable(registry: Registry[Any], deployment: Deployment) -> Version:
    """Return the version, which has an image to pull or a source. Raises Failed if it has neither."""
    try:
        version = registry.get_version(deployment.release_id)
    except NotFound:
        raise Failed(f"{_named(deployment)} was deleted, so its image is not known.") from None
    if not version.image and (version.digest or not version.source):
        fault = version.image_fault or ""  # an older registry does not say
        raise Failed(f"{_named(version)} in {deployment.environment} has no image to pull. {fault}".rstrip())
    return version


def gates(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Print the verdict of each gate. Return whether all pass."""
    version = _version(registry, options)
    verdicts = registry.check_gates(version, options.target)
    out.verdicts(verdicts)
    failing = [verdict for verdict in verdicts if not verdict.passed]
    if failing:
        out.tell(f"{len(failing)} of {len(verdicts)} gates block {_named(version)} for {options.target}.")
    elif not verdicts:
        out.tell(f"There are no gates between {_named(version)} and {options.target}.")
    return not failing


def comment(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Comment on the version."""
    text = sys.stdin.read().strip() if options.text == "-" else options.text
    version = _version(registry, options)
    comment = registry.create_comment(version, text, asks_for_changes=options.ask_for_changes)
    out.result(
        comment, f"{_named(version)} has a comment{' that asks for changes' if comment.asks_for_changes else ''}"
    )
    return True


class Check(NamedTuple):
    """The state that `wait` waits for. `missing` has sentences; it is empty when the wait is over."""

    missing: list[str]
    show: Callable[[Output], None]


def wait(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Wait until nothing is missing or the time is over. Transient errors of the registry count as missing."""
    end = time.monotonic() + options.timeout
    check, before = _check(registry, options), list[str]()
    while check.missing and time.monotonic() < end:
        if check.missing != before:
            out.tell(f"Waiting: {'; '.join(check.missing)}.")
        before = check.missing
        time.sleep(max(0.0, min(options.interval, end - time.monotonic())))
        check = _check(registry, options)
    check.show(out)
    if check.missing:
        out.tell(f"Timed out after {options.timeout:g} s: {'; '.join(check.missing)}.")
    return not check.missing


def _check(registry: Registry[Any], options: Options) -> Check:
    try:
        version = _version(registry, options)
        return _gates_passed(registry, version, options) if options.target else _is_live(registry, version, options)
    except RegistryError as fault:
        if not fault.transient:
            raise
        return Check([str(fault).rstrip(".")], lambda out: out.result([]))


def _gates_passed(registry: Registry[Any], version: Version, options: Options) -> Check:
    verdicts: list[Verdict] = registry.check_gates(version, options.target)
    return Check([verdict.detail for verdict in verdicts if not verdict.passed], lambda out: out.verdicts(verdicts))


def _is_live(registry: Registry[Any], version: Version, options: Options) -> Check:
    goal = options.live_in
    newest = next(iter(registry.list_deployments(release_id=version, environment=goal, limit=1)), None)
    if goal.lower() in map(str.lower, version.live_in):
        return Check([], lambda out: out.result(version, f"{_named(version)} is live in {goal}"))
    state = f"its newest deployment there is {newest.status}" if newest else "it was never deployed there"
    return Check([f"{_named(version)} is not live in {goal}, {state}"], lambda out: out.result(version))


def _version(registry: Registry[Any], options: Options) -> Version:
    version: Version = registry.get_version(model_name=options.model, version=options.version)
    return version


def _metadata(source: str | None) -> dict[str, Any] | None:
    """Return the JSON object in a file or in standard input. Raises Usage."""
    if source is None:
        return None
    try:
        text = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        content = json.loads(text, object_pairs_hook=_object, parse_constant=_refused)
    except OSError as fault:
        raise Usage(f"--metadata {source} cannot be read: {fault.strerror}.") from None
    except (ValueError, RecursionError) as fault:
        raise Usage(f"--metadata {source} is not valid JSON: {fault}.") from None
    if not isinstance(content, dict):
        raise Usage(f"--metadata {source} must be a JSON object.")
    return content


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object, or raise ValueError for a name that appears twice, as the registry does."""
    names = [name for name, _ in pairs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"the name {twice[:80]!r} appears twice in one object")
    return dict(pairs)


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON: leave it out, or write null")


def check_force(options: Options) -> None:
    """Raise Usage for `--force` without a reason."""
    if options.force and not options.reason:
        raise Usage("--force needs a --reason, which the audit log keeps.")


def _named(record: Version | Deployment) -> str:
    return f"{record.model_name} {record.version}"


def _line(deployment: Deployment) -> tuple[str, ...]:
    return deployment.model_name, deployment.version, second(deployment.live_from), f"by {deployment.deployed_by}"


def _was_live(options: Options) -> str:
    live = f"live in {options.environment}"
    return f"is {live}" if options.at is None else f"was {live} at {options.at}"
