"""Register versions of pushed images: find the models that ask for them, then register each as its registry describes it."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from catapult.actions import images, versions
from catapult.audit import Actor
from catapult.errors import Conflict, Forbidden
from catapult.queries import api_keys, registered_models
from catapult.queries import versions as version_queries
from catapult.rules import image_reference
from catapult.rules.image_reference import ImageName
from catapult.rules.registry_events import Push
from catapult.tables import Role, Version

DOOR = "registry"
"""How the entries say where the version came from."""


def payloads(pushes: Sequence[Push], *, actor: Actor) -> dict[str, dict[str, Any]]:
    """Return the payload for `register` of each push and each model that asks for it and that the actor may change.

    The key is the same for the same model, tag and digest. Raises Forbidden.
    """
    actor.needs(Role.PUBLISHER)
    named = [(push, name) for push in pushes if (name := _parsed(push.image))]
    models = registered_models.registering({name.name for _, name in named}) if named else []
    return {
        hashlib.sha256(f"{model.id} {push.tag} {push.digest}".encode()).hexdigest(): {
            "model_id": str(model.id),
            "image": push.image,
            "digest": push.digest,
            "key_id": str(actor.key_id),
        }
        for push, name in named
        for model in models
        if _asks_for(model, name) and actor.bounds.has_model(model.name)
    }


def register(model_id: UUID, image: str, key_id: UUID) -> Version | None:
    """Register the image as a version named after its tag, with the key's current rights; None if the version exists.

    Raises NotFound (model), Forbidden if the key or the model does not let it, and what `images.resolve` raises.
    """
    actor, model, name = _actor(key_id), registered_models.get(model_id), image_reference.parse(image)
    if not _asks_for(model, name):
        raise Forbidden(f"{model.name} does not ask for {name} any more.")
    actor.bounds.check_model(model.name)
    if version_queries.is_there(model_id, str(name.tag)):
        return None
    resolved = images.resolve(image)
    try:
        return versions.create(actor=actor, model_id=model_id, version=name.tag, resolved=resolved)
    except Conflict:  # somebody else has registered it meanwhile
        return None


def _actor(key_id: UUID) -> Actor:
    """Return the actor that sent the notification. Raises Forbidden if the key no longer works or may not register."""
    row = api_keys.holder(key_id)
    if reason := api_keys.ended(row):
        raise Forbidden(f"The key that sent the notification is {reason}.")
    actor = replace(api_keys.actor_of(row), door=DOOR)
    actor.needs(Role.PUBLISHER)
    return actor


def _parsed(image: str) -> ImageName | None:
    try:
        return image_reference.parse(image)
    except ValueError:
        return None


def _asks_for(model: Any, name: ImageName) -> bool:
    """Return whether the model asks for this tag of this repository."""
    repository = image_reference.pull_from(model.repository, model.storage_path)
    if not repository or not model.register_tags or not fnmatchcase(str(name.tag), model.register_tags):
        return False
    return image_reference.parse(f"{repository}:{name.tag}").name == name.name
