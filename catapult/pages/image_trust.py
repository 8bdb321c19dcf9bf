"""What the image registry answered about a version, on its page, and the button that asks it now."""

from flask import Blueprint, Response, g

from catapult.actions import image_checks
from catapult.pages import versions
from catapult.pages.parts import fragments
from catapult.pages.parts.page_request import is_htmx, page
from catapult.queries import versions as stored
from catapult.tables import Role
from catapult.web import slots

blp = Blueprint("image_trust", __name__)


@blp.post(f"{versions.AT}/-/verify")
@page(Role.PUBLISHER)
def verify(name: str, version: str) -> Response:
    """Ask the image registry now, and show what it answers."""
    version_id = stored.identify(name, version).id
    with slots.IMAGES.taken():
        image_checks.verify(version_id, actor=g.actor)
    row = stored.named(name, version)
    if not is_htmx():
        return fragments.back(versions.address(row))
    return versions.again(row, fragments.toast("The image registry was asked."))
