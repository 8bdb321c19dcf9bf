"""Image registries: one by its id, the list, and the access to a repository."""

from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from sqlalchemy import select

from catapult.config import SecretMissing
from catapult.errors import NotFound
from catapult.extensions import current_settings, db
from catapult.oci import Access, Fault, RegistryError
from catapult.queries.lists.paging import Listing, newest_first
from catapult.queries.lists.raw_columns import shown
from catapult.tables import ImageRegistry

R: Any = ImageRegistry.__table__.c

_REGISTRIES = Listing(
    select(
        *shown(R, "id host repositories allow_http ca username secret created_by created_at updated_at counter"),
    ).where(R.deleted_at.is_(None)),
    newest_first(R.created_at, R.id),
)


def listing() -> Listing:
    """Return the list of image registries, newest first."""
    return _REGISTRIES


def get(registry_id: UUID) -> Any:
    """Return the image registry as a plain row. Raises NotFound."""
    row = db.session.execute(_REGISTRIES.rows.where(R.id == registry_id)).one_or_none()
    if row is None:
        raise missing()
    return row


def missing() -> NotFound:
    return NotFound("There is no such image registry, or it was deleted. GET /api/v1/registries lists all.")


def access(host: str, repository: str) -> Access:
    """Return the access of the oldest registry that matches the repository, or access without credentials.

    Raises RegistryError if a secret is missing.
    """
    query = select(R.repositories, R.allow_http, R.ca, R.username, R.secret).where(
        R.host == host, R.deleted_at.is_(None)
    )
    rows = db.session.execute(query.order_by(R.created_at, R.id))
    row = next((row for row in rows if any(fnmatchcase(repository, each) for each in row.repositories)), None)
    if row is None:
        return Access()
    secrets = current_settings().registry_secrets
    try:
        ca = secrets.certificates(row.ca) if row.ca else ""
        return Access(row.allow_http, ca, row.username or "", secrets.get(row.secret) if row.secret else "")
    except SecretMissing as error:
        raise RegistryError(Fault.UNREACHABLE, f"The registry {host} could not be asked. {error}") from None
