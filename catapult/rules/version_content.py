"""What a version consists of: an image, which has a tag and a digest, or a source, or both."""


def missing(tag: str | None, digest: str | None, source: str | None) -> dict[str, list[str]]:
    """Return why each field that is missing is needed, empty if none is."""
    if tag is None and digest is None:
        reason = "Required unless source is given."
        return {"tag": [reason], "digest": [reason]} if source is None else {}
    if tag is None:
        return {"tag": ["Required with a digest."]}
    return {"digest": ["Required with a tag."]} if digest is None else {}
