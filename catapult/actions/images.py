"""Ask image registries about images. No transaction is open and nothing is locked while the network is asked."""

from dataclasses import asdict, dataclass
from typing import Any

from catapult import oci
from catapult.egress import Policy
from catapult.errors import Invalid, RegistryFailed, RegistryUnreachable, Unavailable
from catapult.extensions import current_settings, db
from catapult.oci import Fault, RegistryError
from catapult.queries import registries
from catapult.queries.image_checks import Subject
from catapult.rules import image_reference
from catapult.rules.image_reference import ImageName
from catapult.rules.json_text import rfc3339
from catapult.tables import DigestStatus, TagStatus

MOST_LABELS, LABEL_LENGTH = 50, 500
"""The most labels of an image that are stored, and the characters of each."""


@dataclass(frozen=True)
class Resolved:
    """An image as its registry describes it, or, if `image` is None, as the client named it."""

    name: ImageName
    digest: str
    image: oci.Image | None = None


@dataclass(frozen=True)
class Answer:
    """What a registry answered about a version's image.

    `status` is None if it could not be asked, and `signatures` where it gave no answer about them.
    """

    status: DigestStatus | None
    detail: str
    tag_status: TagStatus | None = None
    tag_digest: str | None = None
    image: dict[str, Any] | None = None
    signatures: list[oci.Signature] | None = None
    retry_after: int = 0


def parsed(image: str) -> ImageName:
    """Return the parts of `host/repository:tag@digest`. Raises Invalid."""
    try:
        return image_reference.parse(image)
    except ValueError as error:
        raise Invalid("This is not the name of an image.", errors={"image": [str(error)]}) from error


def as_named(image: str) -> Resolved:
    """Return the image as the client named it, without asking the registry for its digest. Raises Invalid."""
    name = parsed(image)
    if name.digest is None:
        reason = "Must have the digest, host/repository:tag@sha256:…, where resolved_by_client is true."
        raise Invalid("An image that you resolved needs its digest.", errors={"image": [reason]})
    return Resolved(name, name.digest)


def resolve(image: str) -> Resolved:
    """Ask the registry for this image. Ends the session's transaction.

    Raises Invalid if there is no such image or its tag leads to another digest than the one named, RegistryUnreachable,
    RegistryFailed, and Unavailable while the registry takes no more requests.
    """
    name = parsed(image)
    try:
        registry = _registry(name)
        answered = registry.resolve(name)
        tag_digest = registry.digest_of(name.repository, name.tag) if name.tag and name.digest else answered.digest
    except RegistryError as error:
        raise _refusal(error) from error
    if tag_digest != answered.digest:
        reason = f"The tag {name.tag} leads to {tag_digest}, not to the digest that you named."
        raise Invalid("The tag and the digest are of two images.", errors={"image": [reason]})
    return Resolved(name, answered.digest, answered)


def look_up(subject: Subject) -> Answer:
    """Ask the registry for the version's digest, for the digest of its tag, and for signatures. Ends the session's transaction."""
    tag = f":{subject.tag}" if subject.tag else ""
    name = image_reference.parse(f"{subject.pull_from}{tag}@{subject.digest}")
    try:
        registry = _registry(name)
        image = registry.resolve(name)
    except RegistryError as error:
        status = {Fault.MISSING: DigestStatus.MISSING, Fault.MISMATCH: DigestStatus.MISMATCH}.get(error.fault)
        if status is None:
            return Answer(None, error.reason, retry_after=error.retry_after or 0)
        return Answer(status, error.reason, *_tag(registry, name))
    detail, signatures = f"{name.host} has this digest.", None
    try:
        signatures = registry.signatures(name.repository, image.digest, subject.keys) if subject.keys else []
    except RegistryError as error:
        detail = f"{detail} Its signatures could not be looked up: {error.reason}"
    return Answer(DigestStatus.VERIFIED, detail, *_tag(registry, name), described(image), signatures)


def described(image: oci.Image) -> dict[str, Any]:
    """Return what is stored of an image's manifest: `rules.image_checks.MANIFEST`."""
    labels = {name[:LABEL_LENGTH]: text[:LABEL_LENGTH] for name, text in sorted(image.labels.items())[:MOST_LABELS]}
    fields = {name: value for name, value in asdict(image).items() if name != "digest"}
    return {**fields, "labels": labels, "created": image.created and rfc3339(image.created)}


def _tag(registry: oci.Registry, name: ImageName) -> tuple[TagStatus | None, str | None]:
    """Return the tag's status, None if unknown, and its new digest if it was moved."""
    if name.tag is None:
        return None, None
    try:
        tag_digest = registry.digest_of(name.repository, name.tag)
    except RegistryError as error:
        return (TagStatus.GONE if error.fault == Fault.MISSING else None), None
    return (TagStatus.CURRENT, None) if tag_digest == name.digest else (TagStatus.MOVED, tag_digest)


def _registry(name: ImageName) -> oci.Registry:
    """Return the registry to ask. Raises RegistryError if a secret is missing."""
    access = registries.access(name.host, name.repository)
    db.session.rollback()
    return oci.Registry(Policy.of(current_settings()), access, name.host)


def _refusal(error: RegistryError) -> Exception:
    fields = {"image": [error.reason]}
    if error.fault in (Fault.MISSING, Fault.MISMATCH):
        return Invalid(error.reason, errors=fields)
    if error.fault in (Fault.UNREACHABLE, Fault.UNAUTHORIZED, Fault.FORBIDDEN):
        return RegistryUnreachable(error.reason, errors=fields)
    if error.fault == Fault.LIMITED:
        return Unavailable(error.reason, retry_after=error.retry_after or 60)
    return RegistryFailed(error.reason)
