"""The stages of MLflow and their environments."""

NONE, STAGING, PRODUCTION, ARCHIVED = ALL = ("None", "Staging", "Production", "Archived")
ENVIRONMENTS = {PRODUCTION: "production", STAGING: "staging"}
"""The environment in which a version of that stage is live. A version that is live in both is in the first stage."""


def named(text: str) -> str | None:
    """Return the stage of that name, case ignored, or None if there is none."""
    return next((stage for stage in ALL if stage.lower() == text.lower()), None)
