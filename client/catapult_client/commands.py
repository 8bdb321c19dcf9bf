"""What each command does. It returns whether it went well, and raises Usage, Failed and the SDK's errors."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, Callable, NamedTuple

from .errors import NotFound, RegistryError
from .output import Output, columns, told
from .plain import rfc3339
from .records import Deployment, Verdict, Version
from .registry import Registry

ONE_LOOK = 30.0  # seconds that `wait` looks at most each time, with all tries: so much later than asked for it may end

Options = argparse.Namespace


class Usage(Exception):
    """The command was not called rightly."""


class Failed(Exception):
    """What was asked for is not so."""


def register(registry: Registry[Any], options: Options, out: Output) -> bool:
    """The version is there with this content, made now or before; with `--release` it is a release, too."""
    metadata = _metadata(options.metadata)
    if options.create_model is not None:
        registry.ensure_model(options.model, options.create_model)
    version = registry.ensure_version(
        options.model,
        options.version,
        tag=options.tag,
        digest=options.digest,
        metadata=metadata,
        release_notes=options.notes,
        platform=options.platform,
        size_bytes=options.size_bytes,
    )
    if version.digest_status == "malformed":
        out.tell(f"{options.digest} is no digest that a container registry would take, so its image is not known.")
    if options.release and not version.is_release:
        version = _released(registry, version, out)
    out.result(version, f"{_named(version)} is registered{' and a release' if version.is_release else ''}")
    return True


def _released(registry: Registry[Any], version: Version, out: Output) -> Version:
    # After it is registered, not with it: whoever has to approve of it can only do so once it is there.
    try:
        return registry.promote(version)
    except RegistryError:
        out.tell(f"{_named(version)} is registered, but is no release.")
        raise


def promote(registry: Registry[Any], options: Options, out: Output) -> bool:
    """The version is a release."""
    _check_force(options)
    version = registry.promote(_version(registry, options), options.reason, force=options.force)
    out.result(version, f"{_named(version)} is a release")
    return True


def deploy(registry: Registry[Any], options: Options, out: Output) -> bool:
    """The deployment is on record."""
    _check_force(options)
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
    state = "is live in" if deployment.live else f"is on record as {deployment.status} in"
    out.result(deployment, f"{_named(deployment)} {state} {deployment.environment}")
    return True


def rollback(registry: Registry[Any], options: Options, out: Output) -> bool:
    """The version before, or that of the deployment `--to`, is live again."""
    deployment = registry.rollback(options.environment, model_name=options.model, reason=options.reason, to=options.to)
    out.result(deployment, f"{_named(deployment)} is live again in {deployment.environment}")
    return True


def live(registry: Registry[Any], options: Options, out: Output) -> bool:
    """The image of the model that is or was live there is written, alone; without a model, a line a model."""
    if options.model is None:
        there = sorted(registry.live(options.environment, options.at), key=lambda one: one.model_name.lower())
        out.result(there, *columns([_line(one) for one in there]))
        if not there:
            out.tell(f"Nothing {_then(options)} live in {options.environment}.")
        return True
    deployment = _live_of(registry, options)
    image = _image(registry, deployment)
    out.result({**told(deployment), "image": image}, image)
    return True


def _live_of(registry: Registry[Any], options: Options) -> Deployment:
    """What is or was live of that model there. Raises Failed, NotFound."""
    if options.at is None:
        found = registry.list_deployments(environment=options.environment, model_name=options.model, live=True, limit=1)
    else:
        name = options.model.lower()
        found = (one for one in registry.live(options.environment, options.at) if one.model_name.lower() == name)
    deployment = next(iter(found), None)
    if deployment is not None:
        return deployment
    registry.get_environment(options.environment)  # a name that is misspelt is told from one where nothing is live
    if options.at is None:
        registry.get_model_by_name(options.model)
    raise Failed(f"Nothing of {options.model} {_then(options)} live in {options.environment}.")


def _image(registry: Registry[Any], deployment: Deployment) -> str:
    """Ready to pull. Raises Failed where that is not known."""
    try:
        version = registry.get_version(deployment.release_id)
    except NotFound:
        raise Failed(f"{_named(deployment)} was deleted since, so its image is not known.") from None
    if not version.image:
        reason = "its model's path names no host to pull from"
        if version.digest_status == "malformed":
            reason = f"no container registry would take its digest, {version.digest}"
        raise Failed(f"{_named(version)} of {deployment.environment} has no image to pull: {reason}.")
    return str(version.image)


def gates(registry: Registry[Any], options: Options, out: Output) -> bool:
    """What each gate says of the version on its way there is written. True if all let it through."""
    version = _version(registry, options)
    verdicts = registry.check_gates(version, options.target)
    out.verdicts(verdicts)
    failing = [verdict for verdict in verdicts if not verdict.passed]
    if failing:
        out.tell(f"{len(failing)} of {len(verdicts)} gates stop {_named(version)} on its way to {options.target}.")
    elif not verdicts:
        out.tell(f"No gate is for {_named(version)} on its way to {options.target}.")
    return not failing


class Look(NamedTuple):
    """How far it has come: `missing` are sentences, none once it is there."""

    missing: list[str]
    show: Callable[[Output], None]


def wait(registry: Registry[Any], options: Options, out: Output) -> bool:
    """It is so, or the time is over. A registry that does not answer for a while is waited for as well."""
    end = time.monotonic() + options.timeout
    look, before = _look(registry, options), list[str]()
    while look.missing and time.monotonic() < end:
        if look.missing != before:
            out.tell(f"Waiting: {'; '.join(look.missing)}.")
        before = look.missing
        time.sleep(max(0.0, min(options.interval, end - time.monotonic())))
        look = _look(registry, options)
    look.show(out)
    if look.missing:
        out.tell(f"Not within {options.timeout:g} s: {'; '.join(look.missing)}.")
    return not look.missing


def _look(registry: Registry[Any], options: Options) -> Look:
    try:
        version = _version(registry, options)
        return _gates_passed(registry, version, options) if options.target else _is_live(registry, version, options)
    except RegistryError as fault:
        if not fault.transient:
            raise
        return Look([str(fault).rstrip(".")], lambda out: out.result([]))


def _gates_passed(registry: Registry[Any], version: Version, options: Options) -> Look:
    verdicts: list[Verdict] = registry.check_gates(version, options.target)
    return Look([verdict.detail for verdict in verdicts if not verdict.passed], lambda out: out.verdicts(verdicts))


def _is_live(registry: Registry[Any], version: Version, options: Options) -> Look:
    goal = options.live_in
    found = registry.list_deployments(release_id=version, environment=goal, limit=1)
    newest = next(iter(found), None)
    if goal.lower() in map(str.lower, version.live_in):
        return Look([], lambda out: out.result(version, f"{_named(version)} is live in {goal}"))
    state = f"its newest deployment there is {newest.status}" if newest else "it was never deployed there"
    return Look([f"{_named(version)} is not live in {goal}, {state}"], lambda out: out.result(version))


def _version(registry: Registry[Any], options: Options) -> Version:
    found: Version = registry.get_version(model_name=options.model, version=options.version)
    return found


def _metadata(source: str | None) -> dict[str, Any] | None:
    """The JSON object of a file, or of standard input. Raises Usage."""
    if source is None:
        return None
    try:
        content = json.loads(sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes())
    except OSError as fault:
        raise Usage(f"--metadata {source} cannot be read: {fault.strerror}.") from None
    except (ValueError, RecursionError) as fault:
        raise Usage(f"--metadata {source} is no JSON: {fault}.") from None
    if not isinstance(content, dict):
        raise Usage(f"--metadata {source} has to be a JSON object.")
    return content


def _check_force(options: Options) -> None:
    if options.force and not options.reason:
        raise Usage("--force needs a --reason: the audit log keeps it.")


def _named(thing: Version | Deployment) -> str:
    return f"{thing.model_name} {thing.version}"


def _line(deployment: Deployment) -> tuple[str, ...]:
    since = rfc3339(deployment.live_from, "live_from")[:19] + "Z" if deployment.live_from else ""
    return deployment.model_name, deployment.version, since, f"by {deployment.deployed_by}"


def _then(options: Options) -> str:
    return "is" if options.at is None else f"was, at {options.at},"
