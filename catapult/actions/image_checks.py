"""Save the answers of image registries about versions. An answer that changes something has an audit entry."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql import insert

from catapult import audit
from catapult.actions import images, locks
from catapult.actions.images import Answer, Resolved
from catapult.audit import Actor
from catapult.errors import Conflict, Invalid
from catapult.extensions import begin, db
from catapult.queries import image_checks as queries
from catapult.queries import registered_models
from catapult.queries import versions as version_queries
from catapult.queries.image_checks import Subject
from catapult.rules import image_reference
from catapult.rules.image_reference import ImageName
from catapult.rules.json_text import rfc3339
from catapult.tables import DigestStatus, ImageCheck, Role, TagStatus, Version

Values = dict[str, Any]
"""The columns of a row of `image_checks`."""
_TABLE: Any = ImageCheck.__table__
NOTHING: Values = {
    "digest_status": DigestStatus.UNVERIFIED.value,
    "tag_status": None,
    "tag_digest": None,
    "verified_at": None,
    "image": None,
    "signatures": [],
}
"""What is known of an image before its registry is asked."""


def verify(version_id: UUID, *, actor: Actor) -> None:
    """Ask the image registry about the version now, and save its answer.

    Raises NotFound, Forbidden, and Conflict without an image.
    """
    actor.needs(Role.PUBLISHER)
    subject = queries.subject(version_id)
    if subject is None:
        raise version_queries.missing()
    actor.bounds.check_model(subject.model_name)
    if fault := image_reference.image_fault(subject.repository, subject.storage_path, subject.digest):
        raise Conflict(f"There is no image to ask for. {fault}")
    record(subject, images.look_up(subject), actor=actor)


def resolve(image: str, model_id: UUID | None, model_name: str | None, *, actor: Actor) -> Resolved:
    """Ask the registry for an image of this model, and of no other: the server's credentials may open more repositories.

    Raises NotFound (model), Forbidden, and what `images.resolve` raises.
    """
    actor.needs(Role.PUBLISHER)
    name = images.parsed(image)
    model = registered_models.get(model_id) if model_id else registered_models.called(model_name or "")
    actor.bounds.check_model(model.name)
    _repository_of(model, name)
    return images.resolve(image)


def record(subject: Subject, answer: Answer, *, actor: Actor) -> None:
    """Save the answer, unless the answer to a later request is saved. Raises NotFound if the version was deleted."""
    begin()
    version, _ = locks.version(subject.id)
    known = version.image_check
    if known is None or known["repository"] != subject.pull_from:
        known = NOTHING
    values = _values(known, subject, answer)
    changes = _changes(known, values)
    if not changes:
        audit.note(_save(values))
        return
    saved: Any = db.session.execute(_save(values))
    if not saved.rowcount:
        raise Conflict("The image registry was asked again meanwhile, and that answer is saved.")
    version.image_check = queries.of(
        version.id
    )  # before the commit, because an answer stored under an Idempotency-Key is rendered there
    shown = {name: getattr(version, name) for name in ("version", "tag", "digest")}
    details = {"model": version.model_name, **shown, "detail": values["detail"], "tag_digest": values["tag_digest"]}
    audit.commit(actor, version, audit.entry("version.verify", version, **details, changes=changes))


def of_new(version: Version, resolved: Resolved, now: datetime, *, actor: Actor) -> ImageCheck:
    """Return what is known of the image of a version that is being registered, which the caller adds.

    Raises Invalid if the image is not in the model's repository.
    """
    name = resolved.name
    repository = _repository_of(version.model, name)
    row = ImageCheck(version_id=version.id, repository=repository, checked_at=now, **NOTHING)
    row.detail = f"The client of {actor.shown} looked up the digest; this server has not asked the registry yet."
    if resolved.image is not None:
        row.digest_status, row.verified_at, row.image = DigestStatus.VERIFIED, now, images.described(resolved.image)
        row.tag_status = TagStatus.CURRENT if name.tag else None
        row.detail = f"{name.host} has this digest."
    return row


def _repository_of(model: Any, name: ImageName) -> str:
    """Return the model's repository. Raises Invalid if the image is in another one."""
    repository = image_reference.pull_from(model.repository, model.storage_path)
    if repository is None or image_reference.parse(f"{repository}:any").name != name.name:
        reason = (
            f"Is in {name.name}; the images of {model.name} are in {repository or 'no repository yet'}. Set the model's "
            "repository to that one, or register the image for another model."
        )
        raise Invalid("The image is not in the model's repository.", errors={"image": [reason]})
    return repository


def _values(known: Values, subject: Subject, answer: Answer) -> Values:
    """Return the row with the answer. If the registry is unreachable, its last answer stays."""
    values = {name: known[name] for name in NOTHING}
    values |= {"version_id": subject.id, "repository": subject.pull_from, "checked_at": subject.now}
    values |= {"unreachable": answer.status is None, "detail": answer.detail[:2_000]}
    if answer.status is None:
        return values
    values |= {"digest_status": answer.status, "tag_status": answer.tag_status, "tag_digest": answer.tag_digest}
    if answer.status == DigestStatus.VERIFIED:
        values |= {"verified_at": subject.now, "image": answer.image}
    if answer.signatures is not None:
        since = {(each["key_id"], each["layout"]): each["verified_at"] for each in known["signatures"]}
        values["signatures"] = [
            {
                **{"key_id": each.key_id, "key": each.key, "layout": each.layout},
                "verified_at": since.get((each.key_id, each.layout)) or rfc3339(subject.now),
            }
            for each in answer.signatures
        ]
    return values


def _changes(known: Values, values: Values) -> dict[str, Any]:
    """Return what has changed, as `{field: {old new}}`."""
    changes: dict[str, dict[str, Any]] = {
        name: {"old": known[name] and str(known[name]), "new": values[name] and str(values[name])}
        for name in ("digest_status", "tag_status", "tag_digest")
    }
    keys = {when: sorted({each["key"] for each in of["signatures"]}) for when, of in (("old", known), ("new", values))}
    return {name: change for name, change in {**changes, "signatures": keys}.items() if change["old"] != change["new"]}


def _save(values: Values) -> Executable:
    statement = insert(_TABLE).values(**values)
    new = {name: statement.excluded[name] for name in values if name != "version_id"}
    is_later = _TABLE.c.checked_at <= statement.excluded.checked_at
    return statement.on_conflict_do_update(index_elements=["version_id"], set_=new, where=is_later)
