"""What depends on the name of a model: the gates and the bounds of keys that apply to it."""

from typing import Any

from sqlalchemy import func, select

from catapult.extensions import db
from catapult.queries import gates
from catapult.rules.bounds import Bounds
from catapult.tables import ApiKey, Gate


def change(old: str, new: str) -> dict[str, list[dict[str, Any]]]:
    """Return what changes for a model that gets a new name, as `{gates_lost gates_gained keys_lost keys_gained}`.

    Of gates `id model target kind`, and of keys that work `id name prefix models`.
    """
    before, after = _gates(old), _gates(new)
    lost, gained = (_only_in_first(*pair) for pair in ((before, after), (after, before)))
    keys = [
        (key, *(Bounds(models=tuple(key.models)).has_model(name) for name in (old, new))) for key in _bounded_keys()
    ]
    return {
        "gates_lost": lost,
        "gates_gained": gained,
        "keys_lost": [_key(key) for key, had, has in keys if had and not has],
        "keys_gained": [_key(key) for key, had, has in keys if has and not had],
    }


def _gates(name: str) -> dict[str, dict[str, Any]]:
    rows = db.session.scalars(select(Gate).where(Gate.deleted_at.is_(None), gates.applies_to(name)).order_by(Gate.id))
    return {
        str(row.id): {"id": str(row.id), "model": row.model, "target": row.target, "kind": row.kind_} for row in rows
    }


def _only_in_first(first: dict[str, Any], second: dict[str, Any]) -> list[dict[str, Any]]:
    return [gate for gate_id, gate in first.items() if gate_id not in second]


def _bounded_keys() -> list[Any]:
    """Return the keys that work and are bounded to models."""
    K = ApiKey
    works = (K.revoked_at.is_(None), func.coalesce(K.expires_at, "infinity") > func.statement_timestamp())
    columns = (K.id, K.name, K.prefix, K.models)
    return list(db.session.execute(select(*columns).where(K.models.is_not(None), *works).order_by(K.id)))


def _key(row: Any) -> dict[str, Any]:
    return {"id": str(row.id), "name": row.name, "prefix": row.prefix, "models": list(row.models)}
