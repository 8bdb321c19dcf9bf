"""The image that a request names for a new version."""

from typing import Any

from flask import g

from catapult.actions import image_checks, images
from catapult.actions.images import Resolved
from catapult.web import slots


def resolved(body: dict[str, Any]) -> Resolved | None:
    """Take `image` and `resolved_by_client` out of the body, and return the image; None if there is none.

    At most a few requests ask registries at once. Raises Unavailable beyond, and what `image_checks.resolve` raises.
    """
    image, by_client = body.pop("image", None), body.pop("resolved_by_client", False)
    if image is None:
        return None
    if by_client:
        return images.as_named(image)
    with slots.IMAGES.taken():
        return image_checks.resolve(image, body.get("model_id"), body.get("model_name"), actor=g.actor)
