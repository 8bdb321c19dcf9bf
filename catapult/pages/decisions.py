"""`/decisions`: everything that let a release or a deployment through, as a page and as JSON."""

from uuid import UUID

from flask import Blueprint, Response

from catapult.contract.control import DecisionOut
from catapult.pages.parts import evidence, fragments
from catapult.pages.parts.page_request import page
from catapult.queries import decisions

blp = Blueprint("decisions", __name__)
SHOW = "decisions/show.html"
WHOLE = evidence.Limits(text=1_000, verdicts=60, approvals=20)
NUMBERS = 150
"""Shown numbers of the metadata."""


@blp.get("/decisions/<uuid:decision_id>")
@page()
def show(decision_id: UUID) -> Response:
    """The decision: every verdict and approval, what was overridden, and the content of the version at that moment."""
    row = decisions.get(decision_id)
    decision = evidence.of_row(row, WHOLE)
    every = sorted(row.content["numbers"].items())
    return fragments.whole(SHOW, decision=decision, numbers=every[:NUMBERS], more_numbers=len(every[NUMBERS:]))


@blp.get("/decisions/<uuid:decision_id>.json")
@page()
def download(decision_id: UUID) -> Response:
    """The decision as a file, as the API answers it."""
    response = Response(DecisionOut.encode(decisions.get(decision_id)), content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="decision-{decision_id}.json"'
    response.headers["Cache-Control"] = "no-store"
    return response
