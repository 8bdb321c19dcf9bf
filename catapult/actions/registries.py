"""Add, edit and delete image registries: the address and the credentials for some repositories of a host.

Only admins without bounds may see and change them: whoever names a secret chooses the host that it is sent to.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from catapult import audit
from catapult.actions import locks
from catapult.audit import Actor
from catapult.config import SecretMissing
from catapult.egress import Policy
from catapult.errors import Conflict, Invalid
from catapult.extensions import current_settings, db
from catapult.queries import registries as queries
from catapult.tables import NOW, ImageRegistry, Role

MOST = 50
"""Image registries at a time."""
FIELDS = ("host", "repositories", "allow_http", "ca", "username", "secret")
HUB, HUB_API = "docker.io", "registry-1.docker.io"


def check_may_manage(actor: Actor) -> None:
    """Raise Forbidden unless the actor may manage image registries, and see them."""
    actor.needs(Role.ADMIN)
    actor.bounds.check_everything("registries")


def create(*, actor: Actor, host: str, repositories: list[str], **fields: Any) -> ImageRegistry:
    """Add an image registry, used from now on.

    Raises Forbidden, Invalid for an address that nothing may be sent to and for a secret that is missing, and Conflict if
    there are `MOST`.
    """
    check_may_manage(actor)
    fields = _as_stored({"allow_http": False, **fields, "host": host, "repositories": repositories})
    _check_secrets(fields)
    _check_address(fields["host"], fields["allow_http"])
    locks.registries()
    if (db.session.scalar(select(func.count()).where(ImageRegistry.deleted_at.is_(None))) or 0) >= MOST:
        raise Conflict(
            f"There are {MOST} registries, the most that there may be. Delete one that is not used any more."
        )
    row = ImageRegistry(id=uuid7(), created_by=actor.shown, **fields)
    db.session.add(row)
    return audit.commit(actor, row, audit.entry("registry.create", row, **_shown(row)))


def edit(registry_id: UUID, fields: dict[str, Any], *, actor: Actor, expected: set[int] | None = None) -> ImageRegistry:
    """Set these `FIELDS`. Raises NotFound, Forbidden, PreconditionFailed, and Invalid as `create` does."""
    check_may_manage(actor)
    fields = _as_stored(fields)
    _check_secrets(fields)
    if fields.keys() & {"host", "allow_http"}:
        seen = queries.get(registry_id)
        _check_address(
            fields.get("host", seen.host), fields.get("allow_http", seen.allow_http)
        )  # no lock is held meanwhile
        expected = {seen.counter} if expected is None else expected & {seen.counter}
    row = _locked(registry_id)
    locks.check_counter(row, expected)
    changed = audit.changes(row, fields)
    if row.username and not row.secret:
        raise Invalid("A username needs a secret.", errors={"secret": ["Required with a username."]})
    if not changed:
        return row
    return audit.commit(actor, row, audit.entry("registry.update", row, host=row.host, changes=changed))


def delete(registry_id: UUID, *, actor: Actor, expected: set[int] | None = None) -> None:
    """Delete the registry. Other registries of its host are used instead, or no credentials. Raises as `edit` does."""
    check_may_manage(actor)
    row = _locked(registry_id)
    locks.check_counter(row, expected)
    row.deleted_at = NOW
    audit.commit(actor, row, audit.entry("registry.delete", row, **_shown(row)))


def _as_stored(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with the host in lower case, and without repeated patterns."""
    host = {"host": fields["host"].lower()} if "host" in fields else {}
    patterns = {"repositories": list(dict.fromkeys(fields["repositories"]))} if "repositories" in fields else {}
    return fields | host | patterns


def _check_secrets(fields: dict[str, Any]) -> None:
    """Raise Invalid if a secret that these fields name is missing. The error contains nothing of the secrets."""
    secrets, errors = current_settings().registry_secrets, {}
    for name, look_up in (("ca", secrets.certificates), ("secret", secrets.get)):
        if fields.get(name):
            try:
                look_up(fields[name])
            except SecretMissing as error:
                errors[name] = [str(error)]
    if errors:
        raise Invalid("A secret is missing. `errors` says how to provide it.", errors=errors)


def _check_address(host: str, allow_http: bool) -> None:
    """Raise Invalid if nothing may be sent there: an address that is not public has to be in EGRESS_ALLOW too."""
    scheme = "http" if allow_http else "https"
    Policy.of(current_settings()).check(f"{scheme}://{HUB_API if host == HUB else host}/v2/", "host")


def _shown(row: ImageRegistry) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FIELDS}


def _locked(registry_id: UUID) -> ImageRegistry:
    query = select(ImageRegistry).where(ImageRegistry.id == registry_id, ImageRegistry.deleted_at.is_(None))
    row = db.session.scalar(query.with_for_update(key_share=True).execution_options(populate_existing=True))
    if row is None:
        raise queries.missing()
    return row
