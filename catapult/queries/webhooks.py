"""Webhooks, and their deliveries with the answers."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, and_, case, func, or_, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by

from catapult.errors import NotFound
from catapult.extensions import db
from catapult.queries.lists.paging import Listing, newest_first
from catapult.queries.lists.raw_columns import as_json, shown
from catapult.tables import NOW, Decision, Delivery, DeliveryState, DeliveryTry, Event, Webhook

W: Any = Webhook.__table__.c
D: Any = Delivery.__table__.c
E: Any = Event.__table__.c
T: Any = DeliveryTry.__table__.c
IN_ORDER = 2
"""Tries of a delivery during which later deliveries of its model wait."""
ACTIVE: ColumnElement[bool] = and_(W.deleted_at.is_(None), W.ended_at.is_(None))

_STATE = case((W.ended_at.is_not(None), "ended"), (W.failing_since.is_not(None), "failing"), else_="active").label(
    "state"
)
_WEBHOOKS = Listing(
    select(
        *shown(W, "id host url_end format events models environments created_by created_at updated_at counter"),
        *shown(W, "failing_since ended_at ended_because old_secret_until"),
        _STATE,
    ).where(W.deleted_at.is_(None)),
    newest_first(W.created_at, W.id),
)

_TRY = func.jsonb_build_object(
    *("at", T.at, "milliseconds", T.milliseconds, "status", T.status, "answer", T.answer, "error", T.error)
)
_TRIES = (
    select(func.coalesce(func.jsonb_agg(aggregate_order_by(_TRY, T.at.desc(), T.id.desc())), text("'[]'")))
    .where(T.delivery_id == D.id)
    .scalar_subquery()
)
_DELIVERIES = Listing(
    select(
        *shown(D, "id event_id webhook_id state tries created_at"),
        case((D.state == "waiting", D.next_try_at)).label("next_try_at"),
        E.type,
        *shown(E, "data"),
        as_json(_TRIES).label("log"),
    ).join(Event.__table__, E.id == D.event_id),
    newest_first(D.created_at, D.id),
)


def listing() -> Listing:
    """Return the list of webhooks, newest first, ended ones too."""
    return _WEBHOOKS


def get(webhook_id: UUID) -> Any:
    """Return the webhook as a plain row, without its secrets. Raises NotFound."""
    row = db.session.execute(_WEBHOOKS.rows.where(W.id == webhook_id)).one_or_none()
    if row is None:
        raise missing()
    return row


def secrets(webhook_id: UUID) -> Any:
    """Return `url_sealed format counter` of the webhook, without a lock. Raises NotFound."""
    query = select(W.url_sealed, W.format, W.counter).where(W.id == webhook_id, W.deleted_at.is_(None))
    row = db.session.execute(query).one_or_none()
    if row is None:
        raise missing()
    return row


def deliveries(webhook_id: UUID) -> Listing:
    """Return the webhook's deliveries of the last 30 days, newest first, each with the `log` of its tries."""
    return _DELIVERIES.where(D.webhook_id == webhook_id)


def delivery(delivery_id: UUID) -> Any:
    """Return the delivery as a plain row. Raises NotFound."""
    row = db.session.execute(_DELIVERIES.rows.where(D.id == delivery_id, D.webhook_id.is_not(None))).one_or_none()
    if row is None:
        raise missing_delivery()
    return row


def missing() -> NotFound:
    return NotFound("There is no webhook with this id, or it was deleted.")


def missing_delivery() -> NotFound:
    return NotFound("There is no delivery with this id. Deliveries are deleted after 30 days.")


_CONTENT = Decision.__table__.c.content
_TO_SEND = (
    select(
        *(D.id, D.tries, D.model, (D.next_try_at <= NOW).label("is_due")),
        *(E.type, E.data, E.created_at.label("at")),
        _CONTENT["image"].astext.label("image"),
        _CONTENT["digest"].astext.label("digest"),
        _CONTENT["source"].astext.label("source"),
    )
    .select_from(
        Delivery.__table__.join(Event.__table__, E.id == D.event_id).outerjoin(
            Decision.__table__, Decision.__table__.c.id == E.data["decision_id"].astext.cast(Uuid)
        )
    )
    .where(D.state == DeliveryState.WAITING.value, or_(D.next_try_at <= NOW, D.tries < IN_ORDER))
    .order_by(D.id)
)


def to_send(receiver_id: UUID, most: int) -> list[Any]:
    """Return the oldest waiting deliveries of this webhook or person.

    They include deliveries that are not due yet but hold up later ones of their model. `image`, `digest` and `source` are those
    of the decision, even if the version's have changed since.
    """
    receiver = func.coalesce(D.webhook_id, D.person_id) == receiver_id
    return list(db.session.execute(_TO_SEND.where(receiver).limit(most)))


def active(webhook_id: UUID) -> Webhook | None:
    """Return the webhook with its secrets; None if it has ended or was deleted."""
    return db.session.scalar(select(Webhook).where(Webhook.id == webhook_id, ACTIVE))
